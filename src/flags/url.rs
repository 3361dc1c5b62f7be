//! Addresses and names of the network as texts: what Serin listens on, what it calls, how keys are presented.
//!
//! Reads by hand and strictly, since what is taken here goes into request lines and headers as it is: nothing passes
//! that would need escaping there. Looks nothing up: whether a host exists is seen when it is asked.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::decide::policy::{Auth, BaseUrl, NotifyUrl, PathPart, PathTemplate, Secret, has_dots};

use super::scalar::{Wrong, wrong};

/// An address to listen on: `127.0.0.1:7171`, `[::1]:7171`, `localhost:7171`.
pub(super) fn address(text: &str) -> Result<SocketAddr, Wrong> {
    if let Some(port) = text.strip_prefix("localhost:").and_then(|port| port.parse().ok()) {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    text.parse().or_else(|_| {
        let port = text.rsplit(':').next().unwrap_or(text);
        let port = if port.parse::<u16>().is_ok() { port } else { "7171" };
        wrong(
            "is not an address to listen on",
            format!("write an IP address and a port: `127.0.0.1:{port}` for this machine, `0.0.0.0:{port}` for all"),
        )
    })
}

/// The origin of web pages, as browsers send it: `https://app.example.com`; or `*` for every one.
pub(super) fn origin(text: &str) -> Result<String, Wrong> {
    const EXAMPLE: &str = "write scheme and host as browsers send them, such as `https://app.example.com`, or `*`";
    if text == "*" {
        return Ok(text.to_owned());
    }
    let Some((scheme, authority)) = text.split_once("://") else { return wrong("is not an origin", EXAMPLE) };
    if authority.contains('*') {
        return wrong("has a pattern, which is not read here", "name each origin, or write `*` for every one");
    }
    if let Some((host, _)) = authority.split_once('/') {
        return wrong("has a path, which no origin has", format!("write `{scheme}://{host}`"));
    }
    let good = |text: &str, more: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    if !good(scheme, "+.-") || !good(authority, "-._:[]") {
        return wrong("is not an origin", EXAMPLE);
    }
    let text = text.to_ascii_lowercase();
    let usual = [("http://", ":80"), ("https://", ":443")];
    let usual = usual.iter().find(|(scheme, port)| text.starts_with(scheme) && text.ends_with(port));
    match usual.and_then(|(_, port)| text.strip_suffix(port)) {
        Some(bare) => wrong("has the usual port, which browsers leave out", format!("write `{bare}`")),
        None => Ok(text),
    }
}

/// The prefix that providers' base URLs replace; the empty text stands for every path.
pub(super) fn mount(text: &str) -> Result<String, Wrong> {
    let trimmed = text.strip_suffix('/').unwrap_or(text);
    if trimmed.is_empty() {
        return Ok(String::new());
    }
    no_dots(trimmed)?;
    if is_path(trimmed) && !trimmed.contains("//") {
        return Ok(trimmed.to_owned());
    }
    wrong("is not a path prefix", "begin it with a slash, such as `/v1`; `/` takes every path")
}

/// A path below a base URL: `/models`.
pub(super) fn path(text: &str) -> Result<String, Wrong> {
    let (bare, _) = text.split_once('?').unwrap_or((text, ""));
    no_dots(bare)?;
    if is_path(bare) && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return Ok(text.to_owned());
    }
    wrong("is not a path", "begin it with a slash, such as `/models`")
}

