//! For which side a body that streams waits at present, and why it ends before its end.
//!
//! [`Upload`] is shared with the waits for the provider, so that its time limits do not count while its client is slow.
//! Owns no byte of the body. Invariant: whoever waits for the client is woken when it has sent something.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::task::{Context, Waker};
use std::time::Instant;

use crate::clock;
use crate::decide::units::Millis;
use crate::proxy::attempt::deadline::Deadline;

/// For which side a body that streams waits. Shared with the wait for the head, on the same core.
#[derive(Debug, Default)]
pub(crate) struct Upload {
    starved: Cell<bool>,
    broken: Cell<bool>,
    moved: Cell<Millis>,
    waiting: RefCell<Option<Waker>>,
    call: Cell<CallSide>,
}

/// What is known of the client's side of a call. Of any other request nothing is.
#[derive(Clone, Copy, Debug, Default)]
struct CallSide {
    /// Whether the provider took a whole message since its own last one.
    owed: bool,
    /// Whether the client may send more.
    open: bool,
    /// Whether it cannot be sent to anybody else.
    lost: bool,
}

impl Upload {
    /// Whether the provider has taken all there is, and the client has to send more. In a call it has to only until a
    /// whole message was sent: then an answer is due, though the client's side is open.
    pub(crate) fn waits_for_client(&self) -> bool {
        self.starved.get() && !self.call.get().owed
    }

    /// When another candidate is asked; `None`: no time is set. While the client of a call may send more, its last
    /// piece counts, since a provider may hear it to the end before it answers.
    pub(crate) fn until(&self, deadline: Deadline, now: Instant) -> Option<Instant> {
        let CallSide { open, lost, .. } = self.call.get();
        if !open || lost {
            return deadline.at().filter(|_| !lost);
        }
        let quiet = clock::now().since(self.moved());
        let late = now.checked_add(deadline.patience().since(quiet).duration());
        deadline.at().max(late)
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

    /// Another provider reads the body from its beginning.
    pub(super) fn begin_anew(&self) {
        self.starved.set(false);
        self.broken.set(false);
        self.moved.set(Millis(0));
        self.call.set(CallSide { open: true, ..CallSide::default() });
    }

    /// The provider took a piece of a call. `whole`: with which a message ended.
    pub(super) fn note_piece(&self, whole: bool) {
        let call = self.call.get();
        self.call.set(CallSide { owed: call.owed || whole, ..call });
    }

    /// The provider answered what it took.
    pub(super) fn note_answered(&self) {
        self.call.set(CallSide { owed: false, ..self.call.get() });
    }

    pub(super) fn note_side(&self, open: bool, lost: bool) {
        self.call.set(CallSide { open, lost, ..self.call.get() });
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
