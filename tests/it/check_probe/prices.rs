//! A price list beside a probe: what the models of both arms take and can do.

use super::*;

const LIST: &str = r#"{
    "gpt-4o": {"max_input_tokens": 128000, "max_output_tokens": 16384, "mode": "chat", "supports_vision": true},
    "deepseek-chat": {"max_input_tokens": 64000, "max_output_tokens": 8192, "mode": "chat"}
}"#;

fn check(list: Option<&str>) -> (Option<i32>, String, Value) {
    let (old, new) = (listing(&["gpt-4o"]), listing(&["deepseek-chat"]));
    let workspace = Workspace::new(&format!(
        "providers:\n  old: {{ base_url: \"{}\", api_keys: [sk-good-1] }}\n  new: {{ base_url: \"{}\", api_keys: [sk-good-1], \
         models: {{ gpt-4o: deepseek-chat }} }}\nrollouts:\n  - {{ name: chat, stable: old, canary: new, percent: 0 }}\n",
        old.base_url(),
        new.base_url()
    ));
    let prices = workspace.state().with_file_name("prices.json");
    if let Some(list) = list {
        std::fs::write(&prices, list).unwrap();
    }
    let (file, prices) = (workspace.flags().display().to_string(), prices.display().to_string());
    let run = |more: &[&str]| workspace.run(&[&["check", "--probe", "--prices", &prices, &file][..], more].concat());
    let (text, json) = (run(&[]), run(&["--json"]));
    (text.status.code(), spoken(&text), serde_json::from_slice(&json.stdout).unwrap_or(Value::Null))
}

#[test]
fn a_smaller_model_of_the_canary_is_a_warning_with_what_to_write() {
    let (code, text, json) = check(Some(LIST));
    assert_eq!(code, Some(0), "{text}");
    for part in [
        "probe: chat: old `gpt-4o` (chat; 128,000 tokens in; 16,384 tokens out; vision) -> new `deepseek-chat` (chat; \
         64,000 tokens in; 8,192 tokens out)",
        "probe: chat: warning: `gpt-4o` takes 128,000 tokens, `deepseek-chat` 64,000; `gpt-4o` writes 16,384 tokens, \
         `deepseek-chat` 8,192; `deepseek-chat` is not listed with vision, and `gpt-4o` is; map `gpt-4o` to another model",
        "`rollouts[chat].match.model`, or write `providers.new.max_fields: { max_tokens: 8192 }`",
    ] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    assert_eq!(json["prices"][0]["concerns"].as_array().unwrap().len(), 3);
    assert_eq!(json["prices"][0]["canary"]["listed"]["max_input_tokens"], 64_000);
}

#[test]
fn a_list_that_cannot_be_read_is_told_before_anybody_is_asked() {
    for (list, words) in [
        (None, "prices.json cannot be read: No such file or directory"),
        (Some("{\n \"a\": }"), "prices.json:2:7: not JSON: expected value; give a price list in LiteLLM's form"),
        (Some("[]"), "prices.json: there is no model in it; give a price list"),
    ] {
        let (code, text, _) = check(list);
        assert_eq!(code, Some(64), "{text}");
        assert!(text.contains(words), "no `{words}` in {text}");
    }
}
