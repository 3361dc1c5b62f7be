//! What a core prepares once per generation, so that a request neither parses nor formats it.
//!
//! Owns header values, addresses and lists that follow from the policy alone. Nothing here changes while in force;
//! percent and lock are read from the snapshot at every dispatch. A name or key that cannot travel in a header makes
//! its provider unusable, with the reason, and touches no other.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::Uri;
use http::header::{self, HeaderName, HeaderValue};

use super::client_limit::PreparedLimit;
use super::credentials::{KeyPlaces, Names, ProviderCredentials};
use super::prepared_state::PreparedState;
use super::presentation::{Key, Presentation, presented};
use super::uri::UriRewrite;
use crate::clock;
use crate::decide::policy::{Fallback, KeyOrder, Policy, Provider, UserSource};
use crate::decide::route::{takes_path, wanted_fields};
use crate::decide::units::ProviderId;
use crate::state::source_table::{SourceHandle, SourceTable};
use crate::state::state_ids::StateIds;
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
    /// The same for requests without a key of `clients`; empty where none is needed.
    without_keys: Box<[PreparedProvider]>,
    /// The rollouts' names as header values, by rollout id.
    pub(crate) rollouts: Box<[HeaderValue]>,
    /// Headers that `user:` and `force:` name, of all rollouts: never forwarded.
    pub(crate) private: Box<[HeaderName]>,
    /// Where a key of `clients` may stand.
    pub(super) key_places: KeyPlaces,
    /// The clients as sources of requests, in the file's order.
    pub(crate) clients: Box<[Arc<SourceHandle>]>,
    /// What they may send, in the same order.
    pub(super) client_limits: Box<[Option<PreparedLimit>]>,
    pub(crate) generation: HeaderValue,
    /// Whether verdicts on requests are taken.
    pub(super) seals_request_ids: bool,
    /// By what the state is found that a request names.
    pub(crate) state: PreparedState,
    /// Which rollouts have to see a body, by rollout id.
    readers: Box<[bool]>,
    /// Whether requests that no rollout takes go to a provider for which bodies are rewritten, or that has another key
    /// to send them with again.
    unmatched_reads: bool,
    /// Whether the key of some provider depends on the user.
    pub(super) spreads: bool,
}

/// How requests to one provider are made.
#[derive(Debug)]
pub(crate) struct PreparedProvider {
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
    /// Its keys, in the order of the file; empty: none of Serin's own is presented.
    keys: Box<[Key]>,
    /// Whether those are the `api_keys`: another header that is set may stand in their place.
    pub(crate) has_api_keys: bool,
    /// Whether every request begins with the first of them.
    pub(crate) begins_with_first: bool,
    /// Whether what its headers say of its limits lowers what is left here: they speak of one account.
    pub(crate) follows_headers: bool,
    /// Set over what the client sent.
    pub(crate) set: Box<[(HeaderName, HeaderValue)]>,
    /// Why no request can be sent to it; `None`: one can.
    pub(crate) unusable: Option<String>,
}

