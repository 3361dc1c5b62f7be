//! One request's account: begun once, ended once, with an attempt or more in between.
//!
//! It is charged to the arm that the split chose and to the snapshot by which it was first dispatched; an attempt at
//! another provider is counted under that provider's name and is never evidence. What the guard is told of it is its
//! [`Testimony`], given as soon as it is certain. What was seen decides: an answer that reached its end is complete, even
//! if the connection is dropped right after. A drop before that is the client's leaving, or Serin's own doing while it
//! cuts or unwinds. Invariants: every attempt that was dispatched ends with exactly one outcome, and so does every
//! request that began.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use http::HeaderValue;

use super::breaker::{Told, tell};
use super::core::{Core, InUse};
use super::departure::is_entitled;
use super::error::Problem;
use super::observer::Summary;
use super::refusal::Refusal;
use super::sighting;
use super::testimony::{Hearing, NOTHING, Testimony};
use super::tries::Target;
use crate::clock;
use crate::decide::finished::Finished;
use crate::decide::guard::waiting::Kind;
use crate::decide::outcome::{BodyEnd, Ending, Grounds, Outcome, classify};
use crate::decide::route::{Plan, Reason};
use crate::decide::units::{Arm, Percent, ProviderId};
use crate::state::counters::Series;
use crate::state::health::{Breaker, Ticket};
use crate::state::inbox::Refused;
use crate::state::silence::Whose;
use crate::wire::finish::Finish;
use crate::wire::shape::Shape;

/// One request's account.
#[derive(Debug)]
pub(crate) struct Exchange {
    core: Rc<Core>,
    /// What was in force when it was dispatched.
    in_use: Rc<InUse>,
    plan: Plan,
    arrived: Instant,
    target: Target,
    /// Whether this attempt finds out for the breaker.
    probe: Option<Ticket>,
    /// Whose request it is at present; `None`: not dispatched yet.
    at: Option<ProviderId>,
    own_key: bool,
    /// Whether the provider could not be connected to, for nothing that the request is.
    unreached: bool,
    stage: Stage,
    /// Attempts so far.
    attempts: u16,
    /// How it wants its answer.
    kind: Kind,
    /// What the guard is told.
    testimony: Testimony,
    /// A refusal whose meaning hangs on stable's answer.
    question: Option<Box<Question>>,
    /// What the attempt's answer says of its end, where it was read.
    said: Option<Said>,
}

/// What a generated answer says of its end.
#[derive(Clone, Copy, Debug)]
struct Said {
    finish: Option<Finish>,
    outputs: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// No attempt is under way.
    Idle,
    /// Sent, no head of an answer yet.
    Dispatched,
    /// A head with this status came; `begun`: and some of its body.
    Answered { status: u16, begun: bool },
    /// Accounted for, or never to be.
    Over,
}

/// A part of an answer's body, with what came before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// There is no output in it yet.
    Frame,
    /// There is some.
    Output,
    /// It is the whole answer.
    Last,
}

/// What the canary refused.
#[derive(Debug)]
struct Question {
    /// Its provider.
    by: ProviderId,
    refusal: Refusal,
}

impl Exchange {
    /// For a request that is about to be dispatched by this plan.
    pub(crate) fn planned(core: &Rc<Core>, in_use: &Rc<InUse>, plan: Plan, kind: Kind, arrived: Instant) -> Exchange {
        let target = Target { id: plan.provider, turn: 0 };
        Exchange {
            core: Rc::clone(core),
            in_use: Rc::clone(in_use),
            plan,
            arrived,
            target,
            probe: None,
            at: None,
            own_key: false,
            unreached: false,
            stage: Stage::Idle,
            attempts: 0,
            kind,
            testimony: Testimony::default(),
            question: None,
            said: None,
        }
    }

