//! A dry run says what the command then does, and changes nothing.

use super::harness::*;
use crate::control::engine::dispatch::Engine;
use crate::control::now::Now;
use crate::decide::policy::{Canary, Intent};
use crate::decide::rollout::state::{OverallPhase, RolloutCommand};
use crate::decide::units::{Arm, Millis, Percent, UnixMillis};
use crate::state::inbox::Command;
use std::sync::Arc;

fn at(millis: u64) -> Now {
    Now { mono: Millis(millis), unix: UnixMillis(1_000_000 + millis) }
}

fn command(rollout: Option<&str>, verb: RolloutCommand) -> Command {
    Command { rollout: rollout.map(str::to_owned), verb, actor: "ana".to_owned(), reason: String::new() }
}

fn engine(canary: Canary) -> Engine {
    let mut policy = one(canary);
    let pins = [("u1".to_owned(), Arm::Canary), ("u2".to_owned(), Arm::Canary), ("u3".to_owned(), Arm::Stable)];
    Arc::make_mut(&mut policy.rollouts[0]).pins = pins.into();
    Engine::new(bootstrap(policy, Vec::new()), at(0))
}

// The disk takes what is proposed.
fn run(engine: &mut Engine, command: &Command) {
    engine.command(command, at(10)).unwrap();
    let proposals: Vec<_> = std::mem::take(&mut engine.outbox.proposals).into_iter().collect();
    engine.proposals_written(&proposals, at(10));
}

fn commands() -> Vec<RolloutCommand> {
    let to = |whole| percent(whole);
    vec![
        RolloutCommand::Rollback { to: Percent::ZERO },
        RolloutCommand::Rollback { to: to(10) },
        RolloutCommand::Rollback { to: to(90) },
        RolloutCommand::Pause,
        RolloutCommand::Promote { to: None },
        RolloutCommand::Promote { to: Some(to(70)) },
        RolloutCommand::Resume { at: None },
        RolloutCommand::Resume { at: Some(to(20)) },
        RolloutCommand::Resume { at: Some(Percent::ZERO) },
    ]
}

#[test]
fn after_any_two_commands_a_third_does_what_its_dry_run_said() {
    let pinned = Canary { percent: Intent::Pinned(percent(30)), ..canary() };
    let (mut tried, mut refused) = (0, 0);
    for canary in [canary(), pinned] {
        for first in commands() {
            for second in commands() {
                for third in commands() {
                    let mut engine = engine(canary.clone());
                    for verb in [&first, &second] {
                        let before = command(Some("chat"), verb.clone());
                        if engine.dry_run(&before, at(10)).is_ok() {
                            run(&mut engine, &before);
                        }
                    }
                    let third = command(Some("chat"), third.clone());
                    let before = (engine.shared.load().revision, engine.outbox.events.len());
                    let said = engine.dry_run(&third, at(10));
                    assert_eq!((engine.shared.load().revision, engine.outbox.events.len()), before);
                    match said {
                        Err(error) => {
                            assert_eq!(engine.command(&third, at(10)).unwrap_err(), error);
                            refused += 1;
                        }
                        Ok(said) => {
                            let status = engine.status.load().rollouts[0].clone();
                            assert_eq!((said[0].from.percent, said[0].from.phase), (status.percent, status.phase));
                            run(&mut engine, &third);
                            let status = engine.status.load().rollouts[0].clone();
                            assert_eq!((said[0].to.percent, said[0].to.phase), (status.percent, status.phase));
                            tried += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(tried > 500 && refused > 200, "{tried} tried, {refused} refused");
}

#[test]
fn pinned_users_and_every_rollout_are_counted() {
    let mut engine = engine(Canary { percent: Intent::Pinned(percent(30)), ..canary() });
    let rollback = command(None, RolloutCommand::Rollback { to: percent(10) });
    let said = engine.dry_run(&rollback, at(10)).unwrap();
    assert_eq!((said.len(), said[0].rollout.as_str(), said[0].pinned), (1, "chat", 2));
    assert_eq!((said[0].buckets(), said[0].to.phase), (Some((1000, 2999)), OverallPhase::Locked));
    run(&mut engine, &rollback);
    assert_eq!(engine.dry_run(&rollback, at(10)).unwrap()[0].pinned, 0);
    for wrong in [command(Some("plain"), RolloutCommand::Pause), command(Some("chta"), RolloutCommand::Pause)] {
        engine.dry_run(&wrong, at(10)).unwrap_err();
    }
    engine.dry_run(&command(None, RolloutCommand::Resume { at: None }), at(10)).unwrap_err();
}
