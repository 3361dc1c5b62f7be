//! What the file says of traces.
//!
//! Reads its keys; without any of them there are no traces. Whether a collector is there is found out when the first
//! spans are sent. Invariant: a build without the feature `otlp` takes no file that asks for traces.

use super::findings::Findings;
use super::provider::{header_name, header_value, is_credential, is_private};
use super::secrets::one_line;
use crate::decide::policy::{BaseUrl, Otlp, Secret};
use crate::flags::place::At;
use crate::flags::scalar::{Wrong, rate, wrong};
use crate::flags::url;

/// Where a collector takes traces, below its address.
const TRACES: &str = "/v1/traces";

/// Reads it.
pub(super) fn otlp(at: &At, findings: &mut Findings<'_>) -> Option<Otlp> {
    if !at.fits() {
        return None;
    }
    if !cfg!(feature = "otlp") {
        findings.error(at, "this build has no traces: it was made without the feature `otlp`", "remove `otlp`");
        return None;
    }
    let endpoint = findings.given(&at.key("endpoint"), address);
    let sample = findings.value(&at.key("sample"), rate);
    let headers = headers(&at.key("headers"), findings);
    let endpoint = endpoint?;
    let secret = headers.iter().any(|(name, value)| is_credential(name, value.reveal()));
    if !endpoint.https && secret && !is_private(&endpoint.host) {
        let problem = format!("the key is sent to {} in clear text: write https://", endpoint.host);
        findings.warn(&at.key("endpoint"), problem);
    }
    Some(Otlp { endpoint, sample, headers })
}

fn address(text: &str) -> Result<BaseUrl, Wrong> {
    const EXAMPLE: &str = "write scheme, host and port, such as `http://127.0.0.1:4318`";
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    if rest.split('/').next().is_some_and(|authority| authority.contains('@')) {
        return wrong("has credentials in it", "put them under `headers`, as a reference such as `${NAME}`");
    }
    if rest.contains('?') {
        return wrong("has a query", EXAMPLE);
    }
    let mut endpoint = url::base_url(text).map_err(|Wrong { problem, .. }| {
        // The examples of a provider's address would mislead.
        Wrong { problem, remedy: EXAMPLE.to_owned() }
    })?;
    if !endpoint.path.ends_with(TRACES) {
        endpoint.path.push_str(TRACES);
    }
    Ok(endpoint)
}

fn headers(at: &At, findings: &mut Findings<'_>) -> Vec<(String, Secret)> {
    let mut headers = Vec::new();
    for (given, at) in at.named() {
        let Some(name) = header_name(given, &at, &headers, findings) else { continue };
        if matches!(name.as_str(), "content-type" | "content-encoding") {
            findings.error(&at.name(), format!("`{name}` cannot be set: it describes the export"), "remove it");
            continue;
        }
        let value = if is_credential(&name, at.text().unwrap_or_default()) {
            findings.own_secret(&at, |text| one_line(text).map(drop))
        } else {
            findings.hidden(&at, header_value).map(Secret::new)
        };
        headers.extend(value.map(|value| (name, value)));
    }
    headers
}
