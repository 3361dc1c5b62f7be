//! `serin inject` as a command: manifests on standard output, a report on standard error, and exit codes.

use crate::support::sidecar::Workspace;

const POD: &str =
    "kind: Pod\nmetadata: { name: a }\nspec:\n  containers:\n    - name: app # mine\n      image: app:1\n";

/// The exit code, standard output and standard error of an injection of this file.
fn injection(text: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let path = file.path().display().to_string();
    let output = Workspace::new("").run(&[&["inject", path.as_str()], arguments].concat());
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().replace(&path, "FILE");
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_manifest_gets_the_sidecar_and_the_report_stays_out_of_it() {
    let (exit, manifest, report) = injection(POD, &["--image", "registry.example.com/serin:1"]);
    assert_eq!(exit, Some(0), "{report}");
    assert!(manifest.contains("image: registry.example.com/serin:1\n") && manifest.contains("- name: app # mine\n"));
    assert_eq!(report, "serin: document 1, Pod/a (line 1): sidecar added; OPENAI_BASE_URL set in app\n");
    let (exit, again, report) = injection(&manifest, &["--image", "registry.example.com/serin:1"]);
    assert_eq!((exit, again), (Some(0), manifest));
    assert_eq!(report, "serin: document 1, Pod/a (line 1): has the sidecar\n");
}

#[test]
fn what_is_wrong_is_said_and_nothing_is_written() {
    let host = POD.replace("spec:\n", "spec:\n  hostNetwork: true\n");
    for (text, arguments, exit, said) in [
        (host.as_str(), &[][..], 64, "FILE:4:16: document 1, Pod/a: `hostNetwork: true`"),
        ("a: b\n---\na: [\n", &[], 64, "FILE:3:4: document 2: the `[` that opens here is not closed"),
        (POD, &["--container", "nobody"], 64, "no workload has a container `nobody`"),
        (POD, &["--container", "app", "--container", "typo"], 64, "no workload has a container `typo`"),
        (POD, &["--env", "A=v1"], 64, "`v1` is no path"),
        (POD, &["--env", "A", "--env", "A=/b"], 64, "--env has `A` more than once"),
        (POD, &["--image", "a b"], 64, "without spaces"),
    ] {
        let (code, manifest, told) = injection(text, arguments);
        assert_eq!((code, manifest.as_str()), (Some(exit), ""), "{told}");
        assert!(told.contains(said), "no `{said}` in {told}");
    }
    let elsewhere = POD.replace("name: a }", "name: a, namespace: b }");
    let (code, manifest, told) = injection(&elsewhere, &["--namespace", "c", "--container", "app"]);
    assert_eq!((code, manifest), (Some(0), elsewhere), "{told}");
    let output = Workspace::new("").run(&["inject", "/nowhere/pod.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
}
