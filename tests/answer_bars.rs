//! What the guard must be able to do about answers that no status calls bad, by simulation.
//!
//! How soon it holds a canary whose answers are empty, cut, filtered or slowly streamed far more often than stable's,
//! and that it holds none that is like stable, whatever its users ask for. Seeds are fixed; what breaks a promise is
//! named with its seed. Few runs by default, fewest in debug builds; the full measure takes half an hour of one core:
//! `SERIN_BARS=full cargo test --profile quick --locked --test answer_bars -- --nocapture`

#![expect(clippy::unwrap_used, reason = "a test")]

use serin::decide::guard::slow::SlowThreshold;
use serin::decide::policy::{Canary, Guard, SlowRule};
use serin::decide::units::UnixMillis;
use serin::describe::event::reason;
use serin::simulate::answers::{Answers, SlowClassifier};
use serin::simulate::excess::{Excess, Marked, Rates, SPREAD, beyond};
use serin::simulate::guarded::{GuardRule, default_canary, pinned_canary};
use serin::simulate::pauses::Pauses;
use serin::simulate::profile::Profile;
use serin::simulate::quantiles::Distribution;
use serin::simulate::rule::{RolloutRule, TickCounts, TickSource};
use serin::simulate::run::Runs;
use serin::simulate::schedule::Schedule;
use serin::simulate::traffic::Traffic;
use serin::simulate::users::{Crowd, Habits};

const MINUTE: f64 = 60.0;
const HOUR: f64 = 3600.0;
const DAY: f64 = 86_400.0;
const BEGIN: UnixMillis = UnixMillis(1_800_000_000_000);

/// How often: the whole measure, in release builds, and in debug builds.
fn runs(full: usize, release: usize, debug: usize) -> usize {
    match std::env::var("SERIN_BARS").as_deref() {
        Ok("full") => full,
        _ if cfg!(debug_assertions) => debug,
        _ => release,
    }
}

fn days() -> f64 {
    let is_full = std::env::var("SERIN_BARS").as_deref() == Ok("full");
    if is_full {
        14.0 * DAY
    } else if cfg!(debug_assertions) {
        0.5 * DAY
    } else {
        3.0 * DAY
    }
}

fn each<T: Send>(count: usize, one: impl Fn(u64) -> T + Sync) -> Vec<T> {
    Runs::new(count, 1).each(one, |_| {})
}

fn ramp(step: f64) -> Schedule {
    Schedule::even(0.1, 0.15, step)
}

fn tenth() -> Canary {
    pinned_canary(0.1, &ramp(DAY))
}

/// When the guard did something about the canary, in seconds from the start, and what it said; `None`: it did nothing.
fn acts(source: &mut impl TickSource, canary: Canary, seconds: f64) -> Option<(f64, String)> {
    let mut rule = GuardRule::new(canary, "chat", BEGIN);
    let mut at = 0.0;
    while at < seconds {
        let seen = source.tick(rule.share());
        rule.tick(&seen);
        at += seen.seconds;
        if let Some(event) = rule.events().last()
            && event.action.answers_regression()
        {
            return Some((at, format!("{}: {}", event.action, reason(event))));
        }
    }
    None
}

/// Rates that nobody wonders at, on both providers alike.
fn everyday() -> Rates {
    [0.005, 0.02, 0.005, beyond(&SlowRule::default(), 1.0, SPREAD)]
}

/// After an hour of health: the median and what 95% do not exceed, in seconds; each is held.
fn held(what: &str, rollouts: &[Option<(f64, String)>]) -> (f64, f64) {
    let mut after = Vec::new();
    for (seed, acted) in (1..).zip(rollouts) {
        assert!(acted.is_some(), "{what}: not held with seed {seed}");
        let (at, reason) = acted.as_ref().unwrap();
        assert!(*at > HOUR && reason.starts_with("hold: "), "{what}, seed {seed}: after {at} s, {reason}");
        after.push(at - HOUR);
    }
    let spread = Distribution::of(after);
    let (median, most) = (spread.median().unwrap(), spread.most().unwrap());
    println!("{what}: held after {median} s in the median, 95% {most} s, of {}", rollouts.len());
    (median, most)
}

