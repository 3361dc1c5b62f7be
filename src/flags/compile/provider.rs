//! The providers: where they are, how they are asked, and why one may not be usable.
//!
//! A provider that lacks its key is no error: the file may be right and the secret late. It is kept and marked, and
//! whoever routes must not send anything to it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;

use crate::decide::endpoint;
use crate::decide::policy::{
    Auth, BaseUrl, DoneMarker, Http2, Provider, Secret, Timeouts, Tls, Unmapped, suggests_secret,
};
use crate::decide::units::Millis;

use super::super::kinds::{Entries, Text};
use super::super::memory::Place;
use super::super::place::At;
use super::super::scalar::{Wrong, length, name, whole, wrong};
use super::super::{defaults, mask, raw, url};
use super::findings::{Findings, Resolved, lines, one_line};
use super::{fields, recovery};

/// A length of time that is not zero.
pub(super) fn some_time(text: &str) -> Result<Millis, Wrong> {
    match length(text)? {
        Millis(0) => wrong("is no time at all", "write a time above zero, such as `30s`"),
        length => Ok(length),
    }
}

/// A time above zero; `None`: `never`.
pub(super) fn never_or_some_time(text: &str) -> Result<Option<Millis>, Wrong> {
    if text == "never" { Ok(None) } else { some_time(text).map(Some) }
}

/// All providers, in the file's order; wrong ones too, so that rollouts can refer to them.
pub(super) fn all(raw: Option<&Entries<raw::Provider>>, at: &At, findings: &mut Findings<'_>) -> Vec<Provider> {
    let entries = raw.map_or(&[][..], |entries| &entries.0);
    if entries.is_empty() && raw.is_some() {
        findings.error(at, "there is no provider", "add one: `openai: { base_url: https://api.openai.com/v1 }`");
    }
    findings.providers = entries.iter().map(|(name, _)| at.key(name).name().spot()).collect();
    entries.iter().map(|(name, raw)| provider(name, raw, &at.key(name), findings)).collect()
}

fn text(text: &Option<Text>) -> Option<&str> {
    text.as_ref().map(|text| text.0.as_str())
}

fn provider(provider: &str, raw: &raw::Provider, at: &At, findings: &mut Findings<'_>) -> Provider {
    match name(provider) {
        Err(Wrong { problem, remedy }) => {
            findings.error(&at.name(), format!("`{}` {problem}", mask::short(provider)), remedy);
        }
        Ok(_) if provider == "reject" => {
            findings.error(&at.name(), "`reject` means no provider in `unmatched`", "choose another name");
        }
        Ok(_) => {}
    }
    let unknown = BaseUrl { https: true, host: "unresolved.invalid".to_owned(), port: 443, path: String::new() };
    let base_url = findings.value(&at.key("base_url"), text(&raw.base_url), unknown, url::base_url);
    if base_url.path.is_empty() && is_well_known(&base_url.host) {
        findings.warn(
            &at.key("base_url"),
            format!("the API of {0} lies below a path; did you mean `https://{0}/v1`?", base_url.host),
        );
    }
    if raw.path.is_none()
        && let Some((before, endpoint)) = endpoint::at_end(&base_url.path)
    {
        findings.warn(&at.key("base_url"), with_endpoint(raw, &base_url, before, endpoint));
    }
    let mut unusable = None;
    let place = Place { provider: provider.to_owned(), base_url: base_url.to_string(), key: String::new() };
    let auth = findings.value(&at.key("auth"), text(&raw.auth), url::usual_auth(&base_url.host), url::auth);
    // What is never sent is missed by nobody.
    let wanting = (auth != Auth::None).then_some(&mut unusable);
    let api_keys = api_keys(raw, at, &place, wanting, findings);
    if !base_url.https && raw.api_keys.is_some() && auth != Auth::None && !is_private(&base_url.host) {
        findings.warn(
            &at.key("base_url"),
            format!("the keys travel to {} in clear text: write https://, or keep them off the network", base_url.host),
        );
    }
    if auth == Auth::None && raw.api_keys.is_some() {
        findings.warn(&at.key("auth"), "the `api_keys` are never sent: `auth` is none");
    }
    let set_headers = set_headers(raw, at, &place, &mut unusable, findings);
    let query = query(raw, &at.key("query"), &place, &mut unusable, findings);
    let tls = tls(raw, at, &mut unusable, findings);
    let probe_path = findings.kept(&at.key("probe_path"), text(&raw.probe_path), url::path);
    Provider {
        name: provider.to_owned(),
        holds_keys: holds_keys(raw, &auth),
        auth,
        api_keys,
        query,
        timeouts: timeouts(raw.timeouts.as_ref(), &at.key("timeouts"), findings),
        models: models(raw, &at.key("models"), findings),
        unmapped: findings.value(&at.key("unmapped"), text(&raw.unmapped), Unmapped::Pass, |text| match text {
            "pass" => Ok(Unmapped::Pass),
            "stable" => Ok(Unmapped::Stable),
            _ => wrong("is no policy for unmapped models", "write `pass` or `stable`"),
        }),
        fields: fields::rules(raw, at, findings),
        path: findings.given(&at.key("path"), text(&raw.path), url::path_template),
        done_marker: findings.value(&at.key("done_marker"), text(&raw.done_marker), DoneMarker::Optional, |text| {
            match text {
                "optional" => Ok(DoneMarker::Optional),
                "required" => Ok(DoneMarker::Required),
                _ => wrong("is no rule for the end of a stream", "write `optional` or `required`"),
            }
        }),
        breaker: recovery::breaker(raw.breaker.as_ref(), &at.key("breaker"), findings),
        set_headers,
        forward_headers: forward_headers(raw, at, findings),
        http2: findings.value(&at.key("http2"), text(&raw.http2), Http2::Never, |text| match text {
            "never" => Ok(Http2::Never),
            "auto" => Ok(Http2::Auto),
            "prior_knowledge" => Ok(Http2::PriorKnowledge),
            _ => wrong("is no choice of HTTP version", "write `never`, `auto` or `prior_knowledge`"),
        }),
        tls,
        max_connections: findings.value(
            &at.key("max_connections"),
            raw.max_connections.as_ref().map(|text| text.0.as_str()),
            defaults::MAX_CONNECTIONS,
            |text| whole(text, 1, 1_000_000),
        ),
        max_connection_age: findings.value(
            &at.key("max_connection_age"),
            raw.max_connection_age.as_ref().map(|text| text.0.as_str()),
            Some(defaults::MAX_CONNECTION_AGE),
            never_or_some_time,
        ),
        probe_path: Secret::new(probe_path.unwrap_or_else(|| defaults::PROBE_PATH.to_owned())),
        base_url,
        unusable,
    }
}

