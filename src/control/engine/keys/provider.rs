//! The keys of one provider: those of the file and those that were in it.
//!
//! Owns their states, the ring that the cores read, and what was told of each key. Invariant: what was told to be
//! refused is told to be over once, also when the key leaves the file.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::identity::KeyId;
use super::kept::{Kept, KeptAccount, KeptKey, KeptModel, KeptRest};
use super::news::KeyNews;
use crate::control::engine::providers::Identity;
use crate::control::now::Now;
use crate::decide::event::{Action, Alert, KeyChange, KeyName, Reason};
use crate::decide::policy::{Provider, Secret};
use crate::decide::units::{Millis, UnixMillis};
use crate::describe::key::change;
use crate::state::keys::{AccountState, KeyRing, KeyState, RingKey};
use crate::state::status::{KeyCondition, KeyStatus};

/// Between two refusals of a key, or two spent quotas of its account, in the history.
const TELL_INTERVAL: Millis = Millis(600_000);

#[derive(Debug, Default)]
pub(super) struct ProviderKeys {
    pub(super) ring: Arc<KeyRing>,
    /// By the position in the ring.
    names: Vec<(KeyId, KeyName)>,
    known: BTreeMap<KeyId, KnownKey>,
    accounts: BTreeMap<String, Arc<AccountState>>,
    /// Whether the ring may have keys of which something is known from before.
    restored: bool,
}

/// A key that is or was in the file.
#[derive(Debug)]
struct KnownKey {
    state: Arc<KeyState>,
    first_seen: UnixMillis,
    /// As what it was told to be refused, and whether the history has it.
    refused: Option<(KeyName, bool)>,
    refused_at: Option<Millis>,
    /// Whether its account's quota was told to be spent.
    spent: bool,
    spent_at: Option<Millis>,
    /// Whether it was told to be old.
    reminded: bool,
}

impl KnownKey {
    fn new(first_seen: UnixMillis) -> KnownKey {
        KnownKey {
            state: Arc::default(),
            first_seen,
            refused: None,
            refused_at: None,
            spent: false,
            spent_at: None,
            reminded: false,
        }
    }
}

fn due(at: &mut Option<Millis>, now: Millis) -> bool {
    let due = at.is_none_or(|at| now.since(at) >= TELL_INTERVAL);
    if due {
        *at = Some(now);
    }
    due
}

impl ProviderKeys {
    pub(super) fn restore_key(&mut self, kept: KeptKey, now: Now) {
        let mut key = KnownKey { reminded: kept.reminded, ..KnownKey::new(kept.first_seen) };
        if let Some(rest) = kept.refused {
            key.state.restore(rest.rest(now), kept.status.unwrap_or_default());
            // The process that learnt it has told it, and this one tells its end.
            key.refused = kept.told.map(|position| (KeyName { position, tail: String::new() }, true));
            self.restored = true;
        }
        self.known.insert(kept.id, key);
    }

    pub(super) fn restore_account(&mut self, kept: &KeptAccount, now: Now) {
        let account = AccountState::default();
        account.restore(
            kept.spent.map(|rest| rest.rest(now)).unwrap_or_default(),
            kept.models.iter().map(|model| model.rest(now)),
        );
        self.accounts.insert(kept.account.clone(), Arc::new(account));
        self.restored = true;
    }

    /// The file has none of them, until [`ProviderKeys::take`].
    pub(super) fn clear(&mut self) {
        self.ring = Arc::default();
        self.names.clear();
    }

