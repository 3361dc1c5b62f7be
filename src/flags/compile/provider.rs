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
use crate::decide::units::UnixMillis;

use super::super::memory::SecretId;
use super::super::place::At;
use super::super::scalar::{Wrong, date, name, ping_every, some_length, some_length_or_never, wrong};
use super::super::{mask, url};
use super::findings::{Findings, usual};
use super::secrets::{Resolved, one_line};
use super::{api_keys, fields, prices, rate_limit, recovery, tags};

/// All providers, in the file's order; wrong ones too, so that rollouts can refer to them.
pub(super) fn all(at: &At, findings: &mut Findings<'_>) -> Vec<Provider> {
    if at.entries().is_empty() && at.fits() {
        findings.error(at, "there is no provider", "add one: `openai: { base_url: https://api.openai.com/v1 }`");
    }
    findings.providers = at.entries().iter().map(|entry| entry.spot).collect();
    let providers: Vec<Provider> = at.named().map(|(name, at)| provider(name, &at, findings)).collect();
    api_keys::warn_of_shared_keys(at, &providers, findings);
    providers
}

fn provider(provider: &str, at: &At, findings: &mut Findings<'_>) -> Provider {
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
    let base_url = findings.given(&at.key("base_url"), url::base_url).unwrap_or(unknown);
    if base_url.path.is_empty() && is_well_known(&base_url.host) {
        findings.warn(
            &at.key("base_url"),
            format!("the API of {0} is below a path; did you mean `https://{0}/v1`?", base_url.host),
        );
    }
    if !at.key("path").fits()
        && let Some((before, endpoint)) = endpoint::at_end(&base_url.path)
    {
        findings.warn(&at.key("base_url"), with_endpoint(at, &base_url, before, endpoint));
    }
    let mut unusable = None;
    let place = SecretId { provider: provider.to_owned(), base_url: base_url.to_string(), key: String::new() };
    let auth = findings.given(&at.key("auth"), url::auth).unwrap_or_else(|| url::usual_auth(&base_url.host));
    let has_keys = at.key("api_keys").fits();
    // What is never sent is missed by nobody.
    let wanting = (auth != Auth::None).then_some(&mut unusable);
    let (api_keys, keys) = api_keys::all(at, &place, wanting, findings);
    if auth != Auth::None {
        api_keys::warn_of_formats(&at.key("api_keys"), &base_url.host, &api_keys, findings);
    }
    if !base_url.https && has_keys && auth != Auth::None && !is_private(&base_url.host) {
        findings.warn(
            &at.key("base_url"),
            format!(
                "the keys are sent to {} in clear text: write https://, or send no keys over the network",
                base_url.host
            ),
        );
    }
    if auth == Auth::None && has_keys {
        findings.warn(&at.key("auth"), "the `api_keys` are never sent: `auth` is none");
    }
    let set_headers = set_headers(&at.key("set_headers"), &place, &mut unusable, findings);
    let query = query(&at.key("query"), &place, &mut unusable, findings);
    let tls = tls(&at.key("tls"), &mut unusable, findings);
    let probe_path = at.key("probe_path");
    let probe_path = findings.kept(&probe_path, url::path).unwrap_or_else(|| usual(&probe_path, url::path));
    Provider {
        name: provider.to_owned(),
        holds_keys: holds_keys(at, &auth),
        auth,
        api_keys,
        keys,
        query,
        timeouts: timeouts(&at.key("timeouts"), findings),
        models: models(&at.key("models"), findings),
        unmapped: findings.choice(
            &at.key("unmapped"),
            "is not a policy for unmapped models",
            &[("pass", Unmapped::Pass), ("stable", Unmapped::Stable)],
        ),
        fields: fields::rules(at, findings),
        path: findings.given(&at.key("path"), url::path_template),
        done_marker: findings.choice(
            &at.key("done_marker"),
            "is not a rule for the end of a stream",
            &[("optional", DoneMarker::Optional), ("required", DoneMarker::Required)],
        ),
        breaker: recovery::breaker(&at.key("breaker"), findings),
        rate_limit: rate_limit::provider(&at.key("rate_limit"), findings),
        set_headers,
        forward_headers: forward_headers(&at.key("forward_headers"), findings),
        http2: findings.choice(
            &at.key("http2"),
            "is not a choice of HTTP version",
            &[("never", Http2::Never), ("auto", Http2::Auto), ("prior_knowledge", Http2::PriorKnowledge)],
        ),
        tls,
        max_connections: findings.whole(&at.key("max_connections")),
        max_connection_age: findings.value(&at.key("max_connection_age"), some_length_or_never),
        ping_every: findings.value(&at.key("websocket").key("ping_every"), ping_every),
        probe_path: Secret::new(probe_path),
        retires: retires(at, findings),
        prices: prices::prices(&at.key("prices"), findings),
        tags: tags::tags(&at.key("tags"), findings),
        base_url,
        unusable,
    }
}

