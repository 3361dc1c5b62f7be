//! The input queue of the control loop: bounded, each command answered.
//!
//! Admin and the flags watcher only send; control alone decides and answers. A full queue refuses at once and never
//! blocks: a rollback then goes through its lock file.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::decide::event::Event;
use crate::decide::event::filter::HistoryFilter;
use crate::decide::file_error::FileError;
use crate::decide::guard::trace::TraceLine;
use crate::decide::incident::Incident;
use crate::decide::incompatibility::Incompatibility;
use crate::decide::plan::Plan;
use crate::decide::policy::Policy;
use crate::decide::rollout::dry_run::DryRun;
use crate::decide::rollout::state::RolloutCommand;
use crate::decide::series::{Points, Step};
use crate::decide::units::UnixMillis;
use crate::decide::verdict::{Verdict, VerdictResult};

/// Something that control should look at.
#[derive(Debug)]
pub enum Input {
    /// A human's command.
    Command {
        /// What to do, and to whom.
        command: Command,
        /// Where the answer goes, once it is in force.
        reply: oneshot::Sender<Result<Receipt, CommandError>>,
    },
    /// Ends what is under way on canaries that were rolled back.
    EndOnCanary {
        wish: EndOnCanary,
        /// How many requests that were.
        reply: oneshot::Sender<Result<u64, CommandError>>,
    },
    /// What a command would do, without doing it.
    DryRun {
        command: Command,
        /// Where the answer goes.
        reply: oneshot::Sender<Result<Vec<DryRun>, CommandError>>,
    },
    /// What a policy would do in the place of the one in force.
    Plan {
        policy: Arc<Policy>,
        /// Where the answer goes.
        reply: oneshot::Sender<Plan>,
    },
    /// What happened so far, newest first.
    History {
        /// Which of it.
        filter: HistoryFilter,
        /// At most this many.
        limit: u32,
        /// Where it goes; an error is the store's, as text.
        reply: oneshot::Sender<Result<Vec<Event>, String>>,
    },
    /// Incident reports, newest first.
    Incidents {
        /// Only the one with this id; `None`: all.
        id: Option<String>,
        /// Where they go; an error is the store's, as text.
        reply: oneshot::Sender<Result<Vec<Incident>, String>>,
    },
    /// The series of a rollout.
    Series {
        rollout: String,
        step: Step,
        /// From this moment on.
        from: UnixMillis,
        /// Up to this one.
        to: UnixMillis,
        /// Where they go; an error is the store's, as text.
        reply: oneshot::Sender<Result<Points, String>>,
    },
    /// What the guard saw of a rollout lately, oldest first.
    Trace {
        rollout: String,
        /// Where it goes.
        reply: oneshot::Sender<Result<Vec<TraceLine>, CommandError>>,
    },
    /// What the application says of answers.
    Feedback {
        verdicts: Vec<Verdict>,
        /// What became of each, in their order.
        reply: oneshot::Sender<Vec<VerdictResult>>,
    },
    /// Sends a test to a target of notifications, or to all.
    TestNotify {
        target: Option<String>,
        /// Where it goes; an error is that there is no such target.
        reply: oneshot::Sender<Result<Vec<NotifyTestResult>, String>>,
    },
    /// A new version of flags.yaml was read.
    Flags(FlagsRead),
    /// A canary refused a request.
    Rejected(Rejection),
    /// The process is stopping.
    Drain,
}

/// A human's command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Which rollout; `None`: all of them (rollback and pause only).
    pub rollout: Option<String>,
    /// What to do.
    pub verb: RolloutCommand,
    /// Who asks: the token's name, or the user behind the socket.
    pub actor: String,
    /// Why; empty: not said.
    pub reason: String,
}

/// A wish to end what is under way on a canary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndOnCanary {
    /// Of which rollout; `None`: of all of them.
    pub rollout: Option<String>,
    /// Who asks.
    pub actor: String,
    /// Why; empty: not said.
    pub reason: String,
}

