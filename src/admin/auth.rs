//! Who may do what at the admin port.
//!
//! With tokens in flags.yaml a TCP caller shows one, and its roles decide. Without tokens only loopback is served, and
//! there `Host` and `Origin` must be loopback too: a page on the internet can make a browser send requests to 127.0.0.1
//! under its own name (DNS rebinding), and this is where that ends. For a change the same holds with tokens: the port's
//! own pages have an address or a loopback name, and no other that anybody's resolver could give it. The Unix socket
//! asks for no token: the file's permissions decided already. Tokens are compared in constant time and never shown.

use std::net::{IpAddr, SocketAddr};

use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::request::Parts;
use http::{StatusCode, Uri};
use subtle::ConstantTimeEq;

use super::users;
use crate::decide::policy::{Role, Token};

/// Where a caller came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminListener {
    /// The admin port, by the address it is bound to.
    Tcp(SocketAddr),
    /// The Unix socket, with the user at its other end where the system tells.
    Socket(Option<u32>),
    /// The probe port: health and metrics, for anybody who reaches it.
    Probe,
}

/// Somebody who was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminCaller {
    /// The actor in the history.
    pub actor: String,
    roles: Roles,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Roles {
    Every,
    Of(std::collections::BTreeSet<Role>),
}

/// Why somebody was not let in, or not that far.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessDenied {
    /// No token where one is needed.
    #[error(
        "this admin port needs a token: send `authorization: Bearer TOKEN` (the serin command reads it from SERIN_ADMIN_TOKEN)"
    )]
    NoToken,
    /// A token that flags.yaml does not have.
    #[error("this token is not one of admin.tokens in flags.yaml")]
    WrongToken,
    /// A token without the role.
    #[error("the token `{name}` does not allow this: it takes `{role}` in admin.tokens[].may of flags.yaml")]
    NotAllowed {
        /// The token's name.
        name: String,
        /// What would be needed.
        role: &'static str,
    },
    /// A name that is not loopback's.
    #[error(
        "the Host `{0}` is not a loopback address: without admin.tokens only 127.0.0.1, [::1] and localhost are \
         accepted, since a web page could reach this port under another name"
    )]
    ForeignHost(String),
    /// A page from elsewhere.
    #[error("the Origin `{0}` is not on loopback: without admin.tokens requests of other web pages are refused")]
    ForeignOrigin(String),
    /// A page that is not of this port.
    #[error(
        "the Origin `{0}` is not this port's own, which is an IP address or localhost, as in Host: web pages of other \
         origins may not make changes; clients that are not browsers send no Origin"
    )]
    ForeignChange(String),
    /// Off loopback, and nobody could be known.
    #[error(
        "this admin port listens on {0}, off loopback, and flags.yaml has no admin.tokens: all requests are refused"
    )]
    Unguarded(IpAddr),
}

impl AccessDenied {
    /// 401 where a token would help, else 403.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            AccessDenied::NoToken | AccessDenied::WrongToken => StatusCode::UNAUTHORIZED,
            _ => StatusCode::FORBIDDEN,
        }
    }
}

/// Tells who is calling. `listed`: the file lets pages of this origin ask this.
pub fn identify(
    listener: &AdminListener,
    head: &Parts,
    tokens: &[Token],
    listed: bool,
) -> Result<AdminCaller, AccessDenied> {
    match listener {
        AdminListener::Socket(uid) => {
            let actor = uid.map_or_else(|| "admin.sock".to_owned(), users::name_of);
            Ok(AdminCaller { actor, roles: Roles::Every })
        }
        AdminListener::Probe => Ok(AdminCaller { actor: "probe".to_owned(), roles: Roles::Of([Role::Read].into()) }),
        AdminListener::Tcp(bound) if tokens.is_empty() => {
            on_loopback(*bound, head, listed)?;
            Ok(AdminCaller { actor: "loopback".to_owned(), roles: Roles::Every })
        }
        AdminListener::Tcp(_) => by_token(presented(head).ok_or(AccessDenied::NoToken)?, tokens),
    }
}

impl AdminCaller {
    /// Whether this caller may.
    pub fn may(&self, role: Role) -> Result<(), AccessDenied> {
        let allowed = match &self.roles {
            Roles::Every => true,
            Roles::Of(held) => held.iter().any(|held| implies(*held, role)),
        };
        if allowed { Ok(()) } else { Err(AccessDenied::NotAllowed { name: self.actor.clone(), role: word(role) }) }
    }
}

/// Who may change may do all; who may roll back must see what there is.
pub(super) fn implies(held: Role, asked: Role) -> bool {
    held == asked || held == Role::Change || (held == Role::Rollback && asked == Role::Read)
}

