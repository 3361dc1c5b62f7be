//! Asking one provider with each of its keys, and what each account has left.
//!
//! A GET of `probe_path` for each key, a few at one time, and one without a key where some is taken: what is answered
//! without one proves nothing. A provider that has no key of its own is asked as it is. The balance is asked of those
//! alone who are known to tell it.

use std::sync::Arc;

use super::asked_provider::{AskedProvider, LIST};
use crate::clock;
use crate::decide::event::KeyName;
use crate::decide::policy::{Provider, Secret};
use crate::decide::probe::key::{BalanceReport, KeyReport, KeyState, Money, judge_key, limits_of};
use crate::proxy::{ProbeAnswer, Question};
use crate::wire::balance::{Amount, BalanceForm, BalancePath, BalanceReading};
use crate::wire::complaint::read_complaint;
use crate::wire::model_list::ListOrigin;
use crate::wire::rate_headers::read_rate_report;

/// Keys that are tried, at most.
const MOST_KEYS: usize = 64;
/// Of so many keys the balance is asked for, at most.
const MOST_BALANCES: usize = 8;

/// A key that was tried.
pub(super) struct TriedKey {
    /// Its index, or where there is none of the provider's own, 0: what `set_headers` puts in its place comes with it.
    pub(super) index: usize,
    pub(super) report: KeyReport,
    pub(super) answer: Option<ProbeAnswer>,
}

impl AskedProvider {
    /// Tries each key with this path.
    pub(super) async fn try_keys(&self, below: &str) -> Vec<TriedKey> {
        let count = if self.provider.sends_api_keys() { self.provider.api_keys.len().min(MOST_KEYS) } else { 1 };
        let mut questions: Vec<Question> = (0..count).map(|index| self.question(below, Some(index))).collect();
        if let Some(first) = questions.first_mut() {
            // Its answer is mostly the list.
            first.most = LIST;
        }
        let answers = self.answers(questions).await;
        let tried = |(index, answer): (usize, Result<ProbeAnswer, String>)| self.tried(index, answer);
        let mut keys: Vec<TriedKey> = answers.into_iter().enumerate().map(tried).collect();
        let taken = keys.iter().any(|key| key.report.key.is_some() && key.report.state == KeyState::Accepted);
        if taken && self.answers_without_key(below).await {
            for key in &mut keys {
                if key.report.state == KeyState::Accepted {
                    key.report.state = KeyState::Unproven;
                }
            }
        }
        keys
    }

    async fn answers_without_key(&self, below: &str) -> bool {
        let answer = self.answer(&self.question(below, None)).await;
        answer.is_ok_and(|answer| (200..300).contains(&answer.status))
    }

    fn tried(&self, index: usize, answer: Result<ProbeAnswer, String>) -> TriedKey {
        let name = |key: &Secret| KeyName { position: index + 1, tail: key.tail() };
        let key = self.provider.api_keys.get(index).filter(|_| self.provider.sends_api_keys()).map(name);
        let account = key.as_ref().and_then(|_| self.provider.keys.account(index)).map(str::to_owned);
        let (state, limits) = match &answer {
            Err(why) => (KeyState::NotTold { why: why.clone() }, Vec::new()),
            Ok(answer) => {
                let limits = read_rate_report(&answer.headers, clock::unix().0);
                let state = match answer.status {
                    status @ (401 | 403) if key.is_none() && self.key_passes && self.provider.shows_nothing() => {
                        KeyState::OfApplication { status }
                    }
                    status => judge_key(status, &read_complaint(&answer.body), &limits),
                };
                (state, limits_of(&limits))
            }
        };
        let report = KeyReport { key, account, state, limits, balance: BalanceReport::NotTold };
        TriedKey { index, report, answer: answer.ok() }
    }

    /// Asks what the accounts have left, where the provider tells it.
    pub(super) async fn ask_balances(&self, keys: &mut [TriedKey], origin: Option<ListOrigin>) {
        let Some(form) = BalanceForm::of(&self.provider.base_url.host, origin) else { return };
        let usable = |key: &&mut TriedKey| !matches!(key.report.state, KeyState::Refused { .. });
        for key in keys.iter_mut().filter(usable).take(MOST_BALANCES) {
            let (provider, below) = match form.path() {
                BalancePath::BelowBase(below) => (Arc::clone(&self.provider), below),
                BalancePath::AtRoot(below) => (Arc::new(at(&self.provider, "")), below),
            };
            let question = Question { provider, ..self.question(below, Some(key.index)) };
            let Ok(answer) = self.answer(&question).await else { continue };
            let complaint = read_complaint(&answer.body);
            // Where the list is for everybody, this answer is what shows how the key stands.
            if key.report.state == KeyState::Unproven && matches!(answer.status, 200 | 401) {
                key.report.state = judge_key(answer.status, &complaint, &read_rate_report(&answer.headers, 0));
            }
            if answer.status == 200 {
                key.report.balance = form.read(&answer.body).map_or(BalanceReport::NotTold, report);
            }
        }
    }
}

/// The same provider with another path in its address.
pub(super) fn at(provider: &Provider, path: &str) -> Provider {
    let mut other = provider.clone();
    other.base_url.path = path.to_owned();
    other
}

fn report(reading: BalanceReading) -> BalanceReport {
    let money = |Amount { value, currency }| Money { value, currency };
    match reading {
        BalanceReading { left, used: Some(used), .. } if left.is_empty() => BalanceReport::Used { amount: money(used) },
        BalanceReading { left, usable, .. } => {
            BalanceReport::Left { amounts: left.into_iter().map(money).collect(), usable }
        }
    }
}
