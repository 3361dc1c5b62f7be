//! Injection: golden files, properties over generated manifests, and what is refused.

mod edits;
mod pods;

use clap::Parser;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: InjectArgs,
}

fn args(line: &str) -> InjectArgs {
    Line::try_parse_from(["inject"].into_iter().chain(line.split_whitespace())).unwrap_or_else(|e| panic!("{e}")).args
}

fn injected(text: &str, line: &str) -> Injected {
    inject(text, &args(line)).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn refused(text: &str, line: &str) -> String {
    match inject(text, &args(line)) {
        Ok(injected) => panic!("accepted:\n{}", injected.text),
        Err(error) => render(&[error], "x.yaml"),
    }
}

/// The documents as another reader of YAML sees them.
fn documents(text: &str) -> Vec<Value> {
    use serde::Deserialize as _;
    let documents = serde_yaml::Deserializer::from_str(text.trim_start_matches('\u{feff}'));
    documents.map(|document| Value::deserialize(document).unwrap_or_else(|e| panic!("{e}\n{text}"))).collect()
}

fn deployment(pod: &str) -> String {
    let pod: String = pod.lines().map(|line| format!("      {line}\n")).collect();
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: chat\nspec:\n  template:\n    metadata: {{}}\n    spec:\n{pod}"
    )
}

fn pod_of(document: &Value) -> &Value {
    let paths = ["/spec/template/spec", "/spec/jobTemplate/spec/template/spec", "/spec"];
    paths.into_iter().find_map(|path| document.pointer(path)).unwrap()
}

/// Takes away what an injection adds; what is left is what was there.
fn without_additions(document: &mut Value, before: &Value) {
    match document {
        Value::Object(map) => {
            map.retain(|key, _| {
                before.get(key).is_some() || !["initContainers", "volumes", "env"].contains(&key.as_str())
            });
            for (key, value) in map {
                without_additions(value, &before[key.as_str()]);
            }
        }
        Value::Array(items) => {
            let old = before.as_array().map(Vec::len).unwrap_or_default();
            let ours = |item: &Value| {
                item["name"]
                    .as_str()
                    .is_some_and(|name| name == "serin" || name.starts_with("serin-") || name == "OPENAI_BASE_URL")
            };
            items.retain(|item| !ours(item) || before.as_array().is_some_and(|before| before.contains(item)));
            assert_eq!(items.len(), old);
            for (item, before) in items.iter_mut().zip(before.as_array().into_iter().flatten()) {
                without_additions(item, before);
            }
        }
        _ => {}
    }
}

// === What it does ===

#[test]
fn golden_files() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/inject");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".in.yaml")) else { continue };
        seen += 1;
        let text = std::fs::read_to_string(&path).unwrap();
        let (line, _) = text.strip_prefix("# serin inject").unwrap().split_once(['\r', '\n']).unwrap();
        let injected = injected(&text, line);
        let report = injected.report.iter().map(|line| format!("{line}\n")).collect::<String>();
        for (kind, found) in [("out.yaml", &injected.text), ("report.txt", &report)] {
            let golden = path.with_file_name(format!("{name}.{kind}"));
            if std::env::var_os("SERIN_GOLDEN").is_some() {
                std::fs::write(&golden, found).unwrap();
            }
            let expected = std::fs::read_to_string(&golden).unwrap_or_default();
            assert!(*found == expected, "{name}.{kind} differs; SERIN_GOLDEN=1 writes it anew. Found:\n{found}");
        }
        // What was there is there still, line by line and in its order, but for a base URL that was replaced.
        let mut lines = injected.text.split_inclusive('\n');
        for line in text.split_inclusive('\n').filter(|line| !line.contains("replaced") && !line.contains(['{', '['])) {
            assert!(lines.any(|found| found == line), "{name}: `{line}` is gone");
        }
    }
    assert!(seen >= 8, "{seen}");
}

#[test]
fn a_second_injection_changes_nothing() {
    for line in ["", "--classic", "--no-secret --env A --env B=/x"] {
        let once = injected(&deployment("containers:\n- name: app\n  image: x\n"), line);
        let twice = injected(&once.text, line);
        assert_eq!(once.text, twice.text);
        assert!(twice.report[0].ends_with(": has the sidecar"), "{:?}", twice.report);
    }
}

#[test]
fn line_breaks_and_a_byte_order_mark_stay() {
    let text = format!("\u{feff}{}", deployment("containers:\n  - name: app\n    image: é\n").replace('\n', "\r\n"));
    let found = injected(&text, "").text;
    assert!(found.starts_with('\u{feff}'));
    assert_eq!(found.matches('\n').count(), found.matches("\r\n").count());
    assert_eq!(documents(&found), documents(&injected(&text.replace('\r', ""), "").text));
}