    /// Who is tried next, and whether with a key of Serin's own. The same provider tried again without a ticket goes on
    /// with the one that it had.
    pub(crate) fn aim(&mut self, target: Target, probe: Option<Ticket>, own_key: bool) {
        if probe.is_some() || target.id != self.target.id {
            self.give_probe_back();
            self.probe = probe;
        }
        (self.target, self.unreached) = (target, false);
        if !self.is_own()
            && let Some(to) = hearing(&self.in_use, &self.plan, &self.core, self.kind)
        {
            self.testimony.goes_elsewhere(to);
        }
        self.own_key = own_key;
    }

    /// The breaker sends it elsewhere: whatever follows says nothing about the canary.
    pub(crate) fn divert(&mut self, from: ProviderId, breaker: Breaker) {
        self.in_use.snapshot.health(from).count_diverted(breaker);
        self.plan.counted = false;
    }

    /// The last look before the request leaves: begins the attempt and says true if the plan still stands. A newer
    /// snapshot that changes nothing for this request does not send it back.
    pub(crate) fn dispatch(&mut self) -> bool {
        let now = self.core.in_use();
        if !Rc::ptr_eq(&now, &self.in_use) {
            if !self.still_stands(&now) {
                return false;
            }
            if self.attempts == 0 {
                self.in_use = now;
            }
        }
        self.begin();
        if self.is_own()
            && self.testimony.is_news()
            && let Some(to) = hearing(&self.in_use, &self.plan, &self.core, self.kind)
        {
            self.testimony.sent(to, clock::instant);
        }
        true
    }

    fn still_stands(&self, now: &InUse) -> bool {
        if !Rc::ptr_eq(&now.prepared, &self.in_use.prepared) {
            return false;
        }
        let Some(id) = self.plan.rollout else { return true };
        let canary = self.in_use.snapshot.policy.rollouts[usize::from(id.0)].canary.as_ref();
        let on_canary = canary.is_some_and(|canary| canary.provider == self.target.id);
        if self.attempts > 0 && !on_canary {
            // Whoever is here was sent on by a failure, and not by the split.
            return true;
        }
        let (old, new) = (self.in_use.snapshot.in_force(id), now.snapshot.in_force(id));
        old.percent == new.percent && old.closed == new.closed && !(on_canary && new.percent == Percent::ZERO)
    }

    fn begin(&mut self) {
        if self.stage != Stage::Idle {
            return;
        }
        self.stage = Stage::Dispatched;
        self.attempts += 1;
        let core = self.core.id;
        self.is_at(self.target.id);
        if self.attempts == 1 {
            let series = self.series();
            if self.plan.anonymous {
                series.count_anonymous(core);
            }
            if self.plan.reason == Reason::Unheld {
                series.count_unheld(core);
            }
        }
        if self.plan.counted
            && self.is_own()
            && let Some(to) = hearing(&self.in_use, &self.plan, &self.core, self.kind)
        {
            self.testimony.asked(to);
        }
    }

    /// From now on it is this provider's request.
    fn is_at(&mut self, id: ProviderId) {
        match self.at.replace(id) {
            None => self.series_of(id).begin(self.core.id),
            Some(before) if before != id => {
                self.series_of(before).leave(self.core.id);
                self.series_of(id).enter(self.core.id);
            }
            Some(_) => {}
        }
    }

    /// Whether the provider that is tried is the one that the split chose.
    fn is_own(&self) -> bool {
        self.target.id == self.plan.provider
    }

    /// The request is planned anew, under another account. One that had been sent, on a connection that was dead by
    /// then, says nothing about the provider.
    pub(crate) fn forget(mut self) {
        if matches!(self.stage, Stage::Dispatched | Stage::Answered { .. }) {
            self.close(Ending::CutBySerin);
        }
        self.give_probe_back();
        self.stable_said(None);
        self.end_testimony(Outcome::SerinError);
        if let Some(at) = self.at {
            self.series_of(at).leave(self.core.id);
        }
        self.stage = Stage::Over;
    }

    /// What an ending of this attempt means.
    pub(crate) fn outcome_of(&self, ending: Ending) -> Outcome {
        classify(ending, self.own_key)
    }

    /// What an end of the answer's body means.
    pub(crate) fn outcome_of_body(&self, body: BodyEnd) -> Outcome {
        match self.stage {
            Stage::Answered { status, .. } => self.outcome_of(answered(status, body)),
            _ => self.outcome_of(answered(200, body)),
        }
    }