/// Whether a host is this machine or in a network of one's own: a private address, a name without a dot, or one that
/// only a private resolver knows.
fn is_private(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        Err(_) => {
            let private = ["localhost", "local", "internal", "lan", "test", "svc", "intranet", "home.arpa"];
            !host.contains('.')
                || private.iter().any(|end| host.strip_suffix(end).is_some_and(|rest| rest.ends_with('.')))
        }
    }
}

/// Whether requests to it carry a key, whatever it is written as: what the file refers to, what has the look of one, and
/// what stands under a name that tells of one. What secrets turn out to be changes nothing of it, so that no reload
/// waits for one.
fn holds_keys(raw: &raw::Provider, auth: &Auth) -> bool {
    let is_key = |(name, value): &(String, Text)| {
        is_credential(name, &value.0) || value.0.contains("${") || mask::looks_secret(&value.0)
    };
    let entries = |entries: &Option<Entries<Text>>| entries.as_ref().is_some_and(|all| all.0.iter().any(is_key));
    let certificate = raw.tls.as_ref().is_some_and(|tls| tls.cert_file.is_some());
    let sent = raw.api_keys.is_some() && *auth != Auth::None;
    sent || entries(&raw.set_headers) || entries(&raw.query) || certificate
}

/// Whether a header or parameter of this name has a secret for a value. What is no more than a switch, a word that
/// everybody knows or a small number is none, whatever its name tells: `x-auth-mode: auto`, `x-token-limit: 4096`.
fn is_credential(name: &str, value: &str) -> bool {
    const WORDS: [&str; 12] =
        ["true", "false", "on", "off", "yes", "no", "none", "null", "auto", "default", "enabled", "disabled"];
    let value = value.trim();
    let small = value.len() <= 5 && value.bytes().all(|byte| byte.is_ascii_digit());
    let known = WORDS.iter().any(|word| value.eq_ignore_ascii_case(word));
    suggests_secret(&name.to_ascii_lowercase()) && !small && !known
}

/// What to write for a URL that was copied with an endpoint. One that is made of references is not spelt out.
fn with_endpoint(raw: &raw::Provider, base_url: &BaseUrl, before: &str, endpoint: &str) -> String {
    let written = text(&raw.base_url).unwrap_or_default();
    let path = if before.is_empty() && is_well_known(&base_url.host) { "/v1" } else { before };
    let meant = BaseUrl { path: path.to_owned(), ..base_url.clone() };
    let remedy = if written.contains("${") {
        "end it before that".to_owned()
    } else {
        format!("write {}", mask::quoted(&meant.to_string()))
    };
    format!("this ends in `/{endpoint}`, which every request brings along, so that none would be answered: {remedy}")
}

