//! A canary that accepts requests and never answers.

use serin::decide::guard::waiting::ResponseKind;
use serin::decide::policy::Guard;
use serin::simulate::rollout::Span;
use serin::simulate::scenario::{CountedRequests, MEDIAN, Scenario};
use serin::simulate::summary::Summary;
use serin::simulate::traffic::seeded;
use serin::simulate::waits::{OutputTimes, Stall, Waits};

use crate::bench::{Bench, HOUR, MINUTE, head, rows};
use crate::cells::{percent, time};
use crate::compared_rules::{ARGO, FLAGGER, NAIVE, SERIN};
use crate::page::Page;

const TRAFFICS: [f64; 3] = [5.0, 50.0, 500.0];

pub(crate) fn write(bench: &Bench, page: &mut Page) {
    let runs = bench.few(2);
    page.heading("A canary that never answers");
    page.words(&format!(
        "It accepts requests and does not answer all of them, or a part of them, from the end of the first hour on. \
         10 % of the users are on it. Stable's times to the first output are lognormal (median {MEDIAN} s, sigma \
         0.7), and its requests fail 0.4 % of the time. Cells: the median of the time until it is rolled back, / 95 \
         %, of {runs} runs; never: not within an hour; **F**: rolled back before. Rules for failures detect nothing \
         here. The guard compares requests without output with stable's of the same seconds. If a part is answered, \
         the slow responses are the evidence.",
    ));
    let rules = [NAIVE, FLAGGER, ARGO, SERIN];
    for part in [1.0, 0.3] {
        let columns: Vec<Vec<Summary>> = TRAFFICS
            .iter()
            .map(|requests| {
                let scenario = Scenario {
                    requests: *requests,
                    stable: 0.004,
                    canary: (0.004, HOUR),
                    outages: Vec::new(),
                    users: None,
                    failing_user: false,
                    silent: Some(part),
                    stable_dies: None,
                    excess: None,
                    feedback: None,
                };
                let (stage, span) = (scenario.prepare(), Span { seconds: 2.0 * HOUR, fault_at: Some(HOUR) });
                let runs = if *requests > 100.0 { bench.few(10) } else { runs };
                let what = format!("{} never answered, {requests} rps", percent(part));
                bench.together(&what, runs, &rules, 0.1, &span, |seed| stage.run(seed, CountedRequests::Unpaused))
            })
            .collect();
        let answered = match part < 1.0 {
            true => format!("{} of the requests are never answered", percent(part)),
            false => "no request is answered".to_owned(),
        };
        let names = TRAFFICS.map(|requests| format!("{requests} rps"));
        page.table(&head(&answered, names), &rows(&rules, &columns, found));
    }
    not_canary_faults(bench, page);
}

pub(crate) fn found(tally: &Summary) -> String {
    let wrong = if tally.wrong > 0 { format!(" **F {}**", percent(tally.wrong_part())) } else { String::new() };
    match (tally.seconds.median(), tally.seconds.most()) {
        (Some(median), Some(most)) => {
            let all = tally.found_part() >= 0.995;
            let part = if all { String::new() } else { format!(" ({})", percent(tally.found_part())) };
            format!("{} / {}{part}{wrong}", time(median), time(most))
        }
        _ => format!("never{wrong}"),
    }
}

/// What looks like silence and is not the canary's.
fn not_canary_faults(bench: &Bench, page: &mut Page) {
    let runs = bench.many();
    page.words(&format!(
        "Similar cases that are not a fault of the canary, of {runs} runs each at 5 requests a second: how many are \
         found silent.",
    ));
    let times = |part, kind, median, spread| OutputTimes { part, kind, median, spread };
    let usual = || Waits::of_median(5.0, MEDIAN);
    let thinking = || Waits {
        users: 500,
        times: vec![
            times(0.6, ResponseKind::Streamed, 1.0, 0.7),
            times(0.25, ResponseKind::Whole, 8.0, 0.8),
            times(0.1, ResponseKind::Whole, 90.0, 0.5),
            times(0.05, ResponseKind::Streamed, 120.0, 0.6),
        ],
        ..usual()
    };
    type Case<'c> = (&'c str, f64, &'c (dyn Fn(u64) -> Waits + Sync));
    let stall = |seed: u64| {
        let by_source = (seeded(!seed).f64() * 2.0 - 1.0) * 5.0;
        let at = 10.0 * MINUTE;
        Waits { stall: Some(Stall { from: at, until: [at + 60.0, at + 60.0 + by_source] }), ..usual() }
    };
    let cases: [Case<'_>; 5] = [
        ("both stand still for a minute, and recover within five seconds of each other", 15.0 * MINUTE, &stall),
        ("streams and whole answers, a seventh of which take minutes", HOUR, &|_| thinking()),
        ("the same, and a user of the canary with batches", HOUR, &|_| Waits { batch: Some((120, 30)), ..thinking() }),
        ("the same, and half of the clients leave after 4 s", HOUR, &|_| Waits {
            impatient: Some((0.5, 4.0)),
            ..thinking()
        }),
        ("first contact with a model that takes a minute", HOUR, &|_| Waits::of_median(5.0, MINUTE)),
    ];
    let row = |(name, seconds, waits): Case<'_>| {
        let silent = bench.each(name, runs, |seed| {
            let waits = waits(seed);
            let mut run = waits.run(Guard::default(), seed);
            let mut left = seconds;
            while left > 0.0 && !run.tick(0.1, 0).silence.down {
                left -= 1.0;
            }
            left > 0.0
        });
        let called = silent.into_iter().filter(|called| *called).count();
        vec![name.to_owned(), called.to_string()]
    };
    page.table(&head("what happens", ["called silent".to_owned()]), &cases.map(row));
}
