//! A batch on its way to the collector, and who brings it there.
//!
//! Owns the shapes only: connections belong to the data plane, of which telemetry knows nothing. Invariant: whatever
//! happens to a parcel is an answer, or a sentence why there is none.

use std::pin::Pin;

use bytes::Bytes;
use http::Response;

use crate::decide::policy::{BaseUrl, Secret};

/// A batch on its way.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// Where to.
    pub to: BaseUrl,
    /// The egress proxy that the file names.
    pub egress: Option<Secret>,
    pub headers: Vec<(String, Secret)>,
    /// An `ExportTraceServiceRequest` in protobuf.
    pub body: Bytes,
}

/// Posts a parcel; an error says why there is no answer.
pub type Post = Box<dyn Fn(Parcel) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, String>>>>>;
