//! The rules of the house, as tests that read the sources.
//!
//! Which layer may use which, how long a file may be, where time is read, what the pure layers must not touch, and
//! which words have no place here. A rule is a function from a file to its findings; every finding says file, line
//! and what to do. [`examples`] shows each rule a small bad example, so that no rule passes by being blind;
//! [`circles`] is the one rule that looks at several files at once.

#![expect(clippy::panic, reason = "a test that cannot read the sources has failed")]

#[path = "house_rules/circles.rs"]
mod circles;
#[path = "house_rules/examples.rs"]
mod examples;
#[path = "house_rules/paths.rs"]
mod paths;
#[path = "house_rules/source.rs"]
mod source;

use std::path::{Path, PathBuf};

use paths::{reached, tokens};
use source::{Finding, Source};

/// Who may use whom: a layer and the layers that it may import besides itself. Upper layers first.
const LAYERS: [(&str, &str); 15] = [
    ("main", "cli"),
    ("cli", "demo simulate app flags state telemetry clock describe decide wire"),
    ("demo", "app state telemetry clock describe decide wire"),
    ("simulate", "decide"),
    ("app", "proxy control admin flags store state telemetry clock describe decide wire"),
    ("proxy", "state telemetry clock describe decide wire"),
    ("control", "store state telemetry clock describe decide wire"),
    ("admin", "state telemetry clock describe decide wire"),
    ("store", "state telemetry clock decide"),
    ("flags", "describe decide"),
    ("telemetry", "state clock decide"),
    ("state", "clock decide"),
    ("clock", "decide"),
    ("describe", "decide wire"),
    ("decide", "wire"),
];

const LONGEST_FILE: usize = 450;
const LONGEST_HEADER: usize = 15;
const SHORTEST_HEADER: usize = 4;
/// A file with fewer lines than this is a table of modules: one line says what it holds.
const TABLE: usize = 20;

// === The rules ===

fn layers(source: &Source) -> Vec<Finding> {
    let layer = source.layer();
    if source.test {
        return Vec::new();
    }
    if layer == "lib" || layer == "wire" {
        // The map names every layer; wire has its own rule, as it may use none.
        return if layer == "lib" { Vec::new() } else { edges(source, &layer, "") };
    }
    match LAYERS.iter().find(|(name, _)| *name == layer) {
        Some((_, may)) => edges(source, &layer, may),
        None => vec![source.finding(1, format!("`{layer}` is no layer: put the file into one, or add it to LAYERS"))],
    }
}

fn edges(source: &Source, layer: &str, may: &str) -> Vec<Finding> {
    let wrong = |target: &String| target != layer && target != "self" && !may.split(' ').any(|may| may == target);
    reached(source)
        .into_iter()
        .filter(|(target, _)| wrong(target))
        .map(|(target, line)| {
            let may = if may.is_empty() { "no other layer".to_owned() } else { may.replace(' ', ", ") };
            source.finding(line, format!("`{layer}` must not use `{target}`; it may use {may}"))
        })
        .collect()
}

fn length(source: &Source) -> Vec<Finding> {
    let lines = source.text.lines().count();
    let what = format!("{lines} lines; at most {LONGEST_FILE}: split it by idea, or move its tests out");
    if lines > LONGEST_FILE { vec![source.finding(lines, what)] } else { Vec::new() }
}

fn header(source: &Source) -> Vec<Finding> {
    let lines = source.text.lines().take_while(|line| line.starts_with("//!")).count();
    let table = source.text.lines().count() < TABLE;
    let least = match (source.test, table) {
        (true, _) => 0,
        (_, true) => 1,
        _ => SHORTEST_HEADER,
    };
    if lines < least {
        let what = format!(
            "a `//!` header of {lines} lines; at least {least}: what it owns, what it refuses to do, the invariant"
        );
        vec![source.finding(1, what)]
    } else if lines > LONGEST_HEADER && source.path != "src/lib.rs" {
        vec![source.finding(lines, format!("a `//!` header of {lines} lines; at most {LONGEST_HEADER}"))]
    } else {
        Vec::new()
    }
}

fn name(source: &Source) -> Vec<Finding> {
    const EMPTY: [&str; 9] = ["util", "utils", "helper", "helpers", "manager", "managers", "types", "common", "misc"];
    let parts = source.path.trim_end_matches(".rs").split('/');
    parts
        .filter(|part| EMPTY.contains(part) || part.ends_with("_manager") || part.ends_with("_utils"))
        .map(|part| source.finding(1, format!("`{part}` says nothing: name the file after what it holds")))
        .collect()
}

