//! Every metric: its name, labels, help text and where its value comes from.
//!
//! Latencies live in one recorder for the life of the process, since only it has the samples. Counters and gauges are
//! written afresh from [`Status`] at every scrape, into a recorder that is dropped with it: a rollout that left
//! flags.yaml leaves the metrics too, and no value is ever kept in two places. Labels are bounded: names of the file,
//! outcomes, phases; never a user id or a raw model name.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use metrics::{Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::decide::breaker::BreakerState;
use crate::decide::finished::Finished;
use crate::decide::guard::aspect::Aspect;
use crate::decide::guard::waiting::{AGES, LONGER};
use crate::decide::outcome::Outcome;
use crate::decide::rollout::state::Standing;
use crate::state::access_log::Dropped;
use crate::state::counters::{Labels, Series};
use crate::state::status::{RolloutStatus, Status};

/// How a metric counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Samples in buckets.
    Histogram,
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name in the exposition.
    pub name: &'static str,
    /// How it counts.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// Its help text.
    pub help: &'static str,
}

macro_rules! metrics_list {
    ($($id:ident $name:literal $kind:ident [$($label:literal)*] $help:literal;)*) => {
        $(const $id: Metric = Metric { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };)*
        /// All of them.
        pub const ALL: &[Metric] = &[$($id),*];
    };
}

metrics_list! {
    REQUESTS "serin_requests_total" Counter ["rollout" "arm" "provider" "outcome"]
        "Requests that ended, by the arm that the split chose, the provider that answered, and the outcome.";
    ATTEMPTS "serin_attempts_total" Counter ["rollout" "arm" "provider" "outcome"]
        "Attempts that ended. A request with a retry or a fallback has several.";
    ANSWERS "serin_answers_total" Counter ["rollout" "arm" "provider" "finish"]
        "Complete generated responses, by how they ended: stop, tool_calls, length (at a limit), filtered, empty (no output), other.";
    IN_FLIGHT "serin_requests_in_flight" Gauge ["rollout" "arm" "provider"]
        "Requests that are at a provider now: dispatched, not ended, and not moved to another provider.";
    WAITING "serin_requests_waiting" Gauge ["rollout" "arm" "age"]
        "Requests that a bucket sent to an arm and that have had no output yet, by their age: less than 5s, 30s, 2m, 10m, or longer.";
    DURATION "serin_request_duration_seconds" Histogram ["rollout" "arm" "provider"]
        "Time from the arrival of a request to the end of its response.";
    FIRST_OUTPUT "serin_first_output_seconds" Histogram ["rollout" "arm" "provider"]
        "Time from the arrival of a request to the first byte of the response body.";
    FALLBACKS "serin_fallbacks_total" Counter ["rollout" "arm" "provider"]
        "Requests that were first sent to the arm's own provider and answered by this other one.";
    TOKENS "serin_tokens_total" Counter ["rollout" "arm" "provider" "kind"]
        "Tokens read (input) and written (output), as responses report them.";
    BREAKER "serin_breaker_state" Gauge ["provider"]
        "0 while a provider's breaker is closed, 1 while one request at a time tests the provider, 2 while the breaker is open.";
    DIVERTED "serin_breaker_diverted_total" Counter ["provider"]
        "Requests that went to another provider because this one's breaker was open, and did not come back.";
    PERCENT "serin_rollout_percent" Gauge ["rollout"]
        "Share of users on the canary now, 0 to 100.";
    INTENT "serin_rollout_intent_percent" Gauge ["rollout"]
        "Share that flags.yaml pins, 0 to 100; absent with percent: auto.";
    PHASE "serin_rollout_phase" Gauge ["rollout" "phase"]
        "1 for the phase of a rollout, 0 for every other phase.";
    EVIDENCE "serin_guard_evidence" Gauge ["rollout"]
        "Evidence that the canary fails more often than stable tolerates: a likelihood ratio. 0 while no user is on the canary.";
    BOUND "serin_guard_bound" Gauge ["rollout"]
        "The evidence at which the guard acts.";
    INCIDENT "serin_guard_incident" Gauge ["rollout"]
        "1 while stable is in an incident: there is no promotion, and the step's time is paused.";
    SILENCE "serin_guard_unanswered_evidence" Gauge ["rollout"]
        "Evidence, in nats, that the canary accepts requests and never answers while stable answers. The guard acts at 23, once the first request has waited long enough.";
    SAMPLES_LOST "serin_guard_samples_lost_total" Counter []
        "Requests, failures, refusals and response times that the guard did not receive, since they came faster than it reads them. It then drops its list of waiting requests.";
    ACCESS_LINES "serin_access_log_lines_total" Counter []
        "Lines of the access log that were written.";
    ACCESS_DROPPED "serin_access_log_dropped_total" Counter ["reason"]
        "Lines of the access log that were dropped: more than max_per_second (rate), the writer was behind (queue), or the file could not be written (write).";
    ANONYMOUS "serin_anonymous_ratio" Gauge ["rollout"]
        "Share of requests without a user id since the start, 0 to 1.";
    UNHELD "serin_unheld_requests_total" Counter ["rollout"]
        "Requests sent to stable, unsplit, because their JSON body was encoded or too large to buffer.";
    GENERATION "serin_flags_generation" Gauge []
        "Accepted versions of flags.yaml since the start.";
    RELOAD_FAILURES "serin_flags_reload_failures_total" Counter []
        "Versions of flags.yaml refused since the start.";
    RELOAD_SUCCESS "serin_flags_last_reload_success_timestamp_seconds" Gauge []
        "When the version of flags.yaml in force was accepted, in seconds since the Unix epoch.";
    FLAGS_IN_FORCE "serin_flags_in_force" Gauge []
        "1 while the file on disk is in force, 0 while it is refused or a kept copy is in force instead.";
    STATE_WRITABLE "serin_state_writable" Gauge []
        "1 while the state directory is writable, 0 while changes are lost at a restart.";
    LOCKS_READABLE "serin_locks_readable" Gauge []
        "1 while the locks in the state directory are readable, 0 while it is not known what is locked.";
    BUILD "serin_build_info" Gauge ["version"]
        "Always 1; the label has the version.";
}

