//! The page that `--html` writes: the answer as one file that opens anywhere, with no network.
//!
//! What a reader wants first stands first: the answer in a sentence, its numbers, how soon against the others, one
//! rollout to look at, and at the end everything that it takes to repeat it. The script draws the charts; each has its
//! numbers in a table, for readers and programs that see none. Light and dark, desk and phone are the style sheet's.
//! Nothing in it depends on the machine or the day, so the same question writes the same page.

use std::fmt::Write as _;

use super::comparison_report::ComparisonReport;
use super::format;
use super::inputs::{SimulationInputs, seconds};
use super::recorded::{self, Replayed};
use super::report::{self, Table};
use super::run_charts::RunCharts;
use super::specs::Specs;
use super::{detection_chart, json, result_bars, sentences};
use crate::decide::event::Action;
use crate::decide::guard::analysis::fraction;
use crate::decide::policy::{Canary, Intent};
use crate::decide::printable::html as escape;
use crate::describe::event::reason;
use crate::describe::page::{Page, prose};
use crate::simulate::example_run::ExampleRun;

const STYLE: &str = include_str!("page.css");

/// Of a simulation.
pub(super) fn of_report(report: &ComparisonReport, picture: &ExampleRun) -> String {
    let question = &report.question;
    let mut specs = Specs::default();
    let mut body = opening(&sentences::headline(report), &sentences::asked(question));
    body += &figures(report);
    if question.is_fault && report.results.iter().any(|result| result.tally.found > 0) {
        let title = "How soon each rule detects the fault";
        let sub = format!(
            "Of {} rollouts with the same requests: the share that was rolled back by each time after the fault.",
            format::count(question.runs as f64)
        );
        let figure = specs.figure(title, &sub, false, detection_chart::spec(report));
        let numbers = numbers(&detection_chart::table(report));
        body += &section(title, &sub, &(detection_chart::legend(report) + &figure + &numbers));
    }
    let (title, sub) =
        ("Results of the rollouts", "Each rule had its own rollout on each of the same streams of requests.");
    let figure = specs.figure(title, sub, false, result_bars::spec(report));
    body += &section(title, sub, &(result_bars::legend(report) + &figure + &table(&report::table(report))));
    body += &one_rollout(report, picture, &mut specs);
    body += &inputs(question);
    page(&sentences::headline(report), &body, &specs)
}

pub(super) fn of_recording(replayed: &Replayed) -> String {
    let headline = recorded::headline(replayed);
    let mut specs = Specs::default();
    let mut body = opening(&headline, &recorded::asked(replayed));
    let recording = &replayed.recording;
    let moments = recording.strip.moments();
    if let Some(last) = moments.last() {
        let event = recording.decisions.last().filter(|_| recording.ended);
        let course = RunCharts {
            strip: &recording.strip,
            from: 0.0,
            until: last.at,
            fault_at: None,
            acted: event.map(|event| (last.at, answered(&event.action).to_owned())),
            share_after: event.map_or(last.share, |event| event.to.as_f64() / 100.0),
        };
        body += &section(
            "The guard's input",
            "The share is from the recording, the evidence from this file.",
            &(course.html(&mut specs) + &numbers(&course.table())),
        );
    }
    let rows = recorded::rows(replayed);
    let mut html = String::from("<p class=\"sub\">This file would have made no decision.</p>");
    if !rows.is_empty() {
        html.clear();
    }
    for [at, action, share, reason] in &rows {
        let (action, share) = (escape(action), escape(&share.replace("->", "→")));
        let (at, reason) = (escape(at), escape(reason));
        let _ = writeln!(html, "<div class=\"event\"><b>{action}</b> {share}<span>{at}</span><p>{reason}</p></div>");
    }
    html.push_str("<div class=\"others\">");
    for (name, text) in recorded::others(replayed) {
        let _ = write!(html, "<p class=\"sub\"><b>{}</b> {}.</p>", escape(name), escape(&text));
    }
    html.push_str("</div>\n");
    body += &section("What would have been decided", "", &html);
    let mut list = vec![("Recording", replayed.file.display().to_string())];
    list.extend(of_file(&replayed.subject.canary));
    body += &section("The file", "", &definitions(&list));
    page(&headline, &body, &specs)
}

