//! A selftest runs on any machine, and asks a deployment without telling its key.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::closed_port::ClosedPort;
use crate::support::embedded::Two;
use crate::support::eventually::{SOON, eventually};
use crate::support::sidecar::Workspace;

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn all(output: &Output) -> String {
    out(output) + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn nothing_is_wrong_and_nothing_is_left() {
    let workspace = Workspace::new("");
    let output = workspace.run(&["selftest", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", all(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let of = |name: &str| report[name].as_u64().unwrap();
    assert_eq!((of("wrong"), of("not_run")), (0, 0));
    assert!(of("recovered") > 150 && of("honest") > 100, "{report:#}");
    assert_eq!(report["requests"].as_array().unwrap().len() as u64, of("recovered") + of("honest"));
    assert!(report["added_latency"]["whole"]["pairs"].as_u64().unwrap() > 0);
    assert!(of("milliseconds") < 60_000, "it took {} ms", of("milliseconds"));
    assert!(output.stderr.is_empty(), "no progress where nobody looks: {}", all(&output));
    assert_eq!(left_behind(&workspace), Vec::<String>::new());
}

/// The selftest's own directories that are there.
fn left_behind(workspace: &Workspace) -> Vec<String> {
    let root = workspace.flags().parent().unwrap().parent().unwrap().to_owned();
    let names = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.contains("selftest")).collect()
}

#[test]
fn a_signal_ends_it_and_leaves_nothing_behind() {
    let workspace = Workspace::new("");
    let mut child = workspace.command(&["selftest"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("it runs", SOON, || (!left_behind(&workspace).is_empty()).then_some(()));
    assert!(Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(left_behind(&workspace), Vec::<String>::new());
}

/// Asks a deployment with a key that nobody must read.
fn ask(workspace: &Workspace, url: &str, more: &[&str]) -> (Option<i32>, String) {
    let arguments = [&["selftest", "--url", url, "--key", "sk-private-0123456789"], more].concat();
    let output = workspace.run(&arguments);
    let told = all(&output);
    assert!(!told.contains("sk-private"), "{told}");
    (output.status.code(), told)
}

#[test]
fn a_deployment_answers() {
    let two = Two::start();
    let workspace = two.workspace("percent: 0");
    let sidecar = workspace.start();
    let url = format!("http://{}", sidecar.listen);
    let (code, told) = ask(&workspace, &url, &[]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.starts_with(&format!("asks {url}/v1 with the key: ")), "what it sends is said first: {told}");
    for line in [
        "health   good     Serin answers",
        "models   good     3 models",
        "answered by `oldcorp` (stable)",
        "all is well",
    ] {
        assert!(told.contains(line), "no `{line}` in {told}");
    }
    assert_eq!(two.old.requests().generating, 2, "few requests");
    assert!(two.old.requests().by_model.contains_key("demo-small"), "a small model");
    let (code, told) = ask(&workspace, &format!("{url}/v1/"), &["--model", "chosen", "--json"]);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(two.old.requests().by_model["chosen"], 2);
    let (code, told) = ask(&workspace, &format!("http://{}", sidecar.admin), &[]);
    assert!(code == Some(1) && told.contains("admin or the probe port"), "{told}");
    let (code, told) = ask(&workspace, &url.replace("http:", "https:"), &[]);
    assert!(code == Some(1) && told.contains("health   FAILED   TLS: "), "{told}");
}

#[test]
fn a_key_that_is_refused_is_said_and_not_shown() {
    let two = Two::start();
    let flags = format!("clients: [{{ name: shop, key: sk-other-0123456789 }}]\n{}", two.flags("percent: 0"));
    let workspace = Workspace::new(&flags);
    let sidecar = workspace.start();
    let (code, told) = ask(&workspace, &format!("http://{}", sidecar.listen), &["--model", "m"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("401: the key is refused; give a key of `clients`"), "{told}");
    assert_eq!(two.old.requests().generating, 0);
}

#[test]
fn a_server_that_is_no_serin_is_told_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let page = "<!doctype html><title>Welcome</title>";
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{page}",
                page.len()
            );
        }
    });
    let workspace = Workspace::new("");
    let (code, told) = ask(&workspace, &url, &["--model", "m"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("not Serin: 200") && told.contains("it is a web page"), "{told}");
    assert!(told.contains("not an LLM API") && told.contains("something FAILED"), "{told}");
}

#[test]
fn where_nobody_listens_nothing_more_is_asked() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = port.local_addr().unwrap();
    drop(port);
    let _closed = ClosedPort::at(at);
    let (code, told) = ask(&Workspace::new(""), &format!("http://{at}"), &[]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("does it run, and is that its port?") && told.matches("skipped").count() == 3, "{told}");
}

#[test]
fn bad_usage_is_told_without_the_key() {
    let workspace = Workspace::new("");
    for arguments in [
        &["--url", "127.0.0.1:7171", "--key", "sk-private"][..],
        &["--url", "http://127.0.0.1:1", "--key", "sk-private\n"],
        &["--url", "http://user:sk-private@127.0.0.1:1"],
        &["--model", "m"],
        &["--unknown"],
    ] {
        let output = workspace.run(&[&["selftest"], arguments].concat());
        assert_eq!(output.status.code(), Some(64), "{}", all(&output));
        assert!(!all(&output).contains("sk-private"), "{}", all(&output));
    }
}
