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

    /// `serin` with these arguments; it sees only what runs in this workspace, leaves nothing elsewhere, and knows
    /// nothing of the environment of the tests.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.at_home(env!("CARGO_BIN_EXE_serin"));
        command.args(arguments);
        command
    }

    fn at_home(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.dir.path()).env_clear();
        command.envs(["PATH", "RUST_BACKTRACE"].iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.env("SERIN_REGISTRY", self.registry()).env("TMPDIR", self.dir.path());
        // Without it only root may count the descriptors of a sidecar.
        if std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) != 0 {
            command.env("SERIN_DUMPABLE", "yes");
        }
        command
    }

    fn registry(&self) -> PathBuf {
        self.dir.path().join("run")
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

    /// Gives what a sidecar writes here to this user, and the others a way to it.
    pub(crate) fn give_to(&self, user: u32) {
        use std::os::unix::fs::{PermissionsExt, chown};
        std::fs::set_permissions(self.dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        chown(self.dir.path().join("run"), Some(user), Some(user)).unwrap();
        std::fs::create_dir_all(self.state()).unwrap();
        std::fs::set_permissions(self.state(), std::fs::Permissions::from_mode(0o700)).unwrap();
        chown(self.state(), Some(user), Some(user)).unwrap();
    }

    /// Starts a sidecar as this user.
    pub(crate) fn start_as(&self, user: u32) -> Sidecar {
        use std::os::unix::process::CommandExt;
        // Where the binary was built another user may have no way to.
        let here = self.dir.path().join("serin");
        if !here.exists() {
            std::fs::hard_link(env!("CARGO_BIN_EXE_serin"), &here)
                .or_else(|_| std::fs::copy(env!("CARGO_BIN_EXE_serin"), &here).map(drop))
                .unwrap();
        }
        let mut command = self.at_home(&here.to_string_lossy());
        command.uid(user).gid(user);
        let state = self.state();
        self.start_by(command, &[], &["--state", &state.to_string_lossy()])
    }

    /// The same with at most so many open files.
    pub(crate) fn start_with_files(&self, limit: usize) -> Sidecar {
        let mut shell = self.at_home("sh");
        let script = format!("ulimit -n {limit}; exec \"$0\" \"$@\"");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_serin")]);
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
        let mut sidecar =
            Sidecar { child, listen: SocketAddr::from(([0; 4], 0)), admin: SocketAddr::from(([0; 4], 0)) };
        (sidecar.listen, sidecar.admin) = eventually("the sidecar is ready", SOON, || {
            if let Some(status) = sidecar.child.try_wait().unwrap() {
                panic!("the sidecar ended with {status}:\n{}", self.log());
            }
            let (listen, admin) = self.registered(sidecar.child.id())?;
            let ready = Client::connect(admin).ok()?.get("/readyz").ok()?;
            (ready.status == 200).then_some((listen, admin))
        });
        sidecar
    }

    /// The processes that have listed themselves here.
    pub(crate) fn listed(&self) -> Vec<u32> {
        let entries = std::fs::read_dir(self.registry()).into_iter().flatten().flatten();
        // One that is gone already was removed by its process.
        let read = |path: PathBuf| serde_json::from_slice::<Value>(&std::fs::read(path).ok()?).ok();
        entries.filter_map(|entry| u32::try_from(read(entry.path())?["pid"].as_u64()?).ok()).collect()
    }

    /// The addresses under which this process has listed itself.
    fn registered(&self, pid: u32) -> Option<(SocketAddr, SocketAddr)> {
        let entries = std::fs::read_dir(self.registry()).ok()?;
        entries.flatten().find_map(|entry| {
            let entry: Value = serde_json::from_slice(&std::fs::read(entry.path()).ok()?).ok()?;
            let addr = |key: &str| entry[key].as_str()?.trim_start_matches("http://").parse().ok();
            (entry["pid"] == pid).then(|| Some((addr("listen")?, addr("admin")?)))?
        })
    }
}

/// A running sidecar; dropping it kills it.
pub(crate) struct Sidecar {
    child: Child,
    pub(crate) listen: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Sidecar {
    pub(crate) fn client(&self) -> Client {
        Client::connect(self.listen).unwrap()
    }

    /// Which arm a chat request of this user takes now.
    pub(crate) fn arm(&self, user: &str) -> String {
        let answer = self.client().chat(user).unwrap();
        assert!(!answer.arm().is_empty(), "{} {:?} {}", answer.status, answer.headers, answer.text());
        answer.arm().to_owned()
    }

    /// What the admin port says.
    pub(crate) fn admin_get(&self, path: &str) -> Answer {
        Client::connect(self.admin).unwrap().get(path).unwrap()
    }

    pub(crate) fn metrics(&self) -> String {
        self.admin_get("/metrics").text()
    }

    pub(crate) fn status(&self) -> Value {
        let answer = self.admin_get("/api/v1/status");
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// The status of the rollout `chat`.
    pub(crate) fn chat(&self) -> Value {
        let status = self.status();
        let rollouts = status["rollouts"].as_array().unwrap();
        rollouts.iter().find(|rollout| rollout["name"] == "chat").cloned().unwrap_or_else(|| panic!("{status}"))
    }

    pub(crate) fn percent(&self) -> f64 {
        self.chat()["percent"].as_f64().unwrap()
    }

    pub(crate) fn phase(&self) -> String {
        self.chat()["phase"].as_str().unwrap().to_owned()
    }

    /// Everything that happened, oldest first.
    pub(crate) fn history(&self) -> Vec<Value> {
        let mut events = self.admin_get("/api/v1/history").json()["events"].as_array().unwrap().clone();
        events.reverse();
        events
    }

    /// A change of the rollout `chat`: `rollback`, `resume`, `pause`, `promote`.
    pub(crate) fn change(&self, what: &str) -> Answer {
        let mut client = Client::connect(self.admin).unwrap();
        client.post(&format!("/api/v1/rollouts/chat/{what}"), &[], r#"{"reason": "a test"}"#).unwrap()
    }

    /// Versions of the file that were read so far, accepted or refused.
    pub(crate) fn versions(&self) -> u64 {
        let status = self.status();
        status["flags"]["generation"].as_u64().unwrap() + status["flags"]["failures"].as_u64().unwrap()
    }

    /// Open file descriptors of the process.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// Client connections that the process has not closed yet.
    pub(crate) fn connections(&self) -> usize {
        let here = format!(":{:04X}", self.listen.port());
        let (established, close_wait) = ("01", "08");
        let table = std::fs::read_to_string(format!("/proc/{}/net/tcp", self.child.id())).unwrap();
        let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let ours =
            |row: &Vec<&str>| row.len() > 3 && row[1].ends_with(&here) && [established, close_wait].contains(&row[3]);
        rows.filter(ours).count()
    }

    /// Asks it to end, as a service manager does.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends it a signal: `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Whether it has ended, and well.
    pub(crate) fn has_ended(&mut self) -> Option<bool> {
        self.child.try_wait().unwrap().map(|status| status.success())
    }

    /// The process, for those who signal it or count its threads.
    pub(crate) fn process(&mut self) -> &mut Child {
        &mut self.child
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

/// Everything that a command said.
pub(crate) fn spoken(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// One provider, and a plain route of everything to it.
pub(crate) fn one(base_url: &str) -> String {
    format!(
        "providers:\n  oldcorp: {{ base_url: \"{base_url}\", auth: none }}\nrollouts:\n  - {{ name: all, stable: oldcorp }}\n"
    )
}

/// Two providers and the rollout `chat` between them, with these further lines of the rollout.
pub(crate) fn two(old: &str, new: &str, rollout: &str) -> String {
    let lines: String = rollout.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "providers:\n  oldcorp: {{ base_url: \"{old}\", auth: none }}\n  newcorp: {{ base_url: \"{new}\", auth: none }}\n\
         rollouts:\n  - name: chat\n    stable: oldcorp\n    canary: newcorp\n{lines}"
    )
}
