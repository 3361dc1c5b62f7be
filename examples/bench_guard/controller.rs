//! Whole rollouts of Serin's guard in which nothing is wrong: what it does that it ought not to.

use serin::decide::event::Action;
use serin::simulate::guarded::default_canary;
use serin::simulate::rollout::{SimulatedRollout, Span, play};
use serin::simulate::schedule::Schedule;
use serin::simulate::summary::Summary;
use serin::simulate::traffic::Traffic;

use crate::bench::{Bench, DAY, HOUR, MINUTE, head, tick};
use crate::cells::{count, percent, time};
use crate::compared_rules::guarded;
use crate::page::Page;

struct Ramps {
    step: f64,
    runs: usize,
    requests: &'static [f64],
}

/// One kind of canary on every ramp, with every traffic and every rate.
#[derive(Default)]
struct Sum {
    runs: usize,
    taken_back: usize,
    completed: usize,
    confirmed: usize,
    requests: u64,
    // How much longer than the ramp itself completion took, at worst.
    late: f64,
}

pub(crate) fn write(bench: &Bench, page: &mut Page) {
    let ramps = [
        Ramps { step: 5.0 * MINUTE, runs: 3 * bench.many(), requests: &[5.0, 50.0, 500.0] },
        Ramps { step: HOUR, runs: bench.few(4), requests: &[5.0, 50.0, 500.0] },
        Ramps { step: DAY, runs: bench.few(40), requests: &[50.0] },
    ];
    page.words(
        "Serin alone, whole ramps of seven stages in steps of five minutes, an hour and a day, at 5, 50 and 500 \
         requests a second (50 in steps of a day), stable failing 0.1, 0.4 and 3.2 %. A canary that is 1.25 times \
         worse is the worst that is tolerated: its completion may be delayed, and it must not be rolled back in more \
         than one of a thousand rollouts. A confirmation moves half of the users to stable for ten minutes, where \
         stable has too little traffic for a comparison. With steps of five minutes this delays the schedule, and the \
         latest rollouts have waited for two confirmations.",
    );
    let kinds = [("as good as stable", 1.0), ("1.25 times worse", 1.25), ("half as many failures", 0.5)];
    let mut table = Vec::new();
    for (name, factor) in kinds {
        let mut sum = Sum::default();
        for ramp in &ramps {
            for requests in ramp.requests {
                for errors in [0.001, 0.004, 0.032] {
                    add(&mut sum, bench, ramp, *requests, (errors, errors * factor));
                }
            }
        }
        let part = |of: usize| percent(of as f64 / sum.runs.max(1) as f64);
        table.push(vec![
            name.to_owned(),
            count(sum.runs as f64),
            count(sum.requests as f64),
            count(sum.taken_back as f64),
            part(sum.completed),
            time(sum.late),
            count(sum.confirmed as f64),
        ]);
    }
    let columns = [
        "rollouts",
        "requests of the canary",
        "rolled back",
        "completed",
        "latest beyond the schedule",
        "confirmations",
    ];
    page.table(&head("the canary", columns.map(str::to_owned)), &table);
}

fn add(sum: &mut Sum, bench: &Bench, ramp: &Ramps, requests: f64, (stable, canary): (f64, f64)) {
    let traffic = Traffic::steady(requests, stable).with_canary(canary).ticking(tick(requests));
    let schedule = Schedule::even(0.1, 0.15, ramp.step);
    let span = Span { seconds: 3.0 * 7.0 * ramp.step, fault_at: None };
    let one = |seed| {
        let mut rule = guarded(default_canary(&schedule));
        let rollout = play(&mut traffic.arrivals(seed), &mut rule, &span);
        (rollout, rule.events().iter().filter(|event| event.action == Action::Confirm).count())
    };
    let what = format!("steps of {} s, {requests} rps, {stable} and {canary}", ramp.step);
    let played: Vec<(SimulatedRollout, usize)> = bench.each(&what, ramp.runs, one);
    sum.confirmed += played.iter().map(|(_, confirmed)| confirmed).sum::<usize>();
    let tally = Summary::of(&played.into_iter().map(|(rollout, _)| rollout).collect::<Vec<_>>());
    sum.runs += tally.runs;
    sum.taken_back += tally.wrong;
    sum.completed += tally.completed;
    sum.requests += tally.all_requests;
    sum.late = tally.completing.quantile(1.0).map_or(sum.late, |latest| sum.late.max(latest - 7.0 * ramp.step));
}
