//! What asking all providers of a file showed, before anything of it is judged.
//!
//! Shapes only. Providers stand in the order of the file, and those that were not asked are left out. Invariant: each
//! provider that has an answer has a report as well.

use crate::decide::probe::ProviderReport;
use crate::proxy::Reply;

/// What asking showed.
#[derive(Clone, Debug, Default)]
pub struct ProbeResults {
    /// Each provider's name, and how it answered or why it did not.
    pub providers: Vec<(String, Result<String, String>)>,
    /// What more there is to be said of each of them.
    pub reports: Vec<ProviderReport>,
    /// What both arms of each rollout made of each endpoint that it splits.
    pub endpoints: Vec<ComparedEndpoint>,
}

/// What both arms of a rollout made of an empty request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparedEndpoint {
    /// Where the rollout stands in the policy.
    pub rollout: usize,
    /// `chat/completions`.
    pub endpoint: String,
    /// What the old provider answered.
    pub stable: Reply,
    /// What the new one answered.
    pub canary: Reply,
}
