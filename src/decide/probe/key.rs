//! What an answer to a request with one key says of the key, of its limits and of its money.
//!
//! A key is named by its position and its last four characters. Owns which answers mean that a key is refused, out of
//! quota or limited. Refuses to take an answer for an acceptance where the same comes without a key. Invariant: nothing
//! of a provider's message is kept, since it may repeat the key.

use serde::Serialize;

use crate::decide::event::KeyName;
use crate::decide::units::Millis;
use crate::wire::complaint::Complaint;
use crate::wire::rate_headers::{Allowance, Measure, RateReport, Window};

/// One key, and what came of asking with it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeyReport {
    /// `None`: the provider has no key of its own, and was asked without one.
    pub key: Option<KeyName>,
    /// The account that the file names for it.
    pub account: Option<String>,
    #[serde(flatten)]
    pub state: KeyState,
    /// What the answer's headers say of limits.
    pub limits: Vec<LimitReport>,
    pub balance: BalanceReport,
}

/// How a key stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum KeyState {
    Accepted,
    /// The same is answered without a key, so that nothing follows for this one.
    Unproven,
    /// Not taken.
    Refused {
        status: u16,
        /// The error's code or type.
        code: Option<String>,
    },
    /// Known, and not allowed to see the list of models. It may be allowed to do the rest.
    Restricted {
        status: u16,
    },
    /// The account's money or allowance is used up.
    OutOfQuota {
        status: u16,
    },
    RateLimited {
        /// For how long, where the answer says it.
        wait: Option<Millis>,
    },
    /// The application's own key reaches this provider, and a probe has none.
    OfApplication {
        status: u16,
    },
    /// The answer says nothing about the key.
    NotTold {
        /// The status, or why there is no answer.
        why: String,
    },
}

/// One limit, as the provider tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LimitReport {
    /// `requests`, `tokens`, `input tokens`, `output tokens`.
    pub of: &'static str,
    /// Whether it is a day's or longer.
    pub daily: bool,
    pub limit: Option<u64>,
    pub remaining: Option<u64>,
    /// Until all of it is back.
    pub reset: Option<Millis>,
}

/// What the provider says of the account's money.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(tag = "balance", rename_all = "snake_case")]
pub enum BalanceReport {
    /// It is not known to tell it, or did not.
    #[default]
    NotTold,
    /// What is left.
    Left { amounts: Vec<Money>, usable: Option<bool> },
    /// No limit; this was used.
    Used { amount: Money },
}

/// So much of a currency; empty: that of the account.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Money {
    pub value: f64,
    pub currency: String,
}

impl BalanceReport {
    /// Whether it says that requests are refused for want of money.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        match self {
            BalanceReport::Left { usable: Some(usable), .. } => !usable,
            BalanceReport::Left { amounts, usable: None } => {
                !amounts.is_empty() && amounts.iter().all(|amount| amount.value <= 0.0)
            }
            BalanceReport::NotTold | BalanceReport::Used { .. } => false,
        }
    }
}

impl KeyReport {
    /// Whether requests with this key cannot be answered.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        matches!(self.state, KeyState::Refused { .. } | KeyState::OutOfQuota { .. }) || self.balance.is_spent()
    }
}

/// How a key stands that got this answer.
#[must_use]
pub fn judge_key(status: u16, complaint: &Complaint, limits: &RateReport) -> KeyState {
    match status {
        200..=299 => KeyState::Accepted,
        402 => KeyState::OutOfQuota { status },
        403 | 429 if complaint.is_quota() => KeyState::OutOfQuota { status },
        429 => {
            let wait = limits.pause(complaint.asked_wait()).and_then(|pause| pause.worth_waiting());
            KeyState::RateLimited { wait: wait.map(Millis) }
        }
        400 if complaint.is_about_key() => KeyState::Refused { status, code: code(complaint) },
        403 if is_scope(complaint) => KeyState::Restricted { status },
        401 | 403 => KeyState::Refused { status, code: code(complaint) },
        status => KeyState::NotTold { why: status.to_string() },
    }
}