/// What a target made of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifyTestResult {
    pub target: String,
    /// Its status and the beginning of its answer, or why there is none.
    pub answer: Result<(u16, String), String>,
}

/// A canary refused a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    pub rollout: String,
    /// The canary's provider.
    pub provider: String,
    /// What it refused.
    pub finding: Incompatibility,
    /// The status it answered.
    pub status: u16,
    /// The error's code or type, bounded and on one line.
    pub code: Option<String>,
    /// Whether stable accepted it when it was asked the same; it may not have been asked.
    pub accepted: bool,
}

/// What one reading of flags.yaml gave.
#[derive(Clone, Debug)]
pub struct FlagsRead {
    /// The policy, or every error.
    pub result: Result<Arc<Policy>, Vec<FileError>>,
    /// The text as it was read, unexpanded: kept as the last good copy when accepted. Empty when unreadable.
    pub text: Arc<str>,
    /// The same with every literal secret masked, for the surfaces.
    pub shown: Arc<str>,
    /// What is accepted but should be mended, one sentence each.
    pub warnings: Vec<String>,
    /// A hash of the content.
    pub hash: u64,
    /// When the file was last changed.
    pub modified: Option<UnixMillis>,
}

/// A command was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The rollouts that it touched, with the share now in force.
    pub rollouts: Vec<(String, crate::decide::units::Percent)>,
    /// Whether it survives a crash; otherwise why not.
    pub durable: Result<(), String>,
    /// Whether every core has acknowledged it.
    pub seen_by_all_cores: bool,
    /// Requests of these rollouts still open on a canary.
    pub open_on_canary: u64,
    /// WebSocket sessions among them.
    pub websockets_on_canary: u64,
    /// Requests still open on a canary, and what else the operator should know. One sentence each.
    pub notes: Vec<String>,
}

/// A command was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No such rollout.
    #[error("there is no rollout named `{name}`; there are: {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What exists.
        known: String,
    },
    /// It cannot be done now.
    #[error("{0}")]
    NotNow(String),
    /// Control does not answer.
    #[error("the control loop does not answer")]
    Busy,
}

/// Where wishes are put.
#[derive(Clone, Debug)]
pub struct Inbox(mpsc::Sender<Input>);

/// How many wishes may wait.
const CAPACITY: usize = 256;

/// An inbox, and the end that control empties.
#[must_use]
pub fn inbox() -> (Inbox, mpsc::Receiver<Input>) {
    let (sender, receiver) = mpsc::channel(CAPACITY);
    (Inbox(sender), receiver)
}

impl Inbox {
    /// Asks for a command and waits until it is in force or refused.
    pub async fn ask(&self, command: Command) -> Result<Receipt, CommandError> {
        let (reply, answer) = oneshot::channel();
        self.0.try_send(Input::Command { command, reply }).map_err(|_| CommandError::Busy)?;
        answer.await.map_err(|_| CommandError::Busy)?
    }

    /// Ends what is under way on canaries that were rolled back. Returns how many requests that were.
    pub async fn end_on_canary(&self, wish: EndOnCanary) -> Result<u64, CommandError> {
        let (reply, answer) = oneshot::channel();
        self.0.try_send(Input::EndOnCanary { wish, reply }).map_err(|_| CommandError::Busy)?;
        answer.await.map_err(|_| CommandError::Busy)?
    }

    /// What a command would do to each rollout that it is for.
    pub async fn dry_run(&self, command: Command) -> Result<Vec<DryRun>, CommandError> {
        let (reply, answer) = oneshot::channel();
        self.0.try_send(Input::DryRun { command, reply }).map_err(|_| CommandError::Busy)?;
        answer.await.map_err(|_| CommandError::Busy)?
    }

