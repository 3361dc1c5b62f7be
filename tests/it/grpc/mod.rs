//! Calls of gRPC through the sidecar, by an unchanged client of tonic.

mod calls;
mod limits;
mod recovery;
mod streams;
