//! What connections and streams report to the pool that they belong to.
//!
//! Owns the [`ConnectionOwner`], which the pool implements, so that a connection needs to know nothing else of its
//! pool. Invariant: a connection and a stream belong to one owner for life.

use std::fmt::Debug;
use std::time::Duration;

use super::http1::Http1Connection;

/// The pool, for its connections.
pub(super) trait ConnectionOwner: Debug {
    /// Takes back a connection on which nothing is outstanding; it may be kept unused for this long.
    fn take_back(&self, connection: Box<Http1Connection>, keep: Duration);
    /// A stream of a shared connection has ended.
    fn stream_ended(&self);
}
