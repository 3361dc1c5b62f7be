//! The URI of a request to a provider: the mount is replaced by the provider's base path, byte for byte.
//!
//! Nothing is decoded, normalised or collapsed: `%2F`, `//` and the query arrive as they were sent, so a provider sees
//! what the application wrote. A path with dot segments is rejected before. A provider's own `query` is added,
//! credentials in the query are taken off, and its path template is filled in. Invariants: `/v1x` is not below `/v1`,
//! and a model's name fills one segment of a path, whatever characters it has.

use bytes::Bytes;
use http::Uri;
use http::uri::PathAndQuery;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::decide::policy::{PathPart, PathTemplate};
use crate::wire::segments;

/// The part of a path below the mount: empty, or from a slash on. `None`: the path is not below it.
pub(crate) fn below<'a>(path: &'a str, mount: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(mount)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

/// How one provider is addressed, prepared once per generation.
#[derive(Clone, Debug)]
pub(crate) struct UriRewrite {
    /// `base_url`'s path, without a trailing slash.
    path: String,
    /// Whether that is the mount itself and all, so that most requests go on with their URI untouched.
    path_is_mount: bool,
    /// Added to every query, encoded, without a leading `&`; empty: nothing.
    query: String,
    /// What stands below the base path; `None`: what stood below the mount.
    template: Option<Box<[PathPart]>>,
}

impl UriRewrite {
    /// For a provider with this base path, these additions to the query, and this template for what is below.
    pub(crate) fn new<'a>(
        path: &str,
        mount: &str,
        query: impl Iterator<Item = (&'a str, &'a str)>,
        template: Option<&PathTemplate>,
    ) -> UriRewrite {
        let query: Vec<String> = query.map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        let template = template.map(|template| template.0.clone().into());
        let path_is_mount = path == mount && template.is_none();
        UriRewrite { path: path.to_owned(), path_is_mount, query: query.join("&"), template }
    }

    /// The origin-form URI for a request. `below` is the part of its path below the mount; the pairs of its query that
    /// `without` knows are taken out. `model` is the provider's name for it: without one, a template that asks for
    /// it is not followed. `None` when the result is no URI, which takes a base path or a template that is none.
    pub(crate) fn uri(
        &self,
        original: &Uri,
        below: &str,
        without: impl Fn(&str) -> bool,
        model: Option<&str>,
    ) -> Option<Uri> {
        let query = original.query();
        let strip = query.is_some_and(|query| query.split('&').any(&without));
        if self.path_is_mount && self.query.is_empty() && !strip {
            if original.authority().is_none() {
                return Some(original.clone());
            }
            return original.path_and_query().cloned().map(Uri::from);
        }
        let mut text = String::with_capacity(
            self.path.len() + below.len() + query.map_or(0, |query| query.len() + 1) + self.query.len() + 2,
        );
        text.push_str(&self.path);
        match self.template.as_deref().and_then(|template| filled(template, below, model)) {
            Some(path) => text.push_str(&path),
            None => text.push_str(below),
        }
        if text.is_empty() {
            text.push('/');
        }
        let mut separator = '?';
        match query {
            Some(query) if strip => {
                for pair in query.split('&').filter(|pair| !without(pair)) {
                    text.push(separator);
                    text.push_str(pair);
                    separator = '&';
                }
            }
            Some(query) => {
                text.push(separator);
                text.push_str(query);
                separator = '&';
            }
            None => {}
        }
        if !self.query.is_empty() {
            text.push(separator);
            text.push_str(&self.query);
        }
        PathAndQuery::from_maybe_shared(Bytes::from(text)).ok().map(Uri::from)
    }
}

/// The template with its places filled, from a slash on; `None` where it wants a model and there is none that can be
/// a segment.
fn filled(template: &[PathPart], below: &str, model: Option<&str>) -> Option<String> {
    let mut path = String::new();
    for part in template {
        match part {
            PathPart::Text(text) => path.push_str(text),
            // An empty segment would name nothing.
            PathPart::Model => {
                let name = model.filter(|name| !name.is_empty())?;
                path.extend(utf8_percent_encode(name, ESCAPED));
            }
            PathPart::Rest => path.push_str(below.strip_prefix('/').unwrap_or(below)),
        }
    }
    if !path.starts_with('/') {
        path.insert(0, '/');
    }
    // A model named `..`, or `a/..`, would name another place once its escapes are undone.
    (!segments::has_dots(&path)).then_some(path)
}

