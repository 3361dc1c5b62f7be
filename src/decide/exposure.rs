//! What strangers could do through the sockets that are served: spend keys, move the traffic, guess a short secret.
//!
//! Judged by the address that a socket is bound to, which need not be the one in the file: it may be inherited, and it
//! stays over a reload. Whatever is not loopback can be reached by strangers. Keys are `api_keys`, and as well what a
//! provider is known by otherwise: `set_headers`, `query`, a client certificate.

use std::net::{IpAddr, SocketAddr};

use super::policy::{Policy, Secret};

/// A token with fewer characters can be guessed.
pub const SHORTEST_TOKEN: usize = 16;

/// Which key of the file it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `listen`.
    Listen,
    /// `admin.listen`.
    Admin,
    /// `admin.tokens[N].token`.
    Token(usize),
    /// `rollouts[N].force.token`.
    Force(usize),
}

impl Place {
    /// As the file has it.
    #[must_use]
    pub fn path(self) -> String {
        match self {
            Place::Listen => "listen".to_owned(),
            Place::Admin => "admin.listen".to_owned(),
            Place::Token(index) => format!("admin.tokens[{index}].token"),
            Place::Force(index) => format!("rollouts[{index}].force.token"),
        }
    }
}

/// Something that strangers could do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// Where in the file.
    pub place: Place,
    /// What.
    pub danger: Danger,
}

/// What strangers could do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Danger {
    /// Spend keys.
    Spend {
        /// Where they reach Serin.
        reached: SocketAddr,
        /// Whose keys: names of providers.
        keys: Vec<String>,
    },
    /// Move the traffic.
    Move {
        /// Where they reach Serin.
        reached: SocketAddr,
    },
    /// Guess a token.
    Guess {
        /// Where they reach Serin.
        reached: SocketAddr,
    },
}

/// What strangers could do where the proxy port and the operators' port are bound to these.
#[must_use]
pub fn exposures(policy: &Policy, listen: SocketAddr, admin: SocketAddr) -> Vec<Exposure> {
    let mut found = Vec::new();
    let holders = policy.providers.iter().filter(|provider| provider.holds_keys);
    let keys: Vec<String> = holders.map(|provider| provider.name.clone()).collect();
    if !is_loopback(listen.ip()) {
        if !keys.is_empty() && policy.clients.is_empty() && !policy.open {
            found.push(Exposure { place: Place::Listen, danger: Danger::Spend { reached: listen, keys } });
        }
        let short = |(index, token): (usize, &Secret)| is_short(token).then(|| too_short(Place::Force(index), listen));
        found.extend(forces(policy).filter_map(short));
    }
    if !is_loopback(admin.ip()) {
        if policy.tokens.is_empty() {
            found.push(Exposure { place: Place::Admin, danger: Danger::Move { reached: admin } });
        }
        let tokens = policy.tokens.iter().enumerate();
        found.extend(
            tokens.filter(|(_, token)| is_short(&token.token)).map(|(at, _)| too_short(Place::Token(at), admin)),
        );
    }
    found
}

/// Tokens that are too short for anybody but this machine.
pub fn short_tokens(policy: &Policy) -> impl Iterator<Item = Place> {
    let tokens = policy.tokens.iter().enumerate().filter(|(_, token)| is_short(&token.token));
    let forces = forces(policy).filter(|(_, token)| is_short(token));
    tokens.map(|(index, _)| Place::Token(index)).chain(forces.map(|(index, _)| Place::Force(index)))
}

fn forces(policy: &Policy) -> impl Iterator<Item = (usize, &Secret)> {
    let rollouts = policy.rollouts.iter().enumerate();
    rollouts.filter_map(|(index, rollout)| Some((index, &rollout.force.as_ref()?.token)))
}

fn is_short(token: &Secret) -> bool {
    token.reveal().chars().count() < SHORTEST_TOKEN
}

fn too_short(place: Place, reached: SocketAddr) -> Exposure {
    Exposure { place, danger: Danger::Guess { reached } }
}

/// An IPv4 address within IPv6 is the one that it holds.
fn is_loopback(ip: IpAddr) -> bool {
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
}