fn page(title: &str, body: &str, specs: &Specs) -> String {
    let body = format!(
        "<main>\n{body}<noscript><p class=\"sub\">Charts are drawn by a script of this page, which did not run. The \
         tables have their numbers.</p></noscript>\n</main>\n<footer>Written by serin {}. The guard is the code that \
         decides in production. The other rules use the numbers of their documentation, in a more favourable form: a \
         minute without requests never counts against a canary.</footer>\n",
        env!("CARGO_PKG_VERSION"),
    );
    Page { title, style: STYLE, body: &body, charts: &specs.0 }.write().0
}

fn opening(headline: &str, lead: &str) -> String {
    format!(
        "<div class=\"brand\"><i></i>serin <span>simulate</span></div>\n<h1>{}</h1>\n<p class=\"lead\">{}</p>\n",
        escape(headline),
        prose(lead)
    )
}

fn section(title: &str, sub: &str, html: &str) -> String {
    let sub = if sub.is_empty() { String::new() } else { format!("<p class=\"sub\">{}</p>\n", escape(sub)) };
    format!("<section>\n<h2>{}</h2>\n{sub}{html}</section>\n", escape(title))
}

fn figures(report: &ComparisonReport) -> String {
    let (question, serin) = (&report.question, report.serin());
    let tally = &serin.tally;
    let early = format::count(tally.wrong as f64);
    let runs = format::count(tally.runs as f64);
    let figures: Vec<(String, String)> = if question.is_fault {
        vec![
            (format::time(tally.seconds.median()), "from the fault to the rollback, in the median".to_owned()),
            (format::time(tally.seconds.most()), "in 95 of 100 rollouts".to_owned()),
            (format::middle(&tally.errors), "requests of the canary failed until then".to_owned()),
            (early, format!("of {runs} rollouts rolled back before the fault")),
        ]
    } else {
        let mut figures = vec![(early, format!("of {runs} rollouts rolled back wrongly"))];
        if tally.completed > 0 {
            figures.push((format::part(tally.completed, tally.runs), "reached the end of their ramp".to_owned()));
            figures.push((format::time(tally.completing.median()), "until then, in the median".to_owned()));
        } else {
            let highest = serin.highest.quantile(1.0).unwrap_or_default();
            figures.push((format::share(highest), "of the users on the canary at most".to_owned()));
        }
        figures.push((format::short(tally.all_requests as f64), "requests of the canary in total".to_owned()));
        figures
    };
    let mut html = "<div class=\"figures\">".to_owned();
    for (number, (figure, meaning)) in figures.iter().enumerate() {
        let class = if number == 0 { " class=\"first\"" } else { "" };
        let _ = write!(html, "<div{class}><b>{}</b><span>{}</span></div>", escape(figure), escape(meaning));
    }
    html + "</div>\n"
}

/// The numbers of charts, behind a line that opens them.
fn numbers(of: &Table) -> String {
    format!("<details><summary>Numbers as a table</summary>\n{}</details>\n", table(of))
}

fn table(table: &Table) -> String {
    let class = if table.titles.len() > 8 { "stack dense" } else { "stack" };
    let caption = escape(&table.caption);
    let mut html = format!("<div class=\"scroll\"><table class=\"{class}\"><caption>{caption}</caption><thead><tr>");
    for title in &table.titles {
        // What stands above names has no title of its own.
        let title = if title.is_empty() { "<span class=\"unseen\">Rule</span>" } else { &escape(title) };
        let _ = write!(html, "<th scope=\"col\">{title}</th>");
    }
    html.push_str("</tr></thead><tbody>\n");
    for row in &table.rows {
        html.push_str("<tr>");
        for (number, (title, cell)) in table.titles.iter().zip(row).enumerate() {
            let (title, cell) = (escape(title), escape(cell));
            let _ = match number {
                0 => write!(html, "<th scope=\"row\">{cell}</th>"),
                _ => write!(html, "<td data-title=\"{title}\">{cell}</td>"),
            };
        }
        html.push_str("</tr>\n");
    }
    html + "</tbody></table></div>\n"
}

