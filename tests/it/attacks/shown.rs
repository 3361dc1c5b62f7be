//! What is shown: no key in any surface, and nothing in foreign text that a terminal obeys or a reader is deceived by.

use crate::support::client::{Client, Framing};
use crate::support::scripted::Scripted;
use crate::support::scripted::step::Step;
use crate::support::sidecar::{Workspace, spoken};

/// No longer than a key that nobody would call one.
const SECRET: &str = "zq7Xw";

#[test]
fn values_of_queries_and_headers_are_nowhere() {
    let (old, new) = (Scripted::refusing(401), Scripted::healthy("corp"));
    // `${TMPDIR}` stands for anything; what is literal beside it is a part of the secret.
    let keys = format!(
        "query: {{ sig: {SECRET}, v: \"1{SECRET}\", w: \"{SECRET}${{TMPDIR}}\" }}, \
         set_headers: {{ x-team: \"{SECRET} b\", x-part: \"${{TMPDIR}}{SECRET}\" }}"
    );
    let good = format!(
        "providers:\n  old: {{ base_url: \"{}\", probe_path: \"/models?t={SECRET}\", {keys} }}\n  new:\n    \
         base_url: \"{}\"\n    query:\n      sig: {SECRET}\n    set_headers:\n      x-team: '{SECRET}'\n\
         rollouts: [{{ name: chat, stable: old, canary: new, percent: 50% }}]\n",
        old.base_url(),
        new.base_url()
    );
    let workspace = Workspace::new(&good);
    let file = workspace.flags().display().to_string();
    let mut shown = Vec::new();
    let mut show = |what: &str, text: String| shown.push((what.to_owned(), text));
    for command in [
        &["check", &file][..],
        &["check", "--json", &file],
        &["check", "--probe", &file],
        &["check", "--probe", "--json", &file],
    ] {
        show("check", spoken(&workspace.run(command)));
    }
    let sidecar = workspace.start();
    for user in 0..40 {
        show("an answer", sidecar.client().chat(&format!("user-{user}")).unwrap().text());
    }
    for path in ["/api/v1/config", "/api/v1/status", "/api/v1/history", "/metrics", "/readyz"] {
        show(path, sidecar.admin_get(path).text());
    }
    let admin = format!("http://{}", sidecar.admin);
    for command in ["status", "why", "history"] {
        show(command, spoken(&workspace.run(&[command, "--admin", &admin])));
    }
    // Files that are refused, at every stage, quote their lines.
    for bad in [
        good.replace("    query:", "    qery: x\n    query:"),
        good.replace("rollouts: [", "rollouts: [["),
        good.replace(&format!("'{SECRET}'"), &format!("\"{SECRET}\\t\"")),
        good.replace(&format!("      sig: {SECRET}"), &format!("      sig: {SECRET}: {SECRET}")),
        good.replace(&format!("      sig: {SECRET}"), &format!("      sig: [{SECRET}]")),
        good.replace(&format!("      sig: {SECRET}"), &format!("      sig: {SECRET}\n      sig: {SECRET}")),
        good.replacen(&old.base_url(), &format!("{}?key={SECRET}", old.base_url()), 1),
        good.replacen(&old.base_url(), &format!("{}/?a=b&key={SECRET}", old.base_url()), 1),
        good.replacen(&old.base_url(), &format!("http://me:{SECRET}@127.0.0.1:9/v1"), 1),
    ] {
        let before = sidecar.versions();
        workspace.write(&bad);
        let output = workspace.run(&["check", &file]);
        assert_eq!(output.status.code(), Some(64), "{bad}: {}", spoken(&output));
        show(&bad, spoken(&output));
        show(&bad, spoken(&workspace.run(&["check", "--json", &file])));
        crate::support::eventually::eventually("it is read", crate::support::eventually::SOON, || {
            (sidecar.versions() > before).then_some(())
        });
        show(&bad, sidecar.status().to_string());
    }
    show("the log", workspace.log());
    for (what, text) in shown {
        assert!(!text.contains(SECRET), "{what} shows it: {text}");
    }
    assert!(old.last().path.contains(SECRET), "it is sent");
}

fn is_harmless(text: &str) -> bool {
    text.chars().all(|c| c == '\n' || !(c.is_control() || ('\u{200b}'..='\u{202e}').contains(&c)))
}

#[test]
fn words_of_an_egress_proxy_are_no_orders_to_a_terminal() {
    let words = "HTTP/1.1 502 \x1b[2J\x1b]0;PWN\x07 forged\u{202e}\u{2028} <script>\r\n\r\n";
    let proxy = Scripted::start("proxy", move |_| vec![Step::Write(words.as_bytes().to_vec()), Step::Close]);
    let workspace = Workspace::new(&format!(
        "proxy: \"http://u:a-password@{}\"\nproviders: {{ old: {{ base_url: \"http://192.0.2.77/v1\" }} }}\n\
         rollouts: [{{ name: all, stable: old }}]\n",
        proxy.addr()
    ));
    let sidecar = workspace.start();
    let answer = sidecar.client().chat("u").unwrap();
    assert!(is_harmless(&answer.text()) && answer.text().contains("refused a tunnel"), "{}", answer.text());
    let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(is_harmless(&message) && message.contains("\\u001b[2J") && message.contains("\\u202e"), "{message:?}");
    let file = workspace.flags().display().to_string();
    for command in [&["check", "--probe", &file][..], &["check", "--probe", "--json", &file], &["status"]] {
        let printed = spoken(&workspace.run(command));
        assert!(is_harmless(&printed) && !printed.contains("a-password"), "{printed:?}");
    }
    assert!(is_harmless(&workspace.log()) && !workspace.log().contains("a-password"), "{:?}", workspace.log());
}

#[test]
fn a_reason_that_deceives_is_refused_and_an_old_one_is_written_out() {
    let old = Scripted::healthy("corp");
    let workspace = Workspace::new(&format!(
        "providers: {{ old: {{ base_url: \"{}\" }}, new: {{ base_url: \"{0}x\" }} }}\n\
         rollouts: [{{ name: chat, stable: old, canary: new, percent: 50% }}]\n",
        old.base_url()
    ));
    let sidecar = workspace.start();
    for reason in ["a\u{202e}b", "a\u{1b}[2Jb", "a\nb", "a\u{200b}b"] {
        let body = serde_json::json!({ "reason": reason }).to_string();
        let mut client = Client::connect(sidecar.admin).unwrap();
        let json = [("content-type", "application/json")];
        let answer = client.send("POST", "/api/v1/rollback", &json, body.as_bytes(), Framing::Length).unwrap();
        assert_eq!(answer.status, 400, "{}", answer.text());
    }
    // As an earlier version, or another user of the directory, may have written it.
    let lock = serde_json::json!({"to": 0, "at": 1, "actor": "eve\u{202e}", "reason": "a\u{202e}b\u{1b}[2Jc"});
    std::fs::create_dir_all(workspace.state().join("locks")).unwrap();
    std::fs::write(workspace.state().join("locks/chat.json"), lock.to_string()).unwrap();
    crate::support::eventually::eventually("the lock is found", crate::support::eventually::SOON, || {
        (sidecar.phase() == "locked").then_some(())
    });
    for command in [&["status"][..], &["why"], &["history"], &["status", "--json"], &["history", "--json"]] {
        let printed = spoken(&workspace.run(command));
        assert!(is_harmless(&printed), "{command:?}: {printed:?}");
        assert!(printed.contains("u202e"), "{command:?}: {printed:?}");
    }
    assert!(is_harmless(&workspace.log()), "{:?}", workspace.log());
}
