//! The whole of [`start`](crate::control::start): its own thread, the real store, the machine's clock.

use super::harness::*;
use crate::control::{FirstFlags, Prober, Setup, start};
use crate::decide::event::filter::HistoryFilter;
use crate::decide::file_error::FileError;
use crate::decide::policy::{Canary, Intent, Policy};
use crate::decide::rollout::state::{OverallPhase, RolloutCommand};
use crate::decide::units::{Percent, UnixMillis};
use crate::state::inbox::{Command, FlagsRead, inbox};
use crate::store;

fn setup(policy: Policy, dir: &std::path::Path) -> (Setup, crate::state::inbox::Inbox) {
    let (inbox, inputs) = inbox();
    let setup = Setup {
        first: FirstFlags { read: read(policy), from_last_good: false, errors: Vec::new() },
        path: "flags.yaml".to_owned(),
        store: store::open(dir, UnixMillis(1)).unwrap(),
        state_dir: dir.to_owned(),
        inbox: inputs,
        cores: 0,
        most_connections: u32::MAX,
        prober: Box::new(|| Prober {
            answers: Box::new(|_, _| Box::pin(async { Ok(()) })),
            answers_as_stable: Box::new(|_, _| Box::pin(async { Ok(()) })),
            connects: Box::new(|_, _| Box::pin(async { Ok(()) })),
        }),
        deliver: Box::new(|| Box::new(|_, _| Box::pin(async { Err("nobody is told".to_owned()) }))),
    };
    (setup, inbox)
}

#[tokio::test]
async fn a_lock_outlives_the_process_with_the_real_store() {
    let dir = tempfile::tempdir().unwrap();
    let pinned = Canary { percent: Intent::Pinned(percent(30)), ..canary() };
    let (first, inbox) = setup(one(pinned.clone()), dir.path());
    let started = start(first).unwrap();
    assert_eq!(started.status.load().rollouts[0].percent, percent(30), "the first snapshot is whole");
    let verb = RolloutCommand::Rollback { to: Percent::ZERO };
    let command = Command { rollout: None, verb, actor: "alice".into(), reason: "slow".into() };
    let receipt = inbox.ask(command).await.unwrap();
    assert_eq!((receipt.seen_by_all_cores, receipt.rollouts), (true, vec![("chat".to_owned(), Percent::ZERO)]));
    drop(inbox);
    started.thread.join().unwrap();
    let (second, inbox) = setup(one(pinned), dir.path());
    assert_eq!(second.store.last_good.as_deref(), Some("the text"));
    let started = start(second).unwrap();
    assert_eq!(started.status.load().rollouts[0].phase, OverallPhase::Locked);
    let actions: Vec<_> = inbox
        .history(HistoryFilter::default(), 9)
        .await
        .unwrap()
        .into_iter()
        .map(|event| event.action.to_string())
        .collect();
    assert_eq!(actions, ["start", "rollback", "percent", "start"]);
    drop(inbox);
    started.thread.join().unwrap();
}

#[test]
fn without_an_accepted_file_there_is_no_control() {
    let dir = tempfile::tempdir().unwrap();
    let (mut setup, _inbox) = setup(one(canary()), dir.path());
    setup.first.read = FlagsRead { result: Err(vec![FileError::whole("empty".to_owned())]), ..setup.first.read };
    assert_eq!(start(setup).unwrap_err().to_string(), "empty");
}
