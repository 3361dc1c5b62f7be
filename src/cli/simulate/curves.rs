//! The picture of how soon a fault is found: for each rule, which part of the rollouts was taken back by which time.
//!
//! Times lie on a logarithmic axis, since the rules are factors apart and not seconds. A curve is of all rollouts: one
//! that was taken back before the fault is never found, and the curve that lacks it ends lower. Names stand in a list
//! above the picture, where they never lie on each other.

use std::fmt::Write as _;

use super::chart::{Anchor, Scale, both, escape, line, path, powers, stairs, text};
use super::format;
use super::inputs::seconds;
use super::report::ComparisonReport;
use crate::simulate::rule_results::RuleResult;

const HEIGHT: f64 = 300.0;
const BOTTOM: f64 = 260.0;
const TOP: f64 = 12.0;

/// The list of names, and the picture.
pub(super) fn html(report: &ComparisonReport) -> String {
    let mut html = "<ul class=\"legend\">".to_owned();
    for (number, result) in report.results.iter().enumerate() {
        let _ = write!(
            html,
            "<li><span class=\"swatch c{number}\"></span><b>{}</b> {}</li>",
            escape(result.rule.as_str()),
            escape(&note(result))
        );
    }
    html.push_str("</ul>\n");
    let label = "The share of the rollouts that was rolled back by each time after the fault, for each rule";
    html + &both(label, HEIGHT, |width| draw(report, width))
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

fn draw(report: &ComparisonReport, width: f64) -> String {
    let left = 44.0;
    let question = &report.question;
    let latest = seconds(question.watched) - seconds(question.changes_at);
    let x = Scale { from: 1.0, to: latest.max(10.0), start: left, end: width - 10.0, log: true };
    let y = Scale { from: 0.0, to: 1.0, start: BOTTOM, end: TOP, log: false };
    let mut svg = String::new();
    for part in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let at = y.place(part);
        svg += &line(if part == 0.0 { "axis" } else { "grid" }, (x.start, at), (x.end, at));
        svg += &text("tick", Anchor::End, (left - 7.0, at + 4.0), &format::share(part));
    }
    for mark in powers(&x, if width > 500.0 { 44.0 } else { 36.0 }) {
        let at = x.place(mark);
        svg += &line("grid", (at, TOP), (at, BOTTOM));
        svg += &text("tick", Anchor::Middle, (at, BOTTOM + 18.0), &format::time(Some(mark)));
    }
    svg += &text("tick", Anchor::End, (x.end, BOTTOM + 36.0), "after the fault");
    // The guard's own curve lies on top.
    for (number, result) in report.results.iter().enumerate().rev() {
        svg += &curve(result, number, &x, &y);
    }
    svg
}

fn curve(result: &RuleResult, number: usize, x: &Scale, y: &Scale) -> String {
    let tally = &result.tally;
    if tally.found == 0 {
        return String::new();
    }
    let most = tally.found as f64 / tally.runs as f64;
    let parts = (1..=200).map(|part| f64::from(part) / 200.0);
    let points = parts.filter_map(|part| Some((x.place(tally.seconds.quantile(part)?), y.place(part * most))));
    let mut points: Vec<(f64, f64)> = points.collect();
    let foot = points.first().map_or(x.start, |point| point.0);
    points.insert(0, (foot, y.place(0.0)));
    points.push((x.end, y.place(most)));
    let mut svg = path(&format!("curve s{number}"), &stairs(&points));
    if let Some(median) = tally.seconds.median() {
        let (cx, cy) = (x.place(median), y.place(most / 2.0));
        let _ = write!(svg, "<circle class=\"dot f{number}\" cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"4.5\"/>");
        if number == 0 {
            svg += &text("note strong", Anchor::End, (cx - 10.0, cy + 4.0), &format::time(Some(median)));
        }
    }
    svg
}
