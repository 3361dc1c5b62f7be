//! Golden traces: `tests/golden/rollout/*.trace`, each a story with what every step must lead to.
//!
//! A line is `+MILLIS INPUT => SHARE STANDING EVENTS | WAITING FOR`; lines that begin with `policy` edit the file, and
//! `+MILLISxTIMES` gives the same input several times.
//! `SERIN_GOLDEN=write` writes the right-hand sides anew, to be reviewed as a diff.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::context::{Observation, RolloutContext};
use super::in_force::in_force;
use super::promotion::next_promotion;
use super::state::{Lock, RolloutCommand, RolloutState};
use super::step::{Input, step};
use super::tests::canary;
use crate::decide::guard::aspect::Aspect;
use crate::decide::guard::tick::{ArmTick, Tick};
use crate::decide::policy::{Canary, Intent, OnExcess, OnRegression};
use crate::decide::units::{Millis, Percent, UnixMillis};
use crate::decide::window::Counts;
use crate::describe::command::{note, refusal};
use crate::describe::event::reason;
use crate::describe::promotion::waiting_for;

fn share(text: &str) -> Percent {
    let hundredths = text.trim_end_matches('%').parse::<u16>().unwrap() * 100;
    Percent::from_hundredths(hundredths).unwrap()
}

const fn of_answers(aspect: Aspect) -> &'static str {
    match aspect {
        Aspect::Empty => "empty",
        Aspect::Length => "length",
        Aspect::Filtered => "filtered",
        _ => "pace",
    }
}

/// Two numbers: failures of requests, or the canary's and stable's.
fn pair(text: &str) -> (f64, f64) {
    let (canary, stable) = text.split_once('/').unwrap();
    (canary.parse().unwrap(), stable.parse().unwrap())
}

struct World {
    canary: Canary,
    // Of a tick: how long it lasts.
    passed: Millis,
    // A tick's failures, and of how many.
    canary_failures: (f64, f64),
    stable_failures: (f64, f64),
    // What these do not say: slow answers and refusals of canary and stable, and answers of the canary.
    slow: (f64, f64),
    refused: (f64, f64),
    // Of answers that no status calls bad, by aspect.
    answers: BTreeMap<usize, (f64, f64)>,
    answered: Option<f64>,
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
            "canary" => self.canary_failures = pair(value),
            "stable" => self.stable_failures = pair(value),
            "probe" => {
                self.seen.canary_answers = match value {
                    "none" => None,
                    "ok" => Some(Ok(())),
                    why => Some(Err(why.to_owned())),
                }
            }
            "on_regression" => {
                self.canary.on_regression = match value {
                    "hold" => OnRegression::Hold,
                    "step_back" => OnRegression::StepBack,
                    _ => OnRegression::Rollback,
                }
            }
            "slow" => self.slow = pair(value),
            "refused" => self.refused = pair(value),
            "answered" => self.answered = value.parse().ok(),
            "ceiling" => self.canary.guard.ceiling = Some(share(value)),
            "client_errors" => {
                self.canary.guard.client_errors = match value {
                    "rollback" => OnExcess::Rollback,
                    "ignore" => OnExcess::Ignore,
                    _ => OnExcess::Hold,
                }
            }
            "empty" | "length" | "filtered" | "pace" => {
                let aspect = Aspect::OF_ANSWERS.into_iter().find(|aspect| of_answers(*aspect) == key).unwrap();
                self.answers.insert(aspect as usize, pair(value));
            }
            "answers" => {
                let (aspect, follows) = value.split_once(':').unwrap();
                let follows = match follows {
                    "rollback" => OnExcess::Rollback,
                    "ignore" => OnExcess::Ignore,
                    _ => OnExcess::Hold,
                };
                let answers = &mut self.canary.guard.answers;
                match aspect {
                    "empty" => answers.empty = follows,
                    "length" => answers.length = follows,
                    "filtered" => answers.filtered = follows,
                    _ => answers.pace = follows,
                }
            }
            "refuses" => self.seen.most_rejected = Some(value.replace('_', " ").into()),
            "stable_shut" => self.seen.stable_breaker_open = value.parse().unwrap(),
            "confirm_seconds" => self.canary.guard.constants.confirm_seconds = value.parse().unwrap(),
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
                let arm = |(failures, requests)| ArmTick::plain(requests, failures);
                let (mut stable, mut canary) = (arm(self.stable_failures), arm(self.canary_failures));
                // A minute like this one, as far as a ceiling is concerned.
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small numbers")]
                let minute = |number: f64| (number * 60.0) as u64;
                let (failures, requests) = self.canary_failures;
                self.seen.ceiling_counts = Counts { requests: minute(requests), failures: minute(failures) };
                (canary.events[1], stable.events[1]) = self.slow;
                (canary.events[2], stable.events[2]) = self.refused;
                for (aspect, (of_canary, of_stable)) in &self.answers {
                    (canary.events[*aspect], stable.events[*aspect]) = (*of_canary, *of_stable);
                }
                canary.answered = self.answered.unwrap_or(canary.answered);
                canary.successes = canary.successes.min(canary.answered);
                let seconds = self.passed.duration().as_secs_f64();
                self.seen.tick = Some(Tick { seconds, stable, canary, ..Tick::default() });
                return Input::Tick(self.seen.clone());
            }
            "policy" => return Input::PolicyChanged { fresh: false },
            "policy-fresh" => return Input::PolicyChanged { fresh: true },
            "lock-file" => {
                let to = at.unwrap_or_default();
                let lock = Lock { to, at: UnixMillis(0), actor: "bob".into(), reason: "by file".into() };
                return Input::LockFound(lock);
            }
            "rollback" => RolloutCommand::Rollback { to: at.unwrap_or_default() },
            "resume" => RolloutCommand::Resume { at },
            "promote" => RolloutCommand::Promote { to: at },
            "pause" => RolloutCommand::Pause,
            other => panic!("no such input: {other}"),
        };
        Input::Command { verb, actor: "alice".to_owned(), reason: String::new() }
    }
}

