//! What is under way on a canary is ended where it was rolled back, and nowhere else.

use super::harness::*;
use crate::control::engine::dispatch::Engine;
use crate::control::now::Now;
use crate::decide::event::{Action, Reason};
use crate::decide::policy::{Canary, Intent, Policy};
use crate::decide::rollout::state::RolloutCommand;
use crate::decide::units::{Arm, Millis, Percent, ProviderId, UnixMillis};
use crate::state::counters::Core;
use crate::state::inbox::{Command, CommandError, EndOnCanary};

const NOW: Now = Now { mono: Millis(10), unix: UnixMillis(1_000_010) };

fn wish(rollout: Option<&str>) -> EndOnCanary {
    EndOnCanary { rollout: rollout.map(str::to_owned), actor: "ana".to_owned(), reason: "wrong language".to_owned() }
}

fn engine() -> Engine {
    let pinned = Canary { percent: Intent::Pinned(percent(30)), ..canary() };
    let both = vec![rollout("chat", Some(pinned.clone())), rollout("plain", None), rollout("mail", Some(pinned))];
    let policy: Policy = policy(both);
    let engine = Engine::new(bootstrap(policy, Vec::new()), NOW);
    for index in [0, 2] {
        let snapshot = engine.shared.load();
        let series = snapshot.rollouts[index].series(Arm::Canary, ProviderId(1));
        (0..3).for_each(|_| series.begin(Core(0)));
    }
    engine
}

fn roll_back(engine: &mut Engine, rollout: Option<&str>) {
    let (actor, reason) = ("ana".to_owned(), String::new());
    let verb = RolloutCommand::Rollback { to: Percent::ZERO };
    engine.command(&Command { rollout: rollout.map(str::to_owned), verb, actor, reason }, NOW).unwrap();
}

fn cuts(engine: &Engine) -> [(u32, u32); 2] {
    let snapshot = engine.shared.load();
    [0, 2].map(|index| (snapshot.rollouts[index].cuts, snapshot.rollouts[index].evidence.withdrawal.cuts()))
}

#[test]
fn only_what_was_rolled_back_is_ended_and_the_history_has_the_counts() {
    let mut engine = engine();
    assert_eq!(engine.end_on_canary(&wish(None), NOW).unwrap(), 0, "users are on both canaries");
    assert_eq!(cuts(&engine), [(0, 0); 2]);
    roll_back(&mut engine, Some("chat"));
    engine.outbox.events.clear();
    assert_eq!(engine.end_on_canary(&wish(None), NOW).unwrap(), 3, "the other one has users");
    assert_eq!(cuts(&engine), [(1, 1), (0, 0)], "and whoever is planned from now on is not ended");
    let [event] = &engine.outbox.events[..] else { panic!("{:?}", engine.outbox.events) };
    assert_eq!((&event.action, event.actor.as_str(), event.rollout.as_deref()), (&Action::End, "ana", Some("chat")));
    assert!(matches!(&event.reason, Reason::Ended { open: 3, text, .. } if text == "wrong language"));
    roll_back(&mut engine, None);
    assert_eq!(engine.end_on_canary(&wish(Some("mail")), NOW).unwrap(), 3);
    assert_eq!(cuts(&engine), [(1, 1), (1, 1)]);
}

#[test]
fn a_name_that_has_no_canary_is_refused() {
    let mut engine = engine();
    assert!(matches!(engine.end_on_canary(&wish(Some("none")), NOW), Err(CommandError::Unknown { .. })));
    assert!(matches!(engine.end_on_canary(&wish(Some("plain")), NOW), Err(CommandError::NotNow(_))));
}
