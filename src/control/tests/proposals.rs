//! A step that sends users to the canary is on the disk before it is in force. A rollback waits for nothing.

use std::rc::Rc;

use tokio::task::spawn_local;

use super::harness::*;
use crate::decide::event::filter::HistoryFilter;
use crate::decide::outcome::Outcome;
use crate::decide::policy::{Canary, Intent, OnRegression};
use crate::decide::rollout::state::{Lock, OverallPhase, Phase, RolloutCommand};
use crate::decide::units::{Arm, Millis, Percent, RolloutId, UnixMillis};
use crate::state::counters::Core;
use crate::state::inbox::{CommandError, Receipt};
use crate::store::locks::{path, write_lock};

const ROLLBACK: RolloutCommand = RolloutCommand::Rollback { to: Percent::ZERO };
const RESUME: RolloutCommand = RolloutCommand::Resume { at: None };

fn to(share: u16) -> RolloutCommand {
    RolloutCommand::Promote { to: Some(percent(share)) }
}

/// Ten requests of the canary that end so, while stable is well.
fn answers(harness: &Harness, outcome: Outcome) {
    let evidence = harness.shared.load().in_force(RolloutId(0)).evidence.clone();
    for _ in 0..10 {
        evidence.begin(Core(0), (Arm::Stable, None));
        evidence.end(Core(0), (Arm::Stable, None), Outcome::Ok);
        evidence.begin(Core(0), (Arm::Canary, None));
        evidence.end(Core(0), (Arm::Canary, None), outcome);
    }
}

fn asked(harness: &Rc<Harness>, verb: RolloutCommand) -> tokio::task::JoinHandle<Result<Receipt, CommandError>> {
    let harness = Rc::clone(harness);
    spawn_local(async move { harness.ask(verb).await })
}

async fn begun(harness: &Harness) {
    harness.until("the ramp's start", |harness| harness.chat().percent == percent(10)).await;
}

