//! Which workloads are injected, which are refused or left alone, and what the report says of them.
//!
//! Each test is about a decision; how the text is edited is not judged here. A workload is never left as it is without
//! a line of the report that says so.

use super::*;

const APP: &str = "containers:\n- name: app\n  image: x\n";

#[test]
fn an_init_container_that_runs_before_serin_gets_no_base_url() {
    let pod = deployment(&format!("initContainers:\n- name: migrate\n{APP}"));
    let found = refused(&pod, "--classic --container migrate");
    assert!(
        found.contains("10:9: document 1, Deployment/chat: the init container `migrate` runs before Serin"),
        "{found}"
    );
    assert!(found.contains("leave out `--container migrate`"), "{found}");
    let classic = injected(&pod, "--classic --container app").text;
    assert!(refused(&classic, "--container migrate").contains("runs before Serin"));
    // Serin as a native sidecar is the first, and stays it.
    let native = injected(&pod, "--container app").text;
    assert!(injected(&native, "--classic --container migrate").report[0].contains("set in migrate"));
}

#[test]
fn containers_that_no_injected_workload_has_are_named() {
    let skipped = "kind: Pod\nmetadata: {name: b, namespace: other}\nspec: {containers: [{name: other}]}\n";
    let text = format!("{}---\n{skipped}", deployment(APP));
    assert!(injected(&text, "--namespace mine --container app").unknown.is_empty());
    assert_eq!(
        injected(&text, "--namespace mine --container app --container typo --container other").unknown,
        ["typo", "other"]
    );
    assert!(injected(skipped, "--namespace mine --container typo").unknown.is_empty());
}

#[test]
fn every_spelling_of_true_is_the_network_of_the_host() {
    for written in ["true", "True", "TRUE", "yes", "Yes", "on", "ON"] {
        let found = refused(&deployment(&format!("hostNetwork: {written}\n{APP}")), "");
        assert!(found.contains(&format!("9:20: document 1, Deployment/chat: `hostNetwork: {written}`")), "{found}");
    }
    let alias =
        format!("kind: Pod\nmetadata: {{name: &n true}}\nspec:\n  hostNetwork: *n\n  {}", APP.replace('\n', "\n  "));
    assert!(refused(&alias, "").contains("4:16: document 1, Pod/true: an alias"));
    injected(&deployment(&format!("hostNetwork: False\n{APP}")), "");
}

#[test]
fn ports_of_serins_defaults_are_noted() {
    let pod = deployment(&format!(
        "{APP}  ports:\n  - containerPort: 80\n  - containerPort: 7172\n  - containerPort: 7173\n"
    ));
    let report = injected(&pod, "").report;
    let told =
        "document 1, Deployment/chat (line 14): warning: container `app` uses port 7172, which is Serin's admin port";
    assert!(report[1].starts_with(told), "{report:?}");
    assert!(report[2].contains("(line 15): warning: container `app` uses port 7173"), "{report:?}");
    assert_eq!(report.len(), 3);
    assert!(refused(&pod, "--port 7172").contains("uses port 7172, which is Serin's"));
}

#[test]
fn the_annotation_is_honoured_in_any_spelling_or_refused() {
    let pod = |metadata: &str| {
        format!(
            "common: &c {{serin/inject: disabled}}\nkind: Pod\nmetadata:\n  name: a\n{metadata}spec: {{containers: [{{name: a}}]}}\n"
        )
    };
    for written in ["disabled", "Disabled", "\"false\"", "False", "no", "off"] {
        let text = pod(&format!("  annotations: {{serin/inject: {written}}}\n"));
        let found = injected(&text, "");
        assert_eq!(found.text, text);
        assert!(
            found.report[0].ends_with("unchanged: its annotation is `serin/inject: disabled`"),
            "{:?}",
            found.report
        );
    }
    for written in ["enabled", "\"true\"", "Yes"] {
        let found = injected(&pod(&format!("  annotations: {{serin/inject: {written}}}\n")), "");
        assert!(found.report[0].contains("sidecar added"), "{:?}", found.report);
    }
    for (metadata, told) in [
        (
            "  annotations: {serin/inject: disable}\n",
            "5:17: document 1, Pod/a: the annotation `serin/inject` is neither",
        ),
        ("  annotations: {serin/inject: }\n", "is neither `disabled` nor `enabled`"),
        ("  annotations: *c\n", "5:16: document 1, Pod/a: an alias"),
        ("  annotations: {<<: *c}\n", "5:17: document 1, Pod/a: a merge key (`<<`) where `serin/inject` may come from"),
        ("  <<: {annotations: *c}\n", "5:3: document 1, Pod/a: a merge key (`<<`) where `annotations` may come from"),
    ] {
        let found = refused(&pod(metadata), "");
        assert!(found.contains(told), "no `{told}` in {found}");
    }
    let job = "apiVersion: batch/v1\nkind: CronJob\nspec:\n  jobTemplate:\n    metadata: {annotations: {serin/inject: disabled}}\n    \
        spec: {template: {spec: {containers: [{name: a}]}}}\n";
    assert_eq!(injected(job, "").text, job);
}

