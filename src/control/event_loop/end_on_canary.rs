//! Ends what is under way on a canary, and answers when that lasts.
//!
//! In force at once; the answer waits until the disk has it, for a bounded time, so that a process that is killed right
//! after it does not go back on it. Decides nothing. Invariant: it is answered once.

use tokio::sync::oneshot;
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::{DISK_TIMEOUT, EventLoop};
use crate::control::now::Now;
use crate::control::persist::write_queue::until_durable;
use crate::state::inbox::{CommandError, EndOnCanary};

impl EventLoop {
    pub(super) fn end_on_canary(
        &mut self,
        wish: &EndOnCanary,
        reply: oneshot::Sender<Result<u64, CommandError>>,
        now: Now,
    ) {
        let ended = self.engine.end_on_canary(wish, now);
        let number = self.flush();
        let durable = until_durable(self.queue.progress(), number);
        spawn_local(async move {
            // Whether the rollback lasts has been said; what was ended is ended.
            let _ = timeout(DISK_TIMEOUT, durable).await;
            let _ = reply.send(ended);
        });
    }
}