fn one_rollout(report: &ComparisonReport, picture: &ExampleRun, specs: &mut Specs) -> String {
    let answer = picture.answer();
    let course = RunCharts {
        strip: &picture.strip,
        from: picture.from,
        until: picture.until,
        fault_at: picture.fault_at.filter(|at| *at < picture.until),
        acted: answer.map(|(at, event)| (*at, answered(&event.action).to_owned())),
        share_after: answer.map_or(0.0, |(_, event)| event.to.as_f64() / 100.0),
    };
    let number = format::count((report.serin().typical + 1) as f64);
    let sub = match (answer, report.question.is_fault) {
        (Some(_), true) => format!("Rollout {number}, whose time is the median."),
        _ => format!("Rollout {number}."),
    };
    let reason = answer.map_or_else(String::new, |(_, event)| {
        format!("<p class=\"sub\">In its history: “{}”</p>\n", escape(&reason(event)))
    });
    section("One rollout in detail", &sub, &(reason + &course.html(specs) + &numbers(&course.table())))
}

fn answered(action: &Action) -> &'static str {
    match action {
        Action::Hold => "pause",
        Action::StepBack => "one stage back",
        _ => "rollback",
    }
}

fn inputs(question: &SimulationInputs) -> String {
    let mut list = vec![("Requests", format!("{} a second", question.per_second))];
    list.push(("Stable fails", question.stable_errors.to_string()));
    let canary = match (question.silent, question.changes_at.0) {
        (Some(part), _) => {
            let from = format::time(Some(seconds(question.changes_at)));
            format!("accepts requests and never answers {} from {from} on", sentences::never_answered(part))
        }
        (None, 0) => format!("fails {}", question.canary_errors),
        (None, _) => {
            let from = format::time(Some(seconds(question.changes_at)));
            format!("fails {} from {from} on, before as stable", question.canary_errors)
        }
    };
    list.push(("The canary", canary));
    if !question.answers.is_empty() {
        list.push(("Answers", question.answers.sentence()));
    }
    for spell in &question.outages {
        list.push(("Both fail", spell.to_string()));
    }
    if let Some(at) = question.stable_dies {
        list.push(("Stable goes down", format!("at {}", format::time(Some(seconds(at))))));
    }
    if let Some(users) = question.users {
        let one = if question.failing_user { ", and one whose requests all fail, one a second" } else { "" };
        list.push(("Users", format!("{}{one}", format::count(f64::from(users)))));
    }
    list.push(("Watched for", format::time(Some(seconds(question.watched)))));
    list.extend(of_file(&question.subject.canary));
    let command = escape(&json::command(question));
    let again = format!(
        "{}<p class=\"sub\">The same command prints the same numbers:</p><pre>{command}</pre>\n",
        definitions(&list)
    );
    section("Assumptions", "Requests arrive at random (Poisson), and failures are random.", &again)
}

/// What the file says of the rollout.
fn of_file(canary: &Canary) -> Vec<(&'static str, String)> {
    let guard = &canary.guard;
    let percent = match canary.percent {
        Intent::Pinned(percent) => format!("{percent}, held"),
        Intent::Auto => {
            let ramp = &canary.ramp;
            let last = ramp.stages.iter().rfind(|stage| **stage <= ramp.max).map(|stage| fraction(*stage));
            let first = ramp.stages.first().map(|stage| fraction(*stage));
            let share = |part: Option<f64>| part.map_or_else(String::new, format::share);
            let (hold, every) = (format::time(Some(seconds(ramp.hold_start))), format::time(Some(seconds(ramp.every))));
            let stages = ramp.stages.len();
            format!("ramp from {} to {} in {stages} stages, {hold} and then {every} each", share(first), share(last))
        }
    };
    vec![
        ("Percent", percent),
        (
            "Guard",
            format!(
                "false_alarm {}, tolerated_ratio {}, ignore_below {}, patience {}",
                guard.false_alarm, guard.tolerated_ratio, guard.ignore_below, guard.patience
            ),
        ),
        (
            "Promotion",
            format!(
                "max_error_rate {}, min_requests {}, done_below {}",
                guard.max_error_rate, guard.min_requests, guard.done_below
            ),
        ),
    ]
}

fn definitions(list: &[(&str, String)]) -> String {
    let mut html = "<dl>".to_owned();
    for (term, meaning) in list {
        let _ = write!(html, "<dt>{}</dt><dd>{}</dd>", escape(term), escape(meaning));
    }
    html + "</dl>\n"
}
