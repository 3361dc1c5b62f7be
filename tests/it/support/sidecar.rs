//! A sidecar: the real binary, on ports of its own choice, with a directory, a state and a registry of its own.
//!
//! The binary and not a call into the library, since the tests kill it, count its descriptors and run several.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use super::client::{Answer, Client};
use super::eventually::{SOON, eventually};

/// The directory that outlives a sidecar.
pub(crate) struct Workspace {
    dir: tempfile::TempDir,
}

impl Workspace {
    /// With this flags.yaml; `listen` and `admin` are put before it.
    pub(crate) fn new(flags: &str) -> Workspace {
        let workspace = Workspace { dir: tempfile::tempdir().unwrap() };
        std::fs::create_dir(workspace.dir.path().join("run")).unwrap();
        std::fs::create_dir(workspace.dir.path().join("etc")).unwrap();
        workspace.write(flags);
        workspace
    }

    /// What the file says before the part that a test is about.
    pub(crate) fn text(flags: &str) -> String {
        format!("listen: 127.0.0.1:0\nadmin: {{ listen: 127.0.0.1:0 }}\n{flags}")
    }

    pub(crate) fn flags(&self) -> PathBuf {
        self.dir.path().join("etc/flags.yaml")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// Writes the file by a rename, so that nobody sees half of it.
    pub(crate) fn write(&self, flags: &str) {
        let unfinished = self.dir.path().join("unfinished.yaml");
        std::fs::write(&unfinished, Workspace::text(flags)).unwrap();
        std::fs::rename(unfinished, self.flags()).unwrap();
    }

    /// `serin` with these arguments; it sees only what runs in this workspace.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_serin"));
        command.args(arguments).env("XDG_RUNTIME_DIR", self.dir.path().join("run"));
        for name in ["SERIN_FLAGS", "SERIN_STATE", "SERIN_ADMIN", "SERIN_ADMIN_TOKEN", "HTTP_PROXY", "HTTPS_PROXY"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What the sidecars here have said so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("serin.log")).unwrap_or_default()
    }

    /// Starts a sidecar here and waits until it is ready.
    pub(crate) fn start(&self) -> Sidecar {
        self.start_with(&[])
    }

    /// The same with these variables in its environment.
    pub(crate) fn start_with(&self, variables: &[(&str, String)]) -> Sidecar {
        let state = self.state();
        self.start_by(self.command(&[]), variables, &["--state", &state.to_string_lossy()])
    }

    /// The same with its state where the file says.
    pub(crate) fn start_with_the_files_state(&self) -> Sidecar {
        self.start_by(self.command(&[]), &[], &[])
    }

    /// The same with at most so many open files.
    pub(crate) fn start_with_files(&self, limit: usize) -> Sidecar {
        let serin = self.command(&[]);
        let mut shell = Command::new("sh");
        let script = format!("ulimit -n {limit}; exec \"$0\" \"$@\"");
        shell.args(["-c", &script]).arg(serin.get_program());
        for (name, value) in serin.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        let state = self.state();
        self.start_by(shell, &[], &["--state", &state.to_string_lossy()])
    }

    fn start_by(&self, mut command: Command, variables: &[(&str, String)], more: &[&str]) -> Sidecar {
        let log = self.dir.path().join("serin.log");
        let out = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let flags = self.flags();
        command.args(["run", "--flags", &flags.to_string_lossy()]).args(more);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        let errors = out.try_clone().unwrap();
        let child = command.stdout(out).stderr(errors).stdin(Stdio::null()).spawn().unwrap();
    }

    /// Kills it as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Two providers and the rollout `chat` between them, with these further lines of the rollout.
pub(crate) fn two(old: &str, new: &str, rollout: &str) -> String {
    let lines: String = rollout.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "providers:\n  oldcorp: {{ base_url: \"{old}\", auth: none }}\n  newcorp: {{ base_url: \"{new}\", auth: none }}\n\
         rollouts:\n  - name: chat\n    stable: oldcorp\n    canary: newcorp\n{lines}"
    )
}
