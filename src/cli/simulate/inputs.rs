//! From arguments and a flags.yaml to what is played, or what is wrong with them.
//!
//! Reads the file as `serin check --no-secrets` does. Owns what is assumed where nothing is said (told on standard
//! error where a reader could be surprised), and when a canary deserves to be taken back: from the moment when it fails
//! more often than the file tolerates. Refuses statements that contradict each other or lie outside of what is
//! watched, with what to write instead.

use std::path::{Path, PathBuf};

use super::super::Failure;
use super::answers::StatedAnswers;
use super::args::SimulateArgs;
use super::outage::StatedOutage;
use crate::decide::guard::analysis::fraction;
use crate::decide::policy::{Canary, FeedbackRule, Intent, Policy};
use crate::decide::rollout::ramp;
use crate::decide::units::{Millis, Percent};
use crate::flags::compile::compile;
use crate::flags::{self, Environment};
use crate::simulate::comparison::{BEGIN, RuleComparison};
use crate::simulate::rollout::Span;
use crate::simulate::scenario::{Outage, Scenario};

const DEFAULT_FILE: &str = "flags.yaml";
/// What a rollout is of which nothing is said.
const DEFAULTS: &str = "providers:\n  old: { base_url: https://old.invalid }\n  new: { base_url: https://new.invalid, \
                        api_keys: [\"${NEW}\"] }\nrollouts: [{ name: rollout, stable: old, canary: new, percent: auto }]\n";
/// Users beside the one who fails.
const USERS: u32 = 2000;
const HOUR: Millis = Millis(3_600_000);
const DAY: Millis = Millis(24 * HOUR.0);
/// Longer than any ramp that somebody simulates.
const LONGEST: Millis = Millis(366 * DAY.0);
const RUNS: u32 = 1000;
const HEALTHY_RUNS: u32 = 100;

/// The rollout that is tried out.
#[derive(Clone, Debug)]
pub(super) struct TestedRollout {
    /// Where it stands; `None`: the defaults.
    pub(super) file: Option<PathBuf>,
    /// Its name in the file.
    pub(super) name: String,
    /// What the file says of it.
    pub(super) canary: Canary,
    /// What whoever runs the command should know.
    pub(super) notes: Vec<String>,
}

/// Finds it.
pub(super) fn subject(args: &SimulateArgs) -> Result<TestedRollout, Failure> {
    let (policy, file) = match &args.flags {
        Some(file) => (read(file)?, Some(file.clone())),
        None if Path::new(DEFAULT_FILE).exists() => (read(Path::new(DEFAULT_FILE))?, Some(PathBuf::from(DEFAULT_FILE))),
        None => (defaults()?, None),
    };
    let mut notes = Vec::new();
    if file.is_none() {
        notes.push(format!(
            "there is no {DEFAULT_FILE} here: this is a rollout with every default (`--flags FILE` names a file)"
        ));
    }
    let (name, mut canary) = choose(&policy, args.rollout.as_deref(), file.is_some())?;
    if let Some(percent) = args.percent {
        hold(&mut canary, percent)?;
    } else if canary.percent == Intent::Pinned(Percent::ZERO) && args.trace.is_none() {
        return Err(Failure::usage(format!(
            "the file pins rollout `{name}` at 0%, so no user is on the canary; `--percent 10%` sets another share"
        )));
    }
    if args.answers.state_feedback() && canary.guard.feedback.is_none() {
        canary.guard.feedback = Some(FeedbackRule::default());
        let note = "rollout has no `guard.feedback`: verdicts are compared as with `feedback: {}`";
        notes.push(format!("{} {note}", if file.is_some() { "the" } else { "this" }));
    }
    Ok(TestedRollout { file, name, canary, notes })
}

fn read(file: &Path) -> Result<std::sync::Arc<Policy>, Failure> {
    let reading = flags::read(file, &Environment::without_secrets());
    reading
        .result
        .map(|compiled| compiled.policy)
        .map_err(|errors| Failure::usage(flags::render(&errors, &file.display().to_string()).trim_end().to_owned()))
}

fn defaults() -> Result<std::sync::Arc<Policy>, Failure> {
    let compiled = compile(DEFAULTS, &Environment::without_secrets());
    compiled.map(|compiled| compiled.policy).map_err(|errors| Failure::failed(flags::render(&errors, "defaults")))
}

