//! What `serin check --probe` prints of the endpoints of both arms, and how it ends.
//!
//! The answers are made up here; that they are asked for is tested with the app. Two rollouts share a stable and a
//! canary, so that what is printed of one can be told from what is printed of the other.

use super::*;
use crate::app::{ComparedEndpoint, Redirect, Reply};

const TWO: &str = "
providers:
  old: { base_url: http://127.0.0.1:9/v1 }
  new: { base_url: http://127.0.0.1:9/v2 }
rollouts:
  - { name: chat, stable: old, canary: new, percent: 0 }
  - { name: index, stable: old, canary: new, percent: 0, match: { endpoints: [responses, embeddings], model: m } }
";

/// What is printed of these answers: the endpoint, stable's and the canary's; of the first rollout and of the second.
fn report(rollouts: [&[(&str, Reply, Reply)]; 2], json: bool) -> (String, Exit) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.yaml");
    fs::write(&path, TWO).unwrap();
    let path = path.display().to_string();
    let mut line = vec![path.as_str(), "--probe"];
    line.extend(json.then_some("--json"));
    let probe = |_: &Policy, _: &ProbeScope| {
        let asked = rollouts.iter().enumerate().flat_map(|(rollout, endpoints)| {
            endpoints.iter().map(move |(endpoint, stable, canary)| ComparedEndpoint {
                rollout,
                endpoint: (*endpoint).to_owned(),
                stable: stable.clone(),
                canary: canary.clone(),
            })
        });
        let providers = vec![("old".into(), Ok("200 in 8 ms".into()))];
        ProbeResults { providers, endpoints: asked.collect(), ..ProbeResults::default() }
    };
    let (text, outcome) = examine(&args(&line), &Environment::of(BTreeMap::new()), probe);
    (text, outcome.unwrap())
}

#[test]
fn an_endpoint_that_only_stable_speaks_fails_with_what_to_do() {
    let both = [
        ("chat/completions", Reply::Speaks(400), Reply::Speaks(422)),
        ("completions", Reply::Absent(404), Reply::Absent(405)),
        ("responses", Reply::Speaks(400), Reply::Absent(404)),
        ("messages", Reply::Speaks(400), Reply::Absent(404)),
    ];
    let alone = [("responses", Reply::Speaks(400), Reply::Absent(404))];
    let (text, exit) = report([&both, &alone], false);
    assert_eq!(exit, Exit::Failed);
    let expected = "
probe: old answers: 200 in 8 ms
probe: chat: new has chat/completions
probe: chat: neither old nor new has completions
probe: chat FAILS at responses, messages: new does not have it (404), and old does; keep it on old with `match: { endpoints: [chat/completions] }`, or choose another `base_url` for new
probe: index FAILS at responses: new does not have it (404), and old does; keep it on old with `match: { endpoints: [embeddings] }`, or choose another `base_url` for new
";
    assert!(text.ends_with(expected), "{text}");

    let nothing = [("chat/completions", Reply::Speaks(400), Reply::Absent(404))];
    let (text, exit) = report([&nothing, &alone], true);
    assert_eq!(exit, Exit::Failed);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        value["endpoints"][0],
        json!({
            "rollout": "chat",
            "endpoint": "chat/completions",
            "standing": "failed",
            "detail": "new does not have it (404), and old does",
            "remedy": "keep it on old with `match: { endpoints: [completions, responses, messages] }`, or choose \
                       another `base_url` for new",
            "stable": {"provider": "old", "speaks": true, "status": 400, "detail": null},
            "canary": {"provider": "new", "speaks": false, "status": 404, "detail": null},
        })
    );
}

#[test]
fn where_the_canary_has_nothing_its_address_is_doubted() {
    let absent = |endpoint| (endpoint, Reply::Speaks(400), Reply::Absent(404));
    let all = ["chat/completions", "completions", "responses", "messages"].map(absent);
    let (text, _) = report([&all, &[]], false);
    assert!(text.ends_with("; check the `base_url` of new: no split endpoint is below it\n"), "{text}");
}

fn page() -> Reply {
    Reply::Other(200, "text/html, `<!doctype html>`".into())
}

fn redirect(to: &str, base_url: &str) -> Reply {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Reply::Redirected(308, Redirect { to: text(to), base_url: text(base_url) })
}

