//! The life of a rollout: what it is now, what can happen to it, and what happens next.
//!
//! [`state`] is what lasts.

pub mod state;
