//! The models that a file asks a provider for, in the forms of several providers, and what is no list at all.

use super::*;
use crate::support::scripted::step::{head, sized};

const KEY: &str = "api_keys: [sk-good-1]";

fn moving(old: &Scripted, new: &Scripted, models: &str, matches: &str) -> String {
    format!(
        "providers:\n  old: {{ base_url: \"{}\", {KEY} }}\n  new: {{ base_url: \"{}\", {KEY}, models: {{ {models} }} }}\n\
         rollouts:\n  - {{ name: chat, stable: old, canary: new, percent: 0, match: {{ endpoints: [chat/completions]{matches} }} }}\n",
        old.base_url(),
        new.base_url()
    )
}

#[test]
fn a_mapped_model_that_is_not_there_fails_with_the_one_that_is_meant() {
    let (old, new) = (listing(&["gpt-4o"]), listing(&["deepseek-chat", "deepseek-reasoner"]));
    let shown = Shown::of(&moving(&old, &new, "gpt-4o: deepseek-caht, o3: deepseek-reasoner", ""), &[]);
    assert_eq!(shown.code, Some(1), "{}", shown.text);
    shown.says("probe: old: has `gpt-4o`");
    shown.says("probe: new: has `deepseek-reasoner`");
    shown.says(
        "probe: new FAILS: does not know the model `deepseek-caht`, which `gpt-4o` is mapped to (it lists \
         `deepseek-chat`): write `providers.new.models: { \"gpt-4o\": \"deepseek-chat\" }`",
    );
    // The canary's mapping names a model that stable need not have.
    shown.says("probe: old: warning: does not know the model `o3`, which the canary's `models` name");
    was_asked_nothing_that_costs(&old);
    was_asked_nothing_that_costs(&new);
    let shown = Shown::of(&moving(&old, &new, "gpt-4o: deepseek-chat", ", model: gpt-4o"), &[]);
    assert_eq!(shown.code, Some(0), "{}", shown.text);
    assert_eq!(shown.provider("new")["models"][0]["presence"], "listed");
}

#[test]
fn a_rollout_s_own_model_has_to_be_there_on_both_arms() {
    let (old, new) = (listing(&["gpt-4o"]), listing(&["gpt-4o"]));
    let shown = Shown::of(&moving(&old, &new, "x: gpt-4o", ", model: gpt-5"), &[]);
    assert_eq!(shown.code, Some(1), "{}", shown.text);
    shown.says("probe: old FAILS: does not know the model `gpt-5`");
    shown.says("probe: new FAILS: does not know the model `gpt-5`");
}

