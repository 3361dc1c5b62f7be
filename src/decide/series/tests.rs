//! Roll-ups, quantiles and the stored form, over points that chance makes.

use proptest::prelude::*;

use super::encoding::{decode, encode};
use super::histogram::{BOUNDS, BUCKETS};
use super::*;

const STARTED: u64 = 1_796_000_000_000 / 600_000 * 600_000;

fn a_histogram() -> impl Strategy<Value = Histogram> {
    let buckets = proptest::collection::vec((0..BUCKETS, 1_u32..1000), 0..6);
    buckets.prop_map(|filled| {
        let mut histogram = Histogram::default();
        filled.into_iter().for_each(|(bucket, count)| histogram.0[bucket] += count);
        histogram
    })
}

fn an_arm() -> impl Strategy<Value = ArmPoint> {
    (0_u32..100_000, 0_u32..1000, a_histogram(), a_histogram()).prop_map(
        |(requests, failures, first_output, duration)| ArmPoint { requests, failures, first_output, duration },
    )
}

fn a_percent() -> impl Strategy<Value = Percent> {
    (0_u16..=10_000).prop_map(|hundredths| Percent::from_hundredths(hundredths).unwrap())
}

fn a_point() -> impl Strategy<Value = Point> {
    let evidence = proptest::option::of(prop_oneof![Just(0.0), 1e-300..1e300_f64]);
    (a_percent(), proptest::option::of(a_percent()), evidence, an_arm(), an_arm()).prop_map(
        |(percent, intent, evidence, stable, canary)| Point { percent, intent, evidence, arms: [stable, canary] },
    )
}

/// Points of a second each, with gaps.
fn seconds() -> impl Strategy<Value = Points> {
    proptest::collection::btree_map(0_u64..3000, a_point(), 0..60).prop_map(|points| {
        points.into_iter().map(|(second, point)| (UnixMillis(STARTED + second * 1000), point)).collect()
    })
}

fn rolled_up(points: &Points, step: Step) -> Points {
    let mut into = Points::new();
    roll_up(&mut into, points.iter().map(|(at, point)| (*at, point)), step);
    into
}

fn sum(points: &Points) -> [ArmPoint; 2] {
    points.values().fold(<[ArmPoint; 2]>::default(), |mut all, point| {
        all.iter_mut().zip(&point.arms).for_each(|(all, arm)| all.add(arm));
        all
    })
}

proptest! {
    #[test]
    fn nothing_is_lost_and_nothing_is_made_up(points in seconds()) {
        let [tens, minutes] = [Step::TenSeconds, Step::TenMinutes].map(|step| rolled_up(&points, step));
        prop_assert_eq!(&sum(&tens), &sum(&points));
        prop_assert_eq!(&sum(&minutes), &sum(&points));
        prop_assert_eq!(&rolled_up(&tens, Step::TenMinutes), &minutes, "by way of ten seconds or at once");
        for (at, point) in &tens {
            let within = points.range(*at..UnixMillis(at.0 + 10_000));
            let last = within.clone().next_back().unwrap().1;
            prop_assert_eq!((point.percent, point.intent, point.evidence), (last.percent, last.intent, last.evidence));
            let inside: Points = within.map(|(at, point)| (*at, point.clone())).collect();
            prop_assert_eq!(&point.arms, &sum(&inside));
        }
    }

    #[test]
    fn a_quantile_of_a_roll_up_is_within_the_bounds_of_the_times_it_was_made_of(
        times in proptest::collection::vec(0_u64..1_000_000, 1..200), part in 0.01_f64..=1.0,
    ) {
        let mut all = Histogram::default();
        for time in &times {
            let mut one = Histogram::default();
            one.0[BOUNDS.iter().position(|bound| *time <= bound.0).unwrap_or(BOUNDS.len())] = 1;
            all.add(&one);
        }
        let mut sorted = times;
        sorted.sort_unstable();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let rank = ((part * sorted.len() as f64).ceil() as usize).clamp(1, sorted.len());
        let exact = sorted[rank - 1];
        let bucket = BOUNDS.iter().position(|bound| exact <= bound.0);
        #[expect(clippy::cast_precision_loss)]
        let edge = |bucket: usize| BOUNDS[bucket].0 as f64;
        let (low, high) = match bucket {
            Some(0) => (0.0, edge(0)),
            Some(bucket) => (edge(bucket - 1), edge(bucket)),
            None => (edge(BOUNDS.len() - 1), edge(BOUNDS.len() - 1)),
        };
        let found = all.quantile(part).unwrap();
        prop_assert!((low..=high).contains(&found), "{found} is not in {low}..={high}, {exact}");
    }

    #[test]
    fn what_is_read_is_what_was_written(points in seconds()) {
        let block: Points = points.into_iter().take(10).collect();
        let start = UnixMillis(STARTED);
        let bytes = encode(start, Step::Second, &block);
        prop_assert_eq!(decode(start, Step::Second, &bytes), Some(block));
        for end in 0..bytes.len() {
            prop_assert_eq!(decode(start, Step::Second, &bytes[..end]), None, "half of it is nothing");
        }
    }

    #[test]
    fn other_bytes_never_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(UnixMillis(u64::MAX), Step::TenMinutes, &bytes);
    }
}

#[test]
fn quantiles_are_read_off_evenly_between_bounds() {
    assert_eq!(Histogram::default().quantile(0.5), None);
    let mut histogram = Histogram::default();
    // 10 within 0.5 to 1 s, 10 within 1 to 2 s.
    (histogram.0[7], histogram.0[8]) = (10, 10);
    let quantiles = [0.25, 0.5, 0.75, 1.0].map(|part| histogram.quantile(part).unwrap());
    assert_eq!(quantiles, [750.0, 1000.0, 1500.0, 2000.0]);
    histogram.0[BUCKETS - 1] = 100;
    assert_eq!(histogram.quantile(0.99), Some(900_000.0), "it is known to be longer, and not how long");
}

#[test]
fn an_idle_point_is_small() {
    let idle = Point { evidence: Some(1.0), ..Point::default() };
    let block: Points = (0..10).map(|second| (UnixMillis(STARTED + second * 1000), idle.clone())).collect();
    assert_eq!(encode(UnixMillis(STARTED), Step::Second, &block).len(), 2 + 10 * 19);
}
