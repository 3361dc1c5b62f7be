//! Models that are taken away: each notice once, over restarts, edits and requests that come late.

use std::time::Duration;

use super::harness::*;
use crate::control::engine::dispatch::Engine;
use crate::control::now::Now;
use crate::decide::event::Action;
use crate::decide::policy::{Canary, Intent, NotifyEvent, NotifyFormat, NotifyTarget, NotifyUrl, Policy, Secret};
use crate::decide::units::{Millis, ProviderId, UnixMillis};
use crate::describe::event::reason;

const DAY: u64 = 86_400_000;

/// The harness' clock begins at 1,000 s. `models`: what `openai` takes away, so many days after that.
fn policy_with(models: &[(&str, u64)]) -> Policy {
    let pinned = Canary { percent: Intent::Pinned(percent(30)), ..canary() };
    let mut policy = one(pinned);
    let openai = std::sync::Arc::make_mut(&mut policy.providers[0]);
    let date = |days: u64| UnixMillis(1_000_000 + days * DAY);
    openai.retires = models.iter().map(|(model, days)| ((*model).to_owned(), date(*days))).collect();
    openai.models = [("gpt-4".to_owned(), "mapped".to_owned())].into();
    let url =
        NotifyUrl { https: false, host: "ops.test".into(), port: 80, path: Secret::new("/".into()), credentials: None };
    policy.notify = vec![NotifyTarget {
        name: "ops".to_owned(),
        url,
        secret: None,
        on: [NotifyEvent::ModelRetires].into(),
        format: NotifyFormat::Slack,
        min_interval: Millis(0),
    }];
    policy
}

fn told(disk: &Disk) -> usize {
    disk.actions().iter().filter(|action| *action == "serin retires").count()
}

fn warnings(harness: &Harness) -> Vec<String> {
    let warnings = harness.status.load().flags.warnings.clone();
    warnings.into_iter().filter(|warning| warning.contains("retire")).collect()
}

#[tokio::test(start_paused = true)]
async fn each_notice_is_told_once_also_over_restarts_and_an_edited_date_anew() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    for (models, expected, why) in [
        (&[("mapped", 91), ("unused", 3)][..], 0, "too far away, or nobody's"),
        (&[("mapped", 60), ("unused", 3)], 1, "the first notice"),
        (&[("mapped", 60)], 1, "a restart"),
        (&[("mapped", 20)], 2, "another date"),
        (&[("mapped", 20), ("gpt-4", 1)], 2, "a name that is renamed on the way"),
    ] {
        Harness::run(policy_with(models), dir.path(), &disk, true, async |harness| {
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert_eq!(told(&disk), expected, "{why}");
            assert_eq!(warnings(&harness).len(), usize::from(expected > 0), "{why}");
            assert!(harness.posts.borrow().iter().all(|(_, post)| post.url.host == "ops.test"));
        })
        .await;
    }
}

#[test]
fn all_notices_of_a_model_come_one_after_the_other() {
    let at = |day: u64| Now { mono: Millis(day * DAY + 1), unix: UnixMillis(1_000_000 + day * DAY) };
    let mut engine = Engine::new(bootstrap(policy_with(&[("mapped", 91)]), Vec::new()), at(0));
    engine.tick(at(0));
    assert!(engine.wants_told_retirements() && !engine.wants_told_retirements(), "the history is asked once");
    engine.told_retirements(&[], at(0));
    let mut days = Vec::new();
    for day in 0..100 {
        engine.tick(at(day));
        let new = engine.outbox.events.drain(..).filter(|event| event.action == Action::Retires);
        days.extend(new.map(|event| (day, reason(&event))));
    }
    let told: Vec<u64> = days.iter().map(|(day, _)| *day).collect();
    assert_eq!(told, [1, 61, 84, 91]);
    assert!(days[0].1.contains("in 90 days") && days[3].1.contains("requests for it may fail"), "{days:?}");
}

#[tokio::test(start_paused = true)]
async fn a_model_that_no_mapping_names_is_told_when_a_request_for_it_was_seen() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    Harness::run(policy_with(&[("seen", 5), ("other", 5)]), dir.path(), &disk, true, async |harness| {
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!((told(&disk), warnings(&harness).len()), (0, 0));
        harness.shared.load().provider(ProviderId(0)).seen_models.add("seen");
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert_eq!(told(&disk), 1);
        assert!(warnings(&harness)[0].starts_with("openai retires `seen` on 1970-01-06, in 5 days"));
    })
    .await;
}