    /// What a policy would do in the place of the one in force.
    pub async fn plan(&self, policy: Arc<Policy>) -> Result<Plan, CommandError> {
        let (reply, answer) = oneshot::channel();
        self.0.try_send(Input::Plan { policy, reply }).map_err(|_| CommandError::Busy)?;
        answer.await.map_err(|_| CommandError::Busy)
    }

    /// What happened so far, newest first.
    pub async fn history(&self, filter: HistoryFilter, limit: u32) -> Result<Vec<Event>, String> {
        let (reply, answer) = oneshot::channel();
        let busy = || CommandError::Busy.to_string();
        self.0.try_send(Input::History { filter, limit, reply }).map_err(|_| busy())?;
        answer.await.map_err(|_| busy())?
    }

    /// The incident report with this id, or all of them, newest first.
    pub async fn incidents(&self, id: Option<String>) -> Result<Vec<Incident>, String> {
        let (reply, answer) = oneshot::channel();
        let busy = || CommandError::Busy.to_string();
        self.0.try_send(Input::Incidents { id, reply }).map_err(|_| busy())?;
        answer.await.map_err(|_| busy())?
    }

    /// The series of a rollout from one moment to another.
    pub async fn series(
        &self,
        rollout: String,
        step: Step,
        from: UnixMillis,
        to: UnixMillis,
    ) -> Result<Points, String> {
        let (reply, answer) = oneshot::channel();
        let busy = || CommandError::Busy.to_string();
        self.0.try_send(Input::Series { rollout, step, from, to, reply }).map_err(|_| busy())?;
        answer.await.map_err(|_| busy())?
    }

    /// What the guard saw of a rollout lately, oldest first.
    pub async fn trace(&self, rollout: String) -> Result<Vec<TraceLine>, CommandError> {
        let (reply, answer) = oneshot::channel();
        self.0.try_send(Input::Trace { rollout, reply }).map_err(|_| CommandError::Busy)?;
        answer.await.map_err(|_| CommandError::Busy)?
    }

    /// Hands over verdicts of the application. Commands of humans come first: when the inbox is half full they are
    /// refused.
    pub async fn feedback(&self, verdicts: Vec<Verdict>) -> Result<Vec<VerdictResult>, CommandError> {
        let (reply, answer) = oneshot::channel();
        if self.0.capacity() <= CAPACITY / 2 || !self.put(Input::Feedback { verdicts, reply }) {
            return Err(CommandError::Busy);
        }
        answer.await.map_err(|_| CommandError::Busy)
    }

    /// Sends a test to a target of notifications, or to all.
    pub async fn test_notify(&self, target: Option<String>) -> Result<Vec<NotifyTestResult>, CommandError> {
        let (reply, answer) = oneshot::channel();
        self.0.try_send(Input::TestNotify { target, reply }).map_err(|_| CommandError::Busy)?;
        answer.await.map_err(|_| CommandError::Busy)?.map_err(CommandError::NotNow)
    }

    /// Reports a rejection, without waiting. Commands of humans come first: when the inbox is half full the report is
    /// dropped, and false is returned.
    pub fn report_rejection(&self, refused: Rejection) -> bool {
        self.0.capacity() > CAPACITY / 2 && self.put(Input::Rejected(refused))
    }

    /// Hands over without waiting; false when the inbox is full or control has ended.
    pub fn put(&self, input: Input) -> bool {
        self.0.try_send(input).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_leave_room_for_humans() {
        let (inbox, mut wishes) = inbox();
        let refused = || Rejection {
            rollout: "chat".to_owned(),
            provider: "holysheep".to_owned(),
            finding: Incompatibility::ContextLength,
            status: 400,
            code: None,
            accepted: true,
        };
        let accepted_count = (0..CAPACITY).filter(|_| inbox.report_rejection(refused())).count();
        assert_eq!(accepted_count, CAPACITY / 2);
        assert!(inbox.put(Input::Drain));
        while wishes.try_recv().is_ok() {}
        assert!(inbox.report_rejection(refused()), "there is room again");
    }
}
