//! What goes wrong on somebody's first day is told with its remedy, and a start that fails leaves nothing behind.

use std::net::TcpListener;
use std::path::Path;
use std::process::Output;

use crate::support::client::Client;
use crate::support::sidecar::Workspace;

const GOOD: &str = "providers:\n  old: { base_url: http://127.0.0.1:1/v1 }\n  new: { base_url: http://127.0.0.1:2/v1 }\n\
                    rollouts:\n  - { name: chat, stable: old, canary: new, percent: auto, ramp: { start: 10%, every: 1d } }\n";

/// The good file with one thing written otherwise.
fn with(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replacen(from, to, 1)
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What `serin check` says of this file, and its exit code.
fn check(text: &str) -> (Option<i32>, String) {
    let workspace = Workspace::new("");
    std::fs::write(workspace.flags(), text).unwrap();
    let output = workspace.run(&["check", &workspace.flags().to_string_lossy()]);
    (output.status.code(), self::text(&output))
}

/// A start that fails, by its exit code and what it says. Nothing is there afterwards that was not there before.
fn fails(workspace: &Workspace, arguments: &[&str]) -> (Option<i32>, String) {
    let root = workspace.flags().parent().unwrap().parent().unwrap().to_owned();
    let before = everything(&root);
    let flags = workspace.flags();
    let mut line = vec!["run", "--flags", flags.to_str().unwrap()];
    line.extend(arguments);
    let output = workspace.run(&line);
    let printed = text(&output);
    assert_eq!(everything(&root), before, "{printed}");
    (output.status.code(), printed)
}

fn everything(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        found.push(entry.path().display().to_string());
        if entry.file_type().unwrap().is_dir() {
            found.extend(everything(&entry.path()));
        }
    }
    found.sort();
    found
}

#[test]
fn a_mistake_in_the_file_is_told_at_its_place_with_its_remedy() {
    for (file, place, remedy) in [
        (with("rollouts:", "rolouts:"), "flags.yaml:4:1: rolouts", "= did you mean `rollouts`?"),
        (with("  old:", "\told:"), "flags.yaml:2:1: a tab in the indentation", "= indent with spaces"),
        (with("percent: auto", "percent: 0.1"), "rollouts[0].percent: `0.1` can be read", "= write `0.1%` or `10%`"),
        (with("every: 1d", "every: 5"), "rollouts[0].ramp.every: `5` has no unit", "such as `5s`"),
    ] {
        let (code, printed) = check(&file);
        assert_eq!(code, Some(64), "{printed}");
        assert!(
            printed.contains("flags.yaml: 1 error\n") && printed.contains(place) && printed.contains(remedy),
            "{printed}"
        );
    }
}

#[test]
fn an_address_without_its_path_or_with_too_much_of_it_is_warned_about() {
    for (url, expected) in [
        ("https://api.openai.com", "did you mean `https://api.openai.com/v1`?"),
        (
            "https://api.openai.com/v1/chat/completions",
            "this ends in `/chat/completions`, which every request's path already contains",
        ),
        ("https://api.anthropic.com/v1/messages/", "write `https://api.anthropic.com/v1`"),
    ] {
        let (code, said) = check(&with("http://127.0.0.1:1/v1", url));
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains(", with ") && said.contains("base_url: ") && said.contains(expected), "{said}");
    }
}

#[test]
fn json_is_yaml() {
    let json = "{\n\t\"providers\": {\"old\": {\"base_url\": \"http://127.0.0.1:1/v1\"}},\n\t\"rollouts\": \
                [{\"name\": \"chat\", \"stable\": \"old\"}]\n}\n";
    let (code, printed) = check(json);
    assert!(code == Some(0) && printed.contains("flags.yaml: valid\n"), "{printed}");
}

#[test]
fn a_start_without_a_good_file_leaves_nothing_behind() {
    let workspace = Workspace::new(GOOD);
    std::fs::remove_file(workspace.flags()).unwrap();
    let (code, printed) = fails(&workspace, &[]);
    assert_eq!(code, Some(64), "{printed}");
    assert!(
        printed.contains("flags.yaml cannot be read") && printed.contains("check that the file exists"),
        "{printed}"
    );
    workspace.write(&with("percent: auto", "percent: 0.1"));
    for arguments in [&[][..], &["--strict"], &["--state", "far/away/state"]] {
        let (code, printed) = fails(&workspace, arguments);
        assert!(code == Some(64) && printed.contains("`0.1` can be read in two ways"), "{printed}");
    }
}

