//! What a probe found, as lines, as annotations and as JSON, and whether it fails.
//!
//! Asks through what the caller gives and judges with [`decide::probe`](crate::decide::probe). The text begins each
//! line with who it is about. Where no probe was asked for, there is nothing of all this. Invariant: what fails in one
//! form fails in every form.

use std::path::Path;

use serde_json::{Value, json};

use super::endpoints::{self, CheckedEndpoint};
use super::prices;
use super::probe_line::ProbeLine;
use crate::app::{ProbeResults, ProbeScope};
use crate::cli::Failure;
use crate::decide::policy::Policy;
use crate::decide::probe::abilities::ModelPair;
use crate::decide::probe::{ProviderReport, Severity, findings};
use crate::decide::suggest::nearest;
use crate::decide::units::ProviderId;
use crate::describe::{abilities, probe as describe};

/// What was asked, and what came of it.
pub(super) struct Probed<'p> {
    policy: &'p Policy,
    results: ProbeResults,
    pairs: Vec<ModelPair>,
}

impl<'p> Probed<'p> {
    /// Where nothing is asked.
    pub(super) fn nothing(policy: &'p Policy) -> Probed<'p> {
        Probed { policy, results: ProbeResults::default(), pairs: Vec::new() }
    }

    /// Asks the providers of these names, or all, and compares their models by this price list.
    pub(super) fn ask(
        names: &[String],
        prices: Option<&Path>,
        (file, policy): (&str, &'p Policy),
        ask: impl Fn(&Policy, &ProbeScope) -> ProbeResults,
    ) -> Result<Probed<'p>, Failure> {
        let scope = scope(names, file, policy)?;
        // A list that cannot be read is told before anybody is asked.
        let pairs = prices.map(|prices| prices::pairs(prices, policy)).transpose()?;
        Ok(Probed { policy, results: ask(policy, &scope), pairs: pairs.unwrap_or_default() })
    }

    /// Whether something will not work.
    pub(super) fn fails(&self) -> bool {
        self.all().iter().any(|line| line.severity == Severity::Failure)
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.all().into_iter().map(|line| line.text).collect()
    }

    pub(super) fn failures(&self) -> Vec<String> {
        self.of(Severity::Failure)
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        self.of(Severity::Warning)
    }

    fn of(&self, severity: Severity) -> Vec<String> {
        self.all().into_iter().filter(|line| line.severity == severity).map(|line| line.text).collect()
    }

    fn endpoints(&self) -> Vec<CheckedEndpoint<'_>> {
        endpoints::check_endpoints(self.policy, &self.results.endpoints)
    }

    fn all(&self) -> Vec<ProbeLine> {
        let mut lines = Vec::new();
        for (provider, answer) in &self.results.providers {
            lines.push(match answer {
                Ok(answer) => line(Severity::Fact, format!("probe: {provider} answers: {answer}")),
                Err(problem) => line(Severity::Failure, format!("probe: {provider} FAILS: {problem}")),
            });
            let report = self.report(provider);
            for (severity, finding) in report.map(findings).unwrap_or_default() {
                lines.push(worded(severity, provider, &describe::sentence(&finding, provider)));
            }
        }
        lines.extend(endpoints::lines(&self.endpoints()));
        for pair in &self.pairs {
            lines.push(worded(Severity::Fact, &pair.rollout, &abilities::sentence(pair)));
            lines.extend(abilities::warning(pair).map(|text| worded(Severity::Warning, &pair.rollout, &text)));
        }
        lines
    }

    fn report(&self, provider: &str) -> Option<&ProviderReport> {
        self.results.reports.iter().find(|report| report.provider == provider)
    }

    pub(super) fn providers_json(&self) -> Vec<Value> {
        let providers = self.results.providers.iter().map(|(provider, answer)| {
            let (text, answers) = match answer {
                Ok(text) => (text, true),
                Err(text) => (text, false),
            };
            let report = self.report(provider);
            let found = report.map(findings).unwrap_or_default();
            let found: Vec<Value> = found
                .iter()
                .map(|(severity, finding)| json!({"severity": severity, "text": describe::sentence(finding, provider)}))
                .collect();
            json!({
                "provider": provider,
                "answers": answers,
                "detail": text,
                "findings": found,
                "keys": report.map(|report| &report.keys),
                "list": report.and_then(|report| report.list.as_ref()),
                "models": report.map(|report| &report.models),
                "tls": report.and_then(|report| report.tls.as_ref()),
                "latency": report.and_then(|report| report.latency.as_ref()),
            })
        });
        providers.collect()
    }

    pub(super) fn endpoints_json(&self) -> Vec<Value> {
        endpoints::json(&self.endpoints())
    }

    pub(super) fn prices_json(&self) -> Vec<Value> {
        let pairs = self.pairs.iter().map(|pair| {
            let mut value = json!(pair);
            value["warning"] = json!(abilities::warning(pair));
            value
        });
        pairs.collect()
    }
}

fn line(severity: Severity, text: String) -> ProbeLine {
    ProbeLine { severity, text }
}

fn worded(severity: Severity, of: &str, sentence: &str) -> ProbeLine {
    line(
        severity,
        match severity {
            Severity::Fact => format!("probe: {of}: {sentence}"),
            Severity::Warning => format!("probe: {of}: warning: {sentence}"),
            Severity::Failure => format!("probe: {of} FAILS: {sentence}"),
        },
    )
}

/// The providers of these names; none: all.
fn scope(names: &[String], file: &str, policy: &Policy) -> Result<ProbeScope, Failure> {
    let known = || policy.providers.iter().map(|provider| provider.name.as_str());
    let id = |name: &String| {
        let found = (0..).map(ProviderId).zip(known()).find(|(_, known)| known == name);
        found.map(|(id, _)| id).ok_or_else(|| {
            let remedy = match nearest(name, known()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it has {}", known().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
            };
            Failure::usage(format!("--provider: {file} has no provider `{name}`; {remedy}"))
        })
    };
    Ok(ProbeScope { only: names.iter().map(id).collect::<Result<_, _>>()? })
}
