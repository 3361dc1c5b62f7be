//! The command without a process: what it prints and writes, and what it says of arguments that do not hold.

use std::path::PathBuf;

use clap::Parser;
use serde_json::Value;

use super::*;
use crate::decide::guard::tick::{ArmTick, Tick};
use crate::decide::guard::trace::TraceLine;
use crate::decide::units::UnixMillis;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: SimulateArgs,
}

const FILE: &str = "\
providers:
  old: { base_url: https://old.test/v1, api_keys: ['${OLD}'] }
  new: { base_url: https://new.test/v1, api_keys: ['${NEW}'] }
rollouts:
  - { name: chat, stable: old, canary: new, percent: auto, ramp: { start: 10%, step: 45%, every: 4m } }
";

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new(flags: &str) -> Place {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("flags.yaml"), flags).unwrap();
        Place { dir }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn ran(&self, line: &str) -> Result<String, String> {
        let flags = self.path("flags.yaml");
        let words = ["serin", "--flags", &flags].into_iter().chain(line.split_whitespace());
        let args = Cli::try_parse_from(words).map_err(|error| error.to_string())?.args;
        let report = inputs::subject(&args).and_then(|subject| {
            // Where the test lies is not to be seen in what is told.
            examine(&args, TestedRollout { file: Some(PathBuf::from("flags.yaml")), ..subject }, Style::PLAIN)
        });
        report.map_err(|failure| {
            assert_eq!(failure.exit, Exit::Usage, "{failure}");
            failure.message
        })
    }

    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.ran(&format!("{line} --json")).unwrap()).unwrap()
    }
}

#[test]
fn a_fault_is_told_as_a_table_and_in_sentences() {
    let printed = Place::new(FILE).ran("--canary-errors 20% --fault-at 2m --for 40m --runs 5 --percent 10%").unwrap();
    assert_eq!(printed, include_str!("tests/fault.txt"));
}

#[test]
fn a_healthy_canary_is_told_by_where_it_comes() {
    let printed = Place::new(FILE).ran("--runs 3").unwrap();
    assert_eq!(printed, include_str!("tests/healthy.txt"));
}

#[test]
fn the_number_of_threads_is_nowhere_to_be_seen() {
    let place = Place::new(FILE);
    let line = "--canary-errors 30% --fault-at 1m --for 5m --runs 6 --users 300 --failing-user --percent 20% --json";
    let one = place.ran(&format!("{line} --threads 1")).unwrap();
    assert_eq!(one, place.ran(&format!("{line} --threads 3")).unwrap());
    assert_ne!(one, place.ran(&format!("{line} --seed 2")).unwrap());
}

#[test]
fn the_json_has_every_number_and_how_to_repeat_it() {
    let place = Place::new(FILE);
    let answer = place.json("--canary-errors 100% --fault-at 1m --for 5m --runs 4 --percent 10%");
    let serin = &answer["rules"][0];
    assert_eq!(
        (&serin["rule"], &serin["found"], &serin["taken_back_wrongly"]),
        (&"Serin".into(), &4.into(), &0.into())
    );
    assert!(serin["seconds_until_found"]["median"].as_f64().is_some_and(|median| median < 10.0), "{serin}");
    assert_eq!(answer["inputs"]["policy"]["percent"], "10%");
    let command = answer["inputs"]["command"].as_str().unwrap();
    let again = place.json(command.strip_prefix("serin simulate --flags flags.yaml ").unwrap());
    assert_eq!(again["rules"], answer["rules"]);
}

#[test]
fn a_canary_that_never_answers_is_taken_back_and_the_others_do_not_see_it() {
    let place = Place::new(FILE);
    for (line, most) in [("--canary-silent", 20.0), ("--canary-silent 40%", 120.0)] {
        let answer = place.json(&format!("{line} --runs 3 --fault-at 10m --for 30m --percent 10%"));
        let serin = &answer["rules"][0];
        assert_eq!((&serin["found"], &serin["taken_back_wrongly"]), (&3.into(), &0.into()), "{line}");
        assert!(serin["seconds_until_found"]["median"].as_f64().is_some_and(|median| median < most), "{serin}");
        let others: u64 = (1..4).map(|rule| answer["rules"][rule]["found"].as_u64().unwrap()).sum();
        assert_eq!(others, 0, "{answer}");
        let first_sentence = answer["answer"][0].as_str().unwrap();
        assert!(first_sentence.starts_with("A canary that accepts requests and never answers "), "{first_sentence}");
        let command = answer["inputs"]["command"].as_str().unwrap();
        let again = place.json(command.strip_prefix("serin simulate --flags flags.yaml ").unwrap());
        assert_eq!(again["rules"], answer["rules"], "{command}");
    }
}

