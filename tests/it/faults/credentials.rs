//! What belongs to one provider never reaches the next: keys, model names, fields and headers are each attempt's own.
//!
//! Read from what the providers recorded, word for word, in both directions and when the client's own key is used.

use crate::support::api::Api;
use crate::support::faults::fault::{Fault, Refusal};
use crate::support::harness::{Flags, Harness, IMPATIENT};
use crate::support::scripted::Scripted;
use crate::support::scripted::request::Seen;

const NEW: &str = "api_keys: [sk-secret-of-new], models: { gpt-4: deepseek-chat }, set_headers: { x-team: new-team }, \
                   drop_fields: [logit_bias], rename_fields: { max_tokens: max_completion_tokens }, \
                   set_fields: { temperature: 1 }";
const OLD: &str = "api_keys: [sk-secret-of-old], set_headers: { x-tenant: old-tenant }";
const BODY: &str = r#"{ "model":"gpt-4",  "max_tokens": 7, "logit_bias": {"1": 2},
    "messages":[{"role":"user","content":"hi \u00e9 deepseek"}], "user":"USER" }"#;
const CLIENTS: [(&str, &str); 4] = [
    ("authorization", "Bearer sk-of-the-client"),
    ("cookie", "session=of-the-client"),
    ("openai-organization", "org-of-the-client"),
    ("x-trace", "kept"),
];

fn stage(stable: &Scripted, canary: &Scripted, old: &str, new: &str) -> Harness {
    let flags = Flags::new()
        .provider("oldcorp", &stable.base_url(), format!("{old}, {IMPATIENT}").trim_start_matches(", "))
        .provider("newcorp", &canary.base_url(), &format!("{new}, {IMPATIENT}"))
        .chat("percent: 50%, pin_users: { new: canary, old: stable }, give_up_after: 2s");
    Harness::start(&flags)
}

fn failing(name: &str, refusal: Refusal) -> Scripted {
    Scripted::start(name, move |_| Fault::Refuses(refusal))
}

/// The request as the canary must see it: its own names and fields, and the rest byte for byte.
fn for_the_canary(user: &str) -> String {
    BODY.replace("USER", user)
        .replace(r#""gpt-4""#, r#""deepseek-chat""#)
        .replace(r#""max_tokens""#, r#""max_completion_tokens""#)
}

#[track_caller]
fn expect_none_of(seen: &Seen, words: &[&str]) {
    let all = format!("{}{}", seen.head(), String::from_utf8_lossy(&seen.body));
    for word in words {
        assert!(!all.contains(word), "`{word}` reached a provider that it is not for:\n{all}");
    }
}

#[track_caller]
fn expect_the_canarys(seen: &Seen, user: &str) {
    assert_eq!(seen.header("authorization"), "Bearer sk-secret-of-new", "{}", seen.head());
    assert_eq!((seen.header("x-team"), seen.header("x-trace")), ("new-team", "kept"));
    expect_none_of(seen, &["secret-of-old", "old-tenant", "of-the-client", "gpt-4", "x-serin"]);
    let (body, expected) = (seen.json(), for_the_canary(user));
    let mut expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
    expected.as_object_mut().unwrap().remove("logit_bias");
    expected["temperature"] = serde_json::json!(1);
    assert_eq!(body, expected);
    assert_eq!(seen.length.to_string(), seen.header("content-length"));
}

#[track_caller]
fn expect_stables(seen: &Seen, user: &str, authorization: &str) {
    assert_eq!(seen.header("authorization"), authorization, "{}", seen.head());
    expect_none_of(
        seen,
        &["secret-of-new", "new-team", "deepseek-chat", "max_completion_tokens", "temperature", "x-serin"],
    );
    assert_eq!(String::from_utf8_lossy(&seen.body), BODY.replace("USER", user), "not byte for byte");
    assert_eq!((seen.length.to_string().as_str(), seen.header("x-trace")), (seen.header("content-length"), "kept"));
}

#[test]
fn from_the_canary_to_stable() {
    for refusal in [Refusal::Broken(503), Refusal::WrongKey, Refusal::UnsupportedParameter, Refusal::Quota] {
        let (stable, canary) = (Scripted::healthy("oldcorp"), failing("newcorp", refusal));
        let stage = stage(&stable, &canary, OLD, NEW);
        let answer = stage.whole(Api::Chat.path(), &CLIENTS, &BODY.replace("USER", "new"));
        assert_eq!((answer.status, answer.header("x-serin-provider")), (200, "oldcorp"), "{}", answer.text());
        let (old, new) = (stable.requests(), canary.requests());
        assert_eq!((old.len(), new.len()), (1, 1));
        expect_the_canarys(&new[0], "new");
        expect_stables(&old[0], "new", "Bearer sk-secret-of-old");
        assert_eq!(old[0].header("x-tenant"), "old-tenant");
    }
}

#[test]
fn from_stable_to_the_canary() {
    let (stable, canary) = (Scripted::healthy("oldcorp"), Scripted::healthy("newcorp"));
    let stage = stage(&stable, &canary, OLD, NEW);
    stage.whole(Api::Chat.path(), &CLIENTS, &BODY.replace("USER", "new"));
    stable.choose(|_| Fault::Refuses(Refusal::Broken(503)));
    let answer = stage.whole(Api::Chat.path(), &CLIENTS, &BODY.replace("USER", "old"));
    assert_eq!((answer.status, answer.header("x-serin-provider")), (200, "newcorp"), "{}", answer.text());
    expect_stables(&stable.requests()[0], "old", "Bearer sk-secret-of-old");
    expect_the_canarys(&canary.requests()[1], "old");
}

#[test]
fn the_clients_own_key_is_for_stable_only() {
    let (stable, canary) = (Scripted::healthy("oldcorp"), failing("newcorp", Refusal::Broken(503)));
    let stage = stage(&stable, &canary, "", NEW);
    stage.whole(Api::Chat.path(), &CLIENTS, &BODY.replace("USER", "new"));
    expect_the_canarys(&canary.requests()[0], "new");
    let seen = &stable.requests()[0];
    expect_stables(seen, "new", "Bearer sk-of-the-client");
    assert_eq!(
        (seen.header("cookie"), seen.header("openai-organization")),
        ("session=of-the-client", "org-of-the-client")
    );
}
