//! What `serin flag` prints, and where no sidecar runs, what it makes of the file.

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: FlagArgs,
}

const FILE: &str = "providers: { a: { base_url: http://a.test }, b: { base_url: http://b.test } }\n\
    rollouts: [{ name: chat, stable: a, canary: b, percent: 31.29% }]\n\
    flags:\n  new-prompt: { follows: chat }\n\
    \x20 max-tokens: { variants: { low: 512, high: 4096 }, default: low, rules: [{ if: { attribute: age, \">\": 17 }, serve: high }] }\n";

/// The flags of the file above, with this in the state directory.
fn offline(in_force: Option<&str>) -> Offline {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("flags.yaml"), FILE).unwrap();
    if let Some(text) = in_force {
        std::fs::write(dir.path().join("in-force.json"), text).unwrap();
    }
    Offline::read(&dir.path().join("flags.yaml"), dir.path()).unwrap()
}

fn context(args: &[&str]) -> Attributes {
    Cli::try_parse_from([&["serin", "f"], args].concat()).unwrap().args.attributes()
}

#[test]
fn a_value_is_json_where_it_can_be_and_else_a_text() {
    let given =
        ["--user", "7", "--context", "age=18", "--context", "zip=01234", "--context", "q=\"5\"", "--context", "e="];
    let expected = json!({"targetingKey": "7", "age": 18, "zip": "01234", "q": "5", "e": ""});
    assert_eq!(Value::Object(context(&given)), expected);
    assert!(Cli::try_parse_from(["serin", "f", "--context", "=1"]).is_err());
    assert!(Cli::try_parse_from(["serin", "--user", "u"]).is_err(), "a user without a flag");
}

#[test]
fn without_a_sidecar_the_file_and_the_kept_share_decide() {
    // md5("user-123") falls into bucket 3128.
    let user = context(&["--user", "user-123"]);
    let pinned = offline(None);
    assert_eq!(pinned.shares(), ", with chat at 31.29%");
    let answer = pinned.evaluate("new-prompt", &user).unwrap();
    assert_eq!((&answer.value, answer.reason.as_str()), (&json!(true), "SPLIT"));
    let kept = offline(Some(r#"{"revision":7,"rollouts":{"chat":1000}}"#));
    assert_eq!(kept.shares(), ", with chat at 10%");
    assert_eq!(kept.evaluate("new-prompt", &user).unwrap().value, json!(false));
    let error = kept.evaluate("new-prompt", &context(&[])).unwrap_err().to_string();
    assert!(error.starts_with("the flag follows rollout `chat`") && error.ends_with("(--user ID)"), "{error}");
    let error = kept.evaluate("nothing", &user).unwrap_err().to_string();
    assert_eq!(error, "flags.yaml has no flag `nothing`; there are: max-tokens, new-prompt");
}

#[test]
fn the_answer_says_the_value_and_why() {
    let answer = offline(None).evaluate("max-tokens", &context(&["--context", "age=18"])).unwrap();
    assert_eq!(
        render(&answer, Style::PLAIN),
        "max-tokens  4096\n  variant    high\n  reason     TARGETING_MATCH\n  why        rule 1 holds\n"
    );
    let list = render_list(&FlagsReply::new(&offline(None).policy), Style::PLAIN);
    assert_eq!(
        list,
        "max-tokens  integer  1 rule, then `low` for all others\n\
         new-prompt  boolean  true for the users that `chat` sends to the canary\n"
    );
}
