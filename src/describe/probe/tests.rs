//! What is said of each finding.

use super::*;
use crate::decide::event::KeyName;
use crate::decide::probe::list::{ListDialect, ListKind, ListReport};
use crate::decide::probe::model::{ModelReport, Presence};
use crate::decide::probe::wanted::WantedModel;
use crate::decide::timestamp::Timestamp;
use crate::decide::units::{Millis, UnixMillis};

fn key(state: KeyState) -> KeyReport {
    let key = Some(KeyName { position: 2, tail: "wxyz".to_owned() });
    KeyReport { key, account: Some("prod".to_owned()), state, limits: Vec::new(), balance: BalanceReport::NotTold }
}

#[test]
fn a_key_is_told_by_position_end_and_account() {
    for (state, words) in [
        (KeyState::Accepted, "is accepted"),
        (KeyState::Unproven, "is not proven: the same is answered without a key"),
        (
            KeyState::Refused { status: 401, code: Some("invalid_api_key".to_owned()) },
            "is refused (401, `invalid_api_key`): replace it, or check `providers.new.auth`",
        ),
        (
            KeyState::OutOfQuota { status: 429 },
            "is out of quota (429): pay for its account, or take it out of `providers.new.api_keys`",
        ),
        (
            KeyState::RateLimited { wait: Some(Millis(20_000)) },
            "is rate-limited now (429): the provider asks for 20s without requests",
        ),
        (KeyState::NotTold { why: "503".to_owned() }, "is neither accepted nor refused: 503"),
    ] {
        assert_eq!(sentence(&Finding::Key(&key(state)), "new"), format!("key 2 (...wxyz) of account prod {words}"));
    }
}

#[test]
fn limits_and_money_are_told_with_what_is_known_of_them() {
    let limit = |of, daily, limit, remaining, reset: Option<u64>| LimitReport {
        of,
        daily,
        limit,
        remaining,
        reset: reset.map(Millis),
    };
    let mut report = key(KeyState::Accepted);
    report.limits = vec![
        limit("requests", false, Some(10_000), Some(9_999), Some(6)),
        limit("tokens", false, Some(2_000_000), None, None),
        limit("requests", true, Some(1000), Some(0), Some(90_000)),
    ];
    assert_eq!(
        sentence(&Finding::Limits(&report), "new"),
        "limits of key 2 (...wxyz) of account prod: 9,999 of 10,000 requests left (all in 6ms), 2,000,000 tokens, 0 of \
         1,000 requests a day left (all in 1m 30s)"
    );
    let amount = |value| Money { value, currency: "CNY".to_owned() };
    for (balance, words) in [
        (BalanceReport::Left { amounts: vec![amount(110.0)], usable: Some(true) }, "110.00 CNY left"),
        (BalanceReport::Left { amounts: vec![amount(0.0)], usable: None }, "0.00 CNY left: requests will be refused"),
        (
            BalanceReport::Left { amounts: vec![amount(0.1)], usable: Some(false) },
            "0.10 CNY left, and the provider says that it answers no request",
        ),
        (BalanceReport::Used { amount: amount(7.5) }, "no limit, 7.50 CNY used"),
    ] {
        report.balance = balance;
        let said = sentence(&Finding::Balance(&report), "new");
        assert_eq!(said, format!("balance of key 2 (...wxyz) of account prod: {words}"));
    }
}

#[test]
fn a_model_that_is_not_there_is_told_with_the_line_to_write() {
    let said = |presence, model: &str, certain| {
        let wanted = WantedModel { model: model.to_owned(), written: "gpt-4o".to_owned(), certain };
        sentence(&Finding::Lacks(&ModelReport { wanted, presence }), "new")
    };
    assert_eq!(
        said(Presence::Absent { near: Some("deepseek-chat".to_owned()) }, "deepseek-caht", true),
        "does not know the model `deepseek-caht`, which `gpt-4o` is mapped to (it lists `deepseek-chat`): write \
         `providers.new.models: { \"gpt-4o\": \"deepseek-chat\" }`"
    );
    assert_eq!(
        said(Presence::Unlisted { near: None }, "gpt-4o", false),
        "does not list the model `gpt-4o`, which the canary's `models` name: write `providers.new.models: { \"gpt-4o\": \
         \"ITS_NAME_THERE\" }`"
    );
}

#[test]
fn a_list_and_what_is_none_are_told_with_the_remedy() {
    let said = |kind, base_url: Option<&str>| {
        let list = ListReport { path: "/models".to_owned(), kind, base_url: base_url.map(str::to_owned) };
        sentence(&Finding::List(&list), "new")
    };
    let told = |form, models, whole| ListKind::Told { form, models, whole };
    assert_eq!(said(told(ListDialect::OpenAi, 1, true), None), "lists 1 model, in OpenAI's form");
    assert_eq!(said(told(ListDialect::Other, 0, true), None), "lists no models, in a form of its own");
    assert_eq!(
        said(told(ListDialect::Anthropic, 20_000, false), None),
        "lists 20,000 models and more, which were not read, in Anthropic's form"
    );
    assert_eq!(
        said(ListKind::WebPage { status: 200 }, Some("https://x.test/v1")),
        "answers /models with a web page (200): a login, or a site; write `base_url: https://x.test/v1`, where there is \
         a list of models"
    );
    assert!(said(ListKind::Gateway { status: 502 }, None).contains("which a gateway in front of the API has written"));
    assert_eq!(said(ListKind::Absent { status: 404 }, None), "has no list of models at /models (404)");
}

#[test]
fn a_certificate_and_the_times_are_told_in_a_line() {
    let mut report = TlsReport {
        version: "1.3".to_owned(),
        subject: Some("api.example".to_owned()),
        issuer: Some("Example Trust".to_owned()),
        not_after: Some(Timestamp(UnixMillis(1_799_884_800_000))),
        days_left: Some(61),
    };
    let whole = "TLS 1.3, certificate of api.example issued by Example Trust, valid until 2027-01-14, for 61 days";
    assert_eq!(sentence(&Finding::Tls(&report), "new"), whole);
    report.days_left = Some(1);
    assert!(sentence(&Finding::Tls(&report), "new").ends_with("for 1 day: renew it, or ask the provider to"));
    let latency = Latency { attempts: 3, connect_ms: 12.5, tls_ms: Some(20.0), head_ms: None };
    assert_eq!(sentence(&Finding::Latency(&latency), "new"), "connects in 12.5 ms, TLS in 20 ms (medians of 3)");
}

#[test]
fn many_names_are_shortened() {
    let names: Vec<String> = (0..15).map(|n| format!("m{n}")).collect();
    assert!(listed(names.iter().map(String::as_str)).ends_with("`m11` and 3 more"));
}
