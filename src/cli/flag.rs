//! `serin flag`: the value of a flag for a user, and why; without a name, the flags that there are.
//!
//! Asks a running sidecar as an application does, so what it prints is what the application gets. Where none runs, the
//! flags file is evaluated by the same function, with the shares that were last in force, and that is said.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::api_call::{answer_by_any, by_any};
use super::locate::{AdminEndpoint, LocateArgs, Located, one_of};
use super::output::{self, Style, one_line, row};
use super::rollback::segment;
use super::{Exit, Failure, Outcome};
use crate::app::api::{ErrorReply, FlagsReply};
use crate::app::offline;
use crate::clock;
use crate::decide::flag::{TARGETING_KEY, evaluate};
use crate::decide::policy::{Attributes, Intent, Policy, Rollout};
use crate::decide::route::RouteShare;
use crate::decide::typed_json::read_typed;
use crate::decide::units::Percent;
use crate::describe;
use crate::flags::{self, Environment};

const PATIENCE: Duration = Duration::from_secs(12);

/// Arguments of `serin flag`.
#[derive(Args, Clone, Debug)]
#[command(
    after_long_help = "Without a running sidecar the flags file is evaluated, with the shares that were last in force.\n\n\
        Exit codes: 0 evaluated, 1 the flag has no value (not found, or no user), 64 bad usage or file.\n\n\
        Examples:\n  serin flag\n  serin flag new-prompt --user user-123\n  serin flag max-tokens --user user-123 --context plan=pro --context age=42\n  serin flag max-tokens --context 'zip=\"12345\"' --json"
)]
pub struct FlagArgs {
    /// The flag; without a name, all of them are listed.
    name: Option<String>,
    /// The user's id: the attribute `targetingKey`.
    #[arg(long, value_name = "ID", requires = "name")]
    user: Option<String>,
    /// An attribute of the context, as NAME=VALUE. A value that is JSON (42, true, {"a":1}) is taken as JSON, any other
    /// as text; quotes make a text of a number: 'zip="12345"'.
    #[arg(long, value_name = "NAME=VALUE", value_parser = attribute, requires = "name")]
    context: Vec<(String, Value)>,
    /// Print JSON: the answer that an application gets, or the list of flags.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: LocateArgs,
}

fn attribute(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), serde_json::from_slice(value.as_bytes()).unwrap_or_else(|_| value.into())))
}

/// What an application gets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Answer {
    key: String,
    value: Value,
    variant: String,
    reason: String,
    #[serde(default)]
    metadata: Map<String, Value>,
}

/// Why it gets none.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Refusal {
    error_code: String,
    error_details: String,
}

/// Evaluates, or lists.
///
/// # Errors
/// Where the flag has no value, and where neither a sidecar nor the file can be asked.
pub fn run(args: &FlagArgs) -> Outcome {
    match args.reach.find()? {
        Located::Nothing { state, flags, .. } => {
            let offline = Offline::read(&flags, &state)?;
            let where_from = format!("nothing is running here: read from {}{}", flags.display(), offline.shares());
            args.show(
                &where_from,
                |name, context| offline.evaluate(name, context),
                || Ok(FlagsReply::new(&offline.policy)),
            )
        }
        running @ Located::Running(_) => {
            let target = one_of(running)?;
            args.show(
                "",
                |name, context| ask(&target, name, context),
                || {
                    by_any(&target.vias, &Method::GET, "/api/v1/flags", None, PATIENCE)
                        .map_err(|error| Failure::failed(error.to_string()))
                },
            )
        }
    }
}

impl FlagArgs {
    fn attributes(&self) -> Attributes {
        let user = self.user.iter().map(|user| (TARGETING_KEY.to_owned(), user.as_str().into()));
        self.context.iter().cloned().chain(user).collect()
    }

    fn show(
        &self,
        where_from: &str,
        evaluate: impl Fn(&str, &Attributes) -> Result<Answer, Failure>,
        list: impl Fn() -> Result<FlagsReply, Failure>,
    ) -> Outcome {
        if !where_from.is_empty() {
            eprintln!("serin: {}", one_line(where_from));
        }
        let style = Style::of_stdout();
        match &self.name {
            Some(name) => {
                let answer = evaluate(name, &self.attributes())?;
                if self.json { output::print_json(&answer) } else { output::print(&render(&answer, style)) }
            }
            None => {
                let flags = list()?;
                if self.json { output::print_json(&flags) } else { output::print(&render_list(&flags, style)) }
            }
        }
        Ok(Exit::Done)
    }
}

/// Asks a running sidecar as an application does.
fn ask(target: &AdminEndpoint, name: &str, context: &Attributes) -> Result<Answer, Failure> {
    let path = format!("/ofrep/v1/evaluate/flags/{}", segment(name));
    let body = json!({"context": context});
    let (via, status, text) = answer_by_any(&target.vias, &Method::POST, &path, Some(&body), PATIENCE)
        .map_err(|error| Failure::failed(error.to_string()))?;
    if let Ok(answer) = read_typed(text.as_bytes()) {
        return Ok(answer);
    }
    Err(Failure::failed(match (read_typed::<Refusal>(text.as_bytes()), read_typed::<ErrorReply>(text.as_bytes())) {
        (_, Ok(reply)) => reply.error.message,
        (Ok(refusal), _) => refused(&refusal.error_code, &refusal.error_details),
        _ => format!("{via} answered {status}, which is not a response of Serin's admin port"),
    }))
}

