//! What stands between whoever logs and standard error: a bounded queue of lines, and a thread that writes them.
//!
//! Standard error may be a pipe that nobody reads, or a file on a disk that hangs. Whoever logs never waits for it, so
//! that no request and no rollback does: a line that finds the queue full is dropped and counted, and how many were is
//! said once there is room again. [`flush`](Queue::flush) waits, for a bounded time, until what was logged before it is
//! written: the last words of a process are not lost. Invariant: lines are written whole and in their order.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

/// Lines that wait at most.
const CAPACITY: usize = 8192;

enum Message {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

/// The way to the thread that writes.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    messages: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

impl Queue {
    /// Starts the thread; an error is the system's.
    pub(super) fn start(to: impl Write + Send + 'static) -> io::Result<Queue> {
        let (messages, taken) = sync_channel(CAPACITY);
        let dropped = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&dropped);
        thread::Builder::new().name("serin-log".to_owned()).spawn(move || write(to, &taken, &counted))?;
        Ok(Queue { messages, dropped })
    }

    /// Waits until everything before this is written, but no longer than this.
    pub(super) fn flush(&self, limit: Duration) {
        let (done, written) = sync_channel(1);
        if self.messages.try_send(Message::Flush(done)).is_ok() {
            // Whether it was in time or not, the process goes on to end.
            let _ = written.recv_timeout(limit);
        }
    }
}

/// A line at a time. What is dropped is no error to whoever logs.
impl Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Err(TrySendError::Full(_)) = self.messages.try_send(Message::Line(line.to_vec())) {
            self.dropped.fetch_add(1, Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(mut to: impl Write, messages: &Receiver<Message>, dropped: &AtomicU64) {
    for message in messages {
        // Nobody could be told that standard error is gone.
        match message {
            Message::Line(line) => {
                let _ = to.write_all(&line);
            }
            Message::Flush(done) => {
                let _ = to.flush();
                let _ = done.try_send(());
            }
        }
        let missed = dropped.swap(0, Relaxed);
        if missed > 0 {
            let text = format!("{missed} lines of the log were dropped: standard error was not read\n");
            let _ = to.write_all(text.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    /// Takes a line each time that it is let, and none before.
    struct Slow {
        may: Receiver<()>,
        written: Arc<Mutex<Vec<String>>>,
    }

    impl Write for Slow {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            let _ = self.may.recv();
            self.written.lock().unwrap().push(String::from_utf8(line.to_vec()).unwrap());
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow() -> (Queue, Sender<()>, Arc<Mutex<Vec<String>>>) {
        let ((let_go, may), written) = (channel(), Arc::<Mutex<Vec<String>>>::default());
        let to = Slow { may, written: Arc::clone(&written) };
        (Queue::start(to).unwrap(), let_go, written)
    }

    #[test]
    fn lines_are_written_in_their_order_before_a_flush_ends() {
        let (mut queue, let_go, written) = slow();
        for number in 0..100 {
            queue.write_all(format!("line {number}\n").as_bytes()).unwrap();
        }
        // Nobody lets anything through any more, and nothing is waited for.
        drop(let_go);
        queue.flush(Duration::from_secs(60));
        let expected: Vec<String> = (0..100).map(|number| format!("line {number}\n")).collect();
        assert_eq!(*written.lock().unwrap(), expected);
    }

    #[test]
    fn whoever_logs_never_waits_and_what_is_missing_is_said() {
        let (mut queue, let_go, written) = slow();
        // One more may be in the hands of the thread.
        for number in 0..CAPACITY + 10 {
            queue.write_all(format!("{number}\n").as_bytes()).unwrap();
        }
        queue.flush(Duration::from_millis(1));
        drop(let_go);
        while queue.dropped.load(Relaxed) > 0 {
            thread::yield_now();
        }
        queue.flush(Duration::from_secs(60));
        let written = written.lock().unwrap();
        let notes: Vec<&String> = written.iter().filter(|line| line.contains("were dropped")).collect();
        assert_eq!((notes.len(), written[0].as_str()), (1, "0\n"), "{notes:?}");
        assert!(notes[0].starts_with("9 lines") || notes[0].starts_with("10 lines"), "{notes:?}");
    }
}
