//! Writes docs/guard.md: rules for canaries against the same simulated traffic. `make bench-guard`, or
//! `RUNS=40 make bench-guard` for a quick look.
//!
//! An example and not a command: the rules from the literature are for comparison only and have no place in the binary
//! that is shipped, and whoever doubts a number can read here how it came about. Deterministic: the same sources and the
//! same RUNS write the same page, on any number of cores.

mod answers;
mod bench;
mod cells;
mod contenders;
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

/// About five minutes on two cores that have nothing else to do.
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
        "Each table shows rules the same simulated requests, tick by tick: Poisson arrivals, each request goes to the \
         canary and fails with its own chance. Ticks last a second (2 s at 5 requests a second, 20 s below). Seeds are \
         fixed, so the page can be written again, number for number.",
    );
    page.words(&format!(
        "Written with RUNS={runs}; tables that take longer have fewer runs, and each says how many. Of so many runs a median \
         is good to about {:.0} %, and \"0\" says that it happens in less than one of {}; a tenth of the runs knows a third \
         as much.",
        // A median's own deviation, where times spread about as widely as they are long.
        125.0 / (runs as f64).sqrt(),
        // None of n says: with 95 % certainty fewer than 3 of n.
        runs / 3
    ));
    page.heading("In short");
    page.words(
        "- A canary that is down goes back within seconds, one that never answers within half a minute, one that fails every \
           fifth request within a quarter of a minute, and one that fails five times as often as stable within minutes (at 50 requests a second; less traffic takes \
           longer, in proportion).\n\
         - A healthy canary is not taken back: not in two weeks, not at any traffic, not when both providers fail, and not \
           for one user who always fails.\n\
         - What is hardly worse than stable takes hours or is tolerated: that is the price of the line above.\n\
         - Fixed thresholds, as other tools have them, do one or the other: those that see faults soon take healthy canaries \
           back, those that do not see 2 % never.",
    );
    page.heading("The rules");
    page.words(
        "- **naive threshold**: at every hundredth request, the canary's failures so far over its share of all requests \
           so far; back above 5 %. Promotes only while there has been no failure at all.\n\
         - **Flagger**: every minute, the canary's success rate of that minute; back with the check after the fifth that \
           was below 99 %, in a row or not. No promotion right after a failed check.\n\
         - **Argo Rollouts**: every five minutes, the success rate of those; back with the fourth that was below 95 %.\n\
         - **Wilson**: the canary's last half hour; back when it has 100 requests and the lower end of the 99 % interval is \
           above 5 %.\n\
         - **safe test**, **mSPRT**, **labels from the start**: sequential tests that hold their promise (one false alarm \
           in a thousand rollouts) however often one looks, begun with the rollout and never restarted.\n\
         - **CUSUM, absolute**: the canary's rate, 0.5 % against 5 %. **CUSUM, labels**: whose request failed, against five \
           ratios.\n\
         - **Serin**: the guard as it is shipped, with its defaults, and with the very code that decides in production; \
           where the share is fixed, it is pinned within a ramp of seven days. **Gains not limited**: without the limit on \
           how fast evidence may gather, to show what that costs.",
    );
    page.words(
        "Both tools are shown kinder than they are: an interval without requests counts as passed. Their numbers are those \
         of their own documentation; they can be set, as can Serin's.",
    );
}
