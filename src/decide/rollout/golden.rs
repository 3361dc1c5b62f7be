//! Golden traces: `tests/golden/rollout/*.trace`, each a story with what every step must lead to.
//!
//! A line is `+MILLIS INPUT => SHARE STANDING EVENTS | WAITING FOR`; lines that begin with `policy` edit the file.
//! `SERIN_GOLDEN=write` writes the right-hand sides anew, to be reviewed as a diff.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::in_force::in_force;
use super::outlook::outlook;
use super::state::{Lock, RolloutState, Verb};
use super::step::{Input, Observation, View, step};
use super::tests::canary;
use crate::decide::guard::Arms;
use crate::decide::policy::{Canary, Intent};
use crate::decide::units::{Millis, Percent, UnixMillis};
use crate::decide::window::Counts;

fn share(text: &str) -> Percent {
    let hundredths = text.trim_end_matches('%').parse::<u16>().unwrap() * 100;
    Percent::from_hundredths(hundredths).unwrap()
}

fn counts(text: &str) -> Counts {
    let (failures, requests) = text.split_once('/').unwrap();
    Counts { requests: requests.parse().unwrap(), failures: failures.parse().unwrap() }
}

struct World {
    canary: Canary,
    blocked: Option<String>,
    unwritable: Option<String>,
    seen: Observation,
}

impl World {
    // `key=value` settings of the file and of what is seen; they stay until changed.
    fn set(&mut self, setting: &str) {
        let (key, value) = setting.split_once('=').unwrap();
        let number = || value.parse::<u64>().unwrap();
        match key {
            "percent" => {
                self.canary.percent = if value == "auto" { Intent::Auto } else { Intent::Pinned(share(value)) }
            }
            "max" => self.canary.ramp.max = share(value),
            "stages" => self.canary.ramp.stages = value.split(',').map(share).collect(),
            "hold_start" => self.canary.ramp.hold_start = Millis(number()),
            "every" => self.canary.ramp.every = Millis(number()),
            "min_requests" => self.canary.guard.min_requests = value.parse().unwrap(),
            "rollback_to" => self.canary.rollback_to = share(value),
            "try_again_after" => self.canary.try_again_after = Some(Millis(number())),
            "attempt" => self.canary.attempt = value.parse().unwrap(),
            "blocked" => self.blocked = (value != "no").then(|| value.to_owned()),
            "unwritable" => self.unwritable = (value != "no").then(|| value.to_owned()),
            "canary" => self.seen.window.canary = counts(value),
            "stable" => self.seen.window.stable = counts(value),
            "probe" => {
                self.seen.canary_answers = match value {
                    "none" => None,
                    "ok" => Some(Ok(())),
                    why => Some(Err(why.to_owned())),
                }
            }
            "stable_probe" => self.seen.stable_answers = value.parse().ok(),
            other => panic!("no such setting: {other}"),
        }
    }

    fn input(&mut self, words: &[&str]) -> Input {
        let (word, settings) = words.split_first().unwrap();
        let at = settings.iter().find_map(|word| word.strip_prefix("to=").or(word.strip_prefix("at="))).map(share);
        for setting in settings.iter().filter(|word| !word.starts_with("to=") && !word.starts_with("at=")) {
            self.set(setting);
        }
        let verb = match *word {
            "tick" => {
                self.seen.epoch = self.seen.window;
                return Input::Tick(self.seen.clone());
            }
            "policy" => return Input::PolicyChanged { fresh: false },
            "policy-fresh" => return Input::PolicyChanged { fresh: true },
            "lock-file" => {
                let to = at.unwrap_or_default();
                let lock = Lock { to, at: UnixMillis(0), actor: "bob".into(), reason: "by file".into() };
                return Input::LockFound(lock);
            }
            "rollback" => Verb::Rollback { to: at.unwrap_or_default() },
            "resume" => Verb::Resume { at },
            "promote" => Verb::Promote { to: at },
            "pause" => Verb::Pause,
            other => panic!("no such input: {other}"),
        };
        Input::Command { verb, actor: "alice".to_owned(), reason: String::new() }
    }
}

fn replay(trace: &str) -> String {
    let seen = Observation { window: Arms::default(), ..Observation::default() };
    let mut world = World { canary: canary(), blocked: None, unwritable: None, seen };
    let mut now = UnixMillis(0);
    let mut state = RolloutState::new(1, now);
    let mut out = String::new();
    for line in trace.lines() {
        let told = line.split(" => ").next().unwrap().trim_end();
        let Some(moved) = told.strip_prefix('+') else {
            writeln!(out, "{told}").unwrap();
            continue;
        };
        let words: Vec<&str> = moved.split_whitespace().collect();
        now = now.plus(Millis(words[0].parse().unwrap()));
        let input = world.input(&words[1..]);
        let view = View {
            name: "chat",
            canary: &world.canary,
            blocked: world.blocked.as_deref(),
            unwritable: world.unwritable.as_deref(),
            by_clock: false,
            generation: 1,
        };
        let step = step(&view, &state, &input, now);
        state = step.next;
        let ruling = in_force(&view, &state);
        write!(out, "{told:<58} => {} {}", ruling.percent, ruling.standing.as_str()).unwrap();
        for event in &step.events {
            write!(out, " [{} {}: {}]", event.actor, event.action, event.reason).unwrap();
        }
        for note in step.refused.iter().chain(&step.notes) {
            write!(out, " ({note})").unwrap();
        }
        let waiting = outlook(&view, &state, &world.seen, now).waiting_for;
        writeln!(out, "{}{waiting}", if waiting.is_empty() { "" } else { " | " }).unwrap();
    }
    out
}

#[test]
fn every_golden_trace_is_replayed_step_by_step() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/rollout");
    let mut traces = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let expected = fs::read_to_string(&path).unwrap();
        let got = replay(&expected);
        traces += 1;
        if std::env::var("SERIN_GOLDEN").as_deref() == Ok("write") {
            fs::write(&path, got).unwrap();
        } else {
            for (expected, got) in expected.lines().zip(got.lines()) {
                assert_eq!(expected, got, "in {}", path.display());
            }
            assert_eq!(expected.lines().count(), got.lines().count());
        }
    }
    assert!(traces >= 6, "only {traces} traces were found");
}
