//! A canary whose answers no status calls bad, and that are worse.

use serin::decide::policy::SlowRule;
use serin::simulate::comparison::{ComparedRule, RuleComparison};
use serin::simulate::excess::{Excess, Rates, SPREAD, beyond};
use serin::simulate::guarded::pinned_canary;
use serin::simulate::rollout::Span;
use serin::simulate::scenario::Scenario;
use serin::simulate::schedule::Schedule;
use serin::simulate::summary::Summary;

use crate::bench::{Bench, DAY, HOUR, head};
use crate::page::Page;
use crate::silent::found;

const TRAFFICS: [f64; 3] = [5.0, 50.0, 500.0];

pub(crate) fn write(bench: &Bench, page: &mut Page) {
    let runs = bench.few(2);
    let rates = everyday();
    page.heading("A canary with worse responses");
    page.words(&format!(
        "Every status is 200. From the end of the first hour on more of the canary's responses are empty, stopped by \
         the length limit, filtered, or streamed with longer gaps. Before that they are like stable's ({} empty, {} \
         stopped by the limit, {} filtered, gaps that spread as a lognormal with sigma {SPREAD}). 10 % of the users \
         are on the canary. Cells: the median of the time until the rule acts, / 95 %, of {runs} runs; never: not \
         within an hour; **F**: before. By default the guard pauses the ramp at its share. The other rules count \
         failures only, and an empty response is not a failure for them.",
        part(rates[0]),
        part(rates[1]),
        part(rates[2]),
    ));
    let slow = SlowRule::default();
    let worse: [(&str, usize, f64); 6] = [
        ("30 % are empty", 0, 0.3),
        ("30 % are stopped by the length limit", 1, 0.3),
        ("30 % are filtered", 2, 0.3),
        ("gaps are three times as long", 3, beyond(&slow, 3.0, SPREAD)),
        ("5 % are empty", 0, 0.05),
        ("stopped by the length limit 1.5 times as often", 1, 1.5 * rates[1]),
    ];
    for (what, kind, rate) in worse {
        let mut excess = Excess { from: HOUR, ..Excess::alike(rates) };
        excess.canary[kind] = rate;
        let columns = TRAFFICS.map(|requests| {
            let runs = if requests > 100.0 { bench.few(10) } else { runs };
            played(bench, &format!("{what}, {requests} rps"), runs, requests, excess, 2.0 * HOUR)
        });
        let row = |place: usize| {
            let cells = columns.iter().map(|column| found(&column[place]));
            std::iter::once(name(ComparedRule::ALL[place])).chain(cells).collect::<Vec<_>>()
        };
        let names = TRAFFICS.map(|requests| format!("{requests} rps"));
        let order = [1, 2, 3, 0];
        page.table(&head(what, names), &order.map(row));
    }
    alike(bench, page);
}

/// Answers of both that are equally often worse than they should be.
fn alike(bench: &Bench, page: &mut Page) {
    let runs = bench.few(2);
    let held = played(bench, "answers alike", runs, 5.0, Excess::alike(everyday()), 14.0 * DAY);
    page.words(&format!(
        "If the canary's responses are like stable's, at 5 requests a second for fourteen days: {} of {runs} paused.",
        held[0].wrong + held[0].found
    ));
}

/// What nobody wonders at.
fn everyday() -> Rates {
    [0.005, 0.02, 0.005, beyond(&SlowRule::default(), 1.0, SPREAD)]
}

/// What becomes of it under each rule.
fn played(bench: &Bench, what: &str, runs: usize, requests: f64, excess: Excess, seconds: f64) -> Vec<Summary> {
    let scenario = Scenario {
        requests,
        stable: 0.004,
        canary: (0.004, HOUR),
        outages: Vec::new(),
        users: None,
        failing_user: false,
        silent: None,
        stable_dies: None,
        excess: Some(excess),
        feedback: None,
    };
    let comparison = RuleComparison {
        scenario: scenario.prepare(),
        canary: pinned_canary(0.1, &Schedule::even(0.1, 0.15, DAY)),
        span: Span { seconds, fault_at: Some(excess.from) },
        stable_dies: None,
        looks_until: seconds,
    };
    let rollouts = bench.each(what, runs, |seed| ComparedRule::ALL.map(|rule| comparison.play(rule, seed).rollout));
    (0..ComparedRule::ALL.len())
        .map(|place| Summary::of(&rollouts.iter().map(|run| run[place]).collect::<Vec<_>>()))
        .collect()
}

fn name(rule: ComparedRule) -> String {
    match rule {
        ComparedRule::Serin => "**Serin**".to_owned(),
        other => other.as_str().to_owned(),
    }
}

fn part(rate: f64) -> String {
    format!("{} %", rate * 100.0)
}
