//! Which credentials of a client are taken off a request, and where a key of `clients` is looked for.
//!
//! Built once per generation from the table in [`wire::credentials`](crate::wire::credentials) and from the file: what
//! any provider is authenticated by is a credential of the client's too. Refuses to decide for which provider a
//! credential was meant: the plan does. Invariant: names are compared as servers read them, so upper case and escapes
//! hide none.

use std::borrow::Cow;

use http::Uri;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use http::request::Parts;
use http::uri::PathAndQuery;
use subtle::ConstantTimeEq as _;

use super::name_filter::NameFilter;
use crate::decide::policy::{Auth, Client, Policy, Provider, suggests_secret};
use crate::wire::credentials::{CredentialLocation, Kind, TABLE, is_named};
use crate::wire::query;

/// What a file adds to the table: by what its providers are authenticated.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProviderCredentials(Vec<(CredentialLocation, String)>);

impl ProviderCredentials {
    /// Of all providers of a file.
    pub(crate) fn new(policy: &Policy) -> ProviderCredentials {
        ProviderCredentials(policy.providers.iter().flat_map(|provider| named_by(provider)).collect())
    }

    /// All names of a kind of place, those of the table first.
    fn names(&self, kinds: &[Kind]) -> Vec<(CredentialLocation, Cow<'_, str>)> {
        let known =
            TABLE.iter().filter(|row| kinds.contains(&row.kind)).map(|row| (row.place, Cow::Borrowed(row.name)));
        let mut names: Vec<_> = known.collect();
        for (place, name) in &self.0 {
            if !TABLE.iter().any(|row| row.place == *place && is_named(row.name, name)) {
                names.push((*place, Cow::Borrowed(name)));
            }
        }
        names
    }
}

/// By what a provider knows who asks: its `auth`, and whatever of `set_headers` and `query` is named like a secret.
fn named_by(provider: &Provider) -> impl Iterator<Item = (CredentialLocation, String)> {
    let auth = match &provider.auth {
        Auth::Header(name) => Some((CredentialLocation::Header, name.to_ascii_lowercase())),
        Auth::Query(name) => Some((CredentialLocation::Query, name.to_ascii_lowercase())),
        Auth::Bearer | Auth::None => None,
    };
    let secret = |place| {
        move |(name, _): &(String, _)| {
            let name = name.to_ascii_lowercase();
            suggests_secret(&name).then_some((place, name))
        }
    };
    let set = provider.set_headers.iter().filter_map(secret(CredentialLocation::Header));
    auth.into_iter().chain(set).chain(provider.query.iter().filter_map(secret(CredentialLocation::Query)))
}

/// Names under which something is taken off a request.
#[derive(Debug, Default)]
pub(crate) struct Names {
    name_filter: NameFilter,
    headers: Box<[HeaderName]>,
    begins: Box<[String]>,
    /// Headers that begin so and pass all the same.
    spared: Box<[String]>,
    query: Box<[String]>,
    subprotocols: Box<[String]>,
}

impl Names {
    fn new<'a>(names: impl IntoIterator<Item = (CredentialLocation, Cow<'a, str>)>) -> Names {
        let (mut headers, mut begins) = (Vec::new(), Vec::new());
        let (mut query, mut subprotocols) = (Vec::new(), Vec::new());
        for (place, name) in names {
            match place {
                CredentialLocation::Header => match (name.strip_suffix('*'), HeaderName::try_from(&*name)) {
                    (Some(begin), _) => begins.push(begin.to_owned()),
                    (None, Ok(name)) => headers.push(name),
                    // No request can have it.
                    (None, Err(_)) => {}
                },
                CredentialLocation::Query => query.push(name.into_owned()),
                CredentialLocation::Subprotocol => subprotocols.push(name.into_owned()),
            }
        }
        let mut name_filter = NameFilter::default();
        headers.iter().for_each(|name| name_filter.add(name.as_str()));
        begins.iter().for_each(|begin| name_filter.add_beginning(begin));
        Names {
            name_filter,
            headers: headers.into(),
            begins: begins.into(),
            spared: Box::default(),
            query: query.into(),
            subprotocols: subprotocols.into(),
        }
    }

    /// What a provider does not see of the client's credentials. `trusted`: they were meant for it, so that they pass
    /// unless Serin's own key stands in their place.
    pub(super) fn withheld(
        credentials: &ProviderCredentials,
        provider: &Provider,
        own_key: bool,
        trusted: bool,
    ) -> Names {
        let kinds = match (trusted, own_key) {
            (false, _) => &[Kind::Key, Kind::Account][..],
            (true, true) => &[Kind::Key],
            (true, false) => &[],
        };
        let names = if kinds.is_empty() { Vec::new() } else { credentials.names(kinds) };
        let forwards = |place: CredentialLocation, name: &str| match place {
            CredentialLocation::Header => provider.forward_headers.contains(name),
            CredentialLocation::Query => provider.forward_headers.contains(&format!("query:{name}")),
            CredentialLocation::Subprotocol => provider.forward_headers.contains("sec-websocket-protocol"),
        };
        let withheld = names.into_iter().filter(|(place, name)| !forwards(*place, name));
        // What Serin writes into the query itself stands there once.
        let own = provider.query.iter().filter(|(name, _)| suggests_secret(&name.to_ascii_lowercase()));
        let own = own.map(|(name, _)| name).chain(match &provider.auth {
            Auth::Query(name) if own_key => Some(name),
            _ => None,
        });
        let own = own.map(|name| (CredentialLocation::Query, Cow::Owned(name.to_ascii_lowercase())));
        Names { spared: provider.forward_headers.iter().cloned().collect(), ..Names::new(withheld.chain(own)) }
    }

    /// Whether this header is among them.
    pub(super) fn has_header(&self, name: &str) -> bool {
        self.name_filter.may_have(name)
            && (self.headers.iter().any(|header| header.as_str() == name)
                || (self.begins.iter().any(|begin| name.starts_with(begin.as_str()))
                    && !self.spared.iter().any(|spared| spared == name)))
    }

    /// Whether this pair of a query is among them.
    pub(super) fn has_parameter(&self, pair: &str) -> bool {
        let name = query::name(pair);
        str::from_utf8(&name).is_ok_and(|name| self.query.iter().any(|pattern| is_named(pattern, name)))
    }

    /// Takes their items out of `sec-websocket-protocol`; without any of them it stays byte for byte.
    pub(super) fn strip_subprotocols(&self, headers: &mut HeaderMap) {
        let is_one = |item: &str| self.subprotocols.iter().any(|pattern| is_named(pattern, item));
        without_items(headers, is_one);
    }
}

