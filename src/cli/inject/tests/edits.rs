//! Where edits go, and which texts they keep.
//!
//! Each test is a manifest in a form that people write, and what it becomes. Nothing here is about which pods can have
//! a sidecar. The other reader of YAML judges the results.

use super::*;

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
