//! What one client among several can do to a rollout, by simulation: nothing.
//!
//! Honest sources send 5, 50 or 500 requests a second together, evenly or most of it from one of them, of which both
//! providers fail 0.4%; one more sends nearly as many and does what it likes. Seeds are fixed; what breaks a promise is
//! named with its seed. Few runs by default, fewest in debug builds. The full measure:
//! `SERIN_BARS=full cargo test --profile quick --locked --test source_bars -- --nocapture`

use serin::decide::event::Action;
use serin::decide::policy::{Canary, Guard, OnExcess};
use serin::decide::units::{Percent, UnixMillis};
use serin::simulate::guarded::{GuardRule, default_canary, pinned_canary};
use serin::simulate::run::Runs;
use serin::simulate::schedule::Schedule;
use serin::simulate::sources::{AttackGoal, AttackResult, MixedTraffic, play};

const MINUTE: f64 = 60.0;
const DAY: f64 = 86_400.0;
/// When something happens to the canary, in seconds.
const FAULT: f64 = 900.0;
/// The attacker sends a little less than all others together.
const PART: f64 = 0.9;
/// What each of three honest sources sends of all that they send.
const EVEN: [f64; 3] = [1.0 / 3.0; 3];
const UNEVEN: [f64; 3] = [0.7, 0.15, 0.15];
const LOPSIDED: [f64; 3] = [0.9, 0.05, 0.05];

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

fn guarded(canary: Canary) -> GuardRule {
    // Whatever is found is acted on.
    let guard = Guard { client_errors: OnExcess::Rollback, ..canary.guard };
    GuardRule::new(Canary { guard, ..canary }, "chat", UnixMillis(1_800_000_000_000))
}

fn tenth() -> GuardRule {
    guarded(pinned_canary(0.1, &Schedule::even(0.1, 0.15, DAY)))
}

fn even(count: usize) -> Vec<f64> {
    vec![1.0 / count as f64; count]
}

fn acted(played: &AttackResult) -> bool {
    played
        .last
        .as_ref()
        .is_some_and(|(_, action)| !matches!(action, Action::Promote | Action::Complete | Action::Start))
}

/// What one source of several does to a healthy canary at this share.
fn nothing_happens(honest: &MixedTraffic, rollout: impl Fn() -> GuardRule + Sync, count: usize, seconds: f64) {
    for aim in AttackGoal::all() {
        let beside = honest.clone().attacked(aim, PART);
        let played = each(count, |seed| play(&beside, rollout(), seconds, seed));
        let moved: Vec<_> = (1..).zip(&played).filter(|(_, played)| acted(played)).collect();
        assert!(moved.is_empty(), "{aim:?} beside {honest:?}: {moved:?}");
    }
}

#[test]
fn one_source_takes_no_healthy_canary_back_and_holds_none() {
    let honest = [3, 4, 9].map(even).into_iter().chain([UNEVEN, LOPSIDED].map(Vec::from));
    let seconds = if cfg!(debug_assertions) { 600.0 } else { 7200.0 };
    for parts in honest {
        for requests in [5.0, 50.0, 500.0] {
            nothing_happens(&MixedTraffic::of(&parts, requests, 0.004), tenth, runs(200, 5, 1), seconds);
        }
        println!("{parts:?}: nothing happened to a healthy canary");
    }
}

#[test]
fn one_source_takes_no_canary_back_that_has_only_begun() {
    let first = || guarded(pinned_canary(0.01, &Schedule::even(0.1, 0.15, DAY)));
    let seconds = if cfg!(debug_assertions) { 1200.0 } else { 7200.0 };
    // The first of them send half a request a second each.
    for (requests, parts) in [(1.5, EVEN), (5.0, EVEN), (50.0, EVEN), (5.0, UNEVEN), (50.0, LOPSIDED)] {
        let honest = MixedTraffic::of(&parts, requests, 0.004);
        nothing_happens(&honest, tenth, runs(200, 5, 1), seconds);
        if requests > 1.5 && parts == EVEN {
            nothing_happens(&honest, first, runs(200, 5, 1), seconds);
        }
    }
}

#[test]
fn one_source_is_not_above_a_ceiling_by_itself() {
    let strict = || {
        let mut canary = pinned_canary(0.1, &Schedule::even(0.1, 0.15, DAY));
        canary.guard.ceiling = Percent::from_hundredths(300);
        // Whatever looks worse at all is a doubt, so that the ceiling decides.
        canary.guard.tolerated_ratio = 1.01;
        guarded(canary)
    };
    for requests in [5.0, 50.0, 500.0] {
        nothing_happens(&MixedTraffic::of(&EVEN, requests, 0.004), strict, runs(100, 5, 1), 1800.0);
    }
}

/// On a ramp of seven steps.
fn ramp(step: f64) -> GuardRule {
    guarded(default_canary(&Schedule::even(0.1, 0.15, step)))
}

#[test]
fn one_source_keeps_no_healthy_ramp_from_its_end() {
    for requests in [5.0, 50.0, 500.0] {
        let step = if requests < 50.0 { 20.0 * MINUTE } else { 5.0 * MINUTE };
        let count = runs(100, 10, 1);
        let ends = |beside: &MixedTraffic| {
            let played = each(count, |seed| play(beside, ramp(step), 24.0 * step, seed));
            let completed =
                |played: &&AttackResult| played.last.as_ref().is_some_and(|(_, action)| *action == Action::Complete);
            let ends: Vec<f64> = played.iter().filter(completed).filter_map(|one| Some(one.last.as_ref()?.0)).collect();
            (ends.len(), ends.iter().sum::<f64>() / (ends.len() as f64).max(1.0) / step, played)
        };
        let honest = MixedTraffic::of(&EVEN, requests, 0.002);
        let (all, alone, _) = ends(&honest);
        println!("{requests} requests a second: {all} of {count} ramps end, after {alone:.1} steps of 7");
        for aim in AttackGoal::all() {
            let (all, steps, played) = ends(&honest.clone().attacked(aim, PART));
            println!("    {aim:?}: {all}, after {steps:.1} steps");
            assert!(all * 10 >= count * 9, "{requests} a second, {aim:?}: {played:?}");
        }
    }
}

