//! What follows from a record: the one place from which attempts and requests that ended are counted, judged and logged.
//!
//! Whoever wants to know of them is called here, with the record and whose request it was. What has to be told earlier (a
//! request was sent, output came, somebody else is asked) is the [`guard report`](super::guard_report)'s. Owns no state.
//! Invariant: each consumer is given each record once.

use super::breaker;
use super::cause::is_failure;
use super::guard_report::{GuardReport, NOTHING};
use super::record::{AttemptRecord, FailureReason, RequestRecord};
use super::refusal::Refusal;
use super::replanned::{EarlierPlan, EarlierPlans};
use crate::clock;
use crate::decide::outcome::{Ending, Outcome};
use crate::decide::units::ProviderId;
use crate::proxy::request::scope::Scope;
use crate::proxy::response::access::{self, PendingEntry};
use crate::state::causes::{Met, Seen};
use crate::state::inbox::Refused;
use crate::state::provider::Ticket;

/// What is kept of the provider that the split chose, until the request has ended.
#[derive(Debug)]
pub(crate) struct ChosenProvider<'a> {
    /// What the guard was told.
    pub(crate) guard: &'a mut GuardReport,
    /// What failed the request.
    pub(crate) met: &'a mut Met,
}

/// An attempt ended. `speaks`: whether it says anything of its provider.
pub(crate) fn attempt_ended(scope: &Scope, record: &AttemptRecord, own: ChosenProvider<'_>, speaks: bool) {
    count_attempt(scope, record);
    if scope.is_own(record.provider) {
        own.guard.saw(if speaks { record.outcome } else { NOTHING }, record.finished);
        if own.guard.is_given() {
            note_cause(scope, record, own.met);
        }
    }
    log(scope, record);
}

/// What it means for the provider's breaker, which is told at once.
pub(crate) fn breaker(scope: &Scope, record: &AttemptRecord, probe: &mut Option<Ticket>) {
    // A refusal says that the provider lives, whatever it means.
    let refused = matches!(record.ending, Ending::Answered { status: 400..=499, .. });
    // What stable always sent opens no breaker.
    let lives = refused || (record.outcome == Outcome::Malformed && !scope.is_strict(record.provider));
    let outcome = if lives { Outcome::ClientError } else { record.outcome };
    tell(scope, record.provider, outcome, record.unreached, probe);
}

/// An attempt that was to find out for the breaker comes to nothing.
pub(crate) fn give_back(scope: &Scope, provider: ProviderId, probe: &mut Option<Ticket>) {
    tell(scope, provider, Outcome::SerinError, false, probe);
}

fn tell(scope: &Scope, provider: ProviderId, outcome: Outcome, unreached: bool, probe: &mut Option<Ticket>) {
    breaker::tell(scope, &breaker::AttemptEnd { provider, outcome, unreached }, probe);
}

/// A provider refused a request: people are advised by it.
pub(crate) fn refusal(scope: &Scope, by: ProviderId, refusal: Refusal, accepted: bool) {
    let Some(rollout) = scope.rollout() else { return };
    let Refusal { status, code, finding } = refusal;
    scope.core.report(Refused {
        rollout: rollout.name.clone(),
        provider: scope.name(by).to_owned(),
        finding,
        status,
        code,
        accepted,
    });
}

/// A request ended. `draft`: what was kept for its line in the access log.
pub(crate) fn request_ended(scope: &Scope, record: &RequestRecord<'_>, draft: Option<Box<PendingEntry>>) {
    count_request(scope, record);
    if let Some(draft) = draft {
        access::ended(scope, record, *draft);
    }
    if record.met.is_empty() && record.before.is_empty() {
        return;
    }
    let by = scope.name(record.by);
    settle(scope, record.met, record.outcome, by);
    for chapter in record.before {
        settle(&chapter.scope, &chapter.met, record.outcome, by);
    }
}

/// A request was turned away that had been attempted by plans that no longer stand.
pub(crate) fn rejected(before: &EarlierPlans) {
    for EarlierPlan { scope, met, .. } in before.chapters() {
        settle(scope, met, Outcome::SerinError, "");
    }
}

fn count_attempt(scope: &Scope, record: &AttemptRecord) {
    let (series, core) = (scope.series(record.provider), scope.core.id);
    series.end_attempt(core, record.outcome);
    if let Some(finished) = record.finished {
        series.count_answer(core, finished);
    }
    if let Some(usage) = record.usage {
        series.count_tokens(core, usage.input, usage.output);
    }
}

fn count_request(scope: &Scope, record: &RequestRecord<'_>) {
    let (series, core) = (scope.series(record.by), scope.core.id);
    series.end(core, record.outcome);
    series.took(core, record.took);
    if let Some(first) = record.attempts.last().and_then(|last| last.times.after(last.times.first_output)) {
        series.had_output(core, first);
    }
    if record.is_fallback() {
        series.count_fallback(core);
    }
}

fn note_cause(scope: &Scope, record: &AttemptRecord, met: &mut Met) {
    // What Serin itself lacked is no failure of its provider.
    if let Some(FailureReason { cause, request_id }) = record.failure.as_deref()
        && is_failure(record.outcome)
        && let Some(sink) = scope.guard()
    {
        let seen = Seen { outcome: record.outcome, cause, request_id: request_id.as_deref() };
        sink.evidence.causes.note(sink.whose.arm, &seen, clock::now(), met);
    }
}

/// What became of a request that the chosen provider failed. `by`: whose answer its client got.
fn settle(scope: &Scope, met: &Met, outcome: Outcome, by: &str) {
    if met.is_empty() {
        return;
    }
    let Some(sink) = scope.guard() else { return };
    let causes = &sink.evidence.causes;
    match outcome {
        Outcome::Ok | Outcome::Empty | Outcome::ClientError if by != scope.name(scope.plan.provider) => {
            causes.answered(sink.whose.arm, met, by);
        }
        // Whoever left was answered by nobody and saw no error.
        Outcome::Ok | Outcome::Empty | Outcome::ClientError | Outcome::ClientGone => {}
        _ => causes.failed(sink.whose.arm, met, sink.whose.slot),
    }
}

/// For whoever asks for all that there is.
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
