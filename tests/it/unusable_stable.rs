//! A stable that cannot be used is never a reason to use the canary, and everybody is told of it.
//!
//! What Serin itself lacks (a key, a file) stops the start and answers for itself; at a reload the last value is kept,
//! so that no edit in an emergency waits for a secret. What looks like an outage is told by check, status, log, readyz.

use std::fs;

use crate::support::eventually::{SOON, eventually};
use crate::support::harness::Harness;
use crate::support::scripted::Scripted;
use crate::support::sidecar::{Sidecar, Workspace, spoken};

/// Nobody listens there.
const NOBODY: &str = "http://127.0.0.1:9/v1";

/// From `old` to `new` with these further keys of `old`.
fn flags(old: &str, keys: &str, new: &Scripted, rollout: &str) -> String {
    format!(
        "providers:\n  old: {{ base_url: \"{old}\", {keys} }}\n  new: {{ base_url: \"{}\", auth: none }}\n\
         rollouts: [{{ name: chat, stable: old, canary: new, {rollout} }}]\n",
        new.base_url()
    )
}

/// How often it was asked for more than whether it lives.
fn asked(provider: &Scripted) -> usize {
    provider.asked().iter().filter(|asked| asked.method == "POST").count()
}

fn ready(sidecar: &Sidecar) -> (u16, String) {
    let answer = sidecar.admin_get("/readyz");
    (answer.status, answer.text())
}

fn has_warning(sidecar: &Sidecar, part: &str) -> bool {
    let status = sidecar.status();
    status["flags"]["warnings"].as_array().unwrap().iter().any(|warning| warning.as_str().unwrap().contains(part))
}

#[test]
fn a_file_whose_stable_lacks_something_is_not_started_with() {
    let (old, new) = (Scripted::healthy("corp"), Scripted::healthy("corp"));
    let base_url = old.base_url().replace("http:", "https:");
    let lacks = [
        ("api_keys: [\"${NOWHERE}\"]", "the variable NOWHERE is not set"),
        ("api_keys: [\"${file:/nowhere/key}\"]", "/nowhere/key cannot be read"),
        ("query: { key: \"${NOWHERE}\" }", "the variable NOWHERE is not set"),
        ("set_headers: { x-api-key: \"${NOWHERE}\" }", "the variable NOWHERE is not set"),
        ("tls: { ca_file: /nowhere/ca.pem }", "/nowhere/ca.pem cannot be read"),
        ("tls: { cert_file: /dev/null, key_file: /nowhere/key.pem }", "/nowhere/key.pem"),
    ];
    for (keys, why) in lacks {
        for percent in ["percent: 10%", "percent: 0", "percent: auto"] {
            let workspace = Workspace::new(&flags(&base_url, keys, &new, percent));
            let file = workspace.flags().display().to_string();
            for command in [&["check", &file][..], &["check", "--probe", &file], &["run", "--flags", &file]] {
                let output = workspace.run(command);
                assert_eq!(output.status.code(), Some(64), "{command:?} {keys}: {}", spoken(&output));
                let printed = spoken(&output);
                assert!(printed.contains("`old` is the stable of `chat` and cannot be used"), "{printed}");
                assert!(printed.contains(why) || keys.contains("cert_file"), "{printed}");
                assert!(printed.contains("set the variable or fix the file"), "{printed}");
            }
        }
    }
    assert_eq!(asked(&new), 0);
}

#[test]
fn a_plain_route_and_what_no_rollout_takes_need_theirs_too() {
    let new = Scripted::healthy("corp");
    let route = "rollouts: [{ name: all, stable: old }]";
    let unmatched = "unmatched: old\nrollouts: [{ name: some, stable: new, match: { path: /x } }]";
    for (rest, whom) in [(route, "the stable of `all`"), (unmatched, "the provider for unmatched requests")] {
        let keys = "{ base_url: \"http://127.0.0.1:9/v1\", api_keys: \"${NOWHERE}\" }";
        let workspace = Workspace::new(&format!(
            "providers:\n  old: {keys}\n  new: {{ base_url: \"{}\" }}\n{rest}\n",
            new.base_url()
        ));
        let output = workspace.run(&["check", &workspace.flags().display().to_string()]);
        assert_eq!(output.status.code(), Some(64), "{}", spoken(&output));
        assert!(spoken(&output).contains(whom), "{}", spoken(&output));
    }
}