fn is_well_known(host: &str) -> bool {
    matches!(host, "api.openai.com" | "api.anthropic.com")
}

/// The keys that can be used. None of those named: the provider is unusable; some: that is worth a warning. `wanting`:
/// where to say so; `None`: they are not sent.
fn api_keys(
    raw: &raw::Provider,
    at: &At,
    place: &Place,
    wanting: Option<&mut Option<String>>,
    findings: &mut Findings<'_>,
) -> Vec<Secret> {
    let Some(given) = &raw.api_keys else { return Vec::new() };
    let at = at.key("api_keys");
    let mut keys: Vec<String> = Vec::new();
    let mut missing = Vec::new();
    let mut unresolved = false;
    for (index, text) in given.0.iter().enumerate() {
        match findings.secret(&at.item(index), text, lines) {
            Resolved::To(texts) => keys.extend(texts),
            Resolved::Unset(wrong) => missing.push((index, wrong.problem)),
            Resolved::Unresolved => unresolved = true,
        }
    }
    if given.0.is_empty() {
        findings.error(
            &at,
            "the list of keys is empty",
            "name a key, or remove `api_keys`: the application's own pass through",
        );
    }
    let reason = missing.first().filter(|_| !unresolved).map(|(_, reason)| reason.clone());
    let found = keys.len();
    let place = Place { key: "api_keys".to_owned(), ..place.clone() };
    let mut keys = findings.or_last_in(&at, place, keys, reason.as_deref());
    if let Some(unusable) = wanting {
        for (index, reason) in missing.into_iter().filter(|_| found > 0 || keys.is_empty()) {
            let then = if keys.is_empty() { "the provider cannot be used" } else { "the other keys are used" };
            findings.warn(&at.item(index), format!("{reason}: {then}"));
        }
        if keys.is_empty() {
            *unusable = reason;
        }
    }
    if unresolved && keys.is_empty() {
        keys.push(mask::MASK.to_owned());
    }
    keys.into_iter().map(Secret::new).collect()
}

fn not_blank(text: &str) -> Result<(), Wrong> {
    if text.trim().is_empty() { wrong("is blank", "write a name") } else { Ok(()) }
}

fn models(raw: &raw::Provider, at: &At, findings: &mut Findings<'_>) -> BTreeMap<String, String> {
    let mut models = BTreeMap::new();
    for (model, known_as) in raw.models.iter().flat_map(|entries| &entries.0) {
        let good = |text: &str| not_blank(model).and_then(|()| not_blank(text)).map(|()| text.to_owned());
        if let Some(known_as) = findings.given(&at.key(model), Some(&known_as.0), good) {
            models.insert(model.clone(), known_as);
        }
    }
    models
}

fn query(
    raw: &raw::Provider,
    at: &At,
    place: &Place,
    unusable: &mut Option<String>,
    findings: &mut Findings<'_>,
) -> Vec<(String, Secret)> {
    let mut query = Vec::new();
    for (name, value) in raw.query.iter().flat_map(|entries| &entries.0) {
        let at = at.key(name);
        if name.is_empty() {
            findings.error(&at.name(), "a query parameter without a name", "name it, such as `api-version`");
        } else if is_credential(name, &value.0) {
            let place = Place { key: format!("query.{name}"), ..place.clone() };
            let value = credential(&at, &value.0, place, unusable, findings);
            query.extend(value.map(|value| (name.clone(), Secret::new(value))));
        } else if let Some(value) = findings.hidden(&at, &value.0, |text| Ok(text.to_owned())) {
            query.push((name.clone(), Secret::new(value)));
        }
    }
    query
}

/// A secret that the provider cannot do without, although it is none of the `api_keys`.
fn credential(
    at: &At,
    given: &str,
    place: Place,
    unusable: &mut Option<String>,
    findings: &mut Findings<'_>,
) -> Option<String> {
    let (found, reason) = match findings.secret(at, given, one_line) {
        Resolved::To(text) => (vec![text], None),
        Resolved::Unresolved => return Some(mask::MASK.to_owned()),
        Resolved::Unset(wrong) => (Vec::new(), Some(wrong.problem)),
    };
    let value = findings.or_last_in(at, place, found, reason.as_deref()).pop();
    if let (None, Some(reason)) = (&value, reason) {
        findings.warn(at, format!("{reason}: the provider cannot be used"));
        unusable.get_or_insert(reason);
    }
    value
}

