//! Traces by OTLP over HTTP: from the cores' queues to a collector, on a thread of its own.
//!
//! [`start`] begins it and [`finish`] ends it. [`encode`] makes spans of a request's entry, with [`attributes`] and
//! [`resource`], in the messages of [`proto`]; [`exporter`] gathers batches and sends them, and [`delivery`] reads what
//! the collector says. How a [`parcel`] gets there is a parameter, since connections belong to the data plane. Invariant: the
//! process' end waits for the last spans for a bounded time only.

mod attributes;
mod delivery;
mod encode;
mod exporter;
mod parcel;
pub mod proto;
mod resource;

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::task::LocalSet;

use crate::state::snapshot::SnapshotCell;
use crate::state::spans::SpanQueues;
use exporter::Exporter;

pub use parcel::{Parcel, Post};

/// How long the end of the process waits for the last spans.
const LAST_SPANS: Duration = Duration::from_secs(3);

/// Starts the exporter. It ends with the process. `variable`: the environment.
///
/// # Errors
/// Where no thread or runtime can be had.
pub fn start(
    shared: &Arc<SnapshotCell>,
    variable: impl Fn(&str) -> Option<String>,
    post: impl FnOnce() -> Post + Send + 'static,
) -> io::Result<()> {
    let Some(receivers) = shared.spans.receivers() else { return Ok(()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (shared, resource) = (Arc::clone(shared), resource::resource(variable));
    let run = move || {
        let exporter = Exporter::new(shared, receivers, post(), resource);
        LocalSet::new().block_on(&runtime, exporter.run());
    };
    thread::Builder::new().name("otlp".to_owned()).spawn(run)?;
    Ok(())
}

/// Waits until what was offered is sent, for some seconds at most.
pub fn finish(queues: &SpanQueues) {
    // The collector may be gone.
    let _ = queues.close().recv_timeout(LAST_SPANS);
}
