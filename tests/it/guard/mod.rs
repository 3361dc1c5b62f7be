//! The guard as operators meet it: processes and sockets, a file with providers and a rollout in it, all else default.
//!
//! Two hundred requests a second of five hundred users, a tenth of them on the canary. Cases run side by side, each
//! with processes of its own, as many at one time as two cores can serve. `SERIN_GUARD_SECONDS` is the length of an
//! outage that has to be sat out: a minute by default.

mod anonymous;
mod answers;
mod causes;
mod false_alarms;
mod harness;
mod malformed;
mod provider;
mod restarts;
mod rolled_back;
mod silent;
mod sources;
mod traffic;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Something that is to be seen of the guard.
type Case = (&'static str, fn(&'static str));

/// For how long an outage lasts.
fn long() -> Duration {
    let chosen = std::env::var("SERIN_GUARD_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(chosen.unwrap_or(60))
}

/// Cases that may still begin now, of all tests together.
static FREE: (Mutex<usize>, Condvar) = (Mutex::new(4), Condvar::new());

struct Place;

impl Place {
    fn take() -> Place {
        let (free, changed) = &FREE;
        let free = free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = changed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Place
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *FREE.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        FREE.1.notify_one();
    }
}

/// Runs these cases side by side, or those of them whose name contains `SERIN_GUARD_CASE`, and panics with what went
/// wrong in any of them.
fn at_once(cases: &[Case]) {
    let wanted = std::env::var("SERIN_GUARD_CASE").unwrap_or_default();
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = cases
            .iter()
            .filter(|(name, _)| name.contains(&wanted))
            .map(|(name, case)| {
                scope.spawn(move || {
                    let _place = Place::take();
                    catch_unwind(AssertUnwindSafe(|| case(name)))
                        .err()
                        .map(|panic| format!("{name}: {}", said(&*panic)))
                })
            })
            .collect();
        running.into_iter().filter_map(|case| case.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked")
}
