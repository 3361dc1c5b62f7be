//! Which requests a rollout takes, whose they are, and which users have an arm of their own: as flags.yaml says.

use std::fmt::Write as _;

use crate::support::client::Client;
use crate::support::harness::Harness;
use crate::support::scripted::Scripted;
use crate::support::sidecar::Sidecar;

const CHAT: &str = "/v1/chat/completions";
const BODY: &str = r#"{"model":"m"}"#;

/// A sidecar with a rollout `chat` from `old` to `new` with these keys.
fn rollout(keys: &str) -> Harness {
    let recorder = Scripted::healthy("corp");
    let url = recorder.base_url();
    let flags = format!(
        "providers:\n  old: {{ base_url: \"{url}\" }}\n  new: {{ base_url: \"{url}\" }}\n\
         rollouts:\n  - {{ name: chat, stable: old, canary: new, {keys} }}\n"
    );
    Harness::start(&flags).keeping(recorder)
}

fn provider(client: &mut Client, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let answer = client.post(path, headers, body).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("x-serin-provider").to_owned()
}

#[test]
fn match_chooses_by_endpoint_path_model_and_header() {
    let cases = [
        ("endpoints: [audio/speech]", "/v1/audio/speech", "", BODY, CHAT, "", BODY),
        ("path: \"/chat/*\"", CHAT, "", BODY, "/v1/completions", "", BODY),
        ("model: \"gpt-*\"", CHAT, "", r#"{"model":"gpt-4"}"#, CHAT, "", BODY),
        ("header: { x-team: \"search-*\" }", CHAT, "search-eu", BODY, CHAT, "shop", BODY),
    ];
    for (matches, path, team, body, other_path, other_team, other_body) in cases {
        let sidecar = rollout(&format!("percent: 100%, match: {{ {matches} }}"));
        let mut client = sidecar.client();
        assert_eq!(provider(&mut client, path, &[("x-team", team)], body), "new", "{matches}");
        assert_eq!(provider(&mut client, other_path, &[("x-team", other_team)], other_body), "old", "{matches}");
    }
}

#[test]
fn user_says_where_the_id_is() {
    let pin = "percent: 0.01%, pin_users: [ada]";
    let from = |source: &str, path: &str, headers: &[(&str, &str)], body: &str| {
        let sidecar = rollout(&format!("{pin}, user: [\"{source}\"]"));
        provider(&mut sidecar.client(), path, headers, body)
    };
    assert_eq!(from("header:x-uid", CHAT, &[("x-uid", "ada")], BODY), "new");
    assert_eq!(from("cookie:uid", CHAT, &[("cookie", "a=b; uid=ada")], BODY), "new");
    assert_eq!(from("query:uid", "/v1/chat/completions?uid=ada", &[], BODY), "new");
    assert_eq!(from("body:meta.uid", CHAT, &[], r#"{"meta":{"uid":"ada"},"model":"m"}"#), "new");
    assert_eq!(from("header:x-uid", CHAT, &[("x-user-id", "ada")], r#"{"user":"ada"}"#), "old", "another place");
}

#[test]
fn the_header_of_the_user_stays_with_serin() {
    let recorder = Scripted::healthy("corp");
    let sidecar = Harness::start(&format!(
        "providers: {{ old: {{ base_url: \"{}\" }} }}\nrollouts: [{{ name: chat, stable: old, user: \"header:x-uid\" }}]\n",
        recorder.base_url()
    ));
    provider(&mut sidecar.client(), CHAT, &[("x-uid", "ada"), ("x-other", "b")], BODY);
    assert_eq!((recorder.last().field("x-uid"), recorder.last().field("x-other")), (None, Some("b")));
}

#[test]
fn requests_without_a_user_go_as_anonymous_says() {
    let providers = |policy: &str, bodies: &[String]| {
        let sidecar = rollout(&format!("percent: 50%, anonymous: {policy}"));
        let mut client = sidecar.client();
        bodies.iter().map(|body| provider(&mut client, CHAT, &[], body)).collect::<Vec<_>>()
    };
    let talk = |number: usize, more: usize| {
        let mut messages = format!(r#"{{"role":"user","content":"question {number}"}}"#);
        for turn in 0..more {
            let _ =
                write!(messages, r#",{{"role":"assistant","content":"{turn}"}},{{"role":"user","content":"more"}}"#);
        }
        format!(r#"{{"model":"m","messages":[{messages}]}}"#)
    };
    let first: Vec<String> = (0..40).map(|number| talk(number, 0)).collect();
    let later: Vec<String> = (0..40).map(|number| talk(number, 3)).collect();
    let conversation = providers("conversation", &[first.clone(), later].concat());
    assert_eq!(conversation[..40], conversation[40..], "a conversation stays where it began");
    assert!(conversation.contains(&"new".to_owned()) && conversation.contains(&"old".to_owned()));
    let random = providers("random", &vec![talk(1, 0); 80]);
    assert!(random.contains(&"new".to_owned()) && random.contains(&"old".to_owned()), "one conversation, both arms");
    assert_eq!(providers("stable", &first), vec!["old"; 40]);
}

#[test]
fn some_users_have_an_arm_of_their_own() {
    let arm = |sidecar: &Sidecar, user: &str| sidecar.arm(user);
    let sidecar = rollout("percent: 100%, exclude: [ada, 17]");
    assert_eq!((arm(&sidecar, "ada"), arm(&sidecar, "17"), arm(&sidecar, "bob")), three("stable", "stable", "canary"));
    let sidecar = rollout("percent: 0.01%, pin_users: [ada, 17]");
    assert_eq!((arm(&sidecar, "ada"), arm(&sidecar, "17"), arm(&sidecar, "bob")), three("canary", "canary", "stable"));
    let sidecar = rollout("percent: 0.01%, pin_users: { ada: canary, eve: stable }");
    assert_eq!((arm(&sidecar, "ada"), arm(&sidecar, "eve"), arm(&sidecar, "bob")), three("canary", "stable", "stable"));
    let sidecar = rollout("percent: 0, pin_users: [ada]");
    assert_eq!(arm(&sidecar, "ada"), "stable", "0 is everybody");
}

fn three(a: &str, b: &str, c: &str) -> (String, String, String) {
    (a.to_owned(), b.to_owned(), c.to_owned())
}

#[test]
fn a_tester_with_the_token_chooses_the_arm() {
    let sidecar = rollout("percent: 50%, force: { header: x-canary, token: t0ken }, anonymous: stable");
    let mut client = sidecar.client();
    let mut ask = |value: &str| provider(&mut client, CHAT, &[("x-canary", value)], BODY);
    assert_eq!((ask("t0ken"), ask("t0ken:canary"), ask("t0ken:stable")), three("new", "new", "old"));
    assert_eq!((ask("wrong"), ask("t0ken:other"), ask("")), three("old", "old", "old"));
}