    /// Takes the keys of the file; returns whether one of them is new.
    pub(super) fn take(&mut self, provider: &Provider, id: impl Fn(&Secret) -> KeyId, now: UnixMillis) -> bool {
        let before = self.known.len();
        let sent = if provider.sends_api_keys() { &provider.api_keys[..] } else { &[] };
        let mut accounts = BTreeMap::new();
        let mut ring = Vec::with_capacity(sent.len());
        for (index, key) in sent.iter().enumerate() {
            let id = id(key);
            let named = provider.keys.account(index).map(|name| format!("={name}"));
            let account = named.unwrap_or_else(|| id.0.clone());
            let account =
                accounts.entry(account).or_insert_with_key(|name| self.accounts.get(name).cloned().unwrap_or_default());
            let known = self.known.entry(id.clone()).or_insert_with(|| KnownKey::new(now));
            known.spent |= self.restored && !account.spent().is_none();
            if let Some((name, _)) = &mut known.refused {
                name.tail = key.tail();
            }
            ring.push(RingKey { key: Arc::clone(&known.state), account: Arc::clone(account) });
            self.names.push((id, KeyName { position: index + 1, tail: key.tail() }));
        }
        // What is known of an account whose key is out of the file for a while stays known.
        self.accounts.retain(|name, account| {
            !accounts.contains_key(name) && (!account.spent().is_none() || account.models().next().is_some())
        });
        self.accounts.append(&mut accounts);
        self.restored |= ring.iter().any(|RingKey { key, account }| {
            !key.refused().is_none() || !account.spent().is_none() || account.models().next().is_some()
        });
        self.ring = Arc::new(KeyRing::new(ring));
        self.known.len() > before
    }

    /// Those that the file does not have.
    pub(super) fn absent(&self) -> impl Iterator<Item = (UnixMillis, KeyId)> {
        let is_absent = |id: &KeyId| !self.names.iter().any(|(present, _)| present == id);
        self.known.iter().filter(move |(id, _)| is_absent(id)).map(|(id, key)| (key.first_seen, id.clone()))
    }

