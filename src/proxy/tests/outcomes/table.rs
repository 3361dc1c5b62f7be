//! A row's cases as they lie in `tests/golden/outcomes`: what a provider sends, and what must become of it.
//!
//! `generate.py` there says what each field means. Nothing is left to this code: a case states all that is expected,
//! and what is not a case's to say (a key that is unknown, an outcome that is none) fails the reading.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Deserializer};

use crate::decide::outcome::Outcome;
use crate::decide::units::Arm;

/// One answer of a provider, and one expectation of all that see it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    name: String,
    pub(super) endpoint: String,
    /// Whether the client asks for a stream.
    pub(super) stream: bool,
    arm: String,
    pub(super) provider: Described,
    /// What the other arm's provider answers: a key of [`others`].
    pub(super) other: Option<String>,
    #[serde(default)]
    pub(super) settings: Settings,
    pub(super) breaks_off: Option<BreakOff>,
    #[serde(deserialize_with = "outcome")]
    pub(super) outcome: Outcome,
    attempts: Vec<String>,
    pub(super) next: Next,
    pub(super) guard: Verdict,
    pub(super) breaker: Verdict,
    pub(super) client: Seen,
}

/// The provider whose answer is judged.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Described {
    pub(super) at: Place,
    pub(super) keys: usize,
    pub(super) answers: Vec<Answer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Place {
    Listening,
    Tls,
    Refused,
    Unknown,
    Unusable,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    #[serde(deserialize_with = "bytes")]
    pub(super) sends: Vec<u8>,
    pub(super) end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum End {
    Keep,
    Fin,
    Rst,
    Silent,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Settings {
    pub(super) timeouts: Clocks,
    pub(super) give_up_after: Option<u64>,
    pub(super) done_marker: Option<String>,
    pub(super) stream_mode: Option<String>,
    pub(super) fallback_4xx: Option<bool>,
    pub(super) throttled: Option<bool>,
    pub(super) empty: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Clocks {
    pub(super) connect: Option<u64>,
    pub(super) headers: Option<u64>,
    pub(super) stream_headers: Option<u64>,
    pub(super) first_output: Option<u64>,
    pub(super) idle: Option<u64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BreakOff {
    pub(super) by: Breaker,
    pub(super) after: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Breaker {
    Client,
    Serin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Next {
    Deliver,
    #[serde(rename = "next_key")]
    AnotherKey,
    Again,
    Other,
    AskStable,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    Success,
    Failure,
    Not,
    /// It was never asked.
    None,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Seen {
    pub(super) status: Option<u16>,
    pub(super) gets: Gets,
    pub(super) error: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Gets {
    All,
    ErrorEvent,
    Abort,
    Serin,
    Other,
    Nothing,
}

impl Case {
    pub(super) fn title(&self) -> String {
        format!("{}.json, {}: {}", self.outcome.as_str(), self.endpoint, self.name)
    }

    pub(super) fn arm(&self) -> Arm {
        if self.arm == "stable" { Arm::Stable } else { Arm::Canary }
    }

    pub(super) fn attempts(&self, outcome: Outcome) -> usize {
        self.attempts.iter().filter(|label| *label == outcome.as_str()).count()
    }

    /// Whether the other provider has to be asked at some time.
    pub(super) fn asks_other(&self) -> bool {
        matches!(self.next, Next::Other | Next::AskStable) || self.client.gets == Gets::Other
    }

    /// Whether time has to pass for it.
    pub(super) fn takes_time(&self) -> bool {
        let Clocks { connect, headers, stream_headers, first_output, idle } = self.settings.timeouts;
        connect.or(headers).or(stream_headers).or(first_output).or(idle).or(self.settings.give_up_after).is_some()
    }
}

fn file(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/outcomes");
    fs::read_to_string(folder.join(format!("{name}.json"))).unwrap()
}

/// The cases of one row.
pub(super) fn row(outcome: Outcome) -> Vec<Case> {
    let cases: Vec<Case> = serde_json::from_str(&file(outcome.as_str())).unwrap();
    assert!(cases.iter().all(|case| case.outcome == outcome));
    assert!(cases.iter().flat_map(|case| &case.attempts).all(|label| named(label).is_some()));
    cases
}

/// What another provider answers.
pub(super) fn others() -> BTreeMap<String, Answer> {
    serde_json::from_str(&file("others")).unwrap()
}

fn named(label: &str) -> Option<Outcome> {
    Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == label)
}

fn outcome<'a, D: Deserializer<'a>>(label: D) -> Result<Outcome, D::Error> {
    let label = String::deserialize(label)?;
    named(&label).ok_or_else(|| serde::de::Error::custom(format!("`{label}` is no outcome")))
}

/// Each character is one byte.
fn bytes<'a, D: Deserializer<'a>>(text: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(text)?;
    text.chars().map(|c| u8::try_from(u32::from(c)).map_err(serde::de::Error::custom)).collect()
}
