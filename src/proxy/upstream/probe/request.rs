//! The request that a probe sends, and how long it waits.
//!
//! Written with all that the provider wants to see in a request: host, key, `set_headers`, `query`. Refuses to send it.
//! Invariant: an error message holds no key, neither of a header nor of a query.

use http::header::{HeaderValue, USER_AGENT};
use http::{Method, Request, Uri};

use crate::decide::policy::{Auth, Provider};
use crate::decide::units::Millis;
use crate::proxy::request::body::RequestBody;
use crate::proxy::request::presentation::{self, Key, Presentation, presented};
use crate::proxy::response::body::BodyClocks;
use crate::proxy::upstream::deadline::SendLimits;
use crate::wire::query;

/// A probe's answer may take no longer, whatever the provider's own timeouts allow.
pub(super) const PATIENCE: Millis = Millis(10_000);

pub(super) fn limits(provider: &Provider) -> SendLimits {
    SendLimits {
        client: provider.timeouts.idle,
        head: PATIENCE.min(provider.timeouts.headers),
        deadline: None,
        body: BodyClocks { first_output: PATIENCE, idle: PATIENCE },
    }
}

/// How many keys a probe tries before it says that they are refused.
const MOST_KEYS: usize = 8;

/// Whether there is another key to try after this one was refused.
pub(super) fn has_next_key(provider: &Provider, key: usize) -> bool {
    provider.sends_api_keys() && key + 1 < provider.api_keys.len().min(MOST_KEYS)
}

/// A request to a path below the provider's base URL, with all that the provider wants to see in one. `key`: the index
/// of its key.
pub(super) fn probe_request(
    provider: &Provider,
    key: usize,
    method: Method,
    below: &str,
    body: RequestBody,
) -> Result<Request<RequestBody>, String> {
    let wrong = |problem: String| format!("the probe of provider `{}` cannot be written: {problem}", provider.name);
    let Presentation { host, target, keys, set, unusable } = presented(provider, "", None);
    if let Some(reason) = unusable {
        return Err(wrong(reason));
    }
    let key = keys.get(key);
    let own = match (key, &provider.auth) {
        (Some(Key::Query(_)), Auth::Query(name)) => Some(name.as_bytes()),
        _ => None,
    };
    // Its key stands there once.
    let is_key = |pair: &str| own.is_some_and(|own| *query::name(pair) == *own);
    let target = if let Some(Key::Query(target)) = key { target } else { &target };
    let slash = if below.starts_with('/') { "" } else { "/" };
    // What stands behind a `?` may be a key.
    let no_path = || wrong(format!("`{}` is not a path", below.split('?').next().unwrap_or_default()));
    let uri: Uri = format!("{slash}{below}").parse().map_err(|_| no_path())?;
    let uri = target.uri(&uri, uri.path(), is_key, None).ok_or_else(no_path)?;
    let mut request = Request::new(body);
    (*request.method_mut(), *request.uri_mut()) = (method, uri);
    let headers = request.headers_mut();
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("serin/", env!("CARGO_PKG_VERSION"))));
    presentation::write(headers, &host, key, &set);
    Ok(request)
}
