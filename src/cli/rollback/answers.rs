//! What the processes of a rollback have answered, by the API and by what they show of the lock file.
//!
//! Owns when enough is known of a process. Asks nobody: the caller sends, and this listens until a moment. Invariant: a
//! lock in force is enough for a rollback, and never for the end of requests, which the API alone can tell.

use std::sync::mpsc::{Receiver, RecvTimeoutError};

use crate::app::api::ChangeReply;
use crate::app::offline::InForce;
use crate::cli::api_call::CallError;
use crate::clock;
use crate::decide::units::Millis;

pub(super) enum Acknowledgement {
    Api(Result<ChangeReply, CallError>),
    /// Whether the lock is on the disk.
    Written(Result<(), String>),
    /// The process shows it.
    Shown(InForce),
    /// It does not, and the time is over.
    NotShown,
}

/// What is known of one process.
#[derive(Default)]
pub(super) struct ProcessAnswers {
    pub(super) api: Option<Result<ChangeReply, CallError>>,
    pub(super) written: Option<Result<(), String>>,
    pub(super) shown: Option<Option<InForce>>,
    pub(super) has_state: bool,
}

impl ProcessAnswers {
    pub(super) fn confirmed(&self) -> bool {
        matches!(&self.api, Some(Ok(reply)) if reply.in_force) || matches!(self.shown, Some(Some(_)))
    }

    /// Nothing more will come that could change the picture. `hard`: what is under way is to be ended, which the API
    /// alone can do, and the lock file says nothing of.
    pub(super) fn settled(&self, hard: bool) -> bool {
        if hard && self.api.is_none() {
            return false;
        }
        let durable = match &self.api {
            Some(Ok(reply)) if reply.in_force => reply.durable || !self.has_state || self.written.is_some(),
            Some(Err(error)) if error.is_unknown_rollout() => return !self.has_state || self.written.is_some(),
            _ => true,
        };
        let exhausted = self.api.is_some() && (!self.has_state || self.shown.is_some());
        (self.confirmed() && durable) || exhausted
    }

    /// Both ways have said what they can.
    pub(super) fn complete(&self) -> bool {
        self.api.is_some() && (!self.has_state || self.written.is_some())
    }
}

/// Takes what is heard until enough is known of each process, or until then.
pub(super) fn listen(
    heard: &Receiver<(usize, Acknowledgement)>,
    answers: &mut [ProcessAnswers],
    deadline: Millis,
    enough: impl Fn(&ProcessAnswers) -> bool,
) {
    while !answers.iter().all(&enough) {
        let left = deadline.since(clock::now()).duration();
        match heard.recv_timeout(left) {
            Ok((at, Acknowledgement::Api(result))) => answers[at].api = Some(result),
            Ok((at, Acknowledgement::Written(result))) => answers[at].written = Some(result),
            Ok((at, Acknowledgement::Shown(shown))) => answers[at].shown = Some(Some(shown)),
            Ok((at, Acknowledgement::NotShown)) => answers[at].shown = Some(None),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
        }
    }
}
