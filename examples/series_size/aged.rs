//! Series as many days leave them, written by the store itself.
//!
//! Each rollout has some requests a second, with times around two seconds. Of the days before the last two, only what
//! they leave is written: one block of ten seconds for ten minutes. The last two days have every block of ten seconds,
//! and the last hour every second.

use serin::decide::series::{ArmPoint, Point, Points, Step};
use serin::decide::units::{Percent, UnixMillis};
use serin::store::{SeriesBlock, Store};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const DAY: u64 = 86_400_000;
/// Of a rollout, in a second.
const REQUESTS: u32 = 5;

/// Writes the series of these rollouts up to `now`.
pub(crate) fn write(store: &dyn Store, rollouts: &[String], days: u64, now: u64) -> Result<()> {
    let mut random = fastrand::Rng::with_seed(7);
    let begins = Step::TenMinutes.start_of(UnixMillis(now - days * DAY)).0;
    let (dense, seconds) = (now - 2 * DAY, now - 3_600_000);
    let mut at = begins;
    let mut blocks = Vec::new();
    while at + 10_000 <= now {
        for rollout in rollouts {
            blocks.extend(ten_seconds(rollout, at, if at < dense { 600 } else { 10 }, at >= seconds, &mut random));
        }
        at += if at < dense { 600_000 } else { 10_000 };
        if blocks.len() >= 4000 || at + 10_000 > now {
            store.record(std::mem::take(&mut blocks)).blocking_recv()??;
        }
    }
    Ok(())
}

/// What one rollout writes after ten seconds: their sum, and each of them where that is wanted.
pub(crate) fn ten_seconds(
    rollout: &str,
    at: u64,
    seconds: u32,
    each: bool,
    random: &mut fastrand::Rng,
) -> Vec<SeriesBlock> {
    let start = UnixMillis(at);
    let sum = Points::from([(start, point(seconds * REQUESTS, random))]);
    let mut blocks = vec![SeriesBlock::new(rollout, Step::TenSeconds, start, &sum)];
    if each {
        let second = |number: u64, random: &mut _| (UnixMillis(at + number * 1000), point(REQUESTS, random));
        let points: Points = (0..10).map(|number| second(number, random)).collect();
        blocks.push(SeriesBlock::new(rollout, Step::Second, start, &points));
    }
    blocks
}

fn point(requests: u32, random: &mut fastrand::Rng) -> Point {
    let percent = Percent::from_hundredths(1000).unwrap_or_default();
    let mut arms = [ArmPoint::default(), ArmPoint::default()];
    for _ in 0..requests {
        let arm = &mut arms[usize::from(random.u8(0..10) == 0)];
        arm.requests += 1;
        arm.failures += u32::from(random.u8(0..100) == 0);
        // The sum of three is narrow in the middle and has a long way to either side, as times have.
        let spread: usize = (0..3).map(|_| random.usize(0..3)).sum();
        arm.first_output.0[3 + spread] += 1;
        arm.duration.0[5 + spread] += 1;
    }
    Point { percent, intent: None, evidence: Some(random.f64() * 10.0), arms }
}
