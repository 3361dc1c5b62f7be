//! Each key by itself: accepted, refused, out of quota, limited; and what its account has left.

use super::*;
use crate::support::scripted::step::{head, sized};

const GOOD: &str = "sk-good-000000000aaaa";
const WRONG: &str = "sk-wrong-00000000bbbb";
const SPENT: &str = "sk-spent-00000000cccc";
const BUSY: &str = "sk-busy-000000000dddd";

fn by_key(seen: &Seen) -> Vec<Step> {
    match key_of(seen) {
        GOOD => by_path(seen, &["gpt-4o"]),
        SPENT => answer(429, r#"{"error":{"code":"insufficient_quota","message":"You exceeded your current quota"}}"#),
        BUSY => {
            let head = head(429, "content-type: application/json\r\nretry-after: 20\r\n");
            vec![Step::Write(sized(&head, b"{}"))]
        }
        key => answer(401, &format!(r#"{{"error":{{"code":"invalid_api_key","message":"Incorrect key {key}"}}}}"#)),
    }
}

#[test]
fn each_key_is_told_by_its_position_and_end_and_one_that_works_is_enough() {
    let provider = Scripted::start("corp", by_key);
    let keys = format!("api_keys: [\"{WRONG}\", {{ key: \"{SPENT}\", account: prod }}, \"{BUSY}\", \"{GOOD}\"]");
    let flags = alone(&provider.base_url(), &keys);
    let shown = Shown::of(&flags, &[]);
    assert_eq!(shown.code, Some(0), "{}", shown.text);
    for part in [
        "probe: corp: warning: key 1 (...bbbb) is refused (401, `invalid_api_key`): replace it",
        "probe: corp: warning: key 2 (...cccc) of account prod is out of quota (429)",
        "probe: corp: warning: key 3 (...dddd) is rate-limited now (429): the provider asks for 20s without requests",
        "probe: corp: key 4 (...aaaa) is accepted",
        "probe: corp: lists 1 model, in OpenAI's form",
    ] {
        shown.says(part);
    }
    for key in [GOOD, WRONG, SPENT, BUSY] {
        shown.is_silent_on(key);
    }
    let keys = &shown.provider("corp")["keys"];
    let states: Vec<&Value> = (0..4).map(|at| &keys[at]["state"]).collect();
    assert_eq!(states, ["refused", "out_of_quota", "rate_limited", "accepted"]);
    assert_eq!((&keys[1]["account"], &keys[1]["key"]["position"]), (&"prod".into(), &2.into()));
    let github = of_github(&flags);
    assert!(github.contains("::warning ") && github.contains("key 1 (...bbbb) is refused"), "{github}");
    assert!(!github.contains("::error ") && !github.contains("is accepted"), "{github}");
    was_asked_nothing_that_costs(&provider);
    // The one that wants to be left alone was asked once in each of the three runs: the probe went on from the refused
    // key to the spent one.
    let asked = provider.asked();
    let alone = asked.iter().filter(|seen| seen.method == "GET" && key_of(seen) == BUSY).count();
    assert_eq!(alone, 3, "{asked:?}");
}

#[test]
fn where_no_key_is_taken_it_fails() {
    let provider = Scripted::start("corp", by_key);
    let shown = Shown::of(&alone(&provider.base_url(), &format!("api_keys: [\"{WRONG}\", \"{SPENT}\"]")), &[]);
    assert_eq!(shown.code, Some(1), "{}", shown.text);
    shown.says("probe: corp FAILS: key 1 (...bbbb) is refused");
    shown.says("probe: corp FAILS: key 2 (...cccc) is out of quota");
    let github = of_github(&alone(&provider.base_url(), &format!("api_keys: [\"{WRONG}\"]")));
    assert!(github.contains("::error ") && github.contains("key 1 (...bbbb) is refused"), "{github}");
}

fn of_github(flags: &str) -> String {
    let workspace = Workspace::new(flags);
    let file = workspace.flags().display().to_string();
    spoken(&workspace.run(&["check", "--probe", "--format", "github", &file]))
}

#[test]
fn a_list_for_everybody_proves_no_key_and_the_account_may() {
    let open = Scripted::start("corp", |seen| by_path(seen, &["gpt-4o"]));
    let shown = Shown::of(&alone(&open.base_url(), &format!("api_keys: [\"{WRONG}\"]")), &[]);
    assert_eq!(shown.code, Some(0), "{}", shown.text);
    shown.says("key 1 (...bbbb) is not proven: the same is answered without a key");

    // As OpenRouter: the list is for everybody, and the account's page is not.
    let open = Scripted::start("corp", |seen| match (seen.path.as_str(), key_of(seen)) {
        ("/v1/models", _) => answer(200, r#"{"data":[{"id":"a/b","canonical_slug":"a/b"}]}"#),
        ("/v1/key", GOOD) => answer(200, r#"{"data":{"limit":10,"limit_remaining":2.5,"usage":7.5}}"#),
        ("/v1/key", _) => answer(401, r#"{"error":{"message":"No auth","code":401}}"#),
        _ => answer(400, "{}"),
    });
    let shown = Shown::of(&alone(&open.base_url(), &format!("api_keys: [\"{WRONG}\", \"{GOOD}\"]")), &[]);
    shown.says("warning: key 1 (...bbbb) is refused (401)");
    shown.says("key 2 (...aaaa) is accepted");
    shown.says("balance of key 2 (...aaaa): 2.50 USD left");
    was_asked_nothing_that_costs(&open);
}

#[test]
fn limits_and_balance_are_told_where_the_provider_tells_them() {
    let deepseek = |usable: bool| {
        Scripted::start("corp", move |seen| match seen.path.as_str() {
            _ if key_of(seen).is_empty() => answer(401, "{}"),
            "/v1/models" => {
                let body =
                    r#"{"object":"list","data":[{"id":"deepseek-chat","object":"model","owned_by":"deepseek"}]}"#;
                let limits = "x-ratelimit-limit-requests: 500\r\nx-ratelimit-remaining-requests: 499\r\n\
                              x-ratelimit-reset-requests: 120ms\r\n";
                vec![Step::Write(sized(&head(200, limits), body.as_bytes()))]
            }
            "/user/balance" => answer(
                200,
                &format!(
                    r#"{{"is_available":{usable},"balance_infos":[{{"currency":"CNY","total_balance":"110.00"}}]}}"#
                ),
            ),
            _ => answer(400, "{}"),
        })
    };
    let rich = deepseek(true);
    let flags = |provider: &Scripted| alone(&provider.base_url(), &format!("api_keys: [\"{GOOD}\"]"));
    let shown = Shown::of(&flags(&rich), &[]);
    assert_eq!(shown.code, Some(0), "{}", shown.text);
    shown.says("limits of key 1 (...aaaa): 499 of 500 requests left (all in 120ms)");
    shown.says("balance of key 1 (...aaaa): 110.00 CNY left");
    was_asked_nothing_that_costs(&rich);
    let shown = Shown::of(&flags(&deepseek(false)), &[]);
    assert_eq!(shown.code, Some(1), "{}", shown.text);
    shown.says(
        "probe: corp FAILS: balance of key 1 (...aaaa): 110.00 CNY left, and the provider says that it answers no",
    );
    // Nobody else is asked for a balance.
    let other = listing(&["gpt-4o"]);
    let shown = Shown::of(&flags(&other), &[]);
    assert_eq!(shown.provider("corp")["keys"][0]["balance"]["balance"], "not_told");
    assert!(other.asked().iter().all(|seen| !seen.path.contains("balance") && !seen.path.ends_with("/key")));
}

#[test]
fn the_times_are_medians_of_three() {
    let provider = listing(&["gpt-4o"]);
    let shown = Shown::of(&alone(&provider.base_url(), &format!("api_keys: [\"{GOOD}\"]")), &[]);
    let latency = &shown.provider("corp")["latency"];
    assert_eq!((&latency["attempts"], &latency["tls_ms"]), (&3.into(), &Value::Null));
    assert!(latency["connect_ms"].is_f64() && latency["head_ms"].is_f64(), "{latency}");
    shown.says(" (medians of 3)");
}