const fn word(role: Role) -> &'static str {
    match role {
        Role::Read => "read",
        Role::Flags => "flags",
        Role::Feedback => "feedback",
        Role::Rollback => "rollback",
        Role::Change => "change",
    }
}

pub(super) fn presented(head: &Parts) -> Option<&str> {
    let bearer = head.headers.get(AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    // OpenFeature clients know both ways.
    bearer.or_else(|| head.headers.get("x-api-key")?.to_str().ok())
}

fn by_token(presented: &str, tokens: &[Token]) -> Result<AdminCaller, AccessDenied> {
    let mut found = None;
    // All are compared, so that the time tells nothing about which came close.
    for token in tokens {
        if bool::from(token.token.reveal().as_bytes().ct_eq(presented.as_bytes())) {
            found = Some(token);
        }
    }
    let token = found.ok_or(AccessDenied::WrongToken)?;
    Ok(AdminCaller { actor: token.name.clone(), roles: Roles::Of(token.may.clone()) })
}

fn on_loopback(bound: SocketAddr, head: &Parts, listed: bool) -> Result<(), AccessDenied> {
    if !bound.ip().to_canonical().is_loopback() {
        return Err(AccessDenied::Unguarded(bound.ip()));
    }
    let host = head.headers.get(HOST).map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
    let named = head.uri.authority().map(|authority| authority.as_str().to_owned());
    for host in [Some(host.unwrap_or_default()), named].into_iter().flatten() {
        if !is_loopback(&host) {
            return Err(AccessDenied::ForeignHost(host));
        }
    }
    if let Some(origin) = head.headers.get(ORIGIN).filter(|_| !listed) {
        let origin = String::from_utf8_lossy(origin.as_bytes());
        if !is_loopback_origin(&origin) {
            return Err(AccessDenied::ForeignOrigin(origin.into_owned()));
        }
    }
    Ok(())
}

/// Whether a change may come from where it says. No page but one of this port's own may make a browser send one,
/// whatever token it knows; a caller that is no page names none. That `Origin` and `Host` are the same shows nothing
/// for a name: whoever owns it may have pointed it here. An address is nobody's to point elsewhere.
pub fn may_change_from(head: &Parts) -> Result<(), AccessDenied> {
    let host = head.headers.get(HOST).map(|host| String::from_utf8_lossy(host.as_bytes()));
    let foreign = head.headers.get_all(ORIGIN).iter().find(|origin| {
        let own = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
        let own = own.as_ref().filter(|origin| matches!(origin.scheme_str(), Some("http" | "https")));
        let own = own.and_then(Uri::authority).map(http::uri::Authority::as_str);
        !own.zip(host.as_deref()).is_some_and(|(own, host)| own.eq_ignore_ascii_case(host) && is_unmovable(own))
    });
    match foreign {
        Some(origin) => Err(AccessDenied::ForeignChange(String::from_utf8_lossy(origin.as_bytes()).into_owned())),
        None => Ok(()),
    }
}

/// Whether a page of this origin lives on this machine.
pub(super) fn is_loopback_origin(origin: &str) -> bool {
    let Ok(origin) = origin.parse::<Uri>() else { return false };
    matches!(origin.scheme_str(), Some("http" | "https"))
        && origin.authority().is_some_and(|authority| is_loopback(authority.as_str()))
}

/// The host of `host` or `host:port`.
fn host_of(authority: &str) -> Option<&str> {
    if authority.contains(['@', '/', ' ']) {
        return None;
    }
    match authority.strip_prefix('[') {
        Some(v6) => {
            v6.split_once(']').filter(|(_, port)| port.is_empty() || port.starts_with(':')).map(|(host, _)| host)
        }
        None => Some(authority.split_once(':').map_or(authority, |(host, _)| host)),
    }
}

/// `host` or `host:port`, the host an address or one of loopback's names: no resolver decides where it leads.
fn is_unmovable(authority: &str) -> bool {
    is_loopback(authority) || host_of(authority).is_some_and(|host| host.parse::<IpAddr>().is_ok())
}

/// `host` or `host:port`, the host a loopback address or one of its names.
fn is_loopback(authority: &str) -> bool {
    let Some(host) = host_of(authority) else { return false };
    match host.parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical().is_loopback(),
        Err(_) => {
            let host = host.to_ascii_lowercase();
            // A trailing dot is the same name; `*.localhost` never leaves the machine (RFC 6761).
            let host = host.strip_suffix('.').unwrap_or(&host);
            host == "localhost" || host.ends_with(".localhost")
        }
    }
}

#[cfg(test)]
mod tests;