#[test]
fn a_provider_that_only_lists_is_doubted_and_one_that_does_not_list_is_not_told() {
    let old = listing(&["gpt-4o"]);
    // As vLLM: no names below the list.
    let lists = Scripted::start("corp", |seen| match seen.path.as_str() {
        _ if key_of(seen).is_empty() => answer(401, "{}"),
        "/v1/models" => answer(200, &list(&["llama"])),
        path if path.starts_with("/v1/models/") => answer(404, r#"{"detail":"Not Found"}"#),
        _ => answer(400, "{}"),
    });
    let shown = Shown::of(&moving(&old, &lists, "gpt-4o: lama", ""), &[]);
    assert_eq!(shown.code, Some(0), "{}", shown.text);
    shown.says("probe: new: warning: does not list the model `lama`, which `gpt-4o` is mapped to (it lists `llama`)");
    let silent = Scripted::start("corp", |seen| match seen.method.as_str() {
        "GET" => answer(404, "{}"),
        _ => answer(400, "{}"),
    });
    let shown = Shown::of(&moving(&old, &silent, "gpt-4o: other", ""), &[]);
    assert_eq!(shown.code, Some(0), "{}", shown.text);
    shown.says("probe: new: does not tell whether it has `other`");
    shown.says("probe: new: has no list of models at /models (404)");
}

#[test]
fn a_name_with_a_slash_that_is_not_found_is_doubted_where_no_other_one_is_found() {
    let old = listing(&["gpt-4o"]);
    let plain = Scripted::start("corp", |seen| match seen.path.as_str() {
        _ if key_of(seen).is_empty() => answer(401, "{}"),
        "/v1/models" => answer(200, &list(&["llama", "a/b"])),
        "/v1/models/llama" => answer(200, r#"{"id":"llama"}"#),
        _ => answer(404, "{}"),
    });
    let shown = Shown::of(&moving(&old, &plain, "x: a/other, y: unheard", ""), &[]);
    shown.says("probe: new: warning: does not list the model `a/other`");
    shown.says("probe: new FAILS: does not know the model `unheard`");
}

#[test]
fn deployments_are_no_models_of_the_list() {
    let azure = listing(&["gpt-4o"]);
    let keys = format!("{KEY}, models: {{ gpt-4o: our-deployment }}, path: \"/deployments/{{model}}/{{rest}}\"");
    let shown = Shown::of(&alone(&azure.base_url(), &keys), &[]);
    assert_eq!(shown.code, Some(0), "{}", shown.text);
    shown.says("probe: corp: does not tell whether it has `our-deployment`");
}

#[test]
fn anthropic_s_pages_are_read_and_an_alias_is_asked_for_by_name() {
    let page = |ids: &[&str], more: bool| {
        let data: Vec<Value> = ids.iter().map(|id| serde_json::json!({"type": "model", "id": id})).collect();
        serde_json::json!({"data": data, "has_more": more, "first_id": ids[0], "last_id": ids[ids.len() - 1]})
            .to_string()
    };
    let provider = Scripted::start("corp", move |seen| {
        if seen.header("x-api-key") != "sk-good-1" || seen.header("anthropic-version").is_empty() {
            return answer(
                401,
                r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}"#,
            );
        }
        match seen.path.as_str() {
            "/v1/models" => answer(200, &page(&["claude-a"], true)),
            "/v1/models?limit=1000&after_id=claude-a" => answer(200, &page(&["claude-b", "claude-c"], false)),
            "/v1/models/claude-latest" => answer(200, r#"{"type":"model","id":"claude-c"}"#),
            _ => answer(404, r#"{"type":"error","error":{"type":"not_found_error","message":"model: gone"}}"#),
        }
    });
    let flags = format!(
        "providers:\n  corp: {{ base_url: \"{}\", {KEY}, auth: \"header:x-api-key\", set_headers: {{ anthropic-version: \
         \"2023-06-01\" }}, models: {{ a: claude-a, c: claude-c, l: claude-latest, g: gone }} }}\nrollouts: [{{ name: all, stable: corp }}]\n",
        provider.base_url()
    );
    let shown = Shown::of(&flags, &[]);
    assert_eq!(shown.code, Some(1), "{}", shown.text);
    shown.says("probe: corp: lists 3 models, in Anthropic's form");
    shown.says("probe: corp: has `claude-a`, `claude-c`, `claude-latest`");
    shown.says("probe: corp FAILS: does not know the model `gone`");
}

#[test]
fn an_address_without_its_path_is_told_with_the_one_that_has_a_list() {
    let page = "<!doctype html><title>Sign in</title>";
    let provider = Scripted::start("corp", move |seen| match seen.path.as_str() {
        "/v1/models" => answer(200, &list(&["gpt-4o"])),
        _ if seen.method == "GET" => {
            vec![Step::Write(sized(&head(200, "content-type: text/html\r\n"), page.as_bytes()))]
        }
        _ => answer(404, "{}"),
    });
    let root = provider.base_url().trim_end_matches("/v1").to_owned();
    for wrong in [root.clone(), format!("{root}/v1/chat/completions")] {
        let shown = Shown::of(&alone(&wrong, KEY), &[]);
        shown.says(&format!(
            "probe: corp: warning: answers /models with a web page (200): a login, or a site; write `base_url: {root}/v1`"
        ));
    }
}

#[test]
fn a_gateway_s_page_and_a_redirect_are_told_for_what_they_are() {
    let gateway = Scripted::start("corp", |_| {
        vec![Step::Write(sized(&head(403, "content-type: text/html\r\n"), b"<html><title>Just a moment...</title>"))]
    });
    let shown = Shown::of(&alone(&gateway.base_url(), KEY), &[]);
    assert_eq!(shown.code, Some(1), "{}", shown.text);
    shown.says("answers /models with an error page (403), which a gateway in front of the API has written");
    let moved = Scripted::start("corp", |_| {
        vec![Step::Write(sized(&head(302, "location: https://login.example/?next=secret\r\n"), b""))]
    });
    let shown = Shown::of(&alone(&moved.base_url(), KEY), &[]);
    shown.says("warning: redirects /models (302) to https://login.example/");
    shown.is_silent_on("next=secret");
}
