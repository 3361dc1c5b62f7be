//! Sends a test to the targets of notifications, and says what they answered.
//!
//! Past the queue, since a test waits for nothing, and with the same time limit as every notification. Keeps nothing.
//! Invariant: each target that is meant is asked once.

use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_local};

use super::EventLoop;
use crate::control::notify::deliver::{self, Answer, Post};
use crate::state::inbox::NotifyTestResult;

impl EventLoop {
    /// Asks all named targets at one time, past the queue: a test waits for nothing.
    pub(super) fn test_targets(
        &self,
        name: Option<&str>,
        reply: oneshot::Sender<Result<Vec<NotifyTestResult>, String>>,
    ) {
        let Some(posts) = self.engine.notifier.tests(name, self.now()) else {
            let known = self.engine.notifier.names().join(", ");
            let known = if known.is_empty() { "none".to_owned() } else { known };
            let name = name.unwrap_or_default();
            return drop(
                reply.send(Err(format!("there is no target of notifications named `{name}`; there are: {known}"))),
            );
        };
        let asked: Vec<_> = posts.into_iter().map(|(target, post)| (target, self.try_now(post))).collect();
        spawn_local(async move {
            let mut results = Vec::new();
            for (target, answer) in asked {
                let answer = answer.await.unwrap_or_else(|defect| Err(defect.to_string()));
                let answer = answer.map(|Answer { status, said, .. }| (status, said));
                results.push(NotifyTestResult { target, answer });
            }
            let _ = reply.send(Ok(results));
        });
    }

    fn try_now(&self, post: Post) -> JoinHandle<Result<Answer, String>> {
        spawn_local(deliver::in_time((self.deliver)(post, self.engine.egress())))
    }
}
