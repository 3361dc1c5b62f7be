//! The flags.yaml that the demo writes: two providers, one rollout, and the ports.
//!
//! Owns its text and the choice of the ports in it. It is written once; from then on it is the user's to edit.
//! Invariant: ports that were not asked for are free ones.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use super::provider::Provider;
use super::speed::Speed;

/// The rollout's name.
pub(super) const ROLLOUT: &str = "chat";
const PORT: u16 = 7171;

pub(super) fn ports(asked: Option<u16>) -> (SocketAddr, SocketAddr) {
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let free = |port| TcpListener::bind(local(port)).is_ok();
    match asked {
        Some(0) => (local(0), local(0)),
        Some(port) => (local(port), local(port.checked_add(1).unwrap_or(0))),
        None if free(PORT) && free(PORT + 1) => (local(PORT), local(PORT + 1)),
        None => (local(0), local(0)),
    }
}

pub(super) fn flags_text(
    listen: SocketAddr,
    admin: SocketAddr,
    old: &Provider,
    new: &Provider,
    speed: &Speed,
) -> String {
    format!(
        "# Written by `serin demo`. Edit it while the demo runs: it is in force when you save it.\n\
         # Try `percent: 25%`, `percent: 0`, or an error: a file with an error changes nothing.\n\
         listen: {listen}\n\
         admin: {{ listen: {admin} }}\n\
         drain: 2s\n\
         \n\
         providers:\n\
         \x20 {old}:\n\
         \x20   base_url: {old_url}\n\
         \x20   auth: none\n\
         \x20 {new}:\n\
         \x20   base_url: {new_url}\n\
         \x20   auth: none\n\
         \n\
         rollouts:\n\
         \x20 - name: {ROLLOUT}\n\
         \x20   stable: {old}\n\
         \x20   canary: {new}\n\
         \x20   percent: auto\n\
         \x20   ramp: {{ start: 10%, hold_start: {hold_start}, step: {step}, every: {every} }}\n\
         \x20   guard: {{ max_error_rate: {max_error_rate}, min_requests: {min_requests} }}\n",
        old = old.name(),
        old_url = old.base_url(),
        new = new.name(),
        new_url = new.base_url(),
        hold_start = speed.hold_start,
        step = speed.step,
        every = speed.every,
        max_error_rate = speed.max_error_rate,
        min_requests = speed.min_requests,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::provider::Behaviour;
    use crate::demo::speed::CALM;

    #[test]
    fn the_flags_file_is_yaml_that_names_both_providers() {
        let (old, new) =
            ["openai", "holysheep"].map(|name| Provider::start(name, Behaviour::default()).unwrap()).into();
        let (listen, admin) = ports(Some(0));
        let text = flags_text(listen, admin, &old, &new, &CALM);
        let file: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
        assert_eq!(file["rollouts"][0]["stable"], "openai");
        assert_eq!(file["providers"]["holysheep"]["base_url"], new.base_url().as_str());
        assert_eq!(file["rollouts"][0]["ramp"]["hold_start"], "5s");
        assert_eq!(file["rollouts"][0]["guard"]["max_error_rate"], "5%");
    }

    #[test]
    fn ports_that_are_taken_are_avoided_unless_asked_for() {
        assert_eq!(ports(Some(0)), ("127.0.0.1:0".parse().unwrap(), "127.0.0.1:0".parse().unwrap()));
        assert_eq!(ports(Some(9000)), ("127.0.0.1:9000".parse().unwrap(), "127.0.0.1:9001".parse().unwrap()));
        let (proxy, admin) = ports(None);
        assert!(proxy.port() == 0 || admin.port() == proxy.port() + 1);
    }
}
