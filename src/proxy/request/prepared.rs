//! What a core prepares once per generation, so that a request neither parses nor formats it.
//!
//! Owns header values, addresses and lists that follow from the policy alone. Nothing here changes while in force;
//! percent and lock are read from the snapshot at every dispatch. A name or key that cannot travel in a header makes
//! its provider unusable, with the reason, and touches no other.

use std::sync::Arc;

use http::Uri;
use http::header::{self, HeaderName, HeaderValue};

use super::credentials::{KeyPlaces, Names, ProviderCredentials};
use super::presentation::{Key, Presentation, presented};
use super::uri::UriRewrite;
use crate::clock;
use crate::decide::policy::{Fallback, Policy, Provider, UserSource};
use crate::decide::route::{takes_path, wanted};
use crate::decide::units::ProviderId;
use crate::state::source_table::{Source, SourceTable};
use crate::wire::body::Wanted;

/// A policy, ready to be applied to requests.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// What it was made of.
    pub(crate) policy: Arc<Policy>,
    /// Which fields of a body are read.
    pub(crate) wanted: Wanted,
    /// By [`ProviderId`].
    pub(crate) providers: Box<[PreparedProvider]>,
    /// The same for those who are none of `clients`; empty where everybody is a client.
    for_strangers: Box<[PreparedProvider]>,
    /// The rollouts' names as header values, by rollout id.
    pub(crate) rollouts: Box<[HeaderValue]>,
    /// Headers that `user:` and `force:` name, of all rollouts: never forwarded.
    pub(crate) private: Box<[HeaderName]>,
    /// Where a key of `clients` may stand.
    pub(crate) key_places: KeyPlaces,
    /// The clients as sources of requests, in the file's order.
    pub(crate) clients: Box<[Arc<Source>]>,
    /// The generation as a header value.
    pub(crate) generation: HeaderValue,
    /// Which rollouts have to see a body, by rollout id.
    readers: Box<[bool]>,
    /// Whether requests that no rollout takes go to a provider for which bodies are rewritten.
    unmatched_translates: bool,
}

/// How requests are made fit for one provider.
#[derive(Debug)]
pub(crate) struct PreparedProvider {
    /// Who it is.
    pub(crate) provider: Arc<Provider>,
    /// Its name, for the response header.
    pub(crate) name: HeaderValue,
    /// What replaces Host.
    pub(crate) host: HeaderValue,
    /// How it is addressed where its key is not in the query.
    target: UriRewrite,
    /// Whether it is the canary of a rollout, so that its breaker leaves the guard time to judge first.
    pub(crate) is_canary: bool,
    /// Whether Serin presents a key of its own, in place of the client's.
    pub(crate) own_key: bool,
    /// What of the client's credentials is withheld although they were meant for this provider.
    withheld: Names,
    /// What of them is withheld where they were meant for another.
    withheld_from_others: Names,
    /// Its keys, used in turn; empty: none of Serin's own is presented.
    keys: Box<[Key]>,
    /// Set over what the client sent.
    pub(crate) set: Box<[(HeaderName, HeaderValue)]>,
    /// Why no request can be sent to it; `None`: one can.
    pub(crate) unusable: Option<String>,
}

impl Prepared {
    /// For this version of the file.
    pub(crate) fn new(policy: &Arc<Policy>, generation: u64, sources: &SourceTable) -> Prepared {
        let mut private: Vec<HeaderName> = Vec::new();
        for rollout in &policy.rollouts {
            let users = rollout.user.iter().filter_map(|source| match source {
                UserSource::Header(name) => Some(name.as_str()),
                _ => None,
            });
            for name in users.chain(rollout.force.iter().map(|force| force.header.as_str())) {
                if let Ok(name) = HeaderName::try_from(name)
                    && !private.contains(&name)
                {
                    private.push(name);
                }
            }
        }
        let is_canary = |provider: &Arc<Provider>| {
            let mut canaries = policy.rollouts.iter().filter_map(|rollout| rollout.canary.as_ref());
            canaries.any(|canary| Arc::ptr_eq(policy.provider(canary.provider), provider))
        };
        let translates = |id: ProviderId| {
            let provider = policy.provider(id);
            !provider.models.is_empty() || !provider.fields.is_empty() || provider.path.is_some()
        };
        let of_file = ProviderCredentials::new(policy);
        let strangers = if policy.clients.is_empty() { &[][..] } else { policy.providers.as_slice() };
        let for_stranger = |provider| PreparedProvider::for_stranger(provider, &policy.mount, &of_file);
        Prepared {
            key_places: KeyPlaces::new(&of_file),
            clients: policy.clients.iter().map(|client| sources.client(&client.name, clock::now())).collect(),
            for_strangers: strangers.iter().map(for_stranger).collect(),
            policy: Arc::clone(policy),
            wanted: wanted(policy),
            providers: policy
                .providers
                .iter()
                .map(|provider| PreparedProvider {
                    is_canary: is_canary(provider),
                    ..PreparedProvider::new(provider, &policy.mount, &of_file)
                })
                .collect(),
            rollouts: policy.rollouts.iter().map(|rollout| named(&rollout.name)).collect(),
            private: private.into(),
            generation: HeaderValue::from(generation),
            readers: policy
                .rollouts
                .iter()
                .map(|rollout| {
                    rollout.canary.is_some()
                        || rollout.matches.model.is_some()
                        || matches!(rollout.fallback, Fallback::List(_))
                        || translates(rollout.stable)
                })
                .collect(),
            unmatched_translates: policy.unmatched.provider().is_some_and(translates),
        }
    }

