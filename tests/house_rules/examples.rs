//! The rules themselves: each must see its bad example, and let the rest be.

use super::*;

fn found(rule: fn(&Source) -> Vec<Finding>, path: &str, text: &str) -> Vec<String> {
    rule(&Source::new(path, text)).iter().map(ToString::to_string).collect()
}

#[test]
fn the_layer_rule_sees_plain_grouped_nested_and_relative_paths() {
    let seen = |path, text| found(layers, path, text).len();
    assert_eq!(seen("src/proxy/relay.rs", "use crate::admin::api;"), 1);
    assert_eq!(seen("src/proxy/relay.rs", "use crate::{\n    state::snapshot,\n    control::{tick, step},\n};"), 1);
    assert_eq!(seen("src/proxy/relay.rs", "fn f() { crate::store::open(); crate::admin::serve() }"), 2);
    assert_eq!(seen("src/wire/body.rs", "use crate::decide::units::Percent;"), 1);
    assert_eq!(seen("src/decide/rollout/step.rs", "use super::super::super::state::inbox;"), 1);
    assert_eq!(seen("src/clock.rs", "use super::telemetry::log;"), 1);
    assert_eq!(seen("src/decide/route.rs", "mod tests {\n use super::super::super::proxy::x;\n}"), 1);
    assert_eq!(seen("src/main.rs", "fn main() { serin::app::start() }"), 1);
    assert_eq!(seen("src/odd/mod.rs", "fn f() {}"), 1);
    assert_eq!(
        found(layers, "src/flags/raw.rs", "\n\nuse crate::{decide::policy, clock};"),
        ["src/flags/raw.rs:3: `flags` must not use `clock`; it may use describe, decide"]
    );
}

#[test]
fn the_layer_rule_lets_the_rest_be() {
    let seen = |path, text| found(layers, path, text).len();
    assert_eq!(seen("src/proxy/relay.rs", "use crate::{decide::units::{Arm, Percent}, proxy::facts, state};"), 0);
    assert_eq!(seen("src/proxy/relay.rs", "// crate::admin\nlet text = \"crate::admin\"; use super::facts;"), 0);
    assert_eq!(seen("src/state/counters.rs", "#[cfg(test)] mod tests { use super::*; use super::super::inbox; }"), 0);
    assert_eq!(seen("src/decide/rollout/step.rs", "use super::super::units; use super::state;"), 0);
    assert_eq!(seen("src/main.rs", "use serin::cli;"), 0);
    assert_eq!(seen("src/lib.rs", "pub mod wire; use crate::app;"), 0);
}

#[test]
fn the_length_and_header_rules_count() {
    assert_eq!(found(length, "src/a.rs", &"x\n".repeat(451)).len(), 1);
    assert_eq!(found(length, "src/a.rs", &"x\n".repeat(450)).len(), 0);
    let file = |header: usize| format!("{}{}", "//! Words.\n".repeat(header), "\nfn f() {}\n".repeat(20));
    assert_eq!(found(header, "src/a.rs", &file(0)).len(), 1);
    assert_eq!(found(header, "src/a.rs", &file(3)).len(), 1);
    assert_eq!(found(header, "src/a.rs", &file(4)).len(), 0);
    assert_eq!(found(header, "src/a.rs", &file(16)).len(), 1);
    assert_eq!(found(header, "src/lib.rs", &file(90)).len(), 0);
    assert_eq!(found(header, "src/a/mod.rs", "//! A table.\npub mod b;\n").len(), 0);
    assert_eq!(found(header, "src/a/mod.rs", "pub mod b;\n").len(), 1);
}

#[test]
fn the_word_rules_see_code_and_not_its_quotation() {
    assert_eq!(found(clock, "src/proxy/a.rs", "let t = std::time::Instant::now();").len(), 1);
    assert_eq!(found(clock, "src/clock.rs", "let t = Instant::now();").len(), 0);
    assert_eq!(
        found(clock, "src/proxy/a.rs", "/* Instant::now */ // SystemTime::now\nlet t = \"Instant::now\";").len(),
        0
    );
    let mut story = Source::new("src/control/tests/a.rs", "tokio::time::Instant::now()\nstd::time::Instant::now()\n");
    assert_eq!(clock(&story).len(), 2);
    story.test = true;
    assert_eq!(clock(&story).iter().map(|finding| finding.line).collect::<Vec<_>>(), [2]);
    assert_eq!(found(pure, "src/decide/a.rs", "use tokio::time;\nuse std::time::Instant;").len(), 2);
    assert_eq!(found(pure, "src/wire/a.rs", "fn f() -> u8 { fastrand::u8(..) }").len(), 1);
    assert_eq!(found(pure, "src/decide/a.rs", "let tokio_like = 1; // tokio").len(), 0);
    assert_eq!(found(pure, "src/proxy/a.rs", "use tokio::time;").len(), 0);
    let bad = "todo!()\n#[ignore]\nstd::thread::sleep(d);\n#[allow(dead_code)]\n";
    assert_eq!(found(unfinished, "src/a.rs", bad).len(), 4);
    assert_eq!(found(unfinished, "src/a.rs", "let a = r#\"todo!()\"#; let c = '\"'; // todo!()\n").len(), 0);
    assert_eq!(found(workplace, "src/a.rs", "// see issue #12\n// TODO\n").len(), 2);
    assert_eq!(found(name, "src/proxy/utils.rs", "").len(), 1);
    assert_eq!(found(name, "src/decide/units.rs", "").len(), 0);
}

#[test]
fn modules_for_tests_are_told_from_others() {
    let declared = |path, text| Source::new(path, text).test_modules();
    let text =
        "mod a;\n#[cfg(test)]\n#[path = \"x.rs\"]\nmod golden;\npub mod b;\n#[cfg(test)]\nmod tests {\n    mod c;\n}\n";
    assert_eq!(declared("src/decide/rollout/mod.rs", text), ["src/decide/rollout/golden"]);
    assert_eq!(declared("src/proxy/relay.rs", "#[cfg(test)]\nmod tests;"), ["src/proxy/relay/tests"]);
    let mut source = Source::new("src/decide/rollout/golden.rs", "use std::fs;\nuse crate::app;");
    assert_eq!((pure(&source).len(), layers(&source).len(), header(&source).len()), (1, 1, 1));
    source.test = true;
    assert_eq!((pure(&source).len(), layers(&source).len(), header(&source).len()), (0, 0, 0));
}

#[test]
fn findings_name_file_line_and_remedy() {
    assert_eq!(
        found(clock, "src/proxy/a.rs", "\nlet t = Instant::now();"),
        ["src/proxy/a.rs:2: `Instant::now`: time is read in src/clock.rs only: take it as a parameter"]
    );
}
