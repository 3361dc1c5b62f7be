//! `serin check --probe`: what it finds at providers on real sockets, and how it ends.
//!
//! Providers answer by the path and the key that they are asked with. Whatever they answer, no key is shown, nothing
//! that a terminal obeys is printed, and no request is sent that could cost anything.

mod hostile;
mod keys;
mod models;
mod narrowed;
mod prices;
mod tls;

use serde_json::Value;

use crate::support::scripted::Scripted;
use crate::support::scripted::request::Seen;
use crate::support::scripted::step::{Step, json};
use crate::support::sidecar::{Workspace, spoken};

/// An answer, and the end of its connection.
fn answer(status: u16, body: &str) -> Vec<Step> {
    vec![Step::Write(json(status, body))]
}

/// OpenAI's form of a list.
fn list(ids: &[&str]) -> String {
    let entries: Vec<Value> =
        ids.iter().map(|id| serde_json::json!({"id": id, "object": "model", "owned_by": "x"})).collect();
    serde_json::json!({"object": "list", "data": entries}).to_string()
}

/// A provider with these models, whoever asks with a key that begins with `sk-good`; it knows others by no name.
fn listing(ids: &'static [&'static str]) -> Scripted {
    Scripted::start("corp", move |seen| {
        if !key_of(seen).starts_with("sk-good") {
            return answer(401, r#"{"error":{"code":"invalid_api_key","message":"no"}}"#);
        }
        by_path(seen, ids)
    })
}

fn by_path(seen: &Seen, ids: &[&str]) -> Vec<Step> {
    match seen.path.strip_prefix("/v1/models") {
        Some("") => answer(200, &list(ids)),
        Some(name) if ids.contains(&name.trim_start_matches('/')) => {
            answer(200, &format!(r#"{{"id":"{name}","object":"model"}}"#))
        }
        Some(_) => answer(404, r#"{"error":{"code":"model_not_found","message":"The model does not exist"}}"#),
        None if seen.method == "POST" => answer(400, r#"{"error":{"message":"messages is required"}}"#),
        None => answer(404, "{}"),
    }
}

/// The key of a request.
fn key_of(seen: &Seen) -> &str {
    seen.header("authorization").trim_start_matches("Bearer ")
}

/// What a probe of a file showed.
struct Shown {
    code: Option<i32>,
    text: String,
    json: Value,
}

impl Shown {
    /// Asks twice: for people and for programs. Both end alike.
    #[track_caller]
    fn of(flags: &str, more: &[&str]) -> Shown {
        let workspace = Workspace::new(flags);
        let file = workspace.flags().display().to_string();
        let run = |format: &str| workspace.run(&[&["check", "--probe", "--format", format, &file][..], more].concat());
        let (text, json) = (run("text"), run("json"));
        assert_eq!(text.status.code(), json.status.code(), "{}", spoken(&text));
        let value = serde_json::from_slice(&json.stdout).unwrap_or(Value::Null);
        Shown { code: text.status.code(), text: spoken(&text), json: value }
    }

    #[track_caller]
    fn says(&self, part: &str) {
        assert!(self.text.contains(part), "no `{part}` in {}", self.text);
    }

    #[track_caller]
    fn is_silent_on(&self, part: &str) {
        assert!(!self.text.contains(part), "`{part}` in {}", self.text);
        assert!(!self.json.to_string().contains(part), "`{part}` in {}", self.json);
    }

    /// What the JSON says of a provider.
    #[track_caller]
    fn provider(&self, name: &str) -> &Value {
        let providers = self.json["probe"].as_array().unwrap();
        providers.iter().find(|provider| provider["provider"] == name).unwrap_or_else(|| panic!("{}", self.json))
    }
}

/// Nothing but a GET, or a POST of an empty object.
#[track_caller]
fn was_asked_nothing_that_costs(provider: &Scripted) {
    for seen in provider.asked() {
        let free = seen.method == "GET" || (seen.method == "POST" && seen.body == b"{}");
        assert!(free, "{} {}: {:?}", seen.method, seen.path, seen.body);
    }
}

/// One provider with these keys of flags.yaml, and a plain route to it.
fn alone(base_url: &str, keys: &str) -> String {
    format!(
        "providers:\n  corp: {{ base_url: \"{base_url}\", {keys} }}\nrollouts:\n  - {{ name: all, stable: corp }}\n"
    )
}
