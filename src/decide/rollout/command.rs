//! The commands of humans on a rollout, and the reasons for which they are not carried out.
//!
//! A command that makes things safer always succeeds: a rollback and a pause are never refused. A command that goes on
//! with the rollout succeeds where it has a meaning. After a rollback, a human's or the guard's, `resume` begins the
//! ramp again at its start and through a probe, so that few users are affected if the canary is still broken. A share
//! that the command names (`--at`, `--to`) is in force at once.

use super::command_result::{Note, Refusal};
use super::in_force::{in_force, why};
use super::ramp;
use super::state::{Lock, Pause, Phase, Verb};
use super::step_builder::Draft;
use crate::decide::event::{Action, Actor, Reason};
use crate::decide::policy::Intent;
use crate::decide::units::{Millis, Percent};

/// The API and the lock file of one `serin rollback` arrive as two: within this time they are one.
const SAME_COMMAND: Millis = Millis(5000);

pub(super) fn carry_out(draft: &mut Draft<'_>, verb: &Verb, actor: &str, reason: &str) {
    match verb {
        Verb::Rollback { to } => roll_back(draft, *to, actor, reason),
        Verb::Pause => pause(draft, actor, reason),
        Verb::Resume { at } => resume(draft, *at, actor, reason),
        Verb::Promote { to } => promote(draft, *to, actor, reason),
    }
}

fn roll_back(draft: &mut Draft<'_>, to: Percent, actor: &str, reason: &str) {
    let lock = Lock { to, at: draft.now, actor: actor.to_owned(), reason: reason.to_owned() };
    if let Some(held) = &draft.next.lock {
        let again = held.reason == lock.reason && draft.now.since(held.at) < SAME_COMMAND;
        if held.to <= to && again {
            return;
        }
    }
    let under = in_force(draft.view, draft.next).percent;
    if to > under {
        draft.notes.push(Note::Stays(under));
    }
    draft.next.lock = None;
    draft.lock(&Lock { to: to.min(under), ..lock });
}

fn pause(draft: &mut Draft<'_>, actor: &str, reason: &str) {
    if let Intent::Pinned(percent) = draft.view.canary.percent {
        draft.notes.push(Note::Pinned(percent));
    }
    if let Some(held) = draft.next.paused.as_ref() {
        draft.notes.push(Note::PausedBy(held.actor.clone()));
        return;
    }
    draft.next.paused = Some(Pause {
        at: draft.now,
        actor: actor.to_owned(),
        reason: reason.to_owned(),
        regression: false,
        rules: Vec::new(),
        found: Vec::new(),
    });
    draft.record(Actor::from(actor), Action::Pause, Reason::said(reason));
}

fn resume(draft: &mut Draft<'_>, at: Option<Percent>, actor: &str, reason: &str) {
    if let Some(refusal) = at.and_then(|at| cannot_choose(draft, true, at)) {
        draft.refused = Some(refusal);
        return;
    }
    let taken_back = draft.next.lock.is_some() || matches!(draft.next.phase, Phase::RolledBack { .. });
    let paused = draft.next.paused.is_some();
    if !taken_back && !paused && at.is_none() {
        draft.notes.push(Note::NothingHeld(why(draft.view, draft.next)));
        return;
    }
    draft.next.lock = None;
    // What the guard found was looked at by a human: it is judged anew.
    if draft.next.paused.take().is_some_and(|pause| pause.regression) || taken_back {
        draft.begin_judgement();
    }
    if taken_back {
        (draft.next.retries, draft.next.step_backs) = (0, 0);
    }
    match at {
        Some(share) if share > Percent::ZERO => draft.go_to(share),
        Some(_) => draft.begin_try(),
        None if taken_back => {
            draft.begin_try();
            if draft.view.canary.percent == Intent::Auto {
                let first = ramp::next_stage(&draft.view.canary.ramp, Percent::ZERO).unwrap_or_default();
                draft.notes.push(Note::BeginsAgain(first));
            }
        }
        None => {}
    }
    if let Some(why) = draft.view.blocked {
        draft.notes.push(Note::Blocked(why.to_owned()));
    }
    draft.record(Actor::from(actor), Action::Resume, Reason::said(reason));
}

fn promote(draft: &mut Draft<'_>, to: Option<Percent>, actor: &str, reason: &str) {
    let ramp = &draft.view.canary.ramp;
    let ruling = in_force(draft.view, draft.next);
    let stage = to.or_else(|| ramp::next_stage(ramp, ruling.percent));
    let percent = ruling.percent;
    draft.refused = if draft.next.lock.is_some() || matches!(draft.next.phase, Phase::RolledBack { .. }) {
        Some(Refusal::RolledBack)
    } else if let Some(why) = draft.view.blocked {
        Some(Refusal::Blocked(why.to_owned()))
    } else if to.is_none() && matches!(draft.next.phase, Phase::Confirming { .. }) {
        Some(Refusal::Confirming(draft.next.percent))
    } else {
        match stage {
            None => cannot_choose(draft, false, percent).or(Some(Refusal::AtEnd(percent))),
            Some(asked) => cannot_choose(draft, false, asked)
                .or_else(|| (asked <= percent).then_some(Refusal::Above { percent, asked })),
        }
    };
    if let (None, Some(share)) = (&draft.refused, stage) {
        draft.go_to(share);
        draft.record(Actor::from(actor), Action::Promote, Reason::said(reason));
    }
}

// Where the ramp's share is not a human's to choose.
fn cannot_choose(draft: &Draft<'_>, resumes: bool, share: Percent) -> Option<Refusal> {
    let canary = draft.view.canary;
    if let Intent::Pinned(percent) = canary.percent {
        return Some(Refusal::Pinned { percent, resumes });
    }
    if draft.view.by_clock {
        return Some(Refusal::Clock);
    }
    (share > canary.ramp.max).then_some(Refusal::AboveMax(canary.ramp.max))
}