#[test]
fn an_address_of_something_else_fails_on_either_arm_with_what_to_write() {
    let moved = |endpoint: &str| redirect(&format!("https://new.example/v1/{endpoint}"), "https://new.example/v1");
    let canary = [
        ("chat/completions", Reply::Speaks(400), moved("chat/completions")),
        ("responses", Reply::Speaks(400), moved("responses")),
        ("completions", Reply::Speaks(400), page()),
        // A site that has a page for everything, where stable has nothing.
        ("messages", Reply::Absent(404), page()),
    ];
    let stable = [
        ("chat/completions", page(), Reply::Speaks(400)),
        ("completions", page(), Reply::Absent(404)),
        ("responses", redirect("", ""), redirect("https://login.example/", "")),
    ];
    let (text, exit) = report([&canary, &stable], false);
    assert_eq!(exit, Exit::Failed);
    let expected = "
probe: chat FAILS at chat/completions, responses: new redirects (308); write `base_url: https://new.example/v1` for new
probe: chat FAILS at completions: new answers 200 with no response of its API: text/html, `<!doctype html>`; check the `base_url` of new
probe: chat: messages: new answers 200 with no response of its API: text/html, `<!doctype html>`; old does not have it
probe: index FAILS at chat/completions: old answers 200 with no response of its API: text/html, `<!doctype html>`; check the `base_url` of old
probe: index: completions: old answers 200 with no response of its API: text/html, `<!doctype html>`; new does not have it
probe: index FAILS at responses: old redirects (308) without a location; new redirects (308) to https://login.example/; check the `base_url` of old, and check the `base_url` of new
";
    assert!(text.ends_with(expected), "{text}");
    for arms in [[&canary[..], &[]], [&[], &stable[..]]] {
        assert_eq!(report(arms, false).1, Exit::Failed);
    }
    for note in [&canary[3..], &stable[1..2]] {
        let beside = ("responses", Reply::Speaks(400), Reply::Speaks(400));
        let both = [note[0].clone(), beside];
        assert_eq!(report([&both, &[]], false).1, Exit::Done, "{note:?}");
    }
    let (text, _) = report([&canary, &stable], true);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        value["endpoints"][0],
        json!({
            "rollout": "chat",
            "endpoint": "chat/completions",
            "standing": "failed",
            "detail": "new redirects (308)",
            "remedy": "write `base_url: https://new.example/v1` for new",
            "stable": {"provider": "old", "speaks": true, "status": 400, "detail": null},
            "canary": {
                "provider": "new",
                "speaks": false,
                "status": 308,
                "detail": "https://new.example/v1/chat/completions",
            },
        })
    );
}

#[test]
fn what_is_not_certain_is_a_note_and_a_refused_key_fails() {
    let keyless = Reply::Refused(401, "it requires a key, and has no `api_keys`");
    let unknown = [
        ("chat/completions", keyless.clone(), Reply::Speaks(400)),
        ("completions", keyless, Reply::Absent(404)),
        ("responses", Reply::Speaks(400), Reply::Unclear("500".into())),
    ];
    let (text, exit) = report([&unknown, &[]], false);
    assert_eq!(exit, Exit::Done);
    let expected = "
probe: chat: new has chat/completions
probe: chat: completions: new does not have it (404); it is not known whether old does: 401, it requires a key, and has no `api_keys`; if the application uses it, keep it on old with `match: { endpoints: [chat/completions, responses, messages] }`, or choose another `base_url` for new
probe: chat: responses: it is not known whether new has it: 500
";
    assert!(text.ends_with(expected), "{text}");
    let refused = ["chat/completions", "responses"]
        .map(|endpoint| (endpoint, Reply::Speaks(400), Reply::Refused(403, "its key is refused")));
    let (text, exit) = report([&refused, &[]], false);
    assert_eq!(exit, Exit::Failed);
    assert!(
        text.ends_with("\nprobe: chat FAILS at chat/completions, responses: new answers 403: its key is refused; check the `api_keys` and the `auth` of new\n"),
        "{text}"
    );
}

#[test]
fn a_stable_that_speaks_nothing_or_refuses_its_key_fails_with_the_remedy() {
    let absent = |endpoint, canary| (endpoint, Reply::Absent(404), canary);
    let all = [
        absent("chat/completions", Reply::Speaks(400)),
        absent("completions", Reply::Absent(404)),
        absent("messages", Reply::Refused(401, "its key is refused")),
    ];
    let refused = [("responses", Reply::Refused(401, "its key is refused"), Reply::Speaks(400))];
    let (text, exit) = report([&all, &refused], false);
    assert_eq!(exit, Exit::Failed);
    let expected = "
probe: chat FAILS at chat/completions, completions, messages: old has none of the split endpoints (404); check the `base_url` of old: no split endpoint is below it
probe: index FAILS at responses: old answers 401: its key is refused; check the `api_keys` and the `auth` of old
";
    assert!(text.ends_with(expected), "{text}");
}
