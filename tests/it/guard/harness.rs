//! Two providers, a sidecar with everything at its defaults, and users: all of them processes but the last.
//!
//! Owns what every case does: it begins with users on the canary, watches for what the guard does, and says on the real
//! standard error what it measured, so that times can be quoted from a run in which all is well.

use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use serin::clock;

use super::provider::{Manner, Provider};
use super::traffic::{AT_ONCE, Traffic, Users};
use crate::support::eventually::{SOON, eventually};
use crate::support::harness::series;
use crate::support::sidecar::{Sidecar, Workspace};

/// Requests a second.
pub(super) const RATE: u32 = 200;
const USERS: u64 = 500;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

pub(super) struct Stage {
    case: &'static str,
    workspace: Workspace,
    pub(super) sidecar: Sidecar,
    pub(super) stable: Provider,
    pub(super) canary: Provider,
    pub(super) traffic: Traffic,
}

impl Stage {
    /// With these further keys of the rollout, as in a map on one line. Users are on the canary when this returns.
    pub(super) fn start(case: &'static str, keys: &str) -> Stage {
        Stage::start_at(case, keys, RATE, AT_ONCE)
    }

    /// The same with so many requests a second, and so many users who can wait at one time.
    pub(super) fn start_at(case: &'static str, keys: &str, rate: u32, at_once: usize) -> Stage {
        let (stable, canary) = (Provider::start("oldcorp"), Provider::start("newcorp"));
        let comma = if keys.is_empty() { "" } else { ", " };
        let workspace = Workspace::new(&format!(
            "providers:\n  oldcorp: {{ base_url: \"{}\" }}\n  newcorp: {{ base_url: \"{}\" }}\n\
             rollouts:\n  - {{ name: chat, stable: oldcorp, canary: newcorp, percent: auto{comma}{keys} }}\n",
            stable.base_url(),
            canary.base_url()
        ));
        let sidecar = workspace.start();
        let traffic = Traffic::start_with(sidecar.listen, rate, Users::Many(USERS), at_once);
        let stage = Stage { case, workspace, sidecar, stable, canary, traffic };
        eventually("users are on the canary", SOON, || (stage.percent() >= 10.0).then_some(()));
        stage.traffic.wait_for(3 * u64::from(rate));
        stage
    }

    pub(super) fn set_both(&mut self, manner: &Manner) {
        self.stable.set(manner);
        self.canary.set(manner);
    }

    pub(super) fn percent(&self) -> f64 {
        self.sidecar.percent()
    }

    /// What the guard has done so far.
    pub(super) fn guard(&self) -> Vec<Value> {
        self.sidecar.history().into_iter().filter(|event| event["actor"] == "guard").collect()
    }

    /// The guard's first act; panics if it is another one, or takes longer.
    pub(super) fn guard_does(&self, action: &str, since: Instant, within: Duration) -> Value {
        self.guard_does_as(0, action, since, within)
    }

    /// The same of its act of this number.
    pub(super) fn guard_does_as(&self, number: usize, action: &str, since: Instant, within: Duration) -> Value {
        let what = format!("{}: the guard's {action}", self.case);
        let left = within.saturating_sub(since.elapsed());
        let event = eventually(&what, left, || {
            std::thread::park_timeout(LOOK);
            self.guard().get(number).cloned()
        });
        let took = since.elapsed();
        self.say(&format!("{action} {:.1} s after the fault: {}", took.as_secs_f64(), event["reason"]));
        assert_eq!(event["action"], action, "{}: {event}", self.case);
        event
    }

    /// Watches for so long that nobody is moved: neither taken back nor joined by others.
    pub(super) fn nobody_is_moved(&self, length: Duration) {
        let (began, before) = (clock::instant(), self.percent());
        while began.elapsed() < length {
            let chat = self.sidecar.chat();
            assert_eq!(chat["percent"], before, "after {:?}: {} {:?}", began.elapsed(), chat["reason"], self.guard());
            std::thread::park_timeout(2 * LOOK);
        }
        let status = self.guard();
        assert!(status.is_empty(), "{status:?}");
    }

    /// The sidecar is killed as by `kill -9`, and another one takes its place.
    pub(super) fn kill_and_start(self) -> Stage {
        let before = self.sidecar.chat();
        self.traffic.hang_up();
        self.replace(&before, Sidecar::kill)
    }

    /// The sidecar is asked to end, as by a service manager, and another one takes its place.
    pub(super) fn terminate_and_start(self) -> Stage {
        let before = self.sidecar.chat();
        self.sidecar.terminate();
        // It serves on until nobody asks.
        self.traffic.pause();
        self.replace(&before, |mut sidecar| {
            let well = eventually("the sidecar ends", SOON, || sidecar.has_ended());
            assert!(well, "it did not end well");
        })
    }

    fn replace(self, before: &Value, end: impl FnOnce(Sidecar)) -> Stage {
        let Stage { case, workspace, sidecar, stable, canary, traffic } = self;
        end(sidecar);
        let sidecar = workspace.start();
        let after = sidecar.chat();
        for key in ["percent", "phase", "attempt"] {
            assert_eq!(after[key], before[key], "{case}: {key} over a restart: {after}");
        }
        traffic.go_on(sidecar.listen);
        Stage { case, workspace, sidecar, stable, canary, traffic }
    }

    /// How often the ramp has begun.
    pub(super) fn starts(&self) -> usize {
        let history = self.sidecar.history();
        history.iter().filter(|event| event["actor"] == "ramp" && event["action"] == "start").count()
    }

    pub(super) fn signal(&mut self, signal: &str) {
        let pid = self.sidecar.process().id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Attempts at this provider, all outcomes together.
    pub(super) fn attempts(&self, provider: &str) -> u64 {
        let metrics = self.sidecar.metrics();
        let attempts = series(&metrics, "serin_attempts_total");
        attempts.iter().filter(|(labels, _)| labels["provider"] == provider).map(|(_, count)| count).sum()
    }

    /// No user saw a failure.
    pub(super) fn nobody_noticed(&self) {
        let seen = self.traffic.seen();
        self.say(&format!("{} answers, {} cut by kill -9, {} failed", seen.answered, seen.cut, seen.wrong.len()));
        let some: Vec<&String> = seen.wrong.iter().take(10).collect();
        assert!(seen.wrong.is_empty(), "{}: {} failed: {some:#?}", self.case, seen.wrong.len());
    }

    /// Told whether the test passes or not: what is measured is worth quoting.
    pub(super) fn say(&self, what: &str) {
        let _ = writeln!(std::io::stderr(), "guard: {}: {what}", self.case);
    }
}
