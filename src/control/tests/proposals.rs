//! What sends users to the canary is on the disk before anybody sees it; what takes them back waits for nothing.

use std::rc::Rc;

use tokio::task::spawn_local;

use super::bench::*;
use crate::decide::outcome::Outcome;
use crate::decide::policy::{Canary, Intent, OnRegression};
use crate::decide::rollout::state::{Lock, Phase, Standing, Verb};
use crate::decide::units::{Arm, Millis, Percent, RolloutId, UnixMillis};
use crate::state::counters::Core;
use crate::state::inbox::{Receipt, Refusal};
use crate::store::locks::{path, write_lock};

const ROLLBACK: Verb = Verb::Rollback { to: Percent::ZERO };
const RESUME: Verb = Verb::Resume { at: None };

fn to(share: u16) -> Verb {
    Verb::Promote { to: Some(percent(share)) }
}

/// Ten requests of the canary that end so, while stable is well.
fn answers(bench: &Bench, outcome: Outcome) {
    let evidence = bench.shared.load().in_force(RolloutId(0)).evidence.clone();
    for _ in 0..10 {
        evidence.begin(Core(0), (Arm::Stable, None));
        evidence.end(Core(0), (Arm::Stable, None), Outcome::Ok);
        evidence.begin(Core(0), (Arm::Canary, None));
        evidence.end(Core(0), (Arm::Canary, None), outcome);
    }
}

fn asked(bench: &Rc<Bench>, verb: Verb) -> tokio::task::JoinHandle<Result<Receipt, Refusal>> {
    let bench = Rc::clone(bench);
    spawn_local(async move { bench.ask(verb).await })
}

async fn begun(bench: &Bench) {
    bench.until("the ramp's start", |bench| bench.chat().percent == percent(10)).await;
}