#[test]
fn one_source_has_no_bad_canary_promoted() {
    for requests in [5.0, 50.0, 500.0] {
        let honest = MixedTraffic::of(&EVEN, requests, 0.004).each(|traffic| traffic.with_canary(0.12));
        let step = 20.0 * MINUTE;
        for aim in [AttackGoal::Better, AttackGoal::Bursts(1, 19), AttackGoal::Bursts(5, 60), AttackGoal::Flood] {
            let beside = honest.clone().attacked(aim, PART);
            let played = each(runs(200, 20, 1), |seed| play(&beside, ramp(step), 3.0 * step, seed));
            let bad: Vec<_> =
                (1..).zip(&played).filter(|(_, played)| played.promotions > 0 || !acted(played)).collect();
            assert!(bad.is_empty(), "{requests} a second, {aim:?}: {bad:?}");
        }
        println!("{requests} requests a second: no canary of which 12% fail was promoted");
    }
}

/// After how many seconds the canary is taken back: the median, and what 95% do not exceed.
fn found(beside: &MixedTraffic, count: usize) -> (f64, f64) {
    let played = each(count, |seed| play(beside, tenth(), FAULT + 7200.0, seed));
    let mut delays: Vec<f64> = played
        .iter()
        .map(|played| match &played.last {
            Some((at, action)) if *action == Action::Rollback => at - FAULT,
            _ => f64::INFINITY,
        })
        .collect();
    let early: Vec<_> = (1..).zip(&delays).filter(|(_, delay)| **delay <= 0.0).collect();
    assert!(early.is_empty(), "{beside:?}: rolled back before the fault, with {early:?}");
    delays.sort_by(f64::total_cmp);
    (delays[count / 2], delays[count * 95 / 100])
}

const HIDING: [AttackGoal; 4] =
    [AttackGoal::Better, AttackGoal::Bursts(1, 19), AttackGoal::Bursts(5, 60), AttackGoal::Flood];

/// How long a fault takes to be seen: by one source, by these, and by these beside each attacker, the slowest last.
fn delays(parts: &[f64], requests: f64, errors: f64, count: usize) -> [(f64, f64); 3] {
    let faulty = |parts: &[f64]| MixedTraffic::of(parts, requests, 0.004).each(|traffic| traffic.fault(FAULT, errors));
    let (one, alone) = (found(&faulty(&[1.0]), count), found(&faulty(parts), count));
    println!("{errors} fail at {requests} requests a second: one source {one:?}, {parts:?} {alone:?} s");
    let beside = HIDING.map(|aim| {
        let beside = found(&faulty(parts).attacked(aim, PART), count);
        println!("    {aim:?}: {beside:?} s");
        beside
    });
    [one, alone, beside.into_iter().max_by(|one, other| one.0.total_cmp(&other.0)).unwrap_or_default()]
}

#[test]
fn one_source_keeps_no_bad_canary_for_twice_as_long() {
    for parts in [EVEN, UNEVEN] {
        for requests in [5.0, 50.0, 500.0] {
            for errors in [1.0, 0.2, 0.05] {
                let [_, alone, worst] = delays(&parts, requests, errors, runs(400, 15, 3));
                let most = (2.0 * alone.0).max(alone.0 + 1.0);
                assert!(worst.0 <= most, "{errors} at {requests}, {parts:?}: {worst:?} and not {alone:?}");
            }
        }
    }
}

#[test]
fn beside_one_that_has_nearly_all_of_the_traffic_what_the_two_others_see_is_enough() {
    for requests in [5.0, 50.0, 500.0] {
        for errors in [1.0, 0.2, 0.05] {
            let [one, alone, worst] = delays(&LOPSIDED, requests, errors, runs(200, 9, 1));
            assert!(alone.0 <= 2.0 * one.0 + 1.0, "it decides alone: {alone:?} and not {one:?}");
            // A tenth of the traffic is left to see it by.
            assert!(worst.0 <= 20.0 * one.0, "{errors} at {requests}: {worst:?} and not {one:?}");
        }
    }
}

#[test]
fn one_source_keeps_no_silent_canary_for_twice_as_long() {
    for (parts, requests) in [(EVEN, 5.0), (EVEN, 50.0), (UNEVEN, 50.0)] {
        let count = runs(200, 20, 2);
        let honest = MixedTraffic::of(&parts, requests, 0.004).silent_from(FAULT);
        let alone = found(&honest, count);
        println!("silent at {requests} requests a second, {parts:?}: {alone:?} s");
        for aim in [AttackGoal::Better, AttackGoal::Bursts(5, 60), AttackGoal::Flood] {
            let beside = found(&honest.clone().attacked(aim, PART), count);
            println!("    {aim:?}: {beside:?} s");
            assert!(beside.0 <= 2.0 * alone.0, "{requests}, {parts:?}, {aim:?}: {beside:?} and not {alone:?}");
        }
    }
}
