//! The chart of how soon a fault is found: for each rule, which part of the rollouts was rolled back by which time.
//!
//! Times lie on a logarithmic axis, since the rules are factors apart and not seconds. A curve is of all rollouts: one
//! that was rolled back before the fault is never found, and the curve that lacks it ends lower. Names stand in a list
//! above the chart, which says the most important number without it; the table has more of them.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::comparison_report::ComparisonReport;
use super::format;
use super::inputs::seconds;
use super::report::Table;
use super::specs::{millis, percent};
use crate::decide::printable::html as escape;
use crate::simulate::rule_results::RuleResult;

/// The names, each with its line and its median.
pub(super) fn legend(report: &ComparisonReport) -> String {
    let mut html = "<ul class=\"legend\">".to_owned();
    for (number, result) in report.results.iter().enumerate() {
        let _ = write!(
            html,
            "<li><svg class=\"chart key\" viewBox=\"0 0 26 10\" width=\"26\" height=\"10\" aria-hidden=\"true\"><path \
             class=\"line rule{number}\" d=\"M1 5H25\"/></svg> <b>{}</b> {}</li>",
            escape(result.rule.as_str()),
            escape(&note(result))
        );
    }
    html + "</ul>\n"
}

fn note(result: &RuleResult) -> String {
    let tally = &result.tally;
    let middle = match tally.seconds.median() {
        Some(median) => format!("{} in the median", format::time(Some(median))),
        None => "not found".to_owned(),
    };
    match tally.wrong {
        0 => middle,
        wrong => format!("{middle}, {} too early", format::part(wrong, tally.runs)),
    }
}

/// What is drawn. Time counts from the fault.
pub(super) fn spec(report: &ComparisonReport) -> Value {
    let question = &report.question;
    let latest = (seconds(question.watched) - seconds(question.changes_at)).max(10.0);
    let times = times(report, latest);
    // The guard's own curve lies on top.
    let results = || report.results.iter().enumerate().rev().filter(|(_, result)| result.tally.found > 0);
    let lines: Vec<Value> = results()
        .map(|(number, result)| {
            let values = curve(result, &times);
            json!({"name": result.rule.as_str(), "class": format!("rule{number}"), "values": values, "steps": true})
        })
        .collect();
    let dots: Vec<Value> = results()
        .filter_map(|(number, result)| {
            let median = result.tally.seconds.median()?;
            let label = (number == 0).then(|| format::time(Some(median)));
            let value = percent(part(result, result.tally.seconds.up_to(median)));
            Some(json!({"at": millis(median), "value": value, "class": format!("rule{number}"), "label": label}))
        })
        .collect();
    json!({
        "x": times.iter().copied().map(millis).collect::<Vec<_>>(),
        "lines": lines, "dots": dots, "unit": "%", "most": 100, "height": 300, "legend": false,
        "time": "log", "zero": 0, "from": 1000, "to": millis(latest),
    })
}

/// The moments at which a curve may rise: at most 200 of each rule, and both ends of the axis.
fn times(report: &ComparisonReport, latest: f64) -> Vec<f64> {
    let parts = |result: &RuleResult| -> Vec<f64> {
        (1..=200).filter_map(|part| result.tally.seconds.quantile(f64::from(part) / 200.0)).collect()
    };
    let mut times: Vec<f64> = report.results.iter().flat_map(parts).collect();
    times.extend([1.0, latest]);
    times.retain(|time| (1.0..=latest).contains(time));
    times.sort_by(f64::total_cmp);
    times.dedup();
    times
}

/// The part of all rollouts by each time, in percent: a gap until it rises, which is at most one step long.
fn curve(result: &RuleResult, times: &[f64]) -> Vec<Option<f64>> {
    let found: Vec<usize> = times.iter().map(|time| result.tally.seconds.up_to(*time)).collect();
    let rises = found.iter().position(|found| *found > 0).unwrap_or(0);
    let value = |(at, found): (usize, &usize)| (at + 1 >= rises).then(|| percent(part(result, *found)));
    found.iter().enumerate().map(value).collect()
}

fn part(result: &RuleResult, found: usize) -> f64 {
    found as f64 / result.tally.runs.max(1) as f64
}

/// The same in numbers.
pub(super) fn table(report: &ComparisonReport) -> Table {
    const PARTS: [(&str, f64); 5] = [("5%", 0.05), ("25%", 0.25), ("50%", 0.5), ("75%", 0.75), ("95%", 0.95)];
    let row = |result: &RuleResult| {
        let tally = &result.tally;
        let by = |(_, part): &(&str, f64)| {
            let of_found = part * tally.runs as f64 / tally.found.max(1) as f64;
            format::time(tally.seconds.quantile(of_found).filter(|_| of_found <= 1.0))
        };
        let name = [result.rule.as_str().to_owned()];
        name.into_iter().chain(PARTS.iter().map(by)).chain([format::part(tally.found, tally.runs)]).collect()
    };
    Table {
        titles: [""].into_iter().chain(PARTS.iter().map(|(title, _)| *title)).chain(["in the end"]).collect(),
        rows: report.results.iter().map(row).collect(),
        caption: "5% to 95%: the time after the fault by which so many of all rollouts were rolled back; in the end: \
                  how many of all were."
            .to_owned(),
    }
}