#[test]
fn what_no_rollout_takes_needs_its_provider_although_a_rollout_left_it() {
    let new = Scripted::healthy("corp");
    let text_of = |unmatched: &str| {
        let file = flags("http://127.0.0.1:9/v1", "api_keys: [\"${NOWHERE}\"]", &new, "percent: 100%");
        format!("{unmatched}{file}")
    };
    let workspace = Workspace::new(&text_of("unmatched: old\n"));
    let file = workspace.flags().display().to_string();
    for command in [&["check", &file][..], &["run", "--flags", &file]] {
        let output = workspace.run(command);
        assert_eq!(output.status.code(), Some(64), "{}", spoken(&output));
        assert!(
            spoken(&output).contains("`old` is the provider for unmatched requests and cannot be used"),
            "{output:?}"
        );
        assert!(spoken(&output).contains("unmatched: reject"), "{}", spoken(&output));
    }
    // By default it does so too, and nobody asked for it.
    workspace.write(&text_of(""));
    let output = workspace.run(&["check", &file]);
    assert_eq!(output.status.code(), Some(0), "{}", spoken(&output));
    let warning = "unmatched: requests that match no rollout go to `old`, which cannot";
    assert!(spoken(&output).contains(warning), "{output:?}");
    let sidecar = workspace.start();
    assert!(has_warning(&sidecar, "requests that match no rollout go to `old`"));
    // A reload that asks for it would take the rest from nobody to nobody: it is refused with what mends it.
    let before = sidecar.versions();
    workspace.write(&text_of("unmatched: old\n"));
    eventually("the edit is read", SOON, || (sidecar.versions() > before).then_some(()));
    let status = sidecar.status();
    assert!(
        status["flags"]["errors"][0]["problem"].as_str().unwrap().contains("the provider for unmatched requests"),
        "{status}"
    );
    for unmatched in ["unmatched: reject\n", "unmatched: new\n"] {
        workspace.write(&text_of(unmatched));
        let output = workspace.run(&["check", &file]);
        assert_eq!(output.status.code(), Some(0), "{}", spoken(&output));
        assert!(!spoken(&output).contains("requests that match no rollout"), "{}", spoken(&output));
    }
}

/// A sidecar whose stable has its key in a file, 10% of users on the canary, and that file.
fn with_key_file(top: &str) -> (Workspace, Sidecar, Scripted, Scripted, std::path::PathBuf) {
    let (old, new) = (Scripted::healthy("corp"), Scripted::healthy("corp"));
    let workspace = Workspace::new("");
    let secret = workspace.flags().with_file_name("key");
    fs::write(&secret, "sk-first\n").unwrap();
    let keys = format!("api_keys: [\"${{file:{}}}\"]", secret.display());
    workspace.write(&format!("{top}{}", flags(&old.base_url(), &keys, &new, "percent: 10%")));
    let sidecar = workspace.start();
    (workspace, sidecar, old, new, secret)
}

