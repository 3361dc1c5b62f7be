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

use std::fmt;
use std::path::{Path, PathBuf};

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

const LONGEST_FILE: usize = 600;
const LONGEST_HEADER: usize = 15;
const SHORTEST_HEADER: usize = 4;
/// A file with fewer lines than this is a table of modules: one line says what it holds.
const TABLE: usize = 20;

// === What is read ===

/// One source file.
struct Source {
    /// Below the package, with forward slashes: `src/decide/bucket.rs`.
    path: String,
    text: String,
    /// The text with comments and the insides of literals blanked, line for line.
    code: String,
    /// Whether it is compiled for tests only: then it may reach and do what the layer itself must not.
    test: bool,
}

impl Source {
    fn new(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned(), code: blank(text), test: false }
    }

    /// Where the file stands in the module tree: `src/decide/mod.rs` is `[decide]`.
    fn module(&self) -> Vec<String> {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let mut parts: Vec<String> = inside.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if matches!(parts.last().map(String::as_str), Some("mod" | "lib")) {
            parts.pop();
        }
        parts
    }

    /// The modules that this file declares for tests only, as paths without `.rs`.
    fn test_modules(&self) -> Vec<String> {
        let folder = match self.path.rsplit_once('/') {
            Some((folder, "mod.rs" | "lib.rs" | "main.rs")) => folder.to_owned(),
            _ => self.path.trim_end_matches(".rs").to_owned(),
        };
        let mut gated = false;
        let mut modules = Vec::new();
        for line in self.code.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let name = line.strip_suffix(';').and_then(|line| line.rsplit_once("mod "));
            modules.extend(name.filter(|_| gated).map(|(_, name)| format!("{folder}/{name}")));
            gated = line == "#[cfg(test)]" || (gated && line.starts_with("#["));
        }
        modules
    }

    fn layer(&self) -> String {
        self.module().into_iter().next().unwrap_or_else(|| "lib".to_owned())
    }

    fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, what: what.into() }
    }

    /// The lines of `text` that contain `word` as code, or anywhere when `anywhere`.
    fn lines_with<'s>(&'s self, word: &'s str, anywhere: bool) -> impl Iterator<Item = usize> + 's {
        let text = if anywhere { &self.text } else { &self.code };
        text.lines().enumerate().filter(move |(_, line)| has_word(line, word)).map(|(index, _)| index + 1)
    }
}

