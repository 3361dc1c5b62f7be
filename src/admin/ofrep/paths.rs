//! The paths of the protocol.
//!
//! Owns the texts and nothing else; [`route`](crate::admin::route) says what is at them. Pages of other origins and the
//! shape of errors go by them. Invariant: every path of OFREP begins with [`ROOT`].

/// Every path of the protocol.
pub(in crate::admin) const ROOT: &str = "/ofrep/v1/";
/// The stream that tells of changes.
pub(in crate::admin) const CHANGES: &str = "/ofrep/v1/changes";
