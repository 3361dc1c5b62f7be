//! What is new of keys, for the history: refusals and their ends, spent quotas, keys that are old.

use crate::decide::event::{Action, Alert, Reason};

#[derive(Debug, Default)]
pub(in crate::control::engine) struct KeyNews {
    pub(in crate::control::engine) events: Vec<(Action, Reason)>,
    pub(in crate::control::engine) alerts: Vec<Alert>,
}