#[tokio::test(start_paused = true)]
async fn no_share_is_seen_before_it_is_on_the_disk() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    let disk = &disk;
    Bench::run(one(canary()), dir.path(), disk, true, async |bench| {
        begun(&bench).await;
        answers(&bench, Outcome::Ok);
        disk.set(false, true);
        bench.until("the promotion is on its way", |bench| bench.chat().waiting_for.contains("to be written")).await;
        assert!(bench.chat().waiting_for.starts_with("its promote (25%) to be written to "));
        tokio::time::sleep(Millis(5000).duration()).await;
        assert_eq!((bench.chat().percent, disk.states()[0].1.in_force), (percent(10), percent(10)));
        let slow = bench.elapsed();
        disk.release();
        bench.until("it is in force", |bench| bench.chat().percent == percent(25)).await;
        assert_eq!(disk.states()[0].1.in_force, percent(25));
        // The time at a share begins when it is in force, and its evidence is its own.
        assert!(bench.chat().since.0 >= 1_000_000 + u64::try_from(slow.as_millis()).unwrap());
        assert_eq!(bench.chat().answered, 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn completion_and_retry_are_written_first_as_well() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    let disk = &disk;
    let again = Canary { try_again_after: Some(Millis(1000)), ..canary() };
    Bench::run(one(again), dir.path(), disk, true, async |bench| {
        begun(&bench).await;
        bench.ask(to(40)).await.unwrap();
        answers(&bench, Outcome::Ok);
        disk.set(false, true);
        bench.until("it is on its way", |bench| bench.chat().waiting_for.contains("its complete (40%)")).await;
        assert_eq!(bench.chat().standing, Standing::Ramping);
        disk.release();
        bench.until("completed", |bench| bench.chat().standing == Standing::Completed).await;
        answers(&bench, Outcome::ServerError);
        bench.until("rolled back", |bench| bench.chat().standing == Standing::RolledBack).await;
        disk.set(true, false);
        // A retry that cannot be remembered does not begin.
        bench.inbox.history(None, 1).await.unwrap();
        tokio::time::sleep(Millis(3000).duration()).await;
        assert_eq!((bench.chat().standing, bench.chat().percent), (Standing::RolledBack, Percent::ZERO));
        bench.until("it says why", |bench| bench.chat().waiting_for == "state that can be written (disk full)").await;
        disk.set(false, false);
        bench.until("it begins again", |bench| bench.chat().percent == percent(10)).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn whatever_takes_users_back_overtakes_a_promotion_that_hangs() {
    for back in ["human", "guard", "file", "flags"] {
        let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
        let (disk, folder) = (&disk, dir.path());
        Bench::run(one(canary()), folder, disk, true, async |bench| {
            begun(&bench).await;
            disk.set(false, true);
            let promoted = asked(&bench, to(40));
            bench.until("on its way", |bench| bench.chat().waiting_for.contains("to be written")).await;
            let began = bench.elapsed();
            match back {
                "human" => assert_eq!(bench.ask(ROLLBACK).await.unwrap().durable, Ok(()), "by its file"),
                "guard" => answers(&bench, Outcome::ServerError),
                "file" => {
                    let lock = Lock { to: Percent::ZERO, at: UnixMillis(1), actor: "bob".into(), reason: "".into() };
                    write_lock(folder, Some("chat"), &lock).unwrap();
                }
                _ => {
                    let none = Canary { percent: Intent::Pinned(Percent::ZERO), ..canary() };
                    assert!(bench.inbox.put(crate::state::inbox::Input::Flags(read(one(none)))));
                }
            }
            bench.until(back, |bench| bench.chat().percent == Percent::ZERO).await;
            // The guard has a tick a second.
            let most = Millis(if back == "guard" { 1300 } else { 300 });
            assert!(bench.elapsed() - began < most.duration(), "{back}");
            let refused = promoted.await.unwrap().unwrap_err().to_string();
            assert_eq!(refused, "another change came first: `serin history chat` shows it");
            disk.release();
            bench.until("the disk has it", |_| disk.states()[0].1.in_force == Percent::ZERO).await;
            assert_eq!(bench.chat().percent, Percent::ZERO, "{back}");
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
    Bench::run(one(holding), dir.path(), disk, true, async |bench| {
        begun(&bench).await;
        answers(&bench, Outcome::ServerError);
        bench.until("it is held", |bench| bench.chat().standing == Standing::Paused).await;
        disk.set(false, true);
        assert!(bench.inbox.put(crate::state::inbox::Input::Flags(read(one(canary())))));
        answers(&bench, Outcome::ServerError);
        let took = bench.until("it is rolled back", |bench| bench.chat().percent == Percent::ZERO).await;
        assert_eq!((took < Millis(2000).duration(), bench.chat().standing), (true, Standing::RolledBack));
        disk.release();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_human_who_would_send_users_to_the_canary_is_told_of_a_disk_that_does_not_take_it() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    let (disk, folder) = (&disk, dir.path());
    Bench::run(one(canary()), folder, disk, true, async |bench| {
        begun(&bench).await;
        disk.set(false, true);
        let refused = bench.ask(to(40)).await.unwrap_err().to_string();
        assert_eq!(
            refused,
            "`chat` stays at 10%, since any other share would be lost at a restart: the disk did not answer within \
             2s; fix this and try again"
        );
        disk.release();
        bench.until("the disk says what is in force", |_| disk.states()[0].1.in_force == percent(10)).await;
        assert_eq!(bench.ask(to(25)).await.unwrap().durable, Ok(()));
        disk.set(true, false);
        let full = format!(
            "`chat` stays at 25%, since any other share would be lost at a restart: state in {} cannot be written \
             (disk full); fix this and try again",
            folder.display()
        );
        // The first finds it out, the second knows it.
        for _ in 0..2 {
            assert_eq!(bench.ask(to(40)).await.unwrap_err().to_string(), full);
            assert_eq!(bench.chat().percent, percent(25));
        }
        bench.until("it is told", |bench| bench.status.load().store.error.is_some()).await;
        disk.set(false, false);
        bench.until("it can be written", |bench| bench.status.load().store.error.is_none()).await;
        assert_eq!(bench.ask(to(40)).await.unwrap().rollouts, [("chat".to_owned(), percent(40))]);
    })
    .await;
    let told = disk.actions();
    assert_eq!(told.iter().filter(|action| *action == "alice promote").count(), 3, "one of them withdrawn: {told:?}");
    assert_eq!(told.iter().filter(|action| *action == "serin notice").count(), 2, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_resume_that_cannot_be_written_leaves_the_lock_and_its_file() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    let (disk, folder) = (&disk, dir.path());
    let pinned = Canary { percent: Intent::Pinned(percent(30)), ..canary() };
    Bench::run(one(pinned), folder, disk, true, async |bench| {
        bench.ask(ROLLBACK).await.unwrap();
        let file = path(folder, Some("chat"));
        bench.until("its file", |_| file.exists()).await;
        for (full, hanging) in [(true, false), (false, true)] {
            disk.set(full, hanging);
            let refused = bench.ask(RESUME).await.unwrap_err().to_string();
            assert!(refused.starts_with("`chat` stays at 0%, since any other share would be lost"), "{refused}");
            bench.until("its file again", |_| file.exists()).await;
            assert_eq!((bench.chat().standing, bench.chat().percent), (Standing::Locked, Percent::ZERO));
            disk.release();
            disk.set(false, false);
            bench.until("it can be written", |bench| bench.status.load().store.error.is_none()).await;
        }
        bench.until("the lock is on the disk", |_| disk.states()[0].1.lock.is_some()).await;
        // Two at once: one lifts it, and it stays lifted.
        let (one, other) = tokio::join!(bench.ask(RESUME), bench.ask(RESUME));
        assert!(one.is_ok() || other.is_ok(), "{one:?} {other:?}");
        tokio::time::sleep(Millis(1000).duration()).await;
        assert_eq!((bench.chat().standing, bench.chat().percent), (Standing::Pinned, percent(30)));
        assert!(!file.exists());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn one_lock_for_all_that_cannot_be_parted_is_told_of_once_and_holds() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    let folder = dir.path();
    let pinned = Canary { percent: Intent::Pinned(percent(30)), ..canary() };
    Bench::run(one(pinned), folder, &disk, true, async |bench| {
        let lock = Lock { to: Percent::ZERO, at: UnixMillis(1), actor: "bob".into(), reason: "".into() };
        write_lock(folder, None, &lock).unwrap();
        // A folder in the place of the rollout's own file.
        std::fs::create_dir_all(path(folder, Some("chat")).join("in the way")).unwrap();
        bench.until("locked", |bench| bench.chat().standing == Standing::Locked).await;
        let before = bench.shared.load().revision;
        tokio::time::sleep(Millis(5000).duration()).await;
        assert_eq!(bench.shared.load().revision, before);
        assert!(path(folder, None).exists());
    })
    .await;
}
