//! How long the guard takes: a tick of the step that decides in production, and whole rollouts of two weeks.
//! `cargo run --profile quick --locked --example guard_speed`. Times of the processor, so that a busy machine may tell.

use std::error::Error;
use std::hint::black_box;

use serin::decide::guard::tick::{ArmTick, Tick};
use serin::decide::units::UnixMillis;
use serin::simulate::guarded::{GuardRule, ReachableArms, default_canary, pinned_canary};
use serin::simulate::rule::{RolloutRule, TickSource};
use serin::simulate::run::Runs;
use serin::simulate::schedule::Schedule;
use serin::simulate::traffic::Traffic;

const DAY: u32 = 86_400;
const TICKS: u32 = 2_000_000;
const ROLLOUTS: usize = 100;

/// Nanoseconds that this process has computed for, all its threads together, to a hundredth of a second.
fn computed() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |field: usize| fields.get(field).unwrap_or(&"").parse::<f64>();
    Ok((ticks(11)? + ticks(12)?) * 1e7)
}

fn rollout(canary: serin::decide::policy::Canary) -> GuardRule {
    GuardRule::new(canary, "chat", UnixMillis(1_800_000_000_000))
}

fn main() -> Result<(), Box<dyn Error>> {
    let ramp = Schedule::even(0.1, 0.15, f64::from(DAY));
    for (name, stable, canary) in [("a quiet tick", 0.0, 0.0), ("with failures of both", 3.0, 0.3)] {
        let mut guarded = rollout(pinned_canary(0.1, &ramp));
        let (stable, canary) = (ArmTick::plain(450.0, stable), ArmTick::plain(50.0, canary));
        let tick = Tick { seconds: 1.0, stable, canary, ..Tick::default() };
        let began = computed()?;
        for _ in 0..TICKS {
            black_box(guarded.see(black_box(&tick), None, ReachableArms { stable: true, canary: true }));
        }
        println!("{name}: {:.0} ns", (computed()? - began) / f64::from(TICKS));
    }
    let traffic = Traffic::steady(50.0, 0.004);
    let began = computed()?;
    let share = Runs::new(ROLLOUTS, 1).each(
        |seed| {
            let (mut guarded, mut arrivals) = (rollout(default_canary(&ramp)), traffic.arrivals(seed));
            (0..14 * DAY).for_each(|_| {
                guarded.tick(&arrivals.tick(guarded.share()));
            });
            guarded.share()
        },
        |_| {},
    );
    let seconds = (computed()? - began) / 1e9;
    let full = share.iter().filter(|share| **share >= 1.0).count();
    let each = seconds * 1e9 / (ROLLOUTS as f64 * 14.0 * f64::from(DAY));
    println!("{ROLLOUTS} rollouts of 14 days: {seconds:.1} s on one core, {each:.0} ns a tick; {full} have everybody");
    Ok(())
}
