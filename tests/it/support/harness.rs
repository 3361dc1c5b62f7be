//! A sidecar between a stable provider and a canary that can be told to fail, and what was counted of them.
//!
//! Owns the flags of such a stage: short timeouts, no breaker and a guard that never steps in, unless a test says
//! otherwise. Rollouts may be many, one for each model, so that each fault is counted under a name of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use super::client::{Answer, Broken, Client};
use super::scripted::Scripted;
use super::sidecar::{Sidecar, Workspace};

/// Timeouts of a few seconds, and nobody who stops asking.
pub(crate) const IMPATIENT: &str =
    "timeouts: { connect: 1s, headers: 2s, stream_headers: 2s, first_output: 2s, idle: 1s }, breaker: off";
/// Lets the canary fail for as long as the test does: nobody is taken back, and nobody follows.
pub(crate) const LENIENT: &str = "on_regression: hold, guard: { min_requests: 1000000 }";
/// The same, and recovery within seconds, for everybody on the canary.
pub(crate) const RESCUED: &str = "percent: 100%, give_up_after: 2s, hold: 3s";

/// How many attempts there were, by provider and outcome.
pub(crate) type Attempts = BTreeMap<(String, String), u64>;

/// The parts of one flags.yaml.
#[derive(Default)]
pub(crate) struct Flags {
    top: String,
    providers: String,
    rollouts: String,
}

impl Flags {
    pub(crate) fn new() -> Flags {
        Flags::default()
    }

    /// Lines that stand at the top level.
    pub(crate) fn top(mut self, lines: &str) -> Flags {
        self.top.push_str(&format!("{lines}\n"));
        self
    }

    /// A provider with these further keys, written as in a map on one line.
    pub(crate) fn provider(mut self, name: &str, base_url: &str, keys: &str) -> Flags {
        let comma = if keys.is_empty() { "" } else { ", " };
        self.providers.push_str(&format!("  {name}: {{ base_url: \"{base_url}\"{comma}{keys} }}\n"));
        self
    }

    /// A rollout from `oldcorp` to `newcorp` for this model; these keys as above.
    pub(crate) fn rollout(self, model: &str, keys: &str) -> Flags {
        self.rollout_to("newcorp", model, keys)
    }

    pub(crate) fn rollout_to(mut self, canary: &str, model: &str, keys: &str) -> Flags {
        self.rollouts.push_str(&format!(
            "  - {{ name: {model}, match: {{ model: {model} }}, stable: oldcorp, canary: {canary}, \
             {LENIENT}, {keys} }}\n"
        ));
        self
    }

    /// A rollout with these keys and no others.
    pub(crate) fn plainly(mut self, keys: &str) -> Flags {
        self.rollouts.push_str(&format!("  - {{ {keys} }}\n"));
        self
    }

    /// The rollout `chat`, for everything that no rollout before it takes.
    pub(crate) fn chat(mut self, keys: &str) -> Flags {
        self.rollouts.push_str(&format!("  - {{ name: chat, stable: oldcorp, canary: newcorp, {LENIENT}, {keys} }}\n"));
        self
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}providers:\n{}rollouts:\n{}", self.top, self.providers, self.rollouts)
    }
}

/// Both providers with [`IMPATIENT`] and a key of their own.
pub(crate) fn between(stable: &Scripted, canary: &Scripted) -> Flags {
    Flags::new().provider("oldcorp", &stable.base_url(), &format!("api_keys: [sk-oldcorp], {IMPATIENT}")).provider(
        "newcorp",
        &canary.base_url(),
        &format!("api_keys: [sk-newcorp], {IMPATIENT}"),
    )
}

/// A running sidecar, its directory, and providers that nobody else holds.
pub(crate) struct Harness {
    sidecar: Sidecar,
    workspace: Workspace,
    providers: Vec<Scripted>,
}

impl Deref for Harness {
    type Target = Sidecar;

    fn deref(&self) -> &Sidecar {
        &self.sidecar
    }
}

impl Harness {
    /// With this flags.yaml.
    pub(crate) fn start(flags: &impl fmt::Display) -> Harness {
        let workspace = Workspace::new(&flags.to_string());
        let sidecar = workspace.start();
        Harness { sidecar, workspace, providers: Vec::new() }
    }

    /// Lets this provider run for as long as the sidecar does.
    pub(crate) fn keeping(mut self, provider: Scripted) -> Harness {
        self.providers.push(provider);
        self
    }

    /// For those who write the file or run a command.
    pub(crate) const fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// One JSON request on a connection of its own.
    pub(crate) fn ask(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Result<Broken, String> {
        let mut client = Client::connect(self.listen).map_err(|error| format!("connecting: {error}"))?;
        client.ask(path, headers, body).map_err(|error| format!("no response head: {error}"))
    }

    /// The same where the answer has to be whole.
    #[track_caller]
    pub(crate) fn whole(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let broken = self.ask(path, headers, body).unwrap();
        broken.end.unwrap_or_else(|error| panic!("{error} after {}", broken.answer.text()));
        broken.answer
    }

    /// What was counted as attempts of this rollout; what was counted never is left out.
    pub(crate) fn attempts(&self, rollout: &str) -> Attempts {
        let mut attempts = Attempts::new();
        for (labels, count) in series(&self.metrics(), "serin_attempts_total") {
            if labels["rollout"] == rollout && count > 0 {
                *attempts.entry((labels["provider"].clone(), labels["outcome"].clone())).or_default() += count;
            }
        }
        attempts
    }

    /// Waits until exactly these attempts of this rollout were counted: `[("newcorp", "reset", 1), ...]`.
    pub(crate) fn expect_attempts(&self, rollout: &str, expected: &[(&str, &str, u64)]) -> Result<(), String> {
        let expected = expected.iter().filter(|(_, _, count)| *count > 0);
        let expected: Attempts =
            expected.map(|(provider, outcome, n)| (((*provider).to_owned(), (*outcome).to_owned()), *n)).collect();
        let mut seen = Attempts::new();
        for _ in 0..250 {
            seen = self.attempts(rollout);
            if seen == expected || seen.values().sum::<u64>() >= expected.values().sum::<u64>().max(1) {
                break;
            }
            // Counters are gathered now and then.
            std::thread::park_timeout(Duration::from_millis(20));
        }
        (seen == expected).then_some(()).ok_or(format!("attempts are {seen:?}, not {expected:?}"))
    }

    /// Resident memory of the process, in KiB.
    pub(crate) fn resident(&mut self) -> u64 {
        let pid = self.sidecar.process().id();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

/// The samples of one metric: their labels and values.
pub(crate) fn series(metrics: &str, name: &str) -> Vec<(BTreeMap<String, String>, u64)> {
    let samples = metrics.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{')?.rsplit_once("} "));
    let labels = |text: &str| {
        let pairs = text.split("\",").filter_map(|pair| pair.split_once("=\""));
        pairs.map(|(name, value)| (name.to_owned(), value.trim_end_matches('"').to_owned())).collect()
    };
    samples.filter_map(|(text, value)| Some((labels(text), value.parse().ok()?))).collect()
}
