//! Sentences for the reply to an operator's command: why it is refused, with the remedy, and notes.
//!
//! One sentence each, for the API and the command line.
//! [`rollout::step`](crate::decide::rollout::step) decides whether a command is granted.

use super::in_force;
use crate::decide::rollout::command_result::{CommandNote, CommandObstacle, CommandRefusal};
use crate::decide::units::Percent;

/// A note in the reply to a command.
#[must_use]
pub fn note(name: &str, note: &CommandNote) -> String {
    match note {
        CommandNote::Stays(percent) => format!("`{name}` stays at {percent}: a rollback never raises the share"),
        CommandNote::Pinned(percent) => {
            format!("the file pins `{name}` at {percent}; the pause takes effect with percent: auto")
        }
        CommandNote::PausedBy(actor) => format!("`{name}` was already paused by {actor}"),
        CommandNote::NothingHeld(why) => {
            format!("`{name}` was neither rolled back nor paused: {}", in_force::reason(name, why))
        }
        CommandNote::BeginsAgain(first) => format!(
            "the ramp of `{name}` starts again at {first} once the canary has answered a probe (--at sets a share at \
             once)"
        ),
        CommandNote::Blocked(why) => format!("`{name}` stays at 0%: {why}"),
    }
}

/// Why a command is refused, with the remedy.
#[must_use]
pub fn refusal(name: &str, refusal: &CommandRefusal) -> String {
    match refusal {
        CommandRefusal::RolledBack => format!("`{name}` was rolled back; `serin resume {name} --at P` sets a share"),
        CommandRefusal::Blocked(why) => format!("`{name}` is blocked at 0%: {why}"),
        CommandRefusal::Confirming(percent) => format!(
            "`{name}` is being confirmed, and continues at {percent} if it does well; `serin promote {name} --to P` \
             ends the confirmation and sets a share"
        ),
        CommandRefusal::AtEnd(percent) => format!("`{name}` is at {percent}, the end of its ramp"),
        CommandRefusal::Above { percent, asked } => format!(
            "`{name}` is at {percent} already; `serin resume {name} --at {asked}` moves the ramp back to {asked}, \
             `serin rollback {name} --to {asked}` locks it there"
        ),
        CommandRefusal::Pinned { percent, resumes } => {
            let (remedy, verb) = if *resumes { (", and resume without --at", "resume") } else { ("", "promote") };
            format!(
                "flags.yaml pins `{name}` at {percent}: edit `percent` there{remedy} ({verb} to a share works with percent: \
                 auto)"
            )
        }
        CommandRefusal::Clock => {
            format!("`{name}` follows ramp.from and the clock, since state cannot be written: edit ramp.from")
        }
        CommandRefusal::AboveMax(max) => {
            format!("`{name}` may not go above ramp.max {max}: raise it in flags.yaml first")
        }
    }
}

/// Why a command has no effect, with the remedy.
#[must_use]
pub fn barred(name: &str, barred: &CommandObstacle) -> String {
    let stays = |share: Percent, why: String| {
        format!(
            "`{name}` stays at {share}, since any other share would be lost at a restart: {why}; fix this and try again"
        )
    };
    match barred {
        CommandObstacle::Unnamed { known } => {
            format!("name a rollout: only rollback and pause apply to all; there are: {known}")
        }
        CommandObstacle::PlainRoute => format!("`{name}` is a plain route: it has no canary to move users to"),
        CommandObstacle::NothingToCompare => format!("`{name}` is a plain route: it has no canary to compare"),
        CommandObstacle::Unwritable { stays: share, dir, error } => {
            stays(*share, format!("state in {dir} cannot be written ({error})"))
        }
        CommandObstacle::Unanswered { stays: share, after } => {
            stays(*share, format!("the disk did not answer within {after}"))
        }
        CommandObstacle::Overtaken => format!("another change came first: `serin history {name}` shows it"),
        CommandObstacle::RolledBackAgain => format!("`{name}` was rolled back again while it was being resumed"),
    }
}

/// The reply to a command for all rollouts if none has a canary.
#[must_use]
pub fn nothing_to_change() -> String {
    "flags.yaml has no rollout with a canary: there is nothing to change".to_owned()
}
