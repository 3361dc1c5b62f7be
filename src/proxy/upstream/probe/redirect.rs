//! Where a redirect points to, and the `base_url` that would have been answered without it.
//!
//! Only what may be shown of a Location is used: its scheme, host and path. What stands before an `@` and behind a `?`
//! may be a key. Invariant: a `base_url` is proposed only where the redirect leads to the same endpoint elsewhere.

use http::Uri;
use http::uri::{Authority, Scheme};

use crate::decide::policy::Provider;

/// The most characters of a Location that are shown.
const LONGEST: usize = 200;

/// A redirect, as far as it is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// `https://api.example/v1/chat/completions`; `None`: it says no place.
    pub to: Option<String>,
    /// What to write instead of the present `base_url`; `None` where no other is likely to help.
    pub base_url: Option<String>,
}

impl Redirect {
    /// By the Location that `provider` answered a request for `below` with, a path below its `base_url`.
    pub(super) fn new(provider: &Provider, below: &str, location: Option<&str>) -> Redirect {
        let Some(place) = location.and_then(|location| RedirectTarget::of(provider, location)) else {
            return Redirect { to: None, base_url: None };
        };
        let to = place.url(&place.path);
        let base = place.path.strip_suffix('/').unwrap_or(&place.path).strip_suffix(below);
        let base_url = base.map(|base| place.url(base)).filter(|base| *base != provider.base_url.to_string());
        Redirect { to: Some(to.chars().take(LONGEST).collect()), base_url: base_url.filter(|url| url.len() <= LONGEST) }
    }
}

const fn scheme(https: bool) -> &'static str {
    if https { "https" } else { "http" }
}

struct RedirectTarget {
    origin: String,
    path: String,
}

impl RedirectTarget {
    fn of(provider: &Provider, location: &str) -> Option<RedirectTarget> {
        let base = &provider.base_url;
        let location = location.split('#').next().unwrap_or_default();
        let location = match location.strip_prefix("//") {
            Some(rest) => format!("{}://{rest}", scheme(base.https)),
            None => location.to_owned(),
        };
        let uri: Uri = location.parse().ok()?;
        let origin = match (uri.scheme(), uri.authority()) {
            (Some(scheme), Some(authority)) => format!("{scheme}://{}", shown(scheme, authority)),
            (None, None) => format!("{}://{}", scheme(base.https), base.authority()),
            _ => return None,
        };
        Some(RedirectTarget { origin, path: uri.path().to_owned() })
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }
}

/// Host and port, without what stands before an `@` and without a port that goes without saying.
fn shown(scheme: &Scheme, authority: &Authority) -> String {
    let usual = if *scheme == Scheme::HTTPS { 443 } else { 80 };
    match authority.port_u16().filter(|port| *port != usual) {
        Some(port) => format!("{}:{port}", authority.host()),
        None => authority.host().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::tests::support::provider;

    #[test]
    fn the_same_endpoint_elsewhere_is_a_base_url() {
        let mut provider = provider("new", "127.0.0.1:8000".parse().unwrap());
        provider.base_url.path = "/api".to_owned();
        let redirect = |location| Redirect::new(&provider, "/chat/completions", location);
        let seen = |location| {
            let Redirect { to, base_url } = redirect(Some(location));
            (to.unwrap_or_default(), base_url.unwrap_or_default())
        };
        for (location, to, base_url) in [
            (
                "https://api.example/v1/chat/completions",
                "https://api.example/v1/chat/completions",
                "https://api.example/v1",
            ),
            ("//api.example/chat/completions", "http://api.example/chat/completions", "http://api.example"),
            ("/v1/chat/completions", "http://127.0.0.1:8000/v1/chat/completions", "http://127.0.0.1:8000/v1"),
            (
                "https://user:secret@api.example:8443/v1/chat/completions/?key=secret#top",
                "https://api.example:8443/v1/chat/completions/",
                "https://api.example:8443/v1",
            ),
            ("https://api.example:443/chat/completions", "https://api.example/chat/completions", "https://api.example"),
            ("HTTPS://[::1]:9/chat/completions", "https://[::1]:9/chat/completions", "https://[::1]:9"),
            // No other base helps where this one is meant, or where it leads elsewhere.
            ("/api/chat/completions/", "http://127.0.0.1:8000/api/chat/completions/", ""),
            ("/api/chat/completions", "http://127.0.0.1:8000/api/chat/completions", ""),
            ("https://login.example/?next=/api/chat/completions", "https://login.example/", ""),
            ("https://www.example/docs", "https://www.example/docs", ""),
            ("chat/completions", "", ""),
            ("", "", ""),
            ("not a place", "", ""),
        ] {
            assert_eq!(seen(location), (to.to_owned(), base_url.to_owned()), "{location}");
        }
        assert_eq!(redirect(None), Redirect { to: None, base_url: None });
        let long = format!("/{}", "x".repeat(5000));
        assert_eq!(seen(&long).0.len(), LONGEST);
    }
}
