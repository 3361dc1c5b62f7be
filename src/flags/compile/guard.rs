//! What judges the canary and what follows from its judgement, from what is written and the defaults.
//!
//! Reads every key of a guard and what a rollout does about a regression; the numbers' defaults are the rule's own.
//! What no rule could work with is an error. Numbers that leave one another nothing to do are warnings: the guard would
//! do what they say, and that may not be what was meant.

use crate::decide::policy::{Answers, Counting, FeedbackRule, Guard, OnExcess, OnRegression, SlowRule};
use crate::decide::units::{Millis, Percent};

use super::super::place::At;
use super::super::scalar::{Wrong, rate, some_length, wrong};
use super::findings::Findings;

/// What judges the canary.
pub(super) fn guard(at: &At, findings: &mut Findings<'_>) -> Guard {
    let guard = Guard {
        false_alarm: findings.value(&at.key("false_alarm"), chance),
        tolerated_ratio: findings.number(&at.key("tolerated_ratio")),
        ignore_below: findings.value(&at.key("ignore_below"), rate),
        patience: findings.number(&at.key("patience")),
        max_error_rate: findings.value(&at.key("max_error_rate"), rate),
        max_first_output: findings.given(&at.key("max_first_output"), some_length),
        rollback_ready: findings.choice(
            &at.key("rollback_ready"),
            "is not how a promotion treats a stable that is not ready",
            &[("require", true), ("ignore", false)],
        ),
        min_requests: findings.whole(&at.key("min_requests")),
        done_below: findings.value(&at.key("done_below"), rate),
        slow: slow(&at.key("slow"), findings),
        client_errors: excess(&at.key("client_errors"), "refused requests", findings),
        answers: answers(&at.key("answers"), findings),
        feedback: at.has("feedback").then(|| feedback(&at.key("feedback"), findings)).flatten(),
        ceiling: findings.value(&at.key("ceiling"), ceiling),
        window: findings.value(&at.key("window"), window),
        counting: Counting {
            throttled: counts(&at.key("throttled"), findings),
            empty: counts(&at.key("empty"), findings),
        },
        constants: Guard::default().constants,
    };
    at_odds(&guard, at, findings);
    only_gates(&guard, at, findings);
    if guard.counting.empty && at.has("answers") && at.key("answers").has("empty") {
        let problem = "this changes nothing: with `empty: failure` every empty response is already a failure";
        findings.warn(&at.key("answers").key("empty"), problem);
    }
    guard
}

/// What is done about a regression.
pub(super) fn on_regression(at: &At, findings: &mut Findings<'_>) -> OnRegression {
    findings.choice(
        at,
        "is not a reaction to a regression",
        &[("rollback", OnRegression::Rollback), ("hold", OnRegression::Hold), ("step_back", OnRegression::StepBack)],
    )
}

/// Warns of keys of the rollout at `at` that concern rollbacks which never happen.
pub(super) fn warn_without_rollback(
    on_regression: OnRegression,
    try_again_after: Option<Millis>,
    at: &At,
    findings: &mut Findings<'_>,
) {
    if on_regression != OnRegression::Hold {
        return;
    }
    let problem = "this changes nothing: with `on_regression: hold` the guard rolls nothing back";
    if at.has("rollback_to") {
        findings.warn(&at.key("rollback_to"), problem);
    }
    if try_again_after.is_some() {
        findings.warn(&at.key("try_again_after"), problem);
    }
}

/// Warns of rates between which the canary is neither promoted nor rolled back.
fn at_odds(guard: &Guard, at: &At, findings: &mut Findings<'_>) {
    let Guard { ignore_below, max_error_rate, done_below, .. } = *guard;
    if let Some(ceiling) = guard.ceiling {
        let at = at.key("ceiling");
        if ceiling < ignore_below {
            let problem =
                format!("below `ignore_below` ({ignore_below}) no canary is rolled back, so this has no effect");
            findings.warn(&at, problem);
        } else if ceiling < done_below {
            let problem = format!(
                "a canary between this rate and `done_below` ({done_below}) is good enough to be completed, and is \
                 rolled back"
            );
            findings.warn(&at, problem);
        }
    }
    if max_error_rate < ignore_below {
        let key = if at.has("max_error_rate") { "max_error_rate" } else { "ignore_below" };
        let problem = format!(
            "a canary that fails more often than `max_error_rate` ({max_error_rate}) and less often than `ignore_below` \
             ({ignore_below}) is neither promoted nor rolled back"
        );
        findings.warn(&at.key(key), problem);
    }
}

