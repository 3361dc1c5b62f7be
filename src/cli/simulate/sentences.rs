//! A question and its answer in sentences that can be repeated to somebody who has not seen the table.
//!
//! Says what was assumed with what came out, since the one means nothing without the other. Never says "never": only
//! what happened in so many rollouts.

use super::format;
use super::inputs::{SimulationInputs, seconds};
use super::report::ComparisonReport;
use crate::decide::policy::{Intent, OnRegression};
use crate::decide::units::Percent;
use crate::simulate::rule_results::RuleResult;

pub(super) fn asked(question: &SimulationInputs) -> String {
    let mut text = format!("{} Stable fails {}", traffic(question), question.stable_errors);
    text.push_str(&canary(question));
    if !question.answers.is_empty() {
        text.push_str(&format!(" {}{}.", capital(&question.answers.sentence()), from_then(question)));
    }
    for spell in &question.outages {
        let (length, from) = (time(spell.length), time(spell.from));
        text.push_str(&format!(" Both fail {} for {length}, from {from} on.", spell.errors));
    }
    if let Some(at) = question.stable_dies {
        text.push_str(&format!(" Stable answers nothing from {} on.", time(at)));
    }
    let rollouts = format::count(question.runs as f64);
    let watched = time(question.watched);
    format!("{text} {} {rollouts} rollouts, each watched for {watched}; seed {}.", schedule(question), question.seed)
}

fn traffic(question: &SimulationInputs) -> String {
    let per_second = question.per_second;
    let users = match (question.users, question.failing_user) {
        (None, _) => String::new(),
        (Some(users), false) => format!(" of {} users", format::count(f64::from(users))),
        (Some(users), true) => {
            format!(
                " of {} users, and one more on the canary whose requests all fail, one a second",
                format::count(f64::from(users))
            )
        }
    };
    format!("{per_second} requests a second{users}.")
}

/// Which part of its requests a canary never answers.
pub(super) fn never_answered(part: Percent) -> String {
    if part == Percent::ALL { "them".to_owned() } else { format!("{part} of them") }
}

/// Since when the canary differs; empty: from the start.
fn from_then(question: &SimulationInputs) -> String {
    let at = question.changes_at;
    if at.0 == 0 { String::new() } else { format!(" from {} on", time(at)) }
}

fn canary(question: &SimulationInputs) -> String {
    let SimulationInputs { canary_errors, stable_errors, is_fault, .. } = question;
    let from = from_then(question);
    if let Some(part) = question.silent {
        format!(", the canary accepts requests and never answers {}{from}.", never_answered(part))
    } else if canary_errors == stable_errors {
        ", and so does the canary.".to_owned()
    } else if *is_fault {
        format!(", the canary {canary_errors}{from}.")
    } else {
        format!(", the canary {canary_errors}{from}, which the file tolerates.")
    }
}

fn schedule(question: &SimulationInputs) -> String {
    let subject = &question.subject;
    let name = match &subject.file {
        Some(file) => format!("rollout `{}` of {}", subject.name, file.display()),
        None => "a rollout with every default".to_owned(),
    };
    match subject.canary.percent {
        Intent::Pinned(percent) => format!("The guard of {name}, with {percent} of the users on the canary."),
        Intent::Auto => {
            let stages: Vec<String> = subject.canary.ramp.stages.iter().map(ToString::to_string).collect();
            let stages = match stages.as_slice() {
                [first, second, .., last] if stages.len() > 7 => format!("{first}, {second}, ... {last}"),
                stages => stages.join(", "),
            };
            format!("The guard and the ramp ({stages}) of {name}.")
        }
    }
}

/// What came out.
pub(super) fn answer(report: &ComparisonReport) -> Vec<String> {
    let question = &report.question;
    let mut sentences = vec![headline(report)];
    if question.is_fault {
        sentences.push(cost(report));
    }
    if question.stable_dies.is_some() {
        let moved = report.serin().to_dead;
        sentences.push(match moved {
            0 => "No user was moved to stable after it went down.".to_owned(),
            some => {
                format!("In {} rollouts users were moved to stable after it went down.", format::count(some as f64))
            }
        });
    }
    sentences.push(others(report));
    sentences
}

