//! Which target is told of what, and what an answer leads to.

use super::*;
use crate::decide::policy::{NotifyUrl, Secret, plain};

fn target(name: &str, format: NotifyFormat, on: &[NotifyEvent]) -> NotifyTarget {
    let path = if format == NotifyFormat::Pagerduty { "/v2/enqueue" } else { "/" };
    let url = NotifyUrl {
        https: false,
        host: format!("{name}.test"),
        port: 80,
        path: Secret::new(path.to_owned()),
        credentials: None,
    };
    let secret = Some(Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()));
    NotifyTarget {
        name: name.to_owned(),
        url,
        secret,
        on: on.iter().copied().collect(),
        format,
        min_interval: Millis(0),
    }
}

struct Scene {
    notifier: Notifier,
    changes: Changes,
    policy: Policy,
}

const ALL: [NotifyEvent; 11] = NotifyEvent::ALL;

impl Scene {
    fn new(targets: Vec<NotifyTarget>) -> Scene {
        let plain = plain::policy(vec![plain::provider("a"), plain::provider("b")], vec![plain::rollout("chat")]);
        let policy = Policy { notify: targets, ..plain };
        let (mut notifier, mut changes) = (Notifier::default(), Changes::new());
        notifier.set_targets(&policy, &mut changes);
        Scene { notifier, changes, policy }
    }

    fn tell(&mut self, action: Action, attempt: u32, at: u64) {
        let event = Event {
            at: UnixMillis(at),
            rollout: Some("chat".to_owned()),
            actor: Actor::Guard,
            action,
            reason: Reason::from_human("why"),
            from: Percent::ZERO,
            to: Percent::ZERO,
            generation: 1,
        };
        let pair = Pair { stable: "a".to_owned(), canary: "b".to_owned(), attempt };
        self.notifier.tell(&event, Some(&pair), None, &mut self.changes);
        self.notifier.handed_over(1);
        self.notifier.settled(1);
    }

    fn due(&mut self, at: u64) -> Vec<Try> {
        self.notifier.due(now(at))
    }

    fn answer(&mut self, of: &Try, result: &Result<Answer, String>, at: u64) -> Option<Action> {
        let result = self.notifier.answered(of.number, &of.target, result, &mut self.changes, now(at));
        result.map(|(_, action, _)| action)
    }

    fn status(&self, name: &str) -> NotifyTargetStatus {
        self.notifier.report().into_iter().find(|status| status.name == name).unwrap()
    }
}

fn now(at: u64) -> Now {
    Now { mono: Millis(at), unix: UnixMillis(at) }
}

fn answer(status: u16) -> Result<Answer, String> {
    Ok(Answer { status, ..Answer::default() })
}

fn body(of: &Try) -> serde_json::Value {
    serde_json::from_slice(&of.post.body).unwrap()
}

fn header(of: &Try, name: &str) -> String {
    of.post.headers.iter().find(|(known, _)| *known == name).unwrap().1.reveal().to_owned()
}