/// Something that breaks a rule.
#[derive(Clone, PartialEq, Eq)]
struct Finding {
    path: String,
    line: usize,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Whether `word` occurs with no letter, digit or underscore touching its own ends.
fn has_word(line: &str, word: &str) -> bool {
    let part_of_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let (first, last) = (word.chars().next(), word.chars().next_back());
    line.match_indices(word).any(|(at, _)| {
        let longer_before = part_of_word(first) && part_of_word(line[..at].chars().next_back());
        let longer_after = part_of_word(last) && part_of_word(line[at + word.len()..].chars().next());
        !longer_before && !longer_after
    })
}

/// Blanks comments and the insides of string and character literals; every line keeps its number.
fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let starts = |at: usize, what: &str| what.chars().enumerate().all(|(i, c)| chars.get(at + i) == Some(&c));
    let keep_lines = |out: &mut String, from: usize, to: usize| {
        out.extend(chars[from..to.min(chars.len())].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
    };
    while at < chars.len() {
        let from = at;
        let raw_hashes = raw_string(&chars, at);
        if starts(at, "//") {
            while at < chars.len() && chars[at] != '\n' {
                at += 1;
            }
        } else if starts(at, "/*") {
            let mut depth = 0;
            loop {
                if starts(at, "/*") {
                    depth += 1;
                    at += 2;
                } else if starts(at, "*/") {
                    depth -= 1;
                    at += 2;
                } else {
                    at += 1;
                }
                if depth == 0 || at >= chars.len() {
                    break;
                }
            }
        } else if let Some((prefix, hashes)) = raw_hashes {
            let end: String = std::iter::once('"').chain("#".repeat(hashes).chars()).collect();
            at += prefix;
            while at < chars.len() && !starts(at, &end) {
                at += 1;
            }
            at += end.len();
        } else if chars[at] == '"' {
            at += 1;
            while at < chars.len() && chars[at] != '"' {
                at += if chars[at] == '\\' { 2 } else { 1 };
            }
            at += 1;
        } else if chars[at] == '\'' && chars.get(at + 1) == Some(&'\\') {
            at += 3;
            while at < chars.len() && chars[at] != '\'' {
                at += 1;
            }
            at += 1;
        } else if chars[at] == '\'' && chars.get(at + 2) == Some(&'\'') {
            at += 3;
        } else {
            out.push(chars[at]);
            at += 1;
            continue;
        }
        keep_lines(&mut out, from, at);
    }
    out
}

/// Where a raw string begins: the length of `r##"` or `br##"` and its number of hashes.
fn raw_string(chars: &[char], at: usize) -> Option<(usize, usize)> {
    let touches = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    let letters = match (chars.get(at), chars.get(at + 1)) {
        _ if touches => return None,
        (Some('r'), _) => 1,
        (Some('b' | 'c'), Some('r')) => 2,
        _ => return None,
    };
    let hashes = chars[at + letters..].iter().take_while(|&&c| c == '#').count();
    (chars.get(at + letters + hashes) == Some(&'"')).then_some((letters + hashes + 1, hashes))
}

// === Which modules a file names ===

/// Every path of the file that begins with `crate`, `super` or (in main) the library's name, as the top module that
/// it reaches and the line.
fn reached(source: &Source) -> Vec<(String, usize)> {
    let tokens = tokens(&source.code);
    let module = source.module();
    let in_main = source.path == "src/main.rs";
    let mut inline = Vec::new(); // The brace depths at which an inline `mod` was opened.
    let mut depth = 0;
    let mut found = Vec::new();
    for (at, (token, line)) in tokens.iter().enumerate() {
        let follows = |offset: usize, what: &str| tokens.get(at + offset).is_some_and(|(token, _)| token == what);
        match token.as_str() {
            "{" => {
                if at >= 2 && tokens[at - 2].0 == "mod" {
                    inline.push(depth);
                }
                depth += 1;
            }
            "}" => {
                depth -= 1;
                if inline.last() == Some(&depth) {
                    inline.pop();
                }
            }
            "crate" if follows(1, "::") => collect(&tokens, at + 2, *line, &mut found),
            "serin" if in_main && follows(1, "::") => collect(&tokens, at + 2, *line, &mut found),
            "super" if !(at >= 2 && tokens[at - 1].0 == "::" && tokens[at - 2].0 == "super") => {
                let mut ups = 1;
                while tokens.get(at + 2 * ups).is_some_and(|(token, _)| token == "super") {
                    ups += 1;
                }
                // The root of the crate is `module.len() + inline` steps up; beyond the file's own layer counts.
                if ups >= module.len() + inline.len() && tokens.get(at + 2 * ups - 1).is_some_and(|(t, _)| t == "::") {
                    collect(&tokens, at + 2 * ups, *line, &mut found);
                }
            }
            _ => {}
        }
    }
    found
}

/// The first segments of the use tree that begins at a token.
fn collect(tokens: &[(String, usize)], at: usize, line: usize, found: &mut Vec<(String, usize)>) {
    match tokens.get(at) {
        Some((token, _)) if token == "{" => {
            let mut depth = 0;
            let mut first = false;
            for (token, line) in &tokens[at..] {
                match token.as_str() {
                    "{" => {
                        depth += 1;
                        first = depth == 1;
                    }
                    "}" => depth -= 1,
                    "," => first = depth == 1,
                    _ if first => {
                        found.push((token.clone(), *line));
                        first = false;
                    }
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
            }
        }
        Some((token, _)) => found.push((token.clone(), line)),
        None => {}
    }
}

/// Words, `::` and single other characters, each with its line.
fn tokens(code: &str) -> Vec<(String, usize)> {
    let mut tokens = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let word = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
            let length = match word {
                0 if rest.starts_with("::") => 2,
                0 => first.len_utf8(),
                word => word,
            };
            tokens.push((rest[..length].to_owned(), index + 1));
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

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