impl World {
    fn view(&self) -> RolloutContext<'_> {
        RolloutContext {
            name: "chat",
            canary: &self.canary,
            blocked: self.blocked.as_deref(),
            unwritable: self.unwritable.as_deref(),
            writing: false,
            by_clock: false,
            generation: 1,
        }
    }
}

fn replay(trace: &str) -> String {
    let nothing = (0.0, 0.0);
    let mut world = World {
        canary: canary(),
        passed: Millis(0),
        canary_failures: nothing,
        stable_failures: nothing,
        slow: nothing,
        refused: nothing,
        answers: BTreeMap::new(),
        answered: None,
        blocked: None,
        unwritable: None,
        seen: Observation::default(),
    };
    let mut now = UnixMillis(0);
    let mut state = RolloutState::new(1, now);
    let mut out = String::new();
    for line in trace.lines() {
        let input_text = line.split(" => ").next().unwrap().trim_end();
        let Some(moved) = input_text.strip_prefix('+') else {
            writeln!(out, "{input_text}").unwrap();
            continue;
        };
        let words: Vec<&str> = moved.split_whitespace().collect();
        let (passed, times) = words[0].split_once('x').unwrap_or((words[0], "1"));
        world.passed = Millis(passed.parse().unwrap());
        let mut suffixes = Vec::new();
        for _ in 0..times.parse().unwrap() {
            now = now.plus(world.passed);
            let input = world.input(&words[1..]);
            let step = step(&world.view(), &state, &input, now);
            state = step.next;
            suffixes.extend(
                step.events.iter().map(|event| format!("[{} {}: {}]", event.actor, event.action, reason(event))),
            );
            let refused = step.refused.iter().map(|reason| refusal(world.view().name, reason));
            let notes = step.notes.iter().map(|reason| note(world.view().name, reason));
            suffixes.extend(refused.chain(notes).map(|reason| format!("({reason})")));
        }
        let view = world.view();
        let effective = in_force(&view, &state);
        write!(out, "{input_text:<58} => {} {}", effective.percent, effective.phase.as_str()).unwrap();
        suffixes.iter().for_each(|event| write!(out, " {event}").unwrap());
        let waiting = waiting_for(view.name, &next_promotion(&view, &state, &world.seen, now).waiting_for);
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
    assert!(traces >= 12, "only {traces} traces were found");
}
