//! One entry of the history: what was done, by which actor and for which reason, as values.
//!
//! Owns the types; [`describe`](crate::describe) writes the sentences. An action that this version does not know keeps
//! its word, and a reason that an earlier version wrote as a sentence stays that sentence. Invariant: an event that is
//! read from the disk equals the event that was written.

mod action;
mod actor;
pub mod decision;
pub mod filter;

use serde::{Deserialize, Serialize};

use super::certificate::CertificateWarning;
use super::comparison::rehearsal::Blocking;
use super::file_error::FileError;
use super::incompatibility::Incompatibility;
use super::plan::Plan;
use super::policy::NotifyEvent;
use super::retirement::Retirement;
use super::rollout::in_force::ShareReason;
use super::rollout::state::OverallPhase;
use super::units::{Millis, Percent, UnixMillis};
pub use action::Action;
pub use actor::Actor;
pub use decision::{ArmCounts, Counterfactual, Decision, DecisionKind, Detail, Regression, SHOWN_Z, finite};

/// Something that changed what is in force, or tried to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: UnixMillis,
    /// Which rollout; `None`: the file or the process.
    pub rollout: Option<String>,
    /// Who.
    pub actor: Actor,
    /// What was done.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// The share in force before.
    pub from: Percent,
    /// The share in force after.
    pub to: Percent,
    /// The version of flags.yaml in force.
    pub generation: u64,
}

impl Event {
    /// What the guard decided, where it is that.
    #[must_use]
    pub fn decision(&self) -> Option<&Decision> {
        match &self.reason {
            Reason::Decided(decision) => Some(decision),
            _ => None,
        }
    }
}

/// Why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Reason {
    /// In a human's words; empty: not said.
    Said { text: String },
    /// In a sentence of an earlier version.
    Earlier {
        /// The sentence.
        text: String,
        /// What it was decided by, as name and value.
        numbers: Vec<(String, Figure)>,
    },
    /// By what was counted.
    Decided(Box<Decision>),
    /// The canary answered a probe.
    Answered,
    /// `ramp.from` and the clock say so.
    Clock,
    /// Enough time has passed since the guard's rollback.
    Waited {
        /// So much.
        pause: Millis,
        /// `try_again_after`.
        after: Millis,
        retry: u32,
        /// Of how many.
        most: u32,
    },
    /// The file has a higher `attempt:`.
    Attempt { attempt: u32 },
    /// The edited ramp has a stage above the last one.
    StageAbove {
        /// The last one.
        percent: Percent,
    },
    /// What is in force is another share by now.
    InForce { by: ShareReason },
    /// Nothing blocks it any more.
    Unblocked {
        /// What is in force then.
        by: ShareReason,
    },
    /// The canary refuses what stable accepts.
    Refuses {
        finding: Incompatibility,
        /// The canary's name.
        canary: String,
        /// Stable's.
        stable: String,
        /// The status that the canary answered.
        status: u16,
    },
    /// A breaker opened or closed.
    Breaker {
        /// The provider's name.
        provider: String,
        /// What became of it.
        turn: BreakerChange,
    },
    /// A key was refused, or is no longer.
    Key {
        /// The provider's name.
        provider: String,
        key: KeyName,
        /// What became of it.
        turn: KeyChange,
    },
    /// Something else came while it was being written.
    NeverInForce { action: Action },
    /// The process began.
    Began {
        version: String,
        /// Where its state is.
        dir: String,
        /// Some of its rollouts.
        rollouts: Vec<(String, Percent, OverallPhase)>,
        /// How many others there are.
        more: usize,
    },
    /// A file is in force.
    Accepted {
        /// As which version.
        generation: u64,
        /// What the edit did; absent in entries of earlier versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plan: Option<Box<Plan>>,
    },
    /// A file is not taken.
    Refused {
        /// How many errors it has.
        count: usize,
        first: Option<FileError>,
    },
    /// What was under way on the canary was ended.
    Ended {
        /// The canary's name.
        canary: String,
        /// How many requests there were.
        open: u64,
        /// How many of them had no output yet.
        without_output: u32,
        /// In a human's words; empty: not said.
        text: String,
    },
    /// A provider takes a model away.
    Retires { retirement: Retirement },
    /// A round of a rehearsal ended.
    Rehearsed {
        /// The canary's name.
        canary: String,
        /// Stable's.
        stable: String,
        /// Copies that were compared.
        compared: u64,
        /// What blocks the first step; empty: it was passed.
        blocking: Vec<Blocking>,
    },
    /// Something is not as it should be, or is so again.
    Noticed(Alert),
    /// A notification was delivered, or given up.
    Notification {
        /// To which target.
        target: String,
        /// Of what; `None`: of the end of a problem.
        on: Option<NotifyEvent>,
        /// Its id.
        id: String,
        /// How many tries it took.
        tries: u32,
        /// Why it was given up, in the words of the target or of the system; `None`: it was delivered.
        error: Option<String>,
    },
}

