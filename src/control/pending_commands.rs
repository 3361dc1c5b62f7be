//! Commands that wait for the disk: what they came to is proposed, and they are answered when that has landed.
//!
//! One that something else overtakes, or that the disk keeps waiting for longer than [`ANSWER`], is refused by whoever
//! looks here. Owns who waits, not whether anything is proposed. Invariant: each is answered once.

use tokio::sync::oneshot;

use crate::decide::units::Millis;
use crate::state::inbox::{Receipt, Refusal};

/// What is not written by then is not carried out.
pub(super) const ANSWER: Millis = Millis(2000);

/// Where the answer to a command goes.
pub(super) type Reply = oneshot::Sender<Result<Receipt, Refusal>>;

/// A command that is in force when it has been written.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) rollout: String,
    /// What its sender should know besides.
    pub(super) notes: Vec<String>,
    pub(super) until: Millis,
    pub(super) reply: Reply,
}

/// All that wait.
#[derive(Debug, Default)]
pub(super) struct Pending(Vec<Waiting>);

impl Pending {
    pub(super) fn add(&mut self, waiting: Waiting) {
        self.0.push(waiting);
    }

    /// Those of this rollout; they wait no more.
    pub(super) fn take(&mut self, rollout: &str) -> Vec<Waiting> {
        self.0.extract_if(.., |waiting| waiting.rollout == rollout).collect()
    }

    /// Refuses those of this rollout; whether there were any.
    pub(super) fn refuse(&mut self, rollout: &str, refusal: &Refusal) -> bool {
        let refused = self.take(rollout);
        let any = !refused.is_empty();
        // Who asked may have left.
        refused.into_iter().for_each(|waiting| drop(waiting.reply.send(Err(refusal.clone()))));
        any
    }

    /// For whom somebody waits, and until when.
    pub(super) fn rollouts(&self) -> Vec<(String, Millis)> {
        self.0.iter().map(|waiting| (waiting.rollout.clone(), waiting.until)).collect()
    }
}
