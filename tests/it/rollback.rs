//! Taking users back: at once, for good, and whatever else is broken.

use std::net::TcpListener;

use serin::clock;

use crate::support::embedded::Two;
use crate::support::eventually::{SOON, eventually};
use crate::support::load::{Load, all_well};
use crate::support::sidecar::{Workspace, spoken};

/// Everybody is on the canary before each rollback, so that any user shows it.
const USER: &str = "user-1";

fn everybody(providers: &Two) -> Workspace {
    providers.workspace("percent: 100%")
}

#[test]
fn no_request_sent_after_a_rollback_returned_reaches_the_canary() {
    let providers = Two::start();
    let workspace = everybody(&providers);
    let sidecar = workspace.start();
    // The era changes once the rollback has returned; a request belongs to the era in which it was sent.
    let load = Load::start(sidecar.listen, 8, |answer, era| {
        let late = era == 1 && answer.arm() == "canary";
        if late { Some("reached the canary after the rollback".to_owned()) } else { all_well(answer, era) }
    });
    eventually("load on the canary", SOON, || (providers.new.requests().generating > 200).then_some(()));
    let began = clock::instant();
    let answer = sidecar.change("rollback");
    let took = began.elapsed();
    load.set_era(1);
    assert_eq!((answer.status, &answer.json()["in_force"]), (200, &true.into()), "{}", answer.text());
    let before = load.answered();
    eventually("load after the rollback", SOON, || (load.answered() > before + 500).then_some(()));
    let (_, wrong) = load.stop();
    assert!(wrong.is_empty(), "{wrong:?}");
    println!("the rollback took {took:?}");
    assert!(took.as_millis() < 500, "{took:?}");
}

#[test]
fn a_rollback_outlasts_kill_9_edits_and_a_resync_and_ends_with_resume() {
    let providers = Two::start();
    let workspace = everybody(&providers);
    let sidecar = workspace.start();
    assert_eq!(sidecar.arm(USER), "canary");
    assert_eq!(sidecar.change("rollback").status, 200);
    sidecar.kill();

    let sidecar = workspace.start();
    assert_eq!((sidecar.arm(USER).as_str(), sidecar.phase().as_str()), ("stable", "locked"));
    for percent in ["50%", "100%", "100%"] {
        let before = sidecar.versions();
        let rollout = format!("percent: {percent}\nuser: [\"body:user\", \"header:x-{before}\"]");
        workspace.write(&providers.flags(&rollout));
        eventually("the edit is read", SOON, || (sidecar.versions() > before).then_some(()));
        assert_eq!(sidecar.arm(USER), "stable", "percent: {percent} must not lift a lock");
    }
    let answer = sidecar.change("resume");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(sidecar.arm(USER), "canary");
}

#[test]
fn the_command_works_with_a_broken_and_with_a_deleted_file() {
    let providers = Two::start();
    for broken in [true, false] {
        let workspace = everybody(&providers);
        let sidecar = workspace.start();
        assert_eq!(sidecar.arm(USER), "canary");
        if broken {
            std::fs::write(workspace.flags(), "rollouts: [").unwrap();
        } else {
            std::fs::remove_file(workspace.flags()).unwrap();
        }
        let output = workspace.run(&["rollback", "chat", "--reason", "a test"]);
        assert!(output.status.success(), "{}", spoken(&output));
        assert_eq!(sidecar.arm(USER), "stable");
        let events = sidecar.history();
        let event = events.iter().find(|event| event["action"] == "rollback").unwrap_or_else(|| panic!("{events:?}"));
        assert_eq!(event["reason"], "a test");
    }
}

#[test]
fn the_command_works_with_the_admin_port_blocked() {
    let providers = Two::start();
    let workspace = everybody(&providers);
    let sidecar = workspace.start();
    // Connections are taken by the system and nobody ever answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = format!("http://{}", silent.local_addr().unwrap());
    let state = workspace.state();
    let arguments = ["rollback", "chat", "--admin", &admin, "--state", &state.to_string_lossy()];
    let began = clock::instant();
    let output = workspace.run(&arguments);
    let took = began.elapsed();
    assert!(output.status.success(), "{}", spoken(&output));
    assert_eq!(sidecar.arm(USER), "stable");
    println!("by the file it took {took:?}");
    assert!(took.as_secs() < 5, "{took:?}");
}

#[test]
fn with_nothing_running_it_says_so_and_the_next_start_is_at_0() {
    let providers = Two::start();
    let workspace = everybody(&providers);
    workspace.start().kill();
    let state = workspace.state();
    let output = workspace.run(&["rollback", "--state", &state.to_string_lossy()]);
    assert_eq!(output.status.code(), Some(1), "{}", spoken(&output));
    assert!(spoken(&output).contains("nothing is running here"), "{}", spoken(&output));
    assert_eq!(workspace.start().arm(USER), "stable");
}

#[test]
fn an_unknown_rollout_is_refused_by_name() {
    let providers = Two::start();
    let workspace = everybody(&providers);
    let sidecar = workspace.start();
    let output = workspace.run(&["rollback", "chta"]);
    assert!(!output.status.success());
    assert!(spoken(&output).contains("chta") && spoken(&output).contains("chat"), "{}", spoken(&output));
    assert_eq!(sidecar.arm(USER), "canary");
}
