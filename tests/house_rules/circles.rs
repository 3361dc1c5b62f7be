//! No file may need another that needs it: what both need lies in a file below them.
//!
//! Looked for in the data plane, whose files follow a request's path, and where the state of rollouts is decided and
//! kept. An import is any path that begins with `crate`, `super`, `self` or a module that the file declares, in a `use`
//! or in the midst of code. Tests may import what they like, and a `mod.rs` is a table of modules, which the same rule
//! holds it to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Finding, Source, sources, tokens};

/// A folder, and how the files below it begin that are looked at.
const PLACES: [(&str, &[&str]); 3] =
    [("src/control/", &[""]), ("src/proxy/", &[""]), ("src/decide/", &["rollout/", "event"])];

type Token = (String, usize);

/// The paths that a file names, from the root of the crate, each with its line.
fn named(source: &Source) -> Vec<(Vec<String>, usize)> {
    let tokens = without_tests(&tokens(&source.code));
    let is = |at: usize, what: &str| tokens.get(at).is_some_and(|(token, _)| token == what);
    let children: BTreeSet<&str> = (0..tokens.len().saturating_sub(2))
        .filter(|at| is(*at, "mod") && is(at + 2, ";"))
        .map(|at| tokens[at + 1].0.as_str())
        .collect();
    let mut module = source.module();
    let mut inline = Vec::new(); // How long the path of the module was, by the depth of each inline `mod`.
    let (mut depth, mut found) = (0, Vec::new());
    for (at, (token, _)) in tokens.iter().enumerate() {
        let begins = is(at + 1, "::") && !(at > 0 && is(at - 1, "::"));
        match token.as_str() {
            "{" => {
                if at >= 2 && is(at - 2, "mod") {
                    inline.push((depth, module.len()));
                    module.push(tokens[at - 1].0.clone());
                }
                depth += 1;
            }
            "}" => {
                depth -= 1;
                if let Some((_, length)) = inline.pop_if(|(opened, _)| *opened == depth) {
                    module.truncate(length);
                }
            }
            "crate" if begins => drop(leaves(&tokens, at + 2, &[], &mut found)),
            "self" if begins => drop(leaves(&tokens, at + 2, &module, &mut found)),
            "super" if begins => {
                let ups = (1..).find(|ups| !is(at + 2 * ups, "super")).unwrap_or(1);
                let base = &module[..module.len().saturating_sub(ups)];
                leaves(&tokens, at + 2 * ups, base, &mut found);
            }
            child if begins && children.contains(child) => drop(leaves(&tokens, at, &module, &mut found)),
            _ => {}
        }
    }
    found
}

/// Every path of the tree that begins at a token, below `base`; returns where the tree ends.
fn leaves(tokens: &[Token], mut at: usize, base: &[String], found: &mut Vec<(Vec<String>, usize)>) -> usize {
    let is = |at: usize, what: &str| tokens.get(at).is_some_and(|(token, _)| token == what);
    let is_name = |at: usize| {
        let first = tokens.get(at).and_then(|(token, _)| token.chars().next());
        first.is_some_and(|c| c.is_alphanumeric() || c == '_')
    };
    let mut path = base.to_vec();
    while is_name(at) && !is(at, "self") {
        path.push(tokens[at].0.clone());
        if !is(at + 1, "::") {
            break;
        }
        at += 2;
    }
    if is(at, "{") {
        at += 1;
        while at < tokens.len() && !is(at, "}") {
            let end = leaves(tokens, at, &path, found);
            // Over commas, and names that are given with `as`.
            at = (end.max(at + 1)..tokens.len()).find(|at| is(at - 1, ",") || is(*at, "}")).unwrap_or(tokens.len());
        }
    } else {
        found.push((path, tokens.get(at).map_or(0, |(_, line)| *line)));
    }
    at + 1
}

/// All but inline modules that are compiled for tests only.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let gate = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        let gated = tokens[at..].iter().map(|(token, _)| token.as_str()).take(gate.len()).eq(gate);
        let opens = tokens[at..].iter().position(|(token, _)| token == "{" || token == ";");
        let opens = opens.filter(|opens| gated && *opens >= 2 && tokens[at + opens - 2].0 == "mod");
        match opens.map(|opens| at + opens) {
            Some(open) if tokens[open].0 == "{" => {
                let mut depth = 0;
                let closes = tokens[open..].iter().position(|(token, _)| {
                    depth += i32::from(token == "{") - i32::from(token == "}");
                    depth == 0
                });
                at = closes.map_or(tokens.len(), |closes| open + closes + 1);
            }
            Some(end) => at = end + 1,
            None => {
                kept.push(tokens[at].clone());
                at += 1;
            }
        }
    }
    kept
}

/// One finding for each shortest circle of imports.
fn circles(files: &[Source]) -> Vec<Finding> {
    let apt = |source: &&Source| !source.test && !source.path.ends_with("/mod.rs");
    let files: BTreeMap<Vec<String>, &Source> =
        files.iter().filter(apt).map(|source| (source.module(), source)).collect();
    let imports = |module: &Vec<String>, source: &Source| -> BTreeMap<Vec<String>, usize> {
        let of = |(path, line): (Vec<String>, usize)| {
            let file = (1..=path.len()).rev().map(|length| path[..length].to_vec()).find(|at| files.contains_key(at));
            file.filter(|file| file != module).map(|file| (file, line))
        };
        // Of several lines the first.
        named(source).into_iter().rev().filter_map(of).collect()
    };
    let imports: BTreeMap<_, _> = files.iter().map(|(module, source)| (module, imports(module, source))).collect();
    let mut known = BTreeSet::new();
    let mut findings = Vec::new();
    for (start, source) in &files {
        let Some(way) = way_back(start, |module| imports[module].keys().collect()) else { continue };
        if !known.insert(way.iter().collect::<BTreeSet<_>>().into_iter().cloned().collect::<Vec<_>>()) {
            continue;
        }
        let steps = way.iter().zip(way.iter().cycle().skip(1));
        let steps_text: Vec<String> =
            steps.map(|(from, to)| format!("{}:{}", from.join("::"), imports[from][to])).collect();
        let what = format!(
            "imports go round: {} -> {}; move what both need to a file below them",
            steps_text.join(" -> "),
            start.join("::")
        );
        let line = imports[start][way.get(1).unwrap_or(start)];
        findings.push(source.finding(line, what));
    }
    findings
}