/// Upper bounds in seconds: a cached answer takes milliseconds, a long generation minutes.
const BUCKETS: [f64; 18] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 240.0, 480.0, 900.0];

const META: Metadata<'static> = Metadata::new("serin", Level::INFO, None);

/// The metrics of one sidecar.
pub struct Metrics {
    latencies: PrometheusRecorder,
    exposition: PrometheusHandle,
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

impl Metrics {
    /// Without a sample.
    #[must_use]
    pub fn new() -> Metrics {
        let mut builder = PrometheusBuilder::new();
        for metric in ALL.iter().filter(|metric| metric.kind == Kind::Histogram) {
            builder = builder
                .set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), &BUCKETS)
                .expect("the list of buckets is not empty");
        }
        let latencies = builder.build_recorder();
        for metric in ALL.iter().filter(|metric| metric.kind == Kind::Histogram) {
            latencies.describe_histogram(metric.name.into(), None, metric.help.into());
        }
        let exposition = latencies.handle();
        Metrics { latencies, exposition }
    }

    /// A series of counts whose latencies go here.
    #[must_use]
    pub fn series(&self, labels: Labels, cores: usize) -> Arc<Series> {
        let key = |metric: &Metric| Key::from_parts(metric.name, of(&labels, metric, None));
        let duration = self.latencies.register_histogram(&key(&DURATION), &META);
        let first_output = self.latencies.register_histogram(&key(&FIRST_OUTPUT), &META);
        Arc::new(Series::new(labels, cores, duration, first_output))
    }

    /// Takes samples out of the cores' queues; without a call every few seconds they pile up.
    pub fn upkeep(&self) {
        self.exposition.run_upkeep();
    }

    /// The exposition in Prometheus' text format.
    #[must_use]
    pub fn render(&self, status: &Status) -> String {
        self.upkeep();
        let mut blocks: Vec<String> = Vec::new();
        for block in counts(status).split("\n\n").filter(|block| !block.trim().is_empty()) {
            let mut lines: Vec<&str> = block.trim().lines().collect();
            // People read this too. HELP sorts before TYPE, and both before any name.
            lines.sort_unstable();
            blocks.push(lines.join("\n"));
        }
        // The buckets of a histogram have an order of their own.
        let latencies = self.exposition.render();
        blocks.extend(latencies.split("\n\n").map(str::trim).filter(|block| !block.is_empty()).map(str::to_owned));
        blocks.sort_unstable();
        let mut text = blocks.join("\n\n");
        text.push('\n');
        text
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

/// The list of metrics for a reader: a line each, name, labels and help.
#[must_use]
pub fn document() -> String {
    ALL.iter().fold(String::new(), |mut text, metric| {
        let labels = if metric.labels.is_empty() { String::new() } else { format!("{{{}}}", metric.labels.join(",")) };
        let _ = writeln!(text, "- `{}{labels}`: {}", metric.name, metric.help);
        text
    })
}

fn of(labels: &Labels, metric: &Metric, last: Option<&str>) -> Vec<Label> {
    let values = [
        Some(labels.rollout.clone()),
        Some(labels.arm.to_owned()),
        Some(labels.provider.clone()),
        last.map(str::to_owned),
    ];
    metric.labels.iter().zip(values).filter_map(|(name, value)| Some(Label::new(*name, value?))).collect()
}

fn counts(status: &Status) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    for metric in ALL {
        match metric.kind {
            Kind::Counter => recorder.describe_counter(metric.name.into(), None, metric.help.into()),
            Kind::Gauge => recorder.describe_gauge(metric.name.into(), None, metric.help.into()),
            Kind::Histogram => {}
        }
    }
    let gauge = |metric: &Metric, values: &[&str], value: f64| {
        let labels: Vec<Label> =
            metric.labels.iter().zip(values).map(|(name, value)| Label::new(*name, (*value).to_owned())).collect();
        recorder.register_gauge(&Key::from_parts(metric.name, labels), &META).set(value);
    };
    let counter = |metric: &Metric, labels: Vec<Label>, value: u64| {
        recorder.register_counter(&Key::from_parts(metric.name, labels), &META).absolute(value);
    };
    for series in &status.series {
        let Labels { rollout, arm, provider } = &series.labels;
        gauge(&IN_FLIGHT, &[rollout, arm, provider], count(series.in_flight()));
        for outcome in Outcome::ALL {
            let last = Some(outcome.as_str());
            counter(&REQUESTS, of(&series.labels, &REQUESTS, last), series.requests(outcome));
            counter(&ATTEMPTS, of(&series.labels, &ATTEMPTS, last), series.attempts(outcome));
        }
        for finished in Finished::ALL {
            counter(&ANSWERS, of(&series.labels, &ANSWERS, Some(finished.as_str())), series.answers(finished));
        }
        let (input, output) = series.tokens();
        for (kind, tokens) in [("input", input), ("output", output)] {
            counter(&TOKENS, of(&series.labels, &TOKENS, Some(kind)), tokens);
        }
        counter(&FALLBACKS, of(&series.labels, &FALLBACKS, None), series.fallbacks());
    }
    for provider in &status.providers {
        if let Some(breaker) = &provider.breaker {
            gauge(&BREAKER, &[&provider.name], breaker_state(breaker.state));
            counter(&DIVERTED, vec![Label::new("provider", provider.name.clone())], provider.diverted);
        }
    }
    for (rollout, unheld) in unheld(&status.series) {
        counter(&UNHELD, vec![Label::new("rollout", rollout.to_owned())], unheld);
    }
    for rollout in status.rollouts.iter().filter(|rollout| rollout.canary.is_some()) {
        of_rollout(rollout, &gauge);
    }
    counter(&SAMPLES_LOST, Vec::new(), status.samples_lost);
    let (written, dropped) = status.access_log;
    counter(&ACCESS_LINES, Vec::new(), written);
    for (reason, count) in Dropped::ALL.into_iter().zip(dropped) {
        counter(&ACCESS_DROPPED, vec![Label::new("reason", reason.as_str())], count);
    }
    let flags = &status.flags;
    gauge(&GENERATION, &[], count(flags.generation));
    counter(&RELOAD_FAILURES, Vec::new(), flags.failures);
    gauge(&RELOAD_SUCCESS, &[], count(flags.accepted_at.0) / 1000.0);
    gauge(&FLAGS_IN_FORCE, &[], flag(flags.errors.is_empty() && !flags.from_last_good));
    gauge(&STATE_WRITABLE, &[], flag(status.store.error.is_none()));
    gauge(&LOCKS_READABLE, &[], flag(status.store.locks_unread.is_none()));
    gauge(&BUILD, &[env!("CARGO_PKG_VERSION")], 1.0);
    recorder.handle().run_upkeep();
    recorder.handle().render()
}