impl Prepared {
    /// For this version of the file.
    pub(crate) fn new(policy: &Arc<Policy>, generation: u64, sources: &SourceTable, state_ids: &StateIds) -> Prepared {
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
            let rewrites = !provider.models.is_empty() || !provider.fields.is_empty() || provider.path.is_some();
            let counts = provider.rate_limit.as_ref().is_some_and(|limit| limit.tokens.is_some());
            rewrites || counts || !provider.retires.is_empty()
        };
        // The next key can be asked only with a body that was held.
        let has_several_keys = |id: ProviderId| policy.provider(id).api_keys.len() > 1;
        let spreads = |provider: &Arc<Provider>| provider.keys.order == KeyOrder::Spread && provider.api_keys.len() > 1;
        let counts_tokens =
            |provider: &Provider| provider.rate_limit.as_ref().is_some_and(|limit| limit.tokens.is_some());
        let limits_tokens = policy.providers.iter().any(|provider| counts_tokens(provider));
        let credentials = ProviderCredentials::new(policy);
        let open_to = if policy.clients.is_empty() { &[][..] } else { policy.providers.as_slice() };
        let without_keys_of = |provider| PreparedProvider::without_keys_of(provider, &policy.mount, &credentials);
        Prepared {
            key_places: KeyPlaces::new(&credentials),
            clients: policy.clients.iter().map(|client| sources.client(&client.name, clock::now())).collect(),
            without_keys: open_to.iter().map(without_keys_of).collect(),
            policy: Arc::clone(policy),
            wanted: if limits_tokens { wanted_fields(policy).with_most_output() } else { wanted_fields(policy) },
            client_limits: policy.clients.iter().map(|client| PreparedLimit::of(client, sources)).collect(),
            providers: policy
                .providers
                .iter()
                .map(|provider| PreparedProvider {
                    is_canary: is_canary(provider),
                    ..PreparedProvider::new(provider, &policy.mount, &credentials)
                })
                .collect(),
            rollouts: policy.rollouts.iter().map(|rollout| named(&rollout.name)).collect(),
            private: private.into(),
            generation: HeaderValue::from(generation),
            seals_request_ids: policy.seals_request_ids(),
            state: PreparedState::new(policy, state_ids),
            readers: policy
                .rollouts
                .iter()
                .map(|rollout| {
                    rollout.canary.is_some()
                        || rollout.matches.model.is_some()
                        || rollout.last_resort.is_some()
                        || matches!(rollout.fallback, Fallback::List(_))
                        || translates(rollout.stable)
                        || has_several_keys(rollout.stable)
                })
                .collect(),
            unmatched_reads: policy.unmatched.provider().is_some_and(|id| translates(id) || has_several_keys(id)),
            spreads: policy.providers.iter().any(spreads),
        }
    }

    /// The same for copies: no credential of a client goes with them, whatever the file forwards.
    pub(crate) fn for_copies(
        policy: &Arc<Policy>,
        generation: u64,
        sources: &SourceTable,
        state_ids: &StateIds,
    ) -> Prepared {
        let credentials = ProviderCredentials::new(policy);
        let mut prepared = Prepared::new(policy, generation, sources, state_ids);
        for to in &mut prepared.providers {
            let bare = Provider { forward_headers: BTreeSet::new(), ..Provider::clone(&to.provider) };
            to.withheld_from_others = Names::withheld(&credentials, &bare, to.own_key, false);
        }
        prepared
    }

    /// Whether the body of a request to this path below the mount has to be read before it can go anywhere: JSON, or a
    /// form that decides as well.
    pub(super) fn reads_body(&self, path: &str, is_json: impl FnOnce() -> bool) -> bool {
        self.decides_by_body(path) || (self.state.reads_body(path) && is_json())
    }

    /// Whether it decides where the request goes, besides by the ids in it.
    pub(super) fn decides_by_body(&self, path: &str) -> bool {
        let mut rollouts = self.policy.rollouts.iter().zip(&self.readers);
        self.unmatched_reads || rollouts.any(|(rollout, reads)| *reads && takes_path(&rollout.matches, path))
    }

    /// How requests to this provider are made.
    pub(crate) fn provider(&self, id: ProviderId) -> &PreparedProvider {
        &self.providers[usize::from(id.0)]
    }

    /// The same for a request that may have come without a key of `clients`.
    pub(crate) fn provider_for(&self, id: ProviderId, unauthenticated: bool) -> &PreparedProvider {
        if unauthenticated && let Some(provider) = self.without_keys.get(usize::from(id.0)) {
            return provider;
        }
        self.provider(id)
    }
}

impl PreparedProvider {
    /// Without the operator's keys. Values that are set in headers and in the query may be keys as well.
    fn without_keys_of(provider: &Arc<Provider>, mount: &str, credentials: &ProviderCredentials) -> PreparedProvider {
        let mut bare = Provider::clone(provider);
        bare.api_keys.clear();
        bare.query.clear();
        bare.set_headers.retain(|(name, _)| name.eq_ignore_ascii_case(header::HOST.as_str()));
        PreparedProvider {
            provider: Arc::clone(provider),
            ..PreparedProvider::new(&Arc::new(bare), mount, credentials)
        }
    }

    pub(crate) fn new(provider: &Arc<Provider>, mount: &str, credentials: &ProviderCredentials) -> PreparedProvider {
        let Presentation { host, target, keys, set, unusable } = presented(provider, mount, provider.path.as_ref());
        PreparedProvider {
            name: named(&provider.name),
            host,
            target,
            is_canary: false,
            follows_headers: provider.rate_limit.as_ref().is_some_and(|limit| limit.follow_headers)
                && provider.keys.are_of_one_account(provider.api_keys.len()),
            own_key: !keys.is_empty(),
            withheld: Names::withheld(credentials, provider, !keys.is_empty(), true),
            withheld_from_others: Names::withheld(credentials, provider, !keys.is_empty(), false),
            has_api_keys: provider.sends_api_keys(),
            begins_with_first: keys.len() < 2 || provider.keys.is_plain(),
            keys: keys.into(),
            set: set.into(),
            unusable,
            provider: Arc::clone(provider),
        }
    }

    /// What of the client's credentials is taken off. `trusted`: they were meant for this provider.
    pub(super) fn withheld(&self, trusted: bool) -> &Names {
        if trusted { &self.withheld } else { &self.withheld_from_others }
    }

    /// How many keys there are to choose from.
    pub(crate) fn keys(&self) -> usize {
        self.keys.len()
    }

    /// The key at this position, from 1 on.
    pub(crate) fn key(&self, position: usize) -> Option<&Key> {
        self.keys.get(position.checked_sub(1)?)
    }

    /// The URI of a request on its way here. `trusted`: the client's credentials were meant for this provider.
    pub(crate) fn uri(
        &self,
        original: &Uri,
        below: &str,
        trusted: bool,
        key: Option<&Key>,
        model: Option<&str>,
    ) -> Option<Uri> {
        let target = match key {
            Some(Key::Query(target)) => target,
            _ => &self.target,
        };
        target.uri(original, below, |pair| self.withheld(trusted).has_parameter(pair), model)
    }
}

// Names are checked to be `[A-Za-z0-9._-]` when the file is read.
fn named(name: &str) -> HeaderValue {
    HeaderValue::try_from(name).unwrap_or_else(|_| HeaderValue::from_static("unnamed"))
}
