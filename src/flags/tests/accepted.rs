//! What good files mean.

use std::collections::BTreeMap;

use crate::decide::policy::{
    Anonymous, Answers, Auth, Backoff, BreakerRule, Canary, Counting, DoneMarker, Fallback, FeedbackRule, FieldRules,
    First, Guard, Http2, Intent, OnExcess, OnRegression, PathPart, PathTemplate, Policy, Retry, Role, SlowRule,
    StreamMode, Unmapped, Unmatched, UserSource,
};
use crate::decide::units::{Arm, Millis, Percent, ProviderId};
use crate::decide::unusable_stable::unusable_stables;
use crate::flags::compile::{Compiled, compile};
use crate::flags::{Environment, render};

fn environment() -> Environment {
    let variables = [("ONE", "key-one"), ("TWO", " key-two \n"), ("PORT", "9000"), ("WORKERS", "3"), ("EMPTY", "")];
    Environment::of(variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
}

fn compiled(text: &str) -> Compiled {
    compile(text, &environment()).unwrap_or_else(|errors| panic!("{}", render(&errors, "flags.yaml")))
}

fn policy(text: &str) -> std::sync::Arc<Policy> {
    compiled(text).policy
}

const TWO: &str = "providers: { a: { base_url: http://localhost }, b: { base_url: http://localhost:1 } }\n";

fn stages(ramp: &str) -> Vec<String> {
    let text = format!("{TWO}rollouts: [{{ name: r, stable: a, canary: b, percent: auto, ramp: {ramp} }}]\n");
    policy(&text).rollouts[0].canary.as_ref().unwrap().ramp.stages.iter().map(ToString::to_string).collect()
}

#[test]
fn a_ramp_climbs_by_steps_to_its_top() {
    assert_eq!(stages("{}"), ["10%", "25%", "40%", "55%", "70%", "85%", "100%"]);
    assert_eq!(stages("{ start: 20%, step: 50% }"), ["20%", "70%", "100%"]);
    assert_eq!(stages("{ max: 50% }"), ["10%", "25%", "40%", "50%"]);
    assert_eq!(stages("{ max: 5% }"), ["5%"]);
    assert_eq!(stages("{ steps: [1%, 5, 25%, 100%] }"), ["1%", "5%", "25%", "100%"]);
    assert_eq!(stages("{ start: 1%, steps: [5%, 100%] }"), ["1%", "5%", "100%"]);
    assert_eq!(stages("{ start: 1%, steps: [1%, 100%] }"), ["1%", "100%"]);
}

#[test]
fn references_stand_anywhere() {
    let policy = policy(
        "listen: 127.0.0.1:${PORT}\nworkers: ${WORKERS}\n\
         providers: { a: { base_url: 'http://localhost:${PORT}/v1', api_keys: ['${ONE}', '${TWO}'] } }\n",
    );
    assert_eq!(policy.fixed.listen.port(), 9000);
    assert_eq!(policy.fixed.workers, Some(3));
    assert_eq!(policy.providers[0].base_url.to_string(), "http://localhost:9000/v1");
    let keys: Vec<&str> = policy.providers[0].api_keys.iter().map(|key| key.reveal()).collect();
    assert_eq!(keys, ["key-one", "key-two"]);
    assert!(policy.providers[0].unusable.is_none());
}

#[test]
fn an_unset_key_makes_a_provider_unusable_and_is_no_error() {
    let unset = compiled("providers: { a: { base_url: http://localhost, api_keys: ['${NOWHERE}', '${EMPTY}'] } }\n");
    assert_eq!(unset.policy.providers[0].unusable.as_deref(), Some("the variable NOWHERE is not set"));
    assert_eq!(
        unset.warnings,
        [
            "line 1: providers.a.api_keys[0]: the variable NOWHERE is not set: the provider cannot be used",
            "line 1: providers.a.api_keys[1]: the variable EMPTY is empty: the provider cannot be used",
        ]
    );
    let one = compiled("providers: { a: { base_url: http://localhost, api_keys: ['${NOWHERE}', '${ONE}'] } }\n");
    assert_eq!(one.policy.providers[0].unusable, None);
    assert_eq!(
        one.warnings,
        ["line 1: providers.a.api_keys[0]: the variable NOWHERE is not set: the other keys are used"]
    );
    let header =
        compiled("providers: { a: { base_url: http://localhost, set_headers: { x-api-key: '${NOWHERE}' } } }\n");
    assert!(header.policy.providers[0].unusable.is_some());
}

#[test]
fn a_key_file_gives_one_key_a_line_and_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys");
    std::fs::write(&file, "\n one \r\ntwo\n\n").unwrap();
    let text =
        format!("providers: {{ a: {{ base_url: http://localhost, api_keys: '${{file:{}}}' }} }}\n", file.display());
    let compiled = compiled(&text);
    let keys: Vec<&str> = compiled.policy.providers[0].api_keys.iter().map(|key| key.reveal()).collect();
    assert_eq!(keys, ["one", "two"]);
    assert_eq!(compiled.secret_files, [file]);
}

