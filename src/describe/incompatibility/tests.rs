//! The advice, letter for letter.

use super::*;

fn ruled(finding: Incompatibility) -> String {
    rule(&finding.bounded(), "holysheep", "chat").unwrap()
}

fn parameter(name: &str) -> String {
    ruled(Incompatibility::Parameter(name.to_owned()))
}

#[test]
fn a_parameter_is_dropped_renamed_or_bounded() {
    assert_eq!(parameter("prompt_cache_key"), "providers.holysheep.drop_fields: [prompt_cache_key]");
    assert_eq!(
        parameter("stream_options.include_usage"),
        "providers.holysheep.drop_fields: [stream_options.include_usage]"
    );
    assert_eq!(
        parameter("max_tokens"),
        "providers.holysheep.rename_fields: { max_tokens: max_completion_tokens }; or, if the number is too large, \
         providers.holysheep.max_fields: { max_tokens: N }"
    );
    assert_eq!(
        parameter("max_completion_tokens"),
        "providers.holysheep.rename_fields: { max_completion_tokens: max_tokens }; or, if the number is too large, \
         providers.holysheep.max_fields: { max_completion_tokens: N }"
    );
    assert_eq!(parameter("max_output_tokens"), "providers.holysheep.max_fields: { max_output_tokens: N }");
    assert_eq!(parameter("model"), "providers.holysheep.models: { THE_MODEL: ITS_NAME_THERE }");
}

#[test]
fn what_no_rule_takes_out_stays_on_stable() {
    let names = ["messages", "messages[0].content", "tools.0.function.strict", ""];
    let refused = names.map(|name| Incompatibility::Parameter(name.to_owned()));
    for finding in refused.into_iter().chain([Incompatibility::Other { status: 422, code: "odd".to_owned() }]) {
        assert_eq!(rule(&finding, "holysheep", "chat"), None, "{finding:?}");
        let nothing = "no rule fixes this; keep such requests on stable with rollouts[chat].match";
        assert_eq!(advice(&finding, "holysheep", "chat"), nothing);
    }
    let finding = Incompatibility::Parameter("top_k".to_owned());
    assert_eq!(advice(&finding, "holysheep", "chat"), "write providers.holysheep.drop_fields: [top_k]");
}

#[test]
fn models_endpoints_and_lengths_have_their_rules() {
    assert_eq!(ruled(Incompatibility::Model("gpt-4".into())), "providers.holysheep.models: { gpt-4: ITS_NAME_THERE }");
    assert_eq!(
        ruled(Incompatibility::Endpoint("/embeddings".into())),
        "rollouts[chat].match.endpoints: all but embeddings, which then stays on stable"
    );
    assert!(ruled(Incompatibility::ContextLength).starts_with("rollouts[chat].match.model: only models whose context"));
}

#[test]
fn names_that_yaml_reads_in_its_own_way_are_quoted() {
    let names = ["llama3:8b", "on", "9b", "a\"b\\c", "", "a, b", "deepseek/chat", "#x"];
    let keys = names.map(scalar);
    assert_eq!(
        keys,
        ["\"llama3:8b\"", "\"on\"", "\"9b\"", "\"a\\\"b\\\\c\"", "\"\"", "\"a, b\"", "deepseek/chat", "\"#x\""]
    );
}

#[test]
fn a_sentence_says_who_refused_what() {
    let sentence_of = |finding: Incompatibility| sentence(&finding, "holysheep", "openai");
    assert_eq!(
        sentence_of(Incompatibility::Parameter("prompt_cache_key".into())),
        "holysheep refused `prompt_cache_key`, which openai accepts"
    );
    assert_eq!(
        sentence_of(Incompatibility::Model("gpt-4".into())),
        "holysheep does not know the model `gpt-4`, which openai serves"
    );
    assert_eq!(
        sentence_of(Incompatibility::ContextLength),
        "holysheep refused a request as too long that openai accepts"
    );
    assert_eq!(
        sentence_of(Incompatibility::Endpoint("embeddings".into())),
        "holysheep has no `embeddings`, which openai serves"
    );
    let other = |code: &str| sentence_of(Incompatibility::Other { status: 422, code: code.into() });
    assert_eq!(other("odd"), "holysheep answered 422 `odd` to a request that openai accepts");
    assert_eq!(other(""), "holysheep answered 422 to a request that openai accepts");
}