/// A path below a base URL with places to fill: `/openai/deployments/{model}/{rest}`.
pub(super) fn path_template(text: &str) -> Result<PathTemplate, Wrong> {
    const EXAMPLE: &str = "write a path such as `/openai/deployments/{model}/{rest}`";
    if !text.starts_with('/') {
        return wrong("does not begin with a slash", EXAMPLE);
    }
    if text.contains('?') {
        return wrong("has a query", "put its parts under `query`");
    }
    if text.contains('#') {
        return wrong("has a fragment", "remove the `#` and what follows it");
    }
    no_dots(text)?;
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let (before, after) = rest.split_at(open);
        if !before.is_empty() {
            parts.push(PathPart::Text(before.to_owned()));
        }
        let Some((name, tail)) = after[1..].split_once('}') else {
            return wrong("has a `{` without its `}`", EXAMPLE);
        };
        parts.push(match name {
            "model" => PathPart::Model,
            "rest" if !before.ends_with('/') => {
                return wrong("has no slash before `{rest}`", "write `/{rest}`: the request's path comes without one");
            }
            "rest" if parts.contains(&PathPart::Rest) => {
                return wrong("has `{rest}` twice", "keep one of the two");
            }
            "rest" => PathPart::Rest,
            _ => {
                let problem = format!("has `{{{}}}`, which has no meaning", super::mask::short(name));
                return wrong(problem, "the placeholders are `{model}` and `{rest}`");
            }
        });
        rest = tail;
    }
    if !rest.is_empty() {
        parts.push(PathPart::Text(rest.to_owned()));
    }
    let good = |part: &PathPart| match part {
        PathPart::Text(text) => is_path(&format!("/{text}")),
        PathPart::Model | PathPart::Rest => true,
    };
    if parts.iter().all(good) {
        return Ok(PathTemplate(parts));
    }
    wrong("has a character that must be percent-encoded", EXAMPLE)
}

/// A segment of dots would be resolved by the provider, away from what the file says.
fn no_dots(path: &str) -> Result<(), Wrong> {
    if has_dots(path) {
        return wrong("has a segment that decodes to `.` or `..`", "write the path that is meant");
    }
    Ok(())
}

fn is_path(text: &str) -> bool {
    text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\"<>\\^`{|}".contains(&byte))
}

/// Where a provider is.
pub(super) fn base_url(text: &str) -> Result<BaseUrl, Wrong> {
    const EXAMPLE: &str = "write scheme, host and path, such as `https://api.openai.com/v1`";
    let Some((scheme, rest)) = text.split_once("://") else {
        return wrong("has no scheme", EXAMPLE);
    };
    let https = match scheme.to_ascii_lowercase().as_str() {
        "https" => true,
        "http" => false,
        _ => return wrong("has a scheme other than http and https", EXAMPLE),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.contains('@') {
        return wrong("has credentials in it", "put the key under `api_keys`, as a reference such as `${NAME}`");
    }
    if path.contains('?') {
        return wrong("has a query", "put its parts under `query`");
    }
    if path.contains('#') {
        return wrong("has a fragment", "remove the `#` and what follows it");
    }
    let (host, port) = host_and_port(authority, if https { 443 } else { 80 })?;
    let path = path.trim_end_matches('/');
    no_dots(path)?;
    if !path.is_empty() && !is_path(path) {
        return wrong("has a character in its path that must be percent-encoded", EXAMPLE);
    }
    Ok(BaseUrl { https, host, port, path: path.to_owned() })
}

/// The same where it is written on a command line.
///
/// # Errors
/// What is wrong with it and what to write.
pub fn read_base_url(text: &str) -> Result<BaseUrl, String> {
    base_url(text).map_err(|Wrong { problem, remedy }| format!("it {problem}; {remedy}"))
}

/// Where people reach a port: `https://serin.example.com/ops`, without a trailing slash.
pub(super) fn public_url(text: &str) -> Result<String, Wrong> {
    let url = base_url(text).map_err(|Wrong { problem, .. }| Wrong {
        problem,
        remedy: "write scheme and host, such as `https://serin.example.com`".to_owned(),
    })?;
    Ok(url.to_string())
}

/// The address of a target of notifications: `https://user:password@host/path?query`.
pub(super) fn notify_url(text: &str) -> Result<NotifyUrl, Wrong> {
    const EXAMPLE: &str = "write scheme, host and path, such as `https://ops.example.com/serin`";
    let Some((scheme, rest)) = text.split_once("://") else {
        return wrong("has no scheme", EXAMPLE);
    };
    let https = match scheme.to_ascii_lowercase().as_str() {
        "https" => true,
        "http" => false,
        _ => return wrong("has a scheme other than http and https", EXAMPLE),
    };
    if rest.contains('#') {
        return wrong("has a fragment", "remove the `#` and what follows it");
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (credentials, authority) = match authority.rsplit_once('@') {
        Some((credentials, authority)) => (Some(decoded(credentials)?), authority),
        None => (None, authority),
    };
    let (host, port) = host_and_port(authority, if https { 443 } else { 80 })?;
    let path = match path {
        "" => "/".to_owned(),
        path if path.starts_with('?') => format!("/{path}"),
        path => path.to_owned(),
    };
    let (bare, query) = path.split_once('?').unwrap_or((&path, ""));
    no_dots(bare)?;
    let fits = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
    if !is_path(bare) || !query.bytes().all(fits) {
        return wrong("has a character that must be percent-encoded", EXAMPLE);
    }
    Ok(NotifyUrl { https, host, port, path: Secret::new(path), credentials: credentials.map(Secret::new) })
}

fn decoded(credentials: &str) -> Result<String, Wrong> {
    let text = percent_encoding::percent_decode_str(credentials).decode_utf8();
    match text {
        Ok(text) if !text.chars().any(char::is_control) => Ok(text.into_owned()),
        _ => wrong("has credentials that are not text", "percent-encode them as UTF-8"),
    }
}

/// An egress proxy: `http://user:password@proxy:3128`; or `none`.
pub(super) fn proxy(text: &str) -> Result<String, Wrong> {
    const EXAMPLE: &str = "write scheme, host and port, such as `http://proxy.internal:3128`; or `none`";
    if text == "none" {
        return Ok(text.to_owned());
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return wrong("has no scheme", EXAMPLE);
    };
    if !scheme.eq_ignore_ascii_case("http") {
        return wrong("has a scheme other than http", EXAMPLE);
    }
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '?', '#']) {
        return wrong("has a path", EXAMPLE);
    }
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    host_and_port(host, 80)?;
    Ok(text.to_owned())
}