#[test]
fn a_secret_that_goes_keeps_its_last_value_and_blocks_no_edit() {
    let (workspace, sidecar, old, new, secret) = with_key_file("");
    assert_eq!(sidecar.percent(), 10.0);
    let keys = format!("api_keys: [\"${{file:{}}}\"]", secret.display());
    type Way<'a> = (&'a str, Box<dyn Fn() + 'a>);
    let ways: [Way<'_>; 3] = [
        ("it is gone", Box::new(|| fs::remove_file(&secret).unwrap())),
        ("it is empty", Box::new(|| fs::write(&secret, "\n").unwrap())),
        (
            "it is a directory",
            Box::new(|| {
                fs::remove_file(&secret).unwrap();
                fs::create_dir(&secret).unwrap();
            }),
        ),
    ];
    for (index, (how, goes)) in ways.iter().enumerate() {
        goes();
        let percent = [0.0, 20.0, 0.0][index];
        workspace.write(&flags(&old.base_url(), &keys, &new, &format!("percent: {percent}%")));
        eventually(how, SOON, || (sidecar.percent() == percent).then_some(()));
        eventually("it is said", SOON, || has_warning(&sidecar, "its last value is kept").then_some(()));
        assert_eq!(ready(&sidecar).0, 200, "{how}");
        let before = asked(&old);
        while asked(&old) == before {
            assert_eq!(sidecar.client().chat(&format!("user-{}", fastrand::u32(..))).unwrap().status, 200, "{how}");
        }
        assert_eq!(old.last().field("authorization"), Some("Bearer sk-first"), "{how}");
    }
    assert!(workspace.log().contains("its last value is kept"), "{}", workspace.log());
    fs::remove_dir(&secret).unwrap();
    fs::write(&secret, "sk-second\n").unwrap();
    eventually("the new value is taken", SOON, || {
        sidecar.client().chat("somebody").unwrap();
        (old.last().field("authorization") == Some("Bearer sk-second")).then_some(())
    });
    assert!(!has_warning(&sidecar, "its last value is kept"));
}

#[test]
fn a_reference_to_nothing_keeps_the_key_that_was_there() {
    let (workspace, sidecar, old, new, _) = with_key_file("");
    workspace.write(&flags(&old.base_url(), "api_keys: [\"${NOWHERE}\"]", &new, "percent: 0"));
    eventually("the edit is in force", SOON, || (sidecar.percent() == 0.0).then_some(()));
    assert!(has_warning(&sidecar, "the variable NOWHERE is not set: its last value is kept"));
    for user in 0..20 {
        assert_eq!(sidecar.arm(&format!("user-{user}")), "stable");
    }
    assert_eq!(old.last().field("authorization"), Some("Bearer sk-first"));
    assert_eq!(asked(&new), 0);
}

