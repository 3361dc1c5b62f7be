//! Sentences for a dry run: what a command would do to users, to open requests, and how it is undone.
//!
//! For the confirmation of the dashboard and for `--dry-run`. Whole sentences, one after the other on one line. Which
//! users move is decided by [`rollout::step`](crate::decide::rollout::step); nothing is decided here.

use super::command::note;
use crate::decide::rollout::command_result::CommandNote;
use crate::decide::rollout::dry_run::DryRun;
use crate::decide::rollout::state::RolloutCommand;
use crate::decide::units::Percent;

/// What would happen to this rollout.
#[must_use]
pub fn sentence(run: &DryRun) -> String {
    let mut sentences = vec![users(run)];
    sentences.extend(pinned(run));
    sentences.extend(open_requests(run));
    sentences.extend(afterwards(run));
    sentences.extend(run.notes.iter().map(|remark| capitalised(&note(&run.rollout, remark))));
    sentences.join(" ")
}

/// The answer where no rollout has a canary.
#[must_use]
pub fn nothing() -> String {
    "Nothing changes: flags.yaml has no rollout with a canary.".to_owned()
}

fn users(run: &DryRun) -> String {
    let DryRun { rollout, stable, canary, from, to, .. } = run;
    let (from, to) = (from.percent, to.percent);
    let Some((first, last)) = run.buckets() else {
        return format!("No user moves: `{rollout}` stays at {to}.");
    };
    let moved = Percent::from_hundredths(last - first + 1).unwrap_or(Percent::ALL);
    let (source, target) = if to < from { (canary, stable) } else { (stable, canary) };
    let rest = if to < from && to > Percent::ZERO { format!(", and {to} stay with {canary}") } else { String::new() };
    format!("{moved} of users ({}) go from {source} to {target} for new requests{rest}.", buckets(first, last))
}

/// Buckets from the first to the last.
#[must_use]
pub fn buckets(first: u16, last: u16) -> String {
    if first == last { format!("bucket {first}") } else { format!("buckets {first} to {last}") }
}

fn pinned(run: &DryRun) -> Option<String> {
    let (source, target) = if run.to.percent < run.from.percent || run.to.buckets_only {
        (&run.canary, &run.stable)
    } else {
        (&run.stable, &run.canary)
    };
    match run.pinned {
        0 => None,
        1 => Some(format!("1 pinned user goes from {source} to {target} as well.")),
        many => Some(format!("{many} pinned users go from {source} to {target} as well.")),
    }
}

fn open_requests(run: &DryRun) -> Option<String> {
    let fewer = run.to.percent < run.from.percent;
    match run.open_on_canary {
        0 => None,
        1 if run.hard => Some("1 open request or stream is ended.".to_owned()),
        open if run.hard => Some(format!(
            "{open} open requests and streams are ended: those without output go to stable, others break off."
        )),
        _ if !fewer => None,
        1 => Some("1 open request or stream stays.".to_owned()),
        open => Some(format!("{open} open requests and streams stay.")),
    }
}

fn afterwards(run: &DryRun) -> Option<String> {
    let name = &run.rollout;
    match run.verb {
        RolloutCommand::Rollback { .. } => Some(format!("Only `serin resume {name}` lifts the lock.")),
        RolloutCommand::Pause if run.notes.iter().any(|note| matches!(note, CommandNote::PausedBy(_))) => None,
        RolloutCommand::Pause => {
            Some(format!("No promotion until `serin resume {name}`. Automatic rollbacks still happen."))
        }
        RolloutCommand::Resume { at: Some(_) } | RolloutCommand::Promote { .. } => {
            Some("The guard goes on, and the ramp continues from this share.".to_owned())
        }
        RolloutCommand::Resume { at: None } => None,
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).chain(['.']).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::policy::plain::percent;
    use crate::decide::rollout::in_force::EffectiveShare;
    use crate::decide::rollout::state::OverallPhase;

    fn share(whole: u16, phase: OverallPhase) -> EffectiveShare {
        EffectiveShare { percent: percent(whole), phase, buckets_only: phase == OverallPhase::Locked }
    }

    fn rollback(from: u16, to: u16) -> DryRun {
        DryRun {
            rollout: "chat".to_owned(),
            stable: "openai".to_owned(),
            canary: "holysheep".to_owned(),
            verb: RolloutCommand::Rollback { to: percent(to) },
            from: share(from, OverallPhase::Ramping),
            to: share(to, OverallPhase::Locked),
            pinned: 0,
            hard: false,
            open_on_canary: 12,
            notes: Vec::new(),
        }
    }

    #[test]
    fn a_rollback_says_who_moves_what_stays_and_what_lifts_it() {
        assert_eq!(
            sentence(&rollback(10, 0)),
            "10% of users (buckets 0 to 999) go from holysheep to openai for new requests. 12 open requests and \
             streams stay. Only `serin resume chat` lifts the lock."
        );
        let partly = DryRun { pinned: 2, open_on_canary: 1, ..rollback(25, 10) };
        assert_eq!(
            sentence(&partly),
            "15% of users (buckets 1000 to 2499) go from holysheep to openai for new requests, and 10% stay with \
             holysheep. 2 pinned users go from holysheep to openai as well. 1 open request or stream stays. Only \
             `serin resume chat` lifts the lock."
        );
    }

    #[test]
    fn what_moves_nobody_says_so() {
        let pause = DryRun {
            verb: RolloutCommand::Pause,
            to: share(10, OverallPhase::Paused),
            from: share(10, OverallPhase::Ramping),
            ..rollback(10, 0)
        };
        assert_eq!(
            sentence(&pause),
            "No user moves: `chat` stays at 10%. No promotion until `serin resume chat`. Automatic rollbacks still \
             happen."
        );
        let again = DryRun { notes: vec![CommandNote::PausedBy("ana".to_owned())], ..pause };
        assert_eq!(sentence(&again), "No user moves: `chat` stays at 10%. `chat` was already paused by ana.");
    }

    #[test]
    fn a_promotion_names_the_buckets_that_follow() {
        let promote = DryRun {
            verb: RolloutCommand::Promote { to: None },
            from: share(10, OverallPhase::Ramping),
            to: share(25, OverallPhase::Ramping),
            ..rollback(10, 0)
        };
        assert_eq!(
            sentence(&promote),
            "15% of users (buckets 1000 to 2499) go from openai to holysheep for new requests. The guard goes on, and \
             the ramp continues from this share."
        );
    }
}
