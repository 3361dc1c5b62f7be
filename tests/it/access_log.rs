//! The access log: a line of JSON a request, with everything that happened to it and nothing that is nobody's business.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::api::Api;
use crate::support::eventually::{SOON, eventually};
use crate::support::faults::fault::{Fault, Refusal};
use crate::support::harness::{Flags, Harness, series};
use crate::support::scripted::Scripted;

struct Logged {
    stage: Harness,
    file: PathBuf,
    _dir: tempfile::TempDir,
    // They live as long as it does.
    _providers: [Scripted; 2],
}

/// All users are on a canary that fails the model `bad`.
fn start(keys: &str) -> Logged {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("access.log");
    let stable = Scripted::healthy("oldcorp");
    let canary = Scripted::by_model("newcorp", vec![("bad", Fault::Refuses(Refusal::Broken(500)))]);
    let flags = Flags::new()
        .top(&format!("access_log: {{ to: \"{}\"{keys} }}", file.display()))
        .provider("oldcorp", &stable.base_url(), "api_keys: [sk-oldcorp]")
        .provider("newcorp", &canary.base_url(), "api_keys: [sk-newcorp]")
        .chat("percent: 100%");
    Logged { stage: Harness::start(&flags), file, _dir: dir, _providers: [stable, canary] }
}

impl Logged {
    /// Gives the `x-serin-request-id`.
    fn ask(&self, model: &str, stream: bool) -> String {
        let body = Api::Chat.ask_at_length(model, stream, "my secret words", Some("user-7"));
        let answer = self.stage.whole(&format!("{}?key=sk-in-query", Api::Chat.path()), &[], &body);
        assert_eq!(answer.status, 200);
        answer.header("x-serin-request-id").to_owned()
    }

    fn lines(&self, count: usize) -> Vec<Value> {
        lines(&self.file, count)
    }
}

fn lines(file: &Path, count: usize) -> Vec<Value> {
    let read = || std::fs::read_to_string(file).unwrap_or_default();
    eventually("the lines are written", SOON, || (read().lines().count() >= count).then_some(()));
    let text = read();
    for secret in ["user-7", "secret words", "sk-", "key="] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), count, "{text}");
    lines
}

#[test]
fn a_line_says_what_happened_to_a_request() {
    let logged = start("");
    let (fine, rescued) = (logged.ask("good", true), logged.ask("bad", false));
    let answer = logged.stage.ask("/v2/elsewhere?key=sk-in-query", &[], "{}").unwrap().answer;
    assert_eq!((answer.status, answer.header("x-serin-error")), (404, "outside_mount"));
    let lines = logged.lines(3);
    let of = |id: &str| lines.iter().find(|line| line["request_id"] == id).unwrap_or_else(|| panic!("{id}: {lines:?}"));
    let line = of(&fine);
    for (key, value) in [
        ("rollout", "chat"),
        ("arm", "canary"),
        ("reason", "everybody"),
        ("method", "POST"),
        ("path", "/v1/chat/completions"),
        ("model", "good"),
        ("outcome", "ok"),
        ("provider", "newcorp"),
    ] {
        assert_eq!(line[key], value, "{line}");
    }
    assert_eq!((&line["status"], &line["stream"]), (&200.into(), &true.into()));
    assert!(line["bucket"].as_u64().unwrap() < 10_000 && line["bytes"].as_u64().unwrap() > 0, "{line}");
    let attempt = &line["attempts"][0];
    let times = ["connected_ms", "head_ms", "first_output_ms", "end_ms"].map(|key| attempt[key].as_f64().unwrap());
    assert!(times.is_sorted() && times[3] <= line["duration_ms"].as_f64().unwrap() + 0.1, "{line}");
    let line = of(&rescued);
    let attempts = line["attempts"].as_array().unwrap();
    assert_eq!((attempts.len(), &line["provider"], &line["outcome"]), (2, &"oldcorp".into(), &"ok".into()), "{line}");
    assert_eq!((&attempts[0]["outcome"], &attempts[0]["status"]), (&"server_error".into(), &500.into()), "{line}");
    assert!(attempts[0]["failed"].as_str().unwrap().starts_with("status 500"), "{line}");
    assert_eq!(attempts[0]["cause"]["status"]["status"], 500, "{line}");
    let line = of(answer.header("x-serin-request-id"));
    assert_eq!((&line["error"], &line["status"]), (&"outside_mount".into(), &404.into()), "{line}");
    assert_eq!((&line["path"], line["attempts"].as_array().unwrap().len()), (&"/v2/elsewhere".into(), 0), "{line}");
}

#[test]
fn only_failures_are_written_where_that_is_asked_for() {
    let logged = start(", only: failures");
    logged.ask("good", false);
    let rescued = logged.ask("bad", false);
    assert_eq!(logged.lines(1)[0]["request_id"], rescued);
}

#[test]
fn what_is_too_much_is_dropped_and_counted() {
    let logged = start(", max_per_second: 1");
    for _ in 0..200 {
        logged.ask("good", false);
    }
    let dropped =
        || series(&logged.stage.metrics(), "serin_access_log_dropped_total").iter().map(|(_, n)| n).sum::<u64>();
    let written = || std::fs::read_to_string(&logged.file).unwrap_or_default().lines().count() as u64;
    eventually("every line is accounted for", SOON, || (written() + dropped() == 200).then_some(()));
    assert!(dropped() > 0 && logged.stage.metrics().contains("\nserin_access_log_lines_total "));
}

#[test]
fn a_file_that_was_moved_is_left_after_a_hangup() {
    let logged = start("");
    logged.ask("good", false);
    logged.lines(1);
    let moved = logged.file.with_extension("old");
    std::fs::rename(&logged.file, &moved).unwrap();
    logged.stage.signal("HUP");
    eventually("the file is there again", SOON, || {
        logged.ask("good", false);
        logged.file.exists().then_some(())
    });
}