#[test]
fn every_target_gets_the_same_id_and_every_try_its_own_signature() {
    let mut scene = Scene::new(vec![
        target("one", NotifyFormat::Standard, &ALL),
        target("two", NotifyFormat::Standard, &ALL),
        target("three", NotifyFormat::Standard, &[NotifyEvent::Completed]),
    ]);
    scene.tell(Action::Rollback, 1, 10_000);
    let tries = scene.due(10_000);
    assert_eq!(tries.iter().map(|of| of.target.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(header(&tries[0], "webhook-id"), header(&tries[1], "webhook-id"));
    assert!(scene.due(10_000).is_empty(), "one try at a time");
    assert_eq!(scene.answer(&tries[0], &Err("refused".to_owned()), 10_100), None);
    assert_eq!(scene.answer(&tries[1], &answer(204), 10_100), Some(Action::Notified));
    assert!(scene.due(13_000).is_empty());
    let again = scene.due(15_200).pop().unwrap();
    assert_eq!(header(&again, "webhook-id"), header(&tries[0], "webhook-id"));
    assert_ne!(header(&again, "webhook-signature"), header(&tries[0], "webhook-signature"));
    assert_eq!(header(&again, "webhook-timestamp"), "15");
    assert_eq!(scene.answer(&again, &answer(200), 15_300), Some(Action::Notified));
    let one = scene.status("one");
    assert_eq!((one.delivered, one.retried, one.queued, one.last_error), (1, 1, 0, None));
}

#[test]
fn a_problem_opens_and_closes_under_one_key_at_pagerduty() {
    let mut scene = Scene::new(vec![target("pd", NotifyFormat::Pagerduty, &[NotifyEvent::RolledBack])]);
    scene.tell(Action::Resume, 1, 1_000);
    assert!(scene.due(1_000).is_empty(), "nothing is open, and it is not asked for");
    scene.tell(Action::Rollback, 1, 2_000);
    let opens = scene.due(2_000).pop().unwrap();
    assert_eq!(
        (body(&opens)["event_action"].as_str(), body(&opens)["dedup_key"].as_str()),
        (Some("trigger"), Some("serin/chat/1"))
    );
    scene.answer(&opens, &answer(202), 2_100);
    assert!(scene.due(90_000_000).is_empty(), "it is not told again");
    // The next attempt has another number.
    scene.tell(Action::Attempt, 2, 3_000);
    let closes = scene.due(3_000).pop().unwrap();
    assert_eq!(
        (body(&closes)["event_action"].as_str(), body(&closes)["dedup_key"].as_str()),
        (Some("resolve"), Some("serin/chat/1"))
    );
    scene.answer(&closes, &answer(202), 3_100);
    assert!(scene.changes.values().all(Option::is_none), "nothing is kept: {:?}", scene.changes);
    scene.tell(Action::Promote, 2, 4_000);
    assert!(scene.due(4_000).is_empty());
}

#[test]
fn what_only_tells_is_a_change_event_at_pagerduty() {
    let mut scene = Scene::new(vec![target("pd", NotifyFormat::Pagerduty, &ALL)]);
    scene.tell(Action::Promote, 1, 1_000);
    let change = scene.due(1_000).pop().unwrap();
    assert_eq!(change.post.url.path.reveal(), "/v2/change/enqueue");
    assert_eq!(body(&change).get("event_action"), None);
}

#[test]
fn an_alert_is_sent_each_minute_until_it_is_over() {
    let mut scene = Scene::new(vec![target("am", NotifyFormat::Alertmanager, &ALL)]);
    scene.tell(Action::Promote, 1, 500);
    assert!(scene.due(500).is_empty(), "no alert");
    scene.tell(Action::Hold, 1, 1_000);
    let held = scene.due(1_000).pop().unwrap();
    assert_eq!(scene.answer(&held, &answer(200), 1_000), Some(Action::Notified));
    assert!(scene.due(60_000).is_empty());
    let again = scene.due(61_000).pop().unwrap();
    assert_eq!(again.post.body, held.post.body, "with the same labels and times");
    assert_eq!(scene.answer(&again, &answer(503), 61_000), None);
    let again = scene.due(70_000).pop().unwrap();
    assert_eq!(scene.answer(&again, &answer(200), 70_000), None, "the history has it once");
    scene.tell(Action::Rollback, 1, 71_000);
    let back = scene.due(71_000).pop().unwrap();
    scene.answer(&back, &answer(200), 71_000);
    let again = scene.due(131_000).pop().unwrap();
    assert_eq!(again.post.body, back.post.body, "the other one is not sent again");
    scene.answer(&again, &answer(200), 131_000);
    scene.tell(Action::Resume, 2, 132_000);
    let over = scene.due(132_000).pop().unwrap();
    assert!(body(&over).as_array().unwrap().iter().all(|alert| alert["endsAt"].is_string()));
    scene.answer(&over, &answer(200), 132_000);
    assert!(scene.due(9_000_000).is_empty());
    assert_eq!(scene.status("am").delivered, 3);
}

#[test]
fn a_target_that_is_gone_gets_nothing_until_the_next_file() {
    let mut scene = Scene::new(vec![target("ops", NotifyFormat::Standard, &ALL)]);
    scene.tell(Action::Rollback, 1, 1_000);
    scene.tell(Action::Resume, 2, 2_000);
    let first = scene.due(3_000).pop().unwrap();
    assert_eq!(scene.answer(&first, &answer(410), 3_000), Some(Action::NotNotified));
    scene.tell(Action::Promote, 2, 4_000);
    assert!(scene.due(9_000_000).is_empty());
    let status = scene.status("ops");
    assert_eq!((status.given_up, status.dropped, status.queued, status.ended), (1, 2, 0, true));
    let policy = scene.policy.clone();
    scene.notifier.set_targets(&policy, &mut scene.changes);
    scene.tell(Action::Complete, 2, 5_000);
    assert_eq!(scene.due(9_000_000).len(), 1);
}

#[test]
fn a_target_that_asks_for_time_gets_it_and_after_three_days_it_is_given_up() {
    let mut scene = Scene::new(vec![target("ops", NotifyFormat::Standard, &ALL)]);
    scene.tell(Action::Rollback, 1, 0);
    let first = scene.due(0).pop().unwrap();
    let busy = Ok(Answer { status: 429, retry_after: Some(Millis(90_000)), said: "slow down".to_owned() });
    assert_eq!(scene.answer(&first, &busy, 0), None);
    assert!(scene.due(89_999).is_empty());
    let again = scene.due(90_000).pop().unwrap();
    assert_eq!(scene.answer(&again, &answer(500), 259_200_000 - 1), None);
    let last = scene.due(259_200_000 + 20_000).pop().unwrap();
    assert_eq!(scene.answer(&last, &answer(500), 259_200_000), Some(Action::NotNotified));
    assert!(scene.due(u64::MAX / 2).is_empty());
}

#[test]
fn a_burst_is_sent_as_its_newest_and_a_rollback_at_once() {
    let spaced = NotifyTarget { min_interval: Millis(60_000), ..target("ops", NotifyFormat::Slack, &ALL) };
    let mut scene = Scene::new(vec![spaced]);
    scene.tell(Action::Promote, 1, 1_000);
    let first = scene.due(1_000).pop().unwrap();
    scene.answer(&first, &answer(200), 1_000);
    for at in 0..20 {
        scene.tell(Action::Hold, 1, 2_000 + at);
    }
    assert!(scene.due(60_000).is_empty());
    let newest = scene.due(61_000).pop().unwrap();
    assert!(body(&newest)["text"].as_str().unwrap().contains("(and 19 more)"), "{}", body(&newest));
    scene.answer(&newest, &answer(200), 61_000);
    scene.tell(Action::Hold, 1, 62_000);
    scene.tell(Action::Rollback, 1, 62_001);
    let back = scene.due(62_001).pop().unwrap();
    assert!(body(&back)["text"].as_str().unwrap().starts_with("chat: rolled back"), "{}", body(&back));
}

#[test]
fn what_was_for_a_target_that_left_is_dropped_and_counted() {
    let mut scene =
        Scene::new(vec![target("ops", NotifyFormat::Standard, &ALL), target("am", NotifyFormat::Alertmanager, &ALL)]);
    scene.tell(Action::Rollback, 1, 1_000);
    let policy = Policy { notify: Vec::new(), ..scene.policy.clone() };
    scene.notifier.set_targets(&policy, &mut scene.changes);
    assert!(scene.due(9_000).is_empty() && scene.changes.values().all(Option::is_none));
    assert_eq!((scene.status("ops").dropped, scene.status("am").dropped), (1, 1));
}

#[test]
fn a_proposal_is_told_when_it_is_in_force_and_never_when_it_is_withdrawn() {
    let mut scene = Scene::new(vec![target("ops", NotifyFormat::Standard, &ALL)]);
    let identity = Identity { rollout: "chat".into(), stable: "a".into(), canary: "b".into(), salt: String::new() };
    let event = Event {
        at: UnixMillis(5),
        rollout: Some("chat".to_owned()),
        actor: Actor::Ramp,
        action: Action::Promote,
        reason: Reason::from_human(""),
        from: Percent::ZERO,
        to: Percent::ALL,
        generation: 1,
    };
    let pair = Pair { stable: "a".to_owned(), canary: "b".to_owned(), attempt: 1 };
    for in_force in [false, true] {
        scene.notifier.propose(&identity, std::slice::from_ref(&event), &pair, &mut scene.changes);
        assert!(scene.changes.values().any(Option::is_some), "written with the proposal");
        assert!(scene.due(10).is_empty());
        if in_force {
            scene.notifier.commit(&identity, &mut scene.changes);
            assert_eq!(scene.due(10).len(), 1);
        } else {
            scene.notifier.withdraw(&identity, &mut scene.changes);
            assert!(scene.changes.values().all(Option::is_none) && scene.due(10).is_empty());
        }
    }
}

#[test]
fn a_thousand_transitions_are_bounded_and_the_oldest_are_counted() {
    let mut scene = Scene::new(vec![target("ops", NotifyFormat::Standard, &ALL)]);
    for at in 0..1_200 {
        scene.tell(Action::Promote, 1, at);
    }
    let status = scene.status("ops");
    assert_eq!((status.queued, status.dropped), (1000, 200));
    assert_eq!(scene.changes.values().filter(|row| row.is_some()).count(), 1000);
}
