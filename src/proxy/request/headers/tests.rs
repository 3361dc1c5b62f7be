//! Tables of headers: what goes in, what comes out.

use std::sync::Arc;

use super::*;
use crate::decide::policy::{Auth, Secret};
use crate::proxy::request::credentials::ProviderCredentials;
use crate::proxy::tests::support;

type Pairs<'a> = &'a [(&'a str, &'a str)];

fn map(pairs: Pairs<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
    }
    headers
}

/// Sorted by name; the order among equal names is kept.
fn list(headers: &HeaderMap) -> Vec<(String, String)> {
    let pairs = headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    let mut pairs: Vec<_> = pairs.collect();
    pairs.sort_by(|one, other| one.0.cmp(&other.0));
    pairs
}

fn owned(pairs: Pairs<'_>) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn to(change: impl FnOnce(&mut crate::decide::policy::Provider)) -> PreparedProvider {
    let mut provider = support::provider("p", ([127, 0, 0, 1], 80).into());
    provider.base_url.host = "api.example.com".to_owned();
    change(&mut provider);
    PreparedProvider::new(&Arc::new(provider), "/v1", &ProviderCredentials::default())
}

/// To one's own provider, with nothing of note.
fn bare(to: &PreparedProvider) -> HeaderRules<'_> {
    HeaderRules {
        to,
        key: None,
        trusted: true,
        private: &[],
        upgrade: false,
        connection: false,
        plain_answer: false,
        new_length: None,
    }
}

fn passed(to: &PreparedProvider, trusted: bool, upgrade: bool, sent: Pairs<'_>) -> Vec<(String, String)> {
    let private = [HeaderName::from_static("x-user-id")];
    let key = to.key(1);
    let rules = HeaderRules {
        to,
        key,
        trusted,
        private: &private,
        upgrade,
        connection: true,
        plain_answer: false,
        new_length: None,
    };
    list(&outbound(&map(sent), rules))
}

const HOST: (&str, &str) = ("host", "api.example.com");

#[test]
fn what_is_between_two_hops_stays_there() {
    let plain = to(|_| {});
    let cases: &[(Pairs<'_>, Pairs<'_>)] = &[
        (&[("host", "sidecar")], &[HOST]),
        (&[], &[HOST]),
        (&[("connection", "close"), ("accept", "a")], &[("accept", "a"), HOST]),
        (&[("connection", "x-a, X-B"), ("connection", "x-c"), ("x-a", "1"), ("x-b", "1"), ("x-c", "1")], &[HOST]),
        (
            &[("connection", "content-length, transfer-encoding"), ("content-length", "3")],
            &[("content-length", "3"), HOST],
        ),
        (
            &[("keep-alive", "1"), ("proxy-connection", "a"), ("proxy-authorization", "a"), ("expect", "100-continue")],
            &[HOST],
        ),
        (&[("te", "gzip")], &[HOST]),
        (&[("te", "Trailers"), ("trailer", "x-sum")], &[HOST, ("te", "Trailers"), ("trailer", "x-sum")]),
        (&[("transfer-encoding", "chunked")], &[HOST, ("transfer-encoding", "chunked")]),
        (&[("upgrade", "h2c"), ("http2-settings", "a")], &[HOST]),
        (&[("x-serin-arm", "canary"), ("x-serinx", "kept")], &[HOST, ("x-serinx", "kept")]),
        (&[("x-user-id", "u"), ("x-user-id", "v"), ("x-user", "kept")], &[HOST, ("x-user", "kept")]),
        (
            &[("accept-encoding", "gzip"), ("b", "2"), ("b", "1")],
            &[("accept-encoding", "gzip"), ("b", "2"), ("b", "1"), HOST],
        ),
        (&[("cookie", "a=1"), ("cookie", "b=2")], &[("cookie", "a=1; b=2"), HOST]),
    ];
    for (sent, expected) in cases {
        assert_eq!(passed(&plain, true, false, sent), owned(expected), "{sent:?}");
    }
    let sent: Pairs<'_> = &[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")];
    let expected: Pairs<'_> = &[("connection", "upgrade"), HOST, ("upgrade", "websocket")];
    assert_eq!(passed(&plain, true, true, sent), owned(expected));
}

#[test]
fn credentials_reach_only_providers_they_were_meant_for() {
    let sent: Pairs<'_> = &[
        ("api-key", "a"),
        ("authorization", "Bearer app"),
        ("cookie", "c"),
        ("openai-organization", "o"),
        ("openai-project", "p"),
        ("x-api-key", "x"),
    ];
    let with_host = |mut pairs: Vec<(&'static str, &'static str)>| {
        pairs.push(HOST);
        pairs.sort_unstable();
        owned(&pairs)
    };
    let key = |auth: Auth| {
        to(|provider| {
            provider.api_keys = vec![Secret::new("ours".to_owned())];
            provider.auth = auth;
        })
    };
    let forwards = to(|provider| {
        provider.forward_headers = ["cookie", "openai-project"].map(str::to_owned).into();
    });
    let own = vec![("cookie", "c"), ("openai-organization", "o"), ("openai-project", "p")];
    assert_eq!(passed(&to(|_| {}), true, false, sent), with_host(sent.to_vec()));
    assert_eq!(passed(&to(|_| {}), false, false, sent), with_host(vec![]));
    assert_eq!(passed(&forwards, false, false, sent), with_host(vec![("cookie", "c"), ("openai-project", "p")]));
    assert_eq!(
        passed(&key(Auth::Bearer), true, false, sent),
        with_host([own.clone(), vec![("authorization", "Bearer ours")]].concat())
    );
    assert_eq!(
        passed(&key(Auth::Header("x-api-key".to_owned())), false, false, sent),
        with_host(vec![("x-api-key", "ours")])
    );
    assert_eq!(passed(&key(Auth::Query("key".to_owned())), false, false, sent), with_host(vec![]));
    // Nothing of Serin's is presented, so what the client sent passes to whom it was meant for.
    assert_eq!(passed(&key(Auth::None), true, false, sent), with_host(sent.to_vec()));
}

