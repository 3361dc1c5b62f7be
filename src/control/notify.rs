//! Notifications: which targets are told of an event, in which order, and until when.
//!
//! [`notifier`] makes notifications of events and asks the [`queue`] what is due; [`backoff`] says how long a target is
//! left alone after a failure; [`post`] writes the request of one try, which [`signature`] signs; [`deliver`] is how it
//! is sent, supplied by the composition root. A notification is kept in the store until it was delivered or given up.
//! Invariant: nothing here waits, and a target that does not answer delays no other target.

mod backoff;
pub(in crate::control) mod deliver;
pub(in crate::control) mod notifier;
mod post;
mod queue;
mod signature;
mod target_state;

pub use deliver::{Answer, Deliver, Post};