#[test]
fn a_literal_secret_is_a_warning_and_is_never_shown() {
    let text = "admin: { tokens: [{ name: ops, token: s3cr3t-token, may: read }] }\n\
                providers:\n  a:\n    base_url: http://localhost\n    api_keys: [sk-live-0123456789, 'quoted s3cr3t']\n    \
                query: { key: s3cr3t-query, sig: s3cr3t }\n    \
                set_headers: { authorization: Basic s3cr3t-basic, x-title: shop }\n\
                rollouts: [{ name: r, stable: a }]\nproxy: http://me:s3cr3t@proxy:1\n# sk-live-in-a-comment\n";
    let compiled = compiled(text);
    assert!(!compiled.shown.contains("s3cr3t-") && !compiled.shown.contains("sk-live"), "{}", compiled.shown);
    assert!(compiled.shown.contains("api_keys: [(secret), (secret)]"));
    assert!(compiled.shown.contains("sig: (secret)") && compiled.shown.contains("x-title: (secret)"));
    assert_eq!(compiled.warnings.len(), 7, "{:?}", compiled.warnings);
    let provider = &compiled.policy.providers[0];
    assert_eq!(provider.query[1].1.reveal(), "s3cr3t");
    let sentence = format!("{:?} {:?}", compiled.warnings, compiled.policy);
    assert!(!sentence.contains("s3cr3t") && !sentence.contains("sk-live"), "{sentence}");
    assert_eq!(compiled.policy.tokens[0].may.iter().collect::<Vec<_>>(), [&Role::Read]);
}

#[test]
fn a_text_beside_a_reference_is_never_shown_unless_it_names_a_scheme() {
    for value in ["zq7${ONE}", "${ONE}zq7", "${ONE}zq7${TWO}", "zq7 ${ONE}", "Bearer zq7 ${ONE}", "Bearerzq7${ONE}"] {
        let places = [
            format!("api_keys: ['{value}']"),
            format!("query: {{ sig: '{value}' }}"),
            format!("query: {{ key: '{value}' }}"),
            format!("set_headers: {{ x-team: '{value}' }}"),
            format!("set_headers: {{ authorization: '{value}' }}"),
        ];
        for place in places {
            let compiled = compiled(&format!("providers: {{ a: {{ base_url: http://localhost, {place} }} }}\n"));
            let sentence = format!("{} {:?}", compiled.shown, compiled.warnings);
            assert!(!sentence.contains("zq7") && sentence.contains("(secret)"), "{value}: {sentence}");
            // The same line beside an error.
            let text = format!("providers: {{ a: {{ base_url: nowhere, {place} }} }}\n");
            let message = render(&compile(&text, &environment()).unwrap_err(), "flags.yaml");
            assert!(!message.contains("zq7") && message.contains("base_url: nowhere"), "{value}: {message}");
        }
        let text =
            format!("clients: [{{ name: c, key: '{value}' }}]\nproviders: {{ a: {{ base_url: http://localhost }} }}");
        assert!(!compiled(&text).shown.contains("zq7"), "{value}");
    }
    for plain in ["${ONE}", "Bearer ${ONE}", "basic ${ONE}", "Token ${ONE}", " ${ONE} ", "${ONE} ${TWO}"] {
        let text = format!(
            "providers: {{ a: {{ base_url: http://localhost, set_headers: {{ authorization: '{plain}' }} }} }}"
        );
        let compiled = compiled(&text);
        assert!(compiled.shown.contains(plain) && compiled.warnings.is_empty(), "{plain}: {compiled:?}");
    }
}