/// Keys that read like limits at which the canary is rolled back, and are none.
fn only_gates(guard: &Guard, at: &At, findings: &mut Findings<'_>) {
    if guard.ceiling.is_some() {
        return;
    }
    if at.has("max_error_rate") {
        let Guard { max_error_rate, tolerated_ratio, .. } = *guard;
        let problem = format!(
            "this only gates promotion: a canary that fails more than {max_error_rate} and not more than \
             {tolerated_ratio} times as often as stable (6% beside 5%) keeps its share permanently; for a hard limit \
             add `ceiling`, such as `ceiling: 20%`"
        );
        findings.note(&at.key("max_error_rate"), problem);
    }
    if at.has("window") {
        let problem = "this is the time over which rates are shown and compared with `ceiling`; `ceiling` is not set, so \
                    it decides nothing";
        findings.note(&at.key("window"), problem);
    }
}

/// The accepted probability of a wrong rollback.
fn chance(text: &str) -> Result<Percent, Wrong> {
    const MOST: u16 = 1000;
    match rate(text)? {
        Percent::ZERO => wrong("is not possible: no guard is always right", "write a small chance, such as `0.1%`"),
        chance if chance.hundredths() > MOST => wrong("is above 10%", "write a small chance, such as `0.1%`"),
        chance => Ok(chance),
    }
}

fn window(text: &str) -> Result<Millis, Wrong> {
    match some_length(text)? {
        length if (Millis(1000)..=Millis(7 * 86_400_000)).contains(&length) => Ok(length),
        _ => wrong("is not between 1s and 7d", "write a window such as `30m`"),
    }
}

/// A rate that is too high, or none.
fn ceiling(text: &str) -> Result<Option<Percent>, Wrong> {
    const EXAMPLE: &str = "write `off`, or a rate such as `20%`";
    match text {
        "off" => Ok(None),
        text => match rate(text) {
            Ok(Percent::ZERO) => wrong("is exceeded by the first failure", EXAMPLE),
            Ok(ceiling) => Ok(Some(ceiling)),
            Err(Wrong { problem, .. }) if problem == "is not a share" => wrong("is neither `off` nor a share", EXAMPLE),
            Err(error) => Err(error),
        },
    }
}

/// When slow responses roll the canary back; `None`: never.
fn slow(at: &At, findings: &mut Findings<'_>) -> Option<SlowRule> {
    if at.text().is_some() {
        let off = |text: &str| match text {
            "off" => Ok(()),
            _ => wrong("is not a rule for slow responses", "write `off`, or `{ quantile: 0.95, tolerance: 1.5 }`"),
        };
        findings.given(at, off);
        return None;
    }
    Some(SlowRule {
        quantile: findings.number(&at.key("quantile")),
        tolerance: findings.number(&at.key("tolerance")),
        tolerated_ratio: findings.number(&at.key("tolerated_ratio")),
    })
}

/// How verdicts of the application are compared; `None`: they are not.
fn feedback(at: &At, findings: &mut Findings<'_>) -> Option<FeedbackRule> {
    if at.text().is_some() {
        let off = |text: &str| match text {
            "off" => Ok(()),
            _ => wrong("is not a rule for feedback", "write `off`, or `{ tolerated_ratio: 1.1, then: hold }`"),
        };
        findings.given(at, off);
        return None;
    }
    Some(FeedbackRule {
        tolerated_ratio: findings.number(&at.key("tolerated_ratio")),
        then: findings.choice(
            &at.key("then"),
            "is not a reaction to bad verdicts",
            &[("hold", OnExcess::Hold), ("rollback", OnExcess::Rollback)],
        ),
    })
}

/// What follows when the canary does `what` more often than stable does.
fn excess(at: &At, what: &str, findings: &mut Findings<'_>) -> OnExcess {
    findings.choice(
        at,
        &format!("is not a reaction to {what}"),
        &[("hold", OnExcess::Hold), ("rollback", OnExcess::Rollback), ("ignore", OnExcess::Ignore)],
    )
}

/// What follows when the canary gives more bad responses with a status of success.
fn answers(at: &At, findings: &mut Findings<'_>) -> Answers {
    Answers {
        empty: excess(&at.key("empty"), "empty responses", findings),
        length: excess(&at.key("length"), "responses cut at a limit", findings),
        filtered: excess(&at.key("filtered"), "filtered responses", findings),
        pace: excess(&at.key("pace"), "slow streams", findings),
    }
}

/// Whether an outcome that is open to opinion is a failure.
fn counts(at: &At, findings: &mut Findings<'_>) -> bool {
    findings.choice(at, "is not a way to count it", &[("failure", true), ("ignore", false)])
}
