//! What is no fault of the canary: outages of both, and bursts that are over before anybody can act.

use serin::simulate::rollout::{Span, play};
use serin::simulate::schedule::Schedule;
use serin::simulate::summary::Summary;
use serin::simulate::traffic::{Traffic, seeded};

use crate::bench::{Bench, HOUR, MINUTE, head, rows, tick};
use crate::cells::percent;
use crate::compared_rules::{ALL, RELATIVE, RIDERS, SERIN, ShareRider, UNLIMITED};
use crate::page::Page;

pub(crate) fn write(bench: &Bench, page: &mut Page) {
    page.heading("Outages of both, and bursts");
    outages(bench, page);
    ramps(bench, page);
    bursts(bench, page);
}

/// Whole rollouts in which nothing is the canary's fault.
fn ramps(bench: &Bench, page: &mut Page) {
    let step = 5.0 * MINUTE;
    page.words(&format!(
        "Whole rollouts in steps of five minutes, with such an outage at a random moment, or with both providers \
         getting slowly worse, from 0.4 % to 3 % within two hours (steps of half an hour). Cells: how many of {} were \
         completed / were rolled back within a day. Argo completes since ten minutes are two of its checks. Serin \
         completes since it compares both arms, or, with most users on the canary, moves half of them to stable until \
         it has compared.",
        bench.many()
    ));
    let span = Span { seconds: 24.0 * HOUR, fault_at: None };
    let outage = |seed: u64, requests: f64, errors: f64| {
        let at = seeded(!seed).f64() * 7.0 * step;
        Traffic::steady(requests, 0.004).outage(at, 10.0 * MINUTE, errors)
    };
    let drift = |_| Traffic::steady(50.0, 0.004).drift(0.0, 2.0 * HOUR, 0.03);
    type Made<'m> = (&'static str, f64, Box<dyn Fn(u64) -> Traffic + Sync + 'm>);
    let cases: [Made<'_>; 4] = [
        ("30 %, 5 rps", step, Box::new(|seed| outage(seed, 5.0, 0.3))),
        ("30 %, 50 rps", step, Box::new(|seed| outage(seed, 50.0, 0.3))),
        ("100 %, 50 rps", step, Box::new(|seed| outage(seed, 50.0, 1.0))),
        ("drift, 50 rps", 6.0 * step, Box::new(drift)),
    ];
    let row = |rider: &ShareRider| {
        let cell = |(name, step, traffic): &Made<'_>| {
            let schedule = Schedule::even(0.1, 0.15, *step);
            let one = |seed| {
                let traffic = traffic(seed);
                play(&mut traffic.arrivals(seed), &mut (rider.rule)(&schedule), &span)
            };
            let tally = Summary::of(&bench.each(&format!("{}: {name}", rider.name), bench.many(), one));
            format!("{} / {}", percent(tally.completed_part()), percent(tally.wrong_part()))
        };
        std::iter::once(rider.name.to_owned()).chain(cases.iter().map(cell)).collect()
    };
    let table: Vec<Vec<String>> = RIDERS.iter().map(row).collect();
    page.table(&head("rule", cases.iter().map(|(name, ..)| (*name).to_owned())), &table);
}

fn outages(bench: &Bench, page: &mut Page) {
    page.words(&format!(
        "Both providers fail this share of their requests for ten minutes, after an hour without a fault, 10 % to the \
         canary: how many of those that had not been rolled back by then were rolled back within the hour after. {} \
         runs a cell. Rules that use the canary's rate alone roll it back for an outage of both providers. Rules that \
         compare do not.",
        bench.many()
    ));
    let cases = [(0.5, 0.3), (5.0, 0.3), (50.0, 0.3), (500.0, 0.3), (50.0, 1.0)];
    let span = Span { seconds: 2.0 * HOUR, fault_at: Some(HOUR) };
    let of = |&(requests, errors): &(f64, f64)| {
        let traffic = Traffic::steady(requests, 0.004).outage(HOUR, 10.0 * MINUTE, errors).ticking(tick(requests));
        let what = format!("outage of {errors}, {requests} rps");
        bench.together(&what, bench.many(), &ALL, 0.1, &span, |seed| traffic.arrivals(seed))
    };
    let columns: Vec<_> = cases.iter().map(of).collect();
    let names = cases.iter().map(|(requests, errors)| format!("{requests} rps, {}", percent(*errors)));
    page.table(&head("rule", names), &rows(&ALL, &columns, |tally| percent(tally.found_part())));
}

fn bursts(bench: &Bench, page: &mut Page) {
    page.words(&format!(
        "The canary alone fails for a moment, after an hour without a fault, 10 % to the canary: how many of {} runs \
         rolled it back, by the length of the burst. The growth of the evidence is limited, so that a burst of some \
         seconds causes no rollback. A canary that answers nothing is still rolled back after three seconds.",
        bench.many()
    ));
    let lengths = [1.0, 2.0, 3.0, 5.0, 8.0, 10.0, 20.0, 30.0];
    let span = Span { seconds: HOUR + 10.0 * MINUTE, fault_at: Some(HOUR) };
    let rules = [RELATIVE, UNLIMITED, SERIN];
    let mut table = Vec::new();
    for (requests, errors) in [(500.0, 0.3), (500.0, 1.0), (50.0, 0.3), (500.0, 0.05)] {
        let of = |length: &f64| {
            let traffic = Traffic::steady(requests, 0.004).burst(HOUR, *length, errors).ticking(tick(requests));
            let what = format!("burst of {length} s, {errors}, {requests} rps");
            bench.together(&what, bench.many(), &rules, 0.1, &span, |seed| traffic.arrivals(seed))
        };
        let columns: Vec<_> = lengths.iter().map(of).collect();
        for mut row in rows(&rules, &columns, |tally| percent(tally.found_part())) {
            row[0] = format!("{}: {requests} rps, {}", row[0], percent(errors));
            table.push(row);
        }
    }
    page.table(&head("", lengths.iter().map(|length| format!("{length} s"))), &table);
}
