//! How Serin presents itself to a provider: the same for the application's requests and for Serin's own probes.
//!
//! Built from the file alone, once: keys where `auth` wants them, `set_headers`, `query`, `Host` and the base path. The
//! header rules decide which of the client's own credentials are taken off. Refuses to send anything. Invariants: each
//! header is set by one rule only, values that may be secret are marked sensitive, and a value that no header can carry
//! makes its provider unusable, with a reason that does not show it.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::uri::UriRewrite;
use crate::decide::policy::{Auth, PathTemplate, Provider};

/// One of a provider's keys, where it wants it.
#[derive(Debug)]
pub(crate) enum Key {
    Header(HeaderName, HeaderValue),
    Query(UriRewrite),
}

/// What every request to one provider gets from the file.
#[derive(Debug)]
pub(crate) struct Presentation {
    /// What replaces Host.
    pub(crate) host: HeaderValue,
    /// The URIs of its requests, where its key is not in the query.
    pub(crate) target: UriRewrite,
    /// Empty: no key of Serin's is presented.
    pub(crate) keys: Vec<Key>,
    /// Set over what the client sent.
    pub(crate) set: Vec<(HeaderName, HeaderValue)>,
    /// Why no request can be sent to it; `None`: one can.
    pub(crate) unusable: Option<String>,
}

/// For requests below `mount`; `template`: the path below the base path.
pub(crate) fn presented(provider: &Provider, mount: &str, template: Option<&PathTemplate>) -> Presentation {
    let mut unusable = provider.unusable.clone();
    let unsendable = |what: &str| format!("{what} holds characters that no HTTP header can carry");
    let query = || provider.query.iter().map(|(name, value)| (name.as_str(), value.reveal()));
    let path = &provider.base_url.path;
    let mut keys = Vec::with_capacity(provider.api_keys.len());
    for key in provider.api_keys.iter().map(|key| key.reveal()) {
        let (name, text) = match &provider.auth {
            Auth::Bearer => (Ok(header::AUTHORIZATION), format!("Bearer {key}")),
            Auth::Header(name) => (HeaderName::try_from(name.as_str()), key.to_owned()),
            Auth::Query(name) => {
                let query = query().chain([(name.as_str(), key)]);
                keys.push(Key::Query(UriRewrite::new(path, mount, query, template)));
                continue;
            }
            Auth::None => break,
        };
        match (name, HeaderValue::try_from(text)) {
            (Ok(name), Ok(mut value)) => {
                value.set_sensitive(true);
                keys.push(Key::Header(name, value));
            }
            _ => {
                unusable.get_or_insert_with(|| unsendable("an api key of it, or its `auth`,"));
            }
        }
    }
    let mut host = HeaderValue::try_from(provider.base_url.authority()).unwrap_or_else(|_| {
        unusable.get_or_insert_with(|| unsendable("the host of its base_url"));
        HeaderValue::from_static("invalid")
    });
    // Each header is set by one rule only, so that undoing one provider's rules leaves nothing of them.
    let mut set: Vec<(HeaderName, HeaderValue)> = Vec::with_capacity(provider.set_headers.len());
    for (name, value) in &provider.set_headers {
        let (Ok(name), Ok(mut value)) = (HeaderName::try_from(name), HeaderValue::try_from(value.reveal())) else {
            unusable.get_or_insert_with(|| unsendable("`set_headers`"));
            continue;
        };
        value.set_sensitive(true);
        if name == header::HOST {
            host = value;
        } else if keys.iter().any(|key| matches!(key, Key::Header(known, _) if *known == name)) {
            keys = vec![Key::Header(name, value)];
        } else if belongs_to_connection(&name) {
            unusable.get_or_insert_with(|| {
                format!("`set_headers` names `{name}`, which belongs to the connection; take it out")
            });
        } else {
            set.retain(|(known, _)| *known != name);
            set.push((name, value));
        }
    }
    Presentation { host, target: UriRewrite::new(path, mount, query(), template), keys, set, unusable }
}

/// Writes host, key and set headers into a request, over headers of the same names.
pub(crate) fn write(headers: &mut HeaderMap, host: &HeaderValue, key: Option<&Key>, set: &[(HeaderName, HeaderValue)]) {
    headers.insert(header::HOST, host.clone());
    if let Some(Key::Header(name, value)) = key {
        headers.insert(name.clone(), value.clone());
    }
    for (name, value) in set {
        headers.insert(name.clone(), value.clone());
    }
}

fn belongs_to_connection(name: &HeaderName) -> bool {
    let own = [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::TE,
        header::EXPECT,
    ];
    own.contains(name)
}

#[cfg(test)]
mod tests {
    use http::Uri;

    use super::*;
    use crate::decide::policy::Secret;
    use crate::proxy::tests::support::provider;

    fn with_key(key: &str, auth: Auth) -> Presentation {
        let mut provider = provider("acme", "127.0.0.1:9".parse().unwrap());
        (provider.api_keys, provider.auth) = (vec![Secret::new(key.to_owned())], auth);
        presented(&provider, "/v1", None)
    }

    #[test]
    fn a_key_is_put_where_the_provider_wants_it_and_never_shown() {
        let written = |auth| {
            let Presentation { host, keys, set, .. } = with_key("s&k", auth);
            let mut headers = HeaderMap::new();
            headers.insert("authorization", "Bearer client".parse().unwrap());
            write(&mut headers, &host, keys.first(), &set);
            assert!(!format!("{headers:?}").contains("s&k"));
            headers
        };
        assert_eq!(written(Auth::Bearer)["authorization"], "Bearer s&k");
        let headers = written(Auth::Header("x-api-key".into()));
        assert_eq!(
            (&headers["x-api-key"], &headers["host"]),
            (&"s&k".parse().unwrap(), &"127.0.0.1:9".parse().unwrap())
        );
        assert_eq!(written(Auth::None)["authorization"], "Bearer client");
        let to = with_key("s&k", Auth::Query("key".into()));
        let Some(Key::Query(target)) = to.keys.first() else { unreachable!("{to:?}") };
        for (before, after) in [("/x", "/v1/x?key=s%26k"), ("/x?a=1&b=%20", "/v1/x?a=1&b=%20&key=s%26k")] {
            let uri: Uri = before.parse().unwrap();
            assert_eq!(target.uri(&uri, uri.path(), |_| false, None).unwrap(), after);
        }
    }

    #[test]
    fn a_key_that_no_header_can_carry_makes_unusable_and_is_not_shown() {
        let reason = with_key("line\nbreak", Auth::Bearer).unusable.unwrap();
        assert_eq!(reason, "an api key of it, or its `auth`, holds characters that no HTTP header can carry");
    }
}
