//! How far a probe is: steps that tasks report, and the one who is told of their number.
//!
//! A task that ends early has done all its steps. Told a few times a second even where no step ends, so that whoever
//! looks sees that something is under way. Counts only; shows nothing.

use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

const BETWEEN: Duration = Duration::from_millis(100);

/// The steps of one task.
pub(super) struct Steps {
    told: UnboundedSender<()>,
    left: usize,
}

impl Steps {
    pub(super) fn new(told: UnboundedSender<()>, all: usize) -> Steps {
        Steps { told, left: all }
    }

    /// One is done.
    pub(super) fn done(&mut self) {
        if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            // Nobody listens any more: nobody is told.
            let _ = self.told.send(());
        }
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        while self.left > 0 {
            self.done();
        }
    }
}

/// Tells how many are done, until every task has ended.
pub(super) async fn follow(mut steps: UnboundedReceiver<()>, all: usize, progress: &dyn Fn(usize, usize)) {
    let mut done = 0;
    let mut tick = tokio::time::interval(BETWEEN);
    loop {
        tokio::select! {
            step = steps.recv() => match step {
                Some(()) => done += 1,
                None => break,
            },
            _ = tick.tick() => {}
        }
        progress(done, all);
    }
}
