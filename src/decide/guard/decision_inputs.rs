//! The inputs of a decision, collected at the moment at which it is made.
//!
//! A regression is reported by the counts since the aspect last looked well, every other decision by the whole step.
//! Each user counts once per pause, so these counts may be lower than those of the metrics. The report also states what
//! would have changed the decision, so that the numbers can be checked; where evidence accumulates over time that is an
//! estimate. A setting that would make no sense is not suggested. Decides nothing.

use super::analysis::{Analysis, AnalysisResult, fraction};
use super::aspect::Aspect;
use super::rate_check::{self, RateCheck};
use super::rule::Rule;
use super::slow::SlowThreshold;
use super::tick::EventSums;
use super::waiting::ResponseKind;
use crate::decide::cause::CauseCount;
use crate::decide::event::decision::{ArmCounts, Counterfactual, Decision, DecisionKind, Detail, finite};
use crate::decide::policy::Guard;
use crate::decide::units::{Millis, Percent, UnixMillis};
use crate::decide::window::Counts;

/// A canary that may fail this many times as often as stable is hardly guarded.
const MOST_SENSIBLE_RATIO: f64 = 10.0;

/// What is known at the moment of a decision.
#[derive(Clone, Copy, Debug)]
pub struct DecisionInputs<'a> {
    /// The file's rules.
    pub guard: &'a Guard,
    /// The numbers.
    pub analysis: &'a Analysis,
    /// What they say.
    pub result: &'a AnalysisResult,
    /// When they say it.
    pub now: UnixMillis,
    /// What a ceiling is held against: the canary within the guard's window, users capped.
    pub window: Counts,
    /// What the canary refuses most, where that is known.
    pub most_rejected: Option<&'a str>,
    /// What its failures were seen as most often, where more is known than their outcome.
    pub causes: &'a [CauseCount],
    /// Users behind the failures of stable and canary at this share.
    pub users: [u32; 2],
    /// The share that is in force, and how long it had to be held.
    pub held: (Percent, Millis),
    /// The share of a confirmation.
    pub confirming: Percent,
}