fn host_and_port(authority: &str, default: u16) -> Result<(String, u16), Wrong> {
    const EXAMPLE: &str = "write a host name or an IP address, and `:PORT` where it is not the scheme's own";
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':').unwrap_or("?"))),
            None => return wrong("has an IPv6 address without its closing bracket", EXAMPLE),
        },
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let ipv6 = authority.starts_with('[') && host.parse::<std::net::Ipv6Addr>().is_ok();
    if !ipv6 && !is_host(host) {
        return wrong("has no valid host", EXAMPLE);
    }
    let port = match port {
        None => default,
        Some(port) => match port.parse::<u16>() {
            Ok(port)
                if port > 0
                    && port.to_string().len() == authority.len() - authority.rfind(':').map_or(0, |at| at + 1) =>
            {
                port
            }
            _ => return wrong("has no valid port", "write a port from 1 to 65535 after the host's colon"),
        },
    };
    Ok((host.to_ascii_lowercase(), port))
}

fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.strip_suffix('.').unwrap_or(host).split('.').all(label)
}

/// A header's name, in lower case.
pub(super) fn header(text: &str) -> Result<String, Wrong> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if text.is_empty() || !text.bytes().all(token) {
        return wrong("is not a header's name", "write it without colon and spaces, such as `x-user-id`");
    }
    Ok(text.to_ascii_lowercase())
}

/// A header's name, or `query:` and the name of a parameter, in lower case.
pub(super) fn forwarded(text: &str) -> Result<String, Wrong> {
    match text.strip_prefix("query:") {
        Some(name) if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Ok(text.to_ascii_lowercase())
        }
        Some(_) => wrong("does not name a parameter", "write `query:` and its name, such as `query:key`"),
        None => header(text),
    }
}

/// How a key is presented.
pub(super) fn auth(text: &str) -> Result<Auth, Wrong> {
    match text.split_once(':') {
        None if text == "bearer" => Ok(Auth::Bearer),
        None if text == "none" => Ok(Auth::None),
        Some(("header", name)) => Ok(Auth::Header(header(name)?)),
        Some(("query", name))
            if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') =>
        {
            Ok(Auth::Query(name.to_owned()))
        }
        _ => wrong("is not a way to send a key", "write `bearer`, `header:x-api-key`, `query:key` or `none`"),
    }
}

/// How well-known hosts want their keys.
pub(super) fn usual_auth(host: &str) -> Auth {
    match host {
        "api.anthropic.com" => Auth::Header("x-api-key".to_owned()),
        "generativelanguage.googleapis.com" => Auth::Header("x-goog-api-key".to_owned()),
        host if host.ends_with(".openai.azure.com") => Auth::Header("api-key".to_owned()),
        _ => Auth::Bearer,
    }
}
