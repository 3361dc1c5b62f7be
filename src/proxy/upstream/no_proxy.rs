//! Which providers NO_PROXY takes off the proxy.
//!
//! An entry is `*`, a host, `.suffix` or `*.suffix` (a plain name covers its subdomains), an IP address, or a range of
//! them (`10.0.0.0/8`, `fd00::/8`); each but `*` may have a `:port`. Addresses are compared as numbers, and only where
//! the provider's `base_url` has one: no name is looked up for this. Anything else exempts no provider.

use std::net::IpAddr;

/// A proxy on this very machine cannot mean our loopback by ours.
pub(super) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || address(host).is_some_and(|address| address.is_loopback())
}

/// Whether an entry, in lower case, is about this host and port.
pub(super) fn exempts(entry: &str, host: &str, port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let (name, only) = without_port(entry);
    if only.is_some_and(|only| only != Some(port)) {
        return false;
    }
    match (address(&host), name.split_once('/')) {
        (Some(host), Some((network, length))) => length
            .parse()
            .is_ok_and(|length| range(network, length).is_some_and(|(of, length)| covers(of, length, host))),
        (Some(host), None) => address(name) == Some(host),
        (None, Some(_)) => false,
        (None, None) => {
            let name = name.trim_start_matches("*.").trim_start_matches('.').trim_end_matches('.');
            !name.is_empty() && (host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')))
        }
    }
}

/// An entry without its port, and the port, if there is one (and it is one).
fn without_port(entry: &str) -> (&str, Option<Option<u16>>) {
    match entry.rsplit_once(':') {
        // The colons of an IPv6 address are its own, unless it is in brackets or a range.
        Some((name, digits)) if !name.contains(':') || name.ends_with(']') || name.contains('/') => {
            (name, Some(digits.parse().ok()))
        }
        _ => (entry, None),
    }
}

/// An IPv4 address that is written as one of IPv6 is the same address.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// A range, by its network and length; one of IPv4 addresses that are written as those of IPv6 is a range of IPv4.
fn range(network: &str, length: u32) -> Option<(IpAddr, u32)> {
    let bare = network.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(network);
    match (bare.parse().ok()?, address(bare)?) {
        (IpAddr::V6(_), mapped @ IpAddr::V4(_)) => Some((mapped, length.checked_sub(96)?)),
        (_, network) => Some((network, length)),
    }
}

fn covers(network: IpAddr, length: u32, host: IpAddr) -> bool {
    let (network, host, bits) = match (network, host) {
        (IpAddr::V4(network), IpAddr::V4(host)) => (u128::from(network.to_bits()), u128::from(host.to_bits()), 32),
        (IpAddr::V6(network), IpAddr::V6(host)) => (network.to_bits(), host.to_bits(), 128),
        _ => return false,
    };
    // A shift by all bits is none: a range of length 0 covers all addresses.
    length <= bits && (network ^ host).checked_shr(bits - length).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_addresses_of_their_family_by_their_length() {
        for (entry, host, covered) in [
            ("10.0.0.0/8", "10.255.1.2", true),
            ("10.1.2.3/8", "10.255.1.2", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("192.168.1.0/24", "192.168.1.77", true),
            ("192.168.1.0/24", "192.168.2.1", false),
            ("192.168.1.128/25", "192.168.1.127", false),
            ("192.168.1.7/32", "192.168.1.7", true),
            ("192.168.1.7/32", "192.168.1.6", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "8.8.8.8", false),
            ("fd00::/8", "fdab::1", true),
            ("fd00::/8", "FDAB::1", true),
            ("fd00::/8", "fe80::1", false),
            ("2001:db8::/33", "2001:db8:8000::1", false),
            ("2001:db8::/33", "2001:db8:7fff::1", true),
            ("[fd00::]/8", "fd00::1", true),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "11.1.2.3", false),
            ("::ffff:10.0.0.0/90", "10.1.2.3", false),
            ("10.0.0.0/33", "10.0.0.1", false),
            ("fd00::/129", "fd00::", false),
            ("10.0.0.0/", "10.0.0.1", false),
            ("10.0.0.0/x", "10.0.0.1", false),
            ("10.0.0.0/-1", "10.0.0.1", false),
            ("10/8", "10.0.0.1", false),
            ("/8", "10.0.0.1", false),
            ("10.0.0.0/8", "ten.example", false),
            ("10.0.0.0/8", "10.0.0.1.example", false),
        ] {
            assert_eq!(exempts(entry, host, 443), covered, "{entry} {host}");
        }
    }

    #[test]
    fn ports_narrow_every_kind_of_entry() {
        for (entry, host, covered) in [
            ("10.0.0.0/8:443", "10.1.1.1", true),
            ("10.0.0.0/8:444", "10.1.1.1", false),
            ("fd00::/8:443", "fd00::1", true),
            ("fd00::/8:444", "fd00::1", false),
            ("10.0.0.1:443", "10.0.0.1", true),
            ("10.0.0.1:444", "10.0.0.1", false),
            ("[fd00::1]:443", "fd00::1", true),
            ("[fd00::1]:444", "fd00::1", false),
            ("fd00::1", "fd00:0:0::1", true),
            ("a.example:443", "b.a.example", true),
            ("a.example:444", "a.example", false),
            ("a.example:", "a.example", false),
            (".a.example:443", "b.a.example", true),
        ] {
            assert_eq!(exempts(entry, host, 443), covered, "{entry} {host}");
        }
    }

    #[test]
    fn names_cover_their_subdomains_and_no_others() {
        for (entry, host, covered) in [
            ("*", "anything.example", true),
            ("a.example", "a.example", true),
            ("a.example", "A.Example.", true),
            ("a.example.", "a.example", true),
            ("a.example", "b.a.example", true),
            (".a.example", "b.a.example", true),
            ("*.a.example", "b.a.example", true),
            ("a.example", "ba.example", false),
            ("", "a.example", false),
            (".", "a.example", false),
            ("1.2", "8.8.1.2", false),
        ] {
            assert_eq!(exempts(entry, host, 443), covered, "{entry} {host}");
        }
    }
}
