//! A stranger on the network, at a socket that the file does not speak of; and a page in an operator's browser.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use crate::support::client::{Answer, Client};
use crate::support::eventually::{SOON, eventually};
use crate::support::scripted::Scripted;
use crate::support::sidecar::{Sidecar, Workspace, spoken};

const LONG: &str = "a-token-of-many-characters";

fn flags(provider: &str, recorder: &Scripted) -> String {
    let url = recorder.base_url();
    format!("providers: {{ old: {{ base_url: \"{url}\"{provider} }} }}\nrollouts: [{{ name: all, stable: old }}]\n")
}

/// Writes the file as it is, without the addresses that workspaces put before it.
fn write(workspace: &Workspace, text: &str) {
    let beside = workspace.flags().with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(beside, workspace.flags()).unwrap();
}

/// What is a key besides `api_keys`.
const KEYS: [&str; 9] = [
    ", api_keys: [sk-of-serin]",
    ", set_headers: { x-api-key: sk-of-serin }",
    ", set_headers: { x-team: \"${PATH}\" }",
    ", query: { key: sk-of-serin }",
    ", query: { account: \"${PATH}\" }",
    ", auth: none, set_headers: { x-api-key: \"Bearer ${PATH}\" }",
    ", set_headers: { x-auth: hunter }",
    ", set_headers: { x-token: \"123456\" }",
    ", query: { v: sk-0123456789abc }",
];

