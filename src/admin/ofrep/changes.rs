//! The change stream: tells those who hold values of flags to ask again.
//!
//! An event is sent on connecting, and whenever the [version](super::version) changes: a reload, a promotion, a
//! rollback, the beginning or end of a flag. The first one closes the gap between a page's last answer and its
//! connection, and ends what a client holds for stale; where nothing changed, it asks and gets 304. A listener that is
//! slow gets the newest version only. The stream ends where its ticket is no longer good, and when the process drains.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;

use super::ticket::Ticket;
use super::version::FlagVersions;
use crate::admin::auth::AdminListener;
use crate::admin::reply::{ApiError, Reply, stream};
use crate::admin::sse::{self, EventSender, ListenerGone, StreamLimit};
use crate::clock;
use crate::state::snapshot::{Snapshot, SnapshotCell};

/// Where a moment is far away, so much is waited at a time.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Whoever listens, as far as it decides how long they may.
struct Access {
    /// Came by the Unix socket: the file's permissions decided.
    socket: bool,
    ticket: Option<Ticket>,
}

impl Access {
    fn holds(&self, snapshot: &Snapshot) -> bool {
        let tokens = &snapshot.policy.tokens;
        self.socket || tokens.is_empty() || self.ticket.as_ref().is_some_and(|ticket| ticket.is_good(tokens))
    }
}

/// Opens a stream for a caller who was let in.
pub(in crate::admin) fn open(
    streams: &StreamLimit,
    (shared, versions): (Arc<SnapshotCell>, Arc<FlagVersions>),
    listener: &AdminListener,
    head: &Parts,
) -> Result<Reply, ApiError> {
    let snapshot = shared.load();
    if snapshot.draining {
        return Err(ApiError::Draining);
    }
    let slot = streams.open()?;
    let ticket = Ticket::of_request(head, &snapshot.policy.tokens);
    let access = Access { socket: matches!(listener, AdminListener::Socket(_)), ticket };
    Ok(stream(slot, |events| async move {
        // Its listener is gone: there is nobody to tell.
        let _ = tell(&events, &shared, &versions, &access).await;
    }))
}

async fn tell(
    events: &EventSender,
    shared: &SnapshotCell,
    versions: &FlagVersions,
    access: &Access,
) -> Result<(), ListenerGone> {
    let mut published = shared.subscribe();
    let mut told = None;
    loop {
        // Marked as seen before it is read, so that whatever comes later wakes this again.
        published.borrow_and_update();
        let room = events.room().await?;
        let snapshot = shared.load();
        if snapshot.draining || !access.holds(&snapshot) {
            return Ok(());
        }
        let now = clock::unix();
        let version = versions.at(&snapshot, now);
        if told.as_ref() != Some(&version.id) {
            room.send(event(&version.id));
            told = Some(version.id);
        }
        let wait = version.until.map_or(LONGEST_WAIT, |until| until.since(now).duration().min(LONGEST_WAIT));
        tokio::select! {
            changed = published.changed() => if changed.is_err() { return Ok(()) },
            () = tokio::time::sleep(wait) => {}
        }
    }
}

fn event(version: &str) -> Bytes {
    let data = format!(r#"{{"type":"refetchEvaluation","etag":"{version}"}}"#);
    let frame = sse::frame("message", &data);
    [b"id: ", version.as_bytes(), b"\n", &frame].concat().into()
}
