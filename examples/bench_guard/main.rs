//! Writes docs/guard.md: rules for canaries against the same simulated traffic. `make bench-guard`, or
//! `RUNS=40 make bench-guard` for a quick look.
//!
//! An example and not a command: the rules from the literature are for comparison only and have no place in the binary
//! that is shipped, and whoever doubts a number can read here how it came about. Deterministic: the same sources and the
//! same RUNS write the same page, on any number of cores.

mod bench;
mod cells;
mod contenders;
mod crowds;
mod detection;
mod disturbances;
mod grid;
mod healthy;
mod page;
mod rules;

use std::error::Error;

use bench::Bench;
use page::Page;

/// About ten minutes on two cores.
const RUNS: usize = 400;

fn main() -> Result<(), Box<dyn Error>> {
    let runs = match std::env::var("RUNS") {
        Ok(text) => text.parse().map_err(|_| format!("RUNS is a number of runs, not {text:?}"))?,
        Err(_) => RUNS,
    };
    let out = std::env::args().nth(1).unwrap_or_else(|| "docs/guard.md".to_owned());
    let bench = Bench::new(runs);
    let mut page = Page::default();
    introduction(&mut page);
    detection::write(&bench, &mut page);
    healthy::write(&bench, &mut page);
    disturbances::write(&bench, &mut page);
    crowds::write(&bench, &mut page);
    grid::write(&bench, &mut page);
    std::fs::write(&out, page.into_text()).map_err(|error| format!("{out}: {error}"))?;
    Ok(())
}

fn introduction(page: &mut Page) {
    page.words("# Rules for canaries on the same traffic");
    page.words("<!-- Written by `make bench-guard`: change examples/bench_guard/ and not this page. -->");
    page.words(
        "Each table shows rules the same simulated requests, tick by tick: Poisson arrivals, each request goes to the \
         canary and fails with its own chance. Ticks last a second (2 s at 5 requests a second, 20 s below). Seeds are \
         fixed, so the page can be written again, number for number.",
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
           ratios.",
    );
    page.words(
        "Both tools are shown kinder than they are: an interval without requests counts as passed. Their numbers are those \
         of their own documentation; they can be set, as can Serin's.",
    );
}
