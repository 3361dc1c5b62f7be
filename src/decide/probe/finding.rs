//! What a report says, one thing at a time, and how bad each is.
//!
//! A failure is what will not work: a model that the provider does not know, or no key that is taken. What works now
//! and may not soon, and what is doubtful, is a warning. The rest is a fact. Owns this order and nothing of the words.

use serde::Serialize;

use super::key::{BalanceReport, KeyReport, KeyState};
use super::latency::Latency;
use super::list::{ListKind, ListReport};
use super::model::{ModelReport, Presence};
use super::report::ProviderReport;
use super::tls::TlsReport;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Fact,
    Warning,
    /// It will not work.
    Failure,
}

/// One thing that a report says.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding<'r> {
    Key(&'r KeyReport),
    Limits(&'r KeyReport),
    Balance(&'r KeyReport),
    List(&'r ListReport),
    /// Models that it has.
    Has(Vec<&'r ModelReport>),
    /// Models of which it does not say whether it has them.
    NotTold(Vec<&'r ModelReport>),
    /// A model that it has not, or may not have.
    Lacks(&'r ModelReport),
    Tls(&'r TlsReport),
    Latency(&'r Latency),
}

/// All of a report, in the order in which a request meets it.
#[must_use]
pub fn findings(report: &ProviderReport) -> Vec<(Severity, Finding<'_>)> {
    let mut all = Vec::new();
    if let Some(latency) = &report.latency {
        all.push((Severity::Fact, Finding::Latency(latency)));
    }
    if let Some(tls) = &report.tls {
        let severity = if tls.is_near_its_end() { Severity::Warning } else { Severity::Fact };
        all.push((severity, Finding::Tls(tls)));
    }
    let dead = if report.keys.iter().all(KeyReport::is_dead) { Severity::Failure } else { Severity::Warning };
    for key in &report.keys {
        of_key(key, dead, &mut all);
    }
    if let Some(list) = &report.list {
        all.push((of_list(list), Finding::List(list)));
    }
    of_models(&report.models, &mut all);
    all
}

/// `dead`: how bad it is that this key cannot be used.
fn of_key<'r>(key: &'r KeyReport, dead: Severity, all: &mut Vec<(Severity, Finding<'r>)>) {
    let severity = match key.state {
        KeyState::Accepted | KeyState::Unproven | KeyState::OfApplication { .. } | KeyState::NotTold { .. } => {
            Severity::Fact
        }
        KeyState::Restricted { .. } | KeyState::RateLimited { .. } => Severity::Warning,
        KeyState::Refused { .. } | KeyState::OutOfQuota { .. } => dead,
    };
    if key.key.is_some() {
        all.push((severity, Finding::Key(key)));
    }
    if !key.limits.is_empty() {
        let spent = key.limits.iter().any(|limit| limit.remaining == Some(0));
        all.push((if spent { Severity::Warning } else { Severity::Fact }, Finding::Limits(key)));
    }
    if key.balance != BalanceReport::NotTold {
        all.push((if key.balance.is_spent() { dead } else { Severity::Fact }, Finding::Balance(key)));
    }
}

fn of_list(list: &ListReport) -> Severity {
    match list.kind {
        _ if list.base_url.is_some() => Severity::Warning,
        ListKind::Told { .. } | ListKind::Absent { .. } | ListKind::NotTold { .. } => Severity::Fact,
        ListKind::WebPage { .. } | ListKind::Gateway { .. } | ListKind::Other { .. } | ListKind::Redirected { .. } => {
            Severity::Warning
        }
    }
}

fn of_models<'r>(models: &'r [ModelReport], all: &mut Vec<(Severity, Finding<'r>)>) {
    let of = |wanted: fn(&Presence) -> bool| models.iter().filter(|model| wanted(&model.presence)).collect::<Vec<_>>();
    let has = of(|presence| matches!(presence, Presence::Listed | Presence::Known));
    let not_told = of(|presence| matches!(presence, Presence::NotTold));
    if !has.is_empty() {
        all.push((Severity::Fact, Finding::Has(has)));
    }
    for model in models {
        let severity = match (&model.presence, model.wanted.certain) {
            (Presence::Absent { .. }, true) => Severity::Failure,
            (Presence::Absent { .. }, false) | (Presence::Unlisted { .. }, true) => Severity::Warning,
            (Presence::Unlisted { .. }, false) => Severity::Fact,
            (Presence::Listed | Presence::Known | Presence::NotTold, _) => continue,
        };
        all.push((severity, Finding::Lacks(model)));
    }
    if !not_told.is_empty() {
        all.push((Severity::Fact, Finding::NotTold(not_told)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::event::KeyName;
    use crate::decide::probe::key::Money;
    use crate::decide::probe::wanted::WantedModel;

    fn key(position: usize, state: KeyState) -> KeyReport {
        let key = Some(KeyName { position, tail: String::new() });
        KeyReport { key, account: None, state, limits: Vec::new(), balance: BalanceReport::NotTold }
    }

    fn severities(keys: Vec<KeyReport>) -> Vec<Severity> {
        let report = ProviderReport { keys, ..ProviderReport::unasked("p") };
        findings(&report).into_iter().map(|(severity, _)| severity).collect()
    }

    #[test]
    fn one_key_that_is_taken_is_enough() {
        let refused = |position| key(position, KeyState::Refused { status: 401, code: None });
        let spent = |position| key(position, KeyState::OutOfQuota { status: 402 });
        assert_eq!(severities(vec![refused(1), key(2, KeyState::Accepted)]), [Severity::Warning, Severity::Fact]);
        assert_eq!(severities(vec![refused(1), spent(2)]), [Severity::Failure, Severity::Failure]);
        assert_eq!(severities(vec![refused(1), key(2, KeyState::RateLimited { wait: None })]), [Severity::Warning; 2]);
        let broke = KeyReport {
            balance: BalanceReport::Left {
                amounts: vec![Money { value: 0.0, currency: "CNY".into() }],
                usable: Some(false),
            },
            ..key(1, KeyState::Accepted)
        };
        assert_eq!(severities(vec![broke]), [Severity::Fact, Severity::Failure]);
    }

    #[test]
    fn a_model_fails_only_where_the_file_asks_for_it_and_the_provider_denies_it() {
        let model = |presence, certain| ModelReport {
            wanted: WantedModel { model: "m".into(), written: "m".into(), certain },
            presence,
        };
        let severity = |presence: Presence, certain| {
            let models = vec![model(presence, certain)];
            let report = ProviderReport { models, ..ProviderReport::unasked("p") };
            findings(&report)[0].0
        };
        assert_eq!(severity(Presence::Absent { near: None }, true), Severity::Failure);
        assert_eq!(severity(Presence::Absent { near: None }, false), Severity::Warning);
        assert_eq!(severity(Presence::Unlisted { near: None }, true), Severity::Warning);
        assert_eq!(severity(Presence::Unlisted { near: None }, false), Severity::Fact);
        assert_eq!(severity(Presence::NotTold, true), Severity::Fact);
    }
}
