//! What one client among several can do to a rollout, by simulation: nothing.
//!
//! Honest sources send 5, 50 or 500 requests a second together, of which both providers fail 0.4%; one more sends nearly
//! as many and does what it likes. Seeds are fixed; what breaks a promise is named with its seed. Few runs by default,
//! fewest in debug builds. The full measure:
//! `SERIN_BARS=full cargo test --profile quick --locked --test source_bars -- --nocapture`

use serin::decide::event::Action;
use serin::decide::policy::{Canary, Guard, OnExcess};
use serin::decide::units::UnixMillis;
use serin::simulate::guarded::{Guarded, pinned, usual};
use serin::simulate::run::Runs;
use serin::simulate::schedule::Schedule;
use serin::simulate::sources::{Aim, Beside, Played, play};

const MINUTE: f64 = 60.0;
const DAY: f64 = 86_400.0;
/// When something happens to the canary, in seconds.
const FAULT: f64 = 900.0;
/// The attacker sends a little less than all others together.
const PART: f64 = 0.9;

/// How often: the whole measure, in release builds, and in debug builds.
fn runs(full: usize, release: usize, debug: usize) -> usize {
    match std::env::var("SERIN_BARS").as_deref() {
        Ok("full") => full,
        _ if cfg!(debug_assertions) => debug,
        _ => release,
    }
}

fn each<T: Send>(count: usize, one: impl Fn(u64) -> T + Sync) -> Vec<T> {
    Runs::new(count, 1).each(one, |_| {})
}

fn guarded(canary: Canary) -> Guarded {
    // Whatever is found is acted on.
    let guard = Guard { client_errors: OnExcess::Rollback, ..canary.guard };
    Guarded::new(Canary { guard, ..canary }, "chat", UnixMillis(1_800_000_000_000))
}

fn tenth() -> Guarded {
    guarded(pinned(0.1, &Schedule::even(0.1, 0.15, DAY)))
}

fn attacked(honest: Beside, aim: Aim) -> Beside {
    let requests = honest.each.requests.at(0.0) * f64::from(honest.honest);
    Beside { attack: Some((aim, requests * PART)), ..honest }
}

fn acted(played: &Played) -> bool {
    played
        .last
        .as_ref()
        .is_some_and(|(_, action)| !matches!(action, Action::Promote | Action::Complete | Action::Start))
}

#[test]
fn one_source_takes_no_healthy_canary_back_and_holds_none() {
    for requests in [5.0, 50.0, 500.0] {
        let seconds = if cfg!(debug_assertions) { 600.0 } else { 7200.0 };
        for (honest, aim) in
            [3, 4, 9].into_iter().flat_map(|honest| Aim::all().into_iter().map(move |aim| (honest, aim)))
        {
            let beside = attacked(Beside::of(honest, requests, 0.004), aim);
            let played = each(runs(200, 10, 1), |seed| play(&beside, tenth(), seconds, seed));
            let moved: Vec<_> = (1..).zip(&played).filter(|(_, played)| acted(played)).collect();
            assert!(moved.is_empty(), "{honest} honest sources at {requests} a second, {aim:?}: {moved:?}");
        }
        println!("{requests} requests a second: nothing happened to a healthy canary");
    }
}

/// On a ramp of seven steps.
fn ramp(step: f64) -> Guarded {
    guarded(usual(&Schedule::even(0.1, 0.15, step)))
}

#[test]
fn one_source_keeps_no_healthy_ramp_from_its_end() {
    for requests in [5.0, 50.0, 500.0] {
        let step = if requests < 50.0 { 20.0 * MINUTE } else { 5.0 * MINUTE };
        let count = runs(100, 10, 1);
        let ends = |beside: &Beside| {
            let played = each(count, |seed| play(beside, ramp(step), 24.0 * step, seed));
            let completed =
                |played: &&Played| played.last.as_ref().is_some_and(|(_, action)| *action == Action::Complete);
            let ends: Vec<f64> = played.iter().filter(completed).filter_map(|one| Some(one.last.as_ref()?.0)).collect();
            (ends.len(), ends.iter().sum::<f64>() / (ends.len() as f64).max(1.0) / step, played)
        };
        let honest = Beside::of(3, requests, 0.002);
        let (all, alone, _) = ends(&honest);
        println!("{requests} requests a second: {all} of {count} ramps end, after {alone:.1} steps of 7");
        for aim in Aim::all() {
            let (all, steps, played) = ends(&attacked(honest.clone(), aim));
            println!("    {aim:?}: {all}, after {steps:.1} steps");
            assert!(all * 10 >= count * 9, "{requests} a second, {aim:?}: {played:?}");
        }
    }
}