#[test]
fn a_file_without_a_last_line_break_is_extended() {
    let found =
        injected("{kind: Pod, spec: {containers: [{name: a}]}}\n---\nkind: Pod\nspec:\n  containers:\n  - name: a", "");
    let documents = documents(&found.text);
    for document in &documents {
        assert_eq!(pod_of(document)["containers"][0]["env"][0]["value"], "http://127.0.0.1:7171/v1");
        assert_eq!(pod_of(document)["initContainers"][0]["name"], "serin");
    }
    assert_eq!(documents.len(), 2);
}

#[test]
fn variables_are_set_where_they_are_wanted() {
    let text = deployment(
        "initContainers:\n- name: migrate\n  image: x\ncontainers:\n- name: app\n  image: x\n- name: log\n  image: y\n",
    );
    let line =
        "--container app --container migrate --env OPENAI_BASE_URL --env ANTHROPIC_BASE_URL --env X=/a/v2 --port 8000";
    let document = &documents(&injected(&text, line).text)[0];
    let pod = pod_of(document);
    let expected = json!([
        {"name": "OPENAI_BASE_URL", "value": "http://127.0.0.1:8000/v1"},
        {"name": "ANTHROPIC_BASE_URL", "value": "http://127.0.0.1:8000"},
        {"name": "X", "value": "http://127.0.0.1:8000/a/v2"},
    ]);
    assert_eq!(pod["containers"][0]["env"], expected);
    assert_eq!(pod["initContainers"][1]["env"], expected);
    assert_eq!(pod["containers"][1].get("env"), None);
    assert_eq!(pod["initContainers"][0]["name"], "serin");
}

#[test]
fn a_value_that_is_there_is_replaced_in_its_quotes() {
    for (written, expected) in [
        ("value: https://a.b/v1 # c", "value: http://127.0.0.1:7171/v1 # c"),
        ("value: 'it''s' # c", "value: 'http://127.0.0.1:7171/v1' # c"),
        ("value: \"a\\\"b\" # c", "value: \"http://127.0.0.1:7171/v1\" # c"),
    ] {
        let pod = format!("containers:\n- name: app\n  env:\n  - name: OPENAI_BASE_URL\n    {written}\n");
        let found = injected(&deployment(&pod), "").text;
        assert!(found.contains(expected) && !found.contains(written), "{found}");
    }
}