impl DecisionInputs<'_> {
    /// The decision, with all that it was reached by.
    #[must_use]
    pub fn decision(&self, decided: DecisionKind) -> Box<Decision> {
        let DecisionInputs { guard, analysis, result, users, .. } = self;
        let aspect = decided.aspect();
        let tally = if decided.rule().is_some() { analysis.suspect_sums(aspect) } else { &analysis.step };
        let finding = result.of(aspect);
        let users = |arm: usize| (aspect == Aspect::Failing).then_some(users[arm]);
        let seen = matches!(decided.rule(), Some(Rule::Down | Rule::Worse | Rule::Ceiling));
        Box::new(Decision {
            at: self.now,
            decided,
            seconds: finite(tally.seconds),
            canary: ArmCounts::new(tally.canary_events, tally.canary, users(1)),
            stable: ArmCounts::new(tally.stable_events, tally.stable, users(0)),
            evidence: finite(finding.evidence),
            bound: finite(finding.bound),
            tolerated_ratio: tolerated(guard, aspect),
            detail: self.detail(decided),
            would_change: self.would_change(decided),
            causes: if seen { self.causes.to_vec() } else { Vec::new() },
        })
    }

    fn detail(&self, decided: DecisionKind) -> Detail {
        let DecisionInputs { guard, analysis, result, held: (share, hold), .. } = *self;
        let bound = guard.constants.down_evidence;
        let answered = finite(analysis.answered);
        let RateCheck { rate, limit, .. } = self.measured(decided);
        let (rate, limit) = (finite(rate), finite(limit));
        match decided {
            DecisionKind::Alarm(rule) => self.of_rule(rule, bound),
            DecisionKind::Promote | DecisionKind::Complete => Detail::Held { share, hold, limit, answered },
            DecisionKind::Confirmed => Detail::Compared { limit, answered },
            DecisionKind::Recheck => Detail::Rechecked { rate, limit, answered, share: self.confirming },
            DecisionKind::Confirm => Detail::Suspected {
                suspicion: finite(result.suspicion),
                bound: guard.constants.suspicion,
                limit: finite(analysis.reference(guard)),
                share: self.confirming,
            },
            DecisionKind::GivenUp => Detail::Nothing,
        }
    }

    fn of_rule(&self, rule: Rule, bound: f64) -> Detail {
        let DecisionInputs { guard, analysis, window, most_rejected: refuses, now, .. } = self;
        match rule {
            Rule::Down => {
                let run = analysis.canary_run();
                let (failures, seconds) = (finite(run.failures()), finite(run.seconds()));
                Detail::Run { failures, seconds, evidence: finite(run.evidence()), bound }
            }
            Rule::Silent => {
                let silence = analysis.silence();
                Detail::Silence {
                    requests: silence.kind,
                    unanswered: finite(silence.unanswered),
                    longest: finite(silence.longest),
                    shortest: finite(silence.shortest),
                    since: since(silence.longest, *now),
                    probed: silence.probed,
                    stable_answered: finite(silence.stable_answered),
                    stable_unanswered: finite(silence.stable_unanswered),
                    evidence: finite(silence.evidence),
                    bound,
                }
            }
            Rule::Slower => {
                let limit = |kind| analysis.slow_threshold.limit(guard.slow.as_ref()?, kind);
                let (streamed, whole) = (limit(ResponseKind::Streamed), limit(ResponseKind::Whole));
                let nothing_learnt = streamed.is_none() && whole.is_none();
                // Where a threshold begins.
                let first = guard.slow.as_ref().filter(|_| nothing_learnt);
                Detail::Slow { streamed, whole: whole.or(first.map(|rule| SlowThreshold::default().limit(rule))) }
            }
            Rule::Refusing => Detail::Refused { most: refuses.map(str::to_owned) },
            Rule::Pace => {
                let threshold = &analysis.pace_threshold;
                Detail::Pace { above: (threshold.seen() > 0).then(|| threshold.limit(&guard.pace_rule())) }
            }
            Rule::Ceiling => Detail::Ceiling {
                ceiling: guard.ceiling.unwrap_or(Percent::ALL),
                window: guard.window,
                requests: window.requests,
                failures: window.failures,
            },
            Rule::Worse | Rule::Empty | Rule::Length | Rule::Filtered | Rule::Feedback => Detail::Nothing,
        }
    }

    fn measured(&self, decided: DecisionKind) -> RateCheck {
        match decided {
            DecisionKind::Promote => rate_check::promotion_check(self.guard, self.analysis),
            DecisionKind::Confirmed => rate_check::confirmation_check(self.guard, self.analysis),
            _ => rate_check::completion_check(self.guard, self.analysis),
        }
    }

    fn would_change(&self, decided: DecisionKind) -> Option<Counterfactual> {
        let DecisionInputs { guard, analysis, .. } = self;
        match decided {
            DecisionKind::Alarm(Rule::Down) => Some(Counterfactual::Answered),
            DecisionKind::Alarm(Rule::Silent) => {
                Some(Counterfactual::Output { since: since(analysis.silence().longest, self.now) })
            }
            DecisionKind::Alarm(Rule::Ceiling) => Some(Counterfactual::Ceiling),
            DecisionKind::Alarm(rule) => Some(self.less_evidence(rule)),
            DecisionKind::Promote | DecisionKind::Complete | DecisionKind::Confirmed => {
                let failures = self.measured(decided).failures_to_miss()?;
                Some(Counterfactual::More { failures: finite(failures) })
            }
            DecisionKind::Confirm => Some(Counterfactual::LowerRate { limit: finite(analysis.reference(guard)) }),
            DecisionKind::Recheck => Some(Counterfactual::LowerRate { limit: finite(self.measured(decided).limit) }),
            DecisionKind::GivenUp => None,
        }
    }

    fn less_evidence(&self, rule: Rule) -> Counterfactual {
        let doubt = self.analysis.suspect_sums(rule.aspect());
        let canary = doubt.canary_events / doubt.canary.max(1.0);
        let of_answers = rule.aspect().is_of_answers();
        let ratio = doubt.stable_rate().filter(|rate| *rate > 0.0).map(|stable| canary / stable);
        // A canary that fails less often than `ignore_below` and more often than `max_error_rate` would never move.
        let most = fraction(self.guard.max_error_rate);
        Counterfactual::Fewer {
            events: finite(self.fewer(rule)),
            tolerated_ratio: ratio.filter(|ratio| !of_answers && *ratio <= MOST_SENSIBLE_RATIO).map(finite),
            ignore_below: (!of_answers && rule != Rule::Slower && canary <= most).then(|| finite(canary)),
        }
    }

    /// How many events less it takes for the evidence to stay below its bound. What a burst gains is limited, so by
    /// what was gathered alone it would look like fewer than by what was seen; the larger of both is told.
    fn fewer(&self, rule: Rule) -> f64 {
        let DecisionInputs { guard, analysis, result, .. } = self;
        let aspect = rule.aspect();
        let (finding, doubt) = (result.of(aspect), analysis.suspect_sums(aspect));
        let alternative = analysis.detector(aspect).likeliest(&guard.constants);
        let loss = chance(doubt, tolerated(guard, aspect), alternative);
        let gain = (alternative.ln() - loss).max(0.1);
        let seen = doubt.canary_events * alternative.ln() - (doubt.canary_events + doubt.stable_events) * loss;
        let surplus = (finding.evidence.max(1.0) / finding.bound).ln().max(seen - finding.bound.ln()).max(0.0);
        ((surplus / gain).floor() + 1.0).min(doubt.canary_events.max(1.0))
    }
}

const fn tolerated(guard: &Guard, aspect: Aspect) -> f64 {
    match (aspect, &guard.slow, &guard.feedback) {
        (Aspect::Slow, Some(slow), _) => slow.tolerated_ratio,
        (Aspect::Feedback, _, Some(feedback)) => feedback.tolerated_ratio,
        _ if aspect.is_of_answers() => guard.constants.answers_ratio,
        _ => guard.tolerated_ratio,
    }
}

/// When the first was sent of those that have waited for so many seconds at most.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is never negative")]
fn since(longest: f64, now: UnixMillis) -> UnixMillis {
    UnixMillis(now.0.saturating_sub((longest * 1000.0) as u64))
}

/// What one event on either arm takes from the evidence for an alternative, in nats.
fn chance(doubt: &EventSums, ratio: f64, alternative: f64) -> f64 {
    let share = doubt.canary / (doubt.canary + doubt.stable).max(1.0);
    let theta = ratio * share / (1.0 - share + ratio * share);
    (theta * (alternative - 1.0)).ln_1p()
}
