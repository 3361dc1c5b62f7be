//! The picture of what became of all rollouts: a bar for each rule, in pieces that together are all of them.
//!
//! Made of boxes and not of SVG, so that names and bars find their own room on any screen. A piece says its part where
//! it is wide enough for the words; the table has the numbers in any case.

use std::fmt::Write as _;

use super::chart::escape;
use super::format;
use super::report::ComparisonReport;
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

/// The bars, with a list of what their colours mean.
pub(super) fn html(report: &ComparisonReport) -> String {
    let pieces: &[Piece] = match &report.question {
        question if question.is_fault => &OF_FAULT,
        _ => &OF_HEALTH,
    };
    let mut html = "<ul class=\"legend\">".to_owned();
    for (class, meaning, count) in pieces {
        if report.results.iter().any(|result| count(result) > 0) {
            let _ = write!(html, "<li><span class=\"swatch {class}\"></span>{meaning}</li>");
        }
    }
    html.push_str("</ul>\n<div class=\"bars\">\n");
    for result in &report.results {
        let name = escape(result.rule.as_str());
        let _ = write!(html, "<div class=\"name\">{name}</div><div class=\"bar\">");
        for (class, meaning, count) in pieces {
            let runs = result.tally.runs;
            let part = count(result) as f64 / runs.max(1) as f64 * 100.0;
            if part > 0.0 {
                let text = format::part(count(result), runs);
                let inside = if part >= 12.0 { text.as_str() } else { "" };
                let _ = write!(
                    html,
                    "<span class=\"{class}\" style=\"width:{part:.2}%\" title=\"{meaning}: {text}\">{inside}</span>"
                );
            }
        }
        html.push_str("</div>\n");
    }
    html + "</div>\n"
}