/// By rollout; unsplit traffic is not read, so nothing of it is missed.
fn unheld(series: &[Arc<Series>]) -> BTreeMap<&str, u64> {
    let mut sums = BTreeMap::new();
    for series in series.iter().filter(|series| matches!(series.labels.arm, "stable" | "canary")) {
        *sums.entry(series.labels.rollout.as_str()).or_default() += series.unheld();
    }
    sums
}

fn of_rollout(rollout: &RolloutStatus, gauge: &impl Fn(&Metric, &[&str], f64)) {
    let name = rollout.name.as_str();
    gauge(&PERCENT, &[name], rollout.percent.as_f64());
    for (arm, waiting) in ["stable", "canary"].into_iter().zip(rollout.waiting) {
        let ages = AGES.into_iter().map(|(_, age)| age).chain([LONGER]);
        for (age, count) in ages.zip(waiting) {
            gauge(&WAITING, &[name, arm, age], f64::from(count));
        }
    }
    if let Some(guard) = &rollout.guard {
        gauge(&EVIDENCE, &[name], guard.aspects[Aspect::Failing as usize].evidence);
        gauge(&BOUND, &[name], guard.bound);
        gauge(&INCIDENT, &[name], flag(guard.incident));
        gauge(&SILENCE, &[name], guard.silence.evidence);
    }
    if let Some(intent) = rollout.intent {
        gauge(&INTENT, &[name], intent.as_f64());
    }
    for standing in Standing::ALL {
        gauge(&PHASE, &[name, standing.as_str()], flag(standing == rollout.standing));
    }
    if let Some(ratio) = rollout.anonymous_ratio {
        gauge(&ANONYMOUS, &[name], ratio);
    }
}

fn breaker_state(state: BreakerState) -> f64 {
    match state {
        BreakerState::Closed => 0.0,
        BreakerState::HalfOpen => 1.0,
        BreakerState::Open => 2.0,
    }
}

fn flag(set: bool) -> f64 {
    f64::from(u8::from(set))
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; counts stay far below 2^53")]
fn count(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests;
