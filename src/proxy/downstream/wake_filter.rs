//! Spares a connection's task the wake-ups that hyper causes and that have nothing to do.
//!
//! Taking a piece out of a hyper body wakes the task of the connection that it came by, so that it can read on. When
//! that piece was the last, nothing is left to read, and the task is scheduled and polled in vain: twice for every
//! small request, which is a sizeable part of its cost. A [`WakeFilter`] stands between hyper and the task's waker.
//! Invariant: a wake-up is dropped only where the body is known to be complete; any other is passed on.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use http_body::{Body, Frame};
use hyper::body::Incoming;

/// The waker that one connection's task gives to hyper.
#[derive(Debug, Default)]
pub(crate) struct WakeFilter {
    task: OnceLock<Waker>,
    quiet: AtomicBool,
    missed: AtomicBool,
}

impl Wake for WakeFilter {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.quiet.load(Relaxed) {
            self.missed.store(true, Relaxed);
        } else if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
    }
}

impl WakeFilter {
    /// Drives a connection to its end, as the whole of a task or within it.
    pub(crate) async fn drive<F: Future>(self: Arc<Self>, connection: F) -> F::Output {
        let mut connection = pin!(connection);
        let waker = Waker::from(Arc::clone(&self));
        poll_fn(|context| {
            // A task keeps its waker for life.
            self.task.get_or_init(|| context.waker().clone());
            connection.as_mut().poll(&mut Context::from_waker(&waker))
        })
        .await
    }

    /// Takes the next piece of a body that comes by this connection.
    ///
    /// Body and connection live on one thread, so nothing but the taking itself can wake the task meanwhile.
    pub(crate) fn take(
        self: &Arc<Self>,
        body: &mut Incoming,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.quiet.store(true, Relaxed);
        let polled = Pin::new(&mut *body).poll_frame(context);
        self.quiet.store(false, Relaxed);
        if self.missed.swap(false, Relaxed) && !body.is_end_stream() {
            self.wake_by_ref();
        }
        polled
    }
}