#[test]
fn an_excess_is_held_within_five_minutes() {
    let rule = SlowRule::default();
    for (kind, what, rate) in [
        (0, "30% empty", 0.3),
        (1, "30% cut", 0.3),
        (2, "30% filtered", 0.3),
        (3, "gaps three times as long", beyond(&rule, 3.0, SPREAD)),
    ] {
        let mut excess = Excess { from: HOUR, ..Excess::alike(everyday()) };
        excess.canary[kind] = rate;
        let traffic = Traffic::steady(50.0, 0.004);
        let rollouts = each(runs(1000, 200, 20), |seed| {
            acts(&mut Marked::new(traffic.arrivals(seed), excess, seed), tenth(), HOUR + 10.0 * MINUTE)
        });
        let (_, most) = held(what, &rollouts);
        assert!(most <= 5.0 * MINUTE, "{what}: {most}");
        let crowd = Crowd {
            traffic,
            users: 2000,
            spread: 0.0,
            hammer: None,
            habits: Some(Habits { excess, ..Habits::default() }),
        };
        let rollouts = each(runs(1000, 40, 4), |seed| {
            acts(&mut crowd.visits(Pauses::default(), seed), tenth(), HOUR + 10.0 * MINUTE)
        });
        let (_, most) = held(&format!("{what}, of 2,000 users"), &rollouts);
        assert!(most <= 5.0 * MINUTE, "{what}: {most}");
    }
}

/// What all users suffer from now and then has paused nobody for long by then.
#[test]
fn an_excess_after_days_of_health_is_held_as_soon() {
    let from = days() / 2.0;
    let mut excess = Excess { from, ..Excess::alike(everyday()) };
    excess.canary[1] = 0.3;
    let traffic = Traffic::steady(50.0, 0.004);
    let habits = Some(Habits { excess, ..Habits::default() });
    let crowd = Crowd { traffic, users: 2000, spread: 0.0, hammer: None, habits };
    let rollouts =
        each(runs(20, 4, 2), |seed| acts(&mut crowd.visits(Pauses::default(), seed), tenth(), from + 10.0 * MINUTE));
    let rollouts: Vec<_> =
        rollouts.into_iter().map(|acted| acted.map(|(at, reason)| (at - from + HOUR, reason))).collect();
    let (_, most) = held(&format!("30% cut after {} days", from / DAY), &rollouts);
    assert!(most <= 5.0 * MINUTE, "{most}");
}

/// What is slow of stable's own paces, as it is learnt.
struct Learnt(SlowThreshold);

impl SlowClassifier for Learnt {
    fn is_slow(&mut self, canary: bool, millis: f64) -> bool {
        let rule = Guard::default().pace_rule();
        let slow = self.0.is_slow(&rule, millis);
        if !canary {
            self.0.learn(&rule, millis);
        }
        slow
    }
}

/// What is slow in the ticks of this source is a slow pace.
struct Paced<S>(S);

impl<S: TickSource> TickSource for Paced<S> {
    fn tick(&mut self, share: f64) -> TickCounts {
        let mut seen = self.0.tick(share);
        for arm in [&mut seen.stable, &mut seen.canary] {
            (arm.marked.requests[3], arm.marked.events[3]) = (arm.requests, arm.errors);
            arm.errors = 0;
        }
        seen
    }
}

fn paced(requests: f64, tick: f64, spread: f64, canary: Profile) -> Answers {
    Answers { tick, requests, stable: Profile::steady(20.0), canary, spread }
}