    /// Whether whoever is tried has to answer in the request's API and as it was asked: all but stable.
    pub(crate) fn is_strict(&self) -> bool {
        !is_entitled(&self.in_use.prepared, &self.plan, self.target.id)
    }

    /// What came instead of an answer, with the header that tells more of it.
    pub(crate) fn saw(&self, shape: Shape, detail: Option<&HeaderValue>) {
        if self.stage != Stage::Over
            && self.is_own()
            && self.testimony.is_given()
            && let Some(to) = hearing(&self.in_use, &self.plan, &self.core, self.kind)
        {
            to.evidence.sightings.note(to.whose.arm, Outcome::Malformed, &sighting::words(shape, detail));
        }
    }

    /// What a client is told whose answer broke off.
    pub(crate) fn words_for(&self, body: BodyEnd) -> String {
        let how = match body {
            BodyEnd::Silent => "fell silent within its answer",
            BodyEnd::NoOutput => "sent no output in time",
            _ => "ended its answer before its end",
        };
        let provider = &self.in_use.snapshot.policy.provider(self.target.id).name;
        format!("provider `{provider}` {how}: what came is incomplete; send the request again (from Serin)")
    }

    /// Why there is no answer, for the client.
    pub(crate) fn problem(&self, ending: Ending, detail: String) -> Problem {
        Problem::NoAnswer {
            provider: self.in_use.snapshot.policy.provider(self.target.id).name.clone(),
            arm: self.plan.arm,
            ending,
            detail,
        }
    }

    /// The provider switched to a protocol that nobody asked for.
    pub(crate) fn unasked_upgrade(mut self) -> Problem {
        self.end(Ending::NoHead);
        self.problem(Ending::NoHead, "it answered 101 to a request that asked for no upgrade".to_owned())
    }

    /// There was no connection, for nothing that the request is.
    pub(crate) fn unreached(&mut self) {
        self.unreached = true;
    }

    /// The attempt ended, and nothing of it has gone to the client.
    pub(crate) fn failed(&mut self, ending: Ending) {
        self.close(ending);
    }

    /// The canary refused the request, and stable is asked whether it was sound.
    pub(crate) fn asks_stable(&mut self, refusal: Refusal) {
        self.tell_breaker(Outcome::ClientError);
        self.testimony.is_in_question();
        self.stage = Stage::Idle;
        self.question = Some(Box::new(Question { by: self.target.id, refusal }));
    }

    /// Stable accepted what the canary refused, or refused it as well; `None`: it said neither.
    pub(crate) fn stable_said(&mut self, accepts: Option<bool>) {
        let Some(question) = self.question.take() else { return };
        let accepted = accepts == Some(true);
        let outcome = if accepted { Outcome::Unsupported } else { Outcome::ClientError };
        self.series_of(question.by).end_attempt(self.core.id, outcome);
        // What both refuse says nothing of either.
        self.testimony.saw(if accepts == Some(false) { NOTHING } else { outcome }, None);
        self.end_testimony(outcome);
        if accepted || self.testimony.is_given() {
            self.report(question.by, question.refusal, accepted);
        }
    }

    /// Whether it is the canary that is asked, as evidence.
    pub(crate) fn tells_of_canary(&self) -> bool {
        self.is_own() && self.plan.arm == Some(Arm::Canary) && self.testimony.is_given()
    }

    /// The canary refused the request, and nobody else is asked about it.
    pub(crate) fn refused(&self, refusal: Refusal) {
        if self.stage != Stage::Over && self.tells_of_canary() {
            self.report(self.target.id, refusal, false);
        }
    }

    fn report(&self, by: ProviderId, refusal: Refusal, accepted: bool) {
        let Some(rollout) = self.plan.rollout else { return };
        let policy = &self.in_use.snapshot.policy;
        let Refusal { status, code, finding } = refusal;
        self.core.report(Refused {
            rollout: policy.rollouts[usize::from(rollout.0)].name.clone(),
            provider: policy.provider(by).name.clone(),
            finding,
            status,
            code,
            accepted,
        });
    }

