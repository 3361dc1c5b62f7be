//! What follows from a record: the one place from which ended attempts and requests are counted, judged and logged.
//!
//! Each sink is called here with the record and the request's scope. What must be known earlier (a request was sent,
//! output came, another candidate is asked) is reported by the [`guard report`](super::guard_report). Has no state.
//! Invariant: each sink gets each record once.

use super::breaker;
use super::cause::is_failure;
use super::earlier_plans::{EarlierPlan, EarlierPlans};
use super::guard_report::{GuardReport, NO_VERDICT};
use super::record::{AttemptRecord, FailureReason};
use super::refusal::Refusal;
use super::request_record::RequestRecord;
use crate::clock;
use crate::decide::outcome::{Ending, Outcome};
use crate::decide::units::ProviderId;
use crate::proxy::request::scope::Scope;
use crate::proxy::request::trace::Trace;
use crate::proxy::response::access::{self, PendingEntry};
use crate::state::causes::{CauseOccurrence, RequestCauses};
use crate::state::inbox::Rejection;
use crate::state::provider::ProbeToken;

/// What an account has of the provider that the split chose, until the request ends.
#[derive(Debug)]
pub(crate) struct ChosenProvider<'a> {
    pub(crate) guard: &'a mut GuardReport,
    /// Why it failed the request.
    pub(crate) met: &'a mut RequestCauses,
}

/// An attempt ended. `counts`: whether it says anything about its provider.
pub(super) fn attempt_ended(scope: &Scope, record: &AttemptRecord, chosen: ChosenProvider<'_>, counts: bool) {
    count_attempt(scope, record);
    if scope.is_chosen(record.provider) {
        chosen.guard.attempt_ended(if counts { record.outcome } else { NO_VERDICT }, record.finished);
        if chosen.guard.has_begun() {
            note_cause(scope, record, chosen.met);
        }
    }
    log(scope, record);
}

/// Reports an attempt to the provider's breaker, at once.
pub(super) fn report_to_breaker(scope: &Scope, record: &AttemptRecord, probe: &mut Option<ProbeToken>) {
    // A refusal shows that the provider is alive.
    let refused = matches!(record.ending, Ending::Answered { status: 400..=499, .. });
    // What stable always sent opens no breaker.
    let alive = refused || (record.outcome == Outcome::Malformed && !scope.is_strict(record.provider));
    // By its own time limit a client says nothing about whether a provider lives.
    let is_neutral = alive || matches!(record.ending, Ending::Expired { .. });
    let outcome = if is_neutral { Outcome::ClientError } else { record.outcome };
    breaker::attempt_ended(scope, record.provider, outcome, record.unreached, probe);
}

/// The breaker's probe was not made.
pub(super) fn release_probe(scope: &Scope, provider: ProviderId, probe: &mut Option<ProbeToken>) {
    breaker::attempt_ended(scope, provider, Outcome::SerinError, false, probe);
}

/// Reports to control that a provider refused a request, as advice for people.
pub(crate) fn report_refusal(scope: &Scope, by: ProviderId, refusal: Refusal, accepted: bool) {
    let Some(rollout) = scope.rollout() else { return };
    let Refusal { status, code, finding } = refusal;
    scope.core.report(Rejection {
        rollout: rollout.name.clone(),
        provider: scope.name(by).to_owned(),
        finding,
        status,
        code,
        accepted,
    });
}

/// A request ended. `entry`: its entry for the access log and its trace.
pub(super) fn request_ended(scope: &Scope, record: &RequestRecord<'_>, entry: Option<Box<PendingEntry>>) {
    count_request(scope, record);
    if let Some(entry) = entry {
        if let Some(trace) = entry.trace() {
            keep_exemplars(scope, record, trace);
        }
        access::ended(scope, record, *entry);
    }
    if record.met.is_empty() && record.earlier.is_empty() {
        return;
    }
    let by = scope.name(record.by);
    report_causes(scope, record.met, record.outcome, by);
    for plan in record.earlier {
        report_causes(&plan.scope, &plan.met, record.outcome, by);
    }
}

/// A request was rejected that had been attempted by plans that no longer stand.
pub(crate) fn rejected(earlier: &EarlierPlans) {
    for EarlierPlan { scope, met, .. } in earlier.plans() {
        report_causes(scope, met, Outcome::SerinError, "");
    }
}

fn count_attempt(scope: &Scope, record: &AttemptRecord) {
    let (series, core) = (scope.series(record.provider), scope.core.id);
    series.end_attempt(core, record.outcome);
    if let Some(finished) = record.finished {
        series.count_answer(core, finished);
    }
    if let Some(usage) = record.usage {
        series.count_tokens(core, usage.input, usage.output, usage.cached);
    }
}

fn count_request(scope: &Scope, record: &RequestRecord<'_>) {
    let (series, core) = (scope.series(record.by), scope.core.id);
    series.end(core, record.outcome);
    series.took(core, record.took);
    if let Some(first) = record.first_output() {
        series.had_output(core, first);
    }
    if record.is_fallback() {
        series.count_fallback(core);
    }
}

fn keep_exemplars(scope: &Scope, record: &RequestRecord<'_>, trace: &Trace) {
    let (series, at) = (scope.series(record.by), trace.arrived + record.took);
    series.keep_duration(trace.exemplar(record.took, at));
    if let Some(first) = record.first_output() {
        series.keep_first_output(trace.exemplar(first, at));
    }
}

fn note_cause(scope: &Scope, record: &AttemptRecord, met: &mut RequestCauses) {
    // A shortage of Serin's own is no failure of its provider.
    if let Some(FailureReason { cause, request_id }) = record.failure.as_deref()
        && is_failure(record.outcome)
        && let Some(sink) = scope.guard()
    {
        let seen = CauseOccurrence { outcome: record.outcome, cause, request_id: request_id.as_deref() };
        sink.evidence.causes.record(sink.whose.arm, &seen, clock::now(), met);
    }
}

/// Reports what became of a request that the chosen provider failed. `by`: the provider whose answer its client got.
fn report_causes(scope: &Scope, met: &RequestCauses, outcome: Outcome, by: &str) {
    if met.is_empty() {
        return;
    }
    let Some(sink) = scope.guard() else { return };
    let causes = &sink.evidence.causes;
    match outcome {
        Outcome::Ok | Outcome::Empty | Outcome::ClientError if by != scope.name(scope.plan.provider) => {
            causes.answered(sink.whose.arm, met, by);
        }
        // A client that left got no answer and saw no error.
        Outcome::Ok | Outcome::Empty | Outcome::ClientError | Outcome::ClientGone => {}
        _ => causes.failed(sink.whose.arm, met, sink.whose.slot),
    }
}

fn log(scope: &Scope, record: &AttemptRecord) {
    let Some(FailureReason { cause, .. }) = record.failure.as_deref() else { return };
    let (plan, rollout) = (&scope.plan, scope.rollout().map(|rollout| &*rollout.name));
    tracing::debug!(
        rollout = rollout.unwrap_or("-"),
        arm = plan.arm.map_or("-", |arm| arm.as_str()),
        provider = scope.name(record.provider),
        outcome = record.outcome.as_str(),
        status = record.status,
        key = record.key,
        after = record.times.after(record.times.end).map(tracing::field::debug),
        "attempt failed: {cause}"
    );
}
