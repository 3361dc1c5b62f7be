//! `require` of a rollout: a file by which its requests could reach a provider without the tag is never in force.

use crate::support::eventually::{SOON, eventually};
use crate::support::scripted::Scripted;
use crate::support::sidecar::{Workspace, spoken};

/// The canary has this tag, and the rollout requires `eu`.
fn flags(stable: &Scripted, canary: &Scripted, tag: &str) -> String {
    format!(
        "providers:\n  oldcorp: {{ base_url: \"{}\", auth: none, tags: [eu] }}\n  newcorp: {{ base_url: \"{}\", auth: \
         none, tags: [{tag}] }}\nrollouts:\n  - {{ name: chat, stable: oldcorp, canary: newcorp, percent: 100%, \
         require: [eu] }}\n",
        stable.base_url(),
        canary.base_url()
    )
}

#[test]
fn check_run_and_reload_refuse_a_provider_without_the_tag() {
    let (stable, canary) = (Scripted::healthy("oldcorp"), Scripted::healthy("newcorp"));
    let workspace = Workspace::new(&flags(&stable, &canary, "us"));
    let file = workspace.flags().display().to_string();
    for command in [&["check", &file][..], &["run", "--flags", &file]] {
        let output = workspace.run(command);
        let text = spoken(&output);
        assert_eq!(output.status.code(), Some(64), "{text}");
        for part in ["rollouts[0].canary", "`newcorp` lacks the tag `eu`", "`providers.newcorp.tags`"] {
            assert!(text.contains(part), "{part} is not in: {text}");
        }
    }
    workspace.write(&flags(&stable, &canary, "eu"));
    let checked = workspace.run(&["check", &file]);
    assert!(checked.status.success(), "{}", spoken(&checked));

    let sidecar = workspace.start();
    assert_eq!(sidecar.arm("user-1"), "canary");
    workspace.write(&flags(&stable, &canary, "us"));
    let errors = || sidecar.status()["flags"]["errors"].clone();
    eventually("the file is refused", SOON, || (errors().as_array()?.len() == 1).then_some(()));
    let error = &errors()[0];
    assert_eq!((&error["path"], &error["line"]), (&"rollouts[0].canary".into(), &7.into()), "{error}");
    assert_eq!(sidecar.status()["flags"]["generation"], 1);
    let planned = workspace.run(&["plan", &file]);
    assert_eq!(planned.status.code(), Some(64), "{}", spoken(&planned));
    assert!(spoken(&planned).contains("lacks the tag `eu`"), "{}", spoken(&planned));
    // What is in force goes on.
    assert_eq!(sidecar.arm("user-1"), "canary");
}

#[test]
fn a_tag_that_no_provider_has_is_refused_by_name() {
    let (stable, canary) = (Scripted::healthy("oldcorp"), Scripted::healthy("newcorp"));
    let workspace = Workspace::new(&flags(&stable, &canary, "eu").replace("require: [eu]", "require: [uk]"));
    let output = workspace.run(&["check", &workspace.flags().display().to_string()]);
    assert_eq!(output.status.code(), Some(64), "{}", spoken(&output));
    assert!(spoken(&output).contains("no provider has the tag `uk`"), "{}", spoken(&output));
}