/// Takes items out of `sec-websocket-protocol`.
fn without_items(headers: &mut HeaderMap, is_one: impl Fn(&str) -> bool) {
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let items: Vec<String> = lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(|item| String::from_utf8_lossy(item.trim_ascii()).into_owned())
        .collect();
    if !items.iter().any(|item| is_one(item)) {
        return;
    }
    let kept: Vec<String> = items.into_iter().filter(|item| !is_one(item) && !item.is_empty()).collect();
    headers.remove(SEC_WEBSOCKET_PROTOCOL);
    if let (false, Ok(line)) = (kept.is_empty(), HeaderValue::try_from(kept.join(", "))) {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, line);
    }
}

/// Where a key of `clients` may stand.
#[derive(Debug, Default)]
pub(crate) struct KeyPlaces(Names);

impl KeyPlaces {
    /// Wherever a provider's key may, so that an application need not be rewritten.
    pub(crate) fn new(credentials: &ProviderCredentials) -> KeyPlaces {
        let names = credentials.names(&[Kind::Key]);
        // A signature is no key that could be compared.
        KeyPlaces(Names::new(names.into_iter().filter(|(_, name)| !name.starts_with("x-amz-"))))
    }

    /// Takes the keys of clients off a request; `None` when there is none. What is taken off is only what holds one.
    pub(crate) fn take(&self, clients: &[Client], parts: &mut Parts) -> Option<usize> {
        let mut found = None;
        for name in &self.0.headers {
            let values = parts.headers.get_all(name).iter();
            let known = values.filter_map(|value| client_of(clients, shown(name, value)?)).next();
            if known.is_some() {
                parts.headers.remove(name);
                found = found.or(known);
            }
        }
        let by_subprotocol = |item: &str| {
            let key = self.0.subprotocols.iter().find_map(|pattern| {
                let begin = pattern.strip_suffix('*')?.len();
                is_named(pattern, item).then(|| item.get(begin..))?
            });
            client_of(clients, key?.as_bytes())
        };
        if parts.headers.contains_key(SEC_WEBSOCKET_PROTOCOL) {
            let lines = parts.headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
            let mut items = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
            let known = items.find_map(|item| by_subprotocol(item.trim()));
            if known.is_some() {
                without_items(&mut parts.headers, |item| by_subprotocol(item).is_some());
                found = found.or(known);
            }
        }
        let by_parameter =
            |pair: &str| if self.0.has_parameter(pair) { client_of(clients, &query::value(pair)) } else { None };
        if let Some(known) = parts.uri.query().and_then(|query| query.split('&').find_map(by_parameter)) {
            parts.uri = without_parameters(&parts.uri, |pair| by_parameter(pair).is_some())?;
            found = found.or(Some(known));
        }
        found
    }
}

/// The key in a header's value.
fn shown<'a>(name: &HeaderName, value: &'a HeaderValue) -> Option<&'a [u8]> {
    let value = value.as_bytes();
    if *name != AUTHORIZATION {
        return Some(value);
    }
    let (scheme, key) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| key.trim_ascii())
}

/// Whose key it is. All are compared, each in constant time.
fn client_of(clients: &[Client], shown: &[u8]) -> Option<usize> {
    clients.iter().enumerate().fold(None, |known, (index, client)| {
        if bool::from(client.key.reveal().as_bytes().ct_eq(shown)) { Some(index) } else { known }
    })
}

/// The same URI without some pairs of its query.
fn without_parameters(uri: &Uri, is_one: impl Fn(&str) -> bool) -> Option<Uri> {
    let kept: Vec<&str> =
        uri.query().into_iter().flat_map(|query| query.split('&')).filter(|pair| !is_one(pair)).collect();
    let text = if kept.is_empty() { uri.path().to_owned() } else { format!("{}?{}", uri.path(), kept.join("&")) };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(text).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests;
