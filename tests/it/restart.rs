//! A service manager holds the proxy's socket, as `deploy/systemd/serin.socket` has it: restarts lose nobody.
//!
//! `systemd-socket-activate` stands for systemd and hands the socket to a loop that starts the sidecar again and again.
//! The addresses are this file's own, so that no other test is ever given the port between two looks at it.

#![cfg(target_os = "linux")]

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

use serin::decide::units::Millis;
use serin::demo::provider::{Behaviour, Provider};

use crate::support::client::Client;
use crate::support::embedded::{Two, embedded};
use crate::support::eventually::{SOON, eventually};
use crate::support::load::{Load, all_well};
use crate::support::sidecar::Workspace;

const RESTARTS: usize = 20;

/// Starts the sidecar anew whenever it has ended well, as `Restart=always` does.
const AGAIN: &str = r#"while sh -c 'LISTEN_PID=$$ exec "$0" "$@"' "$0" "$@" </dev/null; do :; done"#;

/// What holds the socket; dropping it ends the loop and the sidecar.
struct Holder {
    process: Child,
    workspace: Workspace,
}

impl Holder {
    fn start(at: SocketAddr, workspace: Workspace) -> Holder {
        let serin = workspace.command(&[]);
        let mut command = Command::new("systemd-socket-activate");
        command.arg(format!("--listen={at}"));
        for (name, value) in serin.get_envs().filter_map(|(name, value)| Some((name, value?))) {
            command.arg(format!("--setenv={}={}", name.display(), value.display()));
        }
        command.args(["sh", "-c", AGAIN]).arg(serin.get_program()).args(["run", "--flags"]).arg(workspace.flags());
        command.arg("--state").arg(workspace.state()).stdin(Stdio::null());
        let log = std::fs::File::create(workspace.flags().with_file_name("serin.log")).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let process = command.spawn().unwrap_or_else(|error| {
            panic!("systemd-socket-activate: {error}; install the package `systemd`, as tests/run.sh does")
        });
        Holder { process, workspace }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.workspace.flags().with_file_name("serin.log")).unwrap_or_default()
    }

    /// The sidecar that runs, once it is another one than before.
    fn other_than(&self, before: Option<u32>) -> Option<u32> {
        self.workspace.listed().into_iter().find(|pid| Some(*pid) != before)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        for pid in self.workspace.listed() {
            signal("KILL", pid);
        }
    }
}

fn signal(name: &str, pid: u32) {
    let _ = Command::new("kill").args(["-s", name, &pid.to_string()]).status();
}

#[test]
fn restarts_under_load_lose_no_request() {
    let providers = Two::start();
    let workspace = providers.workspace("percent: 50%");
    let at = TcpListener::bind("127.85.1.1:0").unwrap().local_addr().unwrap();
    let holder = Holder::start(at, workspace);
    // It starts its program when the first client comes, and listens before.
    eventually("the socket is there", SOON, || std::net::TcpStream::connect(at).ok().map(drop));
    let load = Load::start(at, 4, all_well);
    let mut running = None;
    for restart in 0..=RESTARTS {
        let pid = eventually("a sidecar runs", SOON, || holder.other_than(running));
        let answered = load.answered();
        eventually("it answers", SOON, || (load.answered() > answered + 20).then_some(()));
        running = Some(pid);
        if restart < RESTARTS {
            signal("TERM", pid);
        }
    }
    let (answered, wrong) = load.stop();
    assert!(wrong.is_empty(), "{answered} answered; {wrong:?}\n{}", holder.log());
    assert!(answered > 20 * RESTARTS as u64, "{answered}");
}

#[test]
fn a_request_that_does_not_end_keeps_nobody_waiting_for_long() {
    let slow = Behaviour { latency: Millis(600_000), ..Behaviour::default() };
    let (slow, quick) = (Provider::start("slowcorp", slow).unwrap(), embedded("oldcorp"));
    let workspace = Workspace::new(&format!(
        "drain: 60s\nproviders:\n  slowcorp: {{ base_url: \"{}\", auth: none }}\n  oldcorp: {{ base_url: \"{}\", auth: none }}\n\
         rollouts:\n  - {{ name: slow, stable: slowcorp, match: {{ model: slow }} }}\n  - {{ name: all, stable: oldcorp }}\n",
        slow.base_url(),
        quick.base_url()
    ));
    let at = TcpListener::bind("127.85.2.1:0").unwrap().local_addr().unwrap();
    let holder = Holder::start(at, workspace);
    let mut waiting = eventually("the socket is there", SOON, || Client::connect(at).ok());
    let waits = std::thread::spawn(move || waiting.post("/v1/chat/completions", &[], r#"{"model":"slow"}"#).map(drop));
    let pid = eventually("a sidecar runs", SOON, || holder.other_than(None));
    eventually("it is in flight", SOON, || (slow.requests().generating > 0).then_some(()));
    signal("TERM", pid);
    // A request may still be answered before the process has noticed the signal.
    eventually("the process that ends answers", SOON, || {
        let answer = Client::connect(at).unwrap().post("/v1/chat/completions", &[], r#"{"model":"m"}"#).unwrap();
        assert_eq!(answer.status, 200, "{}", holder.log());
        (answer.header("connection") == "close").then_some(())
    });
    // The old process has answered, and still finishes what it had begun.
    assert!(holder.other_than(Some(pid)).is_none() && !waits.is_finished());
}
