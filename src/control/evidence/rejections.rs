//! What canaries refuse: what stable accepts, each finding once, and all of it by kind.
//!
//! Owns the findings of a rollout, as many as one can read. A new one is an event of the history, with the rule that
//! mends it; those that come again are only counted. Besides, every refusal that is told of is counted by what it is
//! about, whether or not stable accepts the same, so that a canary that refuses more can be told by its commonest error;
//! cores tell of some only, so these counts are shares and no totals. Both are forgotten when a reload changes what they
//! depend on: how requests are rewritten for the canary, or which of them the rollout takes. A restart forgets them too,
//! but not the history.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::control::now::Now;
use crate::decide::advice::Finding;
use crate::decide::policy::{Auth, BaseUrl, Match, PathTemplate, Provider, Rollout, Secret, Unmapped};
use crate::describe::advice;
use crate::state::inbox::Refused;
use crate::state::status::FindingStatus;
use crate::wire::body::FieldRules;

/// How many findings of a rollout are kept, and how many kinds of refusals.
pub(in crate::control) const MOST: usize = 32;

/// The findings of one rollout.
#[derive(Clone, Debug)]
pub(in crate::control) struct Findings {
    under: Rules,
    known: Vec<FindingStatus>,
    kinds: Vec<Kind>,
    // Those of a kind that is not kept among them.
    all: u64,
    // The commonest in words, which every look asks for; `None`: not put into words since the last refusal.
    told: Option<Arc<str>>,
}

/// Refusals about the same.
#[derive(Clone, Debug)]
struct Kind {
    finding: Finding,
    // Of the first of them.
    status: u16,
    code: Option<String>,
    count: u64,
}

// What a finding depends on.
#[derive(Clone, Debug, PartialEq)]
struct Rules {
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

impl Findings {
    /// None yet.
    pub(in crate::control) fn new(canary: &Provider, rollout: &Rollout) -> Findings {
        let Provider { name, base_url, auth, query, models, unmapped, fields, path, set_headers, .. } = canary.clone();
        let matches = rollout.matches.clone();
        let under = Rules { name, base_url, auth, query, models, unmapped, fields, path, set_headers, matches };
        Findings { under, known: Vec::new(), kinds: Vec::new(), all: 0, told: None }
    }

    /// These, if they still mean something under the rules of a new file.
    pub(in crate::control) fn kept(self, canary: &Provider, rollout: &Rollout) -> Findings {
        let fresh = Findings::new(canary, rollout);
        if fresh.under == self.under { self } else { fresh }
    }

    /// The one met most often first.
    pub(in crate::control) fn report(&self) -> Vec<FindingStatus> {
        let mut known = self.known.clone();
        known.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.finding.cmp(&other.finding)));
        known
    }

    /// The commonest of all refusals in plain words, with its share of those that were told of; `None`: there were none.
    pub(in crate::control) fn commonest(&mut self) -> Option<Arc<str>> {
        if self.told.is_none() {
            self.told = self.words().map(Arc::from);
        }
        self.told.clone()
    }

    fn words(&self) -> Option<String> {
        let Kind { finding, status, code, count } = self.kinds.iter().rev().max_by_key(|kind| kind.count)?;
        Some(advice::commonest(finding, *status, code.as_deref(), (*count, self.all)))
    }

    fn count(&mut self, refused: &Refused) {
        self.all += 1;
        self.told = None;
        if let Some(kind) = self.kinds.iter_mut().find(|kind| kind.finding == refused.finding) {
            kind.count += 1;
        } else if self.kinds.len() < MOST {
            let (finding, code) = (refused.finding.clone(), refused.code.clone());
            self.kinds.push(Kind { finding, status: refused.status, code, count: 1 });
        }
    }

    /// A canary refused a request. Returns the finding where it is new.
    pub(in crate::control) fn add(&mut self, refused: Refused, now: Now) -> Option<&FindingStatus> {
        let refused = Refused { finding: refused.finding.bounded(), ..refused };
        self.count(&refused);
        if !refused.accepted {
            return None;
        }
        let Refused { finding, status, .. } = refused;
        if let Some(known) = self.known.iter_mut().find(|known| known.finding == finding) {
            known.count += 1;
            known.last = now.unix;
            known.status = status;
            return None;
        }
        if self.known.len() == MOST {
            return None;
        }
        let (first, last) = (now.unix, now.unix);
        self.known.push(FindingStatus { finding, status, count: 1, first, last });
        self.known.last()
    }
}
