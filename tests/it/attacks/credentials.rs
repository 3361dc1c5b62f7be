//! A canary that wants the client's keys, and a client whose key is in another place than `authorization`.

use crate::support::client::Client;
use crate::support::harness::Harness;
use crate::support::scripted::Scripted;
use crate::support::scripted::request::Seen;

const CHAT: &str = "/v1/chat/completions";

/// Two providers, all users at the canary or all at stable.
struct Pair {
    sidecar: Harness,
    stable: Scripted,
    canary: Scripted,
}

fn stage(top: &str, stable_keys: &str, canary_keys: &str, percent: &str) -> Pair {
    let (stable, canary) = (Scripted::healthy("corp"), Scripted::healthy("corp"));
    let sidecar = Harness::start(&format!(
        "{top}\nproviders:\n  old: {{ base_url: \"{}\"{stable_keys} }}\n  new: {{ base_url: \"{}\"{canary_keys} }}\n\
         rollouts: [{{ name: all, stable: old, canary: new, percent: {percent}, match: {{ path: \"*\" }} }}]\n",
        stable.base_url(),
        canary.base_url()
    ));
    Pair { sidecar, stable, canary }
}

impl Pair {
    fn ask(&self, target: &str, headers: &[(&str, &str)]) -> u16 {
        let body = r#"{"model":"m","user":"u","messages":[]}"#;
        Client::connect(self.sidecar.listen).unwrap().post(target, headers, body).unwrap().status
    }
}

impl Pair {
    /// The last request at the canary that was none of Serin's own.
    fn of_client(&self) -> Seen {
        let own = |asked: &Seen| asked.field("user-agent").is_some_and(|agent| agent.starts_with("serin/"));
        self.canary.asked().into_iter().rfind(|asked| !own(asked)).expect("it was asked")
    }
}

/// Where a client may carry what only stable should see.
const SECRETS: [(&str, &str); 14] = [
    ("authorization", "Bearer SECRET"),
    ("x-api-key", "SECRET"),
    ("api-key", "SECRET"),
    ("x-goog-api-key", "SECRET"),
    ("ocp-apim-subscription-key", "SECRET"),
    ("x-amz-security-token", "SECRET"),
    ("x-amz-date", "SECRET"),
    ("cookie", "session=SECRET"),
    ("openai-organization", "SECRET"),
    ("openai-project", "SECRET"),
    ("x-goog-user-project", "SECRET"),
    ("proxy-authorization", "Basic SECRET"),
    ("x-custom-key", "SECRET"),
    ("sec-websocket-protocol", "realtime, openai-insecure-api-key.SECRET, openai-organization.SECRET"),
];

/// The same in a query.
const QUERY: &str = "?a=%20b&key=SECRET&%6bey=SECRET&KEY=SECRET&api-key=SECRET&subscription-key=SECRET&access_token=SECRET\
                     &X-Amz-Signature=SECRET&token=SECRET&to%6ben=SECRET&z=1";

fn shows(asked: &Seen) -> String {
    format!("{asked:?}")
}

#[test]
fn a_canary_sees_none_of_the_clients_credentials() {
    for keys in ["", ", api_keys: [sk-new]"] {
        let stage = stage("", ", auth: \"header:x-custom-key\"", &format!(", auth: \"query:token\"{keys}"), "100%");
        for (method, path) in [("POST", CHAT), ("GET", "/v1/realtime")] {
            let headers: Vec<_> = SECRETS.into_iter().chain([("x-user-id", "u"), ("x-kept", "yes")]).collect();
            let framing = crate::support::client::Framing::Length;
            let target = format!("{path}{QUERY}");
            let body: &[u8] = if method == "GET" { b"" } else { br#"{"model":"m","messages":[]}"# };
            let mut client = Client::connect(stage.sidecar.listen).unwrap();
            client.send(method, &target, &headers, body, framing).unwrap();
            let asked = stage.of_client();
            assert_eq!(asked.method, method);
            assert!(!shows(&asked).contains("SECRET"), "{asked:?}");
            let ours = if keys.is_empty() { "" } else { "&token=sk-new" };
            assert_eq!(asked.path, format!("{path}?a=%20b&z=1{ours}"));
            assert_eq!(asked.field("x-kept"), Some("yes"));
            assert_eq!(asked.field("sec-websocket-protocol"), Some("realtime"));
        }
    }
}

#[test]
fn a_websocket_at_the_canary_shows_none_either() {
    let stage = stage("", "", ", api_keys: [sk-new]", "100%");
    let headers = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "SGVsbG8sIHdvcmxkIQ=="),
        ("sec-websocket-protocol", "realtime, openai-insecure-api-key.SECRET"),
        ("sec-websocket-protocol", "OpenAI-Project.SECRET"),
        ("x-user-id", "u"),
    ];
    let framing = crate::support::client::Framing::Length;
    let mut client = Client::connect(stage.sidecar.listen).unwrap();
    client.send("GET", "/v1/realtime?model=m&key=SECRET", &headers, b"", framing).unwrap();
    let asked = stage.of_client();
    assert!(!shows(&asked).contains("SECRET"), "{asked:?}");
    assert_eq!(asked.field("sec-websocket-protocol"), Some("realtime"));
    assert_eq!(asked.field("authorization"), Some("Bearer sk-new"));
    assert_eq!(asked.path, "/v1/realtime?model=m");
}

