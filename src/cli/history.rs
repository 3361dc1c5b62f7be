//! `serin history`: what changed, when, by whom and why, newest first.
//!
//! Asks a running sidecar and does not read the database itself, which belongs to the process that holds its lock.
//! `--trace` gives what the guard saw instead of what was decided, as lines for programs. Reasons are texts that
//! somebody sent, so each event is shown without what a terminal would act upon.

use std::time::Duration;

use clap::Args;
use http::Method;

use super::api_call::{by_any, text_by_any};
use super::locate::LocateArgs;
use super::output::{self, Style, moment, one_line};
use super::past::{self, Past};
use super::rollback::segment;
use super::{Exit, Failure, Outcome};
use crate::app::api::{HistoryEntry, HistoryReply};
use crate::clock;
use crate::decide::event::Action;
use crate::decide::units::UnixMillis;

const PATIENCE: Duration = Duration::from_secs(12);

/// Arguments of `serin history`.
#[derive(Args, Clone, Debug)]
#[command(
    after_long_help = "Examples:\n  serin history\n  serin history chat --limit 5\n  serin history --since 2h --action rollback --action hold\n  \
    serin history --since 2026-11-21T07:00:00Z --actor ana --json\n  serin history chat --trace > trace.jsonl"
)]
pub struct HistoryArgs {
    /// Only this rollout; without a name, everything.
    rollout: Option<String>,
    /// Only what happened since then: a length of time before now such as 2h, or a time such as 2026-11-21T07:56:02Z.
    #[arg(long, value_name = "TIME", value_parser = past::read)]
    since: Option<Past>,
    /// Only this action, such as rollback; may be repeated.
    #[arg(long, value_name = "ACTION", value_parser = known_action)]
    action: Vec<String>,
    /// Only what this actor did: a name, or guard, ramp, flags, breaker, serin; may be repeated.
    #[arg(long, value_name = "NAME")]
    actor: Vec<String>,
    /// Maximum number of lines, 1 to 1000.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Print the guard's input for the rollout, oldest first: a line of JSON for each second of the last hour, and for
    /// each ten seconds of the two days before it. It is not kept over a restart.
    #[arg(long, requires = "rollout", conflicts_with_all = ["json", "limit", "since", "action", "actor"])]
    trace: bool,
    #[command(flatten)]
    reach: LocateArgs,
}

/// Shows the history.
///
/// # Errors
/// Where nothing answers.
pub fn run(args: &HistoryArgs) -> Outcome {
    let target = args.reach.find_one()?;
    if let (true, Some(name)) = (args.trace, &args.rollout) {
        let path = format!("/api/v1/rollouts/{}/trace", segment(name));
        let lines = text_by_any(&target.vias, &path, PATIENCE).map_err(|error| Failure::failed(error.to_string()))?;
        output::print(&lines);
        return Ok(Exit::Done);
    }
    let path = format!("/api/v1/history?{}", query(args, clock::unix()));
    let reply: HistoryReply = by_any(&target.vias, &Method::GET, &path, None, PATIENCE)
        .map_err(|error| Failure::failed(error.to_string()))?;
    if args.json {
        output::print_json(&reply);
    } else {
        let filtered =
            args.rollout.is_some() || args.since.is_some() || !args.action.is_empty() || !args.actor.is_empty();
        output::print(&match reply.events.as_slice() {
            [] if filtered => "no event matches\n".to_owned(),
            [] => "no events yet\n".to_owned(),
            events => render(events, Style::of_stdout()),
        });
    }
    Ok(Exit::Done)
}

fn query(args: &HistoryArgs, now: UnixMillis) -> String {
    let mut query = format!("limit={}", args.limit);
    let mut add = |name: &str, value: &str| query.push_str(&format!("&{name}={}", segment(value)));
    if let Some(rollout) = &args.rollout {
        add("rollout", rollout);
    }
    if let Some(since) = args.since {
        add("since", &since.before(now).0.to_string());
    }
    args.action.iter().for_each(|action| add("action", action));
    args.actor.iter().for_each(|actor| add("actor", actor));
    query
}

