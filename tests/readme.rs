//! The README tells the truth: every key, default, command, option, variable, metric, outcome, header, route and make
//! target in it exists, and nothing that exists is missing from it. Its examples are run by the SDK tests.
//!
//! The README is compared with what the binary prints (`schema`, `--help`, `check`) and with the lists in the sources.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot read its subject has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn package(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn serin(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_serin")).args(arguments).env_clear().output().unwrap();
    assert!(output.status.success(), "serin {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The rows of every table below this heading and above the next of its rank: cells without their backticks.
fn rows(readme: &str, heading: &str) -> Vec<Vec<String>> {
    let section = readme.split(&format!("\n## {heading}\n")).nth(1).unwrap_or_else(|| panic!("no `## {heading}`"));
    let section = section.split("\n## ").next().unwrap();
    let is_row = |line: &&str| line.starts_with("| `");
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
    section.lines().filter(is_row).map(cells).collect()
}

/// The text of the fenced blocks of this language.
fn blocks<'r>(readme: &'r str, language: &str) -> Vec<&'r str> {
    readme.split(&format!("\n```{language}\n")).skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect()
}

fn bare(cell: &str) -> String {
    cell.replace('`', "")
}

// === flags.yaml ===

/// Every key of the schema, dotted as in the README, with its default where it has one.
fn keys(schema: &Value) -> BTreeMap<String, Option<String>> {
    fn walk(root: &Value, node: &Value, path: &str, keys: &mut BTreeMap<String, Option<String>>) {
        let node = node["$ref"].as_str().and_then(|at| root.pointer(at.trim_start_matches('#'))).unwrap_or(node);
        for branch in ["anyOf", "oneOf", "allOf"].iter().filter_map(|name| node[*name].as_array()).flatten() {
            walk(root, branch, path, keys);
        }
        for (name, inner) in node["properties"].as_object().into_iter().flatten() {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let default = inner.get("default").map(|value| match value {
                Value::String(text) => text.clone(),
                Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
                other => other.to_string(),
            });
            keys.insert(path.clone(), default);
            walk(root, inner, &path, keys);
        }
        if node["additionalProperties"].is_object() {
            walk(root, &node["additionalProperties"], &format!("{path}.NAME"), keys);
        }
        if node["items"].is_object() {
            walk(root, &node["items"], &format!("{path}[]"), keys);
        }
    }
    let mut keys = BTreeMap::new();
    walk(schema, schema, "", &mut keys);
    keys
}