#[test]
fn a_secret_of_several_lines_is_in_no_excerpt() {
    let values = [
        "|\n        zq7: x\n        zq7\n",
        "|-\n        zq7\n",
        ">\n        zq7: x\n\n        zq7\n",
        "\"zq7\n        zq7: x\n        zq7\"\n",
        "'zq7\n   zq7: x\n   zq7'\n",
        "zq7\n        zq7\n",
    ];
    for value in values {
        for place in
            ["api_keys: ", "set_headers:\n      x-team: ", "set_headers:\n      x-key: ", "query:\n      sig: "]
        {
            let first = format!("providers:\n  old:\n    base_url: http://localhost\n    {place}{value}");
            // The secret stands above the line in question, in it, and below it.
            let unusable = format!(
                "{first}  new: {{ base_url: http://localhost, api_keys: '${{NOWHERE}}', query: {{ a: zq7 }} }}\n"
            );
            let unusable = format!("{unusable}unmatched: new\n");
            if let Ok(compiled) = compile(&unusable, &environment()) {
                assert!(!compiled.shown.contains("zq7"), "{}", compiled.shown);
                let unserved = unusable_stables(&compiled.policy, |_| false);
                let error = unserved.iter().find(|found| found.provider == "new").map(|found| compiled.error_of(found));
                let message = render(&[error.unwrap()], "flags.yaml");
                assert!(
                    !message.contains("zq7") && message.contains("| ") && message.contains("new: { base_url"),
                    "{message}"
                );
            }
            for wrong in ["  new: { base_url: nowhere }\n", "  : x: [\n", "  new: { qery: { a: b } }\n", "\tx\n"] {
                let text = format!("{first}{wrong}");
                let message = render(&compile(&text, &environment()).unwrap_err(), "flags.yaml");
                assert!(!message.contains("zq7"), "{text}\n{message}");
            }
            for end in 0..first.len() {
                let Err(errors) = compile(&first[..end], &environment()) else { continue };
                let message = render(&errors, "flags.yaml");
                assert!(!message.contains("zq7"), "{}\n{message}", &first[..end]);
            }
        }
    }
}

#[test]
fn well_known_hosts_bring_their_own_way_of_presenting_a_key() {
    for (host, auth) in [
        ("api.openai.com", Auth::Bearer),
        ("api.anthropic.com", Auth::Header("x-api-key".to_owned())),
        ("shop.openai.azure.com", Auth::Header("api-key".to_owned())),
        ("generativelanguage.googleapis.com", Auth::Header("x-goog-api-key".to_owned())),
        ("llm.internal", Auth::Bearer),
    ] {
        assert_eq!(policy(&format!("providers: {{ a: {{ base_url: https://{host}/v1 }} }}")).providers[0].auth, auth);
    }
    let given = policy("providers: { a: { base_url: https://api.anthropic.com/v1, auth: 'query:key' } }");
    assert_eq!(given.providers[0].auth, Auth::Query("key".to_owned()));
}