/// The most important of it, in one sentence.
pub(super) fn headline(report: &ComparisonReport) -> String {
    let (question, serin) = (&report.question, report.serin());
    let tally = &serin.tally;
    let runs = format::count(tally.runs as f64);
    if question.is_fault {
        let canary = match (question.answers.differ(), question.canary_errors == question.stable_errors) {
            (false, _) if let Some(part) = question.silent => {
                format!("A canary that accepts requests and never answers {}", never_answered(part))
            }
            (false, _) => format!("A canary that fails {} of its requests", question.canary_errors),
            (true, true) => format!("Where {}, the canary", question.answers.sentence()),
            (true, false) => {
                let (errors, answer_sentence) = (question.canary_errors, question.answers.sentence());
                format!("Where {answer_sentence}, the canary, which fails {errors} of its requests as well,")
            }
        };
        let within = time(question.watched.since(question.changes_at));
        return match (tally.found, tally.seconds.median(), tally.seconds.most()) {
            (0, ..) => format!("{canary} was not {} in any of {runs} rollouts within {within}.", done(question)),
            (found, Some(middle), Some(most)) if found + tally.wrong == tally.runs => {
                let (middle, most) = (format::time(Some(middle)), format::time(Some(most)));
                let most = if middle == most { "and in" } else { &format!("and after {most} in") };
                format!("{canary} is {} after {middle} in the median, {most} 95 of 100 rollouts.", done(question))
            }
            (found, middle, _) => format!(
                "{canary} is {} within {within} in {} of the rollouts, after {} in the median.",
                done(question),
                format::part(found, tally.runs),
                format::time(middle),
            ),
        };
    }
    let what = match question {
        SimulationInputs { canary_errors, stable_errors, .. } if canary_errors == stable_errors => {
            "A healthy canary".to_owned()
        }
        SimulationInputs { canary_errors, .. } => {
            format!("A canary that fails {canary_errors}, as the file tolerates,")
        }
    };
    let watched = time(question.watched);
    let back = match tally.wrong {
        0 => format!("was not {} in any of {runs} rollouts", done(question)),
        wrong => format!("was {} in {} of {runs} rollouts", done(question), format::of(wrong, tally.runs)),
    };
    let end = match (question.subject.canary.percent, tally.completed) {
        (Intent::Pinned(_), _) => format!(" of {watched}"),
        (Intent::Auto, 0) => {
            let highest = serin.highest.quantile(1.0).unwrap_or_default();
            format!("; the canary had at most {} of the users in {watched}", format::share(highest))
        }
        (Intent::Auto, completed) => {
            let completed = format::much(completed, tally.runs);
            format!(
                "; {completed} reached the end of the ramp, after {} in the median",
                format::time(tally.completing.median())
            )
        }
    };
    format!("{what} {back}{end}.")
}

fn cost(report: &ComparisonReport) -> String {
    let tally = &report.serin().tally;
    let early = match tally.wrong {
        0 => "no rollout was rolled back before the fault".to_owned(),
        wrong => format!("{} rollouts were rolled back before the fault", format::of(wrong, tally.runs)),
    };
    match (tally.errors.median(), tally.requests.median()) {
        (Some(errors), Some(requests)) => format!(
            "Until then {} of the canary's {} requests have failed; {early}.",
            format::count(errors),
            format::count(requests)
        ),
        _ => capital(&early) + ".",
    }
}

fn others(report: &ComparisonReport) -> String {
    let parts: Vec<String> = report.results.iter().skip(1).map(|result| other(result, &report.question)).collect();
    format!("On the same requests: {}.", parts.join("; "))
}

fn other(result: &RuleResult, question: &SimulationInputs) -> String {
    let (name, tally) = (result.rule.as_str(), &result.tally);
    if !question.is_fault {
        let back = format!("{name} rolls {} back", format::much(tally.wrong, tally.runs));
        return match question.subject.canary.percent {
            Intent::Pinned(_) => back,
            Intent::Auto => format!("{back} and completes {}", format::much(tally.completed, tally.runs)),
        };
    }
    let early = match tally.wrong {
        0 => String::new(),
        wrong => format!(" (and {} were rolled back too early)", format::part(wrong, tally.runs)),
    };
    match tally.seconds.median() {
        Some(middle) if tally.found + tally.wrong == tally.runs => {
            format!("{name} takes {}{early}", format::time(Some(middle)))
        }
        Some(middle) => {
            let found = format::part(tally.found, tally.runs);
            format!("{name} finds {found}, after {}{early}", format::time(Some(middle)))
        }
        None => format!("{name} does not find it{early}"),
    }
}

/// What the file makes of a regression.
pub(super) fn done(question: &SimulationInputs) -> &'static str {
    match question.subject.canary.on_regression {
        _ if question.canary_errors == question.stable_errors
            && question.answers.is_held_for(&question.subject.canary.guard) =>
        {
            "paused at its share"
        }
        OnRegression::Rollback => "rolled back",
        OnRegression::Hold => "paused at its share",
        OnRegression::StepBack => "moved one stage back",
    }
}

fn time(length: crate::decide::units::Millis) -> String {
    format::time(Some(seconds(length)))
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
