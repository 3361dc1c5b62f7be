//! Which sidecars a command is meant for: the ones listed on this machine, unless the arguments say otherwise.
//!
//! Never guesses: with several running and none chosen it lists them and asks. A state directory that a process holds
//! is reached although the process is not listed.

use std::path::{Path, PathBuf};

use clap::Args;

use super::Failure;
use super::api_call::Transport;
use crate::app::offline;
use crate::app::registry::{Listed, Registry, RegistryEntry};

/// Where to look, instead of everywhere on this machine.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct LocateArgs {
    /// The sidecar's admin port, such as http://127.0.0.1:7172; its token is read from SERIN_ADMIN_TOKEN.
    #[arg(long, value_name = "URL", env = "SERIN_ADMIN")]
    pub(super) admin: Option<String>,
    /// Select the sidecar that runs with this flags.yaml.
    #[arg(long, value_name = "FILE", env = "SERIN_FLAGS")]
    pub(super) flags: Option<PathBuf>,
    /// Select the sidecar that keeps its state in this directory.
    #[arg(long, value_name = "DIR", env = "SERIN_STATE")]
    pub(super) state: Option<PathBuf>,
}

/// One sidecar that a command is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AdminEndpoint {
    /// How to speak of it.
    pub(super) name: String,
    /// How to reach it, the best way first.
    pub(super) vias: Vec<Transport>,
    /// Its state directory, where known.
    pub(super) state: Option<PathBuf>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Located {
    /// These run.
    Running(Vec<AdminEndpoint>),
    /// None does; one started here would keep its state in this directory and read this file.
    Nothing {
        /// The state directory.
        state: PathBuf,
        /// flags.yaml.
        flags: PathBuf,
        /// The sidecars that run on this machine, and that the arguments leave out.
        elsewhere: Vec<String>,
        /// Users who list sidecars that are not believed.
        others: Vec<u32>,
    },
}

impl LocateArgs {
    /// Every sidecar that fits.
    pub(super) fn find(&self) -> Result<Located, Failure> {
        self.find_in(&Registry::of_this_system(), std::env::var("SERIN_ADMIN_TOKEN").ok())
    }

    fn place(&self) -> Option<PathBuf> {
        self.state.as_deref().map(offline::state_dir_in)
    }

    /// The one sidecar that fits.
    pub(super) fn find_one(&self) -> Result<AdminEndpoint, Failure> {
        one_of(self.find()?)
    }

    fn find_in(&self, registry: &Registry, token: Option<String>) -> Result<Located, Failure> {
        let token = token.filter(|token| !token.is_empty());
        if let Some(url) = &self.admin {
            let authority = authority(url).map_err(Failure::usage)?;
            let target = AdminEndpoint {
                name: url.clone(),
                vias: vec![Transport::Tcp { authority, token }],
                state: self.place(),
            };
            return Ok(Located::Running(vec![target]));
        }
        let state = self.place();
        let fits = |entry: &RegistryEntry| {
            state.as_ref().is_none_or(|state| same(state, &entry.state))
                && self.flags.as_ref().is_none_or(|flags| same(flags, &entry.flags))
        };
        let Listed { entries, others } = registry.listed();
        let (targets, rest): (Vec<_>, Vec<_>) = entries.into_iter().partition(fits);
        let endpoint = |entry| listed(entry, token.clone());
        if !targets.is_empty() {
            return Ok(Located::Running(targets.into_iter().map(endpoint).collect()));
        }
        let flags = self.flags.clone().unwrap_or_else(|| PathBuf::from("flags.yaml"));
        let state = offline::state_of(&flags, self.state.as_deref());
        let state = std::path::absolute(&state).unwrap_or(state);
        Ok(match offline::holder(&state) {
            Some(pid) => {
                let vias = vec![Transport::Socket(offline::socket_in(&state))];
                Located::Running(vec![AdminEndpoint { name: format!("pid {pid}"), vias, state: Some(state) }])
            }
            None => {
                let elsewhere = rest.into_iter().map(|entry| endpoint(entry).name).collect();
                Located::Nothing { state, flags, elsewhere, others }
            }
        })
    }
}

/// Exactly one, or what to do about it.
pub(super) fn one_of(found: Located) -> Result<AdminEndpoint, Failure> {
    match found {
        Located::Running(mut targets) if targets.len() == 1 => Ok(targets.remove(0)),
        Located::Running(targets) => Err(several(&targets)),
        Located::Nothing { state, elsewhere, others, .. } if elsewhere.is_empty() && others.is_empty() => {
            Err(Failure::failed(format!(
                "nothing is running here: no sidecar is listed on this machine, and none uses {}; `serin run` starts \
                 one, --admin URL connects to one elsewhere",
                state.display()
            )))
        }
        Located::Nothing { state, elsewhere, others, .. } => {
            Err(Failure::failed(nothing_found(&state, &elsewhere, &others)))
        }
    }
}

/// Why nothing was found, and which sidecars were left out.
pub(super) fn nothing_found(state: &Path, elsewhere: &[String], others: &[u32]) -> String {
    match (elsewhere, others) {
        ([], []) => "nothing is running here".to_owned(),
        ([], [first, ..]) => format!(
            "no sidecar of this user is running here, and those of the user {first} are not used: run this as that \
             user (`sudo -u '#{first}' serin ...`), or give its directory with --state DIR"
        ),
        (elsewhere, _) => format!(
            "no sidecar uses {}; choose one of those that run here with --state, --flags or --admin:\n  {}",
            state.display(),
            elsewhere.join("\n  ")
        ),
    }
}

/// Asks which of several is meant.
pub(super) fn several(targets: &[AdminEndpoint]) -> Failure {
    let list: String = targets.iter().map(|target| format!("\n  {}", target.name)).collect();
    Failure::usage(format!("several sidecars run here; choose one with --state, --flags or --admin:{list}"))
}

fn listed(entry: RegistryEntry, token: Option<String>) -> AdminEndpoint {
    let name = format!(
        "pid {}: --state {} --flags {} --admin http://{}",
        entry.pid,
        entry.state.display(),
        entry.flags.display(),
        entry.admin
    );
    let socket = entry.sock.map(Transport::Socket);
    let tcp = Transport::Tcp { authority: reachable(&entry.admin), token };
    AdminEndpoint { name, vias: socket.into_iter().chain([tcp]).collect(), state: Some(entry.state) }
}

/// An address that listens everywhere is reached on loopback.
fn reachable(address: &str) -> String {
    address.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:")
}

fn authority(url: &str) -> Result<String, String> {
    if url.starts_with("https://") {
        return Err(format!("--admin {url}: Serin's admin port uses plain HTTP; write http://"));
    }
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let host = rest.strip_suffix('/').unwrap_or(rest);
    if host.is_empty() || host.contains(['/', '@', '?', ' ']) {
        return Err(format!("--admin {url}: write it as http://HOST:PORT, such as http://127.0.0.1:7172"));
    }
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    Ok(if has_port { host.to_owned() } else { format!("{host}:80") })
}

fn same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.into());
    real(one) == real(other)
}

#[cfg(test)]
mod tests;
