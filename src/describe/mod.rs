//! The words for what was decided and seen: the only pure place where a value becomes a sentence.
//!
//! Owns the words for values of [`decide`](crate::decide), for whoever shows them: log, command line, API, clients. Decides
//! nothing and reads no clock. Invariant: a value has the same words wherever it is shown.

pub mod cause;