    pub(super) fn forget(&mut self, gone: &[KeyId]) {
        gone.iter().for_each(|id| {
            self.known.remove(id);
            self.accounts.remove(&id.0);
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Whether a restart left something to look at; asked once.
    pub(super) fn is_restored(&mut self) -> bool {
        std::mem::take(&mut self.restored)
    }

    /// Whether something was told whose end is to be told.
    pub(super) fn has_told(&self) -> bool {
        self.known.values().any(|key| key.refused.is_some() || key.spent)
    }

    /// Looks for what is new; returns whether that is to be kept at once.
    pub(super) fn look(&mut self, provider: &str, now: Now, news: &mut KeyNews) -> bool {
        let mut changes = Vec::new();
        for (id, key) in &mut self.known {
            if !self.names.iter().any(|(present, _)| present == id)
                && let Some((name, recorded)) = key.refused.take()
            {
                changes.push((name, KeyChange::Replaced, recorded));
            }
        }
        let is_refused = |key: &RingKey| !key.key.refused().is_none();
        let refused = self.ring.keys().iter().filter(|key| is_refused(key)).count();
        for ((id, name), in_ring) in self.names.iter().zip(self.ring.keys()) {
            let Some(key) = self.known.get_mut(id) else { continue };
            match (is_refused(in_ring), key.refused.clone()) {
                (true, None) => {
                    let recorded = due(&mut key.refused_at, now.mono);
                    key.refused = Some((name.clone(), recorded));
                    let (status, others) = (in_ring.key.status(), self.ring.keys().len() - refused);
                    changes.push((name.clone(), KeyChange::Refused { status, others }, recorded));
                }
                (false, Some((name, recorded))) => {
                    key.refused = None;
                    changes.push((name, KeyChange::Accepted, recorded));
                }
                _ => {}
            }
            let spent = in_ring.account.spent();
            if spent.is_none() {
                key.spent = false;
            } else if !key.spent {
                key.spent = true;
                let rest = spent.until.since(now.mono);
                let name = name.clone();
                let is_first = |other: &&RingKey| Arc::ptr_eq(&other.account, &in_ring.account);
                let is_first = self.ring.keys().iter().find(is_first).is_some_and(|first| std::ptr::eq(first, in_ring));
                if rest > Millis(0) && is_first && due(&mut key.spent_at, now.mono) {
                    news.alerts.push(Alert::KeySpent { provider: provider.to_owned(), key: name, rest });
                }
            }
        }
        let changed = !changes.is_empty();
        for (key, turn, recorded) in changes {
            let action = match turn {
                KeyChange::Refused { .. } => Action::KeyRefused,
                KeyChange::Accepted | KeyChange::Replaced => Action::KeyRestored,
            };
            if recorded {
                news.events.push((action, Reason::Key { provider: provider.to_owned(), key, turn }));
            } else {
                tracing::warn!(provider, "{action}: {}", change(provider, &key, turn));
            }
        }
        changed
    }

    /// Keys that have been in use for longer than this.
    pub(super) fn old(&self, after: Millis, now: UnixMillis) -> Vec<(KeyName, Millis)> {
        let age = |(id, name): &(KeyId, KeyName)| {
            let age = now.since(self.known.get(id)?.first_seen);
            (age >= after).then(|| (name.clone(), age))
        };
        self.names.iter().filter_map(age).collect()
    }

    /// Those of them that were not told yet.
    pub(super) fn reminders(&mut self, provider: &str, after: Millis, now: UnixMillis) -> Vec<Alert> {
        let mut alerts = Vec::new();
        for (id, name) in &self.names {
            let Some(key) = self.known.get_mut(id).filter(|key| !key.reminded) else { continue };
            let age = now.since(key.first_seen);
            if age >= after {
                key.reminded = true;
                alerts.push(Alert::KeyOld { provider: provider.to_owned(), key: name.clone(), age });
            }
        }
        alerts
    }

    pub(super) fn keep(&self, (provider, base_url): &Identity, now: Now, kept: &mut Kept) {
        kept.keys.extend(self.known.iter().map(|(id, key)| {
            let refused = KeptRest::of(key.state.refused(), now);
            KeptKey {
                provider: provider.clone(),
                base_url: base_url.clone(),
                id: id.clone(),
                first_seen: key.first_seen,
                reminded: key.reminded,
                status: refused.map(|_| key.state.status()),
                told: key.refused.as_ref().filter(|(_, recorded)| *recorded).map(|(name, _)| name.position),
                refused,
            }
        }));
        let accounts = self.accounts.iter().map(|(name, account)| KeptAccount {
            provider: provider.clone(),
            base_url: base_url.clone(),
            account: name.clone(),
            spent: KeptRest::of(account.spent(), now),
            models: account.models().filter_map(|model| KeptModel::of(model, now)).collect(),
        });
        kept.accounts.extend(accounts.filter(|account| account.spent.is_some() || !account.models.is_empty()));
    }

    pub(super) fn report(&self, provider: &Provider, now: Now) -> Vec<KeyStatus> {
        let at = |until: Millis| now.unix.plus(until.since(now.mono));
        let keys = self.names.iter().zip(self.ring.keys()).enumerate();
        keys.map(|(index, ((id, name), RingKey { key, account }))| {
            let (refused, spent) = (key.refused(), account.spent());
            let resting: Vec<Millis> =
                account.models().map(|model| model.rest.until).filter(|until| *until > now.mono).collect();
            let condition = if !refused.is_none() {
                KeyCondition::Refused { status: key.status(), next_try: at(refused.until) }
            } else if spent.until > now.mono {
                KeyCondition::Spent { until: at(spent.until) }
            } else if let Some(until) = resting.iter().max() {
                KeyCondition::Throttled { until: at(*until), models: resting.len() }
            } else {
                KeyCondition::Usable
            };
            let first_seen = self.known.get(id).map_or(now.unix, |known| known.first_seen);
            KeyStatus {
                position: name.position,
                tail: name.tail.clone(),
                account: provider.keys.account(index).map(str::to_owned),
                condition,
                first_seen,
                is_old: provider.keys.warn_after.is_some_and(|after| now.unix.since(first_seen) >= after),
            }
        })
        .collect()
    }
}
