//! The keys of the providers: what is known of each, kept over reloads and restarts, and what is told of it.
//!
//! The cores learn from answers that a key rests or is refused; each tick looks for what is new. A key is known by a
//! keyed hash of its text, so that another text in its place is another key, of which nothing is known, and a text that
//! comes back is what it was. Decides nothing: [`key_rest`](crate::decide::key_rest) does. The history has at most one
//! refusal of a key, and its end, in ten minutes; the log has each. Invariant: no text that is made here has more of a
//! key than its last four characters.

mod identity;
mod kept;
mod news;
mod provider;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::providers::{Identity, Providers, identity};
use crate::control::now::Now;
use crate::decide::policy::{Policy, Provider};
use crate::decide::typed_json::read_typed;
use crate::decide::units::Millis;
use crate::describe::key::old;
use crate::state::keys::KeyRing;
use crate::state::status::KeyStatus;
use identity::Salt;
use kept::Kept;
use news::KeyNews;
use provider::ProviderKeys;

/// Keys that are remembered, besides those of the file.
const MOST_ABSENT: usize = 1000;
/// Between two writes of what is not urgent.
const WRITE_INTERVAL: Millis = Millis(5_000);
/// Between two looks at how old keys are.
const AGE_INTERVAL: Millis = Millis(60_000);

/// All keys.
#[derive(Debug)]
pub(super) struct Keys {
    salt: Salt,
    providers: BTreeMap<Identity, ProviderKeys>,
    /// What was written last.
    written: Arc<str>,
    written_at: Millis,
    /// Whether something changed that is written at once.
    urgent: bool,
    /// Whether anything rests or is refused.
    troubled: bool,
    aged_at: Option<Millis>,
}

impl Keys {
    /// As an earlier process left them, as far as that can be read.
    pub(super) fn restored(kept: Option<&str>, now: Now) -> Keys {
        let text = kept.unwrap_or_default();
        let kept: Kept = kept.and_then(|text| read_typed(text.as_bytes()).ok()).unwrap_or_default();
        let (salt, known) = match Salt::parse(&kept.salt) {
            Some(salt) => (salt, true),
            None => (Salt::draw(), false),
        };
        let mut keys = Keys {
            salt,
            providers: BTreeMap::new(),
            written: if known { text.into() } else { "".into() },
            written_at: Millis(0),
            urgent: !known,
            troubled: true,
            aged_at: None,
        };
        for key in kept.keys.into_iter().filter(|_| known) {
            let identity = (key.provider.clone(), key.base_url.clone());
            keys.providers.entry(identity).or_default().restore_key(key, now);
        }
        for account in kept.accounts.into_iter().filter(|_| known) {
            let identity = (account.provider.clone(), account.base_url.clone());
            keys.providers.entry(identity).or_default().restore_account(&account, now);
        }
        keys
    }

    /// Takes the keys of a policy, each with what is known of it.
    pub(super) fn retain(&mut self, policy: &Policy, now: Now) {
        self.providers.values_mut().for_each(ProviderKeys::clear);
        for provider in &policy.providers {
            let identity = identity(provider);
            let (name, base_url) = (identity.0.clone(), identity.1.clone());
            let salt = &self.salt;
            let known = self.providers.entry(identity).or_default();
            self.urgent |= known.take(provider, |key| salt.identity((&name, &base_url), key), now.unix);
        }
        self.forget_absent();
        self.troubled = true;
        self.aged_at = None;
    }

    fn forget_absent(&mut self) {
        let mut absent: Vec<_> = self.providers.values().flat_map(ProviderKeys::absent).collect();
        absent.sort_unstable_by_key(|(first_seen, _)| std::cmp::Reverse(*first_seen));
        let gone: Vec<_> = absent.into_iter().skip(MOST_ABSENT).map(|(_, id)| id).collect();
        self.providers.values_mut().for_each(|keys| keys.forget(&gone));
        self.providers.retain(|_, keys| !keys.is_empty());
    }

    /// In the order of the policy.
    pub(super) fn of(&self, policy: &Policy) -> Box<[Arc<KeyRing>]> {
        let ring =
            |provider: &Arc<Provider>| self.providers.get(&identity(provider)).map(|keys| Arc::clone(&keys.ring));
        policy.providers.iter().map(|provider| ring(provider).unwrap_or_default()).collect()
    }

    /// Looks for what is new.
    pub(super) fn tick(&mut self, policy: &Policy, states: &Providers, now: Now) -> KeyNews {
        let mut news = KeyNews::default();
        let ages = self.aged_at.is_none_or(|at| now.mono.since(at) >= AGE_INTERVAL);
        if ages {
            self.aged_at = Some(now.mono);
        }
        self.troubled = false;
        for (identity, keys) in &mut self.providers {
            if let Some(state) = states.state(identity) {
                if keys.is_restored() {
                    state.note_key_trouble();
                }
                state.review_keys(|| keys.ring.tidy(now.mono));
                self.troubled |= state.has_key_trouble();
                if state.has_key_trouble() || keys.has_told() {
                    self.urgent |= keys.look(&identity.0, now, &mut news);
                }
            } else if keys.has_told() {
                self.urgent |= keys.look(&identity.0, now, &mut news);
            }
        }
        for provider in policy.providers.iter().filter(|_| ages) {
            if let (Some(after), Some(keys)) = (provider.keys.warn_after, self.providers.get_mut(&identity(provider))) {
                let alerts = keys.reminders(&provider.name, after, now.unix);
                self.urgent |= !alerts.is_empty();
                news.alerts.extend(alerts);
            }
        }
        news
    }

    /// What is to be written now; `None`: nothing new. `last`: whether there will be no other time.
    pub(super) fn take_due(&mut self, now: Now, last: bool) -> Option<Arc<str>> {
        let due = last || (self.troubled && now.mono.since(self.written_at) >= WRITE_INTERVAL);
        if !self.urgent && !due {
            return None;
        }
        (self.urgent, self.written_at) = (false, now.mono);
        let mut kept = Kept { salt: self.salt.digits(), ..Kept::default() };
        self.providers.iter().for_each(|(identity, keys)| keys.keep(identity, now, &mut kept));
        // Nothing is known that a start without it would not know.
        if kept.keys.is_empty() && self.written.is_empty() {
            return None;
        }
        let text: Arc<str> = serde_json::to_string(&kept).unwrap_or_default().into();
        (text != self.written).then(|| {
            self.written = Arc::clone(&text);
            text
        })
    }

    /// A provider's keys, in the order of the file.
    pub(super) fn report(&self, provider: &Provider, now: Now) -> Vec<KeyStatus> {
        self.providers.get(&identity(provider)).map_or_else(Vec::new, |keys| keys.report(provider, now))
    }

    /// Keys that are to be replaced, one sentence each.
    pub(super) fn warnings(&self, policy: &Policy, now: Now) -> Vec<String> {
        let of = |provider: &Arc<Provider>| {
            let after = provider.keys.warn_after?;
            let old_keys = self.providers.get(&identity(provider))?.old(after, now.unix);
            Some(old_keys.into_iter().map(|(key, age)| old(&provider.name, &key, age)).collect::<Vec<_>>())
        };
        policy.providers.iter().filter_map(of).flatten().collect()
    }
}
