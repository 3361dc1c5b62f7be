//! Everything with a name of its own is described where it belongs, and no text has a name that does not exist:
//! outcomes, routes, response headers, variables, metrics, make targets, commands and their options.

use std::collections::BTreeSet;

use serin::decide::outcome::Outcome;
use serin::telemetry::metrics;

use crate::texts::{commands, package, pages, rows, serin, words};

fn first_cells(page: &str, heading: &str) -> BTreeSet<String> {
    rows(page, heading).into_iter().filter_map(|row| row.into_iter().next()).collect()
}

#[test]
fn every_outcome_is_described() {
    let told = first_cells("docs/failures.md", "## Outcomes");
    assert_eq!(told, Outcome::ALL.map(|outcome| outcome.as_str().to_owned()).into());
}

#[test]
fn every_route_is_described() {
    let source = package("src/admin/route.rs");
    let source = source.split("#[cfg(test)]").next().unwrap();
    let quoted = source.split('"').skip(1).step_by(2);
    let routes: BTreeSet<String> =
        quoted.filter(|text| text.starts_with("GET /") || text.starts_with("POST /")).map(str::to_owned).collect();
    let told: BTreeSet<String> =
        first_cells("docs/admin-api.md", "# Admin API").into_iter().filter(|cell| cell.contains(" /")).collect();
    assert_eq!(told, routes);
}

#[test]
fn every_response_header_is_described() {
    let sources = ["request/pipeline", "response/error", "response/problem", "response/respond"]
        .map(|file| package(&format!("src/proxy/{file}.rs")))
        .concat();
    let sent: BTreeSet<String> = sources
        .split("HeaderName::from_static(\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .filter(|name| name.starts_with("x-serin-"))
        .map(str::to_owned)
        .collect();
    assert_eq!(first_cells("docs/failures.md", "## Response headers"), sent);
    // Those that a client may send.
    let taken = package("src/proxy/attempt/failover/room.rs");
    let is_taken = |name: &str| taken.contains(&format!("\"{name}\""));
    for page in pages() {
        let code = page.code();
        let named = code.iter().filter_map(|code| code.split([' ', ':']).find(|word| word.starts_with("x-serin-")));
        let unknown: Vec<_> =
            named.filter(|name| *name != "x-serin-*" && !sent.contains(*name) && !is_taken(name)).collect();
        assert!(unknown.is_empty(), "{}: no such header: {unknown:?}", page.path);
    }
}

#[test]
fn every_variable_is_described_and_no_other_is_named() {
    let help = serin(&["--help"]);
    let list = help.split("Environment: ").nth(1).unwrap().lines().next().unwrap();
    let known = words(list, "SERIN_");
    let told: BTreeSet<String> = first_cells("docs/commands.md", "## Environment");
    let known_all: BTreeSet<String> =
        known.iter().map(|name| (*name).to_owned()).chain(["NO_COLOR".to_owned()]).collect();
    assert_eq!(told, known_all);
    for page in pages() {
        // A name in a file of the reader is the reader's.
        let code = page.code().join(" ");
        let unknown: Vec<_> = words(&code, "SERIN_").difference(&known).copied().collect::<Vec<_>>();
        assert!(unknown.is_empty(), "{}: no such variable: {unknown:?}", page.path);
    }
}

#[test]
fn no_metric_is_named_that_does_not_exist() {
    let outcomes = Outcome::ALL.map(Outcome::as_str);
    let names: BTreeSet<&str> = metrics::ALL.iter().map(|metric| metric.name).chain(outcomes).collect();
    let parts = ["_bucket", "_sum", "_count"];
    for page in pages() {
        let unknown: Vec<&str> = words(&page.text, "serin_")
            .into_iter()
            .filter(|word| {
                !names.contains(word) && !parts.iter().any(|part| names.contains(word.trim_end_matches(part)))
            })
            .collect();
        assert!(unknown.is_empty(), "{}: no such metric: {unknown:?}", page.path);
    }
}

#[test]
fn every_make_target_exists() {
    let makefile = package("Makefile");
    let mut found = 0;
    for page in pages() {
        for code in page.code() {
            let words: Vec<&str> = code.split_whitespace().skip_while(|word| word.contains('=')).collect();
            let ["make", target, ..] = words.as_slice() else { continue };
            assert!(makefile.contains(&format!("\n{target}:")), "{}: the Makefile has no `{target}`", page.path);
            found += 1;
        }
    }
    assert!(found > 5, "{found}");
}

#[test]
fn every_command_and_option_in_a_sentence_exists() {
    let commands = commands();
    for page in pages() {
        for code in page.code() {
            let Some(rest) = code.strip_prefix("serin ") else { continue };
            let Some(command) = rest.split_whitespace().next() else { continue };
            // `serin COMMAND` is a form, `serin --version` an option of the whole, `serin did the thing` a message.
            if command.starts_with('-') || command.chars().all(|c| c.is_ascii_uppercase()) || code.contains(" the ") {
                continue;
            }
            assert!(commands.contains(command), "{}: `{code}`: no such command", page.path);
            let help = serin(&[command, "--help"]);
            let options = rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
            for option in options.filter(|word| word.len() > 2 && word.starts_with("--")) {
                assert!(help.contains(option), "{}: `{code}`: no {option}", page.path);
            }
        }
    }
}

#[test]
fn what_does_not_exist_does_not_exist() {
    let readme = package("README.md");
    let section = readme.split("\n## Not in this version\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let missing: BTreeSet<String> = section.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(missing.len() >= 3, "{missing:?}");
    assert_eq!(missing.intersection(&commands()).collect::<Vec<_>>(), Vec::<&String>::new());
}