fn clock(source: &Source) -> Vec<Finding> {
    if source.path == "src/clock.rs" {
        return Vec::new();
    }
    let why = "time is read in src/clock.rs only: take it as a parameter";
    let mut findings = words(source, &["Instant::now", "SystemTime::now"], why);
    if source.test {
        // The virtual time of a paused runtime stands still between events: no clock is read.
        let of_tokio: Vec<usize> = source.lines_with("tokio::time::Instant::now", false).collect();
        findings.retain(|finding| !of_tokio.contains(&finding.line));
    }
    findings
}

fn pure(source: &Source) -> Vec<Finding> {
    if source.test || !matches!(source.layer().as_str(), "decide" | "describe" | "wire") {
        return Vec::new();
    }
    let impure = [
        "tokio",
        "hyper",
        "hyper_util",
        "tracing",
        "metrics",
        "fastrand",
        "std::time::Instant",
        "std::time::SystemTime",
        "std::fs",
        "std::net::TcpStream",
        "std::env",
        "std::thread",
        "println!",
        "eprintln!",
    ];
    words(source, &impure, "decide, describe and wire are pure: time, chance and I/O come in as parameters")
}

fn unfinished(source: &Source) -> Vec<Finding> {
    let mut findings = words(source, &["todo!", "unimplemented!"], "finish it, or leave it out");
    findings.extend(words(source, &["#[ignore"], "a test that does not run proves nothing: mend it or remove it"));
    findings.extend(words(source, &["thread::sleep"], "wait for an event or a deadline, not for time to pass"));
    findings.extend(words(source, &["#[allow", "#![allow"], "use #[expect(.., reason)], which ends with its cause"));
    findings
}

fn workplace(source: &Source) -> Vec<Finding> {
    let words = ["issue #", "Issue #", "TODO", "FIXME", "XXX"];
    let found = |word| source.lines_with(word, true).map(move |line| (word, line));
    words
        .into_iter()
        .flat_map(found)
        .map(|(word, line)| source.finding(line, format!("`{word}`: the sources stand for themselves")))
        .collect()
}

/// Findings for each line of code that has one of these words.
fn words(source: &Source, words: &[&str], why: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for word in words {
        findings.extend(source.lines_with(word, false).map(|line| source.finding(line, format!("`{word}`: {why}"))));
    }
    findings
}

// === The rules over the tree ===

fn sources(folder: &str) -> Vec<Source> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap_or_else(|error| panic!("{}: {error}", folder.display())).path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    walk(&package.join(folder), &mut files);
    files.sort();
    assert!(!files.is_empty(), "{folder}/ has no sources: is the test run from another place?");
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Source::new(&path.strip_prefix(package).unwrap_or(&path).to_string_lossy().replace('\\', "/"), &text)
    };
    let mut sources: Vec<Source> = files.into_iter().map(read).collect();
    let tests: Vec<String> = sources.iter().flat_map(Source::test_modules).collect();
    let below = |path: &str, test: &String| {
        path.strip_prefix(test.as_str()).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    };
    for source in &mut sources {
        source.test = tests.iter().any(|test| below(&source.path, test));
    }
    sources
}

fn holds(folders: &[&str], rule: fn(&Source) -> Vec<Finding>) {
    let findings: Vec<Finding> =
        folders.iter().flat_map(|folder| sources(folder)).flat_map(|source| rule(&source)).collect();
    let list: String = findings.iter().map(|finding| format!("\n  {finding}")).collect();
    assert!(findings.is_empty(), "{} against the rules of the house:{list}\n", findings.len());
}

#[test]
fn layers_are_used_downwards_only() {
    holds(&["src"], layers);
}

#[test]
fn no_file_is_long() {
    holds(&["src", "tests", "examples"], length);
}

#[test]
fn every_file_says_what_it_owns() {
    holds(&["src"], header);
}

#[test]
fn files_are_named_after_what_they_hold() {
    holds(&["src", "tests"], name);
}

#[test]
fn time_is_read_in_one_place() {
    holds(&["src"], clock);
}

#[test]
fn decisions_are_pure() {
    holds(&["src"], pure);
}

#[test]
fn nothing_is_left_unfinished_or_asleep() {
    holds(&["src", "tests", "examples"], unfinished);
}

#[test]
fn sources_stand_for_themselves() {
    holds(&["src"], workplace);
}

#[test]
fn the_table_of_layers_has_no_cycle() {
    for (at, (layer, may)) in LAYERS.iter().enumerate() {
        for target in may.split(' ') {
            let below = LAYERS.iter().position(|(name, _)| *name == target).unwrap_or(LAYERS.len());
            assert!(below > at, "{layer} -> {target} points upwards in LAYERS");
        }
    }
}