    /// Whether a JSON body at this path below the mount has to be read before the request can go anywhere.
    pub(crate) fn reads_body(&self, path: &str) -> bool {
        let mut rollouts = self.policy.rollouts.iter().zip(&self.readers);
        self.unmatched_translates || rollouts.any(|(rollout, reads)| *reads && takes_path(&rollout.matches, path))
    }

    /// How requests are made fit for this provider.
    pub(crate) fn outbound(&self, id: ProviderId) -> &PreparedProvider {
        &self.providers[usize::from(id.0)]
    }

    /// How those of whoever is none of `clients` are.
    pub(crate) fn outbound_of_stranger(&self, id: ProviderId) -> &PreparedProvider {
        self.for_strangers.get(usize::from(id.0)).unwrap_or_else(|| self.outbound(id))
    }
}

impl PreparedProvider {
    /// With nothing that the operator has for this provider: whoever is no client spends no key, and values that are
    /// set in headers and in the query may be keys as well.
    fn for_stranger(provider: &Arc<Provider>, mount: &str, of_file: &ProviderCredentials) -> PreparedProvider {
        let mut bare = Provider::clone(provider);
        bare.api_keys.clear();
        bare.query.clear();
        bare.set_headers.retain(|(name, _)| name.eq_ignore_ascii_case(header::HOST.as_str()));
        PreparedProvider { provider: Arc::clone(provider), ..PreparedProvider::new(&Arc::new(bare), mount, of_file) }
    }

    pub(crate) fn new(provider: &Arc<Provider>, mount: &str, of_file: &ProviderCredentials) -> PreparedProvider {
        let Presentation { host, target, keys, set, unusable } = presented(provider, mount, provider.path.as_ref());
        PreparedProvider {
            name: named(&provider.name),
            host,
            target,
            is_canary: false,
            own_key: !keys.is_empty(),
            withheld: Names::withheld(of_file, provider, !keys.is_empty(), true),
            withheld_from_others: Names::withheld(of_file, provider, !keys.is_empty(), false),
            keys: keys.into(),
            set: set.into(),
            unusable,
            provider: Arc::clone(provider),
        }
    }

    /// What of the client's credentials is taken off. `entitled`: they were meant for this provider.
    pub(crate) fn withheld(&self, entitled: bool) -> &Names {
        if entitled { &self.withheld } else { &self.withheld_from_others }
    }

    /// How many keys there are to choose from.
    pub(crate) fn keys(&self) -> usize {
        self.keys.len()
    }

    /// The key of a turn.
    pub(crate) fn key(&self, turn: usize) -> Option<&Key> {
        self.keys.get(turn.checked_rem(self.keys.len())?)
    }

    /// The URI of a request on its way here. `entitled`: the client's credentials were meant for this provider.
    pub(crate) fn uri(
        &self,
        original: &Uri,
        below: &str,
        entitled: bool,
        key: Option<&Key>,
        model: Option<&str>,
    ) -> Option<Uri> {
        let target = match key {
            Some(Key::Query(target)) => target,
            _ => &self.target,
        };
        target.uri(original, below, |pair| self.withheld(entitled).has_parameter(pair), model)
    }
}

// Names are checked to be `[A-Za-z0-9._-]` when the file is read.
fn named(name: &str) -> HeaderValue {
    HeaderValue::try_from(name).unwrap_or_else(|_| HeaderValue::from_static("unnamed"))
}