#[test]
fn a_pace_is_learnt_from_stable_whatever_it_is() {
    for spread in [0.3, 0.5, 0.7] {
        let slow = paced(50.0, 1.0, spread, Profile::steady(20.0).then(HOUR, 60.0));
        let rollouts = each(runs(400, 40, 4), |seed| {
            let watch = Learnt(SlowThreshold::unknown());
            acts(&mut Paced(slow.timed(watch, seed)), tenth(), HOUR + 10.0 * MINUTE)
        });
        let (_, most) = held(&format!("gaps of 60 ms instead of 20, spread {spread}"), &rollouts);
        assert!(most <= 5.0 * MINUTE, "{spread}: {most}");
        let healthy = paced(5.0, 5.0, spread, Profile::steady(20.0));
        let rollouts = each(runs(100, 10, 2), |seed| {
            acts(&mut Paced(healthy.timed(Learnt(SlowThreshold::unknown()), seed)), tenth(), days())
        });
        none_held(&format!("paces alike, spread {spread}"), &rollouts);
    }
}

fn none_held(what: &str, rollouts: &[Option<(f64, String)>]) {
    let held: Vec<_> = (1..).zip(rollouts).filter_map(|(seed, acted)| Some((seed, acted.as_ref()?))).collect();
    println!("{what}: {} of {} held, each watched for {} days", held.len(), rollouts.len(), days() / DAY);
    assert!(held.is_empty(), "{what}: held with {held:?}");
}

#[test]
fn a_canary_like_stable_is_not_held() {
    // In ticks of five seconds, since two weeks are long; the guard is told how long a tick was.
    let traffic = Traffic::steady(5.0, 0.004).ticking(5.0);
    let excess = Excess::alike(everyday());
    let fixed =
        each(runs(1000, 20, 4), |seed| acts(&mut Marked::new(traffic.arrivals(seed), excess, seed), tenth(), days()));
    none_held("5 requests a second at 10%", &fixed);
    let ramps = each(runs(200, 10, 2), |seed| {
        let canary = default_canary(&ramp(days() / 14.0));
        acts(&mut Marked::new(traffic.arrivals(seed), excess, seed), canary, days())
    });
    none_held("5 requests a second on a ramp", &ramps);
}

#[test]
fn users_who_are_always_cut_hold_no_rollout() {
    let traffic = Traffic::steady(5.0, 0.004).ticking(5.0);
    let habits = Habits { excess: Excess::alike(everyday()), cut: 0.05, hammer: None };
    let crowd = Crowd { traffic, users: 2000, spread: 0.0, hammer: None, habits: Some(habits) };
    let of =
        |crowd: &Crowd, count| each(count, |seed| acts(&mut crowd.visits(Pauses::default(), seed), tenth(), days()));
    none_held("a twentieth of 2,000 users always cut", &of(&crowd, runs(1000, 10, 1)));
    let habits = Habits { excess: Excess::alike(everyday()), cut: 0.0, hammer: Some(1.0) };
    let one = Crowd { habits: Some(habits), ..crowd };
    none_held("one user on the canary cut every second", &of(&one, runs(200, 10, 1)));
}

#[test]
fn what_is_tolerated_is_tolerated() {
    let traffic = Traffic::steady(50.0, 0.004).ticking(5.0);
    let stable = everyday();
    for times in [1.25, 1.5] {
        let excess = Excess { stable, canary: stable.map(|rate| rate * times), from: 0.0 };
        let rollouts = each(runs(1000, 40, 4), |seed| {
            acts(&mut Marked::new(traffic.arrivals(seed), excess, seed), tenth(), days() / 3.0)
        });
        none_held(&format!("{times} times as many"), &rollouts);
    }
    // Twenty times as many, and still rare: a tenth of `ignore_below`.
    let rare = Excess { stable: [0.000_01; 4], canary: [0.000_2; 4], from: 0.0 };
    let rollouts = each(runs(200, 10, 2), |seed| {
        acts(&mut Marked::new(traffic.arrivals(seed), rare, seed), tenth(), days() / 3.0)
    });
    none_held("one of 5,000, and stable far fewer", &rollouts);
}
