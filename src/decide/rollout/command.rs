//! The commands of humans on a rollout, and the reasons for which they are not carried out.
//!
//! A command that makes things safer always succeeds: a rollback and a pause are never refused. A command that goes on
//! with the rollout succeeds where it has a meaning. After a rollback, a human's or the guard's, `resume` begins the
//! ramp again at its start and through a probe, so that few users are affected if the canary is still broken. A share
//! that the command names (`--at`, `--to`) is in force at once.

use super::command_result::{CommandNote, CommandRefusal};
use super::in_force::{in_force, share_reason};
use super::ramp;
use super::state::{Lock, Pause, Phase, RolloutCommand};
use super::step_builder::StepBuilder;
use crate::decide::event::{Action, Actor, Reason};
use crate::decide::policy::Intent;
use crate::decide::units::{Millis, Percent};

/// The API and the lock file of one `serin rollback` arrive as two: within this time they are one.
const SAME_COMMAND: Millis = Millis(5000);

pub(super) fn carry_out(builder: &mut StepBuilder<'_>, verb: &RolloutCommand, actor: &str, reason: &str) {
    match verb {
        RolloutCommand::Rollback { to } => roll_back(builder, *to, actor, reason),
        RolloutCommand::Pause => pause(builder, actor, reason),
        RolloutCommand::Resume { at } => resume(builder, *at, actor, reason),
        RolloutCommand::Promote { to } => promote(builder, *to, actor, reason),
    }
}

fn roll_back(builder: &mut StepBuilder<'_>, to: Percent, actor: &str, reason: &str) {
    let lock = Lock { to, at: builder.now, actor: actor.to_owned(), reason: reason.to_owned() };
    if let Some(held) = &builder.next.lock {
        let again = held.reason == lock.reason && builder.now.since(held.at) < SAME_COMMAND;
        if held.to <= to && again {
            return;
        }
    }
    let under = in_force(builder.view, builder.next).percent;
    if to > under {
        builder.notes.push(CommandNote::Stays(under));
    }
    builder.next.lock = None;
    builder.lock(&Lock { to: to.min(under), ..lock });
}

fn pause(builder: &mut StepBuilder<'_>, actor: &str, reason: &str) {
    if let Intent::Pinned(percent) = builder.view.canary.percent {
        builder.notes.push(CommandNote::Pinned(percent));
    }
    if let Some(held) = builder.next.paused.as_ref() {
        builder.notes.push(CommandNote::PausedBy(held.actor.clone()));
        return;
    }
    builder.next.paused = Some(Pause {
        at: builder.now,
        actor: actor.to_owned(),
        reason: reason.to_owned(),
        regression: false,
        rules: Vec::new(),
        found: Vec::new(),
    });
    builder.record(Actor::from(actor), Action::Pause, Reason::from_human(reason));
}

fn resume(builder: &mut StepBuilder<'_>, at: Option<Percent>, actor: &str, reason: &str) {
    if let Some(refusal) = at.and_then(|at| cannot_choose(builder, true, at)) {
        builder.refused = Some(refusal);
        return;
    }
    let taken_back = builder.next.lock.is_some() || matches!(builder.next.phase, Phase::RolledBack { .. });
    let paused = builder.next.paused.is_some();
    if !taken_back && !paused && at.is_none() {
        builder.notes.push(CommandNote::NothingHeld(share_reason(builder.view, builder.next)));
        return;
    }
    builder.next.lock = None;
    // What the guard found was looked at by a human: it is judged anew.
    if builder.next.paused.take().is_some_and(|pause| pause.regression) || taken_back {
        builder.begin_analysis();
    }
    if taken_back {
        (builder.next.retries, builder.next.step_backs) = (0, 0);
    }
    match at {
        Some(share) if share > Percent::ZERO => builder.set_ramp_percent(share),
        Some(_) => builder.begin_try(),
        None if taken_back => {
            builder.begin_try();
            if builder.view.canary.percent == Intent::Auto {
                let first = ramp::next_stage(&builder.view.canary.ramp, Percent::ZERO).unwrap_or_default();
                builder.notes.push(CommandNote::BeginsAgain(first));
            }
        }
        None => {}
    }
    if let Some(why) = builder.view.blocked {
        builder.notes.push(CommandNote::Blocked(why.to_owned()));
    }
    builder.record(Actor::from(actor), Action::Resume, Reason::from_human(reason));
}

fn promote(builder: &mut StepBuilder<'_>, to: Option<Percent>, actor: &str, reason: &str) {
    let ramp = &builder.view.canary.ramp;
    let effective = in_force(builder.view, builder.next);
    let stage = to.or_else(|| ramp::next_stage(ramp, effective.percent));
    let percent = effective.percent;
    builder.refused = if builder.next.lock.is_some() || matches!(builder.next.phase, Phase::RolledBack { .. }) {
        Some(CommandRefusal::RolledBack)
    } else if let Some(why) = builder.view.blocked {
        Some(CommandRefusal::Blocked(why.to_owned()))
    } else if to.is_none() && matches!(builder.next.phase, Phase::Confirming { .. }) {
        Some(CommandRefusal::Confirming(builder.next.percent))
    } else {
        match stage {
            None => cannot_choose(builder, false, percent).or(Some(CommandRefusal::AtEnd(percent))),
            Some(asked) => cannot_choose(builder, false, asked)
                .or_else(|| (asked <= percent).then_some(CommandRefusal::Above { percent, asked })),
        }
    };
    if let (None, Some(share)) = (&builder.refused, stage) {
        builder.set_ramp_percent(share);
        builder.record(Actor::from(actor), Action::Promote, Reason::from_human(reason));
    }
}

// Where the ramp's share is not a human's to choose.
fn cannot_choose(builder: &StepBuilder<'_>, resumes: bool, share: Percent) -> Option<CommandRefusal> {
    let canary = builder.view.canary;
    if let Intent::Pinned(percent) = canary.percent {
        return Some(CommandRefusal::Pinned { percent, resumes });
    }
    if builder.view.by_clock {
        return Some(CommandRefusal::Clock);
    }
    (share > canary.ramp.max).then_some(CommandRefusal::AboveMax(canary.ramp.max))
}