/// `serin run` with this socket handed over, as a service manager does.
fn handed(workspace: &Workspace, socket: TcpListener) -> Command {
    let script = "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\"";
    let serin = workspace.command(&[]);
    let mut command = Command::new("sh");
    command.env_clear().envs(serin.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(serin.get_current_dir().unwrap());
    command.args(["-c", script]).arg(serin.get_program());
    command.args(["run", "--flags"]).arg(workspace.flags()).arg("--state").arg(workspace.state());
    command.stdin(Stdio::from(OwnedFd::from(socket)));
    command
}

/// An error of the file, with the key that it is about.
fn said(error: &serde_json::Value) -> String {
    let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
    format!("{}: {}", text("path"), text("problem"))
}

#[test]
fn a_socket_that_is_handed_over_is_judged_by_what_it_is_bound_to() {
    let old = Scripted::healthy("corp");
    for keys in KEYS {
        for open in ["0.0.0.0:0", "[::]:0"] {
            let Ok(socket) = TcpListener::bind(open) else { continue };
            let workspace = Workspace::new(&flags(keys, &old));
            let output = handed(&workspace, socket).output().unwrap();
            assert_eq!(output.status.code(), Some(64), "{keys}: {}", spoken(&output));
            assert!(spoken(&output).contains("could spend the keys that Serin has for `old`"), "{}", spoken(&output));
        }
    }
    assert!(old.asked().is_empty());
}

#[test]
fn a_socket_that_is_handed_over_on_loopback_is_served() {
    let old = Scripted::healthy("corp");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = socket.local_addr().unwrap();
    let workspace = Workspace::new(&flags(KEYS[0], &old));
    let mut running = handed(&workspace, socket).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually("it serves", SOON, || {
        let answer = Client::connect(at).ok()?.post("/v1/chat/completions", &[], "{}").ok()?;
        (answer.status == 200).then_some(())
    });
    running.kill().unwrap();
    running.wait().unwrap();
    assert_eq!(old.last().field("authorization"), Some("Bearer sk-of-serin"));
}

#[test]
fn a_socket_is_judged_by_what_it_is_bound_to_and_not_by_what_the_file_says_beside_it() {
    let old = Scripted::healthy("corp");
    let workspace = Workspace::new("");
    let open = format!("listen: 0.0.0.0:1\nadmin: {{ listen: 127.0.0.1:0 }}\n{}", flags(KEYS[0], &old));
    write(&workspace, &open);
    let file = workspace.flags().display().to_string();
    let output = workspace.run(&["check", &file]);
    assert_eq!(output.status.code(), Some(64), "there is no socket: {}", spoken(&output));
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = socket.local_addr().unwrap();
    let mut running = handed(&workspace, socket).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually("it serves", SOON, || {
        let answer = Client::connect(at).ok()?.post("/v1/chat/completions", &[], "{}").ok()?;
        (answer.status == 200).then_some(())
    });
    let printed = spoken(&workspace.run(&["status", "--state", &workspace.state().display().to_string()]));
    running.kill().unwrap();
    running.wait().unwrap();
    assert!(
        printed.contains("if the next start binds its socket there, everyone who can connect to 0.0.0.0:1"),
        "{printed}"
    );
}

#[test]
fn a_file_that_would_open_a_port_starts_with_the_last_good_copy() {
    let old = Scripted::healthy("corp");
    let text = |listen: &str, rest: &str| {
        format!("listen: {listen}:0\nadmin: {{ listen: 127.0.0.1:0 }}\n{rest}{}", flags(KEYS[0], &old))
    };
    let short = "admin: { listen: 0.0.0.0:0, tokens: [{ name: ops, token: short-one, may: [change] }] }\n";
    let admin = "admin: { listen: 127.0.0.1:0 }\n";
    let bad = [
        (text("0.0.0.0", ""), "listen: everyone who can connect to 0.0.0.0:0 could spend"),
        (text("127.0.0.1", "").replace(admin, "admin: { listen: 0.0.0.0:0 }\n"), "could move the traffic"),
        (text("127.0.0.1", "").replace(admin, short), "a token of fewer than 16 characters"),
    ];
    for (bad, expected) in bad {
        let workspace = Workspace::new("");
        write(&workspace, &text("127.0.0.1", ""));
        let mut first = workspace.start();
        first.terminate();
        eventually("it ends", SOON, || first.has_ended());
        write(&workspace, &bad);
        let sidecar = workspace.start();
        let status = sidecar.status();
        assert_eq!(status["flags"]["from_last_good"], true, "{status}");
        assert!(said(&status["flags"]["errors"][0]).contains(expected), "{status}");
        assert!(sidecar.listen.ip().is_loopback() && sidecar.admin.ip().is_loopback());
        assert_eq!(sidecar.client().chat("u").unwrap().status, 200);
    }
}

#[test]
fn a_socket_that_is_handed_over_and_would_be_opened_is_served_by_the_last_good_copy() {
    let old = Scripted::healthy("corp");
    let workspace =
        Workspace::new(&format!("clients: [{{ name: app, key: key-of-the-app }}]\n{}", flags(KEYS[0], &old)));
    let mut first = workspace.start();
    first.terminate();
    eventually("it ends", SOON, || first.has_ended());
    workspace.write(&flags(KEYS[0], &old));
    let socket = TcpListener::bind("0.0.0.0:0").unwrap();
    let at = SocketAddr::from(([127, 0, 0, 1], socket.local_addr().unwrap().port()));
    let mut running = handed(&workspace, socket).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let ask = |headers: &[(&str, &str)]| {
        let answer = Client::connect(at).ok()?.post("/v1/chat/completions", headers, "{}").ok()?;
        (answer.status != 503).then_some(answer.status)
    };
    let stranger = eventually("it answers", SOON, || ask(&[]));
    let client = ask(&[("authorization", "Bearer key-of-the-app")]);
    running.kill().unwrap();
    running.wait().unwrap();
    assert_eq!((stranger, client), (401, Some(200)));
}

#[test]
fn what_is_not_a_key_needs_no_clients() {
    let old = Scripted::healthy("corp");
    for plain in [
        "",
        ", set_headers: { x-team: red }",
        ", query: { api-version: \"2024-06-01\" }",
        ", auth: none, api_keys: [\"${NOWHERE}\"]",
        ", auth: none, api_keys: [sk-of-serin]",
        ", set_headers: { x-auth-token: \"\" }",
        ", set_headers: { x-auth-mode: auto, x-token-limit: \"4096\", x-key-cache: \"true\" }",
        ", query: { key: \"\", tokens: \"1\", auth: \"off\" }",
    ] {
        let workspace = Workspace::new("");
        write(&workspace, &format!("listen: 0.0.0.0:0\nadmin: {{ listen: 127.0.0.1:0 }}\n{}", flags(plain, &old)));
        let output = workspace.run(&["check", &workspace.flags().display().to_string()]);
        assert_eq!(output.status.code(), Some(0), "{plain}: {}", spoken(&output));
    }
    for keys in KEYS.into_iter().chain([", tls: { cert_file: /c.pem, key_file: /k.pem }"]) {
        let workspace = Workspace::new("");
        write(&workspace, &format!("listen: 0.0.0.0:0\nadmin: {{ listen: 127.0.0.1:0 }}\n{}", flags(keys, &old)));
        let output = workspace.run(&["check", "--no-secrets", &workspace.flags().display().to_string()]);
        assert_eq!(output.status.code(), Some(64), "{keys}: {}", spoken(&output));
        let printed = spoken(&output);
        assert!(printed.contains(": 1 error\n"), "{keys}: {printed}");
        assert!(
            printed.contains(":1:9: listen: everyone who can connect to 0.0.0.0:0 could spend the keys"),
            "{keys}: {printed}"
        );
        assert!(printed.contains("that Serin has for `old`") && printed.contains("set `clients`"), "{keys}: {printed}");
    }
}

#[test]
fn no_reload_opens_a_socket_that_strangers_reach() {
    let old = Scripted::healthy("corp");
    let workspace = Workspace::new("");
    let provider = flags(KEYS[0], &old);
    let admin = format!("admin: {{ listen: 127.0.0.1:0, tokens: [{{ name: ops, token: {LONG}, may: [change] }}] }}");
    let text = |listen: &str, clients: &str| format!("listen: {listen}\n{admin}\n{clients}{provider}");
    let clients = "clients: [{ name: app, key: key-of-the-app }]\n";
    write(&workspace, &text("0.0.0.0:0", clients));
    let sidecar = workspace.start();
    let at = SocketAddr::from(([127, 0, 0, 1], sidecar.listen.port()));
    let ask = || Client::connect(at).unwrap().post("/v1/chat/completions", &[], "{}").unwrap().status;
    assert_eq!(ask(), 401);
    let refusals = || {
        let token = [("authorization", format!("Bearer {LONG}"))];
        let token = token.each_ref().map(|(name, value)| (*name, value.as_str()));
        let framing = crate::support::client::Framing::Length;
        let mut client = Client::connect(sidecar.admin).unwrap();
        client.send("GET", "/api/v1/status", &token, b"", framing).unwrap().json()["flags"].clone()
    };
    // The file is right by itself, and the socket stays where it is.
    write(&workspace, &text("127.0.0.1:0", ""));
    let status = eventually("it is refused", SOON, || Some(refusals()).filter(|flags| flags["failures"] == 1));
    let sentence = said(&status["errors"][0]);
    assert!(
        sentence.contains("listen: everyone who can connect to 0.0.0.0:")
            && sentence.contains("which is not the one in the file"),
        "{sentence}"
    );
    assert_eq!(ask(), 401);
    let short = "rollouts: [{ name: all, stable: old, canary: new, percent: 0, force: { header: x-f, token: short } }]";
    let with_force = text("127.0.0.1:0", clients).replace("rollouts: [{ name: all, stable: old }]", short);
    let with_force = with_force.replace("providers: {", "providers: { new: { base_url: \"http://127.0.0.1:9/v1\" },");
    write(&workspace, &with_force);
    let status = eventually("it is refused", SOON, || Some(refusals()).filter(|flags| flags["failures"] == 2));
    let sentence = said(&status["errors"][0]);
    assert!(
        sentence.contains("rollouts[0].force.token: a token of fewer than 16 characters can be guessed"),
        "{sentence}"
    );
    assert!(old.asked().is_empty());
}

#[test]
fn a_short_token_is_an_error_off_loopback_and_a_warning_on_it() {
    let old = Scripted::healthy("corp");
    for (admin, code) in [("0.0.0.0:0", 64), ("127.0.0.1:0", 0)] {
        for (token, is_short) in [("fifteen-letters", true), ("sixteen-letters!", false)] {
            let workspace = Workspace::new("");
            let tokens = format!(
                "admin: {{ listen: \"{admin}\", tokens: [{{ name: ops, token: \"{token}\", may: [change] }}] }}"
            );
            write(&workspace, &format!("listen: 127.0.0.1:0\n{tokens}\n{}", flags("", &old)));
            let output = workspace.run(&["check", &workspace.flags().display().to_string()]);
            assert_eq!(output.status.code(), Some(if is_short { code } else { 0 }), "{}", spoken(&output));
            assert_eq!(spoken(&output).contains("fewer than 16 characters"), is_short, "{}", spoken(&output));
        }
    }
}

fn change(sidecar: &Sidecar, origins: &[&str]) -> Answer {
    let mut headers: Vec<(&str, &str)> = origins.iter().map(|origin| ("origin", *origin)).collect();
    headers.push(("authorization", "Bearer a-token-of-many-characters"));
    Client::connect(sidecar.admin).unwrap().post("/api/v1/rollback", &headers, "{}").unwrap()
}

#[test]
fn no_page_from_elsewhere_makes_a_change() {
    let old = Scripted::healthy("corp");
    for tokens in ["", ", tokens: [{ name: ops, token: a-token-of-many-characters, may: [change] }]"] {
        let workspace = Workspace::new("");
        let text = flags("", &old).replace("stable: old", "stable: old, canary: new, percent: 50%");
        let text = text.replace("providers: {", "providers: { new: { base_url: \"http://127.0.0.1:9/v1\" },");
        write(&workspace, &format!("listen: 127.0.0.1:0\nadmin: {{ listen: 127.0.0.1:0{tokens} }}\n{text}"));
        let sidecar = workspace.start();
        let own = format!("http://{}", sidecar.admin);
        let beside = format!("http://127.0.0.1:{}", sidecar.listen.port());
        let named = format!("http://localhost:{}", sidecar.admin.port());
        for foreign in
            ["https://evil.example", "null", &beside, &named, "http://127.0.0.1", "file://", "", &format!("{own}/")]
        {
            let origins: &[&[&str]] = if foreign.is_empty() { &[&[""]] } else { &[&[foreign], &[&own, foreign]] };
            for origins in origins {
                let answer = change(&sidecar, origins);
                // A slash behind it is no other origin.
                let expected = if foreign.ends_with('/') && foreign.starts_with(&own) { 200 } else { 403 };
                assert_eq!(answer.status, expected, "{origins:?}: {}", answer.text());
            }
        }
        assert_eq!(change(&sidecar, &[&own]).status, 200);
        assert_eq!(change(&sidecar, &[]).status, 200);
    }
}
