//! What can be written on the command line: every command with its help text, and which file does it.
//!
//! Owns the list and nothing behind it: the arguments of a command stand beside what they do. Values are checked while
//! they are read, so that wrong usage ends with 64 before anything is looked for or changed.

use clap::{CommandFactory, Parser, Subcommand};

use super::{
    Outcome, bucket, change, check, compare, completions, demo, flag, healthcheck, history, incident, inject, notify,
    plan, rollback, run, schema, selftest, simulate, sleep, status, version, why,
};
use crate::app;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "serin",
    version = version::TEXT,
    about = "Moves an application's traffic from one provider to another, a sticky percentage of users at a time, and \
             rolls it back when the new one fails.",
    after_long_help = "Exit codes: 0 done, 1 failed, 2 users would move (`serin plan`), 64 bad usage or file, 75 not confirmed in time.\n\n\
        Environment: SERIN_FLAGS, SERIN_STATE, SERIN_ADMIN, SERIN_ADMIN_TOKEN, SERIN_REGISTRY, SERIN_SELFTEST_KEY, SERIN_LOG, SERIN_LOG_FORMAT, SERIN_DUMPABLE, NO_COLOR.\n\n\
        Start with `serin demo`; it needs no key and no network.",
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the sidecar: the application's base URL becomes its `listen` address.
    Run(run::RunArgs),
    /// Show the share of every rollout, its traffic and the reason.
    Status(status::StatusArgs),
    /// Show why a rollout has its share: who decided it, the numbers, and what it waits for.
    Why(why::WhyArgs),
    /// Show what copies of stable's requests have shown of the canary: rehearsal and comparison.
    Compare(compare::CompareArgs),
    /// Roll back a rollout, or all of them: when the command returns, users are on stable.
    Rollback(rollback::RollbackArgs),
    /// Lift a rollback or a pause. After a rollback the ramp starts again at its first stage; after a pause it
    /// continues.
    Resume(change::ResumeArgs),
    /// Pause the ramp: no promotion until resumed. Automatic rollbacks still happen.
    Pause(change::PauseArgs),
    /// Move to the ramp's next stage now, or to a given share.
    Promote(change::PromoteArgs),
    /// Show what changed, when, by whom and why, newest first.
    History(history::HistoryArgs),
    /// Show the report of a rollback: what failed, since when, for whom, and what to do next.
    Incident(incident::IncidentArgs),
    /// Show the targets of notifications, or send them a test.
    Notify(notify::NotifyArgs),
    /// Check flags.yaml: print every error with its place and its remedy.
    Check(check::CheckArgs),
    /// Show what an edited flags.yaml would do: which users move, what begins anew, what is refused.
    Plan(plan::PlanArgs),
    /// Print the bucket and the arm of users.
    Bucket(bucket::BucketArgs),
    /// Show the value of a flag for a user, and why; without a name, the flags.
    Flag(flag::FlagArgs),
    /// Test a flags.yaml on simulated or recorded traffic: what its guard does, how soon, and how often it is wrong.
    Simulate(Box<simulate::SimulateArgs>),
    /// Print the JSON Schema of flags.yaml, or every default.
    Schema(schema::SchemaArgs),
    /// Test Serin on this machine against providers that fail, or a running deployment with a few requests.
    Selftest(selftest::SelftestArgs),
    /// Run a rollout from start to rollback and recovery in about a minute, with two embedded providers.
    Demo(demo::DemoArgs),
    /// Check the sidecar on this machine: exit code 0 if it is ready, else 1. For containers.
    Healthcheck(healthcheck::HealthcheckArgs),
    /// Add the sidecar to Kubernetes manifests, and set the application's base URL.
    Inject(inject::InjectArgs),
    /// Wait for a number of seconds: a preStop hook for an image without a shell.
    Sleep(sleep::SleepArgs),
    /// Print a completion script for a shell.
    Completions(completions::CompletionsArgs),
}

impl Cli {
    /// Does what was asked for.
    ///
    /// # Errors
    /// Why it was not done.
    pub fn run(&self) -> Outcome {
        match &self.command {
            Command::Run(args) => run::run(args),
            Command::Status(args) => status::run(args),
            Command::Why(args) => why::run(args),
            Command::Compare(args) => compare::run(args),
            Command::Rollback(args) => rollback::run(args),
            Command::Resume(args) => change::resume(args),
            Command::Pause(args) => change::pause(args),
            Command::Promote(args) => change::promote(args),
            Command::History(args) => history::run(args),
            Command::Incident(args) => incident::run(args),
            Command::Notify(args) => notify::run(args),
            Command::Check(args) => check::run(args, app::probe_all),
            Command::Plan(args) => plan::run(args),
            Command::Bucket(args) => bucket::run(args),
            Command::Flag(args) => flag::run(args),
            Command::Simulate(args) => simulate::run(args),
            Command::Schema(args) => schema::run(args),
            Command::Selftest(args) => selftest::run(args),
            Command::Demo(args) => demo::run(args),
            Command::Healthcheck(args) => healthcheck::run(args),
            Command::Inject(args) => inject::run(args),
            Command::Sleep(args) => sleep::run(args),
            Command::Completions(args) => completions::run(args, &mut Cli::command()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_flag_has_a_help_text() {
        let mut command = Cli::command();
        command.build();
        command.clone().debug_assert();
        for command in command.get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
            }
        }
    }

    #[test]
    fn resume_tells_what_it_does_in_each_phase() {
        let mut command = Cli::command();
        let help = command.find_subcommand_mut("resume").unwrap().render_long_help().to_string();
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for message in [
            "After a rollback the ramp starts again at its first stage",
            "at 0% until the canary has answered a probe, then at the first stage",
            "paused it keeps its share, and the ramp continues from there",
            "With --at this share is in force at once, without a probe",
        ] {
            assert!(help.contains(message), "no `{message}` in {help}");
        }
        assert!(!help.contains("where it stood"), "{help}");
    }

    #[test]
    fn a_share_and_a_reason_are_checked_on_the_way_in() {
        let error = |line: &str| Cli::try_parse_from(line.split(' ')).unwrap_err().to_string();
        let text = error("serin rollback chat --to 0.1");
        assert!(text.contains("`0.1` could be"), "{text}");
        let long = format!("serin pause chat --reason {}", "a".repeat(501));
        assert!(error(&long).contains("the reason has more than 500 characters: shorten it"));
        assert!(error("serin history --limit 0").contains("0 is not in 1..=1000"));
        assert!(error("serin history --trace").contains("<ROLLOUT>"));
    }
}
