//! Rollbacks and resumes over disks that fail, cores that hang and files that come and go.

use std::fs;
use std::time::Duration;

use super::harness::*;
use crate::decide::event::filter::HistoryFilter;
use crate::decide::policy::{Canary, Intent};
use crate::decide::rollout::state::{Lock, OverallPhase, RolloutCommand};
use crate::decide::units::{Arm, Percent, RolloutId, UnixMillis};
use crate::state::counters::Core;
use crate::state::inbox::{Command, CommandError, Input};
use crate::store::locks::{path, read_locks, write_lock};

const ROLLBACK: RolloutCommand = RolloutCommand::Rollback { to: Percent::ZERO };
const RESUME: RolloutCommand = RolloutCommand::Resume { at: None };

fn pinned() -> Canary {
    Canary { percent: Intent::Pinned(percent(30)), ..canary() }
}

fn by_file() -> Lock {
    Lock { to: Percent::ZERO, at: UnixMillis(1), actor: "bob".into(), reason: "by file".into() }
}

#[tokio::test(start_paused = true)]
async fn the_ramp_begins_when_the_canary_answers_and_climbs_while_it_is_good() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    Harness::run(one(canary()), dir.path(), &disk, true, async |harness| {
        *harness.probe_answer.borrow_mut() = Err("HTTP 503".to_owned());
        harness.until("a failed probe is reported", |harness| harness.chat().waiting_for.contains("HTTP 503")).await;
        assert_eq!((harness.chat().phase, harness.chat().percent), (OverallPhase::Probing, Percent::ZERO));
        *harness.probe_answer.borrow_mut() = Ok(());
        for share in [10, 25, 40] {
            harness.until("the next stage", |harness| harness.chat().percent == percent(share)).await;
            let evidence = harness.shared.load().in_force(RolloutId(0)).evidence.clone();
            for _ in 0..10 {
                evidence.begin(Core(0), (Arm::Canary, None));
                evidence.end(Core(0), (Arm::Canary, None), crate::decide::outcome::Outcome::Ok);
            }
        }
        harness.until("the end", |harness| harness.chat().phase == OverallPhase::Completed).await;
    })
    .await;
    let reported = ["serin start", "ramp start", "ramp promote", "ramp promote", "ramp complete"];
    assert_eq!(disk.actions(), reported);
}

#[tokio::test(start_paused = true)]
async fn a_rollback_is_in_force_durable_and_outlives_the_process() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    Harness::run(one(pinned()), dir.path(), &disk, true, async |harness| {
        assert_eq!(harness.chat().percent, percent(30));
        let receipt = harness.ask(ROLLBACK).await.unwrap();
        assert_eq!(receipt.rollouts, [("chat".to_owned(), Percent::ZERO)]);
        assert_eq!((receipt.durable, receipt.seen_by_all_cores), (Ok(()), true));
        let snapshot = harness.shared.load();
        assert_eq!(
            (snapshot.in_force(RolloutId(0)).percent, snapshot.in_force(RolloutId(0)).buckets_only),
            (Percent::ZERO, true)
        );
    })
    .await;
    assert_eq!(read_locks(dir.path()).unwrap().of("chat").unwrap().actor, "alice");
    // Either half is enough after a restart: the file without the database, the database without the file.
    let start = async |disk: &Disk| {
        Harness::run(one(pinned()), dir.path(), disk, true, async |harness| {
            assert_eq!((harness.chat().phase, harness.chat().percent), (OverallPhase::Locked, Percent::ZERO));
            assert!(harness.chat().reason.contains("by alice (test), although the file has percent: 30%"));
        })
        .await;
    };
    start(&Disk::default()).await;
    fs::remove_file(path(dir.path(), Some("chat"))).unwrap();
    start(&disk).await;
}