#[test]
fn a_volume_of_ones_own_keeps_the_state() {
    let pod = "containers:\n- name: app\nvolumes:\n- name: serin-state\n  persistentVolumeClaim: {claimName: mine}\n";
    let document = &documents(&injected(&deployment(pod), "").text)[0];
    let volumes = pod_of(document)["volumes"].as_array().unwrap();
    let names: Vec<_> = volumes.iter().map(|volume| volume["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["serin-flags", "serin-keys", "serin-state"]);
    assert_eq!(volumes[2]["persistentVolumeClaim"]["claimName"], "mine");
}

#[test]
fn other_documents_groups_namespaces_and_annotated_workloads_stay() {
    let text = "kind: Rollout\napiVersion: argoproj.io/v1alpha1\nspec: {template: {spec: {containers: [{name: a}]}}}\n\
        ---\nkind: Job\napiVersion: batch.volcano.sh/v1alpha1\nspec: {tasks: []}\n---\n# nothing\n---\n!!str text\n---\n- list\n\
        ---\napiVersion: v1\nkind: Pod\nmetadata: {name: a, annotations: {serin/inject: disabled}}\nspec: {containers: [{name: a}]}\n\
        ---\napiVersion: v1\nkind: Pod\nmetadata: {name: b, namespace: other}\nspec: {containers: [{name: a}]}\n";
    let injected = injected(text, "--namespace mine");
    assert_eq!(injected.text, text);
    assert!(injected.report[0].contains("its annotation"), "{:?}", injected.report);
    assert!(injected.report[1].contains("it is of namespace other"), "{:?}", injected.report);
    assert_eq!(injected.report[2], "5 other documents: unchanged");
}

#[test]
fn items_of_lists_are_injected() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n- apiVersion: apps/v1\n  kind: Deployment\n  \
        metadata: {name: d}\n  spec:\n    template:\n      spec:\n        containers:\n        - name: a\n\
        ---\n{\"kind\": \"PodList\", \"apiVersion\": \"v1\", \"items\": [{\"spec\": {\"containers\": [{\"name\": \"a\"}]}}]}\n";
    let documents = documents(&injected(text, "").text);
    assert_eq!(pod_of(&documents[0]["items"][1])["initContainers"][0]["name"], "serin");
    assert_eq!(pod_of(&documents[1]["items"][0])["initContainers"][0]["name"], "serin");
}

// === What it refuses ===

#[test]
fn what_cannot_be_injected_is_refused_at_its_place() {
    let pod = "containers:\n- name: app\n  image: x\n";
    for (text, line, told) in [
        (
            deployment(&format!("hostNetwork: true\n{pod}")),
            "",
            "9:20: document 1, Deployment/chat: `hostNetwork: true`",
        ),
        (deployment(&format!("{pod}  ports:\n  - containerPort: 7171\n")), "", "container `app` uses port 7171"),
        (
            deployment("initContainers:\n- name: serin\n  image: theirs\ncontainers:\n- name: app\n"),
            "",
            "10:9: document 1, Deployment/chat: a container named `serin` that is not Serin's",
        ),
        (deployment("containers: []\n"), "", "a pod without `containers`"),
        (
            "apiVersion: apps/v1\nkind: Deployment\n".into(),
            "",
            "1:1: document 1, Deployment/(without a name): `spec` is missing",
        ),
        (deployment("<<: *x\n"), "", "no value above has this name"),
        ("kind: Pod\nspec:\n  <<: {containers: []}\n".into(), "", "3:3: document 1, Pod/(without a name): a merge key"),
        (
            "kind: Pod\na: &a\n  containers: [{name: x}]\nspec: *a\n".into(),
            "",
            "4:7: document 1, Pod/(without a name): an alias",
        ),
        (
            "kind: Pod\nspec: &a\n  containers: [{name: x}]\nb: *a\n".into(),
            "",
            "2:7: document 1, Pod/(without a name): a value that line 4 repeats",
        ),
        (
            "apiVersion: batch/v1\nkind: Job\nspec: {template: {spec: {containers: [{name: x}]}}}\n".into(),
            "--classic",
            "a Job would never complete",
        ),
        (
            deployment("containers:\n- name: app\n  env:\n  - name: OPENAI_BASE_URL\n    valueFrom: {}\n"),
            "",
            "13:11: document 1, Deployment/chat: `OPENAI_BASE_URL` is set by `valueFrom`",
        ),
        (
            deployment("containers:\n- name: app\n  env:\n  - name: OPENAI_BASE_URL\n    value: |\n      x\n"),
            "",
            "a value that cannot be edited",
        ),
        (deployment("containers:\n-\n  name: app\n"), "--classic", "a list that cannot be added to"),
        ("kind: Pod\nspec:\n\tcontainers: []\n".into(), "", "3:1: document 1: a tab in the indentation"),
        ("kind: {{ .Kind }}\nspec: {{ x }}: y: z\n".into(), "", "render it first: `helm template"),
        (format!("a: b\n---\n{}", deployment("containers: 3\n")), "", "a pod without `containers`"),
        ("[".repeat(300), "", "x.yaml"),
    ] {
        let found = refused(&text, line);
        assert!(found.contains(told), "no `{told}` in {found}\n{text}");
        assert!(found.contains("      = "), "no remedy: {found}");
    }
}

#[test]
fn options_are_checked_on_the_way_in() {
    let error = |line: &str| match Line::try_parse_from(["inject"].into_iter().chain(line.split(' '))) {
        Ok(_) => panic!("{line}"),
        Err(error) => error.to_string(),
    };
    assert!(error("--env a-b").contains("is no name of a variable"));
    assert!(error("--env A=v1").contains("is no path"));
    assert!(error("--secret A_b").contains("a name in Kubernetes"));
    assert!(error("--image=").contains("write NAME, NAME:TAG or NAME@DIGEST"));
    assert!(Line::try_parse_from(["inject", "--image", "a b"]).is_err());
    assert!(error("--port 0").contains("--port"));
    assert!(error("--secret a --no-secret").contains("cannot be used with"));
    let twice = args("--env A --env B --env A=/b").check().unwrap_err();
    assert_eq!(twice, "--env has `A` more than once: give each variable once");
    assert_eq!(args("--env A --env B").check(), Ok(()));
}

// === Properties ===

/// A pod's lines in some style: indentation, items at the parent's column or deeper, comments, brackets.
fn pods() -> impl Strategy<Value = String> {
    let container = (0..4usize, any::<bool>(), 0..4usize);
    (proptest::collection::vec(container, 1..4), any::<bool>(), 0..6usize, 0..4usize, any::<bool>()).prop_map(
        |(containers, deeper, init, volumes, comments)| {
            let dash = if deeper { "  - " } else { "- " };
            let rest = " ".repeat(dash.len());
            let comment =
                |column: &str, text: &str| if comments { format!("{column}# {text}\n") } else { String::new() };
            let mut pod = comment("", "the pod");
            pod += [
                "",
                "initContainers: []\n",
                "initContainers: # none\n",
                "initContainers:\n- {name: first, image: x}\n",
                "initContainers:\n- image: x\n  name: first\n",
                "initContainers:\n  # none\n  []\n",
            ][init];
            pod += &comment("", "the containers");
            pod += "containers:\n";
            for (index, (env, named_first, extra)) in containers.into_iter().enumerate() {
                pod += &comment(&" ".repeat(dash.len() - 2), "one");
                pod += &match named_first {
                    true => format!("{dash}name: \"c{index}\" # its name\n{rest}image: x\n"),
                    false => format!("{dash}image: x\n{rest}name: c{index}\n"),
                };
                pod += &match env {
                    0 => String::new(),
                    1 => format!("{rest}env: []\n"),
                    2 => format!("{rest}env:\n{rest}- name: A\n{rest}  value: |\n{rest}    # text\n{rest}    b\n"),
                    _ => format!("{rest}env: [{{name: OTHER, value: \"é\"}}, # more\n{rest}  {{name: B, value: c}}]\n"),
                };
                pod += &match extra {
                    0 => format!("{rest}args:\n{rest}- |\n{rest}  # no comment\n\n{rest}  text\n"),
                    1 => format!("{rest}resources: {{}}\n\n"),
                    2 => format!("{rest}args: [\"- a\", 'b # c']\n"),
                    _ => String::new(),
                };
            }
            pod += [
                "",
                "volumes: null # none\n",
                "volumes:\n  - name: data\n    emptyDir: {}\n",
                "volumes: [{name: data}]\n",
            ][volumes];
            pod
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn any_style_is_injected_once_and_keeps_the_rest(pod in pods(), crlf: bool, classic: bool) {
        let text = format!("# first\na: b\n---\n{}---\nlast: [1, 2] # end\n", deployment(&pod));
        let text = if crlf { text.replace('\n', "\r\n") } else { text };
        let line = if classic { "--classic" } else { "" };
        let found = injected(&text, line).text;
        let (before, after) = (documents(&text), documents(&found));
        prop_assert_eq!(before.len(), after.len());
        prop_assert_eq!((&before[0], &before[2]), (&after[0], &after[2]));
        prop_assert!(found.starts_with(&text[..text.find("      ").unwrap()]));
        let pod = pod_of(&after[1]);
        let list = if classic { &pod["containers"] } else { &pod["initContainers"] };
        prop_assert_eq!(&list[0]["name"], "serin");
        prop_assert_eq!(pod["volumes"].as_array().unwrap().iter().filter(|volume| volume["name"].as_str().unwrap().starts_with("serin-")).count(), 3);
        for container in pod["containers"].as_array().unwrap().iter().filter(|container| container["name"] != "serin") {
            let set = container["env"].as_array().unwrap().iter().filter(|variable| variable["name"] == "OPENAI_BASE_URL");
            prop_assert_eq!(set.count(), 1);
        }
        let mut rest = after[1].clone();
        without_additions(&mut rest, &before[1]);
        // An empty value and an empty list are the same pod.
        prop_assert_eq!(rest.to_string().replace("null", "[]"), before[1].to_string().replace("null", "[]"));
        prop_assert_eq!(&injected(&found, line).text, &found);
        for comment in text.lines().filter(|line| line.trim_start().starts_with('#')) {
            prop_assert_eq!(found.matches(comment).count(), text.matches(comment).count());
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[ -~\n\t\u{e9}]{0,200}", at in 0..400usize, cut in 0..40usize) {
        drop(inject(&text, &args("")));
        // Damage to a good file.
        let good = deployment("containers:\n- name: app\n  env: [{name: A, value: b}]\nvolumes: []\n");
        let at = at.min(good.len());
        let end = (at + cut).min(good.len());
        let damaged = format!("{}{}", &good[..at], &good[end..]);
        if let Ok(once) = inject(&damaged, &args("")) {
            prop_assert_eq!(&inject(&once.text, &args("")).unwrap().text, &once.text);
        }
    }
}