/// Whether a host is this machine or in a network of one's own: a private address, a name without a dot, or one that
/// only a private resolver knows.
pub(super) fn is_private(host: &str) -> bool {
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

/// Whether requests to it carry a key, whatever it is written as: what the file refers to, what has the look of one,
/// and what stands under a name that tells of one. What secrets turn out to be changes nothing of it, so that no reload
/// waits for one.
fn holds_keys(at: &At, auth: &Auth) -> bool {
    let is_key =
        |name: &str, value: &str| is_credential(name, value) || value.contains("${") || mask::looks_secret(value);
    let some_is_key = |key: &str| {
        at.key(key).entries().iter().any(|entry| entry.value.text().is_some_and(|value| is_key(&entry.key, value)))
    };
    let sent = at.key("api_keys").fits() && *auth != Auth::None;
    sent || some_is_key("set_headers") || some_is_key("query") || at.key("tls").key("cert_file").fits()
}

/// Whether a header or parameter of this name has a secret for a value. What is no more than a switch, a word that
/// everybody knows or a small number is none, whatever its name tells: `x-auth-mode: auto`, `x-token-limit: 4096`.
pub(super) fn is_credential(name: &str, value: &str) -> bool {
    const WORDS: [&str; 12] =
        ["true", "false", "on", "off", "yes", "no", "none", "null", "auto", "default", "enabled", "disabled"];
    let value = value.trim();
    let small = value.len() <= 5 && value.bytes().all(|byte| byte.is_ascii_digit());
    let known = WORDS.iter().any(|word| value.eq_ignore_ascii_case(word));
    suggests_secret(&name.to_ascii_lowercase()) && !small && !known
}

/// What to write for a URL that was copied with an endpoint. One that is made of references is not spelt out.
fn with_endpoint(at: &At, base_url: &BaseUrl, before: &str, endpoint: &str) -> String {
    let at = at.key("base_url");
    let written = at.text().unwrap_or_default();
    let path = if before.is_empty() && is_well_known(&base_url.host) { "/v1" } else { before };
    let meant = BaseUrl { path: path.to_owned(), ..base_url.clone() };
    let remedy = if written.contains("${") {
        "end it before that".to_owned()
    } else {
        format!("write {}", mask::quoted(&meant.to_string()))
    };
    format!(
        "this ends in `/{endpoint}`, which every request's path already contains, so that every request would fail: \
         {remedy}"
    )
}

fn is_well_known(host: &str) -> bool {
    matches!(host, "api.openai.com" | "api.anthropic.com")
}

fn not_blank(text: &str) -> Result<(), Wrong> {
    if text.trim().is_empty() { wrong("is blank", "write a name") } else { Ok(()) }
}

fn models(at: &At, findings: &mut Findings<'_>) -> BTreeMap<String, String> {
    let mut models = BTreeMap::new();
    for (model, at) in at.named() {
        let good = |text: &str| not_blank(model).and_then(|()| not_blank(text)).map(|()| text.to_owned());
        if let Some(known_as) = findings.given(&at, good) {
            models.insert(model.to_owned(), known_as);
        }
    }
    models
}

/// Models that are taken away. One that is renamed on its way here is none that this provider gets.
fn retires(at: &At, findings: &mut Findings<'_>) -> BTreeMap<String, UnixMillis> {
    let mut retires = BTreeMap::new();
    for (model, date_at) in at.key("retires").named() {
        let good = |text: &str| not_blank(model).and_then(|()| date(text));
        if let Some(date) = findings.given(&date_at, good) {
            retires.insert(model.to_owned(), date);
        }
        if let Some(known_as) = at.key("models").key(model).text()
            && known_as != model
        {
            let problem = format!(
                "this is the provider's own name for a model, and `{model}` is sent to it as {}: write that name",
                mask::quoted(known_as)
            );
            findings.warn(&date_at.name(), problem);
        }
    }
    retires
}

fn query(
    at: &At,
    place: &SecretId,
    unusable: &mut Option<String>,
    findings: &mut Findings<'_>,
) -> Vec<(String, Secret)> {
    let mut query = Vec::new();
    for (name, at) in at.named() {
        if name.is_empty() {
            findings.error(&at.name(), "a query parameter without a name", "name it, such as `api-version`");
        } else if is_credential(name, at.text().unwrap_or_default()) {
            let place = SecretId { key: format!("query.{name}"), ..place.clone() };
            let value = credential(&at, place, unusable, findings);
            query.extend(value.map(|value| (name.to_owned(), Secret::new(value))));
        } else if let Some(value) = findings.hidden(&at, |text| Ok(text.to_owned())) {
            query.push((name.to_owned(), Secret::new(value)));
        }
    }
    query
}

/// A secret that the provider cannot do without, although it is none of the `api_keys`.
fn credential(at: &At, place: SecretId, unusable: &mut Option<String>, findings: &mut Findings<'_>) -> Option<String> {
    let (found, reason) = match findings.secret(at, one_line) {
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

fn timeouts(at: &At, findings: &mut Findings<'_>) -> Timeouts {
    let headers = findings.value(&at.key("headers"), some_length);
    let stream = at.key("stream_headers");
    Timeouts {
        connect: findings.value(&at.key("connect"), some_length),
        headers,
        // The head of a stream comes no later than that of a whole answer, where nothing else is said.
        stream_headers: findings
            .given(&stream, some_length)
            .unwrap_or_else(|| usual(&stream, some_length).min(headers)),
        first_output: findings.value(&at.key("first_output"), some_length),
        idle: findings.value(&at.key("idle"), some_length),
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
    at: &At,
    place: &SecretId,
    unusable: &mut Option<String>,
    findings: &mut Findings<'_>,
) -> Vec<(String, Secret)> {
    let mut headers: Vec<(String, Secret)> = Vec::new();
    for (given, at) in at.named() {
        let Some(name) = header_name(given, &at, &headers, findings) else { continue };
        if is_credential(&name, at.text().unwrap_or_default()) {
            let place = SecretId { key: format!("set_headers.{name}"), ..place.clone() };
            let value = credential(&at, place, unusable, findings);
            headers.extend(value.map(|value| (name, Secret::new(value))));
        } else if let Some(value) = findings.hidden(&at, header_value) {
            headers.push((name, Secret::new(value)));
        }
    }
    headers
}

/// The name of a header that is set; `headers`: those above it. `None`: it cannot be set, which is an error.
pub(super) fn header_name(
    given: &str,
    at: &At,
    headers: &[(String, Secret)],
    findings: &mut Findings<'_>,
) -> Option<String> {
    match url::header(given) {
        Ok(name) if NOT_TO_SET.contains(&name.as_str()) || name.starts_with("x-serin-") => {
            findings.error(&at.name(), format!("`{name}` cannot be set: it belongs to the connection"), "remove it");
        }
        Ok(name) if headers.iter().any(|(other, _)| *other == name) => {
            let problem = format!("`{name}` is written twice; upper and lower case are the same");
            findings.error(&at.name(), problem, "keep one of the two");
        }
        Ok(name) => return Some(name),
        Err(Wrong { problem, remedy }) => {
            findings.error(&at.name(), format!("`{}` {problem}", mask::short(given)), remedy);
        }
    }
    None
}

pub(super) fn header_value(text: &str) -> Result<String, Wrong> {
    if text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return Ok(text.trim().to_owned());
    }
    wrong("has characters that are not allowed in a header", "use printable ASCII characters")
}

fn forward_headers(at: &At, findings: &mut Findings<'_>) -> BTreeSet<String> {
    at.items().iter().filter_map(|at| findings.given(at, url::forwarded)).collect()
}

/// The path of a file of certificates, or of a key.
pub(super) fn pem_path(text: &str) -> Result<PathBuf, Wrong> {
    if text.trim().is_empty() {
        return wrong("is not a file's path", "write the path of a PEM file");
    }
    Ok(PathBuf::from(text))
}

fn tls(at: &At, unusable: &mut Option<String>, findings: &mut Findings<'_>) -> Tls {
    let mut file = |key: &str| {
        let at = at.key(key);
        let path = findings.given(&at, pem_path)?;
        if findings.resolves()
            && let Some(reason) = findings.certificates(&at, &path, key == "key_file")
        {
            findings.warn(&at, format!("{reason}: the provider cannot be used"));
            unusable.get_or_insert(reason);
        }
        Some(path)
    };
    let tls = Tls { ca_file: file("ca_file"), cert_file: file("cert_file"), key_file: file("key_file") };
    if at.key("cert_file").fits() != at.key("key_file").fits() {
        findings.error(at, "`cert_file` and `key_file` belong together", "give both, or neither");
    }
    tls
}
