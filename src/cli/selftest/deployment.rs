//! `serin selftest --url`: a running deployment, asked with a few small requests.
//!
//! Owns what is asked, and in which order; says it before it sends anything. What an answer means is [`diagnosis`]'s.
//! Invariant: at most five requests, each with a few tokens at most, and none where nobody answers, or where there is
//! no model to ask for.
//!
//! [`diagnosis`]: super::diagnosis

use std::fmt::Write as _;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::task::LocalSet;

use super::diagnosis::{self, Finding, Standing};
use super::requests::{Answer, NoAnswer, Times, ask};
use crate::cli::{Exit, Failure, Outcome, output};
use crate::decide::policy::{BaseUrl, Secret};
use crate::decide::printable::printable_start;

/// What a chat may answer at most. Some providers refuse less.
const TOKENS: u32 = 16;

/// What is asked.
pub(super) struct Deployment {
    /// With the mount.
    pub(super) base: BaseUrl,
    pub(super) key: Option<Secret>,
    pub(super) model: Option<String>,
}

/// One line of the report.
struct Row {
    check: &'static str,
    finding: Finding,
    times: Option<Times>,
}

/// Asks and prints.
pub(super) fn run(deployment: &Deployment, json: bool) -> Outcome {
    let intention = deployment.intention();
    if json {
        eprint!("{intention}");
    } else {
        output::print(&intention);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(error.to_string()))?;
    let rows = LocalSet::new().block_on(&runtime, deployment.check());
    let well = rows.iter().all(|row| row.finding.standing == Standing::Good);
    if json {
        output::print_json(&json!({
            "good": well,
            "url": deployment.base.to_string(),
            "checks": rows.iter().map(Row::json).collect::<Vec<_>>(),
        }));
    } else {
        let lines: String = rows.iter().map(Row::text).collect();
        output::print(&format!("{lines}{}\n", if well { "all is well" } else { "something FAILED" }));
    }
    Ok(if well { Exit::Done } else { Exit::Failed })
}

impl Deployment {
    /// What will be sent, told beforehand.
    fn intention(&self) -> String {
        let model = self.model.as_ref().map_or_else(
            || "a small model of the list".to_owned(),
            |model| format!("`{}`", printable_start(model, 100)),
        );
        let key = if self.key.is_some() { "with the key" } else { "without a key" };
        format!(
            "asks {} {key}: its health, its models, then a chat and a stream of {model}, at most {TOKENS} tokens each\n",
            self.base
        )
    }

    async fn check(&self) -> Vec<Row> {
        let skipped = |check| Row { check, finding: Finding::skipped("not asked"), times: None };
        let health = row("health", ask(&self.base, None, Method::GET, "/healthz", None).await, diagnosis::health);
        // Nothing answers: the others would only say so again.
        if health.times.is_none() {
            return vec![health, skipped("models"), skipped("chat"), skipped("stream")];
        }
        let (models, found) = self.models().await;
        let health = Row { finding: confirmed(health.finding, models.1), ..health };
        let Some(model) = self.model.as_ref().or(found.as_ref()) else {
            let why = "no model to ask for: give one with --model";
            let unnamed = |check| Row { check, finding: Finding::skipped(why), times: None };
            return vec![health, models.0, unnamed("chat"), unnamed("stream")];
        };
        let (chat, field) = self.generate("chat", model, false, "max_tokens").await;
        let (stream, _) = self.generate("stream", model, true, field).await;
        vec![health, models.0, chat, stream]
    }

