//! How Serin itself closes a WebSocket: the frames that are half-way through are carried to their ends, and then each
//! side gets a close frame.
//!
//! What comes after those frames is carried no more. A frame that does not end in time is broken off, and only the
//! other side gets its close. Any other tunnel just ends. Invariant: all of it takes less than a core waits that stops.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::timeout;

use super::{Tunnel, read};
use crate::clock;

/// How long all of it may take: who does not read the frame by then has to do without.
const LAST_FRAME: Duration = Duration::from_millis(750);
/// How long of that a frame may take to its end.
const FRAME_END: Duration = Duration::from_millis(500);

impl Tunnel<'_> {
    /// Closes a WebSocket where that is possible, and has its client take the frame.
    pub(super) async fn say_goodbye(&mut self, close: (u16, &str)) {
        let _ = timeout(LAST_FRAME, self.close(close)).await;
    }

    async fn close(&mut self, close: (u16, &str)) {
        let (mut up_closed, mut queued) = (false, None);
        let frames_end = poll_fn(|context| {
            let _ = self.up.poll_written(&mut self.provider, context);
            up_closed = up_closed || self.poll_close_of_provider(close, context).is_ready();
            if queued.is_none()
                && let Poll::Ready(said) = self.poll_close_of_client(close, context)
            {
                queued = Some(said);
            }
            if queued.is_some() {
                // It need not wait for the other frame; how that went is asked below.
                let _ = self.down.poll_written(&mut self.client, context);
            }
            if up_closed && queued.is_some() { Poll::Ready(()) } else { Poll::Pending }
        });
        let _ = timeout(FRAME_END, frames_end).await;
        self.up.end();
        let Some(queued) = queued else {
            // A frame is half-way to the client, and it is broken off.
            poll_fn(|context| Poll::Ready(self.up.poll_written(&mut self.provider, context).is_ready())).await;
            return;
        };
        self.down.end();
        let written = poll_fn(|context| {
            // The provider gets it at once, or not.
            let _ = self.up.poll_written(&mut self.provider, context);
            self.down.poll_written(&mut self.client, context)
        });
        if written.await.is_err() {
            return;
        }
        self.said = queued;
        self.until_client_has_closed().await;
    }

    /// Carries the client's frame to its end, and closes there.
    fn poll_close_of_provider(&mut self, close: (u16, &str), context: &mut Context<'_>) -> Poll<()> {
        let core = Rc::clone(&self.core);
        let Some(session) = &mut self.session else { return Poll::Ready(()) };
        let mut scratch = core.scratch.borrow_mut();
        let mut behind: &[u8] = &[];
        while session.client_is_within(&[]).is_some() {
            if ready!(self.up.poll_written(&mut self.provider, context)).is_err() {
                return Poll::Ready(());
            }
            let Ok(bytes @ [_, ..]) = ready!(read(&mut self.client, &mut scratch, context)) else {
                return Poll::Ready(());
            };
            let (frame, rest) = bytes.split_at(session.client_is_within(bytes).unwrap_or_default());
            session.client_sent(frame, clock::instant());
            if self.up.write(frame, &mut self.provider, context).is_err() {
                return Poll::Ready(());
            }
            behind = rest;
        }
        session.close_provider(close, &mut self.up, core.random_bytes());
        if !behind.is_empty() {
            session.client_sent(behind, clock::instant());
        }
        let _ = self.up.poll_written(&mut self.provider, context);
        Poll::Ready(())
    }

    /// The same of the provider's. Ready with whether a close frame goes out to the client.
    fn poll_close_of_client(&mut self, close: (u16, &str), context: &mut Context<'_>) -> Poll<bool> {
        let core = Rc::clone(&self.core);
        let Some(session) = &mut self.session else { return Poll::Ready(false) };
        let mut scratch = core.scratch.borrow_mut();
        while session.provider_is_within(&[]).is_some() {
            if ready!(self.down.poll_written(&mut self.client, context)).is_err() {
                return Poll::Ready(false);
            }
            let Ok(bytes @ [_, ..]) = ready!(read(&mut self.provider, &mut scratch, context)) else {
                // It will not end any more.
                return Poll::Pending;
            };
            let frame = &bytes[..session.provider_is_within(bytes).unwrap_or_default()];
            if session.provider_sent(frame, self.down.waiting(), clock::instant())
                && self.down.write(frame, &mut self.client, context).is_err()
            {
                return Poll::Ready(false);
            }
            self.account.carried(frame.len());
        }
        Poll::Ready(session.close_client(close, &mut self.down, clock::instant()))
    }

    /// A connection that is closed before all was read of it is reset, and its client may never see the frame.
    async fn until_client_has_closed(&mut self) {
        let core = Rc::clone(&self.core);
        let Some(session) = &mut self.session else { return };
        poll_fn(|context| {
            let _ = self.up.poll_written(&mut self.provider, context);
            loop {
                if session.is_closed_by_client() {
                    return Poll::Ready(());
                }
                let mut scratch = core.scratch.borrow_mut();
                match ready!(read(&mut self.client, &mut scratch, context)) {
                    Ok(bytes @ [_, ..]) => session.client_sent(bytes, clock::instant()),
                    Ok([]) | Err(_) => return Poll::Ready(()),
                }
            }
        })
        .await;
    }
}
