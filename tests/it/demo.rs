//! The demo tells its whole story, and ends well however it ends.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::support::sidecar::Workspace;

#[test]
fn the_story_comes_to_its_end() {
    let workspace = Workspace::new("");
    let output = workspace.run(&["demo", "--fast", "--once", "--port", "0"]);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    let mut from = 0;
    for part in [
        "curl -i http://127.0.0.1:",
        "flags.yaml",
        "canary at 10%",
        "fail half",
        "(rolled_back)",
        "resume",
        "canary at 100%",
        "requests failed at holysheep; failed for users: 0; back on openai in ",
    ] {
        let at = printed[from..].find(part).unwrap_or_else(|| panic!("no `{part}` after byte {from} in\n{printed}"));
        from += at;
    }
    assert!(!printed.contains("keeps running"), "{printed}");
    // A screen of 80 columns by 24 lines leaves room for what happens; the names of our own directories are longer.
    let header = printed.lines().take_while(|line| !line.starts_with("00:"));
    let rows = |line: &str| if line.starts_with("edit ") { 1 } else { line.chars().count().div_ceil(80).max(1) };
    assert!(header.map(rows).sum::<usize>() <= 6, "{printed}");
    assert_eq!(left_behind(&workspace), Vec::<String>::new());
}

/// The demo's own directories that are still there.
fn left_behind(workspace: &Workspace) -> Vec<String> {
    let root = workspace.flags().parent().unwrap().parent().unwrap().to_owned();
    let names = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("serin-demo")).collect()
}

#[test]
fn a_signal_ends_it_and_leaves_no_directory_behind() {
    for (signal, once) in [("TERM", false), ("INT", true), ("HUP", false)] {
        let workspace = Workspace::new("");
        let mut command = workspace.command(&["demo", "--port", "0"]);
        let mut child = command.args(once.then_some("--once")).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("canary at ")), "the demo plays");
        assert_eq!(left_behind(&workspace).len(), 1);
        assert!(Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap().success());
        // Whatever it still says is read, so that it never waits for its reader.
        lines.for_each(drop);
        assert_eq!(child.wait().unwrap().code(), Some(i32::from(once)), "{signal}");
        assert_eq!(left_behind(&workspace), Vec::<String>::new(), "{signal}");
    }
}

#[test]
fn a_provider_can_be_had_alone() {
    let workspace = Workspace::new("");
    let mut child = workspace
        .command(&["demo", "--provider", "--name", "holysheep", "--fail", "100%"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let url = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    let address = url.strip_prefix("http://").unwrap().strip_suffix("/v1").unwrap().parse().unwrap();
    let answer = crate::support::client::Client::connect(address).unwrap().chat("user-1").unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(answer.status, 500, "{}", answer.text());
    let output = workspace.run(&["demo", "--fail", "50%"]);
    assert_eq!(output.status.code(), Some(64), "only a provider alone can be told to fail");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let workspace = Workspace::new("");
    let output = workspace.run(&["demo", "--once", "--port", &port]);
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(printed.contains(&format!("127.0.0.1:{port} is in use: choose another `--port`")), "{printed}");
    assert!(!printed.contains("flags.yaml"), "the demo writes that file itself: {printed}");
    assert_eq!(left_behind(&workspace), Vec::<String>::new());
}