#[tokio::test(start_paused = true)]
async fn no_share_is_in_force_before_it_is_on_the_disk() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    let disk = &disk;
    Harness::run(one(canary()), dir.path(), disk, true, async |harness| {
        begun(&harness).await;
        answers(&harness, Outcome::Ok);
        disk.set(false, true);
        harness
            .until("the promotion is on its way", |harness| harness.chat().waiting_for.contains("to be written"))
            .await;
        assert!(harness.chat().waiting_for.starts_with("its promote (25%) to be written to "));
        tokio::time::sleep(Millis(5000).duration()).await;
        assert_eq!((harness.chat().percent, disk.states()[0].1.in_force), (percent(10), percent(10)));
        let slow = harness.elapsed();
        disk.release();
        harness.until("it is in force", |harness| harness.chat().percent == percent(25)).await;
        assert_eq!(disk.states()[0].1.in_force, percent(25));
        // The time at a share begins when it is in force, and its evidence is its own.
        assert!(harness.chat().since.0 >= 1_000_000 + u64::try_from(slow.as_millis()).unwrap());
        assert_eq!(harness.chat().answered, 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn completion_and_retry_are_written_first_as_well() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    let disk = &disk;
    let again = Canary { try_again_after: Some(Millis(1000)), ..canary() };
    Harness::run(one(again), dir.path(), disk, true, async |harness| {
        begun(&harness).await;
        harness.ask(to(40)).await.unwrap();
        answers(&harness, Outcome::Ok);
        disk.set(false, true);
        harness.until("it is on its way", |harness| harness.chat().waiting_for.contains("its complete (40%)")).await;
        assert_eq!(harness.chat().phase, OverallPhase::Ramping);
        disk.release();
        harness.until("completed", |harness| harness.chat().phase == OverallPhase::Completed).await;
        answers(&harness, Outcome::ServerError);
        harness.until("taken back", |harness| harness.chat().phase == OverallPhase::RolledBack).await;
        disk.set(true, false);
        // A retry that cannot be remembered does not begin.
        harness.inbox.history(HistoryFilter::default(), 1).await.unwrap();
        tokio::time::sleep(Millis(3000).duration()).await;
        assert_eq!((harness.chat().phase, harness.chat().percent), (OverallPhase::RolledBack, Percent::ZERO));
        harness
            .until("it says why", |harness| harness.chat().waiting_for == "state that can be written (disk full)")
            .await;
        disk.set(false, false);
        harness.until("it begins again", |harness| harness.chat().percent == percent(10)).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_rollback_withdraws_a_promotion_that_hangs() {
    for back in ["human", "guard", "file", "flags"] {
        let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
        let (disk, folder) = (&disk, dir.path());
        Harness::run(one(canary()), folder, disk, true, async |harness| {
            begun(&harness).await;
            disk.set(false, true);
            let promoted = asked(&harness, to(40));
            harness.until("on its way", |harness| harness.chat().waiting_for.contains("to be written")).await;
            let began = harness.elapsed();
            match back {
                "human" => assert_eq!(harness.ask(ROLLBACK).await.unwrap().durable, Ok(()), "by its file"),
                "guard" => answers(&harness, Outcome::ServerError),
                "file" => {
                    let lock = Lock { to: Percent::ZERO, at: UnixMillis(1), actor: "bob".into(), reason: "".into() };
                    write_lock(folder, Some("chat"), &lock).unwrap();
                }
                _ => {
                    let none = Canary { percent: Intent::Pinned(Percent::ZERO), ..canary() };
                    assert!(harness.inbox.put(crate::state::inbox::Input::Flags(read(one(none)))));
                }
            }
            harness.until(back, |harness| harness.chat().percent == Percent::ZERO).await;
            // The guard has a tick a second.
            let most = Millis(if back == "guard" { 1300 } else { 300 });
            assert!(harness.elapsed() - began < most.duration(), "{back}");
            let refused = promoted.await.unwrap().unwrap_err().to_string();
            assert_eq!(refused, "another change came first: `serin history chat` shows it");
            disk.release();
            harness.until("the disk has it", |_| disk.states()[0].1.in_force == Percent::ZERO).await;
            assert_eq!(harness.chat().percent, Percent::ZERO, "{back}");
        })
        .await;
        // The promotion was on its way to the disk, and the history does not pass over that.
        let actions = disk.actions();
        let at = actions.iter().position(|action| action == "serin withdraw").unwrap_or_else(|| panic!("{actions:?}"));
        assert_eq!(actions[at - 1], "alice promote");
        let states = disk.states();
        let held = states[0].1.lock.is_some() || matches!(states[0].1.phase, Phase::RolledBack { .. });
        assert!(held || back == "flags", "{back}: {states:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_ends_the_guards_own_pause_waits_for_no_disk() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    let disk = &disk;
    let holding = Canary { on_regression: OnRegression::Hold, ..canary() };
    Harness::run(one(holding), dir.path(), disk, true, async |harness| {
        begun(&harness).await;
        answers(&harness, Outcome::ServerError);
        harness.until("it is held", |harness| harness.chat().phase == OverallPhase::Paused).await;
        disk.set(false, true);
        assert!(harness.inbox.put(crate::state::inbox::Input::Flags(read(one(canary())))));
        answers(&harness, Outcome::ServerError);
        let took = harness.until("it is taken back", |harness| harness.chat().percent == Percent::ZERO).await;
        assert_eq!((took < Millis(2000).duration(), harness.chat().phase), (true, OverallPhase::RolledBack));
        disk.release();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_command_that_sends_users_to_the_canary_is_refused_while_the_disk_cannot_be_written() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    let (disk, folder) = (&disk, dir.path());
    Harness::run(one(canary()), folder, disk, true, async |harness| {
        begun(&harness).await;
        disk.set(false, true);
        let refused = harness.ask(to(40)).await.unwrap_err().to_string();
        assert_eq!(
            refused,
            "`chat` stays at 10%, since any other share would be lost at a restart: the disk did not answer within \
             2s; fix this and try again"
        );
        disk.release();
        harness.until("the disk says what is in force", |_| disk.states()[0].1.in_force == percent(10)).await;
        assert_eq!(harness.ask(to(25)).await.unwrap().durable, Ok(()));
        disk.set(true, false);
        let full = format!(
            "`chat` stays at 25%, since any other share would be lost at a restart: state in {} cannot be written \
             (disk full); fix this and try again",
            folder.display()
        );
        // The first finds it out, the second knows it.
        for _ in 0..2 {
            assert_eq!(harness.ask(to(40)).await.unwrap_err().to_string(), full);
            assert_eq!(harness.chat().percent, percent(25));
        }
        harness.until("it is reported", |harness| harness.status.load().store.error.is_some()).await;
        disk.set(false, false);
        harness.until("it can be written", |harness| harness.status.load().store.error.is_none()).await;
        assert_eq!(harness.ask(to(40)).await.unwrap().rollouts, [("chat".to_owned(), percent(40))]);
    })
    .await;
    let reported = disk.actions();
    assert_eq!(
        reported.iter().filter(|action| *action == "alice promote").count(),
        3,
        "one of them withdrawn: {reported:?}"
    );
    assert_eq!(reported.iter().filter(|action| *action == "serin notice").count(), 2, "{reported:?}");
}

#[tokio::test(start_paused = true)]
async fn a_resume_that_cannot_be_written_leaves_the_lock_and_its_file() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    let (disk, folder) = (&disk, dir.path());
    let pinned = Canary { percent: Intent::Pinned(percent(30)), ..canary() };
    Harness::run(one(pinned), folder, disk, true, async |harness| {
        harness.ask(ROLLBACK).await.unwrap();
        let file = path(folder, Some("chat"));
        harness.until("its file", |_| file.exists()).await;
        for (full, hanging) in [(true, false), (false, true)] {
            disk.set(full, hanging);
            let refused = harness.ask(RESUME).await.unwrap_err().to_string();
            assert!(refused.starts_with("`chat` stays at 0%, since any other share would be lost"), "{refused}");
            harness.until("its file again", |_| file.exists()).await;
            assert_eq!((harness.chat().phase, harness.chat().percent), (OverallPhase::Locked, Percent::ZERO));
            disk.release();
            disk.set(false, false);
            harness.until("it can be written", |harness| harness.status.load().store.error.is_none()).await;
        }
        harness.until("the lock is on the disk", |_| disk.states()[0].1.lock.is_some()).await;
        // Two at once: one lifts it, and it stays lifted.
        let (one, other) = tokio::join!(harness.ask(RESUME), harness.ask(RESUME));
        assert!(one.is_ok() || other.is_ok(), "{one:?} {other:?}");
        tokio::time::sleep(Millis(1000).duration()).await;
        assert_eq!((harness.chat().phase, harness.chat().percent), (OverallPhase::Pinned, percent(30)));
        assert!(!file.exists());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_lock_for_every_rollout_that_cannot_be_expanded_is_reported_once_and_holds() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    let folder = dir.path();
    let pinned = Canary { percent: Intent::Pinned(percent(30)), ..canary() };
    Harness::run(one(pinned), folder, &disk, true, async |harness| {
        let lock = Lock { to: Percent::ZERO, at: UnixMillis(1), actor: "bob".into(), reason: "".into() };
        write_lock(folder, None, &lock).unwrap();
        // A folder in the place of the rollout's own file.
        std::fs::create_dir_all(path(folder, Some("chat")).join("in the way")).unwrap();
        harness.until("locked", |harness| harness.chat().phase == OverallPhase::Locked).await;
        let before = harness.shared.load().revision;
        tokio::time::sleep(Millis(5000).duration()).await;
        assert_eq!(harness.shared.load().revision, before);
        assert!(path(folder, None).exists());
    })
    .await;
}
