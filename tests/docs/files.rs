//! Every flags.yaml in the texts passes `serin check`, and the models in the examples last.

use std::collections::BTreeSet;

use crate::texts::{Block, package, pages, serin};

/// A block that is a whole flags.yaml, or none; a part says so in its first line.
fn is_whole(block: &Block<'_>) -> bool {
    block.text.lines().any(|line| line.starts_with("providers:"))
}

#[test]
fn every_file_passes_check() {
    let mut checked = 0;
    for page in pages() {
        for block in page.blocks("yaml") {
            if !is_whole(&block) {
                // Objects of Kubernetes and the like are checked beside what they are made from.
                let part = block.text.starts_with("# part of flags.yaml") || block.text.contains("apiVersion:");
                let other =
                    ["# part of ", "# values.yaml", "services:"].iter().any(|begin| block.text.starts_with(begin));
                assert!(
                    part || other,
                    "{}: neither a whole file nor `# part of flags.yaml`:\n{}",
                    block.place,
                    block.text
                );
                continue;
            }
            if block.text.contains("apiVersion:") {
                continue;
            }
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), block.text).unwrap();
            serin(&["check", "--no-secrets", &file.path().to_string_lossy()]);
            checked += 1;
        }
    }
    assert!(checked > 15, "only {checked} files were found");
}

#[test]
fn examples_name_the_providers_of_the_demo() {
    for page in ["README.md", "docs/getting-started.md", "docs/concepts.md", "docs/flags-for-apps.md"] {
        let text = package(page);
        assert!(text.contains("  openai:") && text.contains("  holysheep:"), "{page}");
    }
}

#[test]
fn models_of_examples_are_no_snapshots_that_are_taken_away() {
    let pages = pages();
    let shown = pages.iter().filter(|page| ["README.md", "docs/getting-started.md"].contains(&page.path.as_str()));
    let code: String = shown
        .flat_map(|page| ["python", "js", "sh"].map(|language| page.blocks(language)))
        .flatten()
        .map(|block| block.text)
        .collect();
    let models: BTreeSet<&str> = code
        .split("model")
        .skip(1)
        .filter_map(|rest| rest.trim_start_matches(['"', ':', '=', ' ']).split('"').next())
        .filter(|name| name.contains('-') && !name.contains(char::is_whitespace))
        .collect();
    assert!(models.iter().any(|name| name.starts_with("claude-")) && models.contains("gpt-4o"), "{models:?}");
    let is_date = |part: &str| part.len() >= 4 && part.bytes().all(|byte| byte.is_ascii_digit());
    let dated: Vec<_> = models.iter().filter(|name| name.split('-').any(is_date)).collect();
    assert!(dated.is_empty(), "{dated:?}");
}
