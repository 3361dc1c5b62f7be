//! The questions that control asks of a provider: does it answer, and is it reachable.
//!
//! The composition root supplies the functions, since control knows no upstream connections. A question has a timeout,
//! and a panic in it is a failed answer and no more.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::decide::policy::{Provider, Secret};

/// A provider that does not answer a probe by then counts as failed.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Asks a provider through this egress proxy. An error is the reason of a negative answer.
pub type Ask = Box<dyn Fn(Arc<Provider>, Option<Secret>) -> Pin<Box<dyn Future<Output = Result<(), String>>>>>;

/// What control can ask of a provider.
#[expect(missing_debug_implementations, reason = "it holds closures")]
pub struct Prober {
    /// Whether it answers a request.
    pub answers: Ask,
    /// The same of a stable: one that is sent the application's own key need not let Serin in without one.
    pub answers_as_stable: Ask,
    /// Whether a connection to it can be made.
    pub connects: Ask,
}

/// The answer, or an error after the timeout or a panic.
pub(super) async fn in_time(answer: impl Future<Output = Result<(), String>> + 'static) -> Result<(), String> {
    match spawn_local(timeout(TIMEOUT, answer)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err(format!("no response within {} s", TIMEOUT.as_secs())),
        Err(defect) => Err(format!("the probe broke off: {defect}")),
    }
}
