//! One direction of a tunnel: what was read and not yet written, and the end that is passed on.
//!
//! Holds no buffer while nothing waits, so that an idle tunnel costs none: bytes are read into the core's, written at
//! once, and only what the other side does not take is kept. Refuses to read. Invariant: nothing is written out of
//! order, and nothing more is to be read while something waits.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

/// What is on its way to one side.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    waiting: Vec<u8>,
    /// How much of it was written.
    written: usize,
    /// Whether what was written may have to be flushed.
    unflushed: bool,
    end: PipeEnd,
    /// Whether the other side took anything since this was last asked.
    moved: bool,
    /// Whether the other side takes nothing more.
    lost: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum PipeEnd {
    #[default]
    Open,
    /// Nothing more comes.
    Ended,
    /// And that was passed on.
    PassedOn,
}

impl Pipe {
    /// Writes what waits, and then the end, if there is one.
    pub(super) fn poll_written(
        &mut self,
        to: &mut (impl AsyncWrite + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.lost {
            self.lose();
            return Poll::Ready(Ok(()));
        }
        while self.written < self.waiting.len() {
            let piece = &self.waiting[self.written..];
            let written = ready!(Pin::new(&mut *to).poll_write(context, piece))?;
            self.took(written)?;
            self.written += written;
        }
        if self.written > 0 {
            (self.waiting, self.written) = (Vec::new(), 0);
        }
        if self.unflushed {
            ready!(Pin::new(&mut *to).poll_flush(context))?;
            self.unflushed = false;
        }
        if self.end == PipeEnd::Ended {
            match ready!(Pin::new(&mut *to).poll_shutdown(context)) {
                // A side that is gone already needs no end of ours.
                Err(error) if error.kind() != io::ErrorKind::NotConnected => return Poll::Ready(Err(error)),
                _ => self.end = PipeEnd::PassedOn,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes these bytes after what waits, and keeps what is not taken.
    pub(super) fn write(
        &mut self,
        mut bytes: &[u8],
        to: &mut (impl AsyncWrite + Unpin),
        context: &mut Context<'_>,
    ) -> io::Result<()> {
        if self.lost {
            return Ok(());
        }
        while self.waiting.is_empty() && !bytes.is_empty() {
            let Poll::Ready(written) = Pin::new(&mut *to).poll_write(context, bytes) else { break };
            let written = written?;
            self.took(written)?;
            bytes = &bytes[written..];
        }
        self.waiting.extend_from_slice(bytes);
        Ok(())
    }

    /// What is written next, to be added to.
    pub(super) fn waiting(&mut self) -> &mut Vec<u8> {
        &mut self.waiting
    }

    fn took(&mut self, written: usize) -> io::Result<()> {
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        (self.unflushed, self.moved) = (true, true);
        Ok(())
    }

    /// Nothing more comes.
    pub(super) fn end(&mut self) {
        if self.end == PipeEnd::Open {
            self.end = PipeEnd::Ended;
        }
    }

    /// The other side takes nothing more: what waits is dropped, and all that comes.
    pub(super) fn lose(&mut self) {
        (self.lost, self.unflushed, self.waiting, self.written) = (true, false, Vec::new(), 0);
        if self.end == PipeEnd::Ended {
            self.end = PipeEnd::PassedOn;
        }
    }

    /// Whether its end was passed on.
    pub(super) fn is_over(&self) -> bool {
        self.end == PipeEnd::PassedOn
    }

    /// Whether the other side does not take what there is.
    pub(super) fn is_blocked(&self) -> bool {
        self.unflushed || !self.waiting.is_empty()
    }

    /// Whether the other side took anything since this was last asked.
    pub(super) fn has_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// What a side that takes 8 bytes at a time gets, of what is written in such pieces and then ended.
    async fn carried(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut to, mut other) = tokio::io::duplex(8);
        let writes = async {
            let mut pipe = Pipe::default();
            for piece in pieces {
                poll_fn(|context| Poll::Ready(pipe.write(piece, &mut to, context))).await.unwrap();
                poll_fn(|context| pipe.poll_written(&mut to, context)).await.unwrap();
                assert!(!pipe.is_blocked() && pipe.waiting.capacity() == 0, "nothing is held");
            }
            pipe.end();
            poll_fn(|context| pipe.poll_written(&mut to, context)).await.unwrap();
            assert!(pipe.is_over());
        };
        let mut got = Vec::new();
        let (_, read) = tokio::join!(writes, other.read_to_end(&mut got));
        read.unwrap();
        got
    }

    #[tokio::test]
    async fn bytes_pass_in_order_whatever_is_taken_at_a_time() {
        let long: Vec<u8> = (0..=255).collect();
        assert_eq!(carried(&[b"welcome", &long, b"", b"!"]).await, [b"welcome", &long[..], b"!"].concat());
    }

    #[tokio::test]
    async fn a_side_that_is_gone_takes_nothing() {
        let (mut to, other) = tokio::io::duplex(8);
        drop(other);
        let mut pipe = Pipe::default();
        assert!(poll_fn(|context| Poll::Ready(pipe.write(b"x", &mut to, context))).await.is_err());
        assert!(!pipe.has_moved());
        pipe.waiting().extend(b"more");
        pipe.end();
        pipe.lose();
        assert!(pipe.is_over() && !pipe.is_blocked());
        poll_fn(|context| Poll::Ready(pipe.write(b"x", &mut to, context))).await.unwrap();
        pipe.waiting().extend(b"more");
        poll_fn(|context| pipe.poll_written(&mut to, context)).await.unwrap();
        assert!(!pipe.is_blocked() && !pipe.has_moved(), "nothing piles up");
    }
}
