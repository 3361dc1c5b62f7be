//! The demo's sidecar: the one that `serin run` starts, with the calls that the demo makes on it.
//!
//! Everything that the demo knows of the composition root is in this file. Nothing here reaches into the sidecar:
//! it reads the report that the surfaces read, and asks through the inbox as the admin API does.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use crate::app;
use crate::decide::event::Event;
use crate::decide::event::filter::HistoryFilter;
use crate::decide::rollout::state::RolloutCommand;
use crate::state::inbox::{Command, CommandError};
use crate::state::status::Status;

pub(super) struct Sidecar(app::Running);

impl Sidecar {
    /// Starts it on this file, with its state in this directory. The error is ready to be shown.
    pub(super) fn start(flags: &Path, state: &Path) -> Result<Sidecar, app::StartError> {
        let options = app::Options::new(flags.to_owned());
        app::start(app::Options { state: Some(state.to_owned()), strict: true, ..options }).map(Sidecar)
    }

    /// Where the application connects.
    pub(super) fn proxy(&self) -> SocketAddr {
        self.0.proxy
    }

    /// Where operators connect.
    pub(super) fn admin(&self) -> SocketAddr {
        self.0.admin
    }

    /// The report in force.
    pub(super) fn status(&self) -> Arc<Status> {
        self.0.status()
    }

    /// What happened so far, newest first; empty when control does not answer.
    pub(super) async fn history(&self, limit: u32) -> Vec<Event> {
        self.0.inbox().history(HistoryFilter::default(), limit).await.unwrap_or_default()
    }

    /// What a human would do with `serin resume ROLLOUT`.
    pub(super) async fn resume(&self, rollout: &str) -> Result<(), CommandError> {
        let command = Command {
            rollout: Some(rollout.to_owned()),
            verb: RolloutCommand::Resume { at: None },
            actor: "demo".to_owned(),
            reason: "the new provider answers again".to_owned(),
        };
        self.0.inbox().ask(command).await.map(drop)
    }

    /// Ends it, as a signal would.
    pub(super) fn stop(self) {
        self.0.request_drain();
        // It was asked to end: how it did so changes nothing any more.
        let _ = self.0.wait();
    }
}
