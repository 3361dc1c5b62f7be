//! What humans can ask of a rollout, and what they are told when it cannot be done.
//!
//! Safer is always granted: a rollback and a pause are never refused. Going on is granted where it has a meaning, and
//! refused with the remedy otherwise. After a rollback, a human's or the guard's, `resume` begins the ramp again at its
//! start and through a probe, since the canary was taken away for a reason and the fewest users should meet it first;
//! a share that a human names (`--at`, `--to`) is a human's word and is in force at once.

use super::in_force::{in_force, reason as why_in_force};
use super::ramp;
use super::state::{Lock, Pause, Phase, Verb};
use super::step::Draft;
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
        draft.notes.push(format!("`{}` stays at {under}: a rollback never raises the share", draft.view.name));
    }
    draft.next.lock = None;
    draft.lock(&Lock { to: to.min(under), ..lock });
}

fn pause(draft: &mut Draft<'_>, actor: &str, reason: &str) {
    if let Intent::Pinned(percent) = draft.view.canary.percent {
        let name = draft.view.name;
        draft
            .notes
            .push(format!("the file pins `{name}` at {percent}; the pause will hold its ramp under percent: auto"));
    }
    if let Some(held) = draft.next.paused.as_ref() {
        draft.notes.push(format!("`{}` was already paused by {}", draft.view.name, held.actor));
        return;
    }
    draft.next.paused = Some(Pause {
        at: draft.now,
        actor: actor.to_owned(),
        reason: reason.to_owned(),
        regression: false,
        rules: Vec::new(),
    });
    draft.record(actor, "pause", reason.to_owned(), Vec::new());
}

fn resume(draft: &mut Draft<'_>, at: Option<Percent>, actor: &str, reason: &str) {
    let name = draft.view.name;
    if let Some(refusal) = at.and_then(|at| cannot_choose(draft, "resume", at)) {
        draft.refused = Some(refusal);
        return;
    }
    let taken_back = draft.next.lock.is_some() || matches!(draft.next.phase, Phase::RolledBack { .. });
    let paused = draft.next.paused.is_some();
    if !taken_back && !paused && at.is_none() {
        let why = why_in_force(draft.view, draft.next);
        draft.notes.push(format!("nothing held `{name}`: {why}"));
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
                draft.notes.push(format!(
                    "the ramp of `{name}` begins again at {first} when the canary has answered a probe (--at chooses a \
                     share at once)"
                ));
            }
        }
        None => {}
    }
    if let Some(why) = draft.view.blocked {
        draft.notes.push(format!("`{name}` stays at 0%: {why}"));
    }
    draft.record(actor, "resume", reason.to_owned(), Vec::new());
}

fn promote(draft: &mut Draft<'_>, to: Option<Percent>, actor: &str, reason: &str) {
    let (name, ramp) = (draft.view.name, &draft.view.canary.ramp);
    let ruling = in_force(draft.view, draft.next);
    let stage = to.or_else(|| ramp::next_stage(ramp, ruling.percent));
    draft.refused = if draft.next.lock.is_some() || matches!(draft.next.phase, Phase::RolledBack { .. }) {
        Some(format!("`{name}` was rolled back; `serin resume {name} --at P` takes it to a share"))
    } else if let Some(why) = draft.view.blocked {
        Some(format!("`{name}` is blocked at 0%: {why}"))
    } else if to.is_none() && matches!(draft.next.phase, Phase::Confirming { .. }) {
        Some(format!(
            "`{name}` is being confirmed, and goes on at {} by itself if it does well; `serin promote {name} --to P` \
             ends that and takes it to a share",
            draft.next.percent
        ))
    } else {
        match stage {
            None => cannot_choose(draft, "promote", ruling.percent)
                .or_else(|| Some(format!("`{name}` is at {}, the end of its ramp", ruling.percent))),
            Some(share) => cannot_choose(draft, "promote", share).or_else(|| {
                (share <= ruling.percent).then(|| {
                    format!(
                        "`{name}` is at {} already; `serin resume {name} --at {share}` takes the ramp back to {share}, \
                         `serin rollback {name} --to {share}` locks it there",
                        ruling.percent
                    )
                })
            }),
        }
    };
    if let (None, Some(share)) = (&draft.refused, stage) {
        draft.go_to(share);
        draft.record(actor, "promote", reason.to_owned(), Vec::new());
    }
}

// Where the ramp's share is not a human's to choose.
fn cannot_choose(draft: &Draft<'_>, verb: &str, share: Percent) -> Option<String> {
    let (name, canary) = (draft.view.name, draft.view.canary);
    if let Intent::Pinned(pinned) = canary.percent {
        let remedy = if verb == "resume" { ", and resume without --at" } else { "" };
        return Some(format!(
            "flags.yaml pins `{name}` at {pinned}: edit `percent` there{remedy} ({verb} to a share works with percent: auto)"
        ));
    }
    if draft.view.by_clock {
        return Some(format!(
            "`{name}` follows ramp.from and the clock, since state cannot be written: edit ramp.from"
        ));
    }
    let max = canary.ramp.max;
    (share > max).then(|| format!("`{name}` may not go above ramp.max {max}: raise that in flags.yaml first"))
}
