//! What is known of a request when it is planned.
//!
//! Owns the facts that a match, the split and the user id are read from: borrowed from the request, each read once.
//! Decides nothing: [`route`](super) does. Invariant: a fact that was not read counts as absent.

use http::{HeaderMap, Method};

use crate::decide::state_at::StateAt;
use crate::wire::body::Peek;

/// What a request wants, by its method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// POST, or to leave HTTP: an answer of its own.
    Generate,
    /// OPTIONS: to learn what is allowed.
    Options,
    /// Every other method: to read, change or remove what is there.
    Other,
}

impl Purpose {
    /// `upgrade`: whether it asks to leave HTTP. Methods have a case, and headers that name another one change nothing.
    #[must_use]
    pub fn of(method: &Method, upgrade: bool) -> Purpose {
        match *method {
            Method::POST => Purpose::Generate,
            Method::OPTIONS => Purpose::Options,
            _ if upgrade => Purpose::Generate,
            _ => Purpose::Other,
        }
    }
}

/// What is known of a request.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What it wants.
    pub purpose: Purpose,
    /// Below the mount, with its leading slash, without the query.
    pub path: &'a str,
    /// Without its question mark.
    pub query: Option<&'a str>,
    /// As the client sent them.
    pub headers: &'a HeaderMap,
    /// `None` when there is no JSON object, or it was not read (too large, encoded): its fields count as absent.
    pub body: Option<&'a Peek<'a>>,
    /// The body, where it was held.
    pub bytes: Option<&'a [u8]>,
    /// Where the state is that it names.
    pub state: StateAt,
}
