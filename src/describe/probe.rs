//! Sentences for what a probe found at one provider, without the provider's name in front.
//!
//! Each is one line that says what is so, and what to do where there is something to do. Names of models and codes come
//! from the provider; they are bounded and printable before they get here. No sentence has more of a key than its
//! position and its last four characters.

mod list;
mod model;

use super::format::{grouped, shortened};
use super::key;
use crate::decide::probe::finding::Finding;
use crate::decide::probe::key::{BalanceReport, KeyReport, KeyState, LimitReport, Money};
use crate::decide::probe::latency::Latency;
use crate::decide::probe::tls::TlsReport;

/// The most names on a line.
const SHOWN: usize = 12;

/// One finding of this provider.
#[must_use]
pub fn sentence(finding: &Finding<'_>, provider: &str) -> String {
    match finding {
        Finding::Key(key) => format!("{} {}", name(key), state(&key.state, provider)),
        Finding::Limits(key) => {
            let limits: Vec<String> = key.limits.iter().map(limit).collect();
            format!("limits{}: {}", of(key), limits.join(", "))
        }
        Finding::Balance(key) => format!("balance{}: {}", of(key), balance(&key.balance)),
        Finding::List(report) => list::sentence(report),
        Finding::Has(models) => {
            let names = models.iter().map(|model| model.wanted.model.as_str());
            format!("has {}", listed(names))
        }
        Finding::NotTold(models) => {
            let names = models.iter().map(|model| model.wanted.model.as_str());
            format!("does not tell whether it has {}", listed(names))
        }
        Finding::Lacks(model) => model::lacks(model, provider),
        Finding::Tls(report) => tls(report),
        Finding::Latency(times) => latency(times),
    }
}

fn name(KeyReport { key, account, .. }: &KeyReport) -> String {
    let name = key.as_ref().map_or_else(|| "the request without a key".to_owned(), key::name);
    match account {
        Some(account) => format!("{name} of account {account}"),
        None => name,
    }
}

/// Which key it is about, where there is one.
fn of(report: &KeyReport) -> String {
    if report.key.is_some() { format!(" of {}", name(report)) } else { String::new() }
}

fn state(state: &KeyState, provider: &str) -> String {
    match state {
        KeyState::Accepted => "is accepted".to_owned(),
        KeyState::Unproven => "is not proven: the same is answered without a key".to_owned(),
        KeyState::Refused { status, code } => {
            let code = code.as_ref().map(|code| format!(", `{code}`")).unwrap_or_default();
            format!("is refused ({status}{code}): replace it, or check `providers.{provider}.auth`")
        }
        KeyState::Restricted { status } => {
            format!("may not see the models ({status}): it is restricted, and requests may be refused as well")
        }
        KeyState::OutOfQuota { status } => {
            format!(
                "is out of quota ({status}): pay for its account, or take it out of `providers.{provider}.api_keys`"
            )
        }
        KeyState::RateLimited { wait: Some(wait) } => {
            format!("is rate-limited now (429): the provider asks for {} without requests", rounded(wait.0))
        }
        KeyState::RateLimited { wait: None } => "is rate-limited now (429)".to_owned(),
        KeyState::OfApplication { status } => {
            format!("is answered {status}: the application's own key passes through")
        }
        KeyState::NotTold { why } => format!("is neither accepted nor refused: {why}"),
    }
}

/// `499 of 500 requests left, all back in 2m`.
fn limit(LimitReport { of, daily, limit, remaining, reset }: &LimitReport) -> String {
    let day = if *daily { " a day" } else { "" };
    let amount = match (remaining, limit) {
        (Some(remaining), Some(limit)) => format!("{} of {} {of}{day} left", grouped(remaining), grouped(limit)),
        (Some(remaining), None) => format!("{} {of}{day} left", grouped(remaining)),
        (None, Some(limit)) => format!("{} {of}{day}", grouped(limit)),
        (None, None) => format!("{of} not told"),
    };
    match reset {
        Some(reset) if reset.0 > 0 && remaining.is_some() => format!("{amount} (all in {})", rounded(reset.0)),
        _ => amount,
    }
}

/// A wait in whole seconds, or milliseconds below one.
#[expect(clippy::cast_precision_loss, reason = "at most a day")]
fn rounded(millis: u64) -> String {
    if millis < 1000 { format!("{millis}ms") } else { super::format::time(millis as f64 / 1000.0) }
}

fn balance(report: &BalanceReport) -> String {
    match report {
        BalanceReport::NotTold => "not told".to_owned(),
        BalanceReport::Used { amount } => format!("no limit, {} used", money(amount)),
        BalanceReport::Left { amounts, usable } => {
            let left: Vec<String> = amounts.iter().map(money).collect();
            let left = if left.is_empty() { "not told".to_owned() } else { format!("{} left", left.join(", ")) };
            match usable {
                Some(false) => format!("{left}, and the provider says that it answers no request"),
                _ if report.is_spent() => format!("{left}: requests will be refused"),
                _ => left,
            }
        }
    }
}

fn money(Money { value, currency }: &Money) -> String {
    let amount = format!("{value:.2}");
    if currency.is_empty() { amount } else { format!("{amount} {currency}") }
}

fn tls(report: &TlsReport) -> String {
    let TlsReport { version, subject, issuer, not_after, days_left } = report;
    let of = subject.as_ref().map(|name| format!(" of {name}")).unwrap_or_default();
    let by = issuer.as_ref().map(|name| format!(" issued by {name}")).unwrap_or_default();
    let until = match (not_after, days_left) {
        (Some(end), Some(days)) => {
            let date = end.to_string();
            let date = date.get(..10).unwrap_or(&date);
            let days = if *days == 1 { "1 day".to_owned() } else { format!("{} days", grouped(days)) };
            let renew = if report.is_near_its_end() { ": renew it, or ask the provider to" } else { "" };
            format!(", valid until {date}, for {days}{renew}")
        }
        _ => ", whose end cannot be read".to_owned(),
    };
    format!("TLS {version}, certificate{of}{by}{until}")
}

fn latency(Latency { attempts, connect_ms, tls_ms, head_ms }: &Latency) -> String {
    let tls = tls_ms.map(|ms| format!(", TLS in {ms} ms")).unwrap_or_default();
    let head = head_ms.map(|ms| format!(", response head in {ms} ms")).unwrap_or_default();
    let medians = if *attempts > 1 { format!(" (medians of {attempts})") } else { String::new() };
    format!("connects in {connect_ms} ms{tls}{head}{medians}")
}

fn listed<'m>(names: impl Iterator<Item = &'m str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{}`", shortened(name, 80))).collect();
    match names.len().checked_sub(SHOWN) {
        Some(more) if more > 0 => format!("{} and {more} more", names[..SHOWN].join(", ")),
        _ => names.join(", "),
    }
}

#[cfg(test)]
mod tests;