#[test]
fn set_headers_win_over_everything() {
    let provider = to(|provider| {
        provider.api_keys = vec![Secret::new("ours".to_owned())];
        provider.set_headers = [("authorization", "Token t"), ("host", "other"), ("x-team", "blue")]
            .map(|(name, value)| (name.to_owned(), Secret::new(value.to_owned())))
            .into();
    });
    let sent: Pairs<'_> = &[("x-team", "red"), ("x-team", "green")];
    let expected: Pairs<'_> = &[("authorization", "Token t"), ("host", "other"), ("x-team", "blue")];
    assert_eq!(passed(&provider, true, false, sent), owned(expected));
}

#[test]
fn a_key_that_no_header_can_carry_makes_the_provider_unusable() {
    for (key, auth, header) in [
        ("a\nb", Auth::Bearer, "fine"),
        ("fine", Auth::Header("a b".to_owned()), "fine"),
        ("fine", Auth::Bearer, "a\rb"),
    ] {
        let provider = to(|provider| {
            provider.api_keys = vec![Secret::new(key.to_owned())];
            provider.auth = auth;
            provider.set_headers = vec![("x-a".to_owned(), Secret::new(header.to_owned()))];
        });
        assert!(
            provider.unusable.is_some_and(|reason| reason.ends_with("holds characters that no HTTP header can carry"))
        );
    }
}

#[test]
fn framing_cannot_be_set() {
    for name in ["content-length", "Transfer-Encoding", "connection"] {
        let provider = to(|provider| provider.set_headers = vec![(name.to_owned(), Secret::new("chunked".to_owned()))]);
        assert!(provider.unusable.is_some_and(|reason| reason.ends_with("belongs to the connection; take it out")));
    }
}

#[test]
fn a_rewritten_body_gets_its_own_length_and_loses_digests_of_the_old_one() {
    let to = to(|_| {});
    let rewritten = |sent| list(&outbound(&map(sent), HeaderRules { new_length: Some(12), ..bare(&to) }));
    let sent: Pairs<'_> = &[("content-length", "10"), ("content-digest", "d"), ("content-md5", "m")];
    assert_eq!(rewritten(sent), owned(&[("content-length", "12"), HOST]));
    assert_eq!(rewritten(&[("transfer-encoding", "chunked")]), owned(&[HOST, ("transfer-encoding", "chunked")]));
}

#[test]
fn a_stream_that_is_read_comes_unencoded() {
    let to = to(|_| {});
    let asked = |sent| list(&outbound(&map(sent), HeaderRules { plain_answer: true, ..bare(&to) }));
    assert_eq!(asked(&[("accept-encoding", "gzip, br")]), owned(&[("accept-encoding", "identity"), HOST]));
    assert_eq!(asked(&[]), owned(&[("accept-encoding", "identity"), HOST]));
}

#[test]
fn an_answer_loses_what_is_between_two_hops_and_what_only_serin_may_say() {
    let sent: Pairs<'_> = &[
        ("connection", "close, x-hop"),
        ("content-type", "text/event-stream"),
        ("keep-alive", "timeout=5"),
        ("proxy-authenticate", "a"),
        ("set-cookie", "a"),
        ("set-cookie", "b"),
        ("trailer", "x-sum"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2"),
        ("x-hop", "1"),
        ("x-request-id", "r"),
        ("x-serin-error", "forged"),
    ];
    let mut headers = map(sent);
    inbound(&mut headers, false, true);
    let expected: Pairs<'_> = &[
        ("content-type", "text/event-stream"),
        ("set-cookie", "a"),
        ("set-cookie", "b"),
        ("trailer", "x-sum"),
        ("x-request-id", "r"),
    ];
    assert_eq!(list(&headers), owned(expected));
    inbound(&mut headers, false, false);
    assert!(!headers.contains_key("set-cookie"), "only stable sets cookies");
    let mut headers = map(&[("connection", "upgrade"), ("upgrade", "websocket")]);
    inbound(&mut headers, true, true);
    assert_eq!(list(&headers), owned(&[("connection", "upgrade"), ("upgrade", "websocket")]));
}

#[test]
fn only_chunked_is_a_coding() {
    for (values, refused) in [
        (&[][..], None),
        (&["chunked"], None),
        (&["Chunked"], None),
        (&["gzip, chunked"], Some("gzip, chunked")),
        (&["chunked", "chunked"], Some("chunked, chunked")),
        (&["identity"], Some("identity")),
        (&["chunked;q=1"], Some("chunked;q=1")),
    ] {
        let pairs: Vec<_> = values.iter().map(|value| ("transfer-encoding", *value)).collect();
        assert_eq!(unknown_coding(&map(&pairs)).as_deref(), refused, "{values:?}");
    }
}

#[test]
fn an_upgrade_needs_both_its_headers() {
    for (pairs, asks) in [
        (&[("upgrade", "websocket"), ("connection", "Upgrade")][..], true),
        (&[("upgrade", "websocket"), ("connection", "keep-alive, upgrade")], true),
        (&[("upgrade", "websocket")], false),
        (&[("connection", "upgrade")], false),
        (&[("upgrade", "h2c"), ("connection", "upgrade")], false),
    ] {
        assert_eq!(asks_to_upgrade(&map(pairs)), asks, "{pairs:?}");
    }
}
