//! Where edits go, and which texts they keep.
//!
//! Each test is a manifest in a form that people write, and what it becomes. Nothing here is about which pods can have
//! a sidecar. The other reader of YAML judges the results.

use super::*;

#[test]
fn what_belongs_to_the_line_above_is_written_before_what_belongs_to_the_line_below() {
    for comment in ["", "# the containers\n"] {
        let pod = format!(
            "initContainers:\n- image: y\n  name: migrate\n{comment}containers:\n- image: x\n  name: app\n{comment}volumes: []\n"
        );
        let found = injected(&deployment(&pod), "--container migrate --container app").text;
        let pod = pod_of(&documents(&found)[0]).clone();
        assert_eq!(pod["initContainers"][1]["env"][0]["name"], "OPENAI_BASE_URL");
        assert_eq!(pod["containers"][0]["env"][0]["name"], "OPENAI_BASE_URL");
        assert_eq!(found.matches("# the containers").count(), comment.matches('#').count() * 2);
    }
    let pod = "initContainers:\n- image: y\n  name: migrate\ncontainers:\n- image: x\n  name: app\n";
    let found = injected(&deployment(pod), "--container migrate").text;
    assert_eq!(pod_of(&documents(&found)[0])["volumes"].as_array().unwrap().len(), 3);
}

#[test]
fn edits_of_the_same_value_are_refused() {
    let text = "a: b\nc: d\n";
    let documents = tree::parse(text).unwrap();
    let editor = Editor { text };
    let replace = |with| editor.replace(documents[0].root.get("c").unwrap(), with, false).unwrap();
    assert_eq!(apply(text, vec![replace("e")]).unwrap(), "a: b\nc: e\n");
    let error = apply(text, vec![replace("e"), replace("f")]).unwrap_err();
    assert_eq!((error.line, error.problem.as_str()), (2, "two edits of the same value"));
}

#[test]
fn a_comment_above_an_empty_list_stays() {
    for (written, kept) in [
        ("initContainers:\n  # none yet\n  []\n", "initContainers:\n        # none yet\n        - name: serin"),
        ("initContainers:\n  # none yet\n  [] # none\n", "initContainers:\n        # none yet\n        [{"),
        ("initContainers: # none\n  # yet\n  null\n", "initContainers: # none\n        # yet\n        - name: serin"),
        ("initContainers: # none\n  []\n", "initContainers: # none\n        - name: serin"),
    ] {
        for end in ["\n", "\r\n"] {
            let text = deployment(&format!("{written}containers:\n- name: app\n")).replace('\n', end);
            let found = injected(&text, "").text;
            assert!(found.contains(&kept.replace('\n', end)), "{found}");
            assert_eq!(pod_of(&documents(&found)[0])["initContainers"][0]["name"], "serin");
        }
    }
}

#[test]
fn a_variable_without_a_value_gets_one() {
    for (written, expected) in [
        ("{name: OPENAI_BASE_URL, value: \"\"}", "{name: OPENAI_BASE_URL, value: \"http://127.0.0.1:7171/v1\"}"),
        ("{name: OPENAI_BASE_URL, value: }", "{name: OPENAI_BASE_URL, value: \"http://127.0.0.1:7171/v1\" }"),
        ("name: OPENAI_BASE_URL\n    value: ''", "value: 'http://127.0.0.1:7171/v1'"),
        ("name: OPENAI_BASE_URL\n    value: \"\" # later", "value: \"http://127.0.0.1:7171/v1\" # later"),
        ("name: OPENAI_BASE_URL\n    value: # later", "value: http://127.0.0.1:7171/v1 # later"),
        ("name: OPENAI_BASE_URL\n    value:", "value: http://127.0.0.1:7171/v1\n"),
        ("value: ~\n    name: OPENAI_BASE_URL", "value: http://127.0.0.1:7171/v1\n"),
    ] {
        let text = deployment(&format!("containers:\n- name: app\n  env:\n  - {written}\n  image: x\n"));
        let found = injected(&text, "").text;
        assert!(found.contains(expected), "no `{expected}` in {found}");
        assert_eq!(pod_of(&documents(&found)[0])["containers"][0]["env"].as_array().unwrap().len(), 1);
    }
    let found = refused(&deployment("containers:\n- name: app\n  env: [{name: OPENAI_BASE_URL, value}]\n"), "");
    assert!(found.contains("a key without its colon"), "{found}");
}

#[test]
fn a_tab_behind_a_colon_is_read_and_kept() {
    let other = "kind:\t\tConfigMap\ndata:\n  \u{e9}:\tx\n  b: |\n    c:\td\n---\n";
    let text = format!("{other}{}", deployment("containers:\n- name:\tapp\n  image:\tx\n"));
    let found = injected(&text, "").text;
    assert!(found.starts_with(other) && found.contains("- name:\tapp\n"), "{found}");
    assert!(found.contains("image:\tx\n"), "{found}");
    let spaced = documents(&found.replace('\t', " "));
    assert_eq!(pod_of(&spaced[1])["containers"][0]["env"][0]["name"], "OPENAI_BASE_URL");
    assert!(refused("a:\tb\nc: [\n", "").contains("2:4: document 1: the `[` that opens here is not closed"));
}

#[test]
fn a_key_that_is_twice_in_an_edited_map_is_refused() {
    let app = "containers:\n- name: app\n  image: x\n";
    for (pod, told) in [
        (format!("{app}{app}"), "12:7: document 1, Deployment/chat: `containers` is here twice: line 9 has it too"),
        (format!("dnsPolicy: a\n{app}dnsPolicy: b\n"), "13:7: document 1, Deployment/chat: `dnsPolicy` is here twice"),
        (format!("{app}  env: []\n  env: []\n"), "13:9: document 1, Deployment/chat: `env` is here twice: line 12"),
        (
            format!("{app}  env:\n  - name: A\n    value: b\n    name: OPENAI_BASE_URL\n"),
            "15:11: document 1, Deployment/chat: `name` is here twice: line 13",
        ),
    ] {
        let found = refused(&deployment(&pod), "");
        assert!(found.contains(told) && found.contains("remove one of them"), "no `{told}` in {found}");
    }
    // What is not edited is not ours to judge.
    let config = "kind: ConfigMap\ndata: {a: b}\ndata: {a: b}\n---\n";
    assert!(injected(&format!("{config}{}", deployment(app)), "").text.starts_with(config));
}