impl Reason {
    /// In a human's words.
    #[must_use]
    pub fn from_human(text: &str) -> Reason {
        Reason::Said { text: text.to_owned() }
    }
}

/// A value of an earlier version's list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// A count, a rate in percent, a length of time in seconds, or evidence.
    Number(f64),
    /// Words, and what could not be read as a number.
    Text(String),
    /// There is none: no rate without a request.
    Nothing,
}

/// What became of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "turn", rename_all = "snake_case")]
pub enum BreakerChange {
    /// Too many failures in a row.
    Opened {
        /// How many.
        failures: u32,
        /// For how long nothing is sent.
        open_for: Millis,
    },
    /// Too many connections in a row that could not be made.
    OutOfReach {
        /// How many.
        failures: u32,
    },
    /// It answers again.
    Closed,
    /// It can be reached again.
    Reached,
}

/// A key of a provider, as people know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyName {
    /// Its position in the file, from 1 on.
    pub position: usize,
    /// Its last four characters; empty: it is too short to show any.
    pub tail: String,
}

/// What became of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "turn", rename_all = "snake_case")]
pub enum KeyChange {
    /// It is not taken.
    Refused {
        /// The status that the provider answered.
        status: u16,
        /// How many other keys are not refused.
        others: usize,
    },
    /// It is taken again.
    Accepted,
    /// The file has another one by now.
    Replaced,
}

/// Something that is not as it should be, or is so again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "notice", rename_all = "snake_case")]
pub enum Alert {
    /// In a sentence, found at the start.
    Text { text: String },
    /// The certificate of the proxy port over TLS expires, or is not the one that is shown.
    Certificate { warning: CertificateWarning },
    /// State cannot be written.
    Unwritable {
        /// Where.
        dir: String,
        /// What the system said.
        error: String,
    },
    /// It can be again.
    Writable {
        /// Where.
        dir: String,
    },
    /// Locks cannot be read.
    LocksUnread {
        /// Of which state directory.
        dir: String,
        /// What the system said.
        error: String,
        /// Whether it lasts until an operator fixes it.
        lasting: bool,
    },
    /// They can be again.
    LocksRead {
        /// Of which state directory.
        dir: String,
    },
    /// Samples for the guard were dropped.
    SamplesLost {
        /// How many.
        lost: u64,
        /// How many a core may tell between two looks.
        most: usize,
    },
    /// The quota behind a key is spent.
    KeySpent {
        provider: String,
        key: KeyName,
        /// For how long it rests.
        rest: Millis,
    },
    /// A key has been in use for long.
    KeyOld {
        provider: String,
        key: KeyName,
        /// For how long.
        age: Millis,
    },
    /// The canary answers no request while stable cannot be reached.
    NobodyAnswers { rollout: String, canary: String, stable: String },
    /// Stable takes requests and answers none of them while the canary answers.
    StableSilent {
        rollout: String,
        canary: String,
        stable: String,
        /// How long each request waits for it.
        waits: Millis,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_comes_back_as_it_was_written_known_or_not() {
        let unknown = Action::Other("of_tomorrow".to_owned());
        for action in Action::ALL.into_iter().chain([unknown]) {
            let text = serde_json::to_string(&action).unwrap();
            assert_eq!(text, format!("\"{action}\""));
            assert_eq!(serde_json::from_str::<Action>(&text).unwrap(), action);
        }
    }
}
