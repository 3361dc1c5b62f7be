//! The trace of the guard's ticks, as an operator asks for it.

use super::harness::*;
use crate::control::engine::dispatch::Engine;
use crate::control::now::Now;
use crate::decide::policy::{Canary, Intent};
use crate::decide::units::{Millis, UnixMillis};
use crate::state::inbox::CommandError;

fn at(millis: u64) -> Now {
    Now { mono: Millis(millis), unix: UnixMillis(1_000_000 + millis) }
}

#[test]
fn a_trace_goes_on_over_a_reload_and_says_at_which_share_it_was_seen() {
    let pinned = |share| one(Canary { percent: Intent::Pinned(percent(share)), ..canary() });
    let mut engine = Engine::new(bootstrap(pinned(25), Vec::new()), at(0));
    (0..=3).for_each(|second| engine.tick(at(second * 1000)));
    engine.flags_read(read(pinned(50)), at(3500));
    (4..=6).for_each(|second| engine.tick(at(second * 1000)));
    let lines = engine.trace("chat").unwrap();
    let reported: Vec<(f64, f64)> = lines.iter().map(|line| (line.share_percent, line.seconds)).collect();
    // Seconds in which nothing happened are one line.
    assert_eq!(reported, [(25.0, 3.0), (50.0, 3.0)]);
    assert_eq!(lines[0].at.0, UnixMillis(1_003_000));
    let known = "chat, plain".to_owned();
    assert_eq!(engine.trace("chta").unwrap_err(), CommandError::Unknown { name: "chta".to_owned(), known });
    assert!(engine.trace("plain").unwrap_err().to_string().contains("plain route"));
}
