//! How large the series of rollouts are after 90 days, and how long the store takes to write and read them. The figures
//! of docs/operations/sizing.md. `cargo run --profile quick --locked --example series_size`, with another number of
//! rollouts than 20 after `--`.
//!
//! A directory in the temporary one is written by the store itself, measured and removed. The time of a write has the
//! disk's in it; it is one transaction for all rollouts, as a process makes it every ten seconds.

mod aged;

use serin::clock;
use serin::decide::series::Step;
use serin::decide::units::UnixMillis;
use serin::store::{self, SeriesQuery, sqlite};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Where none is given.
const ROLLOUTS: usize = 20;
const DAYS: u64 = 90;
/// How often each time is taken; the median is shown.
const ROUNDS: u64 = 31;

fn main() -> Result<()> {
    let rollouts = std::env::args().nth(1).map_or(Ok(ROLLOUTS), |number| number.parse())?;
    let dir = std::env::temp_dir().join(format!("serin-series-{}", std::process::id()));
    let measured = measure(&dir, rollouts);
    std::fs::remove_dir_all(&dir)?;
    measured
}

fn measure(dir: &std::path::Path, count: usize) -> Result<()> {
    let rollouts: Vec<String> = (0..count).map(|number| format!("rollout-{number:02}")).collect();
    let now = clock::unix().0 / 10_000 * 10_000;
    let opened = store::open(dir, UnixMillis(now))?;
    let database = opened.dir.join(sqlite::FILE);
    let empty = std::fs::metadata(&database)?.len();
    aged::write(opened.store.as_ref(), &rollouts, DAYS, now)?;
    let size = std::fs::metadata(&database)?.len() - empty;
    println!("{count} rollouts, {DAYS} days: {:.1} MB, {:.1} MB a rollout", mega(size), mega(size / count as u64));

    let mut random = fastrand::Rng::with_seed(8);
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let at = now + round * 10_000;
        let blocks =
            rollouts.iter().flat_map(|rollout| aged::ten_seconds(rollout, at, 10, true, &mut random)).collect();
        let began = clock::instant();
        opened.store.record(blocks).blocking_recv()??;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    println!("ten seconds of {count} rollouts are written in {:.2?}", times[times.len() / 2]);
    let after = std::fs::metadata(&database)?.len() - empty;
    println!("{:.1} MB after {} more seconds", mega(after), ROUNDS * 10);

    for (step, length, what) in [
        (Step::Second, 600_000, "10 minutes in steps of 1 s"),
        (Step::TenSeconds, 7_200_000, "2 hours in steps of 10 s"),
        (Step::TenSeconds, 2 * 86_400_000, "2 days in steps of 10 s"),
        (Step::TenMinutes, DAYS * 86_400_000, "90 days in steps of 10 min"),
    ] {
        let (mut times, mut points) = (Vec::new(), 0);
        for round in 0..ROUNDS {
            let rollout = rollouts[usize::try_from(round)? % count].clone();
            let query = SeriesQuery { rollout, step, from: UnixMillis(now - length), to: UnixMillis(now) };
            let began = clock::instant();
            points = opened.store.series(query).blocking_recv()??.len();
            times.push(began.elapsed());
        }
        times.sort_unstable();
        println!("{what}: {points} points read in {:.2?}", times[times.len() / 2]);
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn mega(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