#[test]
fn every_key_of_the_file_is_told_with_its_default() {
    let keys = keys(&serde_json::from_str(&serin(&["schema"])).unwrap());
    let told: BTreeMap<String, String> =
        rows(&package("README.md"), "flags.yaml").into_iter().map(|row| (bare(&row[0]), bare(&row[1]))).collect();
    let told_keys: BTreeSet<&String> = told.keys().collect();
    // A map of keys is told by its keys.
    let is_parent = |key: &str| keys.keys().any(|other| other.starts_with(&format!("{key}.")));
    let known: BTreeSet<&String> = keys.keys().collect();
    let missing: Vec<_> = known.difference(&told_keys).filter(|key| !is_parent(key)).map(ToString::to_string).collect();
    let invented: Vec<_> = told_keys.difference(&known).map(ToString::to_string).collect();
    assert!(missing.is_empty() && invented.is_empty(), "missing: {missing:?}; not in the schema: {invented:?}");
    let wrong: Vec<String> = told
        .iter()
        .filter_map(|(key, told)| match keys[key].as_deref() {
            Some("") if told == "empty" => None,
            Some(default) if default != told => Some(format!("{key}: README says `{told}`, the schema `{default}`")),
            _ => None,
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_example_of_the_file_passes_check() {
    let readme = package("README.md");
    let examples = blocks(&readme, "yaml");
    assert!(!examples.is_empty());
    for example in examples {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), example).unwrap();
        serin(&["check", "--no-secrets", &file.path().to_string_lossy()]);
    }
}

#[test]
fn the_flag_that_an_example_asks_for_is_in_the_file_of_the_readme() {
    let readme = package("README.md");
    let asked = blocks(&readme, "sh").into_iter().flat_map(str::lines).find_map(|line| {
        let (_, name) = line.split_once("/ofrep/v1/evaluate/flags/")?;
        name.split_whitespace().next()
    });
    let asked = asked.unwrap();
    let files = blocks(&readme, "yaml");
    let has_it = files.iter().any(|file| file.contains(&format!("flags:\n  {asked}: {{ follows: chat }}")));
    assert!(has_it && files.iter().any(|file| file.contains("name: chat")), "{asked}");
}

#[test]
fn models_of_examples_are_no_snapshots_that_are_taken_away() {
    let readme = package("README.md");
    let code = ["python", "js", "sh"].map(|language| blocks(&readme, language).join("\n")).concat();
    let models: BTreeSet<&str> = code
        .split("model")
        .skip(1)
        .filter_map(|rest| rest.trim_start_matches(['"', ':', '=', ' ']).split('"').next())
        .filter(|name| name.contains('-') && !name.contains(char::is_whitespace))
        .collect();
    assert!(models.iter().any(|name| name.starts_with("claude-")) && models.contains("gpt-4o"), "{models:?}");
    let is_date = |part: &str| part.len() >= 4 && part.bytes().all(|byte| byte.is_ascii_digit());
    let dated: Vec<_> = models.iter().filter(|name| name.split('-').any(is_date)).collect();
    assert!(dated.is_empty(), "{dated:?}");
}

#[test]
fn nobody_promises_a_dashboard() {
    let helps = commands().into_iter().map(|command| serin(&[&command, "--help"]));
    let mut texts: Vec<String> = helps.chain([serin(&["--help"]), serin(&["schema"])]).collect();
    let files = ["flags.yaml", "deploy/flags.schema.json", "README.md"].map(package);
    texts.extend(files.map(|text| text.replace("There is no dashboard", "")));
    for text in texts {
        assert!(!text.to_lowercase().contains("dashboard"), "{text}");
    }
}

// === Commands ===

fn commands() -> BTreeSet<String> {
    let help = serin(&["--help"]);
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

/// Every `--option` in a text.
fn options(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    words.filter(|word| word.len() > 3 && word.starts_with("--")).collect()
}

#[test]
fn every_command_is_told_and_every_option_exists() {
    let readme = package("README.md");
    let rows = rows(&readme, "Commands");
    let told: BTreeSet<String> = rows.iter().map(|row| bare(&row[0]).trim_start_matches("serin ").to_owned()).collect();
    assert_eq!(told, commands());
    for row in &rows {
        let command = bare(&row[0]).trim_start_matches("serin ").to_owned();
        let help = serin(&[&command, "--help"]);
        // Below the table: which sidecar is meant. Of a `run` or `bucket`, `--flags` is something else.
        let general = ["--help", "--admin", "--flags", "--state"];
        let told = options(&row[1]);
        let unknown: Vec<_> = told.difference(&options(&help)).copied().collect();
        let untold: Vec<_> =
            options(&help).difference(&told).copied().filter(|option| !general.contains(option)).collect();
        assert!(unknown.is_empty() && untold.is_empty(), "`serin {command}`: no {unknown:?}, not told: {untold:?}");
    }
    for line in blocks(&readme, "sh").iter().flat_map(|block| block.lines()) {
        let Some(rest) = line.trim_start_matches("target/release/").strip_prefix("serin ") else { continue };
        let command = rest.split_whitespace().next().unwrap();
        let help = serin(&[command, "--help"]);
        for option in options(rest.split('"').next().unwrap()) {
            assert!(options(&help).contains(option), "`{line}`: no {option} in\n{help}");
        }
    }
}

#[test]
fn every_make_target_exists() {
    let (readme, makefile) = (package("README.md"), package("Makefile"));
    let in_code = readme.split('`').skip(1).step_by(2).filter_map(|code| code.strip_prefix("make "));
    let in_blocks =
        blocks(&readme, "sh").into_iter().flat_map(str::lines).filter_map(|line| line.strip_prefix("make "));
    let targets: BTreeSet<&str> = in_code.chain(in_blocks).filter_map(|rest| rest.split_whitespace().next()).collect();
    assert!(targets.len() >= 3, "{targets:?}");
    for target in targets {
        assert!(makefile.contains(&format!("\n{target}:")), "the Makefile has no `{target}`");
    }
}

// === Metrics and routes ===

/// The words in this text that begin so and go on with word characters.
fn words<'t>(text: &'t str, begin: &str) -> BTreeSet<&'t str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c: char| !is_word(c)).filter(|word| word.starts_with(begin) && word.len() > begin.len()).collect()
}

