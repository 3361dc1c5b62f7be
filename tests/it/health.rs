//! What a container asks its sidecar: `serin healthcheck`, answered by an exit code.

use std::time::Duration;

use serde_json::{Value, json};
use serin::decide::units::Millis;
use serin::demo::provider::{Behaviour, Provider};

use crate::support::embedded::{Two, embedded};
use crate::support::eventually::{SOON, eventually};
use crate::support::sidecar::{Workspace, one, spoken};

fn exit_of(workspace: &Workspace, arguments: &[&str]) -> (Option<i32>, String) {
    let output = workspace.run(&[&["healthcheck"], arguments].concat());
    (output.status.code(), spoken(&output))
}

#[test]
fn a_running_sidecar_is_healthy_and_none_is_not() {
    let providers = Two::start();
    let workspace = providers.workspace("percent: 50%");
    let (exit, text) = exit_of(&workspace, &[]);
    assert!(exit == Some(1) && text.contains("nothing is running here"), "{exit:?} {text}");
    let (exit, text) = exit_of(&workspace, &["--json"]);
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert!(exit == Some(1) && answer["healthy"] == false && answer["via"].is_null(), "{text}");

    let sidecar = workspace.start();
    assert_eq!(exit_of(&workspace, &[]), (Some(0), "ready\n".to_owned()));
    assert_eq!(exit_of(&workspace, &["--live"]).0, Some(0));
    let admin = format!("http://{}", sidecar.admin);
    let (exit, text) = exit_of(&workspace, &["--json", "--admin", &admin]);
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (exit, answer),
        (Some(0), json!({"healthy": true, "asked": "/readyz", "via": admin, "answer": "ready"}))
    );
}

#[test]
fn a_hook_waits_until_it_is_ready_and_not_for_ever() {
    let providers = Two::start();
    let workspace = providers.workspace("percent: 50%");
    let began = serin::clock::instant();
    let (exit, text) = exit_of(&workspace, &["--wait", "0.3"]);
    assert!(exit == Some(1) && text.contains("nothing is running here"), "{exit:?} {text}");
    assert!(began.elapsed() >= Duration::from_millis(300));
    std::thread::scope(|scope| {
        let hook = scope.spawn(|| exit_of(&workspace, &["--wait", "60"]));
        let _sidecar = workspace.start();
        assert_eq!(hook.join().unwrap(), (Some(0), "ready\n".to_owned()));
    });
}

#[test]
fn one_that_drains_lives_and_is_not_ready() {
    let slow = Behaviour { latency: Millis(600_000), ..Behaviour::default() };
    let old = Provider::start("oldcorp", slow).unwrap();
    let workspace = Workspace::new(&format!("drain: 60s\n{}", one(&old.base_url())));
    let sidecar = workspace.start();
    let mut client = sidecar.client();
    let waiting = std::thread::spawn(move || client.chat("u").map(drop));
    let open = r#"serin_requests_in_flight{rollout="all",arm="stable",provider="oldcorp"} 1"#;
    eventually("it is in flight", SOON, || sidecar.metrics().contains(open).then_some(()));
    sidecar.terminate();
    eventually("it is not ready", SOON, || {
        (exit_of(&workspace, &[]) == (Some(1), "serin: draining\n".into())).then_some(())
    });
    assert_eq!(exit_of(&workspace, &["--live"]).0, Some(0));
    sidecar.kill();
    let _ = waiting.join();
}

#[test]
fn one_that_is_not_listed_is_asked_at_the_port_of_its_file() {
    let provider = embedded("oldcorp");
    let probe = std::net::TcpListener::bind("127.86.1.1:0").unwrap().local_addr().unwrap();
    let workspace = Workspace::new(&format!("probe: {{ listen: \"{probe}\" }}\n{}", one(&provider.base_url())));
    let _sidecar = workspace.start();
    let flags = workspace.flags().display().to_string();
    let elsewhere = Workspace::new("");
    let output = elsewhere.run(&["healthcheck", "--json", "--flags", &flags]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &answer["via"]), (Some(0), &json!(format!("http://{probe}"))), "{answer}");
}

#[test]
fn sleep_waits_and_refuses_what_is_no_number() {
    let workspace = Workspace::new("");
    let began = serin::clock::instant();
    assert!(workspace.run(&["sleep", "0.2"]).status.success());
    assert!(began.elapsed() >= Duration::from_millis(200));
    let output = workspace.run(&["sleep", "5s"]);
    assert_eq!(output.status.code(), Some(64), "{}", spoken(&output));
}
