//! What the guard must be able to do about a canary that accepts requests and never answers, by simulation.
//!
//! Times to the first output are lognormal around two seconds (deviation 0.7), a tenth of the users is on the canary.
//! The runs are the guard's own, request by request. Seeds are fixed; what breaks a promise is named with its seed. Few
//! runs by default, fewest in debug builds. The full measure takes about an hour of one core, most of it for healthy
//! days: `SERIN_BARS=full cargo test --profile quick --locked --test silent_bars -- --nocapture`

use serin::decide::guard::waiting::ResponseKind;
use serin::decide::policy::Guard;
use serin::simulate::run::Runs;
use serin::simulate::traffic::seeded;
use serin::simulate::waits::{OutputTimes, Stall, Waits};

const SHARE: f64 = 0.1;
/// When something happens: thresholds are learnt by then.
const AT: f64 = 600.0;

/// How often: the whole measure, in release builds, and in debug builds.
fn runs(full: usize, release: usize, debug: usize) -> usize {
    match std::env::var("SERIN_BARS").as_deref() {
        Ok("full") => full,
        _ if cfg!(debug_assertions) => debug,
        _ => release,
    }
}

fn usual(requests: f64) -> Waits {
    Waits::of_median(requests, 2.0)
}

/// After how many seconds the canary is called silent.
fn found(waits: &Waits, seconds: u32, seed: u64) -> Option<f64> {
    let mut run = waits.run(Guard::default(), seed);
    (1..=seconds).find(|_| run.tick(SHARE, 0).silence.down).map(f64::from)
}

fn each<T: Send>(count: usize, one: impl Fn(u64) -> T + Sync) -> Vec<T> {
    Runs::new(count, 1).each(one, |_| {})
}

/// The median, and what 95% do not exceed, of the times after it fell silent.
fn delays(what: &str, waits: &Waits, count: usize) -> (f64, f64) {
    let waits = Waits { silent: Some((1.0, AT)), ..waits.clone() };
    let mut delays: Vec<f64> = each(count, |seed| {
        let at = found(&waits, 1200, seed);
        at.map_or(f64::INFINITY, |at| at - AT)
    });
    assert!(delays.iter().all(|delay| *delay > 0.0), "{what}: called silent before it was");
    delays.sort_by(f64::total_cmp);
    let (median, most) = (delays[count / 2], delays[count * 95 / 100]);
    println!("{what}: median {median} s, 95% {most} s, of {count}");
    (median, most)
}

fn never(what: &str, count: usize, seconds: u32, waits: impl Fn(u64) -> Waits + Sync) {
    let called = each(count, |seed| found(&waits(seed), seconds, seed).map(|at| (seed, at)));
    let called: Vec<_> = called.into_iter().flatten().collect();
    println!("{what}: {} of {count} called silent", called.len());
    assert!(called.is_empty(), "{what}: called silent with these seeds, at these seconds: {called:?}");
}

#[test]
fn a_silent_canary_is_found_in_time() {
    let count = runs(1000, 300, 40);
    let (median, most) = delays("5 requests a second", &usual(5.0), count);
    assert!(median <= 30.0 && most <= 45.0, "{median} s, {most} s");
    let (median, most) = delays("50 requests a second", &usual(50.0), count.min(200));
    assert!(median <= 16.0 && most <= 20.0, "{median} s, {most} s");
    let mixed = Waits { impatient: Some((0.3, 6.0)), ..mixture(5.0) };
    let (median, most) = delays("a mixture at 5 requests a second, clients that leave", &mixed, count);
    assert!(median.is_finite() && most.is_finite());
}

#[test]
fn a_stall_of_both_is_not_the_canarys_fault() {
    for requests in [5.0, 50.0] {
        never(&format!("a stall of both at {requests} requests a second"), runs(1000, 100, 12), 900, |seed| {
            // Stable recovers up to five seconds before or after the canary.
            let by_source = (seeded(!seed).f64() * 2.0 - 1.0) * 5.0;
            Waits { stall: Some(Stall { from: AT, until: [AT + 60.0, AT + 60.0 + by_source] }), ..usual(requests) }
        });
    }
    never("stable recovers five seconds sooner", runs(1000, 100, 12), 900, |_| Waits {
        stall: Some(Stall { from: AT, until: [AT + 60.0, AT + 65.0] }),
        ..usual(50.0)
    });
}

/// Chats as streams and whole, and requests that think for minutes.
fn mixture(requests: f64) -> Waits {
    let times = |part, kind, median, spread| OutputTimes { part, kind, median, spread };
    Waits {
        users: 500,
        times: vec![
            times(0.6, ResponseKind::Streamed, 1.0, 0.7),
            times(0.25, ResponseKind::Whole, 8.0, 0.8),
            times(0.1, ResponseKind::Whole, 90.0, 0.5),
            times(0.05, ResponseKind::Streamed, 120.0, 0.6),
        ],
        ..usual(requests)
    }
}

#[test]
fn a_canary_that_thinks_as_long_as_stable_is_not_silent() {
    let seconds = if cfg!(debug_assertions) { 1800 } else { 7200 };
    let count = runs(500, 40, 4);
    for requests in [0.5, 5.0, 50.0] {
        let count = if requests > 5.0 { count.div_ceil(4) } else { count };
        let what = |which: &str| format!("{which} at {requests} requests a second");
        never(&what("minutes of thought"), count, seconds, |_| mixture(requests));
        never(&what("minutes of thought and a user with batches"), count * 2, seconds, |_| Waits {
            batch: Some((120, 30)),
            ..mixture(requests)
        });
        never(&what("minutes of thought and clients that leave early"), count, seconds, |_| Waits {
            impatient: Some((0.5, 4.0)),
            ..mixture(requests)
        });
        never(&what("few users"), count, seconds, |_| Waits { users: 20, ..mixture(requests) });
        never(&what("first contact with a model of a minute"), count, seconds / 4, |_| {
            Waits::of_median(requests, 60.0)
        });
    }
}

#[test]
fn a_healthy_canary_is_not_silent() {
    let day = 86_400;
    let (days, count) = (if cfg!(debug_assertions) { 1 } else { 14 }, runs(2000, 8, 1));
    let seconds = if cfg!(debug_assertions) { day / 12 } else { days * day };
    never(&format!("{} healthy days", f64::from(seconds) / f64::from(day)), count, seconds, |_| usual(5.0));
}
