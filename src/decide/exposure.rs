//! What strangers could do through a listening socket: spend keys, change the traffic split, guess a short token.
//!
//! Decided by the address that a socket is bound to. That need not be the address in the file: the socket may be
//! inherited, or its address given at the start, and it stays over a reload. Every address that is not loopback counts
//! as reachable by strangers. Keys are `api_keys`, and also `set_headers`, `query` and client certificates.

use std::net::{IpAddr, SocketAddr};

use super::policy::{Fixed, Policy};

/// A token with fewer characters can be guessed.
pub const SHORTEST_TOKEN: usize = 16;

/// Whether strangers could guess a token.
#[must_use]
pub fn is_short(token: &str) -> bool {
    token.chars().count() < SHORTEST_TOKEN
}

/// Sockets whose addresses are known without the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sockets {
    /// Where the proxy port is; overrides the file.
    pub listen: Option<SocketAddr>,
    /// Where the proxy port over TLS is; overrides the file.
    pub listen_tls: Option<SocketAddr>,
    /// Where the operators' port is; overrides the file.
    pub admin: Option<SocketAddr>,
    /// Those that were handed over, in their order. Each belongs to the port of its address; the first that belongs to
    /// none is the proxy port.
    pub handed_over: Vec<SocketAddr>,
}

/// Where the process is reached, or would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoundAddresses {
    /// The proxy port.
    pub listen: SocketAddr,
    /// The proxy port over TLS.
    pub listen_tls: Option<SocketAddr>,
    /// The operators' port.
    pub admin: SocketAddr,
}

impl BoundAddresses {
    /// The proxy port that can be reached from elsewhere, if one can.
    #[must_use]
    pub fn proxy(self) -> SocketAddr {
        self.listen_tls.filter(|_| is_loopback(self.listen.ip())).unwrap_or(self.listen)
    }
}

impl Sockets {
    /// Where a file with these addresses is reached.
    #[must_use]
    pub fn reached(&self, fixed: &Fixed) -> BoundAddresses {
        let mut left = self.handed_over.clone();
        let mut takes = |address: SocketAddr| {
            let found = left.iter().position(|socket| *socket == address);
            found.map(|index| left.remove(index)).is_some()
        };
        let (listen, admin) = (self.listen.unwrap_or(fixed.listen), self.admin.unwrap_or(fixed.admin));
        let listen_tls = self.listen_tls.or(fixed.listen_tls);
        takes(admin);
        fixed.probe.into_iter().chain(listen_tls).for_each(|address| _ = takes(address));
        let listen = if takes(listen) { listen } else { left.first().copied().unwrap_or(listen) };
        BoundAddresses { listen, listen_tls, admin }
    }
}

/// Which port it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExposedPort {
    Listen,
    /// `listen_tls.listen`.
    ListenTls,
    /// `admin.listen`.
    Admin,
}

/// Something that strangers could do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// Through which port.
    pub place: ExposedPort,
    /// Where they reach it.
    pub reached: SocketAddr,
    /// Whether the file has another address.
    pub elsewhere: bool,
    pub danger: Risk,
}

/// What strangers could do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Risk {
    /// Spend keys.
    Spend {
        /// Whose keys: names of providers.
        keys: Vec<String>,
    },
    /// Move the traffic.
    Move,
}

/// What strangers could do where the ports are reached there.
#[must_use]
pub fn exposures(policy: &Policy, reached: BoundAddresses) -> Vec<Exposure> {
    let mut found = Vec::new();
    // Any port is fine; the address is what matters.
    let mut add = |place, reached: SocketAddr, in_file: SocketAddr, danger| {
        found.push(Exposure { place, reached, elsewhere: reached.ip() != in_file.ip(), danger });
    };
    let BoundAddresses { listen, listen_tls, admin } = reached;
    let holders = policy.providers.iter().filter(|provider| provider.holds_keys);
    let keys: Vec<String> = holders.map(|provider| provider.name.clone()).collect();
    let spends = !keys.is_empty() && policy.clients.is_empty() && !policy.open;
    if spends && !is_loopback(listen.ip()) {
        add(ExposedPort::Listen, listen, policy.fixed.listen, Risk::Spend { keys: keys.clone() });
    }
    if let Some(reached) = listen_tls.filter(|reached| spends && !is_loopback(reached.ip())) {
        add(ExposedPort::ListenTls, reached, policy.fixed.listen_tls.unwrap_or(reached), Risk::Spend { keys });
    }
    if !is_loopback(admin.ip()) && policy.tokens.is_empty() {
        add(ExposedPort::Admin, admin, policy.fixed.admin, Risk::Move);
    }
    found
}

/// Whether only this machine reaches it. An IPv4 address within IPv6 is the one that it holds.
#[must_use]
pub fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_what_no_stranger_reaches() {
        for (address, local) in [
            ("127.0.0.1", true),
            ("127.8.9.1", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("0.0.0.0", false),
            ("::", false),
            ("10.0.0.1", false),
            ("::ffff:10.0.0.1", false),
            ("169.254.1.1", false),
            ("fe80::1", false),
        ] {
            assert_eq!(is_loopback(address.parse().unwrap()), local, "{address}");
        }
    }

    #[test]
    fn a_socket_that_was_handed_over_belongs_to_the_port_of_its_address_or_to_the_proxy() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let (listen, admin, probe) = (at("127.0.0.1:1"), at("127.0.0.1:2"), at("127.0.0.1:3"));
        let fixed = Fixed { listen, listen_tls: None, admin, probe: Some(probe), state: None, workers: None };
        let reached = |sockets: &Sockets| {
            let BoundAddresses { listen, admin, .. } = sockets.reached(&fixed);
            (listen, admin)
        };
        let open = at("0.0.0.0:9");
        assert_eq!(reached(&Sockets::default()), (listen, admin));
        let handed = |handed_over: &[SocketAddr]| Sockets { handed_over: handed_over.into(), ..Sockets::default() };
        assert_eq!(reached(&handed(&[open])), (open, admin));
        assert_eq!(reached(&handed(&[admin, probe])), (listen, admin));
        assert_eq!(reached(&handed(&[probe, open, listen])), (listen, admin));
        let named = Sockets { listen: Some(open), admin: Some(open), ..Sockets::default() };
        assert_eq!(reached(&named), (open, open));
        // The port over TLS takes its own, and is as much the proxy's as the other.
        let tls = at("127.0.0.1:4");
        let fixed = Fixed { listen_tls: Some(tls), ..fixed };
        let bound = handed(&[tls]).reached(&fixed);
        assert_eq!((bound.listen, bound.listen_tls, bound.proxy()), (listen, Some(tls), tls));
        let bound = Sockets { listen_tls: Some(open), ..Sockets::default() }.reached(&fixed);
        assert_eq!((bound.listen_tls, bound.proxy()), (Some(open), open));
        assert_eq!(named.reached(&fixed).proxy(), open);
    }
}
