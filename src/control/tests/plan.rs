//! What a plan says of a rollout is what the reload then does.

use std::sync::Arc;

use super::harness::{bootstrap, canary, policy, read};
use crate::control::engine::dispatch::Engine;
use crate::control::now::Now;
use crate::decide::event::{Action, Reason};
use crate::decide::policy::plain::percent;
use crate::decide::policy::{Canary, Intent, Policy, Rollout};
use crate::decide::rollout::state::RolloutCommand;
use crate::decide::units::{Millis, Percent, ProviderId, UnixMillis};
use crate::describe::event::reason;
use crate::state::inbox::Command;

fn at(millis: u64) -> Now {
    Now { mono: Millis(millis), unix: UnixMillis(1_000_000 + millis) }
}

fn pinned(share: u16) -> Canary {
    Canary { percent: Intent::Pinned(percent(share)), ..canary() }
}

/// As the harness has it, taking requests.
fn one(canary: Canary) -> Policy {
    let mut policy = super::harness::one(canary);
    for (rollout, endpoint) in policy.rollouts.iter_mut().zip(["chat/completions", "embeddings"]) {
        Arc::make_mut(rollout).matches.endpoints = vec![endpoint.to_owned()];
    }
    policy
}

fn with(canary: Canary, edit: impl FnOnce(&mut Rollout)) -> Policy {
    let mut policy = one(canary);
    edit(Arc::make_mut(&mut policy.rollouts[0]));
    policy
}

fn unusable(mut policy: Policy) -> Policy {
    Arc::make_mut(&mut policy.providers[1]).unusable = Some("the variable KEY is not set".to_owned());
    policy
}

fn files() -> Vec<Policy> {
    let mut capped = canary();
    capped.ramp.max = percent(20);
    let mut judged = pinned(30);
    judged.guard.min_requests = 7;
    vec![
        one(canary()),
        one(pinned(0)),
        one(pinned(30)),
        one(capped),
        one(judged),
        one(Canary { attempt: 3, ..canary() }),
        one(Canary { attempt: 2, ..pinned(60) }),
        with(pinned(45), |rollout| rollout.salt = "x".to_owned()),
        with(canary(), |rollout| rollout.name = "talk".to_owned()),
        with(pinned(70), |rollout| rollout.stable = ProviderId(1)).tap(|policy| {
            let rollout = Arc::make_mut(&mut policy.rollouts[0]);
            rollout.canary.as_mut().unwrap().provider = ProviderId(0);
        }),
        with(canary(), |rollout| rollout.canary = None),
        with(canary(), |rollout| (rollout.stable, rollout.canary) = (ProviderId(1), None)),
        unusable(one(pinned(30))),
        policy(Vec::new()),
    ]
}

trait Tap: Sized {
    fn tap(mut self, edit: impl FnOnce(&mut Self)) -> Self {
        edit(&mut self);
        self
    }
}

impl Tap for Policy {}

// The disk takes what is proposed.
fn ask(engine: &mut Engine, verb: RolloutCommand) {
    let command = Command { rollout: Some("chat".into()), verb, actor: "ana".to_owned(), reason: String::new() };
    if engine.command(&command, at(10)).is_ok() {
        let proposals: Vec<_> = std::mem::take(&mut engine.outbox.proposals).into_iter().collect();
        engine.proposals_written(&proposals, at(10));
    }
}

#[test]
fn after_any_file_and_command_a_reload_does_what_its_plan_said() {
    let commands = [
        None,
        Some(RolloutCommand::Rollback { to: Percent::ZERO }),
        Some(RolloutCommand::Rollback { to: percent(10) }),
        Some(RolloutCommand::Promote { to: None }),
        Some(RolloutCommand::Pause),
    ];
    let (mut accepted, mut refused, mut moved) = (0, 0, 0);
    // Each file is the first or the second of some pair.
    for first in files().into_iter().step_by(5) {
        for second in files().into_iter().step_by(4) {
            for command in &commands {
                for third in files() {
                    let mut engine = Engine::new(bootstrap(first.clone(), Vec::new()), at(0));
                    command.clone().into_iter().for_each(|verb| ask(&mut engine, verb));
                    engine.flags_read(read(second.clone()), at(20));
                    let generation = engine.status.load().flags.generation;
                    let said = engine.plan(&third, at(30));
                    assert_eq!(engine.status.load().flags.generation, generation, "a plan changes nothing");
                    let before = engine.status.load();
                    engine.flags_read(read(third.clone()), at(30));
                    let status = engine.status.load();
                    assert_eq!(said.refused.is_some(), status.flags.generation == generation, "{said:#?}");
                    if said.refused.is_some() {
                        refused += 1;
                        continue;
                    }
                    accepted += 1;
                    for rollout in &status.rollouts {
                        let entry =
                            said.rollouts.iter().find(|it| it.after.rollout.as_deref() == Some(rollout.name.as_str()));
                        let same = before.rollouts.iter().find(|it| it.name == rollout.name);
                        match (entry, same) {
                            (Some(entry), _) => {
                                assert_eq!(entry.after.percent, Some(rollout.percent), "{entry:#?}");
                                moved += u32::from(!entry.users.is_nobody());
                            }
                            (None, Some(same)) => {
                                assert_eq!((same.percent, same.phase), (rollout.percent, rollout.phase), "{said:#?}")
                            }
                            (None, None) => panic!("{} is not in {said:#?}", rollout.name),
                        }
                    }
                    let event = engine.outbox.events.iter().rfind(|event| event.action == Action::Reload).unwrap();
                    let Reason::Accepted { plan: Some(kept), .. } = &event.reason else { panic!("{event:?}") };
                    assert_eq!(**kept, said);
                }
            }
        }
    }
    assert!(accepted > 500 && refused > 20 && moved > 100, "{accepted} accepted, {refused} refused, {moved} moved");
}

#[test]
fn the_history_says_what_an_edit_did_and_old_entries_are_read() {
    let mut engine = Engine::new(bootstrap(one(pinned(30)), Vec::new()), at(0));
    engine.flags_read(read(one(pinned(10))), at(20));
    let event = engine.outbox.events.iter().rfind(|event| event.action == Action::Reload).unwrap();
    assert_eq!(
        reason(event),
        "the file is in force as generation 2: chat: 20% of users (buckets 1000 to 2999) go from holysheep to openai for new requests; \
         chat: percent edited"
    );
    let old: Reason = serde_json::from_str(r#"{"why":"accepted","generation":7}"#).unwrap();
    assert_eq!(old, Reason::Accepted { generation: 7, plan: None });
    assert_eq!(serde_json::to_string(&old).unwrap(), r#"{"why":"accepted","generation":7}"#);
}
