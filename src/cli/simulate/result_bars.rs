//! The chart of what became of all rollouts: a bar for each rule, in pieces that together are all of them.
//!
//! Owns which pieces there are, and what they are called. A piece says its part where it is wide enough for the words;
//! the page's table has the numbers in any case. Invariant: a part is said as the table says it.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::comparison_report::ComparisonReport;
use super::format;
use crate::simulate::rule_results::RuleResult;

/// A piece of a bar: its class, what it means, and how many.
type Piece = (&'static str, &'static str, fn(&RuleResult) -> usize);

const OF_FAULT: [Piece; 4] = [
    ("good", "found", |result| result.tally.found),
    ("bad", "rolled back before the fault", |result| result.tally.wrong),
    ("done", "completed with the fault", |result| result.tally.completed),
    ("open", "still open", |result| result.tally.open),
];
const OF_HEALTH: [Piece; 3] = [
    ("good", "completed", |result| result.tally.completed),
    ("bad", "rolled back wrongly", |result| result.tally.wrong),
    ("open", "still open", |result| result.tally.open),
];

/// The pieces that some rule has.
fn pieces(report: &ComparisonReport) -> impl Iterator<Item = &'static Piece> + '_ {
    let all: &[Piece] = if report.question.is_fault { &OF_FAULT } else { &OF_HEALTH };
    all.iter().filter(|(_, _, count)| report.results.iter().any(|result| count(result) > 0))
}

/// What the colours mean.
pub(super) fn legend(report: &ComparisonReport) -> String {
    let mut html = "<ul class=\"legend\">".to_owned();
    for (class, meaning, _) in pieces(report) {
        let _ = write!(html, "<li><span class=\"swatch {class}\"></span>{meaning}</li>");
    }
    html + "</ul>\n"
}

/// What is drawn.
pub(super) fn spec(report: &ComparisonReport) -> Value {
    let results = &report.results;
    let piece = |(class, meaning, count): &Piece| {
        let part = |result: &RuleResult| count(result) as f64 / result.tally.runs.max(1) as f64;
        let text = |result: &RuleResult| format::part(count(result), result.tally.runs);
        json!({
            "name": meaning, "class": class,
            "parts": results.iter().map(part).collect::<Vec<_>>(),
            "texts": results.iter().map(text).collect::<Vec<_>>(),
        })
    };
    json!({
        "names": results.iter().map(|result| result.rule.as_str()).collect::<Vec<_>>(),
        "pieces": pieces(report).map(piece).collect::<Vec<_>>(),
    })
}
