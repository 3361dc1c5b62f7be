//! The texts: README.md, the others at the root, and every page of the book; their blocks, tables and words.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A Markdown file of the package.
pub(crate) struct Page {
    /// From the root of the package: `docs/concepts.md`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// A fenced block.
pub(crate) struct Block<'p> {
    /// Where it begins: `docs/concepts.md:12`.
    pub(crate) place: String,
    pub(crate) text: &'p str,
}

pub(crate) fn package(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What `serin` prints with these arguments; it must succeed.
pub(crate) fn serin(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_serin")).args(arguments).env_clear().output().unwrap();
    assert!(output.status.success(), "serin {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// README.md, CONTRIBUTING.md where there is one, those of the examples, and the book, sorted.
pub(crate) fn pages() -> Vec<Page> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = vec![root.join("README.md"), root.join("CONTRIBUTING.md")];
    paths.retain(|path| path.exists());
    for folder in ["docs", "examples"] {
        collect(&root.join(folder), &mut paths);
    }
    paths.sort();
    let shown = |path: &PathBuf| path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
    paths.iter().map(|path| Page { path: shown(path), text: std::fs::read_to_string(path).unwrap() }).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        // What a package manager has put there is not ours.
        if entry.is_dir() && !entry.ends_with("node_modules") {
            collect(&entry, paths);
        } else if entry.extension().is_some_and(|extension| extension == "md") {
            paths.push(entry);
        }
    }
}

impl Page {
    /// The fenced blocks of this language.
    pub(crate) fn blocks(&self, language: &str) -> Vec<Block<'_>> {
        let (mut blocks, mut from) = (Vec::new(), None);
        let mut at = 0;
        for (number, line) in self.text.split_inclusive('\n').enumerate() {
            // In a list a block is indented.
            let fence = line.trim();
            match from {
                None if fence.starts_with("```") => {
                    from = Some((at + line.len(), number + 2, fence == format!("```{language}")))
                }
                Some((begin, first, wanted)) if fence == "```" => {
                    if wanted {
                        blocks.push(Block { place: format!("{}:{first}", self.path), text: &self.text[begin..at] });
                    }
                    from = None;
                }
                _ => {}
            }
            at += line.len();
        }
        assert!(from.is_none(), "{}: a block without an end", self.path);
        blocks
    }

    /// The text without its fenced blocks.
    pub(crate) fn prose(&self) -> String {
        let mut inside = false;
        let keep = |line: &&str| {
            let fence = line.trim_start().starts_with("```");
            inside ^= fence;
            !inside && !fence
        };
        self.text.lines().filter(keep).collect::<Vec<_>>().join("\n")
    }

    /// The inline code of the prose.
    pub(crate) fn code(&self) -> Vec<String> {
        let prose = self.prose();
        let paragraphs =
            prose.split("\n\n").map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "));
        paragraphs.flat_map(|text| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
    }
}

/// The rows of every table below this heading and above the next of its rank: cells without their backticks.
pub(crate) fn rows(page: &str, heading: &str) -> Vec<Vec<String>> {
    let text = format!("\n{}", package(page));
    let section = text.split(&format!("\n{heading}\n")).nth(1).unwrap_or_else(|| panic!("{page}: no `{heading}`"));
    let rank = format!("\n{} ", heading.split(' ').next().unwrap());
    let section = section.split(&rank).next().unwrap();
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(|cell| bare(cell.trim())).collect();
    section.lines().filter(|line| line.starts_with("| `")).map(cells).collect()
}

fn bare(cell: &str) -> String {
    cell.replace('`', "")
}

/// The words in this text that begin so and go on with word characters.
pub(crate) fn words<'t>(text: &'t str, begin: &str) -> BTreeSet<&'t str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c: char| !is_word(c)).filter(|word| word.starts_with(begin) && word.len() > begin.len()).collect()
}

/// The commands of the binary.
pub(crate) fn commands() -> BTreeSet<String> {
    let help = serin(&["--help"]);
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}