#[test]
fn bad_verdicts_are_held_for_and_asked_for_again() {
    let place = Place::new(FILE);
    let line = "--canary-bad 40% --stable-bad 5% --feedback-share 20% --users 5000";
    let answer = place.json(&format!("{line} --fault-at 1m --for 40m --runs 3 --percent 10%"));
    assert_eq!((&answer["inputs"]["is_fault"], &answer["rules"][0]["found"]), (&true.into(), &3.into()), "{answer}");
    let first_sentence = answer["answer"][0].as_str().unwrap();
    assert!(
        first_sentence.starts_with(
            "Where 40% of the verdicts on the canary's responses are bad, and 5% of those on stable's (there is a \
             verdict on 20% of the responses), the canary is paused at its share after "
        ),
        "{first_sentence}"
    );
    let command = answer["inputs"]["command"].as_str().unwrap();
    let again = place.json(command.strip_prefix("serin simulate --flags flags.yaml ").unwrap());
    assert_eq!(again["rules"], answer["rules"], "{command}");
    let tolerated = place.json("--canary-bad 5.25% --stable-bad 5% --for 10m --runs 2 --percent 10%");
    assert_eq!((&tolerated["inputs"]["is_fault"], &tolerated["rules"][0]["found"]), (&false.into(), &0.into()));
}

#[test]
fn answers_that_no_status_calls_bad_are_held_for_and_the_others_are_blind_to_them() {
    let place = Place::new(FILE);
    for line in ["--canary-empty 30%", "--canary-length 30%", "--canary-filtered 30%", "--canary-pace 3x"] {
        let answer = place.json(&format!("{line} --fault-at 1m --for 7m --runs 3 --percent 10%"));
        assert_eq!(answer["inputs"]["is_fault"], true, "{line}");
        let found = |rule: usize| answer["rules"][rule]["found"].as_u64().unwrap();
        assert_eq!((found(0), found(1) + found(2) + found(3)), (3, 0), "{line}");
        let first_sentence = answer["answer"][0].as_str().unwrap();
        assert!(
            first_sentence.starts_with("Where ")
                && first_sentence.contains(", the canary is paused at its share after "),
            "{first_sentence}"
        );
        let command = answer["inputs"]["command"].as_str().unwrap();
        let again = place.json(command.strip_prefix("serin simulate --flags flags.yaml ").unwrap());
        assert_eq!(again["rules"], answer["rules"], "{command}");
    }
    for line in ["--stable-length 2%", "--canary-length 2.9%", "--canary-pace 1.1x --users 300", "--canary-empty 0.2%"]
    {
        let answer = place.json(&format!("{line} --for 10m --runs 2 --percent 10%"));
        assert_eq!(
            (&answer["inputs"]["is_fault"], &answer["rules"][0]["taken_back_wrongly"]),
            (&false.into(), &0.into())
        );
    }
    let ignored = Place::new(&FILE.replace("stable: old,", "guard: { answers: { length: ignore } }, stable: old,"));
    let answer = ignored.json("--canary-length 30% --for 5m --runs 1 --percent 10%");
    assert_eq!((&answer["inputs"]["is_fault"], &answer["rules"][0]["taken_back_wrongly"]), (&false.into(), &0.into()));
}

#[test]
fn neither_an_outage_of_both_nor_one_user_is_the_canarys_fault() {
    let place = Place::new(FILE);
    for line in ["--outage 30%:2m@1m --percent 10% --for 5m", "--failing-user --percent 10% --for 5m"] {
        let answer = place.json(&format!("{line} --runs 4"));
        assert_eq!(answer["rules"][0]["taken_back_wrongly"], 0, "{line}");
        assert!(answer["rules"][1]["taken_back_wrongly"].as_u64() > Some(0), "{line}");
    }
}

#[test]
fn nobody_is_moved_to_a_stable_that_died() {
    let line = "--stable-dies-at 1m --canary-errors 20% --fault-at 1m --for 4m --percent 100% --runs 4";
    let printed = Place::new(FILE).ran(line).unwrap();
    assert!(printed.contains("No user was moved to stable after it went down."), "{printed}");
}

