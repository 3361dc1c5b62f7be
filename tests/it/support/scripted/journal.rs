//! What a provider has seen: every request with its bytes, and how long its connection stayed.
//!
//! Owns the record; a test waits for what is in it, and never for time to pass. Bodies beyond 64 KiB are known by
//! their length only, so that a long load needs no more memory than a short one.

use std::collections::{HashMap, HashSet};

use serin::clock;

use super::request::{End, Seen};

/// Bytes of a body that are kept.
const KEPT: usize = 64 << 10;

/// Everything that was seen.
#[derive(Default)]
pub(super) struct Journal {
    pub(super) requests: Vec<Seen>,
    pub(super) connections: usize,
    /// What was asked for, by model.
    pub(super) models: HashSet<String>,
    /// The open connections, and whether they brought a request.
    pub(super) open: HashMap<usize, bool>,
}

impl Journal {
    pub(super) fn begin(&mut self, mut seen: Seen) -> usize {
        seen.length = seen.body.len();
        // The two ends of a long body tell what it asks for.
        if seen.length > KEPT {
            let tail = seen.body.split_off(seen.length - KEPT / 2);
            seen.body.truncate(KEPT / 2);
            seen.body.extend(tail);
            seen.body.shrink_to_fit();
        }
        if !seen.is_aside() {
            self.open.insert(seen.connection, true);
            self.models.insert(seen.model());
        }
        self.requests.push(seen);
        self.requests.len() - 1
    }

    pub(super) fn end(&mut self, request: usize, left: bool) {
        self.requests[request].end = Some(if left { End::Left(clock::instant()) } else { End::Played });
    }

    /// Open connections that brought a request; a probe's are not among them.
    pub(super) fn open_with_requests(&self) -> usize {
        self.open.values().filter(|asked| **asked).count()
    }
}