/// Whether a key is refused this one question, for want of a scope or permission.
fn is_scope(complaint: &Complaint) -> bool {
    let message = complaint.message.to_ascii_lowercase();
    !complaint.is_about_key() && ["scope", "permission"].iter().any(|word| message.contains(word))
}

/// A name, and nothing that may be a key.
fn code(complaint: &Complaint) -> Option<String> {
    let is_name = |name: &&String| {
        (1..=48).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
    };
    complaint.code.as_ref().filter(is_name).or(complaint.kind.as_ref().filter(is_name)).cloned()
}

/// The limits of an answer, for people.
#[must_use]
pub fn limits_of(report: &RateReport) -> Vec<LimitReport> {
    let told = |allowance: &&Allowance| allowance.limit.is_some() || allowance.remaining.is_some();
    let limit = |allowance: &Allowance| LimitReport {
        of: match allowance.measure {
            Measure::Requests => "requests",
            Measure::Tokens => "tokens",
            Measure::InputTokens => "input tokens",
            Measure::OutputTokens => "output tokens",
        },
        daily: allowance.window == Window::Long,
        limit: allowance.limit,
        remaining: allowance.remaining,
        reset: allowance.reset.map(Millis),
    };
    report.allowances.iter().filter(told).map(limit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::complaint::read_complaint;

    fn judged(status: u16, body: &str) -> KeyState {
        judge_key(status, &read_complaint(body.as_bytes()), &RateReport::default())
    }

    #[test]
    fn each_answer_says_how_the_key_stands() {
        let refused =
            |status, code: &str| KeyState::Refused { status, code: (!code.is_empty()).then(|| code.to_owned()) };
        for (status, body, state) in [
            (200, "", KeyState::Accepted),
            (401, "", refused(401, "")),
            (
                401,
                r#"{"error":{"message":"Incorrect API key provided: sk-1","code":"invalid_api_key"}}"#,
                refused(401, "invalid_api_key"),
            ),
            (403, "<html>Forbidden</html>", refused(403, "")),
            (403, r#"{"error":{"message":"Missing scopes: api.model.read"}}"#, KeyState::Restricted { status: 403 }),
            (403, r#"{"error":{"message":"Your credit balance is too low"}}"#, KeyState::OutOfQuota { status: 403 }),
            (
                400,
                r#"{"error":{"message":"API key not valid.","status":"INVALID_ARGUMENT"}}"#,
                refused(400, "INVALID_ARGUMENT"),
            ),
            (400, r#"{"error":{"message":"no model"}}"#, KeyState::NotTold { why: "400".into() }),
            (402, "", KeyState::OutOfQuota { status: 402 }),
            (429, r#"{"error":{"code":"insufficient_quota"}}"#, KeyState::OutOfQuota { status: 429 }),
            (
                429,
                r#"{"error":{"message":"Please try again in 20s."}}"#,
                KeyState::RateLimited { wait: Some(Millis(20_000)) },
            ),
            (429, "", KeyState::RateLimited { wait: None }),
            (503, "", KeyState::NotTold { why: "503".into() }),
        ] {
            assert_eq!(judged(status, body), state, "{status} {body}");
        }
    }

    #[test]
    fn a_code_that_may_be_a_key_is_not_kept() {
        for body in [r#"{"error":{"code":"sk-live-1234"}}"#, r#"{"error":{"code":"a b"}}"#] {
            assert_eq!(judged(401, body), KeyState::Refused { status: 401, code: None }, "{body}");
        }
    }

    #[test]
    fn money_is_spent_where_nothing_is_left_or_the_provider_says_so() {
        let left = |values: &[f64], usable| BalanceReport::Left {
            amounts: values.iter().map(|value| Money { value: *value, currency: "CNY".into() }).collect(),
            usable,
        };
        assert!(left(&[0.0, -3.0], None).is_spent() && left(&[5.0], Some(false)).is_spent());
        assert!(
            !left(&[0.0, 3.0], None).is_spent() && !left(&[0.0], Some(true)).is_spent() && !left(&[], None).is_spent()
        );
        assert!(!BalanceReport::NotTold.is_spent());
    }
}