fn timeouts(raw: Option<&raw::Timeouts>, at: &At, findings: &mut Findings<'_>) -> Timeouts {
    let none = raw::Timeouts::default();
    let raw = raw.unwrap_or(&none);
    let mut clock = |key: &str, given: &Option<super::super::kinds::SomeLength>, default: Millis| {
        findings.value(&at.key(key), given.as_ref().map(|text| text.0.as_str()), default, some_time)
    };
    let headers = clock("headers", &raw.headers, defaults::HEADERS);
    Timeouts {
        connect: clock("connect", &raw.connect, defaults::CONNECT),
        headers,
        // The head of a stream comes no later than that of a whole answer, where nothing else is said.
        stream_headers: clock("stream_headers", &raw.stream_headers, defaults::STREAM_HEADERS.min(headers)),
        first_output: clock("first_output", &raw.first_output, defaults::FIRST_OUTPUT),
        idle: clock("idle", &raw.idle, defaults::PROVIDER_IDLE),
    }
}

/// Headers that belong to the connection or to Serin and cannot be set.
const NOT_TO_SET: [&str; 11] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "proxy-connection",
    "proxy-authorization",
];

fn set_headers(
    raw: &raw::Provider,
    at: &At,
    place: &Place,
    unusable: &mut Option<String>,
    findings: &mut Findings<'_>,
) -> Vec<(String, Secret)> {
    let mut headers: Vec<(String, Secret)> = Vec::new();
    for (given, value) in raw.set_headers.iter().flat_map(|entries| &entries.0) {
        let at = at.key("set_headers").key(given);
        let name = match url::header(given) {
            Ok(name) if NOT_TO_SET.contains(&name.as_str()) || name.starts_with("x-serin-") => {
                findings.error(
                    &at.name(),
                    format!("`{name}` cannot be set: it belongs to the connection"),
                    "remove it",
                );
                continue;
            }
            Ok(name) => name,
            Err(Wrong { problem, remedy }) => {
                findings.error(&at.name(), format!("`{}` {problem}", mask::short(given)), remedy);
                continue;
            }
        };
        if headers.iter().any(|(other, _)| *other == name) {
            findings.error(
                &at.name(),
                format!("`{name}` is written twice; upper and lower case are the same"),
                "keep one of the two",
            );
            continue;
        }
        if is_credential(&name, &value.0) {
            let place = Place { key: format!("set_headers.{name}"), ..place.clone() };
            let value = credential(&at, &value.0, place, unusable, findings);
            headers.extend(value.map(|value| (name, Secret::new(value))));
        } else if let Some(value) = findings.hidden(&at, &value.0, header_value) {
            headers.push((name, Secret::new(value)));
        }
    }
    headers
}

fn header_value(text: &str) -> Result<String, Wrong> {
    if text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return Ok(text.trim().to_owned());
    }
    wrong("has characters that no header can carry", "use printable ASCII characters")
}

fn forward_headers(raw: &raw::Provider, at: &At, findings: &mut Findings<'_>) -> BTreeSet<String> {
    let mut headers = BTreeSet::new();
    for (index, given) in raw.forward_headers.iter().flat_map(|texts| &texts.0).enumerate() {
        headers.extend(findings.given(&at.key("forward_headers").item(index), Some(given), url::forwarded));
    }
    headers
}

fn tls(raw: &raw::Provider, at: &At, unusable: &mut Option<String>, findings: &mut Findings<'_>) -> Tls {
    let Some(raw) = &raw.tls else { return Tls::default() };
    let at = at.key("tls");
    let mut file = |key: &str, given: &Option<Text>| {
        let at = at.key(key);
        let path = findings.given(&at, text(given), |text| {
            if text.trim().is_empty() {
                wrong("is not a file's path", "write the path of a PEM file")
            } else {
                Ok(PathBuf::from(text))
            }
        })?;
        if findings.resolves()
            && let Some(reason) = findings.certificates(&at, &path, key == "key_file")
        {
            findings.warn(&at, format!("{reason}: the provider cannot be used"));
            unusable.get_or_insert(reason);
        }
        Some(path)
    };
    let tls = Tls {
        ca_file: file("ca_file", &raw.ca_file),
        cert_file: file("cert_file", &raw.cert_file),
        key_file: file("key_file", &raw.key_file),
    };
    if raw.cert_file.is_some() != raw.key_file.is_some() {
        findings.error(&at, "`cert_file` and `key_file` belong together", "give both, or neither");
    }
    tls
}
