//! What is withheld from whom, and where a client's key is found.

use super::*;
use crate::decide::policy::Secret;
use crate::proxy::tests::support;

fn provider(change: impl FnOnce(&mut Provider)) -> Provider {
    let mut provider = support::provider("p", ([127, 0, 0, 1], 80).into());
    change(&mut provider);
    provider
}

fn credentials(providers: &[Provider]) -> ProviderCredentials {
    ProviderCredentials(providers.iter().flat_map(named_by).collect())
}

fn withheld(credentials: &ProviderCredentials, own_key: bool, trusted: bool, forward: &[&str]) -> Names {
    let to = provider(|provider| provider.forward_headers = forward.iter().map(|name| (*name).to_owned()).collect());
    Names::withheld(credentials, &to, own_key, trusted)
}

fn has(names: &Names, header: &'static str) -> bool {
    names.has_header(header)
}

const KEYS: [&str; 7] = [
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "ocp-apim-subscription-key",
    "x-amz-date",
    "x-amz-security-token",
];
const ACCOUNTS: [&str; 4] = ["cookie", "openai-organization", "openai-project", "x-goog-user-project"];
const OTHERS: [&str; 6] =
    ["content-type", "x-amzn-trace-id", "anthropic-version", "idempotency-key", "sec-websocket-key", "x-api-keys"];

#[test]
fn keys_and_accounts_are_withheld_from_others_and_keys_where_serin_has_its_own() {
    let plain = ProviderCredentials::default();
    let (others, own, mine) =
        (withheld(&plain, false, false, &[]), withheld(&plain, true, true, &[]), withheld(&plain, false, true, &[]));
    for name in KEYS {
        assert!(has(&others, name) && has(&own, name) && !has(&mine, name), "{name}");
    }
    for name in ACCOUNTS {
        assert!(has(&others, name) && !has(&own, name) && !has(&mine, name), "{name}");
    }
    for name in OTHERS {
        assert!(!has(&others, name) && !has(&own, name), "{name}");
    }
    for pair in ["key=a", "%6bey=a", "KEY=a", "k%65Y", "access_token=a", "api-key=a", "X-Amz-Signature=a", "key"] {
        assert!(others.has_parameter(pair) && own.has_parameter(pair) && !mine.has_parameter(pair), "{pair}");
    }
    for pair in ["", "monkey=a", "keys=a", "a=key", "key%20=a", "%ff=a"] {
        assert!(!others.has_parameter(pair), "{pair}");
    }
}

#[test]
fn what_any_provider_is_authenticated_by_is_a_credential() {
    let secret = |text: &str| Secret::new(text.to_owned());
    let credentials = credentials(&[
        provider(|provider| provider.auth = Auth::Header("x-custom-key".to_owned())),
        provider(|provider| provider.auth = Auth::Query("Token".to_owned())),
        provider(|provider| {
            provider.set_headers =
                vec![("x-gateway-auth".to_owned(), secret("s")), ("x-team".to_owned(), secret("blue"))];
            provider.query = vec![("sig_key".to_owned(), secret("s")), ("api-version".to_owned(), secret("1"))];
        }),
    ]);
    let others = withheld(&credentials, false, false, &[]);
    assert!(has(&others, "x-custom-key") && has(&others, "x-gateway-auth") && has(&others, "authorization"));
    assert!(!has(&others, "x-team"));
    assert!(others.has_parameter("token=1") && others.has_parameter("TOK%45N=1") && others.has_parameter("sig_key=1"));
    assert!(!others.has_parameter("api-version=1"));
    let mine = withheld(&credentials, false, true, &[]);
    assert!(!has(&mine, "x-custom-key") && !mine.has_parameter("token=1"), "it was meant for this one");
}

#[test]
fn forward_headers_gives_back_what_it_names_and_no_more() {
    let names = withheld(&ProviderCredentials::default(), false, false, &["cookie", "x-amz-date", "query:key"]);
    assert!(!has(&names, "cookie") && !has(&names, "x-amz-date") && !names.has_parameter("key=a"));
    assert!(has(&names, "x-amz-security-token") && has(&names, "authorization") && names.has_parameter("api-key=a"));
}

#[test]
fn what_serin_writes_into_the_query_stands_there_once() {
    let ours = Secret::new("ours".to_owned());
    let to = provider(|provider| {
        provider.auth = Auth::Query("token".to_owned());
        provider.query = vec![("appkey".to_owned(), ours.clone()), ("api-version".to_owned(), ours)];
        provider.forward_headers = ["query:token".to_owned()].into();
    });
    for trusted in [true, false] {
        let names = Names::withheld(&ProviderCredentials::default(), &to, true, trusted);
        assert!(names.has_parameter("token=theirs") && names.has_parameter("appkey=theirs"));
        assert!(!names.has_parameter("api-version=theirs"));
    }
}

