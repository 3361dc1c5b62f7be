//! Writes docs/guard.md: rules for canaries against the same simulated traffic. `make bench-guard`, or `RUNS=40 make
//! bench-guard` for a quick look.
//!
//! An example and not a command: the rules from the literature are for comparison only and have no place in the binary
//! that is shipped, and whoever doubts a number can read here how it came about. Deterministic: the same sources and
//! the same RUNS write the same page, on any number of cores.

mod answers;
mod bench;
mod cells;
mod compared_rules;
mod controller;
mod crowds;
mod detection;
mod disturbances;
mod grid;
mod healthy;
mod page;
mod rules;
mod silent;
mod slow;

use std::error::Error;

use bench::Bench;
use page::Page;

/// Some twenty minutes on two cores.
const RUNS: usize = 200;

fn main() -> Result<(), Box<dyn Error>> {
    let runs = match std::env::var("RUNS") {
        Ok(text) => text.parse().map_err(|_| format!("RUNS is a number of runs, not {text:?}"))?,
        Err(_) => RUNS,
    };
    let out = std::env::args().nth(1).unwrap_or_else(|| "docs/guard.md".to_owned());
    let bench = Bench::new(runs);
    let mut page = Page::default();
    introduction(runs, &mut page);
    detection::write(&bench, &mut page);
    healthy::write(&bench, &mut page);
    disturbances::write(&bench, &mut page);
    crowds::write(&bench, &mut page);
    slow::write(&bench, &mut page);
    silent::write(&bench, &mut page);
    answers::write(&bench, &mut page);
    grid::write(&bench, &mut page);
    std::fs::write(&out, page.into_text()).map_err(|error| format!("{out}: {error}"))?;
    Ok(())
}

fn introduction(runs: usize, page: &mut Page) {
    page.words("# Rules for canaries on the same traffic");
    page.words("<!-- Written by `make bench-guard`: change examples/bench_guard/ and not this page. -->");
    page.words(
        "In each table all rules get the same simulated requests, tick by tick. Arrivals are Poisson, and each \
         request goes to the canary and fails with its own probability. Ticks last a second (2 s at 5 requests a \
         second, 20 s below). Seeds are fixed, so the page can be reproduced, number for number.",
    );
    page.words(&format!(
        "Written with RUNS={runs}. Tables that take longer have fewer runs, and each shows how many. With this number \
         of runs a median is accurate to about {:.0} %, and \"0\" means that it happens in less than one of {}. With \
         a tenth of the runs the accuracy is a third of that.",
        // A median's own deviation, where times spread about as widely as they are long.
        125.0 / (runs as f64).sqrt(),
        // None of n says: with 95 % certainty fewer than 3 of n.
        runs / 3
    ));
    page.heading("In short");
    page.words(
        "- A canary that is down is rolled back within seconds, one that never answers within half a minute, one that \
         fails every fifth request within a quarter of a minute, and one that fails five times as often as stable \
         within minutes (at 50 requests a second; less traffic takes longer, in proportion).\n\
         - A healthy canary is not rolled back: not in two weeks, not at any traffic, not when both providers fail, \
         and not for one user whose requests always fail.\n\
         - A canary that is slightly worse than stable is rolled back after hours or tolerated. This is the price of \
         the line above.\n\
         - Fixed thresholds, as in other tools, do one or the other: those that detect faults soon roll back healthy \
         canaries, and those that do not never detect 2 %.",
    );
    page.heading("The rules");
    page.words(
        "- **naive threshold**: at every hundredth request, the canary's failures so far over its share of all \
         requests so far; rollback above 5 %. Promotes only while there has been no failure.\n\
         - **Flagger**: every minute, the canary's success rate of that minute; rollback with the check after the \
         fifth that was below 99 %, in a row or not. No promotion right after a failed check.\n\
         - **Argo Rollouts**: every five minutes, the success rate of those; rollback with the fourth that was below \
         95 %.\n\
         - **Wilson**: the canary's last half hour; rollback when it has 100 requests and the lower end of the 99 % \
         interval is above 5 %.\n\
         - **safe test**, **mSPRT**, **labels from the start**: sequential tests with a fixed error rate (one false \
         alarm in a thousand rollouts) for any number of checks, started with the rollout and never restarted.\n\
         - **CUSUM, absolute**: the canary's rate, 0.5 % against 5 %. **CUSUM, labels**: whose request failed, \
         against five ratios.\n\
         - **Serin**: the guard with its defaults, with the same code that decides in production; where the share is \
         fixed, it is pinned within a ramp of seven days. **Gains not limited**: without the limit on the growth of \
         evidence, to show its cost.",
    );
    page.words(
        "Both tools have a more favourable form here: an interval without requests counts as passed. Their numbers \
         are from their own documentation. They can be changed, as can Serin's.",
    );
}