#[test]
fn one_source_has_no_bad_canary_promoted() {
    for requests in [5.0, 50.0, 500.0] {
        let mut honest = Beside::of(3, requests, 0.004);
        honest.each = honest.each.with_canary(0.12);
        let step = 20.0 * MINUTE;
        for aim in [Aim::Better, Aim::Bursts(1, 19), Aim::Bursts(5, 60), Aim::Flood] {
            let beside = attacked(honest.clone(), aim);
            let played = each(runs(200, 20, 1), |seed| play(&beside, ramp(step), 3.0 * step, seed));
            let bad: Vec<_> =
                (1..).zip(&played).filter(|(_, played)| played.promotions > 0 || !acted(played)).collect();
            assert!(bad.is_empty(), "{requests} a second, {aim:?}: {bad:?}");
        }
        println!("{requests} requests a second: no canary of which 12% fail was promoted");
    }
}

/// After how many seconds the canary is taken back: the median, and what 95% do not exceed.
fn found(beside: &Beside, count: usize) -> (f64, f64) {
    let played = each(count, |seed| play(beside, tenth(), FAULT + 7200.0, seed));
    let mut delays: Vec<f64> = played
        .iter()
        .map(|played| match &played.last {
            Some((at, action)) if *action == Action::Rollback => at - FAULT,
            _ => f64::INFINITY,
        })
        .collect();
    let early: Vec<_> = (1..).zip(&delays).filter(|(_, delay)| **delay <= 0.0).collect();
    assert!(early.is_empty(), "{beside:?}: taken back before the fault, with {early:?}");
    delays.sort_by(f64::total_cmp);
    (delays[count / 2], delays[count * 95 / 100])
}

#[test]
fn one_source_keeps_no_bad_canary_for_twice_as_long() {
    for requests in [5.0, 50.0, 500.0] {
        for errors in [1.0, 0.2, 0.05] {
            let count = runs(400, 30, 3);
            let mut honest = Beside::of(3, requests, 0.004);
            honest.each = honest.each.fault(FAULT, errors);
            let one = found(
                &Beside { honest: 1, each: Beside::of(1, requests, 0.004).each.fault(FAULT, errors), ..honest.clone() },
                count,
            );
            let alone = found(&honest, count);
            println!("{errors} fail at {requests} requests a second: one source {one:?}, three {alone:?} s");
            for aim in [Aim::Better, Aim::Bursts(1, 19), Aim::Bursts(5, 60), Aim::Flood] {
                let beside = found(&attacked(honest.clone(), aim), count);
                println!("    {aim:?}: {beside:?} s");
                let most = (2.0 * alone.0).max(alone.0 + 1.0);
                assert!(beside.0 <= most, "{errors} at {requests}, {aim:?}: {beside:?} and not {alone:?}");
            }
        }
    }
}

#[test]
fn one_source_keeps_no_silent_canary_for_twice_as_long() {
    for requests in [5.0, 50.0] {
        let count = runs(200, 20, 2);
        let honest = Beside::of(3, requests, 0.004).silent_from(FAULT);
        let alone = found(&honest, count);
        println!("silent at {requests} requests a second: {alone:?} s");
        for aim in [Aim::Better, Aim::Bursts(5, 60), Aim::Flood] {
            let beside = found(&attacked(honest.clone(), aim), count);
            println!("    {aim:?}: {beside:?} s");
            assert!(beside.0 <= 2.0 * alone.0, "{requests}, {aim:?}: {beside:?} and not {alone:?}");
        }
    }
}