    /// No request could be made for whoever was to be asked. That is known before it is begun, or right after.
    pub(crate) fn unfit(&mut self) {
        if self.stage == Stage::Dispatched {
            self.close(Ending::CutBySerin);
        }
    }

    /// Closes the attempt.
    fn close(&mut self, ending: Ending) -> Outcome {
        let outcome = classify(ending, self.own_key);
        let finished = self.said.take().and_then(|said| Finished::of(ending, said.finish));
        if self.stage == Stage::Idle {
            // It came to nothing before it was dispatched: there was no connection.
            self.begin();
        }
        let series = self.series();
        series.end_attempt(self.core.id, outcome);
        if let Some(finished) = finished {
            series.count_answer(self.core.id, finished);
        }
        // A refusal says that the provider lives, whatever it means.
        let refused = matches!(ending, Ending::Answered { status: 400..=499, .. });
        // What stable always sent opens no breaker.
        let told = refused || (outcome == Outcome::Malformed && !self.is_strict());
        self.tell_breaker(if told { Outcome::ClientError } else { outcome });
        if self.is_own() {
            self.testimony.saw(if ending.is_by_policy() { NOTHING } else { outcome }, finished);
        }
        self.stage = Stage::Idle;
        outcome
    }

    fn tell_breaker(&mut self, outcome: Outcome) {
        let told = Told { plan: &self.plan, provider: self.target.id, outcome, unreached: self.unreached };
        tell(&self.in_use, &told, &mut self.probe);
    }

    /// A probe that comes to nothing: another request may find out.
    fn give_probe_back(&mut self) {
        if self.probe.is_some() {
            self.tell_breaker(Outcome::SerinError);
        }
    }

    fn end_testimony(&mut self, unseen: Outcome) {
        if let Some(to) = hearing(&self.in_use, &self.plan, &self.core, self.kind) {
            self.testimony.ends(to, unseen);
        }
    }

    /// Where it was sent, and why.
    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Who is tried, or answered.
    pub(crate) fn target(&self) -> Target {
        self.target
    }

    /// How many attempts there were.
    pub(crate) fn attempts(&self) -> u16 {
        self.attempts
    }

    /// By what it was dispatched.
    pub(crate) fn in_use(&self) -> &Rc<InUse> {
        &self.in_use
    }

    /// The head of an answer came.
    pub(crate) fn answered(&mut self, status: u16) {
        self.stage = Stage::Answered { status, begun: false };
        self.in_use.snapshot.health(self.target.id).heard();
        // What follows is the client's and the provider's own affair.
        if status == 101
            && let Some(to) = hearing(&self.in_use, &self.plan, &self.core, self.kind)
        {
            self.testimony.switched(to);
        }
    }

    /// A part of the answer's body came.
    pub(crate) fn came(&mut self, part: Part) {
        let Stage::Answered { status, begun } = self.stage else { return };
        let awaited = part != Part::Frame && is_success(status) && self.testimony.awaits_output();
        if begun && !awaited && part != Part::Last {
            return;
        }
        let now = clock::instant();
        if !begun {
            self.stage = Stage::Answered { status, begun: true };
            self.series().first_output.record(self.seconds(now));
        }
        if awaited && let Some(to) = hearing(&self.in_use, &self.plan, &self.core, self.kind) {
            self.testimony.output(to, now);
        }
        if part == Part::Last {
            self.end_at(answered(status, BodyEnd::Complete), now);
        }
    }

    /// Output was seen in the answer, whether or not any of it has gone out.
    pub(crate) fn output_seen(&mut self) {
        let Stage::Answered { status, .. } = self.stage else { return };
        if is_success(status)
            && self.testimony.awaits_output()
            && let Some(to) = hearing(&self.in_use, &self.plan, &self.core, self.kind)
        {
            self.testimony.output(to, clock::instant());
        }
    }

    /// The answer's body ended.
    pub(crate) fn body_ended(&mut self, body: BodyEnd) {
        if let Stage::Answered { status, .. } = self.stage {
            self.end(answered(status, body));
        }
    }

