//! What passes a bucket over time, by a clock that the test turns.

use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000_000;

/// Asks at each of these moments; how many pass.
fn passed(rate: Rate, moments: impl Iterator<Item = u64>) -> usize {
    let mut full_at = 0;
    moments
        .filter(|now| match rate.take(full_at, *now, *now, rate.one(), false) {
            Take::Yes(next) => {
                full_at = next;
                true
            }
            Take::NotBefore(at) => {
                assert!(at > *now, "it was told to come at once");
                false
            }
        })
        .count()
}

#[test]
fn the_burst_passes_at_once_and_then_the_rate() {
    let rate = Rate::new(600, 100);
    assert_eq!(passed(rate, std::iter::repeat_n(5 * SECOND, 1000)), 100);
    // A client asks a hundred times a second for a minute, the burst included.
    let minute = (0..6000).map(|at| 5 * SECOND + at * SECOND / 100);
    assert_eq!(passed(rate, minute), 699);
}

/// Sixty-four clients that wait for their turn, woken by a clock that is up to four milliseconds late.
#[test]
fn whoever_waits_loses_no_turn_to_a_late_clock() {
    for (rate, most) in [(Rate::new(600, 100), 700), (Rate::new(60_000, 1), 60_001)] {
        let (mut full_at, mut now, mut passed, begun) = (0, 7 * SECOND, 0_u64, 7 * SECOND);
        let mut lateness = 0;
        while now < begun + 60 * SECOND {
            match rate.take(full_at, now, begun, rate.one(), false) {
                Take::Yes(next) => {
                    (full_at, passed) = (next, passed + 1);
                }
                Take::NotBefore(at) => {
                    lateness = (lateness + 1_234_567) % 4_000_000;
                    now = at + lateness;
                }
            }
        }
        assert!((most - 10..=most).contains(&passed), "{passed} of {most}");
    }
}

#[test]
fn a_request_larger_than_the_bucket_passes_alone_when_it_is_full() {
    let rate = Rate::new(600, 100);
    let (now, large) = (SECOND, rate.time_of(500));
    let Take::Yes(full_at) = rate.take(0, now, now, large, false) else { panic!("the bucket is full") };
    let Take::NotBefore(at) = rate.take(full_at, now, now, rate.one(), false) else { panic!("it took all") };
    assert_eq!((at - now) / SECOND, 40, "what it took beyond the bucket comes back first");
    let one_less = now + rate.one();
    assert!(matches!(rate.take(one_less, now, now, large, false), Take::NotBefore(_)), "it is not full");
}

#[test]
fn what_yields_leaves_a_fifth() {
    let rate = Rate::new(600, 100);
    let (mut full_at, mut taken) = (0, 0);
    while let Take::Yes(next) = rate.take(full_at, SECOND, SECOND, rate.one(), true) {
        (full_at, taken) = (next, taken + 1);
    }
    assert_eq!(taken, 80);
    assert!(!rate.is_low(full_at, SECOND));
    while let Take::Yes(next) = rate.take(full_at, SECOND, SECOND, rate.one(), false) {
        (full_at, taken) = (next, taken + 1);
    }
    assert_eq!(taken, 100);
    assert!(rate.is_low(full_at, SECOND));
}

#[test]
fn what_the_provider_says_lowers_and_never_raises() {
    let (rate, now) = (Rate::new(600, 100), 9 * SECOND);
    let lowered = rate.lower_to(0, now, 7);
    assert_eq!(rate.left(lowered, now), 7);
    assert_eq!(rate.lower_to(lowered, now, 50), lowered);
    assert_eq!(rate.lower_to(lowered, now, 5000), lowered);
    let closed = rate.close_until(lowered, now + 3 * SECOND);
    assert_eq!(rate.left(closed, now), 0);
    assert_eq!(rate.take(closed, now, now, rate.one(), false), Take::NotBefore(now + 3 * SECOND));
}

#[test]
fn a_reload_keeps_what_was_used() {
    let (before, now) = (Rate::new(600, 100), 9 * SECOND);
    let full_at = now + before.time_of(60);
    for after in [Rate::new(300, 100), Rate::new(6000, 100), Rate::new(7, 100)] {
        assert_eq!(after.left(after.rescaled_from(before, full_at, now), now), 40, "{after:?}");
    }
    let smaller = Rate::new(600, 10);
    assert_eq!(smaller.left(smaller.rescaled_from(before, full_at, now), now), 0);
}

#[test]
fn what_is_forced_is_owed_within_a_bound() {
    let (rate, now) = (Rate::new(600, 100), SECOND);
    let mut full_at = 0;
    for _ in 0..100_000 {
        full_at = rate.force(full_at, now, rate.one());
    }
    assert_eq!(full_at, now + rate.time_of(200));
}

proptest! {
    /// Over any time: the burst, and what comes back.
    #[test]
    fn no_more_passes_than_fits(
        per_minute in 1u32..100_000, depth in 1u32..1000, gaps in prop::collection::vec(0u64..2_000_000_000, 1..300),
    ) {
        let rate = Rate::new(per_minute, depth);
        let mut now = SECOND;
        let moments: Vec<u64> = gaps.iter().map(|gap| { now += gap; now }).collect();
        let span = moments[moments.len() - 1] - moments[0];
        let most = u64::from(depth) + span * u64::from(per_minute) / MINUTE + 1;
        prop_assert!(passed(rate, moments.into_iter()) as u64 <= most);
    }

    /// Neither one more nor one less.
    #[test]
    fn what_is_left_is_what_passes(per_minute in 1u32..1_000_000_000, depth in 1u32..1_000_000_000, used in 0.0..1.0) {
        let rate = Rate::new(per_minute, depth);
        let whole = rate.time_of(u64::from(depth));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of the whole")]
        let full_at = SECOND + (whole as f64 * used) as u64;
        let left = rate.left(full_at, SECOND);
        let passes = |units| matches!(rate.take(full_at, SECOND, SECOND, rate.time_of(units), false), Take::Yes(_));
        prop_assert!(left == 0 || passes(left));
        prop_assert!(left == u64::from(depth) || !passes(left + 1));
    }

    #[test]
    fn no_number_makes_it_panic(full_at: u64, now: u64, since: u64, cost: u64, left: u64, per_minute: u32, depth: u32) {
        let rate = Rate::new(per_minute, depth);
        let _ = rate.take(full_at, now, since, cost, true);
        let _ = rate.force(full_at, now, cost);
        let _ = rate.lower_to(full_at, now, left);
        let _ = rate.close_until(full_at, now);
        let _ = rate.rescaled_from(Rate::new(depth, per_minute), full_at, now);
        prop_assert!(rate.left(full_at, now) <= rate.depth());
    }
}