fn choose(policy: &Policy, named: Option<&str>, from_file: bool) -> Result<(String, Canary), Failure> {
    let splits: Vec<(&str, &Canary)> = policy
        .rollouts
        .iter()
        .filter_map(|rollout| rollout.canary.as_ref().map(|canary| (rollout.name.as_str(), canary)))
        .collect();
    let names = || splits.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let (name, canary) = match named {
        None if splits.len() == 1 => splits[0],
        None if splits.is_empty() => {
            return Err(Failure::usage("the file has no rollout with a canary, so there is nothing to simulate"));
        }
        None => {
            let message = format!("several rollouts have a canary: choose one with `--rollout NAME` ({})", names());
            return Err(Failure::usage(message));
        }
        Some(name) => *splits.iter().find(|(known, _)| *known == name).ok_or_else(|| {
            let known = match (from_file, policy.rollout(name)) {
                (_, Some(_)) => format!("rollout `{name}` is a plain route without a canary"),
                (true, None) => format!("there is no rollout named `{name}`"),
                (false, None) => format!("without a file there is no rollout named `{name}`: `--flags FILE` names one"),
            };
            Failure::usage(format!("{known}; with a canary there are: {}", names()))
        })?,
    };
    Ok((name.to_owned(), canary.clone()))
}

fn hold(canary: &mut Canary, percent: Percent) -> Result<(), Failure> {
    if percent == Percent::ZERO {
        return Err(Failure::usage("`--percent 0%` leaves no user on the canary; write a share above 0%"));
    }
    if percent > canary.ramp.max {
        let max = canary.ramp.max;
        return Err(Failure::usage(format!("`--percent {percent}` is above the file's `ramp.max` of {max}")));
    }
    canary.percent = Intent::Pinned(percent);
    Ok(())
}

/// What is asked, all of it: the same question has the same answer.
#[derive(Clone, Debug)]
pub(super) struct SimulationInputs {
    pub(super) subject: TestedRollout,
    pub(super) per_second: f64,
    pub(super) stable_errors: Percent,
    pub(super) canary_errors: Percent,
    /// Since when the canary is otherwise than stable.
    pub(super) changes_at: Millis,
    /// Whether the canary then fails more often than the file tolerates.
    pub(super) is_fault: bool,
    pub(super) outages: Vec<StatedOutage>,
    pub(super) users: Option<u32>,
    pub(super) failing_user: bool,
    /// Which part of its requests the canary takes and never answers.
    pub(super) silent: Option<Percent>,
    /// What no status calls bad.
    pub(super) answers: StatedAnswers,
    pub(super) stable_dies: Option<Millis>,
    pub(super) runs: usize,
    pub(super) watched: Millis,
    pub(super) seed: u64,
}

impl SimulationInputs {
    pub(super) fn new(args: &SimulateArgs, subject: TestedRollout) -> Result<SimulationInputs, Failure> {
        let canary_errors = args.canary_errors.unwrap_or(args.stable_errors);
        let answers = StatedAnswers::new(&args.answers, &subject.canary.guard);
        let silent = args.canary_silent.filter(|part| *part > Percent::ZERO);
        let is_fault = silent.is_some()
            || is_fault(&subject.canary, args.stable_errors, canary_errors)
            || answers.is_fault(&subject.canary.guard);
        let changes = args.canary_errors.is_some() || silent.is_some() || answers.differ();
        if args.fault_at.is_some() && !changes {
            let message = "`--fault-at` says when the canary begins to fail; set how often with `--canary-errors RATE`";
            return Err(Failure::usage(message));
        }
        // What is no fault is how the canary is from the start, unless it is said otherwise.
        let changes_at = args.fault_at.unwrap_or(if is_fault { HOUR } else { Millis(0) });
        let watched = args.watched.unwrap_or_else(|| match is_fault {
            true => Millis(changes_at.0 + 6 * HOUR.0),
            false => length_of(&subject.canary, args),
        });
        let text = format!("(it lasts {watched}: `--for DURATION` changes that)");
        if watched < Millis(1000) || watched > LONGEST {
            return Err(Failure::usage(format!("`--for {watched}` is not between 1s and {LONGEST}")));
        }
        if changes && changes_at >= watched {
            return Err(Failure::usage(format!(
                "the canary begins to fail at {changes_at}, after the end of the simulation {text}"
            )));
        }
        if let Some(late) = args.outage.iter().find(|spell| spell.from >= watched) {
            return Err(Failure::usage(format!("the outage {late} begins after the end of the simulation {text}")));
        }
        if let Some(at) = args.stable_dies_at.filter(|at| *at >= watched) {
            return Err(Failure::usage(format!("stable goes down at {at}, after the end of the simulation {text}")));
        }
        let runs = args.runs.unwrap_or(if is_fault { RUNS } else { HEALTHY_RUNS });
        Ok(SimulationInputs {
            subject,
            per_second: args.rps,
            stable_errors: args.stable_errors,
            canary_errors,
            changes_at,
            is_fault,
            outages: args.outage.clone(),
            users: args.users.or(args.failing_user.then_some(USERS)),
            failing_user: args.failing_user,
            silent,
            answers,
            stable_dies: args.stable_dies_at,
            runs: usize::try_from(runs).unwrap_or(usize::MAX),
            watched,
            seed: args.seed,
        })
    }

