//! For which side a body that streams waits at present, and why it ends before its end.
//!
//! [`Upload`] is shared with the waits for the provider, so that its time limits do not count while its client is slow.
//! Owns no byte of the body. Invariant: whoever waits for the client is woken when it has sent something.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::task::{Context, Waker};

use crate::clock;
use crate::decide::units::Millis;

/// For which side a body that streams waits. Shared with the wait for the head, on the same core.
#[derive(Debug, Default)]
pub(crate) struct Upload {
    starved: Cell<bool>,
    broken: Cell<bool>,
    moved: Cell<Millis>,
    waiting: RefCell<Option<Waker>>,
}

impl Upload {
    /// Whether the provider has taken all there is, and the client has to send more.
    pub(crate) fn is_starved(&self) -> bool {
        self.starved.get()
    }

    /// Whether the client broke the body off.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.get()
    }

    /// When the provider last took a piece.
    pub(crate) fn moved(&self) -> Millis {
        self.moved.get()
    }

    /// Wakes this task when there is something for the provider again.
    pub(crate) fn register_waker(&self, cx: &Context<'_>) {
        *self.waiting.borrow_mut() = Some(cx.waker().clone());
    }

    /// The client broke the body off.
    pub(super) fn note_broken(&self) {
        self.broken.set(true);
    }

    pub(super) fn note(&self, starved: bool) {
        if starved {
            self.starved.set(true);
        } else {
            self.moved.set(clock::now());
            if self.starved.replace(false)
                && let Some(waker) = self.waiting.borrow_mut().take()
            {
                waker.wake();
            }
        }
    }
}

/// Why a request's body ends before its end.
#[derive(Debug)]
pub(crate) enum UploadError {
    /// The client broke off.
    Client(hyper::Error),
    /// The call is over, or another provider is asked.
    Over(h2::Error),
}

impl UploadError {
    pub(super) fn over() -> UploadError {
        UploadError::Over(h2::Error::from(h2::Reason::CANCEL))
    }
}

impl fmt::Display for UploadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UploadError::Client(error) => error.fmt(f),
            UploadError::Over(_) => f.write_str("the call is over"),
        }
    }
}

// By its source hyper tells with which code the stream is reset.
impl std::error::Error for UploadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            UploadError::Client(error) => std::error::Error::source(error),
            UploadError::Over(error) => Some(error),
        }
    }
}
