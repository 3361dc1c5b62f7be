//! What providers say when they refuse, in their words, and what is made of it.

use proptest::prelude::*;

use super::*;

fn read(body: &str) -> Complaint {
    read_complaint(body.as_bytes())
}

/// A complaint as (message, type, code, param), absent ones as "".
fn parts(body: &str) -> (String, String, String, String) {
    let Complaint { message, kind, code, param, .. } = read(body);
    (message, kind.unwrap_or_default(), code.unwrap_or_default(), param.unwrap_or_default())
}

fn expect(body: &str, message: &str, kind: &str, code: &str, param: &str) {
    assert_eq!(parts(body), (message.to_owned(), kind.to_owned(), code.to_owned(), param.to_owned()), "{body}");
}

fn of(message: &str) -> Complaint {
    Complaint { message: message.to_owned(), ..Complaint::default() }
}

fn named(code: &str) -> Complaint {
    Complaint { code: Some(code.to_owned()), ..Complaint::default() }
}

fn parameter(name: &str) -> Option<About> {
    Some(About::Parameter(name.to_owned()))
}

#[test]
fn the_shapes_of_errors_are_read() {
    expect(
        r#"{"error":{"message":"No such thing","type":"invalid_request_error","param":"user","code":"bad"}}"#,
        "No such thing",
        "invalid_request_error",
        "bad",
        "user",
    );
    // Anthropic, whose outer type is always `error`.
    expect(
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}"#,
        "Overloaded",
        "overloaded_error",
        "",
        "",
    );
    // vLLM, older and newer, with numbers for codes.
    let older = r#"{"object":"error","message":"Bad","type":"BadRequestError","param":null,"code":400}"#;
    expect(older, "Bad", "BadRequestError", "400", "");
    expect(&format!(r#"{{"error":{older}}}"#), "Bad", "BadRequestError", "400", "");
    // Google sends a list of one.
    expect(
        r#"[{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT"}}]"#,
        "API key not valid.",
        "INVALID_ARGUMENT",
        "400",
        "",
    );
    // The data of an event of responses, and the error inside a failed response.
    expect(
        r#"{"type":"error","code":"server_error","message":"Broken","param":null,"sequence_number":3}"#,
        "Broken",
        "",
        "server_error",
        "",
    );
    expect(r#"{"code":"rate_limit_exceeded","message":"Slow down"}"#, "Slow down", "", "rate_limit_exceeded", "");
    // Azure's filter gives its own code inside.
    expect(
        r#"{"error":{"message":"Filtered","type":null,"param":"prompt","code":"400","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{}}}}"#,
        "Filtered",
        "",
        "ResponsibleAIPolicyViolation",
        "prompt",
    );
}

#[test]
fn errors_that_are_texts_are_read() {
    expect(r#"{"error":"model not loaded"}"#, "model not loaded", "", "", "");
    expect(r#"{"error":"invalid_key","message":"The key is wrong"}"#, "The key is wrong", "", "invalid_key", "");
    expect(r#"{"error":"Bad Request","message":"The key is wrong"}"#, "The key is wrong", "", "", "");
    expect(r#"{"detail":"Not authenticated"}"#, "Not authenticated", "", "", "");
    expect(r#""just a text""#, "just a text", "", "", "");
    expect(r#"{"message":"half a pair \ud83d"}"#, r"half a pair \ud83d", "", "", "");
}

#[test]
fn what_pydantic_refuses_has_a_place() {
    let detail = |loc: &str| {
        format!(
            r#"{{"detail":[{{"type":"extra_forbidden","loc":{loc},"msg":"Extra inputs are not permitted","input":1}}]}}"#
        )
    };
    let (said, kind) = ("Extra inputs are not permitted", "extra_forbidden");
    expect(&detail(r#"["body","store"]"#), said, kind, "", "store");
    expect(&detail(r#"["body","messages",0,"user","name"]"#), said, kind, "", "messages[0].user.name");
    expect(&detail(r#"["body"]"#), said, kind, "", "");
    expect(&detail("7"), said, kind, "", "");
    assert_eq!(read(&detail(r#"["body","store"]"#)).about(), parameter("store"));
    assert_eq!(read(&detail(r#"["body","a thing"]"#)).about(), None);
}

#[test]
fn what_is_no_json_is_quoted() {
    expect("upstream connect error or\n disconnect\t", "upstream connect error or disconnect", "", "", "");
    expect("", "", "", "", "");
    expect(
        "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><h1>nginx</h1></body></html>",
        "502 Bad Gateway",
        "",
        "",
        "",
    );
    expect("<h1>Sorry</h1><p>come back</p>", "Sorry come back", "", "", "");
    assert_eq!(read_complaint(b"caf\xe9").message, "caf\u{fffd}");
}

#[test]
fn what_was_cut_is_read_as_far_as_it_goes() {
    expect(r#"{"error":{"message":"Too many","type":"requests","par"#, "Too many", "requests", "", "");
    expect(r#"{"message":"Too many","stack":"aaaa"#, "Too many", "", "", "");
}

#[test]
fn everything_kept_is_short_and_on_one_line() {
    let long = "wörter ".repeat(9000);
    for body in [long.clone(), format!(r#"{{"error":{{"message":"{long}","code":"{long}","type":"{long}"}}}}"#)] {
        let complaint = read(&body);
        assert!(complaint.message.len() <= LONGEST_MESSAGE && complaint.message.ends_with('…'));
        assert!(complaint.code.is_none_or(|code| code.len() <= LONGEST_NAME));
        assert!(complaint.kind.is_none_or(|kind| kind.len() <= LONGEST_NAME));
    }
    assert_eq!(read(r#"{"error":{"message":"a\r\n\u0000b"}}"#).message, "a b");
    let deep = format!("{}1{}", r#"{"error":"#.repeat(5000), "}".repeat(5000));
    assert!(read(&deep).message.len() <= LONGEST_MESSAGE);
}

#[test]
fn an_empty_account_is_told_from_a_limit_of_rate() {
    for code in ["insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "insufficient_balance"] {
        assert!(named(code).is_quota(), "{code}");
    }
    assert!(read(r#"{"type":"error","error":{"type":"billing_error","message":"Pay"}}"#).is_quota());
    for message in [
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.",
        "You exceeded your current quota, please check your plan and billing details.",
        "Insufficient Balance",
        "Payment Required",
        "You have reached your specified API usage limits. You will regain access on 2026-01-01 at 00:00 UTC.",
        "This request requires more credits, or fewer max_tokens.",
    ] {
        assert!(of(message).is_quota(), "{message}");
    }
    for message in [
        "Rate limit reached for gpt-5 in organization org-x on tokens per min",
        "Number of requests has exceeded your rate limit",
    ] {
        assert!(!of(message).is_quota(), "{message}");
    }
    assert!(!named("rate_limit_exceeded").is_quota());
    // Gemini has the same words for the limit of a minute, and says how long it lasts.
    let gemini = r#"[{"error":{"code":429,"message":"You exceeded your current quota, please check your plan and billing details.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"26s"}]}}]"#;
    assert_eq!((read(gemini).is_quota(), read(gemini).asked_wait()), (false, Some(26_000)));
    assert!(of("You exceeded your current quota. Please retry in 20 hours.").is_quota());
    let oversized =
        "Request too large for gpt-4o in organization org-1 on tokens per min (TPM): Limit 30000, Requested 40000.";
    assert!(of(oversized).is_oversized() && !of("Rate limit reached for gpt-4o").is_oversized());
}

#[test]
fn a_filter_is_told_from_other_talk_of_content() {
    for code in ["content_filter", "content_policy_violation", "moderation_blocked", "ResponsibleAIPolicyViolation"] {
        assert!(named(code).is_content_filter(), "{code}");
    }
    for message in [
        "Content Exists Risk",
        "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
        "Output blocked by content filtering policy",
        "Your request was rejected as a result of our safety system.",
        "Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
    ] {
        assert!(of(message).is_content_filter(), "{message}");
    }
    for message in [
        "Invalid value for 'content': expected a string, got null.",
        "messages.0.content: Field required",
        "Missing content-type",
        "The content of the policy file could not be read",
    ] {
        assert!(!of(message).is_content_filter(), "{message}");
    }
}

#[test]
fn a_parameter_is_named_by_its_field_or_in_known_words() {
    let given = read(r#"{"error":{"message":"Unsupported","type":"x","param":"messages[0].content","code":"y"}}"#);
    assert_eq!(given.about(), parameter("messages[0].content"));
    for (message, name) in [
        (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'.",
            "max_tokens",
        ),
        ("Unsupported value: 'temperature' does not support 0.2 with this model.", "temperature"),
        ("Unknown parameter: 'response_format.strict'.", "response_format.strict"),
        ("Unrecognized request argument supplied: prompt_cache_key", "prompt_cache_key"),
        ("Unrecognized request arguments supplied: store, user", "store"),
        ("Invalid JSON payload received. Unknown name \"store\": Cannot find field.", "store"),
        ("property 'prompt_cache_key' is unsupported, did you mean 'prompt'?", "prompt_cache_key"),
        ("metadata.user: Extra inputs are not permitted", "metadata.user"),
        ("Additional properties are not allowed ('reasoning' was unexpected)", "reasoning"),
        ("[{'type': 'extra_forbidden', 'loc': ('body', 'store'), 'msg': 'Extra inputs are not permitted'}]", "store"),
        ("unknown field `stream_options`, expected one of `model`", "stream_options"),
        ("`temperature` is deprecated for this model.", "temperature"),
        ("top_logprobs is not supported", "top_logprobs"),
    ] {
        assert_eq!(of(message).about(), parameter(name), "{message}");
    }
}

#[test]
fn what_does_not_look_like_a_parameter_is_none() {
    for message in [
        "Unsupported parameter: ",
        "Unknown parameter: '<script>'",
        "this feature is not supported",
        "Something went wrong",
        "Streaming is not supported for it",
    ] {
        assert_eq!(of(message).about(), None, "{message}");
    }
    let long = "x".repeat(65);
    assert_eq!(of(&format!("Unknown parameter: '{long}'")).about(), None);
    for param in ["a b", "ä", "", "a/b"] {
        assert_eq!(Complaint { param: Some(param.to_owned()), ..of("No") }.about(), None, "{param}");
    }
}

#[test]
fn a_model_is_told_by_code_parameter_or_words() {
    assert_eq!(named("model_not_found").about(), Some(About::Model));
    assert_eq!(Complaint { param: Some("model".to_owned()), ..of("No") }.about(), Some(About::Model));
    for message in [
        "The model `gpt-9` does not exist or you do not have access to it.",
        "model 'llama4' not found, try pulling it first",
        "Model Not Exist",
        "The requested model 'gpt-9' is not supported.",
        "The model `llama2-70b` has been decommissioned.",
        "meta/nothing is not a valid model ID",
    ] {
        assert_eq!(of(message).about(), Some(About::Model), "{message}");
    }
    let anthropic = r#"{"type":"error","error":{"type":"not_found_error","message":"model: claude-0"}}"#;
    assert_eq!(read(anthropic).about(), Some(About::Model));
    assert_eq!(of("Not Found").about(), None);
}

#[test]
fn length_is_told_even_where_a_parameter_is_named() {
    let openai = r#"{"error":{"message":"Too long.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#;
    assert_eq!(read(openai).about(), Some(About::ContextLength));
    let vllm = "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.";
    assert_eq!(Complaint { param: Some("input_tokens".to_owned()), ..of(vllm) }.about(), Some(About::ContextLength));
    assert_eq!(of("prompt is too long: 210000 tokens > 200000 maximum").about(), Some(About::ContextLength));
}

proptest! {
    #[test]
    fn nothing_makes_it_fail(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let complaint = read_complaint(&body);
        let _ = (complaint.is_quota(), complaint.is_content_filter(), complaint.about());
        prop_assert!(complaint.message.len() <= LONGEST_MESSAGE);
    }

    #[test]
    fn no_words_make_it_fail(words in prop::collection::vec(prop::sample::select(vec![
        "model", "'", "`", " ", ":", "unsupported parameter:", " is not supported", ": extra inputs are not permitted",
        " was unexpected", "ü", "İ", "…", "x_y", "does not exist", "unknown name", "\"", ".",
    ]), 0..12)) {
        let message = words.concat();
        if let Some(About::Parameter(name)) = of(&message).about() {
            prop_assert!(message.contains(&name) && !name.is_empty() && name.is_ascii());
        }
    }
}

#[test]
fn what_a_provider_does_not_keep_is_told_from_a_model_that_it_does_not_have() {
    for (status, body, missing) in [
        (
            400,
            r#"{"error":{"message":"Previous response with id 'resp_1' not found.","type":"invalid_request_error","param":"previous_response_id","code":"previous_response_not_found"}}"#,
            true,
        ),
        (
            404,
            r#"{"error":{"message":"Response with id 'resp_1' not found.","type":"invalid_request_error","param":null,"code":null}}"#,
            true,
        ),
        (
            404,
            r#"{"error":{"message":"Conversation with id 'conv_1' not found.","type":"invalid_request_error","param":null,"code":null}}"#,
            true,
        ),
        (
            404,
            r#"{"error":{"message":"No such File object: file-1","type":"invalid_request_error","param":"id","code":null}}"#,
            true,
        ),
        (404, r#"{"error":{"message":"No response found with id 'resp_1'.","type":"invalid_request_error"}}"#, true),
        (400, r#"{"error":{"message":"No response found with id 'resp_1'.","type":"invalid_request_error"}}"#, true),
        (404, r#"{"error":{"message":"No thread found with id 'thread_1'.","type":"invalid_request_error"}}"#, true),
        (404, r#"{"type":"error","error":{"type":"not_found_error","message":"File not found: file_1"}}"#, true),
        (404, r#"{"detail":"Not Found"}"#, true),
        (404, "", true),
        (400, r#"{"error":{"message":"Container is expired.","type":"invalid_request_error","code":null}}"#, true),
        (
            404,
            r#"{"error":{"message":"The model `x` does not exist or you do not have access to it.","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#,
            false,
        ),
        (404, r#"{"type":"error","error":{"type":"not_found_error","message":"model: claude-9"}}"#, false),
        (
            400,
            r#"{"error":{"message":"Unsupported parameter: 'top_k'","type":"invalid_request_error","param":"top_k"}}"#,
            false,
        ),
        (400, r#"{"error":{"message":"model x not found","type":"invalid_request_error"}}"#, false),
        (429, r#"{"error":{"message":"not found"}}"#, false),
        (500, r#"{"error":{"message":"not found"}}"#, false),
    ] {
        assert_eq!(read(body).is_about_missing_state(status), missing, "{status} {body}");
    }
}
