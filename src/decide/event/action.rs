//! What was done, as a word that the history keeps.
//!
//! Owns the known words and what each means for the rest: which moves users, which answers a regression. A word that
//! this version does not know is kept as it is. Invariant: an action that is written and read again is the same action.

use serde::{Deserialize, Serialize};

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Action {
    /// The process began, or a ramp did.
    Start,
    /// More users follow.
    Promote,
    /// The ramp came to its end.
    Complete,
    /// The canary was taken back.
    Rollback,
    /// One stage back.
    StepBack,
    /// The ramp is held for something that the guard found.
    Hold,
    /// Half of the users with each.
    Confirm,
    /// That ended well.
    Confirmed,
    /// That ended without a finding.
    GiveUp,
    /// A human held the ramp.
    Pause,
    /// A human let it go on.
    Resume,
    /// A new try by itself.
    Retry,
    /// A new try by the file.
    Attempt,
    /// The edited file changed the share.
    Percent,
    /// The edited ramp goes on.
    Ramp,
    /// The canary cannot be used.
    Block,
    /// It can again.
    Unblock,
    /// A file is in force.
    Reload,
    /// A file is not taken.
    Refuse,
    /// A breaker opened.
    Open,
    /// It closed.
    Close,
    /// A provider refused a key.
    KeyRefused,
    /// It takes it again, or is sent it no more.
    KeyRestored,
    /// The canary refuses what stable accepts.
    Advise,
    /// Something is not as it should be, or is so again.
    Notice,
    /// What was under way on the canary was ended.
    End,
    /// A provider takes a model away.
    Retires,
    /// What was written never came into force.
    Withdraw,
    /// A target was notified.
    Notified,
    /// A target could not be notified.
    NotNotified,
    /// The canary passed its rehearsal.
    Rehearsed,
    /// It did not.
    RehearsalFailed,
    /// What another version called by this word.
    Other(String),
}

impl Action {
    /// All that this version does.
    pub const ALL: [Action; 32] = [
        Action::Start,
        Action::Promote,
        Action::Complete,
        Action::Rollback,
        Action::StepBack,
        Action::Hold,
        Action::Confirm,
        Action::Confirmed,
        Action::GiveUp,
        Action::Pause,
        Action::Resume,
        Action::Retry,
        Action::Attempt,
        Action::Percent,
        Action::Ramp,
        Action::Block,
        Action::Unblock,
        Action::Reload,
        Action::Refuse,
        Action::Open,
        Action::Close,
        Action::KeyRefused,
        Action::KeyRestored,
        Action::Advise,
        Action::Notice,
        Action::End,
        Action::Retires,
        Action::Withdraw,
        Action::Notified,
        Action::NotNotified,
        Action::Rehearsed,
        Action::RehearsalFailed,
    ];

    /// The word in history and JSON.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Action::Start => "start",
            Action::Promote => "promote",
            Action::Complete => "complete",
            Action::Rollback => "rollback",
            Action::StepBack => "step_back",
            Action::Hold => "hold",
            Action::Confirm => "confirm",
            Action::Confirmed => "confirmed",
            Action::GiveUp => "give_up",
            Action::Pause => "pause",
            Action::Resume => "resume",
            Action::Retry => "retry",
            Action::Attempt => "attempt",
            Action::Percent => "percent",
            Action::Ramp => "ramp",
            Action::Block => "block",
            Action::Unblock => "unblock",
            Action::Reload => "reload",
            Action::Refuse => "refuse",
            Action::Open => "open",
            Action::Close => "close",
            Action::KeyRefused => "key_refused",
            Action::KeyRestored => "key_restored",
            Action::Advise => "advise",
            Action::Notice => "notice",
            Action::End => "end",
            Action::Retires => "retires",
            Action::Withdraw => "withdraw",
            Action::Notified => "notified",
            Action::NotNotified => "not_notified",
            Action::Rehearsed => "rehearsed",
            Action::RehearsalFailed => "rehearsal_failed",
            Action::Other(word) => word,
        }
    }

    /// Whether it needs an operator: users were rolled back or the ramp is held, or there is a problem.
    #[must_use]
    pub const fn is_warning(&self) -> bool {
        matches!(
            self,
            Action::Rollback
                | Action::StepBack
                | Action::Hold
                | Action::Confirm
                | Action::Block
                | Action::Refuse
                | Action::Open
                | Action::KeyRefused
                | Action::Advise
                | Action::Notice
                | Action::Retires
                | Action::NotNotified
                | Action::RehearsalFailed
        )
    }

    /// Whether it is what follows from a regression.
    #[must_use]
    pub const fn answers_regression(&self) -> bool {
        matches!(self, Action::Rollback | Action::Hold | Action::StepBack)
    }

    /// Whether it does not explain the rollout's share.
    #[must_use]
    pub const fn decides_nothing(&self) -> bool {
        matches!(
            self,
            Action::Advise
                | Action::End
                | Action::Withdraw
                | Action::Notified
                | Action::NotNotified
                | Action::Rehearsed
                | Action::RehearsalFailed
        )
    }
}

impl From<String> for Action {
    fn from(word: String) -> Action {
        let known = Action::ALL.into_iter().find(|action| action.as_str() == word);
        known.unwrap_or(Action::Other(word))
    }
}

impl From<Action> for String {
    fn from(action: Action) -> String {
        action.as_str().to_owned()
    }
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