#[test]
fn a_rollout_reads_as_it_is_written() {
    let policy = policy(&format!(
        "{TWO}unmatched: reject\nmount: /api/\nresponse_headers: false\ndrain: 30s\nrollouts:\n  - name: r\n    stable: a\n    canary: b\n    percent: 12.5%\n    \
         match: {{ endpoints: [/responses], model: 'gpt-*', header: {{ X-Team: 'search-*' }} }}\n    \
         user: cookie:uid\n    anonymous: random\n    salt: 2026\n    exclude: [7, user-2]\n    pin_users: [user-1]\n    \
         force: {{ header: X-Canary, token: '${{ONE}}' }}\n    rollback_to: 1%\n    try_again_after: 6h\n    attempt: 3\n"
    ));
    let rollout = &policy.rollouts[0];
    let canary = rollout.canary.as_ref().unwrap();
    assert_eq!(policy.unmatched, Unmatched::Reject);
    assert_eq!((policy.mount.as_str(), policy.response_headers, policy.drain), ("/api", false, Millis(30_000)));
    assert_eq!(canary.percent, Intent::Pinned(Percent::from_hundredths(1250).unwrap()));
    assert_eq!(rollout.matches.endpoints, ["responses"]);
    assert_eq!(rollout.matches.headers["x-team"].0, "search-*");
    assert_eq!(rollout.user, [UserSource::Cookie("uid".to_owned())]);
    assert_eq!((rollout.anonymous, rollout.salt.as_str()), (Anonymous::Random, "2026"));
    let pins = BTreeMap::from([("7", Arm::Stable), ("user-2", Arm::Stable), ("user-1", Arm::Canary)]);
    assert_eq!(rollout.pins.iter().map(|(id, arm)| (id.as_str(), *arm)).collect::<BTreeMap<_, _>>(), pins);
    assert_eq!(rollout.force.as_ref().unwrap().header, "x-canary");
    assert_eq!((canary.try_again_after, canary.attempt), (Some(Millis(21_600_000)), 3));
}

