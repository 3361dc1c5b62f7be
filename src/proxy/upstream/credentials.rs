//! How a key is presented to its provider: the one place that writes credentials into a request.
//!
//! Owns the placement (`auth:` of flags.yaml) only. Which of the client's own credentials are taken off, and when, is
//! the business of the header rules. Invariant: after [`present_key`] the request carries this key in the provider's
//! place, once, and marked sensitive where it is a header.

use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::{PathAndQuery, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::decide::policy::{Auth, Provider, Secret};

/// What may stand unencoded in a query's name or value.
pub(super) const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A key that cannot be written where the provider wants it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyError {
    /// It has bytes that no header can carry.
    #[error("a key of provider `{0}` cannot be a header value: it has a line break or a control character")]
    NotAHeader(String),
    /// The configured header's name is none.
    #[error("auth of provider `{0}` names an impossible header")]
    NoSuchHeader(String),
    /// The URI with the key is none.
    #[error("the request's path cannot carry the key of provider `{0}`")]
    NotAPath(String),
}

/// Writes a key where the provider wants it, over what stands there. Nothing happens without a key or with `auth: none`.
pub(crate) fn present_key(provider: &Provider, key: Option<&Secret>, parts: &mut Parts) -> Result<(), KeyError> {
    let Some(key) = key else { return Ok(()) };
    match &provider.auth {
        Auth::None => Ok(()),
        Auth::Bearer => {
            let value = sensitive(provider, &format!("Bearer {}", key.reveal()))?;
            parts.headers.insert(AUTHORIZATION, value);
            Ok(())
        }
        Auth::Header(name) => {
            let name =
                HeaderName::from_bytes(name.as_bytes()).map_err(|_| KeyError::NoSuchHeader(provider.name.clone()))?;
            parts.headers.insert(name, sensitive(provider, key.reveal())?);
            Ok(())
        }
        Auth::Query(name) => {
            let path = with_parameter(&parts.uri, name, key.reveal());
            let path = PathAndQuery::try_from(path).map_err(|_| KeyError::NotAPath(provider.name.clone()))?;
            let mut uri = std::mem::take(&mut parts.uri).into_parts();
            uri.path_and_query = Some(path);
            parts.uri = Uri::from_parts(uri).map_err(|_| KeyError::NotAPath(provider.name.clone()))?;
            Ok(())
        }
    }
}

fn sensitive(provider: &Provider, text: &str) -> Result<HeaderValue, KeyError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| KeyError::NotAHeader(provider.name.clone()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The path and query, with this parameter in place of any other of its name; the rest stays byte for byte.
fn with_parameter(uri: &Uri, name: &str, value: &str) -> String {
    let encoded = utf8_percent_encode(name, IN_QUERY).to_string();
    let mut path = uri.path().to_owned();
    let mut separator = '?';
    for pair in uri.query().into_iter().flat_map(|query| query.split('&')) {
        let own = pair.split('=').next().unwrap_or_default();
        if own != name && own != encoded {
            path.push(separator);
            path.push_str(pair);
            separator = '&';
        }
    }
    path.push(separator);
    path.push_str(&encoded);
    path.push('=');
    path.extend(utf8_percent_encode(value, IN_QUERY));
    path
}