/// What a table of modules has no place for, since nobody looks for circles through it.
fn code_in_tables(files: &[Source]) -> Vec<Finding> {
    let found = |source: &Source| {
        let mut lines: Vec<usize> =
            ["fn", "struct", "enum", "trait", "impl"].iter().flat_map(|word| source.lines_with(word, false)).collect();
        lines.sort_unstable();
        lines.first().map(|line| source.finding(*line, "code in a table of modules; move it to a file of its own"))
    };
    files.iter().filter(|source| !source.test && source.path.ends_with("/mod.rs")).filter_map(found).collect()
}

/// The shortest way over imports from a file to itself, which is named once.
fn way_back<'m>(
    start: &'m Vec<String>,
    next: impl Fn(&Vec<String>) -> Vec<&'m Vec<String>>,
) -> Option<Vec<Vec<String>>> {
    let mut queue = VecDeque::from([vec![start]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = queue.pop_front() {
        for module in next(way.last()?) {
            if module == start {
                return Some(way.into_iter().cloned().collect());
            }
            if seen.insert(module) {
                queue.push_back(way.iter().copied().chain([module]).collect());
            }
        }
    }
    None
}

#[test]
fn no_two_files_need_each_other() {
    let found = |(folder, begin): &(&str, &[&str])| {
        let within = |source: &Source| {
            source.path.strip_prefix(folder).is_some_and(|rest| begin.iter().any(|begin| rest.starts_with(begin)))
        };
        let files: Vec<Source> = sources(folder).into_iter().filter(within).collect();
        [circles(&files), code_in_tables(&files)].concat()
    };
    let findings: Vec<Finding> = PLACES.iter().flat_map(found).collect();
    let list: String = findings.iter().map(|finding| format!("\n  {finding}")).collect();
    assert!(findings.is_empty(), "{} findings:{list}\n", findings.len());
}

fn found(files: &[(&str, &str)]) -> Vec<String> {
    let files: Vec<Source> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
    circles(&files).iter().map(ToString::to_string).collect()
}

#[test]
fn a_circle_is_seen_however_it_is_written() {
    let ring = |last: &str| {
        found(&[
            ("src/control/a.rs", "//! A.\nuse super::b::{self, Thing};"),
            ("src/control/b.rs", "use crate::{clock, control::{c::{One, Two as Three}, d}};"),
            ("src/control/c.rs", last),
            ("src/control/d.rs", "pub fn d() {}"),
        ])
    };
    let text = "src/control/a.rs:2: imports go round: control::a:2 -> control::b:1 -> control::c:1 -> control::a; move \
                what both need to a file below them";
    for last in [
        "use super::a::Thing;",
        "use super::{d, a};",
        "use crate::control::a;",
        "fn f() -> super::a::Thing { g() }",
        "fn f() { let x = crate::control::a::new::<u8>(); }",
        "mod inner { use super::super::a; }",
        "use super::d as e; impl super::a::Thing for X {}",
    ] {
        assert_eq!(ring(last), [text], "{last}");
    }
    let both =
        [("src/decide/rollout/a.rs", "mod b; fn f() { b::g() }"), ("src/decide/rollout/a/b.rs", "use super::A;")];
    assert_eq!(found(&both).len(), 1, "a file and one below it");
}

#[test]
fn what_is_no_circle_is_let_be() {
    let beside = |last: &str| found(&[("src/control/a.rs", "use super::b;"), ("src/control/b.rs", last)]);
    for last in [
        "use super::c; use crate::decide::a; pub(super) fn a() {}",
        "// super::a\nconst A: &str = \"super::a\";",
        "#[cfg(test)]\nmod tests { use super::*; use crate::control::a; fn f() { super::super::a::f() } }",
        "mod inner { use super::a; }",
        "struct S { a: u8 } impl S { fn f(&self) -> u8 { self.a } }",
        "use super::{Thing, x::{a, self}};",
    ] {
        assert_eq!(beside(last), Vec::<String>::new(), "{last}");
    }
    assert_eq!(beside("#[cfg(test)]\nmod tests { }\nuse super::a;").len(), 1, "what follows the tests is read on");
    let table = [("src/control/mod.rs", "mod a; use a::A;"), ("src/control/a.rs", "use crate::control::Thing;")];
    assert_eq!(found(&table), Vec::<String>::new());
}

#[test]
fn a_table_of_modules_has_no_code() {
    let count_in = |text: &str| code_in_tables(&[Source::new("src/control/mod.rs", text)]).len();
    assert_eq!(count_in("//! What fn is.\nmod a;\npub mod b;\npub use a::{A, f};"), 0);
    assert_eq!(
        (count_in("mod a;\npub fn f() {}"), count_in("pub struct S { a: u8 }"), count_in("impl a::A {}")),
        (1, 1, 1)
    );
}
