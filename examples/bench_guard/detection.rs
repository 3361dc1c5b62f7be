//! How soon a fault is found, by everybody on the same ticks.

use serin::simulate::rollout::Span;
use serin::simulate::summary::Summary;
use serin::simulate::traffic::Traffic;

use crate::bench::{Bench, DAY, HOUR, head, rows, tick};
use crate::cells::found;
use crate::compared_rules::{ALL, BenchRule, UNLIMITED};
use crate::page::Page;

/// Traffic and a fault in it.
struct Case {
    requests: f64,
    share: f64,
    before: f64,
    after: f64,
    at: f64,
}

impl Case {
    fn run(&self, bench: &Bench, runs: usize, rules: &[BenchRule]) -> Vec<Summary> {
        let Case { requests, share, before, after, at } = *self;
        let traffic = Traffic::steady(requests, before).fault(at, after).ticking(tick(requests));
        let span = Span { seconds: at + 6.0 * HOUR, fault_at: traffic.fault_at };
        let what = format!("{} of {requests} rps, {} after {at} s", percent(share), rates(before, after));
        bench.together(&what, runs, rules, share, &span, |seed| traffic.arrivals(seed))
    }
}

fn percent(part: f64) -> String {
    format!("{} %", (part * 1e4).round() / 100.0)
}

fn rates(before: f64, after: f64) -> String {
    format!("{} → {}", percent(before), percent(after))
}

pub(crate) fn write(bench: &Bench, page: &mut Page) {
    page.heading("How soon a fault is found");
    page.words(&format!(
        "Cells: the median of time / requests of the canary / failures of the canary from the fault to the rollback; \
         (x %): the share of runs that detected it within six hours, where not all did; **F x %**: the share that had \
         rolled back a healthy canary before the fault. {} runs a cell.",
        bench.many()
    ));
    page.words(
        "50 requests a second, 10 % of them to the canary, which starts to fail after an hour without a fault. Serin \
         rolls a canary back within seconds when it is down and within a quarter of a minute when every fifth request \
         fails. A canary that fails twice as often as stable takes more than an hour, since such a small difference \
         shows only in thousands of requests. The CUSUM of labels is quicker, has no bound on how often it is wrong, \
         and reacts to a burst of a second (below):",
    );
    let faults = [0.008, 0.02, 0.05, 0.2, 0.5, 1.0];
    table(bench, page, &faults, |after| Case { requests: 50.0, share: 0.1, before: 0.004, after, at: HOUR });
    page.words(
        "50 requests a second, 5 % of them to the canary, which fails from its first request on. (The naive rule acts \
         here after one or two failures by chance: it \"finds\" a healthy canary in the same way.) At first contact \
         Serin needs less evidence than later, since faults are most likely there:",
    );
    let faults = [0.008, 0.02, 0.05, 0.2, 1.0];
    table(bench, page, &faults, |after| Case { requests: 50.0, share: 0.05, before: 0.004, after, at: 0.0 });
    other_traffic(bench, page);
    after_a_week(bench, page);
}

fn table(bench: &Bench, page: &mut Page, faults: &[f64], case: impl Fn(f64) -> Case) {
    let rules: Vec<BenchRule> = ALL.into_iter().chain([UNLIMITED]).collect();
    let columns: Vec<_> = faults.iter().map(|after| case(*after).run(bench, bench.many(), &rules)).collect();
    let names = faults.iter().map(|after| rates(case(*after).before, *after));
    page.table(&head("rule", names), &rows(&rules, &columns, found));
}

fn other_traffic(bench: &Bench, page: &mut Page) {
    page.words(&format!(
        "Other traffic and other rates, 10 % to the canary, a fault after an hour, {} runs a cell. Where stable \
         itself fails often, rules that use the canary's rate alone roll it back before there is a fault:",
        bench.few(2)
    ));
    let cases = [
        (5.0, 0.004, 0.2),
        (5.0, 0.004, 1.0),
        (500.0, 0.004, 0.02),
        (500.0, 0.004, 0.2),
        (500.0, 0.004, 1.0),
        (50.0, 0.001, 0.006),
        (50.0, 0.032, 0.05),
        (50.0, 0.032, 0.2),
    ];
    let case = |(requests, before, after)| Case { requests, share: 0.1, before, after, at: HOUR };
    let columns: Vec<_> = cases.iter().map(|of| case(*of).run(bench, bench.few(2), &ALL)).collect();
    let names = cases.iter().map(|(requests, before, after)| format!("{requests} rps, {}", rates(*before, *after)));
    page.table(&head("rule", names), &rows(&ALL, &columns, found));
}

fn after_a_week(bench: &Bench, page: &mut Page) {
    let runs = bench.few(8);
    page.words(&format!(
        "After seven healthy days, 50 requests a second, 10 % to the canary: the cost of a long history. {runs} runs \
         a cell. A sequential test from the start has to outweigh the week. Serin is as quick as on the first day:",
    ));
    let faults = [0.02, 0.2, 1.0];
    let case = |after| Case { requests: 50.0, share: 0.1, before: 0.004, after, at: 7.0 * DAY };
    let columns: Vec<_> = faults.iter().map(|after| case(*after).run(bench, runs, &ALL)).collect();
    let names = faults.iter().map(|after| rates(0.004, *after));
    page.table(&head("rule", names), &rows(&ALL, &columns, found));
}