#[test]
fn what_does_not_hold_is_told_with_its_remedy() {
    let place = Place::new(FILE);
    for (line, expected) in [
        ("--rps 0", "`0` is out of range; write a number of requests a second"),
        ("--rps many", "`many` is not a number"),
        ("--canary-errors 0.2", "`0.2` could be a percentage or a fraction; write `0.2%` or `20%`"),
        ("--canary-errors 20% --fault-at 5", "`5` has no unit of time; write it with one"),
        ("--fault-at 5m", "set how often with `--canary-errors RATE`"),
        (
            "--canary-errors 20% --fault-at 2h --for 1h",
            "the canary begins to fail at 2h, after the end of the simulation (it lasts 1h",
        ),
        ("--outage 30%", "`30%` is not an outage; write rate, length and start, such as `30%:10m@2h`"),
        ("--outage 30%:0s@1m", "an outage of 0s has no effect"),
        ("--outage 30%:1m@3d --for 1d", "the outage 30%:1m@3d begins after the end of the simulation"),
        ("--stable-dies-at 3d --for 1d", "stable goes down at 3d, after the end of the simulation"),
        ("--percent 0%", "`--percent 0%` leaves no user on the canary"),
        ("--for 0s", "is not between 1s and 366d"),
        ("--rollout chut", "there is no rollout named `chut`; with a canary there are: chat"),
        ("--runs 0", "0 is not in 1..=1000000"),
        ("--users 0", "0 is not in 1..=1000000"),
        ("--threads 0", "invalid value '0'"),
        ("--canary-silent --canary-errors 5%", "cannot be used with"),
        ("--canary-silent --canary-empty 5%", "cannot be used with"),
        ("--canary-pace 0x", "`0x` is out of range; write how many times as long, from 0.1 to 100, such as `3x`"),
        ("--canary-pace slow", "`slow` is not a number"),
        ("--trace a.jsonl --canary-length 5%", "cannot be used with"),
        ("--trace a.jsonl --rps 5", "cannot be used with"),
        ("--trace a.jsonl", "a.jsonl: No such file"),
    ] {
        let error = place.ran(line).unwrap_err();
        assert!(error.contains(expected), "{line}: {error}");
    }
}

#[test]
fn a_file_that_does_not_hold_is_told_as_check_tells_it() {
    let two = FILE.to_owned()
        + "  - { name: code, stable: old, canary: new, percent: 0 }\n  - { name: plain, stable: old }\n";
    let error_of = |flags: &str, line: &str| Place::new(flags).ran(line).unwrap_err();
    assert!(error_of(&two, "--runs 1").contains("choose one with `--rollout NAME` (chat, code)"));
    assert!(error_of(&two, "--rollout plain").contains("rollout `plain` is a plain route without a canary"));
    assert!(error_of(&two, "--rollout code").contains("the file pins rollout `code` at 0%"));
    assert!(error_of("providers: 3\n", "").contains("flags.yaml:1"), "{}", error_of("providers: 3\n", ""));
    assert!(
        error_of(&FILE.replace("45%,", "45%, max: 50%,"), "--percent 60%")
            .contains("is above the file's `ramp.max` of 50%")
    );
}

#[test]
fn what_the_file_tolerates_is_no_fault() {
    let answer = Place::new(FILE).json("--stable-errors 4% --canary-errors 5% --runs 1 --for 1m --percent 10%");
    assert_eq!(answer["inputs"]["is_fault"], false);
    let answer =
        Place::new(FILE).json("--stable-errors 4% --canary-errors 5.01% --runs 1 --percent 10% --fault-at 1m --for 2m");
    assert_eq!(answer["inputs"]["is_fault"], true);
}

