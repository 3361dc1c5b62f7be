//! `serin incident`: the reports of rollbacks, and one of them in full.
//!
//! Asks a running sidecar, which keeps them. Markdown is shown as it is, since it is meant to be read so and to be put
//! into a ticket. Invariant: what a report quotes of others cannot act upon a terminal.

use std::time::Duration;

use clap::{Args, ValueEnum};
use http::Method;
use serde_json::Value;

use super::api_call::{by_any, text_by_any};
use super::locate::LocateArgs;
use super::output::{self, Style, moment, one_line};
use super::rollback::segment;
use super::{Exit, Failure, Outcome};
use crate::app::api::{IncidentSummary, IncidentsReply};
use crate::decide::printable::printable_lines;

const PATIENCE: Duration = Duration::from_secs(12);

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Md,
    Json,
    Html,
}

/// Arguments of `serin incident`.
#[derive(Args, Clone, Debug)]
#[command(
    after_long_help = "Examples:\n  serin incident\n  serin incident chat-20261121T075602123Z\n  serin incident latest --format html > incident.html"
)]
pub struct IncidentArgs {
    /// The report to show, by its id, or `latest`; without it, a list of all reports, newest first.
    id: Option<String>,
    /// Form of the report.
    #[arg(long, value_enum, default_value_t = Format::Md, requires = "id")]
    format: Format,
    /// Print JSON.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    #[command(flatten)]
    reach: LocateArgs,
}

/// Shows the reports.
///
/// # Errors
/// Where nothing answers, or there is no such report.
pub fn run(args: &IncidentArgs) -> Outcome {
    let vias = args.reach.find_one()?.vias;
    let failed = |error: super::api_call::CallError| Failure::failed(error.to_string());
    let list = || -> Result<IncidentsReply, Failure> {
        by_any(&vias, &Method::GET, "/api/v1/incidents", None, PATIENCE).map_err(failed)
    };
    let Some(id) = &args.id else {
        let reply = list()?;
        if args.json {
            output::print_json(&reply);
        } else {
            output::print(&render(&reply.incidents, Style::of_stdout()));
        }
        return Ok(Exit::Done);
    };
    let id = match id.as_str() {
        "latest" => match list()?.incidents.into_iter().next() {
            Some(newest) => newest.id,
            None => return Err(Failure::failed("there is no incident report: nothing was rolled back".to_owned())),
        },
        id => id.to_owned(),
    };
    let path = |format: &str| format!("/api/v1/incidents/{}?format={format}", segment(&id));
    if args.json || args.format == Format::Json {
        let reply: Value = by_any(&vias, &Method::GET, &path("json"), None, PATIENCE).map_err(failed)?;
        output::print_json(&reply);
        return Ok(Exit::Done);
    }
    let format = if args.format == Format::Html { "html" } else { "md" };
    let text = text_by_any(&vias, &path(format), PATIENCE).map_err(failed)?;
    output::print(&printable_lines(&text));
    Ok(Exit::Done)
}

fn render(incidents: &[IncidentSummary], style: Style) -> String {
    if incidents.is_empty() {
        return "no incident reports: nothing was rolled back\n".to_owned();
    }
    let width = incidents.iter().map(|incident| incident.id.len()).max().unwrap_or(0);
    incidents.iter().fold(String::new(), |text, incident| {
        let failed = format!("{} failed, {} users saw an error", incident.failed, incident.users);
        let (id, title, at) = (one_line(&incident.id), one_line(&incident.title), style.dim(&moment(incident.at)));
        format!("{text}{at}  {id:width$}  {title}; {failed}\n")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::api::Timestamp;
    use crate::decide::units::UnixMillis;

    #[test]
    fn the_list_has_a_line_for_each() {
        let incident = IncidentSummary {
            id: "chat-1".to_owned(),
            rollout: "chat".to_owned(),
            at: Timestamp(UnixMillis(1_795_247_762_123)),
            title: "chat: rolled back from 10% to 0% by guard".to_owned(),
            failed: 24,
            users: 0,
            complete: true,
        };
        assert_eq!(
            render(&[incident], Style::PLAIN),
            "2026-11-21 07:56:02Z  chat-1  chat: rolled back from 10% to 0% by guard; 24 failed, 0 users saw an error\n"
        );
        assert_eq!(render(&[], Style::PLAIN), "no incident reports: nothing was rolled back\n");
    }
}
