//! The answer to a question: a table with a row for each rule, in columns that fit what was asked.
//!
//! Where there is a fault, how soon it was found and what that cost; where there is none, whether rollouts reached
//! their end. A column that could only hold one value is left out. Owns which columns there are and how a terminal sets
//! them; the page has the same table.

use super::super::output::Style;
use super::format::{self, NONE};
use super::inputs::SimulationInputs;
use super::sentences;
use crate::decide::policy::Intent;
use crate::simulate::comparison::ComparedRule;
use crate::simulate::rule_results::RuleResult;

/// A question and its answer.
#[derive(Clone, Debug)]
pub(super) struct ComparisonReport {
    pub(super) question: SimulationInputs,
    /// In the order of [`ComparedRule::ALL`].
    pub(super) results: Vec<RuleResult>,
}

impl ComparisonReport {
    /// The guard's own result.
    pub(super) fn serin(&self) -> &RuleResult {
        // There is one for each rule, the guard's first.
        &self.results[0]
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    /// The first column has no title.
    pub(super) titles: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
    /// What the titles mean.
    pub(super) caption: String,
}

/// The report's table.
pub(super) fn table(report: &ComparisonReport) -> Table {
    let question = &report.question;
    let held = matches!(question.subject.canary.percent, Intent::Pinned(_));
    let mut titles = vec![""];
    let mut rows: Vec<Vec<String>> =
        report.results.iter().map(|result| vec![result.rule.as_str().to_owned()]).collect();
    let mut column = |title, cell: &dyn Fn(&RuleResult) -> String| {
        titles.push(title);
        rows.iter_mut().zip(&report.results).for_each(|(row, result)| row.push(cell(result)));
    };
    if question.is_fault {
        column("too early", &|s| format::of(s.tally.wrong, s.tally.runs));
        column("found", &|s| format::part(s.tally.found, s.tally.runs));
        column("median", &|s| format::time(s.tally.seconds.median()));
        column("95%", &|s| format::time(s.tally.seconds.most()));
        column("requests", &|s| format::middle(&s.tally.requests));
        column("failures", &|s| format::middle(&s.tally.errors));
    } else {
        column("rolled back", &|s| format::of(s.tally.wrong, s.tally.runs));
    }
    let completes = report.results.iter().any(|result| result.tally.completed > 0);
    if completes || !(held || question.is_fault) {
        column("completed", &|s| format::of(s.tally.completed, s.tally.runs));
    }
    if !(held || question.is_fault) {
        column("median", &|s| format::time(s.tally.completing.median()));
        column("95%", &|s| format::time(s.tally.completing.most()));
        column("highest share", &|s| s.highest.median().map_or_else(|| NONE.to_owned(), format::share));
    }
    column("still open", &|s| format::of(s.tally.open, s.tally.runs));
    if question.stable_dies.is_some() {
        column("moved to failed stable", &|s| format::of(s.to_dead, s.tally.runs));
    }
    if report.serin().confirmations > 0 {
        column("confirmed", &|s| match s.rule {
            ComparedRule::Serin => format::count(s.confirmations as f64),
            _ => NONE.to_owned(),
        });
    }
    Table { titles, rows, caption: caption(report, held) }
}

fn caption(report: &ComparisonReport, held: bool) -> String {
    let question = &report.question;
    let mut lines = Vec::new();
    if question.is_fault {
        lines.push("too early: rolled back before the fault".to_owned());
        lines.push("found: rolled back after it, of all".to_owned());
        lines.push("median, 95%: from the fault to the rollback".to_owned());
        lines.push("requests, failures: the canary's in that time, median".to_owned());
    } else if !held {
        lines.push("median, 95%: until completion".to_owned());
        lines.push("highest share: that the canary ever had, median".to_owned());
    }
    let watched = format::time(Some(super::inputs::seconds(question.watched)));
    lines.push(format!("still open: neither, after {watched}"));
    if question.is_fault && report.results.iter().any(|result| result.tally.completed > 0) {
        lines.push("completed: the ramp reached its end, and nothing was found".to_owned());
    }
    if report.serin().confirmations > 0 {
        lines.push(
            "confirmed: how often half of the users went to each provider for a while, in all rollouts".to_owned(),
        );
    }
    format!("{}.", lines.join("; "))
}

/// For people.
pub(super) fn text(report: &ComparisonReport, style: Style) -> String {
    let table = table(report);
    let wrapped = |text: &str| wrap(text, 100).join("\n");
    format!(
        "{}\n\n{}\n{}\n\n{}\n",
        wrapped(&sentences::asked(&report.question)),
        set(&table, style),
        wrap(&table.caption, 100).iter().map(|line| style.dim(line)).collect::<Vec<_>>().join("\n"),
        sentences::answer(report).iter().map(|sentence| wrapped(sentence)).collect::<Vec<_>>().join("\n"),
    )
}

/// The first column to the left, numbers to the right.
pub(super) fn set(table: &Table, style: Style) -> String {
    let width = |column: usize| {
        let cells = table.rows.iter().map(|row| row[column].chars().count());
        cells.chain([table.titles[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..table.titles.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let mut text = format!("{:w$}", cells[0], w = widths[0]);
        for (cell, width) in cells.iter().zip(&widths).skip(1) {
            text.push_str(&format!("  {cell:>width$}"));
        }
        text
    };
    let mut text = style.dim(&line(table.titles.clone())) + "\n";
    for (number, row) in table.rows.iter().enumerate() {
        let row = line(row.iter().map(String::as_str).collect());
        text.push_str(&if number == 0 { style.bold(&row) } else { row });
        text.push('\n');
    }
    text
}

/// A text in lines of at most so many characters.
pub(super) fn wrap(text: &str, most: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let fits =
            lines.last().is_some_and(|line| line.is_empty() || line.chars().count() + word.chars().count() < most);
        if !fits {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
