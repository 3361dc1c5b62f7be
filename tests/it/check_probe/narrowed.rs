//! Only some providers: asked, shown, and offered by a shell.

use super::*;

fn two(old: &Scripted, new: &Scripted) -> String {
    format!(
        "providers:\n  oldcorp: {{ base_url: \"{}\", api_keys: [sk-good-1] }}\n  newcorp: {{ base_url: \"{}\", api_keys: \
         [sk-good-1] }}\nrollouts:\n  - {{ name: chat, stable: oldcorp, canary: newcorp, percent: 0 }}\n",
        old.base_url(),
        new.base_url()
    )
}

#[test]
fn only_the_named_provider_is_asked() {
    let (old, new) = (listing(&["a"]), listing(&["b"]));
    let shown = Shown::of(&two(&old, &new), &["--provider", "newcorp"]);
    assert_eq!(shown.code, Some(0), "{}", shown.text);
    assert!(old.asked().is_empty() && !new.asked().is_empty());
    shown.says("probe: newcorp: lists 1 model");
    assert!(!shown.text.contains("probe: oldcorp") && !shown.text.contains("probe: chat"), "{}", shown.text);
    let shown = Shown::of(&two(&old, &new), &["--provider", "newcorp", "--provider", "oldcorp"]);
    shown.says("probe: chat: newcorp has chat/completions");
}

#[test]
fn an_unknown_provider_is_told_with_the_one_that_is_meant() {
    let (old, new) = (listing(&["a"]), listing(&["b"]));
    let shown = Shown::of(&two(&old, &new), &["--provider", "newcrop"]);
    assert_eq!(shown.code, Some(64));
    shown.says("has no provider `newcrop`; did you mean `newcorp`?");
    let shown = Shown::of(&two(&old, &new), &["--provider", "something"]);
    shown.says("it has `oldcorp`, `newcorp`");
    assert!(new.asked().is_empty(), "nobody is asked");
}

#[test]
fn a_shell_is_offered_the_providers_of_the_file_and_of_those_who_run() {
    let (old, new) = (listing(&["a"]), listing(&["b"]));
    let workspace = Workspace::new(&two(&old, &new));
    let file = workspace.flags().display().to_string();
    let offered = |line: &[&str]| spoken(&workspace.run(&[&["__complete", "providers"][..], line].concat()));
    assert_eq!(offered(&["serin", "check", "--probe", &file, "--provider"]), "newcorp\noldcorp\n");
    assert_eq!(offered(&["serin", "check", "--probe", "nowhere.yaml", "--provider"]), "");
    let sidecar = workspace.start();
    let admin = format!("http://{}", sidecar.admin);
    assert_eq!(offered(&["serin", "status", "--admin", &admin, "--provider"]), "newcorp\noldcorp\n");

    let status = |name: &str| workspace.run(&["status", "--admin", &admin, "--provider", name, "--json"]);
    let reply: Value = serde_json::from_slice(&status("newcorp").stdout).unwrap();
    assert_eq!(reply[0]["providers"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&reply[0]["providers"][0]["name"], &reply[0]["rollouts"][0]["name"]),
        (&"newcorp".into(), &"chat".into())
    );
    let unknown = status("newcrop");
    assert_eq!(unknown.status.code(), Some(64));
    assert!(spoken(&unknown).contains("did you mean `newcorp`?"), "{}", spoken(&unknown));
}