    /// What is played.
    pub(super) fn comparison(&self) -> RuleComparison {
        let scenario = Scenario {
            requests: self.per_second,
            stable: fraction(self.stable_errors),
            canary: (fraction(self.canary_errors), seconds(self.changes_at)),
            outages: self.outages.iter().map(outage).collect(),
            users: self.users,
            failing_user: self.failing_user,
            silent: self.silent.map(fraction),
            stable_dies: self.stable_dies.map(seconds),
            excess: self.answers.excess(seconds(self.changes_at)),
            feedback: self.answers.feedback(seconds(self.changes_at), self.users),
        };
        RuleComparison {
            scenario: scenario.prepare(),
            canary: self.subject.canary.clone(),
            span: Span { seconds: seconds(self.watched), fault_at: self.is_fault.then(|| seconds(self.changes_at)) },
            stable_dies: scenario.stable_dies,
            looks_until: self.looks_until(),
        }
    }

    // A while longer than the last thing that is stated.
    fn looks_until(&self) -> f64 {
        if self.is_fault {
            return f64::INFINITY;
        }
        let ends = self.outages.iter().map(|spell| seconds(spell.from) + seconds(spell.length));
        let last = ends.chain(self.stable_dies.map(seconds)).fold(0.0, f64::max);
        if last > 0.0 { last + seconds(HOUR) } else { 0.0 }
    }
}

fn outage(spell: &StatedOutage) -> Outage {
    Outage { errors: fraction(spell.errors), seconds: seconds(spell.length), from: seconds(spell.from) }
}

/// Whether the file does not tolerate such a canary.
fn is_fault(canary: &Canary, stable: Percent, errors: Percent) -> bool {
    let guard = &canary.guard;
    // A hair more, for ratios that are no binary fractions.
    errors > guard.ignore_below && fraction(errors) > fraction(stable) * guard.tolerated_ratio + 1e-9
}

/// How long a healthy rollout is watched: as long as its ramp and a tenth more.
fn length_of(canary: &Canary, args: &SimulateArgs) -> Millis {
    let last = args.outage.iter().map(|spell| spell.from.0 + spell.length.0).chain(args.stable_dies_at.map(|at| at.0));
    let after = Millis(last.max().unwrap_or(0) + HOUR.0);
    let own = match canary.percent {
        Intent::Pinned(_) => DAY,
        Intent::Auto => {
            let (schedule, mut now) = (&canary.ramp, BEGIN);
            for stage in schedule.stages.iter().filter(|stage| **stage <= schedule.max) {
                let opens = ramp::opening(schedule.hours.as_ref(), now).unwrap_or(now);
                now = opens.plus(ramp::hold_time(schedule, *stage));
            }
            let length = now.since(BEGIN).0;
            Millis(length + (length / 10).max(HOUR.0 / 2))
        }
    };
    own.max(after).min(LONGEST)
}

pub(super) const fn seconds(time: Millis) -> f64 {
    time.0 as f64 / 1000.0
}
