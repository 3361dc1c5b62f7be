//! How often a healthy canary is rolled back, and whether its ramp completes.

use serin::simulate::rollout::{SimulatedRollout, Span, play};
use serin::simulate::schedule::Schedule;
use serin::simulate::summary::Summary;
use serin::simulate::traffic::Traffic;

use crate::bench::{Bench, DAY, HOUR, MINUTE, head, rows, tick};
use crate::cells::{count, percent, time};
use crate::compared_rules::{ALL, RIDERS};
use crate::controller;
use crate::page::Page;

pub(crate) fn write(bench: &Bench, page: &mut Page) {
    page.heading("A healthy canary");
    fixed(bench, page);
    ramps(bench, page);
    controller::write(bench, page);
}

fn fixed(bench: &Bench, page: &mut Page) {
    let runs = bench.few(10);
    page.words(&format!(
        "Both providers fail equally often, 10 % of the requests go to the canary for fourteen days: how many of \
         {runs} runs rolled it back. Fixed thresholds on small windows fail at low traffic, where one failure among \
         ten requests is 10 %. Rules that compare the two providers do not."
    ));
    let span = Span { seconds: 14.0 * DAY, fault_at: None };
    let mut cases = Vec::new();
    for errors in [0.001, 0.004, 0.032] {
        cases.extend([0.5, 5.0, 50.0, 500.0].map(|requests| (errors, requests)));
    }
    let of = |&(errors, requests): &(f64, f64)| {
        let traffic = Traffic::steady(requests, errors).ticking(tick(requests));
        let what = format!("healthy, {errors} of {requests} rps");
        bench.together(&what, runs, &ALL, 0.1, &span, |seed| traffic.arrivals(seed))
    };
    let columns: Vec<_> = cases.iter().map(of).collect();
    let names = cases.iter().map(|(errors, requests)| format!("{} %, {requests} rps", errors * 100.0));
    page.table(&head("rule", names), &rows(&ALL, &columns, |tally| percent(tally.wrong_part())));
}

fn ramps(bench: &Bench, page: &mut Page) {
    page.words(&format!(
        "A whole rollout of a healthy canary, 10 % and 15 % more with every step up to 100 % (seven stages). \
                  Cells: how many of {} ({} where steps take a day) were completed / how many were rolled back; the \
                  median time to 100 %, where any reached it. Serin promotes on schedule; its additional second is \
                  the first probe.",
        bench.many(),
        bench.few(10)
    ));
    let cases = [
        (5.0 * MINUTE, 5.0, 0.001),
        (5.0 * MINUTE, 50.0, 0.004),
        (HOUR, 50.0, 0.001),
        (HOUR, 5.0, 0.004),
        (HOUR, 50.0, 0.004),
        (HOUR, 50.0, 0.032),
        (DAY, 50.0, 0.004),
    ];
    let mut columns = Vec::new();
    for (step, requests, errors) in cases {
        let runs = if step == DAY { bench.few(10) } else { bench.many() };
        let traffic = Traffic::steady(requests, errors).ticking(tick(requests));
        let schedule = Schedule::even(0.1, 0.15, step);
        let span = Span { seconds: 3.0 * 7.0 * step, fault_at: None };
        let of = |rider: &crate::compared_rules::ShareRider| {
            let what = format!("{}: steps of {step} s, {requests} rps, {errors}", rider.name);
            let one = |seed| play(&mut traffic.arrivals(seed), &mut (rider.rule)(&schedule), &span);
            Summary::of(&bench.each::<SimulatedRollout>(&what, runs, one))
        };
        columns.push(RIDERS.iter().map(of).collect::<Vec<_>>());
    }
    let cell = |tally: &Summary| {
        let ends = format!("{} / {}", percent(tally.completed_part()), percent(tally.wrong_part()));
        tally.full.median().map_or(ends.clone(), |full| format!("{ends}; {}", time(full)))
    };
    let names = cases
        .iter()
        .map(|(step, requests, errors)| format!("{} steps, {requests} rps, {} %", time(*step), errors * 100.0));
    let row = |which: usize| columns.iter().map(|column: &Vec<Summary>| cell(&column[which])).collect::<Vec<_>>();
    let rows: Vec<Vec<String>> =
        RIDERS.iter().enumerate().map(|(which, rider)| [vec![rider.name.to_owned()], row(which)].concat()).collect();
    page.table(&head("rule", names), &rows);
    let requests: u64 = columns.iter().flatten().map(|tally| tally.all_requests).sum();
    page.words(&format!("The canaries had {} requests in them.", count(requests as f64)));
}