    /// What an answer says of itself, before its end is accounted for: what it cost, and why it ended.
    pub(crate) fn says(&mut self, summary: Option<Summary>) {
        let Some(Summary { usage, generated, finish, outputs }) = summary else { return };
        if self.stage == Stage::Over {
            return;
        }
        if let Some(usage) = usage {
            self.series().count_tokens(self.core.id, usage.input, usage.output);
        }
        self.said = generated.then_some(Said { finish, outputs });
    }

    /// The attempt is over, and with it the request. Whatever follows changes nothing.
    pub(crate) fn end(&mut self, ending: Ending) {
        if self.stage != Stage::Over {
            self.end_at(ending, clock::instant());
        }
    }

    fn end_at(&mut self, ending: Ending, now: Instant) {
        // Only where an answer was on its way, or none had begun.
        let waited = match self.stage {
            Stage::Answered { status, .. } => is_success(status),
            stage => stage == Stage::Dispatched,
        };
        if ending == Ending::ClientLeft
            && waited
            && let Some(to) = hearing(&self.in_use, &self.plan, &self.core, self.kind)
        {
            self.testimony.client_left(to, now);
        }
        // Whoever leaves has seen so far how fast it came.
        let paced = matches!(ending, Ending::ClientLeft | Ending::Answered { body: BodyEnd::Complete, .. });
        if let Some(Said { outputs, .. }) = self.said.filter(|said| said.outputs > 0 && paced && self.is_own())
            && let Some(to) = hearing(&self.in_use, &self.plan, &self.core, self.kind)
        {
            self.testimony.paced(to, outputs, now);
        }
        let outcome = self.close(ending);
        self.finish_at(outcome, now);
    }

    /// The request is over after an attempt that was accounted for; `by`: whose answer the client gets.
    pub(crate) fn finish(&mut self, outcome: Outcome, by: Target) {
        self.give_probe_back();
        self.target = by;
        self.finish_at(outcome, clock::instant());
    }

    fn finish_at(&mut self, outcome: Outcome, now: Instant) {
        self.stable_said(None);
        self.stage = Stage::Over;
        self.end_testimony(outcome);
        self.is_at(self.target.id);
        let series = self.series();
        series.end(self.core.id, outcome);
        series.duration.record(self.seconds(now));
        if !self.is_own() && outcome == Outcome::Ok {
            series.count_fallback(self.core.id);
        }
    }

    fn seconds(&self, now: Instant) -> f64 {
        now.saturating_duration_since(self.arrived).as_secs_f64()
    }

    fn series(&self) -> &Series {
        self.series_of(self.target.id)
    }

    fn series_of(&self, provider: ProviderId) -> &Arc<Series> {
        let snapshot = &self.in_use.snapshot;
        match self.plan.rollout {
            Some(rollout) => snapshot.in_force(rollout).series(self.plan.arm.unwrap_or(Arm::Stable), provider),
            None => snapshot.unsplit(provider),
        }
    }
}

/// Whom the guard is told by; `None`: the request is nobody's.
fn hearing<'a>(in_use: &'a InUse, plan: &Plan, core: &Core, kind: Kind) -> Option<Hearing<'a>> {
    let (rollout, arm) = (plan.rollout?, plan.arm?);
    let whose = Whose { arm, source: plan.source, slot: plan.slot };
    Some(Hearing { evidence: &in_use.snapshot.in_force(rollout).evidence, core: core.id, whose, kind })
}

fn is_success(status: u16) -> bool {
    matches!(status, 200..=299)
}

fn answered(status: u16, body: BodyEnd) -> Ending {
    Ending::Answered { status, grounds: Grounds::default(), body }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let ending = if self.core.is_cutting() { Ending::CutBySerin } else { Ending::ClientLeft };
        match self.stage {
            Stage::Over => {}
            // Between two attempts: all that were begun are accounted for.
            Stage::Idle if self.attempts > 0 => self.finish(classify(ending, self.own_key), self.target),
            _ => self.end(ending),
        }
    }
}
