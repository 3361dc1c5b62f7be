//! What a provider has seen: every request with its bytes, and how long its connection stayed.
//!
//! Owns the record; a test waits for what is in it, and never for time to pass. Bodies beyond 64 KiB are known by
//! their length only, so that a long load needs no more memory than a short one.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use serin::clock;

use crate::support::api::Api;

/// Bytes of a body that are kept.
const KEPT: usize = 64 << 10;

/// One request, and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    /// In their order, by lower-case name.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Of the body as it was received.
    pub(crate) length: usize,
    /// Which connection brought it; they are counted from 0.
    pub(crate) connection: usize,
    pub(crate) end: Option<End>,
}

/// How the provider's side of a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The provider did what it was told to.
    Played,
    /// Whoever asked closed the connection before that.
    Left(Instant),
}

impl Seen {
    /// The only header of this name; empty when there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut values = self.headers.iter().filter(|(header, _)| header == name).map(|(_, value)| value.as_str());
        let value = values.next().unwrap_or_default();
        assert_eq!(values.next(), None, "{name} came twice: {:?}", self.headers);
        value
    }

    pub(crate) fn api(&self) -> Option<Api> {
        Api::of(&self.path)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn model(&self) -> String {
        // Nothing else is needed of a body that was not kept whole, and our requests tell their model early or late.
        let text = String::from_utf8_lossy(&self.body);
        let after = text.split_once(r#""model":""#).map(|(_, after)| after.to_owned());
        after.and_then(|after| Some(after.split_once('"')?.0.to_owned())).unwrap_or_default()
    }

    pub(crate) fn wants_a_stream(&self) -> bool {
        String::from_utf8_lossy(&self.body).contains(r#""stream":true"#)
    }

    /// Everything but the body, to look for what must not be there.
    pub(crate) fn head(&self) -> String {
        let headers: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        format!("{} {}\n{headers}", self.method, self.path)
    }
}

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
        self.open.insert(seen.connection, true);
        self.models.insert(seen.model());
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
