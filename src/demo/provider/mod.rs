//! An embedded provider that speaks the OpenAI and Anthropic shapes over real sockets.
//!
//! It lives on a thread of its own and behaves as its [`Behaviour`] says, which can be changed while it runs. It
//! counts what it is asked, so that a test can ask back. It checks no credentials and keeps nothing on disk; what it
//! is sent is held in memory within fixed bounds. Invariant: once [`Provider`] is dropped its port refuses.

mod answer;
mod behaviour;
mod endpoint;
mod feed;
mod files;
mod kept;
mod messages;
mod request_counts;
mod responses;
mod server;
mod service;

pub(in crate::demo) use answer::GenerationRequest;
pub use behaviour::{Behaviour, Draw, Failure, ParseFailure};
pub(in crate::demo) use endpoint::Endpoint;
pub use request_counts::RequestCounts;
pub use server::Provider;

#[cfg(test)]
mod tests;
