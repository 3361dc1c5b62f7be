//! What a request asks of its answer, and whether a copy of it would do more than be answered.
//!
//! A copy may cost money and nothing else: requests that leave state, run in the background, or have a tool that a
//! provider runs by itself are never copied. Tools that the application runs are harmless, since nobody runs them for a
//! copy. What is not known counts as harmful. Reads the whole body; asked of sampled requests only.

use serde_json::Value;

use super::funnel::Skip;

/// Tools that the application runs, by their `type`; those of Anthropic have a date behind the name.
const RUN_BY_APPLICATION: [&str; 9] =
    ["function", "custom", "bash", "text_editor", "computer", "memory", "apply_patch", "local_shell", "shell"];
/// Members by which a request goes on from state, or names some.
const STATE: [&str; 4] = ["previous_response_id", "conversation", "container", "prompt"];

/// What an answer has to be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expected {
    /// Whether its text has to be JSON.
    pub json: bool,
    /// Of this shape.
    pub schema: Option<Value>,
}

/// A request as far as a comparison has to know it.
#[derive(Clone, Debug, PartialEq)]
pub struct CopiedRequest {
    pub expected: Expected,
    /// The most tokens that it allows of one answer.
    pub most_output: Option<u64>,
    /// How many answers are written for it.
    pub answers: u64,
}

/// Reads a request's body.
///
/// # Errors
/// Why a copy of it must not be sent.
pub fn read(body: &[u8]) -> Result<CopiedRequest, Skip> {
    let value: Value = serde_json::from_slice(body).map_err(|_| Skip::TooLarge)?;
    let is_set = |name: &str| !matches!(value.get(name), None | Some(Value::Null | Value::Bool(false)));
    if is_set("background") {
        return Err(Skip::Background);
    }
    // A prompt of completions is a text, or several; one that is an object is a template that the provider keeps.
    let names_state = |name: &str| is_set(name) && (name != "prompt" || value["prompt"].is_object());
    if value["store"] == true || STATE.iter().any(|name| names_state(name)) {
        return Err(Skip::State);
    }
    let is_list_used = |name: &str| value[name].as_array().is_some_and(|list| !list.is_empty());
    if is_list_used("mcp_servers")
        || is_list_used("plugins")
        || is_set("web_search_options")
        || !tools(&value).all(is_run_by_application)
    {
        return Err(Skip::ServerTools);
    }
    let most = ["max_tokens", "max_completion_tokens", "max_output_tokens"];
    Ok(CopiedRequest {
        expected: expected(&value),
        most_output: most.iter().filter_map(|name| value[name].as_u64()).max(),
        answers: answers(&value),
    })
}

/// Of several choices, several tries for one choice, or several prompts.
fn answers(value: &Value) -> u64 {
    let tries = ["n", "best_of"].iter().filter_map(|name| value[name].as_u64()).max().unwrap_or(1).max(1);
    let prompts = value["prompt"].as_array().filter(|prompts| prompts.first().is_some_and(|first| !first.is_number()));
    tries.saturating_mul(prompts.map_or(1, Vec::len) as u64)
}

fn tools(value: &Value) -> impl Iterator<Item = &Value> {
    value["tools"].as_array().into_iter().flatten()
}

fn is_run_by_application(tool: &Value) -> bool {
    // A shell runs where its environment is: `local` is the application's own.
    if !matches!(tool["environment"]["type"].as_str(), None | Some("local")) {
        return false;
    }
    let Some(kind) = tool["type"].as_str() else { return tool["name"].is_string() };
    RUN_BY_APPLICATION.iter().any(|known| {
        let dated = kind.strip_prefix(known).and_then(|rest| rest.strip_prefix('_'));
        kind == *known || dated.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

fn expected(value: &Value) -> Expected {
    let (chat, responses) = (&value["response_format"], &value["text"]["format"]);
    let kind = chat["type"].as_str().or(responses["type"].as_str());
    let schema = match kind {
        Some("json_schema") => chat["json_schema"].get("schema").or_else(|| responses.get("schema")),
        _ => value["output_format"].get("schema"),
    };
    let json = matches!(kind, Some("json_object" | "json_schema")) || schema.is_some();
    Expected { json, schema: schema.cloned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_value(value: &Value) -> Result<CopiedRequest, Skip> {
        read(value.to_string().as_bytes())
    }

    #[test]
    fn what_would_do_more_than_be_answered_is_never_copied() {
        let skipped = [
            (json!({"background": true}), Skip::Background),
            (json!({"previous_response_id": "resp_1"}), Skip::State),
            (json!({"conversation": {"id": "c"}}), Skip::State),
            (json!({"store": true}), Skip::State),
            (json!({"container": "c_1"}), Skip::State),
            (json!({"prompt": {"id": "pmpt_1"}}), Skip::State),
            (json!({"tools": [{"type": "function"}, {"type": "mcp", "server_url": "https://x"}]}), Skip::ServerTools),
            (json!({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}), Skip::ServerTools),
            (json!({"tools": [{"type": "code_interpreter"}]}), Skip::ServerTools),
            (json!({"tools": ["x"]}), Skip::ServerTools),
            (json!({"tools": [{"type": "function_of_tomorrow"}]}), Skip::ServerTools),
            (json!({"tools": [{"type": "shell", "environment": {"type": "container_auto"}}]}), Skip::ServerTools),
            (json!({"web_search_options": {}}), Skip::ServerTools),
            (json!({"mcp_servers": [{"url": "https://x"}]}), Skip::ServerTools),
        ];
        for (value, why) in skipped {
            assert_eq!(read_value(&value), Err(why), "{value}");
        }
        assert_eq!(read(b"no JSON"), Err(Skip::TooLarge));
    }

    #[test]
    fn what_is_only_answered_is_copied() {
        let copied = [
            json!({"prompt": "x", "store": false, "background": null}),
            json!({"tools": [{"type": "function"}, {"name": "of_anthropic"}, {"type": "bash_20250124", "name": "bash"}]}),
            json!({"mcp_servers": [], "tools": [], "web_search_options": null}),
            json!({"tools": [{"type": "shell"}, {"type": "shell", "environment": {"type": "local"}}]}),
        ];
        assert!(copied.iter().all(|value| read_value(value).is_ok()));
    }

    #[test]
    fn what_the_answer_has_to_be_is_read_of_each_dialect() {
        let schema = json!({"type": "object"});
        let strict = |value: Value| read_value(&value).unwrap().expected;
        let with_schema = Expected { json: true, schema: Some(schema.clone()) };
        let chat = json!({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}});
        assert_eq!(strict(chat), with_schema);
        let responses = json!({"text": {"format": {"type": "json_schema", "schema": schema}}});
        assert_eq!(strict(responses), with_schema);
        assert_eq!(strict(json!({"output_format": {"type": "json_schema", "schema": schema}})), with_schema);
        let any = Expected { json: true, schema: None };
        assert_eq!(strict(json!({"response_format": {"type": "json_object"}})), any);
        assert_eq!(strict(json!({"max_tokens": 3})), Expected::default());
    }

    #[test]
    fn each_answer_that_is_asked_for_counts() {
        let cases = [
            (json!({}), 1),
            (json!({"n": 0}), 1),
            (json!({"n": 3}), 3),
            (json!({"n": 2, "best_of": 5}), 5),
            (json!({"prompt": ["a", "b"], "n": 2}), 4),
            (json!({"prompt": [1, 2, 3]}), 1),
            (json!({"prompt": [[1], [2]]}), 2),
        ];
        for (value, answers) in cases {
            assert_eq!(read_value(&value).unwrap().answers, answers, "{value}");
        }
    }
}
