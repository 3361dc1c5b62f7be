//! The numbers of a decision by name, for programs.
//!
//! All decisions share the same names; a rule may add its own. Counts and evidence are plain numbers, rates are in
//! percent, durations in seconds. Figures have six digits.

use super::cause::in_short;
use super::decision::{remedy, would_change};
use crate::decide::event::{ArmCounts, Decision, Detail, Figure, Reason};
use crate::decide::guard::aspect::Aspect;
use crate::decide::guard::waiting::ResponseKind;
use crate::decide::units::Millis;

/// Digits of a figure.
const DIGITS: i32 = 6;
/// Powers of ten are exact between these.
const MOST: f64 = 1e15;
/// Smaller figures are zero.
const LEAST: f64 = 1e-12;

/// Names and values.
type Named = Vec<(String, Figure)>;

/// The numbers of a decision; empty: none.
#[must_use]
pub fn numbers(reason: &Reason) -> Named {
    match reason {
        Reason::Decided(decision) => of_decision(decision),
        Reason::Earlier { numbers, .. } => numbers.clone(),
        Reason::Refuses { status, .. } => vec![("status".to_owned(), Figure::Number(f64::from(*status)))],
        _ => Vec::new(),
    }
}

/// A list under construction.
struct List(Named);

impl List {
    fn number(&mut self, name: &str, number: f64) {
        self.0.push((name.to_owned(), Figure::Number(rounded(number))));
    }

    fn percent(&mut self, name: &str, rate: f64) {
        self.number(name, rate * 100.0);
    }

    #[expect(clippy::cast_precision_loss, reason = "a time far below the precision")]
    fn seconds(&mut self, name: &str, time: Option<Millis>) {
        if let Some(Millis(millis)) = time {
            self.number(name, millis as f64 / 1000.0);
        }
    }

    fn text(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.0.push((name.to_owned(), Figure::Text(text.to_owned())));
        }
    }

    fn arm(&mut self, arm: &str, counts: &ArmCounts) {
        let name = |of: &str| format!("{arm}_{of}");
        self.number(&name("requests"), counts.requests);
        self.number(&name("failures"), counts.events);
        if let Some(users) = counts.users {
            self.number(&name("users_failing"), f64::from(users));
        }
        match counts.rate {
            Some(rate) => self.percent(&name("error_rate"), rate),
            None => self.0.push((name("error_rate"), Figure::Nothing)),
        }
        self.percent(&name("error_rate_low"), counts.low);
        self.percent(&name("error_rate_high"), counts.high);
    }
}

/// The name of what was counted, for programs. It stays the same when the text for people changes.
const fn label(aspect: Aspect) -> &'static str {
    match aspect {
        Aspect::Failing => "failures",
        Aspect::Slow => "slow answers",
        Aspect::Refusing => "refused requests",
        Aspect::Empty => "empty answers",
        Aspect::Length => "answers cut at a length limit",
        Aspect::Filtered => "filtered answers",
        Aspect::Pace => "slow streams",
        Aspect::Feedback => "bad verdicts",
    }
}

fn of_decision(decision: &Decision) -> Named {
    let rule = decision.decided.rule();
    let aspect = rule.map_or(Aspect::Failing, crate::decide::guard::rule::Rule::aspect);
    let mut list = List(Vec::new());
    list.text("rule", rule.map(crate::decide::guard::rule::Rule::as_str));
    list.text("counted", Some(label(aspect)));
    list.number("seconds", decision.seconds);
    list.arm("canary", &decision.canary);
    list.arm("stable", &decision.stable);
    list.number("evidence", decision.evidence);
    list.number("bound", decision.bound);
    list.number("tolerated_ratio", decision.tolerated_ratio);
    list.text("failed_as", decision.main_cause().map(in_short).as_deref());
    of_detail(&decision.detail, &mut list);
    list.text("remedy", rule.and_then(remedy));
    list.text("would_change", would_change(decision).as_deref());
    list.0
}

#[expect(clippy::cast_precision_loss, reason = "counts far below the precision")]
fn of_detail(detail: &Detail, list: &mut List) {
    match detail {
        Detail::Nothing => {}
        Detail::Run { failures, seconds, evidence, bound } => {
            list.number("failures_in_a_row", *failures);
            list.number("run_seconds", *seconds);
            list.number("run_evidence", *evidence);
            list.number("run_bound", *bound);
        }
        Detail::Silence { requests, unanswered, longest, shortest, probed, evidence, bound, .. } => {
            list.number("unanswered", *unanswered);
            let kind = requests.map_or("all", |kind| if kind == ResponseKind::Streamed { "streamed" } else { "whole" });
            list.text("kind", Some(kind));
            list.number("waited_seconds", *longest);
            list.number("waited_seconds_at_least", *shortest);
            if let Detail::Silence { stable_answered, stable_unanswered, .. } = detail {
                let stable = if *probed { "stable_probes" } else { "stable" };
                list.number(&format!("{stable}_answered"), *stable_answered);
                list.number(&format!("{stable}_unanswered"), *stable_unanswered);
            }
            list.number("silent_evidence", *evidence);
            list.number("silent_bound", *bound);
        }
        Detail::Slow { streamed, whole } => {
            list.seconds("slow_above", (*streamed).max(*whole));
            if streamed.is_some() && whole.is_some() && streamed != whole {
                list.seconds("slow_above_streamed", *streamed);
                list.seconds("slow_above_whole", *whole);
            }
        }
        Detail::Refused { most } => list.text("refuses_most", most.as_deref()),
        Detail::Pace { above } => list.seconds("pace_above", *above),
        Detail::Ceiling { ceiling, window, requests, failures } => {
            list.number("ceiling", ceiling.as_f64());
            list.seconds("window", Some(*window));
            list.number("window_requests", *requests as f64);
            list.number("window_failures", *failures as f64);
        }
        Detail::Held { limit, answered, .. }
        | Detail::Rechecked { limit, answered, .. }
        | Detail::Compared { limit, answered } => {
            list.percent("limit", *limit);
            list.number("answered", *answered);
        }
        Detail::Suspected { suspicion, bound, limit, .. } => {
            list.number("suspicion", *suspicion);
            list.number("suspicion_bound", *bound);
            list.percent("limit", *limit);
        }
    }
}

/// A figure rounded to [`DIGITS`] digits.
#[expect(clippy::cast_possible_truncation, reason = "the logarithm of a number between the bounds")]
fn rounded(figure: f64) -> f64 {
    let size = figure.abs();
    if !(LEAST..=MOST).contains(&size) {
        return if size < 1.0 { 0.0 } else { figure };
    }
    // Powers of ten up to 10^22 are exact, so the result is the nearest number with that many digits.
    let decimals = DIGITS - 1 - size.log10().floor() as i32;
    let scale = 10_f64.powi(decimals.abs());
    if decimals >= 0 { (figure * scale).round() / scale } else { (figure / scale).round() * scale }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_few_digits() {
        let figures = [0.0, 68.0, 1400.0 / 68.0, 2115.9876, 1_234_567.8, 1e-300, 1e300];
        let figures_text = figures.map(|figure| rounded(figure).to_string());
        let huge = 1e300.to_string();
        assert_eq!(figures_text, ["0", "68", "20.5882", "2115.99", "1234570", "0", &huge]);
    }
}