fn refused(code: &str, details: &str) -> String {
    let remedy = if code == "TARGETING_KEY_MISSING" { " (--user ID)" } else { "" };
    format!("{details}{remedy}")
}

/// The flags file and what was last in force, where nothing runs.
struct Offline {
    policy: std::sync::Arc<Policy>,
    shares: BTreeMap<String, Percent>,
}

impl Offline {
    fn read(file: &Path, state: &Path) -> Result<Offline, Failure> {
        let compiled = flags::read(file, &Environment::process()).result.map_err(|errors| Failure {
            exit: Exit::Usage,
            message: flags::render(&errors, &file.display().to_string()),
        })?;
        let policy = compiled.policy;
        let kept = offline::in_force(state).map(|kept| kept.rollouts).unwrap_or_default();
        let locks = offline::locks_in(state);
        let lock = |name: &str| {
            let fits = |of: &Option<String>| of.as_deref().is_none_or(|of| of == name);
            locks.iter().filter(|(of, _)| fits(of)).map(|(_, lock)| lock.to).min()
        };
        let share = |rollout: &Rollout| {
            let canary = rollout.canary.as_ref()?;
            let intent = match canary.percent {
                Intent::Pinned(percent) => percent.min(canary.ramp.max),
                Intent::Auto => Percent::ZERO,
            };
            Some(lock(&rollout.name).or_else(|| kept.get(&rollout.name).copied()).unwrap_or(intent))
        };
        let shares = policy.rollouts.iter().filter_map(|rollout| Some((rollout.name.clone(), share(rollout)?)));
        Ok(Offline { shares: shares.collect(), policy })
    }

    /// `, with chat at 10%`, for the rollouts that flags follow.
    fn shares(&self) -> String {
        let followed = self.policy.flags.values().filter_map(|flag| flag.follows());
        let names: std::collections::BTreeSet<&str> =
            followed.map(|id| self.policy.rollouts[usize::from(id.0)].name.as_str()).collect();
        let shares: Vec<String> = names.iter().map(|name| format!("{name} at {}", self.share(name))).collect();
        if shares.is_empty() { String::new() } else { format!(", with {}", shares.join(", ")) }
    }

    fn share(&self, rollout: &str) -> Percent {
        self.shares.get(rollout).copied().unwrap_or_default()
    }

    fn evaluate(&self, name: &str, context: &Attributes) -> Result<Answer, Failure> {
        let Some(flag) = self.policy.flags.get(name) else {
            let known: Vec<&str> = self.policy.flags.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(Failure::failed(format!("flags.yaml has no flag `{name}`; there are: {known}")));
        };
        let in_force = |id: crate::decide::units::RolloutId| {
            let percent = self.share(&self.policy.rollouts[usize::from(id.0)].name);
            RouteShare { percent, buckets_only: false }
        };
        let found = evaluate(&self.policy, flag, in_force, context, clock::unix())
            .map_err(|error| Failure::failed(refused("TARGETING_KEY_MISSING", &error.to_string())))?;
        let why = describe::flag::why(&self.policy, &found);
        Ok(Answer {
            key: name.to_owned(),
            // The value came out of JSON: writing it as JSON cannot fail.
            value: serde_json::to_value(&found.variant.value).unwrap_or_default(),
            variant: found.variant.name.clone(),
            reason: found.reason().as_str().to_owned(),
            metadata: Map::from_iter([("why".to_owned(), why.into())]),
        })
    }
}

fn render(answer: &Answer, style: Style) -> String {
    let mut text = format!("{}  {}\n", style.bold(&one_line(&answer.key)), answer.value);
    row(&mut text, "variant", &one_line(&answer.variant));
    row(&mut text, "reason", &one_line(&answer.reason));
    if let Some(why) = answer.metadata.get("why").and_then(Value::as_str) {
        row(&mut text, "why", &one_line(why));
    }
    text
}

fn render_list(reply: &FlagsReply, style: Style) -> String {
    if reply.flags.is_empty() {
        return "no flags; `flags:` in flags.yaml defines them\n".to_owned();
    }
    let width = |of: &dyn Fn(usize) -> usize| (0..reply.flags.len()).map(of).max().unwrap_or(0);
    let names = width(&|index| reply.flags[index].name.len());
    let types = width(&|index| reply.flags[index].r#type.len());
    let line = |flag: &crate::app::api::FlagReply| {
        let name = format!("{:names$}", one_line(&flag.name));
        format!("{}  {:types$}  {}\n", style.bold(&name), flag.r#type, one_line(&flag.summary))
    };
    reply.flags.iter().map(line).collect()
}

#[cfg(test)]
mod tests;
