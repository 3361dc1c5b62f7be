//! Every metric: its name, labels, help text and where its value comes from.
//!
//! All are written afresh from [`Status`] at every scrape: no value is ever kept in two places, and what a rollout is
//! at leaves the metrics with it; what was counted stays, since a scraper takes differences. Labels are bounded: names
//! of the file, outcomes, phases; never a user id or a raw model name.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use super::exposition::{Exposition, Format};
use super::metric::{Metric, MetricKind};
use crate::clock;
use crate::decide::breaker::BreakerPhase;
use crate::decide::comparison::defect::Defect;
use crate::decide::comparison::tally::Tally;
use crate::decide::finish_kind::FinishKind;
use crate::decide::guard::aspect::Aspect;
use crate::decide::guard::waiting::{AGES, LONGER};
use crate::decide::outcome::Outcome;
use crate::decide::rollout::state::OverallPhase;
use crate::decide::tls_failure::TlsFailure;
use crate::decide::websocket::{CODES, ClosedBy};
use crate::state::access_log::Dropped;
use crate::state::ambiguous_closes::AmbiguousCloseReason;
use crate::state::counters::{Series, SeriesLabels};
use crate::state::limit::{LimitKind, Turned};
use crate::state::spans::SpanFate;
use crate::state::state_ids::OwnerReport;
use crate::state::status::{ComparisonStatus, KeyCondition, LimitStatus, RolloutStatus, Status, TlsStatus};