#[test]
fn stable_sees_what_was_meant_for_it_byte_for_byte() {
    let stage = stage("", "", ", auth: \"header:x-custom-key\", api_keys: [sk-new]", "0%");
    for (name, value) in SECRETS {
        assert_eq!(stage.ask(&format!("{CHAT}{QUERY}"), &[(name, value)]), 200);
        let asked = stage.stable.last();
        let expected = if name == "proxy-authorization" { None } else { Some(value) };
        assert_eq!((asked.field(name), asked.path.as_str()), (expected, format!("{CHAT}{QUERY}").as_str()));
    }
}

#[test]
fn where_serin_has_a_key_the_clients_key_goes_nowhere() {
    let stage = stage("", ", api_keys: [sk-old]", "", "0%");
    assert_eq!(stage.ask(&format!("{CHAT}?key=SECRET&b=1"), &SECRETS), 200);
    let asked = stage.stable.last();
    assert_eq!(asked.field("authorization"), Some("Bearer sk-old"));
    assert_eq!(asked.path, format!("{CHAT}?b=1"));
    for key in ["x-api-key", "api-key", "x-goog-api-key", "ocp-apim-subscription-key", "x-amz-security-token"] {
        assert_eq!(asked.field(key), None, "{key}");
    }
    assert_eq!(asked.field("sec-websocket-protocol"), Some("realtime, openai-organization.SECRET"));
    assert_eq!(asked.field("openai-project"), Some("SECRET"), "whom stable charges is the client's to say");
}

#[test]
fn a_fallback_sees_no_more_than_a_canary() {
    let (first, second) = (Scripted::healthy("corp"), Scripted::healthy("corp"));
    let sidecar = Harness::start(&format!(
        "providers:\n  dead: {{ base_url: \"http://127.0.0.1:9/v1\", auth: \"header:x-custom-key\" }}\n  \
         other: {{ base_url: \"{}\" }}\n  far: {{ base_url: \"{}\" }}\nrollouts: [{{ name: all, stable: dead, \
         fallback: [other, far] }}]\n",
        first.base_url(),
        second.base_url()
    ));
    let answer = sidecar.client().post(&format!("{CHAT}{QUERY}"), &SECRETS, r#"{"messages":[]}"#).unwrap();
    assert_eq!((answer.status, answer.header("x-serin-provider")), (200, "other"));
    // `token` is nobody's parameter in this file.
    let asked = shows(&first.last()).replace("token=SECRET&to%6ben=SECRET", "");
    assert!(!asked.contains("SECRET"), "{asked}");
}

#[test]
fn a_clients_key_is_taken_wherever_a_providers_key_goes_and_no_provider_sees_it() {
    let clients = "clients: [{ name: shop, key: sk-of-shop }]";
    let stage = stage(clients, ", api_keys: [sk-old]", ", auth: \"header:x-custom-key\"", "0%");
    for (target, headers) in [
        (CHAT.to_owned(), vec![("authorization", "bearer sk-of-shop")]),
        (CHAT.to_owned(), vec![("authorization", "Bearer other"), ("authorization", "Bearer sk-of-shop")]),
        (CHAT.to_owned(), vec![("x-goog-api-key", "sk-of-shop")]),
        (CHAT.to_owned(), vec![("ocp-apim-subscription-key", "sk-of-shop")]),
        (CHAT.to_owned(), vec![("x-custom-key", "sk-of-shop")]),
        (CHAT.to_owned(), vec![("sec-websocket-protocol", "realtime, openai-insecure-api-key.sk-of-shop")]),
        (CHAT.to_owned(), vec![("x-api-key", "sk-of-shop"), ("x-goog-api-key", "sk-of-shop")]),
        (format!("{CHAT}?a=1&key=sk-of-shop"), vec![]),
        (format!("{CHAT}?a=1&%6bey=sk%2Dof-shop"), vec![]),
        (format!("{CHAT}?a=1&api-key=sk-of-shop"), vec![]),
    ] {
        assert_eq!(stage.ask(&target, &headers), 200, "{target} {headers:?}");
        let asked = stage.stable.last();
        assert!(!shows(&asked).contains("of-shop"), "{asked:?}");
        assert_eq!(asked.field("authorization"), Some("Bearer sk-old"));
    }
    let seen = stage.stable.asked().len();
    for (target, headers) in [
        (CHAT.to_owned(), vec![("authorization", "Basic sk-of-shop")]),
        (CHAT.to_owned(), vec![("cookie", "sk-of-shop")]),
        (CHAT.to_owned(), vec![("sec-websocket-protocol", "sk-of-shop")]),
        (CHAT.to_owned(), vec![("x-api-key", "sk-of-sho")]),
        (format!("{CHAT}?user=sk-of-shop"), vec![]),
        (format!("{CHAT}?key=sk-of-shop2"), vec![]),
    ] {
        assert_eq!(stage.ask(&target, &headers), 401, "{target} {headers:?}");
    }
    assert_eq!(stage.stable.asked().len(), seen);
}
