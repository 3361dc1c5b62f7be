//! What the canary rejects: each incompatibility once, and all rejections by group.
//!
//! An incompatibility is something that the canary rejects and stable accepts. A new one is an event of the history,
//! with the rule that would fix it; after that it is only counted. Besides, every reported rejection is counted in the
//! group of its incompatibility, whether or not stable accepts the request, so that the most common error of a canary
//! is known. Cores report only some rejections, so these counts are shares and not totals. Both are dropped when a
//! reload changes what they depend on: how requests are rewritten for the canary, or which requests match. A restart
//! drops them too, but not the history.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::control::now::Now;
use crate::decide::incompatibility::Incompatibility;
use crate::decide::policy::{Auth, BaseUrl, Match, PathTemplate, Provider, Rollout, Secret, Unmapped};
use crate::describe::incompatibility;
use crate::state::inbox::Rejection;
use crate::state::status::IncompatibilityStatus;
use crate::wire::body::FieldRules;

/// How many incompatibilities of a rollout are kept, and how many groups of rejections.
pub(in crate::control) const MAX_INCOMPATIBILITIES: usize = 32;

#[derive(Clone, Debug)]
pub(in crate::control) struct CanaryRejections {
    rules: RequestRules,
    incompatibilities: Vec<IncompatibilityStatus>,
    groups: Vec<RejectionGroup>,
    // Including rejections of groups that are not kept.
    total: u64,
    // The most common rejection as a sentence, which every tick needs. `None`: not written since the last rejection.
    most_common_text: Option<Arc<str>>,
}

/// Rejections for the same reason.
#[derive(Clone, Debug)]
struct RejectionGroup {
    finding: Incompatibility,
    // Of the first one.
    status: u16,
    code: Option<String>,
    count: u64,
}

/// What an incompatibility depends on.
#[derive(Clone, Debug, PartialEq)]
struct RequestRules {
    name: String,
    base_url: BaseUrl,
    auth: Auth,
    query: Vec<(String, Secret)>,
    models: BTreeMap<String, String>,
    unmapped: Unmapped,
    fields: FieldRules,
    path: Option<PathTemplate>,
    set_headers: Vec<(String, Secret)>,
    matches: Match,
}

impl CanaryRejections {
    pub(in crate::control) fn new(canary: &Provider, rollout: &Rollout) -> CanaryRejections {
        let Provider { name, base_url, auth, query, models, unmapped, fields, path, set_headers, .. } = canary.clone();
        let matches = rollout.matches.clone();
        let rules = RequestRules { name, base_url, auth, query, models, unmapped, fields, path, set_headers, matches };
        CanaryRejections { rules, incompatibilities: Vec::new(), groups: Vec::new(), total: 0, most_common_text: None }
    }

    /// The same, if the new file does not change what they depend on; else none.
    pub(in crate::control) fn retained(self, canary: &Provider, rollout: &Rollout) -> CanaryRejections {
        let fresh = CanaryRejections::new(canary, rollout);
        if fresh.rules == self.rules { self } else { fresh }
    }

    /// The most frequent one first.
    pub(in crate::control) fn incompatibilities(&self) -> Vec<IncompatibilityStatus> {
        let mut known = self.incompatibilities.clone();
        known.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.finding.cmp(&other.finding)));
        known
    }

    /// The most common rejection as a sentence, with its share of the reported rejections. `None`: there were none.
    pub(in crate::control) fn most_common(&mut self) -> Option<Arc<str>> {
        if self.most_common_text.is_none() {
            self.most_common_text = self.most_common_sentence().map(Arc::from);
        }
        self.most_common_text.clone()
    }

    fn most_common_sentence(&self) -> Option<String> {
        let RejectionGroup { finding, status, code, count } =
            self.groups.iter().rev().max_by_key(|group| group.count)?;
        Some(incompatibility::commonest(finding, *status, code.as_deref(), (*count, self.total)))
    }

    fn count(&mut self, refused: &Rejection) {
        self.total += 1;
        self.most_common_text = None;
        if let Some(group) = self.groups.iter_mut().find(|group| group.finding == refused.finding) {
            group.count += 1;
        } else if self.groups.len() < MAX_INCOMPATIBILITIES {
            let (finding, code) = (refused.finding.clone(), refused.code.clone());
            self.groups.push(RejectionGroup { finding, status: refused.status, code, count: 1 });
        }
    }

    /// Adds a rejection of the canary. Returns the incompatibility if it is new.
    pub(in crate::control) fn add(&mut self, refused: Rejection, now: Now) -> Option<&IncompatibilityStatus> {
        let refused = Rejection { finding: refused.finding.bounded(), ..refused };
        self.count(&refused);
        if !refused.accepted {
            return None;
        }
        let Rejection { finding, status, .. } = refused;
        if let Some(known) = self.incompatibilities.iter_mut().find(|known| known.finding == finding) {
            known.count += 1;
            known.last = now.unix;
            known.status = status;
            return None;
        }
        if self.incompatibilities.len() == MAX_INCOMPATIBILITIES {
            return None;
        }
        let (first, last) = (now.unix, now.unix);
        self.incompatibilities.push(IncompatibilityStatus { finding, status, count: 1, first, last });
        self.incompatibilities.last()
    }
}
