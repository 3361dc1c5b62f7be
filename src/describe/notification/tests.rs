//! What each format makes of the same notification, and that none of them is longer than its receiver takes.

use serde_json::Value;

use super::{Letter, alertmanager, pagerduty, slack, standard};
use crate::decide::event::{Action, Event, Reason};
use crate::decide::notification::{Notification, Pair, Subject, Transition, Turn};
use crate::decide::policy::NotifyEvent;
use crate::decide::units::{Percent, UnixMillis};

const AT: UnixMillis = UnixMillis(1_795_247_762_123);

fn notification(action: Action, on: NotifyEvent, reason: &str) -> Notification {
    let event = Event {
        at: AT,
        rollout: Some("chat".to_owned()),
        actor: "guard".into(),
        action,
        reason: Reason::from_human(reason),
        from: Percent::from_hundredths(1000).unwrap(),
        to: Percent::ZERO,
        generation: 3,
    };
    let pair = Pair { stable: "openai".to_owned(), canary: "holysheep".to_owned(), attempt: 2 };
    let transition = Transition { event, pair: Some(pair), incident: Some("chat-1".to_owned()) };
    let subject = Subject::Transition(Box::new(transition));
    Notification { id: "evt_1".to_owned(), at: AT, on: Some(on), subject, others: 0 }
}

fn letter(notification: &Notification, turn: Turn) -> Letter<'_> {
    Letter { notification, turn, problem: "chat/2", base: "https://serin.example.com", now: UnixMillis(AT.0 + 5000) }
}

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn the_standard_body_says_what_why_and_how_to_undo_it() {
    let notification = notification(Action::Rollback, NotifyEvent::RolledBack, "14 of 68 failed");
    let body = read(&standard::body(&letter(&notification, Turn::Opens)));
    assert_eq!(body["type"], "rollout.rolled_back");
    assert_eq!(body["timestamp"], "2026-11-21T07:56:02.123Z");
    let data = &body["data"];
    assert_eq!(data["summary"], "chat: rolled back from 10% to 0% by guard");
    assert_eq!((&data["reason"], &data["command"]), (&"14 of 68 failed".into(), &"serin resume chat".into()));
    assert_eq!((&data["from"], &data["to"], &data["attempt"]), (&10.0.into(), &0.0.into(), &2.into()));
    assert_eq!(data["links"]["incident"], "https://serin.example.com/#/incidents/chat-1");
    assert_eq!(data["links"]["dashboard"], "https://serin.example.com/");
}

#[test]
fn no_body_is_longer_than_its_receiver_takes() {
    let long = notification(Action::Rollback, NotifyEvent::RolledBack, &"<\u{1F600}&>".repeat(50_000));
    let letter = letter(&long, Turn::Opens);
    assert!(standard::body(&letter).len() < super::LARGEST);
    let slack = read(&slack::body(&letter));
    for block in slack["blocks"].as_array().unwrap() {
        let text = block["text"]["text"].as_str().unwrap_or_default();
        let most = if block["type"] == "header" { 150 } else { 3000 };
        assert!(text.chars().count() <= most, "{}", text.chars().count());
    }
    let pagerduty = read(&pagerduty::body(&letter, "KEY"));
    assert!(pagerduty["payload"]["summary"].as_str().unwrap().chars().count() <= 1024);
    assert!(alertmanager::body(&letter).len() < super::LARGEST);
}

#[test]
fn slack_reads_no_markup_of_ours_or_of_others() {
    let evil = notification(Action::Rollback, NotifyEvent::RolledBack, "<!channel> & <https://evil.test|click>");
    let slack = read(&slack::body(&letter(&evil, Turn::Opens)));
    assert_eq!(
        slack["text"],
        "chat: rolled back from 10% to 0% by guard: &lt;!channel&gt; &amp; &lt;https://evil.test|click&gt;"
    );
    assert_eq!(slack["blocks"][1]["text"]["text"], "&lt;!channel&gt; &amp; &lt;https://evil.test|click&gt;");
    assert_eq!(slack["blocks"][2]["text"]["text"], "`serin resume chat`");
}

#[test]
fn pagerduty_triggers_and_resolves_under_one_key() {
    let back = notification(Action::Rollback, NotifyEvent::RolledBack, "why");
    let opens = read(&pagerduty::body(&letter(&back, Turn::Opens), "KEY"));
    assert_eq!((&opens["event_action"], &opens["dedup_key"]), (&"trigger".into(), &"serin/chat/2".into()));
    assert_eq!((&opens["routing_key"], &opens["payload"]["severity"]), (&"KEY".into(), &"critical".into()));
    let resumed = notification(Action::Resume, NotifyEvent::Resumed, "");
    let closes = read(&pagerduty::body(&letter(&resumed, Turn::Closes), "KEY"));
    assert_eq!((&closes["event_action"], &closes["dedup_key"]), (&"resolve".into(), &"serin/chat/2".into()));
    let change = read(&pagerduty::body(&letter(&resumed, Turn::Tells), "KEY"));
    assert_eq!((change.get("event_action"), change["payload"].get("severity")), (None, None));
}

#[test]
fn an_alert_keeps_its_labels_until_it_ends() {
    let back = notification(Action::Rollback, NotifyEvent::RolledBack, "why");
    let stands = read(&alertmanager::body(&letter(&back, Turn::Opens)));
    let resumed = notification(Action::Resume, NotifyEvent::Resumed, "");
    let ended = read(&alertmanager::body(&letter(&resumed, Turn::Closes)));
    let by_name = |alerts: &Value, name: &str| {
        let alerts = alerts.as_array().unwrap();
        alerts.iter().find(|alert| alert["labels"]["alertname"] == name).unwrap().clone()
    };
    let (first, last) = (by_name(&stands, "SerinRolledBack"), by_name(&ended, "SerinRolledBack"));
    assert_eq!(first["labels"], last["labels"]);
    assert_eq!((first.get("endsAt"), &last["endsAt"]), (None, &"2026-11-21T07:56:02.123Z".into()));
    assert!(by_name(&stands, "SerinHeld").get("endsAt").is_some(), "it is another alert now");
    let held = notification(Action::Hold, NotifyEvent::Held, "why");
    let held = read(&alertmanager::body(&letter(&held, Turn::Opens)));
    assert!(by_name(&held, "SerinHeld").get("endsAt").is_none());
}