#[test]
fn the_page_stands_for_itself() {
    let place = Place::new(FILE);
    let html = place.path("page.html");
    for line in [
        "--canary-errors 40% --fault-at 1m --for 10m --runs 4 --percent 10%",
        "--runs 2",
        "--canary-silent --fault-at 1m --for 10m --runs 1 --percent 10%",
    ] {
        let printed = place.ran(&format!("{line} --html {html}")).unwrap();
        let page = std::fs::read_to_string(&html).unwrap();
        assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"), "{line}");
        for foreign in ["http:", "https:", "src=", "url(", "@import", " style="] {
            let page = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
            assert!(!page.contains(foreign), "{line}: {foreign}");
        }
        assert!(page.contains("content=\"default-src 'none'; style-src 'sha256-"), "{line}");
        assert_eq!(page.matches("<script").count(), 2, "{line}");
        let headline = page.split("<h1>").nth(1).unwrap().split("</h1>").next().unwrap();
        assert!(printed.replace('\n', " ").contains(headline), "{line}: {headline}");
        let rule = page.split(".figures b{").nth(1).unwrap().split('}').next().unwrap();
        assert!(rule.contains("white-space:nowrap"), "a large figure stays on its line: {rule}");
        let charts = charts(&page);
        assert_eq!(page.matches("<div class=\"plot\" data-chart=\"").count(), charts.len(), "{line}");
        assert!(charts.len() >= 4 && page.len() < 200_000, "{line}: {} bytes", page.len());
        assert_eq!(page.matches("<table").count(), 2 + usize::from(charts.len() > 4), "each chart has its numbers");
        for chart in &charts {
            assert!(chart["title"].as_str().is_some_and(|title| page.contains(title)), "{chart}");
        }
        place.ran(&format!("{line} --html {html}")).unwrap();
        assert_eq!(page, std::fs::read_to_string(&html).unwrap(), "{line}: the same question, the same page");
    }
}

/// What the charts of a page show.
fn charts(page: &str) -> Vec<Value> {
    let data = page.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
    serde_json::from_str(data).unwrap()
}

#[test]
fn a_name_of_a_file_is_text_in_the_page() {
    let hostile = "<img src=x onerror=alert(1)>\u{2028}'&.yaml";
    let place = Place::new(FILE);
    let path = place.path(hostile);
    std::fs::copy(place.path("flags.yaml"), &path).unwrap();
    let words = ["serin", "--flags", &path, "--percent", "10%", "--for", "1m", "--runs", "1"];
    let args = Cli::try_parse_from(words).unwrap().args;
    let html = place.dir.path().join("page.html");
    let subject = inputs::subject(&args).ok().unwrap();
    examine(&SimulateArgs { html: Some(html.clone()), ..args }, subject, Style::PLAIN).ok().unwrap();
    let page = std::fs::read_to_string(&html).unwrap();
    assert!(page.contains("&lt;img src=x onerror=alert(1)&gt;\\u2028"), "{page}");
    assert!(!page.contains("<img") && !page.contains('\u{2028}'));
}

#[test]
fn the_charts_of_a_rollout_hold_what_its_table_says() {
    let place = Place::new(FILE);
    let html = place.path("page.html");
    place.ran(&format!("--canary-errors 40% --fault-at 5m --for 10m --runs 3 --percent 10% --html {html}")).unwrap();
    let page = std::fs::read_to_string(&html).unwrap();
    let charts = charts(&page);
    let [detection, results, share, failing, evidence] = charts.as_slice() else { panic!("{} charts", charts.len()) };
    let numbers = |value: &Value| -> Vec<f64> { value.as_array().unwrap().iter().filter_map(Value::as_f64).collect() };
    for chart in [detection, share, failing, evidence] {
        let x = numbers(&chart["x"]);
        assert!(x.is_sorted(), "{x:?}");
        for line in chart["lines"].as_array().unwrap() {
            assert_eq!(line["values"].as_array().unwrap().len(), x.len(), "{line}");
        }
    }
    let serin = detection["lines"].as_array().unwrap().last().unwrap();
    assert_eq!((&serin["name"], numbers(&serin["values"]).last()), (&"Serin".into(), Some(&100.0)));
    assert_eq!(results["names"].as_array().unwrap().len(), 4);
    // The fault is where time counts from, and the evidence is at its bound when the guard acts.
    assert_eq!(share["zero"], 300_000.0);
    let marks: Vec<&Value> = share["marks"].as_array().unwrap().iter().map(|mark| &mark["label"]).collect();
    assert_eq!(marks, ["it begins to fail", "rollback"]);
    assert_eq!(numbers(&share["lines"][0]["values"]), [10.0, 0.0, 0.0]);
    let most =
        evidence["lines"].as_array().unwrap().iter().flat_map(|line| numbers(&line["values"])).fold(0.0, f64::max);
    assert!((most - 100.0).abs() < 1e-9 && evidence["bounds"][0]["value"] == 100, "{most}");
    assert!(numbers(&failing["lines"][0]["values"]).iter().any(|rate| *rate > 10.0));
}