#[test]
fn every_metric_is_told() {
    let source = package("src/telemetry/metrics.rs");
    let quoted: String = source.split('"').skip(1).step_by(2).collect::<Vec<_>>().join(" ");
    let readme = package("README.md");
    let told: BTreeSet<String> = rows(&readme, "Metrics").iter().map(|row| bare(&row[0])).collect();
    let told: BTreeSet<&str> = told.iter().map(String::as_str).collect();
    let missing: Vec<_> = told.difference(&words(&quoted, "serin_")).copied().collect();
    assert!(missing.is_empty(), "told and not in the sources: {missing:?}");
    let list = source.split("metrics_list! {").nth(1).unwrap().split("\n}").next().unwrap();
    let names: BTreeSet<&str> = list.split('"').skip(1).step_by(2).filter(|text| text.starts_with("serin_")).collect();
    assert_eq!(told, names);
}

#[test]
fn every_route_is_told_and_exists() {
    let source = package("src/admin/route.rs");
    let source = source.split("#[cfg(test)]").next().unwrap();
    let quoted = source.split('"').skip(1).step_by(2);
    let routes: BTreeSet<String> =
        quoted.filter(|text| text.starts_with("GET /") || text.starts_with("POST /")).map(str::to_owned).collect();
    let told: BTreeSet<String> = rows(&package("README.md"), "Admin API").iter().map(|row| bare(&row[0])).collect();
    assert_eq!(told, routes);
}

// === How fast the guard is ===

#[test]
fn how_long_faults_take_to_be_seen_is_what_check_says() {
    let readme = package("README.md");
    let section = readme.split("\n## How the guard decides\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let told: Vec<&str> = section.lines().filter(|line| line.starts_with("| ") && line.contains('%')).skip(1).collect();
    assert!(told.len() >= 3, "{told:?}");
    let rows = told.iter().map(|row| {
        let share = row.split(" | ").next().unwrap().trim_start_matches("| ");
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = format!(
            "providers: {{ old: {{ base_url: \"http://127.0.0.1:9/v1\" }}, new: {{ base_url: \"http://127.0.0.1:9/v2\" }} }}\n\
             rollouts: [{{ name: chat, stable: old, canary: new, percent: auto, ramp: {{ start: {share} }} }}]\n"
        );
        std::fs::write(file.path(), text).unwrap();
        let answer = serin(&["check", "--rps", "50", &file.path().to_string_lossy()]);
        let line = answer.lines().find(|line| line.starts_with("  chat     ")).unwrap_or_else(|| panic!("{answer}"));
        let cells: Vec<&str> = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).skip(3).collect();
        format!("| {share} | {} |", cells.join(" | "))
    });
    let rows: Vec<String> = rows.collect();
    assert_eq!(told, rows);
}

// === Everything else with a name of its own ===

#[test]
fn every_outcome_is_told() {
    let readme = package("README.md");
    let list = readme.split("\nOutcomes: ").nth(1).unwrap().split("\n\n").next().unwrap();
    let told: BTreeSet<&str> = list.split('`').skip(1).step_by(2).collect();
    assert_eq!(told, serin::decide::outcome::Outcome::ALL.map(|outcome| outcome.as_str()).into());
}

#[test]
fn every_variable_is_told() {
    let help = serin(&["--help"]);
    let list = help.split("Environment: ").nth(1).unwrap().lines().next().unwrap();
    let readme = package("README.md");
    assert_eq!(words(&readme, "SERIN_"), words(list, "SERIN_"));
    assert!(readme.contains("NO_COLOR") && list.contains("NO_COLOR"));
}

#[test]
fn every_response_header_is_told() {
    let sources = ["request/pipeline", "response/problem", "response/respond"]
        .map(|file| package(&format!("src/proxy/{file}.rs")))
        .concat();
    let sent: BTreeSet<&str> = sources
        .split("HeaderName::from_static(\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .filter(|name| name.starts_with("x-serin-"))
        .collect();
    let readme = package("README.md");
    let code = readme.split('`').skip(1).step_by(2);
    let told: BTreeSet<&str> = code.filter(|code| code.starts_with("x-serin-") && !code.ends_with('*')).collect();
    assert_eq!(told, sent);
}

#[test]
fn what_does_not_exist_does_not_exist() {
    let readme = package("README.md");
    let section = readme.split("\n## Not in this version\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let missing: BTreeSet<String> = section.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(missing.len() >= 3, "{missing:?}");
    assert_eq!(missing.intersection(&commands()).collect::<Vec<_>>(), Vec::<&String>::new());
}
