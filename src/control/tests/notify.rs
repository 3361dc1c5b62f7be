//! Notifications through the whole loop: the store, virtual time, and receivers that are down.

use super::harness::*;
use crate::decide::policy::{Canary, Intent, NotifyEvent, NotifyFormat, NotifyTarget, NotifyUrl, Policy, Secret};
use crate::decide::rollout::state::RolloutCommand;
use crate::decide::units::{Millis, Percent};

fn target(name: &str) -> NotifyTarget {
    let host = format!("{name}.test");
    let url = NotifyUrl { https: false, host, port: 80, path: Secret::new("/".to_owned()), credentials: None };
    let secret = Some(Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()));
    let on = [NotifyEvent::RolledBack, NotifyEvent::Resumed].into();
    NotifyTarget { name: name.to_owned(), url, secret, on, format: NotifyFormat::Standard, min_interval: Millis(0) }
}

fn policy_with(targets: &[&str]) -> Policy {
    let pinned = Canary { percent: Intent::Pinned(percent(30)), ..canary() };
    Policy { notify: targets.iter().map(|name| target(name)).collect(), ..one(pinned) }
}

/// The ids and types that a host got, in the order of their first arrival.
fn arrived(harness: &Harness, host: &str) -> Vec<(String, String)> {
    let mut seen: Vec<(String, String)> = Vec::new();
    for (_, post) in harness.posts.borrow().iter().filter(|(_, post)| post.url.host == host) {
        let id = post.headers.iter().find(|(name, _)| *name == "webhook-id").unwrap().1.reveal().to_owned();
        let body: serde_json::Value = serde_json::from_slice(&post.body).unwrap();
        if !seen.iter().any(|(known, _)| *known == id) {
            seen.push((id, body["type"].as_str().unwrap().to_owned()));
        }
    }
    seen
}

async fn back_and_on(harness: &Harness) {
    harness.ask(RolloutCommand::Rollback { to: Percent::ZERO }).await.unwrap();
    harness.ask(RolloutCommand::Resume { at: None }).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_happens_while_a_receiver_is_down_for_ten_minutes_arrives_once_each_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::default();
    Harness::run(policy_with(&["down", "alive"]), dir.path(), &disk, true, async |harness| {
        harness.post_answers.borrow_mut().insert("down.test".to_owned(), Some(Err("refused".to_owned())));
        for _ in 0..10 {
            back_and_on(&harness).await;
            tokio::time::sleep(std::time::Duration::from_secs(60)).await;
        }
        let alive = arrived(&harness, "alive.test");
        assert_eq!(alive.len(), 20, "the other one is not held up");
        assert_eq!(harness.status.load().notify.iter().map(|target| target.queued).sum::<u64>(), 20);
        harness.post_answers.borrow_mut().clear();
        let none_waits = |harness: &Harness| harness.status.load().notify.iter().all(|target| target.queued == 0);
        // The last wait was less than ten minutes.
        for _ in 0..20 {
            if none_waits(&harness) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_secs(60)).await;
        }
        assert!(none_waits(&harness));
        assert_eq!(arrived(&harness, "down.test"), alive, "with the same ids, in the same order");
    })
    .await;
    assert!(disk.notifications().is_empty(), "nothing is kept of what was delivered");
    let told = disk.actions().iter().filter(|action| *action == "serin notified").count();
    assert_eq!(told, 40, "one entry of the history for each and each target");
}

#[tokio::test(start_paused = true)]
async fn what_was_not_sent_is_sent_by_the_next_process_with_the_same_id() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::default();
    let before = std::cell::RefCell::new(Vec::new());
    Harness::run(policy_with(&["ops"]), dir.path(), &disk, true, async |harness| {
        harness.post_answers.borrow_mut().insert("ops.test".to_owned(), None);
        back_and_on(&harness).await;
        harness.until("it is sent", |harness| !harness.posts.borrow().is_empty()).await;
        before.replace(arrived(&harness, "ops.test"));
    })
    .await;
    assert_eq!(disk.notifications().len(), 2);
    Harness::run(policy_with(&["ops"]), dir.path(), &disk, true, async |harness| {
        harness.until("all is sent", |harness| harness.posts.borrow().len() == 2).await;
        let after = arrived(&harness, "ops.test");
        assert_eq!(after[0], before.borrow()[0]);
        assert_eq!(after[1].1, "rollout.resumed");
        harness.until("none waits", |harness| harness.status.load().notify[0].queued == 0).await;
    })
    .await;
    assert!(disk.notifications().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_keeps_no_notification_from_going() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::default();
    Harness::run(policy_with(&["ops"]), dir.path(), &disk, true, async |harness| {
        disk.set(true, false);
        let _ = harness.ask(RolloutCommand::Rollback { to: Percent::ZERO }).await;
        harness.until("it is sent", |harness| !harness.posts.borrow().is_empty()).await;
        disk.set(false, false);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_rollback_has_a_report_that_is_completed_after_five_minutes() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::default();
    Harness::run(policy_with(&[]), dir.path(), &disk, true, async |harness| {
        harness.ask(RolloutCommand::Rollback { to: Percent::ZERO }).await.unwrap();
        let [incident] = &harness.inbox.incidents(None).await.unwrap()[..] else { panic!("one report") };
        assert_eq!((incident.complete, incident.event.from), (false, percent(30)));
        assert_eq!(harness.chat().incident.as_ref(), Some(&incident.id));
        tokio::time::sleep(std::time::Duration::from_secs(301)).await;
        let found = harness.inbox.incidents(Some(incident.id.clone())).await.unwrap();
        assert!(found[0].complete);
        harness.ask(RolloutCommand::Resume { at: None }).await.unwrap();
        harness.until("nothing holds it", |harness| harness.chat().incident.is_none()).await;
    })
    .await;
}
