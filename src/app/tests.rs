//! Whole sidecars on ports of the system's choosing, from start to end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use super::registry::Registry;
use super::*;
use crate::decide::rollout::state::{Lock, OverallPhase};
use crate::decide::units::{Millis, Percent, UnixMillis};

struct Home {
    dir: tempfile::TempDir,
}

const GOOD: &str = "
listen: 127.0.0.1:0
admin: { listen: 127.0.0.1:0 }
probe: { listen: 127.0.0.1:0 }
drain: 1s
providers:
  old: { base_url: http://127.0.0.1:9/v1 }
  new: { base_url: http://127.0.0.1:9/v2 }
rollouts:
  - { name: chat, stable: old, canary: new, percent: 25% }
";

impl Home {
    fn new(flags: &str) -> Home {
        let home = Home { dir: tempfile::tempdir().unwrap() };
        home.write(flags);
        home
    }

    fn write(&self, flags: &str) {
        std::fs::write(self.flags(), flags).unwrap();
    }

    fn flags(&self) -> PathBuf {
        self.dir.path().join("flags.yaml")
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    fn options(&self) -> Options {
        let registry = Registry::at(self.dir.path().join("run"));
        Options { state: Some(self.state()), registry, ..Options::new(self.flags()) }
    }

    fn start(&self) -> Result<Running, StartError> {
        start(self.options())
    }
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Waits for something that another thread does, for ten seconds at most.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = crate::clock::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(crate::clock::now().since(began) < Millis(10_000), "{what}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

#[test]
fn a_sidecar_serves_lists_itself_and_leaves_nothing_behind() {
    let home = Home::new(GOOD);
    let running = home.start().unwrap();
    assert!(get(running.admin, "/api/v1/status").contains(r#""name":"chat""#));
    assert!(get(running.probe.unwrap(), "/readyz").ends_with("ready\n"));
    assert_eq!(running.status().rollouts[0].percent, Percent::from_hundredths(2500).unwrap());
    let listed = home.options().registry.running();
    assert_eq!((listed.len(), listed[0].pid, listed[0].state.clone()), (1, std::process::id(), home.state()));
    assert_eq!(listed[0].listen, running.proxy.to_string());
    assert!(connect_socket(&home.state().join("admin.sock")).is_ok());

    running.request_drain();
    running.wait().unwrap();
    assert_eq!(home.options().registry.running(), []);
    assert!(!home.state().join("admin.sock").exists());
    assert_eq!(offline::holder(&home.state()), None);
}

#[test]
fn a_second_start_on_the_same_state_is_refused_and_names_the_process() {
    let home = Home::new(GOOD);
    let running = home.start().unwrap();
    let error = home.start().unwrap_err().to_string();
    let pid = std::process::id();
    assert!(error.contains(&format!("is in use by another serin (process {pid})")), "{error}");
    running.stop_handle().end_now();
    running.wait().unwrap();
}

#[test]
fn a_broken_file_starts_with_the_copy_that_was_good_last() {
    let home = Home::new(GOOD);
    let running = home.start().unwrap();
    running.stop_handle().end_now();
    running.wait().unwrap();

    home.write(&GOOD.replace("percent: 25%", "percnt: 25%"));
    let running = home.start().unwrap();
    let status = running.status();
    assert!(status.flags.from_last_good);
    assert!(status.flags.errors.iter().any(|error| error.problem.contains("percnt")), "{:?}", status.flags.errors);
    assert_eq!(status.rollouts[0].percent, Percent::from_hundredths(2500).unwrap());
    running.stop_handle().end_now();
    running.wait().unwrap();

    let strict = Options { strict: true, ..home.options() };
    let error = start(strict).unwrap_err().to_string();
    assert!(error.contains("percnt") && error.ends_with("not started: --strict uses no earlier copy"), "{error}");
}

#[test]
fn a_broken_file_and_no_earlier_copy_is_told_with_its_errors() {
    let home = Home::new("providers: [");
    let error = home.start().unwrap_err();
    assert!(matches!(error, StartError::Flags { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.ends_with("not started: there is no earlier good copy to start with"), "{text}");
    std::fs::remove_file(home.flags()).unwrap();
    assert!(home.start().unwrap_err().to_string().contains("flags.yaml"));
}

#[test]
fn a_port_that_is_taken_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let home = Home::new(GOOD);
    let error = start(Options { admin: Some(address), ..home.options() }).unwrap_err().to_string();
    assert!(error.starts_with(&format!("admin.listen: {address} is in use: find the process that uses it")), "{error}");
    // Nothing is left behind: the same state can be had at once.
    let running = home.start().unwrap();
    running.stop_handle().end_now();
    running.wait().unwrap();
}

#[test]
fn a_lock_file_is_obeyed_and_what_is_in_force_is_told() {
    let home = Home::new(GOOD);
    let running = home.start().unwrap();
    let chat = |in_force: &offline::InForce| in_force.rollouts.get("chat").copied();
    let quarter = Percent::from_hundredths(2500);
    until("the first share is told", || offline::in_force(&home.state()).filter(|state| chat(state) == quarter));
    let lock = Lock { to: Percent::ZERO, at: UnixMillis(1), actor: "ana".into(), reason: "by hand".into() };
    offline::write_lock(&home.state(), Some("chat"), &lock).unwrap();
    until("the lock is in force", || {
        offline::in_force(&home.state()).filter(|state| chat(state) == Some(Percent::ZERO))
    });
    until("the status shows it", || Some(running.status()).filter(|now| now.rollouts[0].phase == OverallPhase::Locked));
    running.stop_handle().end_now();
    running.wait().unwrap();
}

#[test]
fn a_new_file_is_taken_and_what_needs_a_restart_is_told() {
    let home = Home::new(GOOD);
    let running = home.start().unwrap();
    home.write(
        &GOOD
            .replace("percent: 25%", "percent: 5%")
            .replace("listen: 127.0.0.1:0\nadmin", "listen: 127.0.0.1:1\nadmin"),
    );
    let five = Percent::from_hundredths(500).unwrap();
    let status =
        until("the new share is in force", || Some(running.status()).filter(|now| now.rollouts[0].percent == five));
    let text = "`listen` was changed from 127.0.0.1:0 to 127.0.0.1:1, which needs a restart";
    assert!(status.flags.warnings.iter().any(|warning| warning.starts_with(text)), "{:?}", status.flags.warnings);
    running.stop_handle().end_now();
    running.wait().unwrap();
}