#[test]
fn the_secrets_of_clients_and_operators_block_no_edit_either() {
    let directory = tempfile::tempdir().unwrap();
    let places = ["client", "force"].map(|name| directory.path().join(name));
    for (index, place) in places.iter().enumerate() {
        fs::write(place, format!("a-long-enough-secret-{index}")).unwrap();
    }
    let (old, new) = (Scripted::healthy("corp"), Scripted::healthy("corp"));
    let [client, force] = places.each_ref().map(|place| format!("\"${{file:{}}}\"", place.display()));
    let text = |percent: &str| {
        let rollout = format!("force: {{ header: x-force, token: {force} }}, percent: {percent}");
        format!("clients: [{{ name: app, key: {client} }}]\n{}", flags(&old.base_url(), "auth: none", &new, &rollout))
    };
    let workspace = Workspace::new(&text("10%"));
    let sidecar = workspace.start();
    for (share, rubbish) in [(20.0, "a-long-enough-secret\nand-another"), (30.0, "a-long-enough-secret\u{7}")] {
        places.iter().for_each(|place| fs::write(place, rubbish).unwrap());
        workspace.write(&text(&format!("{share}%")));
        eventually("the edit is in force", SOON, || (sidecar.percent() == share).then_some(()));
        assert!(has_warning(&sidecar, "its last value is kept"), "{rubbish:?}");
    }
    places.iter().for_each(|place| fs::remove_file(place).unwrap());
    workspace.write(&text("0"));
    eventually("the edit is in force", SOON, || (sidecar.percent() == 0.0).then_some(()));
    assert_eq!(sidecar.client().chat("u").unwrap().status, 401);
    let key = [("authorization", "Bearer a-long-enough-secret-0")];
    assert_eq!(sidecar.client().post("/v1/chat/completions", &key, r#"{"messages":[]}"#).unwrap().status, 200);
}

#[test]
fn a_reload_brings_no_stable_that_cannot_be_asked() {
    let (workspace, sidecar, old, new, _) = with_key_file("");
    let other = Scripted::healthy("corp");
    let before = sidecar.versions();
    // The key that is known was never meant for this address.
    workspace.write(&flags(&other.base_url(), "api_keys: [\"${NOWHERE}\"]", &new, "percent: 10%"));
    eventually("the edit is read", SOON, || (sidecar.versions() > before).then_some(()));
    let status = sidecar.status();
    let problem = status["flags"]["errors"][0]["problem"].as_str().unwrap();
    assert!(
        problem.contains("`old` is the stable of `chat` and cannot be used: the variable NOWHERE is not set"),
        "{problem}"
    );
    let remedy = status["flags"]["errors"][0]["remedy"].as_str().unwrap();
    assert!(remedy.contains("serin rollback"), "{remedy}");
    assert_eq!(ready(&sidecar).0, 200);
    eventually("users of stable are served as before", SOON, || {
        (sidecar.arm(&format!("user-{}", fastrand::u32(..))) == "stable").then_some(())
    });
    assert!(asked(&old) > 0 && asked(&other) == 0);
}

#[test]
fn who_is_sent_back_to_a_stable_that_cannot_be_asked_gets_an_honest_error() {
    let (old, new) = (Scripted::healthy("corp"), Scripted::healthy("corp"));
    let keys = "api_keys: [\"${NOWHERE}\"]";
    let sidecar = Harness::start(&flags(&old.base_url(), keys, &new, "percent: 100%"));
    assert_eq!((sidecar.arm("u").as_str(), ready(&sidecar).0), ("canary", 200));
    assert_eq!(sidecar.change("rollback").status, 200);
    let before = asked(&new);
    for user in 0..40 {
        let answer = sidecar.client().chat(&format!("user-{user}")).unwrap();
        assert_eq!((answer.status, answer.header("x-serin-error")), (503, "unusable"), "{}", answer.text());
        assert!(answer.text().contains("the variable NOWHERE is not set"), "{}", answer.text());
    }
    assert_eq!((asked(&new), asked(&old)), (before, 0));
    let (status, body) = eventually("it is not ready", SOON, || Some(ready(&sidecar)).filter(|ready| ready.0 == 503));
    assert!(body.contains("stable of chat: old cannot be used: the variable NOWHERE is not set"), "{status} {body}");
    let fault = sidecar.chat()["stable_fault"].as_str().unwrap().to_owned();
    assert!(fault.contains("old cannot be used"), "{fault}");
    // What has nothing to do with it goes on.
    sidecar.workspace().write(&flags(&old.base_url(), keys, &new, "percent: 0"));
    eventually("an edit is taken", SOON, || (sidecar.status()["flags"]["generation"] == 2).then_some(()));
}

#[test]
fn a_certificate_that_is_none_sends_nobody_to_the_canary() {
    let (old, new) = (Scripted::healthy("corp"), Scripted::healthy("corp"));
    let workspace = Workspace::new("");
    let ca = workspace.flags().with_file_name("ca.pem");
    let base_url = old.base_url().replace("http:", "https:");
    let keys = format!("tls: {{ ca_file: {} }}", ca.display());
    workspace.write(&flags(&base_url, &keys, &new, "percent: 10%"));
    fs::write(&ca, "-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n").unwrap();
    let output = workspace.run(&["check", &workspace.flags().display().to_string()]);
    assert_eq!(output.status.code(), Some(64), "{}", spoken(&output));
    // It is PEM, and no certificate.
    fs::write(&ca, "-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n").unwrap();
    let sidecar = workspace.start();
    let mut on_stable = 0;
    for user in 0..40 {
        let answer = sidecar.client().chat(&format!("user-{user}")).unwrap();
        if answer.status == 200 {
            assert_eq!(answer.arm(), "canary", "{answer:?}");
        } else {
            assert_eq!((answer.status, answer.header("x-serin-error")), (503, "unusable"), "{}", answer.text());
            assert!(answer.text().contains("ca.pem"), "{}", answer.text());
            on_stable += 1;
        }
    }
    assert!(on_stable > 30, "{on_stable}");
}

#[test]
fn a_stable_whose_key_comes_from_the_application_is_probed_for_an_answer_alone() {
    let (old, new) = (Scripted::refusing(401), Scripted::healthy("corp"));
    let check = |base_url: &str| {
        let workspace = Workspace::new(&flags(base_url, "auth: bearer", &new, "percent: 10%"));
        let output = workspace.run(&["check", "--probe", &workspace.flags().display().to_string()]);
        (output.status.code(), spoken(&output))
    };
    let (code, printed) = check(&old.base_url());
    assert_eq!(code, Some(0), "{printed}");
    assert!(
        printed.contains("probe: old answers: 401 in ") && printed.contains("not probed with a key: "),
        "{printed}"
    );
    let (code, printed) = check(NOBODY);
    assert_eq!(code, Some(1), "{printed}");
    assert!(printed.contains("probe: old FAILS: "), "{printed}");
    // Nobody's key reaches a canary.
    let workspace = Workspace::new(&flags(&new.base_url(), "auth: none", &old, "percent: 10%"));
    let output = workspace.run(&["check", "--probe", &workspace.flags().display().to_string()]);
    assert_eq!(output.status.code(), Some(1), "{}", spoken(&output));
}

#[test]
fn what_looks_like_an_outage_is_told_with_what_mends_it() {
    let plain = Scripted::healthy("corp");
    let (wrong_path, wrong_key) = (Scripted::refusing(404), Scripted::refusing(401));
    let cases = [
        ("nobody listens", NOBODY.to_owned(), "no connection", "check its `base_url`", "FAILS"),
        (
            "it speaks no TLS",
            plain.base_url().replace("http:", "https:"),
            "no connection",
            "check its `base_url`",
            "FAILS",
        ),
        (
            "the path is wrong",
            wrong_path.base_url(),
            "refused",
            "check the path of its `base_url`",
            "has none of the split endpoints (404)",
        ),
        ("the key is wrong", wrong_key.base_url(), "its key is refused", "check its `api_keys`", "its key is refused"),
    ];
    for (case, base_url, kind, remedy, probed) in cases {
        let new = Scripted::healthy("corp");
        let text_of = |base_url: &str| flags(base_url, "api_keys: [sk-wrong]", &new, "percent: 10%");
        let workspace = Workspace::new(&text_of(&base_url));
        let output = workspace.run(&["check", "--probe", &workspace.flags().display().to_string()]);
        assert_eq!(output.status.code(), Some(1), "{case}: {}", spoken(&output));
        assert!(spoken(&output).contains(probed), "{case}: {}", spoken(&output));
        assert!(spoken(&output).contains("check "), "{case}: {}", spoken(&output));

        let sidecar = workspace.start();
        assert_eq!(ready(&sidecar), (200, "ready\n".to_owned()));
        for user in 0..40 {
            sidecar.client().chat(&format!("user-{user}")).unwrap();
        }
        let fault = eventually(&format!("{case}: it is told"), SOON, || {
            sidecar.chat()["stable_fault"].as_str().map(str::to_owned)
        });
        assert!(fault.starts_with("old answered none of the last ") && fault.contains(kind), "{case}: {fault}");
        assert!(fault.contains(remedy), "{case}: {fault}");
        let (status, body) = ready(&sidecar);
        assert!(status == 200 && body.contains("stable of chat: old answered none"), "{case}: {status} {body}");
        assert!(workspace.log().contains("stable is failing"), "{case}: {}", workspace.log());
        let shown = workspace.run(&["status", "--admin", &format!("http://{}", sidecar.admin)]);
        assert!(spoken(&shown).contains("old answered none"), "{case}: {}", spoken(&shown));

        workspace.write(&text_of(&plain.base_url()));
        eventually(&format!("{case}: mended"), SOON, || (ready(&sidecar) == (200, "ready\n".to_owned())).then_some(()));
    }
}