#[test]
fn the_rules_for_a_provider_s_bodies_read_as_they_are_written() {
    let policy = policy(
        "providers:\n  a:\n    base_url: http://localhost\n    drop_fields: [logit_bias, metadata.trace]\n    \
         rename_fields: { max_tokens: max_completion_tokens, metadata.user: id }\n    set_fields:\n      \
         temperature: 0.10\n      stream_options.include_usage: true\n      stop: [\"1\", x y, -2e3]\n      \
         metadata.team: { \"a\\\"b\": 'true', c: [] , d: {} }\n    \
         max_fields: { max_completion_tokens: 8192, top_p: '${SHARE}' }\n    \
         path: /openai/deployments/{model}/x/{rest}\n    done_marker: required\n    max_connection_age: never\n    \
         breaker: { failures: 3 }\n  b: { base_url: http://localhost, breaker: off, drop_fields: n }\nunmatched: a\n"
            .replace("${SHARE}", "${WORKERS}")
            .as_str(),
    );
    let provider = &policy.providers[0];
    let path = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
    let rules = FieldRules {
        rename: vec![
            (path("max_tokens"), "max_completion_tokens".to_owned()),
            (path("metadata.user"), "id".to_owned()),
        ],
        drop: vec![path("logit_bias"), path("metadata.trace")],
        set: vec![
            (path("temperature"), "0.10".to_owned()),
            (path("stream_options.include_usage"), "true".to_owned()),
            (path("stop"), r#"["1","x y",-2e3]"#.to_owned()),
            (path("metadata.team"), r#"{"a\"b":"true","c":[],"d":{}}"#.to_owned()),
        ],
        max: vec![(path("max_completion_tokens"), 8192.0), (path("top_p"), 3.0)],
    };
    assert_eq!(provider.fields, rules);
    let text = |text: &str| PathPart::Text(text.to_owned());
    let template = vec![text("/openai/deployments/"), PathPart::Model, text("/x/"), PathPart::Rest];
    assert_eq!(provider.path, Some(PathTemplate(template)));
    assert_eq!(provider.done_marker, DoneMarker::Required);
    assert_eq!(provider.max_connection_age, None);
    assert_eq!(provider.breaker, Some(BreakerRule { failures: 3, open_for: Millis(15_000) }));
    assert_eq!((policy.providers[1].breaker, &policy.providers[1].fields.drop), (None, &vec![path("n")]));
}

#[test]
fn what_happens_when_a_provider_fails_reads_as_it_is_written() {
    let policy = policy(&format!(
        "{TWO}rollouts:\n  - {{ name: r, stable: a, canary: b, percent: 0, fallback: [b, a], fallback_4xx: false, \
         give_up_after: 1m, hold: 0s, retry: {{ attempts: 3, budget: 0.5%, backoff: 1s..2s, first: same }}, stream_mode: buffered, \
         guard: {{ throttled: ignore, empty: failure }} }}\n  \
         - {{ name: s, stable: a, canary: b, percent: 0, match: {{ model: x }}, fallback: false }}\n  \
         - {{ name: t, stable: a, match: {{ model: y }}, fallback: b }}\n  \
         - {{ name: u, stable: a, match: {{ model: z }}, fallback: true }}\n"
    ));
    let [r, s, t, u] = policy.rollouts.as_slice() else { panic!("four rollouts") };
    assert_eq!(r.fallback, Fallback::List(vec![ProviderId(1), ProviderId(0)]));
    assert_eq!((r.fallback_4xx, r.give_up_after, r.hold), (false, Millis(60_000), Millis(0)));
    let backoff = Backoff { from: Millis(1000), to: Millis(2000) };
    let budget = Percent::from_hundredths(50).unwrap();
    assert_eq!(r.retry, Retry { attempts: 3, budget, backoff, first: First::Same });
    assert_eq!(r.stream_mode, StreamMode::Buffered);
    assert_eq!(r.canary.as_ref().unwrap().guard.counting, Counting { throttled: false, empty: true });
    assert_eq!(s.fallback, Fallback::Nobody);
    assert_eq!(t.fallback, Fallback::List(vec![ProviderId(1)]));
    assert_eq!(u.fallback, Fallback::OtherArm);
}

/// The canary of a rollout with these keys.
fn canary(keys: &str) -> Canary {
    let policy = policy(&format!("{TWO}rollouts: [{{ name: r, stable: a, canary: b, percent: auto, {keys} }}]\n"));
    policy.rollouts[0].canary.clone().unwrap()
}

#[test]
fn the_guard_reads_as_it_is_written() {
    let guard = canary(
        "on_regression: step_back, guard: { false_alarm: 10%, tolerated_ratio: 2, ignore_below: 0%, patience: 0.1, \
         max_error_rate: 2.5%, min_requests: 7, done_below: 1, client_errors: rollback, ceiling: 20, window: 10m, answers: { empty: ignore, pace: rollback }, \
         feedback: { tolerated_ratio: 1.5, then: rollback }, \
         slow: { quantile: 0.999, tolerance: 1, tolerated_ratio: '${WORKERS}' } }",
    );
    let percent = |hundredths| Percent::from_hundredths(hundredths).unwrap();
    assert_eq!(guard.on_regression, OnRegression::StepBack);
    assert_eq!(
        guard.guard,
        Guard {
            false_alarm: percent(1000),
            tolerated_ratio: 2.0,
            ignore_below: Percent::ZERO,
            patience: 0.1,
            max_error_rate: percent(250),
            min_requests: 7,
            done_below: percent(100),
            slow: Some(SlowRule { quantile: 0.999, tolerance: 1.0, tolerated_ratio: 3.0 }),
            client_errors: OnExcess::Rollback,
            answers: Answers { empty: OnExcess::Ignore, pace: OnExcess::Rollback, ..Answers::default() },
            feedback: Some(FeedbackRule { tolerated_ratio: 1.5, then: OnExcess::Rollback }),
            ceiling: Some(percent(2000)),
            window: Millis(600_000),
            ..Guard::default()
        }
    );
    let slow = |written: &str| canary(&format!("guard: {{ slow: {written} }}")).guard.slow;
    assert_eq!((slow("off"), slow("{}")), (None, Some(SlowRule::default())));
    assert_eq!(slow("{ tolerance: 3 }"), Some(SlowRule { tolerance: 3.0, ..SlowRule::default() }));
    let feedback = |written: &str| canary(&format!("guard: {{ {written} }}")).guard.feedback;
    assert_eq!((feedback("window: 1m"), feedback("feedback: off")), (None, None));
    assert_eq!(feedback("feedback: {}"), Some(FeedbackRule::default()));
    assert_eq!(canary("guard: { ceiling: off, client_errors: ignore }").guard.ceiling, None);
    assert_eq!(canary("on_regression: hold").on_regression, OnRegression::Hold);
}

#[test]
fn defaults_are_the_design_s() {
    let policy = policy(&format!("{TWO}rollouts: [{{ name: r, stable: b, canary: a, percent: auto }}]\n"));
    let provider = &policy.providers[0];
    assert_eq!(policy.unmatched, Unmatched::Usual(ProviderId(1)));
    assert_eq!(
        (policy.fixed.listen.to_string(), policy.fixed.admin.to_string()),
        ("127.0.0.1:7171".into(), "127.0.0.1:7172".into())
    );
    assert_eq!(policy.drain, Millis(600_000));
    let timeouts = provider.timeouts;
    assert_eq!(
        [timeouts.connect, timeouts.headers, timeouts.stream_headers, timeouts.first_output, timeouts.idle],
        [5_000, 600_000, 60_000, 600_000, 300_000].map(Millis)
    );
    assert_eq!(
        (provider.unmapped, provider.http2, provider.probe_path.reveal()),
        (Unmapped::Pass, Http2::Never, "/models")
    );
    assert_eq!(provider.breaker, Some(BreakerRule { failures: 5, open_for: Millis(15_000) }));
    assert_eq!((provider.done_marker, &provider.path), (DoneMarker::Optional, &None));
    assert_eq!(provider.max_connection_age, Some(Millis(300_000)));
    assert!(provider.fields.is_empty());
    let rollout = &policy.rollouts[0];
    assert_eq!((&rollout.fallback, rollout.fallback_4xx, rollout.retry), (&Fallback::OtherArm, true, Retry::default()));
    assert_eq!(
        (rollout.give_up_after, rollout.hold, rollout.stream_mode),
        (Millis(30_000), Millis(5_000), StreamMode::Live)
    );
    assert_eq!(rollout.matches.endpoints, ["chat/completions", "completions", "responses", "messages"]);
    assert_eq!(rollout.user[3], UserSource::Body(vec!["metadata".to_owned(), "user_id".to_owned()]));
    let canary = rollout.canary.as_ref().unwrap();
    assert_eq!((canary.rollback_to, canary.try_again_after, canary.attempt), (Percent::ZERO, None, 1));
    assert_eq!((canary.ramp.hold_start, canary.ramp.every), (Millis(86_400_000), Millis(86_400_000)));
    assert_eq!((canary.on_regression, canary.guard), (OnRegression::Rollback, Guard::default()));
    assert_eq!((canary.guard.window, canary.guard.min_requests), (Millis(1_800_000), 100));
    let Guard { false_alarm, ignore_below, max_error_rate, done_below, .. } = canary.guard;
    assert_eq!(
        [false_alarm, ignore_below, max_error_rate, done_below].map(|rate| rate.to_string()),
        ["0.1%", "0.2%", "5%", "0.5%"]
    );
    assert_eq!((canary.guard.tolerated_ratio, canary.guard.patience, canary.guard.ceiling), (1.25, 1.0, None));
    assert_eq!(canary.guard.slow, Some(SlowRule { quantile: 0.95, tolerance: 1.5, tolerated_ratio: 2.5 }));
    assert_eq!((canary.guard.client_errors, canary.guard.answers), (OnExcess::Hold, Answers::all(OnExcess::Hold)));
}

#[test]
fn the_head_of_a_stream_is_waited_for_no_longer_than_any_other() {
    for (given, headers, stream_headers) in [
        ("headers: 10s", 10_000, 10_000),
        ("headers: 1m", 60_000, 60_000),
        ("headers: 2m", 120_000, 60_000),
        ("stream_headers: 2m", 600_000, 120_000),
        ("headers: 10s, stream_headers: 20s", 10_000, 20_000),
    ] {
        let policy =
            policy(&format!("providers: {{ a: {{ base_url: 'http://127.0.0.1:1', timeouts: {{ {given} }} }} }}\n"));
        let timeouts = policy.providers[0].timeouts;
        assert_eq!([timeouts.headers, timeouts.stream_headers], [headers, stream_headers].map(Millis), "{given}");
    }
}

#[test]
fn an_index_is_moved_whole() {
    let embeddings = |rest: &str| {
        compile(
            &format!(
                "{TWO}rollouts:\n  - {{ name: r, stable: a, canary: b, match: {{ endpoints: embeddings }}, {rest} }}\n"
            ),
            &environment(),
        )
        .is_ok()
    };
    assert!(embeddings("percent: 0") && embeddings("percent: 100%"));
    assert!(embeddings("percent: 10%, user: header:x-index"));
    assert!(
        !embeddings("percent: 10%") && !embeddings("percent: auto") && !embeddings("percent: 10%, user: 'body:user'")
    );
}

#[test]
fn a_byte_order_mark_aliases_and_a_lone_provider_are_fine() {
    let policy = policy(
        "\u{feff}providers:\n  a: { base_url: http://localhost, timeouts: &t { connect: 1s } }\n  b: { base_url: http://localhost, timeouts: *t }\nunmatched: a\n",
    );
    assert_eq!(policy.providers[1].timeouts.connect, Millis(1000));
    let lone = compiled("---\nproviders: { a: { base_url: http://localhost } }\n...\n");
    assert_eq!(lone.policy.unmatched, Unmatched::Usual(ProviderId(0)));
}

#[test]
fn nothing_is_missing_without_secrets() {
    let text = "listen: ${ADDRESS}\nproviders: { a: { base_url: '${URL}', api_keys: '${file:/nowhere}' }, b: { base_url: '${URL}' } }\n\
                admin: { tokens: [{ name: o, token: '${TOKEN}', may: [change] }] }\nclients: [{ name: c, key: '${KEY}' }]\n\
                rollouts: [{ name: r, stable: a, canary: b, percent: '${SHARE}' }]\n";
    let compiled = compile(text, &Environment::without_secrets()).unwrap();
    assert_eq!(compiled.warnings, Vec::<String>::new());
    assert!(compile(text, &environment()).is_err());
}

#[test]
fn what_is_not_resolved_here_still_has_a_name_and_sources_of_users() {
    let text = "providers: { a: { base_url: http://localhost } }\n\
                rollouts: [{ name: '${ONE}x', stable: a, user: '${TWO}' }, { name: '${TWO}', stable: a }]\n";
    let policy = compile(text, &Environment::without_secrets()).unwrap().policy;
    let names: Vec<&str> = policy.rollouts.iter().map(|rollout| rollout.name.as_str()).collect();
    assert_eq!(names, ["rollout-1", "rollout-2"]);
    assert!(policy.rollouts.iter().all(|rollout| !rollout.user.is_empty()));
}
