//! The demo tells its whole story, and ends well.

use crate::support::sidecar::Workspace;

#[test]
fn the_story_comes_to_its_end() {
    let workspace = Workspace::new("");
    let output = workspace.run(&["demo", "--fast", "--once", "--port", "0"]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    let mut from = 0;
    for part in [
        "curl -i http://127.0.0.1:",
        "flags.yaml",
        "canary at 10%",
        "fail half",
        "(rolled_back)",
        "resume",
        "canary at 100%",
    ] {
        let at = told[from..].find(part).unwrap_or_else(|| panic!("no `{part}` after byte {from} in\n{told}"));
        from += at;
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let workspace = Workspace::new("");
    let output = workspace.run(&["demo", "--once", "--port", &port]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains(&port) && told.contains("in use"), "{told}");
}
