//! Every `sh` block of README.md and the book is run, line by line, in a sandbox: a directory with the page's
//! flags.yaml, two local providers, and a running sidecar between them.
//!
//! [`lines`] says what becomes of a line: run, read by the command line's own parser (what never ends), or only
//! recognised, with a reason. A block that stops the service of systemd is read and not run. A line that begins with none of the known programs fails the test. A line that is meant
//! to fail says so: `# exit code 64`.

mod lines;
mod sandbox;

use std::path::Path;

use crate::texts::{Page, package, pages};
use lines::{Line, Use};
use sandbox::Sandbox;

/// What is run of a block: each line, or `:` in its place.
fn script(lines: &[Line]) -> String {
    lines.iter().fold(String::new(), |script, line| match line.usage() {
        Use::Run => format!("{script}{}\n", line.checked()),
        _ => format!("{script}:\n"),
    })
}

fn play(page: &Page) -> Vec<String> {
    let blocks = page.blocks("sh");
    let mut sandbox = None;
    let mut wrong = Vec::new();
    for block in &blocks {
        let lines = lines::lines(block.text);
        if !lines::stops_the_service(&lines) && lines.iter().any(|line| matches!(line.usage(), Use::Run)) {
            let sandbox = sandbox.get_or_insert_with(|| Sandbox::start(page));
            if let Err(told) = sandbox.run(&script(&lines)) {
                wrong.push(format!("{}: {told}\n{}", block.place, block.text));
            }
        }
    }
    wrong
}

#[test]
fn every_command_line_is_known() {
    let unknown: Vec<String> = pages()
        .iter()
        .flat_map(|page| {
            let of_block = |block: &crate::texts::Block<'_>| {
                let lines = lines::lines(block.text);
                let of_line = |line: &Line| match line.usage() {
                    Use::Unknown(program) => Some(format!("{}: `{program}` in `{}`", block.place, line.text)),
                    _ => line.mistake().map(|mistake| format!("{}: `{}`: {mistake}", block.place, line.text)),
                };
                lines.iter().filter_map(of_line).collect::<Vec<_>>()
            };
            page.blocks("sh").iter().flat_map(of_block).collect::<Vec<_>>()
        })
        .collect();
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
}

#[test]
fn every_command_line_does_what_it_is_shown_for() {
    let pages = pages();
    // Two pages at a time: each has providers and a sidecar of its own.
    let (even, odd): (Vec<_>, Vec<_>) = pages.iter().enumerate().partition(|(number, _)| number % 2 == 0);
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let halves = [even, odd]
            .map(|half| scope.spawn(move || half.into_iter().flat_map(|(_, page)| play(page)).collect::<Vec<_>>()));
        halves.into_iter().flat_map(|half| half.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn files_of_the_package_in_a_command_line_exist() {
    for page in pages() {
        for block in page.blocks("sh") {
            let words = block.text.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '='));
            for word in
                words.filter(|word| ["deploy/", "examples/", "docs/", "tests/"].iter().any(|top| word.starts_with(top)))
            {
                let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(word);
                assert!(path.exists() || word.contains('*'), "{}: no {word} in the package", block.place);
            }
        }
    }
}

#[test]
fn the_examples_of_help_are_read_by_the_parser() {
    let examples: Vec<String> = package("docs/commands.md")
        .lines()
        .filter_map(|line| line.strip_prefix("  serin "))
        .map(|rest| format!("serin {}", rest.split("   ").next().unwrap_or(rest)))
        .collect();
    assert!(examples.len() > 20, "{examples:?}");
    for example in examples {
        assert_eq!(lines::parsed(&example), Ok(()), "{example}");
    }
}