const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text as a part of a path or of a query.
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(pair: &str) -> &str {
        pair.split_once('=').map_or(pair, |(name, _)| name)
    }

    #[test]
    fn the_mount_ends_at_a_slash_or_at_the_end() {
        for (path, mount, rest) in [
            ("/v1/chat/completions", "/v1", Some("/chat/completions")),
            ("/v1", "/v1", Some("")),
            ("/v1/", "/v1", Some("/")),
            ("/v1//x", "/v1", Some("//x")),
            ("/v1x", "/v1", None),
            ("/v", "/v1", None),
            ("/V1/x", "/v1", None),
            ("/%761/x", "/v1", None),
            ("/anything", "", Some("/anything")),
            ("*", "/v1", None),
        ] {
            assert_eq!(below(path, mount), rest, "{path} below {mount}");
        }
    }

    #[test]
    fn path_and_query_arrive_byte_for_byte() {
        let to = |base: &str, mount: &str, query: &[(&str, &str)], without: &[&str], uri: &str| {
            let uri: Uri = uri.parse().unwrap();
            let target = UriRewrite::new(base, mount, query.iter().copied(), None);
            target
                .uri(&uri, below(uri.path(), mount).unwrap(), |pair| without.contains(&name(pair)), Some("m"))
                .unwrap()
                .to_string()
        };
        for (base, uri, expected) in [
            ("/v1", "/v1/chat/completions", "/v1/chat/completions"),
            ("/v1", "/v1/a%2Fb//c/%252e/d;x=1?q=%20+&&x", "/v1/a%2Fb//c/%252e/d;x=1?q=%20+&&x"),
            ("/api/openai/v1", "/v1/a%2Fb//c/%252e/d?q=../+&&x", "/api/openai/v1/a%2Fb//c/%252e/d?q=../+&&x"),
            ("", "/v1/models", "/models"),
            ("", "/v1", "/"),
            ("/x", "/v1", "/x"),
            ("/x", "/v1/", "/x/"),
            ("/x", "/v1/a?", "/x/a?"),
            ("/v1", "http://elsewhere:99/v1/a?b", "/v1/a?b"),
            ("/x", "http://elsewhere:99/v1/a?b", "/x/a?b"),
        ] {
            assert_eq!(to(base, "/v1", &[], &[], uri), expected, "{uri} onto {base}");
        }
        let version = [("api-version", "2024 06/01")];
        assert_eq!(to("/x", "/v1", &version, &[], "/v1/a"), "/x/a?api-version=2024%2006%2F01");
        assert_eq!(to("/v1", "/v1", &version, &[], "/v1/a?b=c"), "/v1/a?b=c&api-version=2024%2006%2F01");
        assert_eq!(to("/v1", "/v1", &[], &["key"], "/v1/a?b=c&key=secret&monkey=1&key"), "/v1/a?b=c&monkey=1");
        assert_eq!(to("/v1", "/v1", &[], &["key"], "/v1/a?key=secret"), "/v1/a");
        assert_eq!(to("/v1", "/v1", &[("key", "ours")], &["key"], "/v1/a?key=secret"), "/v1/a?key=ours");
    }
    #[test]
    fn a_template_stands_below_the_base_path() {
        let text = |text: &str| PathPart::Text(text.to_owned());
        let azure = [text("/deployments/"), PathPart::Model, text("/"), PathPart::Rest];
        let to = |base: &str, template: &[PathPart], uri: &str, model: Option<&str>| {
            let uri: Uri = uri.parse().unwrap();
            let version = [("api-version", "1")].into_iter();
            let target = UriRewrite::new(base, "/v1", version, Some(&PathTemplate(template.to_vec())));
            target.uri(&uri, below(uri.path(), "/v1").unwrap(), |pair| name(pair) == "key", model).unwrap().to_string()
        };
        for (base, uri, model, expected) in [
            ("/openai", "/v1/chat/completions", "gpt-4", "/openai/deployments/gpt-4/chat/completions?api-version=1"),
            ("", "/v1/a%2Fb//c/...?q=%20&key=s", "m", "/deployments/m/a%2Fb//c/...?q=%20&api-version=1"),
            ("/v1", "/v1/x", "a/b ü%?#..", "/v1/deployments/a%2Fb%20%C3%BC%25%3F%23../x?api-version=1"),
            ("/v1", "/v1", "m", "/v1/deployments/m/?api-version=1"),
            ("/v1", "/v1//x", "m", "/v1/deployments/m//x?api-version=1"),
        ] {
            assert_eq!(to(base, &azure, uri, Some(model)), expected, "{uri} with {model}");
        }
        for model in [None, Some(""), Some("."), Some(".."), Some("../../admin"), Some("m/.."), Some("..;x")] {
            assert_eq!(to("/v1", &azure, "/v1/x", model), "/v1/x?api-version=1", "{model:?}");
        }
        assert_eq!(to("/b", &[text("/only")], "/v1/x", None), "/b/only?api-version=1");
        assert_eq!(to("/b", &[PathPart::Rest], "/v1/x", None), "/b/x?api-version=1");
        assert_eq!(to("/b", &[text("/a/"), PathPart::Rest, text("/z")], "/v1/x", None), "/b/a/x/z?api-version=1");
    }
}