#[test]
fn the_page_has_one_number_for_one_thing() {
    let place = Place::new(FILE);
    let html = place.path("page.html");
    // Flagger takes some of these back before the fault.
    place.ran(&format!("--canary-errors 20% --fault-at 1h --for 2h --runs 12 --percent 10% --html {html}")).unwrap();
    let page = std::fs::read_to_string(&html).unwrap();
    let after = |begin: &str, end: &str| -> Vec<&str> {
        page.split(begin).skip(1).map(|rest| rest.split(end).next().unwrap()).collect()
    };
    let found = charts(&page)[1]["pieces"][0].clone();
    assert_eq!(found["name"], "found");
    let bars: Vec<&str> = found["texts"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!((bars.len(), &bars), (4, &after("data-title=\"found\">", "<")));
    assert_eq!(bars, after("data-title=\"in the end\">", "<"));
    assert!(bars.iter().any(|bar| *bar != "100%"), "{bars:?}");
    assert!(page.contains("A bar is the part of the canary's requests that failed in its time."));
    place.ran(&format!("--stable-errors 5% --for 20m --runs 2 --percent 10% --html {html}")).unwrap();
    let page = std::fs::read_to_string(&html).unwrap();
    assert!(
        page.contains("A dotted spike is a few failures in a row"),
        "of a healthy canary, whose spikes nothing explains"
    );
}

fn recording(place: &Place, fails_from: u64) -> String {
    let mut text = String::new();
    for second in 0..900 {
        let failures = if second >= fails_from { 2.0 } else { 0.0 };
        let (stable, canary) = (ArmTick::plain(45.0, 0.0), ArmTick::plain(5.0, failures));
        let tick = Tick { seconds: 1.0, stable, canary, ..Tick::default() };
        let line = TraceLine::new(UnixMillis(1_795_247_762_000 + second * 1000), 0.1, &tick);
        text += &(serde_json::to_string(&line).unwrap() + "\n");
    }
    let path = place.path("chat.jsonl");
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_recording_is_replayed_with_reasons() {
    let place = Place::new(FILE);
    let path = recording(&place, 600);
    let printed = place.ran(&format!("--trace {path}")).unwrap();
    assert_eq!(printed, include_str!("tests/recorded.txt"));
    let answer = place.json(&format!("--trace {path}"));
    let actions: Vec<&Value> = answer["decisions"].as_array().unwrap().iter().map(|event| &event["action"]).collect();
    assert_eq!(actions, ["promote", "rollback"]);
    assert_eq!(answer["decisions"][1]["numbers"]["rule"], "worse");
    let html = place.path("page.html");
    place.ran(&format!("--trace {path} --html {html}")).unwrap();
    assert!(
        std::fs::read_to_string(&html)
            .unwrap()
            .contains("This file would have rolled the canary back 4s after it last looked well, 10m 3s into")
    );
    recording(&place, 10_000);
    assert!(place.ran(&format!("--trace {path}")).unwrap().contains("would not have rolled the canary back"));
}

#[test]
fn a_line_that_cannot_be_read_is_named() {
    let place = Place::new(FILE);
    let path = recording(&place, 600);
    let good = std::fs::read_to_string(&path).unwrap();
    let mut lines: Vec<&str> = good.lines().collect();
    let broken = lines[3].replace("failures", "failure");
    let negative = lines[3].replace("\"requests\":5", "\"requests\":-5");
    for (line, expected) in [
        (broken.as_str(), "line 4: unknown field `failure`"),
        (&negative, "line 4: `canary.requests` is -5: a count is not negative"),
        (lines[1], "line 4: `at` is 2026-11-21T07:56:03.000Z, and the line before it ended at"),
        ("{\"at\": ", "line 4: EOF while parsing"),
    ] {
        lines[3] = line;
        std::fs::write(&path, lines.join("\n")).unwrap();
        let error = place.ran(&format!("--trace {path}")).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    std::fs::write(&path, "\n").unwrap();
    assert!(
        place
            .ran(&format!("--trace {path}"))
            .unwrap_err()
            .contains("is empty: a recording has a line of JSON for each tick")
    );
}
