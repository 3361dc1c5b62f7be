//! `serin healthcheck`: whether the sidecar on this machine is ready, as an exit code.
//!
//! For containers, whose images have no `curl`. Asks over the socket in the state directory, else the admin port; where
//! no sidecar is listed, the ports that flags.yaml names, so that it works beside a sidecar that could not list itself.
//! Needs no token, since the health routes need none. Says what it was told, and judges by the status alone.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use clap::Args;
use http::Method;
use serde_json::json;

use super::api_call::{Transport, answer_by_any};
use super::locate::{LocateArgs, Located, one_of};
use super::{Exit, Failure, Outcome, output, sleep};
use crate::clock;
use crate::flags::{self, Environment};

/// Longer than a healthy sidecar ever takes, shorter than the time that orchestrators give a check.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long it waits before it asks again.
const AGAIN: Duration = Duration::from_millis(100);

/// Arguments of `serin healthcheck`.
#[derive(Args, Clone, Debug)]
#[command(
    after_long_help = "Exit codes: 0 ready (with --live: alive), 1 not, or no answer, 64 bad usage or several sidecars.\n\n\
    Examples:\n  serin healthcheck\n  serin healthcheck --live\n  serin healthcheck --wait 30\n  serin healthcheck --admin http://127.0.0.1:7173 --json"
)]
pub struct HealthcheckArgs {
    /// Check whether it is alive (/healthz), and not whether it is ready (/readyz).
    #[arg(long)]
    live: bool,
    /// Ask again until it is, for at most so many seconds. For a postStart hook: the next container waits for it.
    #[arg(long, value_name = "SECONDS", value_parser = sleep::seconds)]
    wait: Option<Duration>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: LocateArgs,
}

/// Asks.
///
/// # Errors
/// Where it is not ready, or nothing answers.
pub fn run(args: &HealthcheckArgs) -> Outcome {
    let path = if args.live { "/healthz" } else { "/readyz" };
    let end = clock::instant() + args.wait.unwrap_or_default();
    let (via, healthy, answer) = loop {
        let answered = args.ask(path)?;
        if answered.1 || clock::instant() >= end {
            break answered;
        }
        // It may return early, which only asks once more.
        std::thread::park_timeout(AGAIN);
    };
    if args.json {
        output::print_json(&json!({ "healthy": healthy, "asked": path, "via": via, "answer": answer }));
        return Ok(if healthy { Exit::Done } else { Exit::Failed });
    }
    if !healthy {
        return Err(Failure::failed(answer));
    }
    output::print(&format!("{answer}\n"));
    Ok(Exit::Done)
}

/// The way by which it answered, whether it is well, and what it said.
type Answered = (Option<String>, bool, String);

fn answered(path: &str, (via, status, text): (&Transport, http::StatusCode, String)) -> Answered {
    let text = match status {
        // A sidecar answers with one of these, and with a line of text.
        http::StatusCode::OK | http::StatusCode::SERVICE_UNAVAILABLE => text.trim_end().to_owned(),
        _ => format!(
            "{via} is not the admin or probe port of a sidecar: {path} was answered with {status}; check --admin"
        ),
    };
    (Some(via.to_string()), status.is_success(), text)
}

impl HealthcheckArgs {
    /// Asks once.
    fn ask(&self, path: &str) -> Result<Answered, Failure> {
        match self
            .asked()
            .map(|vias| answer_by_any(&vias, &Method::GET, path, None, PATIENCE).map(|reply| answered(path, reply)))
        {
            Ok(Ok(answered)) => Ok(answered),
            Ok(Err(error)) => Ok((None, false, error.to_string())),
            Err(failure) if failure.exit == Exit::Failed => Ok((None, false, failure.message)),
            Err(usage) => Err(usage),
        }
    }

    /// The ways to it, the best first.
    fn asked(&self) -> Result<Vec<Transport>, Failure> {
        let found = self.reach.find()?;
        if let Located::Nothing { flags, .. } = &found {
            let vias = named_by(flags);
            if !vias.is_empty() {
                return Ok(vias);
            }
        }
        one_of(found).map(|target| target.vias)
    }
}

/// The ports that the file names: `probe.listen`, then `admin.listen`. None where the file cannot be read.
fn named_by(flags: &Path) -> Vec<Transport> {
    let Ok(compiled) = flags::read(flags, &Environment::without_secrets()).result else { return Vec::new() };
    let fixed = &compiled.policy.fixed;
    let ports = fixed.probe.into_iter().chain([fixed.admin]).filter(|address| address.port() != 0);
    ports.map(|address| Transport::Tcp { authority: reachable(address).to_string(), token: None }).collect()
}

/// An address that listens everywhere is reached on loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(lines: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let rest = "providers: { old: { base_url: \"http://127.0.0.1:9/v1\", api_keys: [\"${NOT_SET}\"] } }\n\
            rollouts: [{ name: chat, stable: old }]\n";
        std::fs::write(file.path(), format!("{lines}\n{rest}")).unwrap();
        file
    }

    fn ways(lines: &str) -> Vec<String> {
        named_by(file(lines).path()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_no_sidecar_is_named_and_not_quoted() {
        let via = Transport::Tcp { authority: "127.0.0.1:8080".into(), token: None };
        let (_, healthy, text) = answered("/readyz", (&via, http::StatusCode::NOT_FOUND, "{\"error\": {}}".into()));
        let expected = "http://127.0.0.1:8080 is not the admin or probe port of a sidecar: /readyz was answered with \
                        404 Not Found; check --admin";
        assert_eq!((healthy, text.as_str()), (false, expected));
        let (_, healthy, text) = answered("/readyz", (&via, http::StatusCode::SERVICE_UNAVAILABLE, "no\n".into()));
        assert_eq!((healthy, text.as_str()), (false, "no"));
    }

    #[test]
    fn the_ports_of_the_file_are_asked_the_open_one_first() {
        let named = "probe: { listen: 0.0.0.0:7173 }\nadmin: { listen: \"[::1]:7190\" }";
        assert_eq!(ways(named), ["http://127.0.0.1:7173", "http://[::1]:7190"]);
        assert_eq!(ways(""), ["http://127.0.0.1:7172"]);
    }

    #[test]
    fn a_port_that_the_system_chooses_and_a_broken_file_name_nothing() {
        assert!(ways("admin: { listen: 127.0.0.1:0 }").is_empty());
        assert!(ways("listen: [").is_empty());
        assert!(named_by(Path::new("/nowhere/flags.yaml")).is_empty());
    }
}