#[tokio::test(start_paused = true)]
async fn a_full_or_hanging_disk_never_stops_a_rollback() {
    for (full, hanging, reported) in [(true, false, "disk full; the lock file in "), (false, true, "not yet written: ")]
    {
        let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
        Harness::run(one(pinned()), dir.path(), &disk, true, async |harness| {
            harness.until("a first write", |harness| harness.status.load().store.error.is_none()).await;
            disk.set(full, hanging);
            // The lock file alone is durable as well.
            let receipt = harness.ask(ROLLBACK).await.unwrap();
            assert_eq!((receipt.durable, harness.chat().percent), (Ok(()), Percent::ZERO));
            fs::remove_dir_all(dir.path().join("locks")).unwrap();
            fs::write(dir.path().join("locks"), "in the way").unwrap();
            let receipt = harness.ask(RolloutCommand::Rollback { to: Percent::ZERO }).await.unwrap();
            assert!(receipt.seen_by_all_cores);
            let durable = receipt.durable.unwrap_err();
            assert!(durable.contains(reported), "{durable}");
            // What could not be written is written when the disk has room again.
            if full {
                harness.until("the disk is reported", |harness| harness.status.load().store.error.is_some()).await;
                disk.set(false, false);
                harness.until("it is written", |harness| harness.status.load().store.error.is_none()).await;
                assert!(disk.states()[0].1.lock.is_some());
            } else {
                disk.set(false, false);
            }
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_core_that_does_not_acknowledge_is_reported() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    Harness::run(one(pinned()), dir.path(), &disk, false, async |harness| {
        let receipt = harness.ask(ROLLBACK).await.unwrap();
        assert_eq!((receipt.seen_by_all_cores, harness.chat().percent), (false, Percent::ZERO));
        assert!(harness.elapsed() < Duration::from_millis(100));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_lock_file_is_in_force_in_time_and_resume_removes_it() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    Harness::run(one(pinned()), dir.path(), &disk, true, async |harness| {
        write_lock(dir.path(), Some("chat"), &by_file()).unwrap();
        let took = harness.until("locked by file", |harness| harness.chat().phase == OverallPhase::Locked).await;
        assert!(took < Duration::from_millis(200), "{took:?}");
        assert_eq!(harness.chat().lock.unwrap().actor, "bob");
        // Removing it by hand unlocks nothing.
        fs::remove_file(path(dir.path(), Some("chat"))).unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(harness.chat().phase, OverallPhase::Locked);
        assert_eq!(harness.ask(RESUME).await.unwrap().rollouts, [("chat".to_owned(), percent(30))]);
        harness.ask(ROLLBACK).await.unwrap();
        harness.until("written", |_| path(dir.path(), Some("chat")).exists()).await;
        assert_eq!(harness.ask(RESUME).await.unwrap().durable, Ok(()));
        assert!(!path(dir.path(), Some("chat")).exists());
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(harness.chat().phase, OverallPhase::Pinned);
    })
    .await;
    assert_eq!(disk.states()[0].1.lock, None);
}

#[tokio::test(start_paused = true)]
async fn the_lock_for_every_rollout_becomes_one_each() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    let both = policy(vec![rollout("chat", Some(pinned())), rollout("code", Some(pinned()))]);
    Harness::run(both, dir.path(), &disk, true, async |harness| {
        write_lock(dir.path(), None, &by_file()).unwrap();
        let locked = |harness: &Harness| harness.status.load().rollouts.iter().all(|r| r.phase == OverallPhase::Locked);
        harness.until("both locked", locked).await;
        harness.until("one file each", |_| !path(dir.path(), None).exists()).await;
        assert_eq!(read_locks(dir.path()).unwrap().rollouts.len(), 2);
        harness.ask(RESUME).await.unwrap();
        let rollouts = harness.status.load().rollouts.clone();
        assert_eq!((rollouts[0].percent, rollouts[1].percent), (percent(30), Percent::ZERO));
        assert_eq!(read_locks(dir.path()).unwrap().rollouts.len(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_lock_file_that_cannot_be_removed_stays_in_force_and_says_how_to_mend_it() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    Harness::run(one(pinned()), dir.path(), &disk, true, async |harness| {
        fs::create_dir_all(path(dir.path(), Some("chat"))).unwrap();
        harness.until("locked", |harness| harness.chat().phase == OverallPhase::Locked).await;
        let Err(CommandError::NotNow(reported)) = harness.ask(RESUME).await else { panic!("resumed") };
        let file = path(dir.path(), Some("chat"));
        assert!(
            reported.contains(&format!("remove {}", file.display())) && reported.contains("resume again"),
            "{reported}"
        );
        assert_eq!(harness.chat().percent, Percent::ZERO);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_comes_while_a_resume_is_under_way_wins() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    Harness::run(one(pinned()), dir.path(), &disk, true, async |harness| {
        harness.ask(ROLLBACK).await.unwrap();
        let again =
            Command { rollout: Some("chat".into()), verb: ROLLBACK, actor: "carol".into(), reason: "still bad".into() };
        let (resumed, rolled_back) = tokio::join!(harness.ask(RESUME), harness.inbox.ask(again));
        assert_eq!(
            resumed.unwrap_err(),
            CommandError::NotNow("`chat` was rolled back again while it was being resumed".to_owned())
        );
        assert_eq!(rolled_back.unwrap().rollouts, [("chat".to_owned(), Percent::ZERO)]);
        harness.until("its file is there", |_| path(dir.path(), Some("chat")).exists()).await;
        assert_eq!((harness.chat().percent, harness.chat().lock.unwrap().actor.as_str()), (Percent::ZERO, "carol"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_command_for_an_unknown_rollout_lists_the_known_ones() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    Harness::run(one(pinned()), dir.path(), &disk, true, async |harness| {
        let ask = async |rollout: Option<&str>, verb| {
            let command =
                Command { rollout: rollout.map(str::to_owned), verb, actor: "a".into(), reason: String::new() };
            harness.inbox.ask(command).await.map_err(|refusal| refusal.to_string())
        };
        let unknown = "there is no rollout named `chta`; there are: chat, plain";
        assert_eq!(ask(Some("chta"), ROLLBACK).await.unwrap_err(), unknown);
        let plain = "`plain` is a plain route: it has no canary to move users to";
        assert_eq!(ask(Some("plain"), ROLLBACK).await.unwrap_err(), plain);
        let which = "name a rollout: only rollback and pause apply to all; there are: chat, plain";
        assert_eq!(ask(None, RESUME).await.unwrap_err(), which);
        assert_eq!(ask(None, ROLLBACK).await.unwrap().rollouts.len(), 1);
        let history = harness.inbox.history(HistoryFilter::of_rollout(Some("chat".to_owned())), 1).await.unwrap();
        assert_eq!((history.len(), history[0].action.as_str()), (1, "rollback"));
        assert!(harness.inbox.put(Input::Drain));
        harness.until("draining", |harness| harness.shared.load().draining && harness.status.load().draining).await;
    })
    .await;
}