    /// The row, whether Serin was seen, and the model to ask for.
    async fn models(&self) -> ((Row, bool), Option<String>) {
        let path = format!("{}/models", self.base.path);
        let answer = ask(&self.base, self.key.as_ref(), Method::GET, &path, None).await;
        let serins = answer.as_ref().is_ok_and(diagnosis::is_serins);
        let mut found = None;
        let row = row("models", answer, |answer| match diagnosis::models(answer, self.key.as_ref()) {
            Ok(models) => {
                found = diagnosis::cheap(&models).cloned();
                Finding::good(format!("{} models", models.len()))
            }
            // Not every API has a list, and not every one needs it.
            Err(why) if self.model.is_some() && answer.status == 404 => Finding::good(format!("none listed ({why})")),
            Err(why) => Finding::failed(why),
        });
        ((row, serins), found)
    }

    /// One answer, in one piece or streamed; and the parameter that this API takes for its length.
    async fn generate(
        &self,
        check: &'static str,
        model: &str,
        stream: bool,
        field: &'static str,
    ) -> (Row, &'static str) {
        let mut field = field;
        let mut answer = self.ask_for(model, stream, field).await;
        if field == "max_tokens" && answer.as_ref().is_ok_and(diagnosis::wants_other_length) {
            field = "max_completion_tokens";
            answer = self.ask_for(model, stream, field).await;
        }
        let key = self.key.as_ref();
        let row = row(check, answer, |answer| {
            let judged = if stream { diagnosis::stream(answer, key) } else { diagnosis::chat(answer, key) };
            match judged {
                Ok(()) => Finding::good(format!("`{}`{}", printable_start(model, 100), by(answer))),
                Err(why) => Finding::failed(why),
            }
        });
        (row, field)
    }

    async fn ask_for(&self, model: &str, stream: bool, field: &str) -> Result<Answer, NoAnswer> {
        let mut body = json!({
            "model": model,
            "messages": [{ "role": "user", "content": "Say hello." }],
        });
        body[field] = json!(TOKENS);
        if stream {
            body["stream"] = json!(true);
        }
        let path = format!("{}/chat/completions", self.base.path);
        ask(&self.base, self.key.as_ref(), Method::POST, &path, Some(body.to_string())).await
    }
}

/// Where the first answer did not show Serin, the second may.
fn confirmed(health: Finding, seen: bool) -> Finding {
    if health.standing == Standing::Failed && seen { Finding::good("Serin answers below its mount") } else { health }
}

fn by(answer: &Answer) -> String {
    match (answer.header("x-serin-provider"), answer.header("x-serin-arm")) {
        ("", _) => String::new(),
        (provider, "") => format!(", answered by `{}`", printable_start(provider, 100)),
        (provider, arm) => format!(", answered by `{}` ({})", printable_start(provider, 100), printable_start(arm, 20)),
    }
}

fn row(check: &'static str, answer: Result<Answer, NoAnswer>, judge: impl FnOnce(&Answer) -> Finding) -> Row {
    match answer {
        Ok(answer) => Row { check, finding: judge(&answer), times: Some(answer.times) },
        Err(why) => Row { check, finding: Finding::failed(diagnosis::unanswered(&why)), times: None },
    }
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

impl Row {
    fn text(&self) -> String {
        let standing = match self.finding.standing {
            Standing::Good => "good",
            Standing::Failed => "FAILED",
            Standing::Skipped => "skipped",
        };
        let mut text = format!("{:<8} {standing:<8} {}", self.check, self.finding.seen);
        if let Some(times) = self.times {
            let _ = write!(text, "; head {} ms", millis(times.head));
            if let Some(first) = times.first_output {
                let _ = write!(text, ", first output {} ms", millis(first));
            }
            let _ = write!(text, ", whole {} ms", millis(times.whole));
        }
        text.push('\n');
        text
    }

    fn json(&self) -> Value {
        let standing = match self.finding.standing {
            Standing::Good => "good",
            Standing::Failed => "failed",
            Standing::Skipped => "skipped",
        };
        json!({
            "check": self.check,
            "standing": standing,
            "detail": self.finding.seen,
            "milliseconds": self.times.map(|times| json!({
                "head": millis(times.head),
                "first_output": times.first_output.map(millis),
                "whole": millis(times.whole),
            })),
        })
    }
}
