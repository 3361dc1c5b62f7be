//! What is wrong with a file, in a form fit to read: the place, the problem, and how to mend it.
//!
//! The source line travels with the error, already masked, so that nobody who shows it can leak a key. For a terminal
//! the line is cut around its error and stripped of control characters.

use std::fmt;

use crate::decide::file_error::FileError;
use crate::decide::printable::is_printable;

/// One thing that is wrong with flags.yaml.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagsError {
    /// Counted from 1; 0: the file as a whole.
    pub line: usize,
    /// Counted from 1, in characters; 0: the file as a whole.
    pub column: usize,
    /// Where in the structure: `rollouts[0].ramp.every`; empty: the file as a whole.
    pub path: String,
    /// What is wrong, as a lowercase fragment.
    pub problem: String,
    /// How to mend it, as a lowercase fragment.
    pub remedy: String,
    /// The line as it is written, with every secret masked; empty: not known.
    pub source: String,
}

impl FlagsError {
    /// An error about the file as a whole.
    pub(super) fn whole(problem: impl Into<String>, remedy: impl Into<String>) -> FlagsError {
        FlagsError::at(0, 0, problem, remedy)
    }

    /// An error at a place that is no part of the structure yet.
    pub(super) fn at(line: usize, column: usize, problem: impl Into<String>, remedy: impl Into<String>) -> FlagsError {
        FlagsError {
            line,
            column,
            path: String::new(),
            problem: problem.into(),
            remedy: remedy.into(),
            source: String::new(),
        }
    }

    /// The same for those who show no line of the file.
    #[must_use]
    pub fn without_source(&self) -> FileError {
        let placed = |number: usize| (number > 0).then_some(number);
        let FlagsError { line, column, path, problem, remedy, .. } = self.clone();
        FileError { line: placed(line), column: placed(column), path, problem, remedy }
    }
}

impl fmt::Display for FlagsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.without_source().fmt(f)
    }
}

impl std::error::Error for FlagsError {}

/// How much of a source line is shown to either side of its error, in characters.
const EXCERPT: usize = 60;

/// All errors of a file, each with its source line and a caret below the place.
#[must_use]
pub fn render(errors: &[FlagsError], file: &str) -> String {
    use fmt::Write as _;
    let mut text = String::new();
    let noun = if errors.len() == 1 { "error" } else { "errors" };
    let _ = writeln!(text, "{file}: {} {noun}", errors.len());
    for error in errors {
        let path = if error.path.is_empty() { String::new() } else { format!("{}: ", error.path) };
        let place = if error.line == 0 { file.to_owned() } else { format!("{file}:{}:{}", error.line, error.column) };
        let _ = writeln!(text, "\n{place}: {path}{}", error.problem);
        if !error.source.is_empty() {
            let (excerpt, caret) = excerpt(&error.source, error.column);
            let _ = writeln!(text, "{:>5} | {excerpt}", error.line);
            let _ = writeln!(text, "      | {:caret$}^", "");
        }
        let _ = writeln!(text, "      = {}", error.remedy);
    }
    text
}

/// The part of a line around a column, and where the column is in it, counted from 0.
fn excerpt(line: &str, column: usize) -> (String, usize) {
    let column = column.saturating_sub(1);
    let begin = if column <= 2 * EXCERPT { 0 } else { column - EXCERPT };
    let part: String = line.chars().skip(begin).take(column - begin + EXCERPT).map(visible).collect();
    (part.trim_end().to_owned(), column - begin)
}

// One character for one, so that the caret stays below its place; nothing that a terminal would act upon.
fn visible(c: char) -> char {
    match c {
        '\t' => '→',
        c if !is_printable(c) => '?',
        c => c,
    }
}
