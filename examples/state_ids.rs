//! What ids of state cost: memory, a look-up, and how long a batch of them keeps the database.
//!
//! `cargo run --example state_ids` prints the figures of this machine; `--release` those of what ships. It keeps 100,000
//! ids in the table and in a database in a directory of its own. Invariant: nothing is left behind.

use std::fs;
use std::time::Duration;

use serin::clock;
use serin::decide::units::UnixMillis;
use serin::state::state_ids::{KeptStateIds, StateIds, StateKey};
use serin::store::sqlite;

const IDS: u32 = 100_000;
const BATCH: usize = 250;
const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let before = resident()?;
    let ids = StateIds::restored(KeptStateIds::default(), IDS);
    let owner = ids.owner("new", "https://new.test/v1").ok_or("no number")?;
    let names: Vec<String> = (0..IDS).map(|number| format!("resp_{number:048x}")).collect();
    let (named, began) = (resident()?, clock::instant());
    names.iter().for_each(|name| ids.learn(ids.key(name), owner, NOW));
    println!("to learn an id:        {:?}", began.elapsed() / IDS);
    println!(
        "memory of {IDS} ids: {:.1} MiB, with those that wait to be written",
        (resident()? - named) as f64 / 1024.0
    );
    let began = clock::instant();
    let found = names.iter().filter(|name| ids.find(ids.key(name), NOW).is_some()).count();
    println!("to hash and look up:   {:?}, {found} found", began.elapsed() / IDS);
    let keys: Vec<StateKey> = names.iter().map(|name| ids.key(name)).collect();
    let began = clock::instant();
    let found = keys.iter().filter(|key| ids.find(**key, NOW).is_some()).count();
    println!("to look up:            {:?}, {found} found", began.elapsed() / IDS);

    let dir = std::env::temp_dir().join(format!("serin-state-ids-{}", std::process::id()));
    fs::create_dir(&dir)?;
    let opened = sqlite::open(&dir, NOW);
    let mut times: Vec<Duration> = Vec::new();
    while ids.waiting() > 0 {
        let began = clock::instant();
        opened.store.record_state(ids.take_changes(BATCH)).blocking_recv()??;
        times.push(began.elapsed());
    }
    times.sort();
    let middle = times.get(times.len() / 2).copied().unwrap_or_default();
    println!("a batch of {BATCH}:        {middle:?} (median), {:?} (worst of {})", times.last(), times.len());
    drop(opened);
    let began = clock::instant();
    println!("to read them at start: {} ids in {:?}", sqlite::open(&dir, NOW).state_ids.ids.len(), began.elapsed());
    println!("resident before all:   {:.1} MiB", before as f64 / 1024.0);
    Ok(fs::remove_dir_all(&dir)?)
}

/// KiB of this process in memory.
fn resident() -> Result<u64, Box<dyn std::error::Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
}
