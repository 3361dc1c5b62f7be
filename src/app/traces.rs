//! The exporter of traces, with connections of the data plane.
//!
//! Puts together what [`telemetry`](crate::telemetry) may not reach by itself. In a build without the feature `otlp`
//! there is nothing here, and no file asks for it. Owns no state. Invariant: headers of flags.yaml are marked sensitive,
//! so that no log of a library shows them.

use std::io;
use std::sync::Arc;

use crate::state::snapshot::SnapshotCell;
use crate::state::spans::SpanQueues;

/// Starts the exporter.
#[cfg(feature = "otlp")]
pub(super) fn start(shared: &Arc<SnapshotCell>) -> io::Result<()> {
    crate::telemetry::otlp::start(shared, |name| std::env::var(name).ok(), post::client)
}

/// Waits for the last spans, for some seconds at most.
#[cfg(feature = "otlp")]
pub(super) fn finish(spans: &SpanQueues) {
    crate::telemetry::otlp::finish(spans);
}

#[cfg(not(feature = "otlp"))]
pub(super) fn start(_: &Arc<SnapshotCell>) -> io::Result<()> {
    Ok(())
}

#[cfg(not(feature = "otlp"))]
pub(super) fn finish(_: &SpanQueues) {}

#[cfg(feature = "otlp")]
mod post {
    use std::rc::Rc;

    use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};

    use crate::decide::units::Millis;
    use crate::proxy::PostClient;
    use crate::telemetry::otlp::{Parcel, Post};

    /// How long a collector may take for one batch.
    const PATIENCE: Millis = Millis(10_000);

    /// What posts batches, over one connection that is kept.
    pub(super) fn client() -> Post {
        let client = Rc::new(PostClient::default());
        Box::new(move |parcel| {
            let client = Rc::clone(&client);
            Box::pin(async move {
                let headers = headers(&parcel);
                let Parcel { to, egress, body, .. } = parcel;
                client.post(&to, egress.as_ref(), headers, body, PATIENCE).await
            })
        })
    }

    fn headers(parcel: &Parcel) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("serin/", env!("CARGO_PKG_VERSION"))));
        for (name, value) in &parcel.headers {
            // Both were checked when the file was read.
            if let (Ok(name), Ok(mut value)) = (HeaderName::try_from(name), HeaderValue::try_from(value.reveal())) {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        headers
    }
}
