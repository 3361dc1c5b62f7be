//! gRPC as its libraries speak it, without generated code: messages are bytes.

pub(crate) mod app;
pub(crate) mod codec;
pub(crate) mod echo;
pub(crate) mod provider;