#[test]
fn the_flag_of_the_book_is_answered_with_the_file_of_the_readme() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/flags-for-apps.md")).unwrap();
    let file = readme.split("\n```yaml\n").nth(1).unwrap().split("\n```").next().unwrap();
    let line = page.lines().find(|line| line.starts_with("curl ") && line.contains("/ofrep/")).unwrap();
    let path = line.split("http://127.0.0.1:7172").nth(1).unwrap().split(' ').next().unwrap();
    let body = line.split("-d '").nth(1).unwrap().trim_end_matches('\'');
    // Nobody is asked but a port that nobody has.
    let file = file.replace("https://api.openai.com", "http://127.0.0.1:1");
    let workspace = Workspace::new(&file.replace("https://api.holysheep.ai", "http://127.0.0.1:2"));
    let keys = ["OPENAI_API_KEY", "HOLYSHEEP_API_KEY"].map(|name| (name, "sk-any".to_owned()));
    let sidecar = workspace.start_with(&keys);
    let json = [("content-type", "application/json")];
    let answer = Client::connect(sidecar.admin).unwrap().post(path, &json, body).unwrap();
    let body = answer.json();
    let key = path.rsplit('/').next().unwrap();
    assert_eq!((answer.status, &body["key"], &body["value"]), (200, &key.into(), &false.into()), "{body}");
}

#[test]
fn a_missing_variable_is_named() {
    let workspace = Workspace::new(&with(
        "{ base_url: http://127.0.0.1:1/v1",
        "{ api_keys: [\"${NO_SUCH_KEY}\"], base_url: http://127.0.0.1:1/v1",
    ));
    let (code, printed) = fails(&workspace, &[]);
    assert_eq!(code, Some(64), "{printed}");
    assert!(
        printed.contains("the variable NO_SUCH_KEY is not set") && printed.contains("= set the variable"),
        "{printed}"
    );
}

#[test]
fn a_port_in_use_is_named_and_leaves_nothing_behind() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let workspace = Workspace::new("");
    for (file, key) in [
        (format!("listen: {address}\nadmin: {{ listen: 127.0.0.1:0 }}\n{GOOD}"), "listen"),
        (format!("listen: 127.0.0.1:0\nadmin: {{ listen: {address} }}\n{GOOD}"), "admin.listen"),
    ] {
        std::fs::write(workspace.flags(), file).unwrap();
        let (code, printed) = fails(&workspace, &["--state", "far/away/state"]);
        assert_eq!(code, Some(1), "{printed}");
        let said = format!(
            "{key}: {address} is in use: find the process that uses it, stop it, or choose another address in \
             flags.yaml"
        );
        assert!(printed.contains(&said), "{printed}");
    }
}

#[test]
fn two_sidecars_on_one_state_are_one_too_many() {
    let workspace = Workspace::new(GOOD);
    let mut sidecar = workspace.start();
    let state = workspace.state();
    let (code, printed) = {
        let flags = workspace.flags();
        let output = workspace.run(&["run", "--flags", flags.to_str().unwrap(), "--state", state.to_str().unwrap()]);
        (output.status.code(), text(&output))
    };
    assert_eq!(code, Some(1), "{printed}");
    let said = format!("is in use by another serin (process {})", sidecar.process().id());
    assert!(
        printed.contains(&said) && printed.contains("SERIN_STATE") && printed.contains(&*state.to_string_lossy()),
        "{printed}"
    );
    assert!(state.join("serin.db").exists() && sidecar.phase() == "probing", "the first one is not disturbed");
}

#[test]
fn a_state_that_cannot_be_written_is_told_and_keeps_nobody_from_their_provider() {
    let workspace = Workspace::new("");
    let file = workspace.flags().with_file_name("a-file");
    std::fs::write(&file, "").unwrap();
    let state = file.join("state");
    workspace.write(&format!("state: {}\n{GOOD}", state.display()));
    let sidecar = workspace.start_with_the_files_state();
    let text = format!("state in {} cannot be written", state.display());
    assert!(workspace.log().contains(&text), "{}", workspace.log());
    assert_eq!((sidecar.percent(), sidecar.phase()), (0.0, "blocked".to_owned()));
}