#[test]
fn items_of_the_subprotocol_are_taken_out_one_by_one() {
    let stripped = |own_key, trusted, lines: &[&str]| {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::try_from(*line).unwrap());
        }
        withheld(&ProviderCredentials::default(), own_key, trusted, &[]).strip_subprotocols(&mut headers);
        headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().map(|line| line.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all = "realtime,  openai-insecure-api-key.K , openai-organization.O, openai-beta.realtime-v1";
    assert_eq!(stripped(false, false, &[all]), ["realtime, openai-beta.realtime-v1"]);
    assert_eq!(stripped(true, true, &[all]), ["realtime, openai-organization.O, openai-beta.realtime-v1"]);
    assert_eq!(stripped(false, true, &[all]), [all]);
    assert_eq!(
        stripped(false, false, &["realtime", "OpenAI-Insecure-API-Key.K", "openai-project.P,x"]),
        ["realtime, x"]
    );
    assert_eq!(stripped(false, false, &["openai-insecure-api-key.K"]), [""; 0]);
    assert_eq!(stripped(false, false, &["a,b", "c ,d"]), ["a,b", "c ,d"], "without any it stays byte for byte");
}

/// What is asked for, with which headers, and whose key is found.
type Case = (&'static str, &'static [(&'static str, &'static str)], Option<usize>);

fn request(uri: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = http::Request::builder().uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

#[test]
fn a_clients_key_is_found_wherever_a_providers_key_may_stand_and_taken_off() {
    let client = |key: &str| Client { name: key.to_owned(), key: Secret::new(key.to_owned()), rate_limit: None };
    let clients = [client("one"), client("two +")];
    let credentials = credentials(&[
        provider(|provider| provider.auth = Auth::Header("x-custom-key".to_owned())),
        provider(|provider| provider.auth = Auth::Query("token".to_owned())),
    ]);
    let places = KeyPlaces::new(&credentials);
    let cases: &[Case] = &[
        ("/v1/x", &[("authorization", "Bearer one")], Some(0)),
        ("/v1/x", &[("authorization", "bearer  two +")], Some(1)),
        ("/v1/x", &[("authorization", "Basic one")], None),
        ("/v1/x", &[("authorization", "one")], None),
        ("/v1/x", &[("authorization", "Bearer ")], None),
        ("/v1/x", &[("authorization", "Bearer other"), ("authorization", "Bearer one")], Some(0)),
        ("/v1/x", &[("x-api-key", "one")], Some(0)),
        ("/v1/x", &[("api-key", "two +")], Some(1)),
        ("/v1/x", &[("x-goog-api-key", "one")], Some(0)),
        ("/v1/x", &[("ocp-apim-subscription-key", "one")], Some(0)),
        ("/v1/x", &[("x-custom-key", "one")], Some(0)),
        ("/v1/x", &[("x-other", "one")], None),
        ("/v1/x", &[("cookie", "one")], None),
        ("/v1/x", &[("x-amz-security-token", "one")], None),
        ("/v1/x", &[("sec-websocket-protocol", "realtime, openai-insecure-api-key.one")], Some(0)),
        ("/v1/x", &[("sec-websocket-protocol", "openai-project.one")], None),
        ("/v1/x?key=one", &[], Some(0)),
        ("/v1/x?a=b&%6bey=two+%2B&c", &[], Some(1)),
        ("/v1/x?token=one", &[], Some(0)),
        ("/v1/x?user=one", &[], None),
        ("/v1/x?key=three", &[], None),
        ("/v1/x", &[], None),
    ];
    for (uri, headers, found) in cases {
        let mut parts = request(uri, headers);
        parts.headers.insert("openai-project", HeaderValue::from_static("p"));
        assert_eq!(places.take(&clients, &mut parts), *found, "{uri} {headers:?}");
        let left = format!("{} {:?}", parts.uri, parts.headers);
        assert_eq!(left.contains("one") || left.contains("two"), found.is_none() && left.contains("one"), "{left}");
        assert!(parts.headers.contains_key("openai-project"));
    }
    let mut parts = request("/v1/x?a=%20b&key=one&c&key=other", &[("x-api-key", "other")]);
    assert_eq!(places.take(&clients, &mut parts), Some(0));
    assert_eq!(parts.uri, "/v1/x?a=%20b&c&key=other", "what is no client's key stays byte for byte");
    assert_eq!(parts.headers["x-api-key"], "other");
    let mut parts = request("http://h/v1/x?key=one", &[]);
    assert_eq!(places.take(&clients, &mut parts), Some(0));
    assert_eq!(parts.uri, "http://h/v1/x");
}

#[test]
fn the_documents_hold_this_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/security.md");
    let text = std::fs::read_to_string(path).unwrap();
    let place = |place| match place {
        CredentialLocation::Header => "header",
        CredentialLocation::Query => "query",
        CredentialLocation::Subprotocol => "subprotocol",
    };
    let kind = |kind| match kind {
        Kind::Key => "key",
        Kind::Account => "account",
    };
    let rows: Vec<String> = TABLE
        .iter()
        .map(|row| {
            format!("| {} | `{}` | {} | {} | {} |", place(row.place), row.name, kind(row.kind), row.of, row.source)
        })
        .collect();
    let found: Vec<&str> = text
        .lines()
        .filter(|line| ["| header |", "| query |", "| subprotocol |"].iter().any(|begin| line.starts_with(begin)))
        .collect();
    assert_eq!(found, rows, "write the rows anew in docs/security.md");
}
