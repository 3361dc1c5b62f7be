//! How a notification is sent: one POST, one answer.
//!
//! The composition root supplies the function, since control knows no connections. A try has a timeout, and a panic in
//! it is a failed try and no more. Refuses to retry: the queue does.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::decide::policy::{NotifyUrl, Secret};
use crate::decide::units::Millis;

/// A target that has not answered by then has failed.
const TIMEOUT: Duration = Duration::from_secs(15);

/// A request to a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    pub url: NotifyUrl,
    /// Besides `content-type: application/json`. A value may be a secret.
    pub headers: Vec<(&'static str, Secret)>,
    pub body: Bytes,
}

/// What a target answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// `retry-after`.
    pub retry_after: Option<Millis>,
    /// The beginning of the body, printable and on one line.
    pub said: String,
}

/// Sends a request through this egress proxy. An error is why there is no answer.
pub type Deliver = Box<dyn Fn(Post, Option<Secret>) -> Pin<Box<dyn Future<Output = Result<Answer, String>>>>>;

/// The answer, or an error after the timeout or a panic.
pub(in crate::control) async fn in_time(
    answer: impl Future<Output = Result<Answer, String>> + 'static,
) -> Result<Answer, String> {
    match spawn_local(timeout(TIMEOUT, answer)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err(format!("no answer within {} s", TIMEOUT.as_secs())),
        Err(defect) => Err(format!("the try broke off: {defect}")),
    }
}