#[test]
fn more_kinds_and_lists_within_lists_are_injected() {
    let spec = "spec: {containers: [{name: a}]}";
    let text = format!(
        "apiVersion: v1\nkind: ReplicationController\nspec: {{template: {{{spec}}}}}\n---\napiVersion: v1\nkind: PodTemplate\n\
         template: {{{spec}}}\n---\napiVersion: v1\nkind: List\nitems:\n- kind: List\n  items: [{{kind: Pod, {spec}}}]\n"
    );
    let documents = documents(&injected(&text, "").text);
    for place in ["/spec/template/spec", "/template/spec", "/items/0/items/0/spec"] {
        let pod = documents.iter().find_map(|document| document.pointer(place)).unwrap();
        assert_eq!(pod["initContainers"][0]["name"], "serin", "{place}");
    }
}

#[test]
fn what_may_be_a_workload_is_named() {
    let rest = "spec: {template: {spec: {containers: [{name: a}]}}}";
    for (text, told) in [
        (
            format!("a: &k Deployment\nkind: *k\napiVersion: apps/v1\n{rest}\n"),
            "document 1 (line 1): unchanged: its `kind`",
        ),
        (
            format!("<<: {{kind: Deployment}}\napiVersion: apps/v1\n{rest}\n"),
            "document 1 (line 1): unchanged: its `kind`",
        ),
        (format!("kind: Deployment\n{rest}\n"), "Deployment/(without a name) does not say its API group"),
        (
            format!("a: &l {{kind: Pod}}\nkind: List\nitems:\n- *l\n{rest}\n"),
            "document 1 (line 4): unchanged: an alias",
        ),
        (format!("a: &l [{{kind: Pod}}]\nkind: List\nitems: *l\n{rest}\n"), "(line 3): unchanged: the items of a list"),
    ] {
        let found = injected(&text, "");
        assert_eq!(found.text, text);
        assert!(found.report[0].contains(told), "no `{told}` in {:?}", found.report);
    }
}

#[test]
fn volumes_of_the_pods_own_are_noted() {
    let pod = format!(
        "{APP}volumes:\n- name: serin-flags\n  hostPath: {{path: /}}\n- name: serin-keys\n  secret: {{secretName: mine}}\n"
    );
    let found = injected(&deployment(&pod), "");
    let told = "(line 13): warning: the pod has a volume `serin-flags` already, which Serin uses: it is no `configMap` of `serin-flags`";
    assert!(found.report[1].contains(told), "{:?}", found.report);
    assert!(found.report[2].contains("it is no `secret` of `serin-keys`"), "{:?}", found.report);
    assert_eq!(injected(&deployment(&pod), "--secret mine").report.len(), 2);
    assert_eq!(injected(&found.text, "").report.len(), 1);
}

#[test]
fn pods_that_end_get_no_ordinary_container() {
    let spec = "spec: {restartPolicy: Never, containers: [{name: a}]}";
    for text in [format!("kind: Pod\n{spec}\n"), format!("kind: PodTemplate\ntemplate:\n  {spec}\n")] {
        let found = refused(&text, "--classic");
        assert!(found.contains("with this `restartPolicy` would never complete"), "{found}");
        injected(&text, "");
        injected(&text.replace("Never", "Always"), "--classic");
    }
}
