//! Answers that are too long, broken, or meant for the reader's terminal.

use std::time::Duration;

use super::*;
use crate::support::scripted::step::{CHUNKED, chunk, head, sized};

const KEY: &str = "api_keys: [sk-good-1], models: { a: model-x }";

fn shown(answer: impl Fn() -> Vec<Step> + Send + Sync + 'static) -> Shown {
    let provider = Scripted::start("corp", move |seen| match seen.method.as_str() {
        "GET" => answer(),
        _ => super::answer(400, "{}"),
    });
    let shown = Shown::of(&alone(&provider.base_url(), KEY), &[]);
    was_asked_nothing_that_costs(&provider);
    shown
}

fn is_harmless(text: &str) -> bool {
    text.chars().all(|c| c == '\n' || !(c.is_control() || ('\u{200b}'..='\u{202e}').contains(&c)))
}

#[test]
fn an_endless_body_is_read_up_to_a_bound() {
    let shown = shown(|| {
        let head = format!("{}{CHUNKED}\r\n", head(200, ""));
        vec![Step::Write(head.into_bytes()), Step::Repeat(chunk(&[b' '; 60_000]), Duration::ZERO)]
    });
    assert_eq!(shown.code, Some(0), "{}", shown.text);
    shown.says("answers /models with only white space (200), and no list of models");
}

#[test]
fn a_huge_list_is_read_as_far_as_it_goes_and_nothing_follows_for_the_rest() {
    let ids: Vec<String> = (0..200_000).map(|n| format!("a-rather-long-model-name-{n:08}")).collect();
    let body = list(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(body.len() > 10_000_000);
    let shown = shown(move || vec![Step::Write(sized(&head(200, ""), body.as_bytes()))]);
    assert_eq!(shown.code, Some(0), "{}", shown.text);
    shown.says("lists 20,000 models and more, which were not read, in OpenAI's form");
    shown.says("does not tell whether it has `model-x`");
}

#[test]
fn what_is_no_json_or_no_text_is_no_list() {
    for (body, words) in [
        (&b"{\"data\": [}"[..], "and no list of models"),
        (b"\xff\xfe\x00garbage", "and no list of models"),
        (b"", "and no list of models"),
        (b"{\"data\": 7}", "JSON that is no list of models"),
    ] {
        let shown = shown(move || vec![Step::Write(sized(&head(200, ""), body))]);
        assert_eq!(shown.code, Some(0), "{}", shown.text);
        shown.says(words);
        assert!(is_harmless(&shown.text), "{:?}", shown.text);
    }
}

#[test]
fn names_and_codes_are_no_orders_to_a_terminal() {
    // The name that is meant is the provider's own word.
    let escaped = r#"{"object":"list","data":[{"id":"model-x\u001b[2J\u202e","object":"model"},{"id":"model-y"}]}"#;
    let shown = shown(move || answer(200, escaped));
    assert!(is_harmless(&shown.text), "{:?}", shown.text);
    assert!(shown.json.to_string().chars().all(|c| !c.is_control()), "{}", shown.json);
    let refused =
        Scripted::start("corp", |_| answer(401, r#"{"error":{"code":"\u001b[2Jbad","message":"\u001b]0;PWN\u0007"}}"#));
    let shown = Shown::of(&alone(&refused.base_url(), KEY), &[]);
    assert_eq!(shown.code, Some(1));
    assert!(is_harmless(&shown.text) && !shown.text.contains("PWN"), "{:?}", shown.text);
}

#[test]
fn one_that_ends_its_connections_is_told_and_ends() {
    let shown =
        shown(|| vec![Step::Write(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"da".to_vec()), Step::Close]);
    assert_eq!(shown.code, Some(0), "{}", shown.text);
    shown.says("probe: corp: does not tell whether it has `model-x`");
}
