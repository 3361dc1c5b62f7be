//! Only some providers are asked.

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