macro_rules! metrics_list {
    ($($id:ident $name:literal $kind:ident [$($label:literal)*] $help:literal;)*) => {
        $(const $id: Metric = Metric { name: $name, kind: MetricKind::$kind, labels: &[$($label),*], help: $help };)*
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
    WEBSOCKETS "serin_websocket_sessions" Gauge ["rollout" "arm" "provider"]
        "WebSocket sessions that are open now. Only where there was one.";
    WEBSOCKET_CLOSES "serin_websocket_closes_total" Counter ["provider" "by" "code"]
        "WebSocket sessions that ended, by the side that closed first (client, provider, serin) and by its close code: 1000 to 1003, 1007 to 1014, none (a close frame without a code), cut (no close frame), 3xxx, 4xxx, other.";
    DURATION "serin_request_duration_seconds" Histogram ["rollout" "arm" "provider"]
        "Time from the arrival of a request to the end of its response.";
    FIRST_OUTPUT "serin_first_output_seconds" Histogram ["rollout" "arm" "provider"]
        "Time from the arrival of a request to the first byte of the response body.";
    FALLBACKS "serin_fallbacks_total" Counter ["rollout" "arm" "provider"]
        "Requests that were first sent to the arm's own provider and answered by this other one.";
    LAST_RESORTS "serin_last_resorts_total" Counter ["rollout" "arm" "provider"]
        "Requests that every candidate failed and that were answered with the text of `last_resort`, by the provider that the split chose.";
    TOKENS "serin_tokens_total" Counter ["rollout" "arm" "provider" "kind"]
        "Tokens read (input) and written (output), as responses report them.";
    BREAKER "serin_breaker_state" Gauge ["provider"]
        "0 while a provider's breaker is closed, 1 while one request at a time tests the provider, 2 while the breaker is open.";
    DIVERTED "serin_breaker_diverted_total" Counter ["provider"]
        "Requests that went to another provider because this one's breaker was open, counted when they end. A request that came back because no other provider answered is not counted.";
    KEY "serin_key_state" Gauge ["provider" "key"]
        "0 while a provider's key is usable, 1 while it rests (asked too often, or its quota is spent), 2 while it is refused. `key` is its position in the file, from 1 on.";
    LIMITED "serin_limited_requests_total" Counter ["provider" "limit" "then"]
        "Requests that a provider's rate_limit had no room for, by limit (requests, tokens, in_flight) and by what became of them: other (another candidate was tried), waited (their turn came), sent_anyway (it did not), refused, observed.";
    LIMIT_LEFT "serin_limit_left" Gauge ["provider" "limit"]
        "Requests and tokens that a provider's rate_limit would let pass at once now.";
    LIMIT_WAITING "serin_limit_waiting" Gauge ["provider"]
        "Requests that wait for their turn within a provider's rate_limit.";
    CLIENT_LIMITED "serin_client_limited_requests_total" Counter ["client" "then"]
        "Requests that a client's rate_limit had no room for: refused, observed.";
    PERCENT "serin_rollout_percent" Gauge ["rollout"]
        "Share of users on the canary now, 0 to 100.";
    INTENT "serin_rollout_intent_percent" Gauge ["rollout"]
        "Share that flags.yaml pins, 0 to 100; absent with percent: auto.";
    PHASE "serin_rollout_phase" Gauge ["rollout" "phase"]
        "1 for the phase of a rollout, 0 for every other phase: probing, ramping, confirming, completed, pinned, paused, rolled_back, locked, blocked.";
    HELD "serin_rollout_held" Gauge ["rollout"]
        "1 while the time of a step is over and something still holds the promotion: too few requests, the guard, or the hours of the ramp. `serin status` shows what.";
    ROLLBACK_READY "serin_rollback_ready" Gauge ["rollout"]
        "1 while stable could take everybody back: it answers, has a usable key, its limits fit the present traffic, and it is as quick as usual. 0 while it could not. `serin status` shows why.";
    EVIDENCE "serin_guard_evidence" Gauge ["rollout"]
        "Evidence that the canary fails more often than stable tolerates: a likelihood ratio. 0 while no user is on the canary, as after a rollback.";
    BOUND "serin_guard_bound" Gauge ["rollout"]
        "The evidence at which the guard acts.";
    INCIDENT "serin_guard_incident" Gauge ["rollout"]
        "1 while stable is in an incident: there is no promotion, and the step's time is paused.";
    FEEDBACK "serin_feedback_total" Counter ["rollout" "arm" "verdict"]
        "Verdicts of the application on responses, good or bad, including those that are no evidence for the guard.";
    FEEDBACK_EVIDENCE "serin_guard_feedback_evidence" Gauge ["rollout"]
        "Evidence that the canary has more bad verdicts than stable tolerates: a likelihood ratio, compared with serin_guard_bound. Only with guard.feedback.";
    SILENCE "serin_guard_unanswered_evidence" Gauge ["rollout"]
        "Evidence, in nats, that the canary accepts requests and never answers while stable answers. The guard acts at 23, once the first request has waited long enough.";
    COMPARE_REQUESTS "serin_compare_requests_total" Counter ["rollout" "purpose" "stage"]
        "Requests of stable on their way to be compared with a copy at the canary, by purpose (rehearsal, comparison) and by how far they came: seen, sampled, sent, answered, compared.";
    COMPARE_SKIPPED "serin_compare_skipped_total" Counter ["rollout" "purpose" "reason"]
        "Sampled requests that were not compared, by reason. `serin compare` shows the same.";
    COMPARE_DEFECTS "serin_compare_defects_total" Counter ["rollout" "purpose" "defect"]
        "Copies that the canary failed although stable had answered the request: key, quota, parameter, model, context_length, endpoint, refused, malformed, server, unreachable, timed_out, broken_off.";
    COMPARE_PAIRS "serin_compare_pairs_total" Counter ["rollout" "purpose" "aspect" "alike"]
        "Pairs of responses by aspect (status, finish, json, schema, tools, arguments, script, length), and whether they are alike (true, false).";
    COMPARE_COST "serin_compare_cost_usd_total" Counter ["rollout" "purpose"]
        "What copies cost in USD, by the canary's prices, as far as it is known.";
    COMPARE_REHEARSED "serin_compare_rehearsal_passed" Gauge ["rollout"]
        "1 while the rehearsal is passed, 0 while it is not. Only with rehearse.";
    SAMPLES_LOST "serin_guard_samples_lost_total" Counter []
        "Requests, failures, refusals and response times that the guard did not receive, since they came faster than it reads them. It then drops its list of waiting requests.";
    ACCESS_LINES "serin_access_log_lines_total" Counter []
        "Lines of the access log that were written.";
    ACCESS_DROPPED "serin_access_log_dropped_total" Counter ["reason"]
        "Lines of the access log that were dropped: more than max_per_second (rate), the writer was behind (queue), or the file could not be written (write).";
    SPANS "serin_spans_total" Counter ["result"]
        "Spans of traces: taken by the collector (sent); dropped because a queue was full or traces were switched off (dropped); refused by the collector (refused); not taken in several tries (failed).";
    AMBIGUOUS_CLOSES "serin_ambiguous_closes_total" Counter ["reason"]
        "Connections whose client closed its side with a request open and was taken to have left, since it could not be tested: HTTP/1.0 (http10), a body passed on as it comes (body), within a response (answer), HTTP/2 (http2).";
    STATE_IDS "serin_state_ids" Gauge ["provider"]
        "Ids of responses, files, conversations and the like that a provider other than stable keeps: requests that name them go there.";
    STATE_USED "serin_state_last_used_timestamp_seconds" Gauge ["provider"]
        "When the last of a provider's ids was used, in seconds since the Unix epoch.";
    STATE_EVICTED "serin_state_ids_evicted_total" Counter []
        "Ids that were forgotten because there were more than limits.state_ids. Each is found again where stable does not know it.";
    STATE_UNWRITTEN "serin_state_ids_unwritten_total" Counter []
        "Changes of ids that came faster than the disk took them. A restart does not know them; they are found again in the same way.";
    TLS_EXPIRY "serin_tls_certificate_expiry_timestamp_seconds" Gauge []
        "When the certificate that listen_tls shows expires, in seconds since the Unix epoch. Only with listen_tls.";
    TLS_IN_FORCE "serin_tls_certificate_in_force" Gauge []
        "1 while the certificate in the files of listen_tls is the one that is shown, 0 while they cannot be used and an earlier one is shown. Only with listen_tls.";
    TLS_FAILURES "serin_tls_handshake_failures_total" Counter ["reason"]
        "Connections to listen_tls that failed in the handshake: HTTP without TLS (plain_http), neither of them (not_tls), a client that does not accept the certificate (refused), no version, cipher or protocol in common (nothing_in_common), a client that left half-way (broken_off) or did not finish in time (unfinished).";
    NOTIFICATIONS "serin_notifications_total" Counter ["target" "result"]
        "Notifications by their end: delivered, given_up (refused, or tried for three days), dropped (more than 1,000 waited, or the target left the file); and retried: tries that failed and were followed by others.";
    NOTIFICATIONS_QUEUED "serin_notifications_queued" Gauge ["target"]
        "Notifications that wait to be delivered.";
    ANONYMOUS "serin_anonymous_ratio" Gauge ["rollout"]
        "Share of requests without a user id since the start, 0 to 1. `serin status` also shows that of the last five minutes, and a remedy if it is above 20%.";
    UNHELD "serin_unheld_requests_total" Counter ["rollout"]
        "Requests sent to stable, unsplit, because their JSON body was encoded or beyond limits.replay_body or limits.replay_memory.";
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

/// The list of metrics for a reader, as a table in Markdown: name, type, labels and help.
#[must_use]
pub fn document() -> String {
    ALL.iter().fold("| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n".to_owned(), |mut text, metric| {
        let (name, kind, labels) = (metric.name, metric.kind.as_str(), metric.labels.join(", "));
        let _ = writeln!(text, "| `{name}` | {kind} | {labels} | {} |", metric.help);
        text
    })
}

/// The exposition in this format.
#[must_use]
pub fn render(status: &Status, format: Format) -> String {
    let mut exposition = Exposition::new(format);
    for series in &status.series {
        of_series(series, &mut exposition);
    }
    for provider in &status.providers {
        if let Some(breaker) = &provider.breaker {
            exposition.add(&BREAKER, &[&provider.name], breaker_state(breaker.state));
            exposition.add(&DIVERTED, &[&provider.name], provider.diverted);
        }
        for key in &provider.keys {
            exposition.add(&KEY, &[&provider.name, &key.position.to_string()], key_state(key.condition));
        }
        if let Some(limit) = &provider.limit {
            of_limit(&provider.name, limit, &mut exposition);
        }
    }
    for client in &status.client_limits {
        for (then, count) in [("refused", client.refused), ("observed", client.observed)] {
            exposition.add(&CLIENT_LIMITED, &[&client.name, then], count);
        }
    }
    for ((provider, by, cell), count) in websocket_closes(&status.series) {
        exposition.add(&WEBSOCKET_CLOSES, &[provider, ClosedBy::ALL[by].as_str(), CODES[cell]], count);
    }
    for (rollout, unheld) in unheld(&status.series) {
        exposition.add(&UNHELD, &[rollout], unheld);
    }
    for rollout in status.rollouts.iter().filter(|rollout| rollout.canary.is_some()) {
        of_rollout(rollout, &mut exposition);
    }
    exposition.add(&SAMPLES_LOST, &[], status.samples_lost);
    let (written, dropped) = status.access_log;
    exposition.add(&ACCESS_LINES, &[], written);
    for (reason, count) in Dropped::ALL.into_iter().zip(dropped) {
        exposition.add(&ACCESS_DROPPED, &[reason.as_str()], count);
    }
    for (fate, count) in SpanFate::ALL.into_iter().zip(status.spans) {
        exposition.add(&SPANS, &[fate.as_str()], count);
    }
    // After an edit of its base_url a provider is here twice.
    let mut by_name = BTreeMap::<&str, (u64, u64)>::new();
    for OwnerReport { owner, ids, last_used } in &status.kept_state {
        let (sum, last) = by_name.entry(&owner.name).or_default();
        (*sum, *last) = (*sum + ids, last_used.0.max(*last));
    }
    for (name, (ids, last_used)) in by_name {
        exposition.add(&STATE_IDS, &[name], ids);
        exposition.add(&STATE_USED, &[name], Duration::from_millis(last_used).as_secs_f64());
    }
    for (metric, count) in [&STATE_EVICTED, &STATE_UNWRITTEN].into_iter().zip(status.state_ids_lost) {
        exposition.add(metric, &[], count);
    }
    for (why, count) in AmbiguousCloseReason::ALL.into_iter().zip(status.ambiguous_closes) {
        exposition.add(&AMBIGUOUS_CLOSES, &[why.as_str()], count);
    }
    if let Some(tls) = &status.tls {
        of_tls(tls, &mut exposition);
    }
    for target in &status.notify {
        let counts = [
            ("delivered", target.delivered),
            ("retried", target.retried),
            ("given_up", target.given_up),
            ("dropped", target.dropped),
        ];
        for (result, count) in counts {
            exposition.add(&NOTIFICATIONS, &[&target.name, result], count);
        }
        exposition.add(&NOTIFICATIONS_QUEUED, &[&target.name], target.queued);
    }
    let flags = &status.flags;
    exposition.add(&GENERATION, &[], flags.generation);
    exposition.add(&RELOAD_FAILURES, &[], flags.failures);
    exposition.add(&RELOAD_SUCCESS, &[], Duration::from_millis(flags.accepted_at.0).as_secs_f64());
    exposition.add(&FLAGS_IN_FORCE, &[], flag(flags.errors.is_empty() && !flags.from_last_good));
    exposition.add(&STATE_WRITABLE, &[], flag(status.store.error.is_none()));
    exposition.add(&LOCKS_READABLE, &[], flag(status.store.locks_unread.is_none()));
    exposition.add(&BUILD, &[env!("CARGO_PKG_VERSION")], 1);
    exposition.text()
}

fn of_series(series: &Series, exposition: &mut Exposition) {
    let SeriesLabels { rollout, arm, provider } = &series.labels;
    let labels = [rollout.as_str(), arm, provider];
    let and = |last| [rollout.as_str(), arm, provider, last];
    exposition.add(&IN_FLIGHT, &labels, series.in_flight());
    for outcome in Outcome::ALL {
        exposition.add(&REQUESTS, &and(outcome.as_str()), series.requests(outcome));
        exposition.add(&ATTEMPTS, &and(outcome.as_str()), series.attempts(outcome));
    }
    for finished in FinishKind::ALL {
        exposition.add(&ANSWERS, &and(finished.as_str()), series.answers(finished));
    }
    let (input, output) = series.tokens();
    for (kind, tokens) in [("input", input), ("output", output)] {
        exposition.add(&TOKENS, &and(kind), tokens);
    }
    if series.websockets().is_used() {
        exposition.add(&WEBSOCKETS, &labels, series.websockets().open().0 as u64);
    }
    exposition.add(&FALLBACKS, &labels, series.fallbacks());
    exposition.add(&LAST_RESORTS, &labels, series.last_resorts());
    let [durations, first_outputs] = series.exemplars();
    exposition.add_latency(&DURATION, &labels, &series.duration(), &durations);
    exposition.add_latency(&FIRST_OUTPUT, &labels, &series.first_output(), &first_outputs);
}

fn of_limit(provider: &str, limit: &LimitStatus, exposition: &mut Exposition) {
    let LimitStatus { requests_per_minute, tokens_per_minute, most_in_flight, .. } = limit;
    let asked = [requests_per_minute.is_some(), tokens_per_minute.is_some(), most_in_flight.is_some()];
    for ((kind, counts), _) in LimitKind::ALL.into_iter().zip(limit.turned).zip(asked).filter(|(_, asked)| *asked) {
        for (turned, count) in Turned::ALL.into_iter().zip(counts) {
            exposition.add(&LIMITED, &[provider, kind.as_str(), turned.as_str()], count);
        }
    }
    for (kind, left) in [("requests", limit.requests_left), ("tokens", limit.tokens_left)] {
        if let Some(left) = left {
            exposition.add(&LIMIT_LEFT, &[provider, kind], left);
        }
    }
    exposition.add(&LIMIT_WAITING, &[provider], limit.waiting);
}

/// Sessions that ended, by provider, side and code.
fn websocket_closes(series: &[Arc<Series>]) -> BTreeMap<(&str, usize, usize), u64> {
    let mut sums = BTreeMap::new();
    for series in series.iter().filter(|series| series.websockets().is_used()) {
        for (by, side) in ClosedBy::ALL.into_iter().enumerate() {
            let counts = series.websockets().closed(side).into_iter().enumerate().filter(|(_, count)| *count > 0);
            for (cell, count) in counts {
                *sums.entry((series.labels.provider.as_str(), by, cell)).or_default() += count;
            }
        }
    }
    sums
}

/// By rollout; unsplit traffic is not read, so nothing of it is missed.
fn unheld(series: &[Arc<Series>]) -> BTreeMap<&str, u64> {
    let mut sums = BTreeMap::new();
    for series in series.iter().filter(|series| matches!(series.labels.arm, "stable" | "canary")) {
        *sums.entry(series.labels.rollout.as_str()).or_default() += series.unbuffered();
    }
    sums
}

fn of_tls(tls: &TlsStatus, exposition: &mut Exposition) {
    exposition.add(&TLS_EXPIRY, &[], Duration::from_millis(tls.expires_at.0).as_secs_f64());
    exposition.add(&TLS_IN_FORCE, &[], flag(tls.problem.is_none()));
    for (why, count) in TlsFailure::ALL.into_iter().zip(tls.failures) {
        exposition.add(&TLS_FAILURES, &[why.as_str()], count);
    }
}

fn of_rollout(rollout: &RolloutStatus, exposition: &mut Exposition) {
    let name = rollout.name.as_str();
    exposition.add(&PERCENT, &[name], rollout.percent.as_f64());
    for (arm, waiting) in ["stable", "canary"].into_iter().zip(rollout.waiting) {
        let ages = AGES.into_iter().map(|(_, age)| age).chain([LONGER]);
        for (age, count) in ages.zip(waiting) {
            exposition.add(&WAITING, &[name, arm, age], count);
        }
    }
    exposition.add(&ROLLBACK_READY, &[name], flag(rollout.not_ready.is_empty()));
    if let Some(guard) = &rollout.guard {
        exposition.add(&EVIDENCE, &[name], guard.aspects[Aspect::Failing as usize].evidence);
        exposition.add(&BOUND, &[name], guard.bound);
        exposition.add(&INCIDENT, &[name], flag(guard.incident));
        exposition.add(&SILENCE, &[name], guard.silence.evidence);
        let feedback = &guard.aspects[Aspect::Feedback as usize];
        if feedback.watched {
            exposition.add(&FEEDBACK_EVIDENCE, &[name], feedback.evidence);
        }
        // A file without feedback has no verdicts, and no lines of them.
        if feedback.watched || guard.verdicts != [[0; 2]; 2] {
            for (arm, counts) in ["stable", "canary"].into_iter().zip(guard.verdicts) {
                for (verdict, count) in ["good", "bad"].into_iter().zip(counts) {
                    exposition.add(&FEEDBACK, &[name, arm, verdict], count);
                }
            }
        }
    }
    if let Some(intent) = rollout.intent {
        exposition.add(&INTENT, &[name], intent.as_f64());
    }
    for phase in OverallPhase::ALL {
        exposition.add(&PHASE, &[name, phase.as_str()], flag(phase == rollout.phase));
    }
    let is_due = rollout.next.as_ref().is_some_and(|next| next.not_before <= clock::unix());
    exposition.add(&HELD, &[name], flag(is_due && !rollout.waiting_for.is_empty()));
    if let Some(ratio) = rollout.anonymous_ratio {
        exposition.add(&ANONYMOUS, &[name], ratio);
    }
    if let Some(copies) = &rollout.comparison {
        of_comparison(name, copies, exposition);
    }
}

/// Of a rollout whose file asks for copies. Those of a rehearsal begin anew with each round.
fn of_comparison(rollout: &str, status: &ComparisonStatus, exposition: &mut Exposition) {
    if status.rehearse.is_some() {
        exposition.add(&COMPARE_REHEARSED, &[rollout], flag(status.record.rehearsal.is_passed()));
        of_tally([rollout, "rehearsal"], &status.record.rehearsal.tally, exposition);
    }
    if status.compare.is_some() {
        of_tally([rollout, "comparison"], &status.record.comparison, exposition);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for charts")]
fn of_tally([rollout, purpose]: [&str; 2], tally: &Tally, exposition: &mut Exposition) {
    let funnel = &tally.funnel;
    let stages = [
        ("seen", funnel.seen),
        ("sampled", funnel.sampled),
        ("sent", funnel.sent),
        ("answered", funnel.answered),
        ("compared", funnel.compared),
    ];
    for (stage, count) in stages {
        exposition.add(&COMPARE_REQUESTS, &[rollout, purpose, stage], count);
    }
    for (why, count) in &funnel.skipped {
        exposition.add(&COMPARE_SKIPPED, &[rollout, purpose, why.as_str()], *count);
    }
    for word in Defect::WORDS {
        let of_kind = tally.defects.iter().filter(|(defect, _)| defect.as_str() == word);
        let count: u64 = of_kind.map(|(_, count)| count).sum();
        exposition.add(&COMPARE_DEFECTS, &[rollout, purpose, word], count);
    }
    for (aspect, [alike, different]) in &tally.aspects {
        exposition.add(&COMPARE_PAIRS, &[rollout, purpose, aspect.as_str(), "true"], *alike);
        exposition.add(&COMPARE_PAIRS, &[rollout, purpose, aspect.as_str(), "false"], *different);
    }
    exposition.add(&COMPARE_COST, &[rollout, purpose], tally.spent as f64 / 1e12);
}

fn breaker_state(state: BreakerPhase) -> u8 {
    match state {
        BreakerPhase::Closed => 0,
        BreakerPhase::HalfOpen => 1,
        BreakerPhase::Open => 2,
    }
}

fn key_state(condition: KeyCondition) -> u8 {
    match condition {
        KeyCondition::Usable => 0,
        KeyCondition::Throttled { .. } | KeyCondition::Spent { .. } => 1,
        KeyCondition::Refused { .. } => 2,
    }
}

fn flag(set: bool) -> u8 {
    u8::from(set)
}

#[cfg(test)]
mod tests;
