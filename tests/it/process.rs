//! What belongs to the process: where state lies, how many threads serve, and how long a stop waits.

use std::process::Command;

use crate::support::embedded::embedded;
use crate::support::eventually::{SOON, eventually};
use crate::support::faults::fault::Fault;
use crate::support::scripted::Scripted;
use crate::support::sidecar::{Sidecar, Workspace, two};

fn flags(recorder: &Scripted, top: &str) -> String {
    format!(
        "{top}\nproviders: {{ one: {{ base_url: \"{}\" }} }}\nrollouts: [{{ name: all, stable: one }}]\n",
        recorder.base_url()
    )
}

#[test]
fn state_names_the_directory() {
    let provider = embedded("corp");
    let place = tempfile::tempdir().unwrap();
    let state = place.path().join("here");
    let text = two(&provider.base_url(), &provider.base_url(), "percent: 10%");
    let workspace = Workspace::new(&format!("state: \"{}\"\n{text}", state.display()));
    let _sidecar = workspace.start_with_the_files_state();
    let files = std::fs::read_dir(&state).unwrap().count();
    assert!(files > 0 && !workspace.state().exists());
}

#[test]
fn state_that_is_in_memory_is_told_of_with_what_lasts() {
    let provider = embedded("corp");
    let place = tempfile::tempdir_in("/dev/shm").unwrap();
    let state = place.path().join("state");
    let text = two(&provider.base_url(), &provider.base_url(), "percent: 10%");
    let workspace = Workspace::new(&format!("state: \"{}\"\n{text}", state.display()));
    let sidecar = workspace.start_with_the_files_state();
    let sentence = format!("state in {} is in memory", state.display());
    let said = |arguments: &[&str]| {
        let output = workspace.run(arguments);
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    let status = said(&["status"]);
    assert!(status.contains(&sentence), "{status}");
    assert!(said(&["status", "--json"]).contains("\"ephemeral\": \"memory\""));
    let rollback = said(&["rollback", "--state", &state.to_string_lossy()]);
    assert!(rollback.contains("the lock is in memory") && rollback.contains("`percent: 0`"), "{rollback}");
    drop(sidecar);
    let rollback = said(&["rollback", "--state", &state.to_string_lossy()]);
    assert!(rollback.contains("the lock is in memory"), "with nobody running: {rollback}");
}

/// Threads of a process whose name begins so.
fn threads(sidecar: &mut Sidecar, name: &str) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", sidecar.process().id())).unwrap().flatten();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|comm| comm.starts_with(name)).count()
}

#[test]
fn workers_is_the_number_of_data_plane_threads() {
    let recorder = Scripted::healthy("corp");
    for workers in [1, 3] {
        let workspace = Workspace::new(&flags(&recorder, &format!("workers: {workers}")));
        let mut sidecar = workspace.start();
        assert_eq!(threads(&mut sidecar, "serin-core"), workers);
    }
}

#[test]
fn a_stop_waits_for_drain_and_no_longer() {
    let recorder = Scripted::start("corp", |_| Fault::Silence);
    let workspace = Workspace::new(&flags(&recorder, "drain: 1s"));
    let mut sidecar = workspace.start();
    let mut client = sidecar.client();
    let waiting = std::thread::spawn(move || client.post("/v1/chat/completions", &[], "{}"));
    recorder.expect("POST");
    let began = serin::clock::instant();
    let pid = sidecar.process().id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    eventually("the process ends", SOON, || sidecar.process().try_wait().unwrap());
    let took = began.elapsed().as_millis();
    assert!((1000..10_000).contains(&took), "{took} ms: not before `drain`, and not after its default");
    let cut = waiting.join().unwrap();
    assert!(cut.is_err() || cut.unwrap().status >= 500, "what outlasts the drain is cut");
}
