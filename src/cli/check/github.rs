//! The result of a check as annotations of GitHub Actions: `::error file=...,line=...,col=...::message`.
//!
//! One line each, errors first, then warnings and notes. Owns the escapes, so that no text of the file ends an
//! annotation or begins another. Paths are relative to the workspace, as GitHub shows annotations only there.

use std::path::Path;

use crate::flags::FlagsError;
use crate::flags::compile::Compiled;

/// Every error of a file.
pub(super) fn errors(file: &str, errors: &[FlagsError]) -> String {
    errors.iter().map(|error| of_error(file, error)).collect()
}

fn of_error(file: &str, error: &FlagsError) -> String {
    let FlagsError { line, column, path, problem, remedy, .. } = error;
    let path = if path.is_empty() { String::new() } else { format!("{path}: ") };
    let fix = if remedy.is_empty() { String::new() } else { format!("\nfix: {remedy}") };
    annotation("error", file, (*line, *column), &format!("{path}{problem}{fix}"))
}

/// Warnings and notes of a valid file, and the failures and warnings of a probe.
pub(super) fn accepted(
    file: &str,
    compiled: &Compiled,
    notes: &[String],
    [failures, doubts]: [Vec<String>; 2],
) -> String {
    let all =
        [("error", failures.as_slice()), ("warning", &compiled.warnings), ("warning", &doubts), ("notice", notes)];
    let lines = all.iter().flat_map(|(level, texts)| texts.iter().map(|text| of_text(level, file, text)));
    lines.collect()
}

/// Of a text that may begin with its line: `line 7: rollouts[0].percent: ...`.
fn of_text(level: &str, file: &str, text: &str) -> String {
    let placed = text.strip_prefix("line ").and_then(|rest| rest.split_once(": "));
    match placed.and_then(|(line, rest)| Some((line.parse().ok()?, rest))) {
        Some((line, rest)) => annotation(level, file, (line, 0), rest),
        None => annotation(level, file, (0, 0), text),
    }
}

fn annotation(level: &str, file: &str, (line, column): (usize, usize), message: &str) -> String {
    let place = |name: &str, number: usize| if number == 0 { String::new() } else { format!(",{name}={number}") };
    let (line, column) = (place("line", line), place("col", column));
    format!("::{level} file={}{line}{column}::{}\n", property(&relative(file)), data(message))
}

/// Relative to the workspace, or to the working directory.
fn relative(file: &str) -> String {
    let workspace = std::env::var_os("GITHUB_WORKSPACE").map(Into::into).or_else(|| std::env::current_dir().ok());
    let below = workspace.and_then(|workspace| Path::new(file).strip_prefix(workspace).ok().map(Path::to_owned));
    let path = below.map_or_else(|| file.to_owned(), |path| path.display().to_string());
    path.strip_prefix("./").map_or_else(|| path.clone(), str::to_owned)
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_cannot_be_broken_out_of() {
        let error = FlagsError {
            line: 12,
            column: 9,
            path: "rollouts[0].percent".into(),
            problem: "`50%\n::error::x` is wrong".into(),
            remedy: "write `5%`".into(),
            source: "percent: 50%".into(),
        };
        assert_eq!(
            errors("./conf,ig/a:b.yaml", std::slice::from_ref(&error)),
            "::error file=conf%2Cig/a%3Ab.yaml,line=12,col=9::rollouts[0].percent: `50%25%0A::error::x` is \
             wrong%0Afix: write `5%25`\n"
        );
        let whole = FlagsError { line: 0, column: 0, path: String::new(), remedy: String::new(), ..error };
        assert!(errors("a.yaml", &[whole]).starts_with("::error file=a.yaml::`50%25"));
    }

    #[test]
    fn a_line_in_the_text_becomes_the_place() {
        assert_eq!(of_text("warning", "f", "line 7: a.b: c"), "::warning file=f,line=7::a.b: c\n");
        assert_eq!(of_text("notice", "f", "line up: now"), "::notice file=f::line up: now\n");
        let here = std::env::current_dir().unwrap().join("flags.yaml");
        let found = of_text("notice", here.to_str().unwrap(), "x");
        assert!(found == "::notice file=flags.yaml::x\n" || std::env::var_os("GITHUB_WORKSPACE").is_some(), "{found}");
    }
}