fn known_action(word: &str) -> Result<String, String> {
    if !matches!(Action::from(word.to_owned()), Action::Other(_)) {
        return Ok(word.to_owned());
    }
    let known = Action::ALL.iter().map(Action::as_str).collect::<Vec<_>>().join(", ");
    Err(format!("there is no such action; there are: {known}"))
}

fn render(events: &[HistoryEntry], style: Style) -> String {
    let rollout = |event: &HistoryEntry| event.rollout.clone().unwrap_or_else(|| "-".to_owned());
    let share = |event: &HistoryEntry| {
        if event.rollout.is_none() {
            String::new()
        } else if event.from == event.to {
            format!("{}%", event.to)
        } else {
            format!("{}% -> {}%", event.from, event.to)
        }
    };
    let width =
        |of: &dyn Fn(&HistoryEntry) -> String| events.iter().map(|event| of(event).chars().count()).max().unwrap_or(0);
    let actor = |event: &HistoryEntry| one_line(&event.actor);
    let action = |event: &HistoryEntry| one_line(&event.action);
    let widths = [width(&rollout), width(&action), width(&share), width(&actor)];
    let mut text = String::new();
    for event in events {
        // Where numbers decided, the reason says them; `--json` has them one by one.
        let reason = if event.reason.is_empty() { style.dim("(no reason given)") } else { one_line(&event.reason) };
        let line = format!(
            "{}  {:w0$}  {:w1$}  {:w2$}  {:w3$}  {reason}",
            style.dim(&moment(event.at)),
            rollout(event),
            action(event),
            share(event),
            actor(event),
            w0 = widths[0],
            w1 = widths[1],
            w2 = widths[2],
            w3 = widths[3],
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::api::Timestamp;

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        args: HistoryArgs,
    }

    fn asked(line: &str) -> Result<String, String> {
        let args = ["serin"].into_iter().chain(line.split(' ').filter(|word| !word.is_empty()));
        let cli = <Cli as clap::Parser>::try_parse_from(args).map_err(|error| error.to_string())?;
        Ok(query(&cli.args, UnixMillis(10_000_000)))
    }

    #[test]
    fn the_filters_become_the_query() {
        assert_eq!(asked("").unwrap(), "limit=50");
        assert_eq!(
            asked("chat --since 2h --action rollback --action hold --actor uid=7").unwrap(),
            "limit=50&rollout=chat&since=2800000&action=rollback&action=hold&actor=uid%3D7"
        );
        assert_eq!(asked("--since 1970-01-01T00:00:01+00:00").unwrap(), "limit=50&since=1000");
        let error = asked("--since yesterday").unwrap_err();
        assert!(error.contains("`yesterday` is neither a length of time such as `2h` nor a time such as"), "{error}");
        let error = asked("--action rollbak").unwrap_err();
        assert!(error.contains("there is no such action; there are: start, promote, "), "{error}");
        assert!(asked("chat --trace --since 2h").unwrap_err().contains("cannot be used with"));
    }

    #[test]
    fn columns_are_aligned_and_a_missing_reason_is_told() {
        let event = |rollout: Option<&str>, action: &str, from, to, reason: &str| HistoryEntry {
            at: Timestamp(UnixMillis(1_795_247_762_123)),
            rollout: rollout.map(str::to_owned),
            actor: "guard".into(),
            action: action.into(),
            reason: reason.into(),
            from,
            to,
            numbers: [("canary_failures".to_owned(), 9.into())].into(),
            causes: Vec::new(),
            generation: 3,
            edited: None,
        };
        let events =
            [event(Some("chat"), "rollback", 10.0, 0.0, "too many\nfailures"), event(None, "reload", 0.0, 0.0, "")];
        assert_eq!(
            render(&events, Style::PLAIN),
            "2026-11-21 07:56:02Z  chat  rollback  10% -> 0%  guard  too many failures\n\
             2026-11-21 07:56:02Z  -     reload               guard  (no reason given)\n"
        );
    }
}
