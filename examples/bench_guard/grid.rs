//! A close look at one rule: faults of every size, at every share and with every traffic.

use serin::simulate::rollout::Span;
use serin::simulate::summary::Summary;
use serin::simulate::traffic::Traffic;

use crate::bench::{Bench, DAY, HOUR, head, tick};
use crate::cells::{count, percent, time};
use crate::compared_rules::{BenchRule, SERIN};
use crate::page::Page;

const FAULTS: [(f64, &str); 8] = [
    (0.008, "0.8 % (twice)"),
    (0.009, "0.9 %"),
    (0.02, "2 % (5 times)"),
    (0.04, "4 % (10 times)"),
    (0.05, "5 %"),
    (0.2, "20 %"),
    (0.5, "50 %"),
    (1.0, "100 %"),
];

pub(crate) fn write(bench: &Bench, page: &mut Page) {
    page.heading("Serin in detail");
    shares(bench, page, &SERIN);
    traffics(bench, page, &SERIN);
}

fn run(bench: &Bench, rule: &BenchRule, requests: f64, share: f64, at: f64, errors: f64) -> Summary {
    let traffic = Traffic::steady(requests, 0.004).fault(at, errors).ticking(tick(requests));
    let span = Span { seconds: at + 14.0 * DAY, fault_at: traffic.fault_at };
    let what = format!("{}: {share} of {requests} rps, {errors} after {at} s", rule.name);
    let one = std::slice::from_ref(rule);
    let tallies = bench.together(&what, bench.few(2), one, share, &span, |seed| traffic.arrivals(seed));
    tallies.into_iter().next().unwrap_or_default()
}

fn note(tally: &Summary) -> String {
    if tally.found_part() < 0.995 { format!(" ({})", percent(tally.found_part())) } else { String::new() }
}

fn shares(bench: &Bench, page: &mut Page, rule: &BenchRule) {
    let shares = [0.01, 0.05, 0.1, 0.25, 0.5];
    page.words(&format!(
        "The cost of a fault: requests of the canary from the fault to the rollback, median / 95 % of {} runs; 50 \
         requests a second, 0.4 % fail otherwise; the columns are the canary's share. A smaller share costs fewer \
         requests and takes longer. From a quarter on, a fault of 20 % and more costs the requests of the minimum \
         time that it must last: three seconds for a canary that is down, about nine for another.",
        bench.few(2)
    ));
    let mut table = Vec::new();
    for (errors, name) in FAULTS {
        for (at, when) in [(0.0, "from the start"), (HOUR, "after 1 h")] {
            let cell = |share: &f64| {
                let tally = run(bench, rule, 50.0, *share, at, errors);
                let of = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), count);
                format!("{} / {}{}", of(tally.requests.median()), of(tally.requests.most()), note(&tally))
            };
            table.push(std::iter::once(format!("{name}, {when}")).chain(shares.iter().map(cell)).collect());
        }
    }
    page.table(&head("the canary fails", shares.iter().map(|share| percent(*share))), &table);
}

fn traffics(bench: &Bench, page: &mut Page, rule: &BenchRule) {
    let cases = [(0.5, 0.1), (5.0, 0.1), (50.0, 0.1), (500.0, 0.1), (2000.0, 0.1), (50.0, 0.01)];
    page.words(&format!(
        "The time to detect it: time from the fault (after an hour) to the rollback, median / 95 % of {} runs. From \
         some hundred requests a second on, more traffic makes hardly any difference, so that no burst decides alone.",
        bench.few(2)
    ));
    let mut table = Vec::new();
    for (errors, name) in FAULTS {
        let cell = |&(requests, share): &(f64, f64)| {
            let tally = run(bench, rule, requests, share, HOUR, errors);
            let of = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), time);
            format!("{} / {}{}", of(tally.seconds.median()), of(tally.seconds.most()), note(&tally))
        };
        table.push(std::iter::once(name.to_owned()).chain(cases.iter().map(cell)).collect());
    }
    let names = cases.iter().map(|(requests, share)| format!("{} of {requests} rps", percent(*share)));
    page.table(&head("the canary fails", names), &table);
}
