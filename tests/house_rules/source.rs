//! One source file as the rules read it, and what they find in it.
//!
//! Owns what is code in a text: comments and the insides of literals are blanked, line for line, so that no rule takes a
//! word in a sentence for code. Reads no file itself.

use std::fmt;

/// One source file.
pub(super) struct Source {
    /// Below the package, with forward slashes: `src/decide/bucket.rs`.
    pub(super) path: String,
    pub(super) text: String,
    /// The text with comments and the insides of literals blanked, line for line.
    pub(super) code: String,
    /// Whether it is compiled for tests only: then it may reach and do what the layer itself must not.
    pub(super) test: bool,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned(), code: blank(text), test: false }
    }

    /// Where the file stands in the module tree: `src/decide/mod.rs` is `[decide]`.
    pub(super) fn module(&self) -> Vec<String> {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let mut parts: Vec<String> = inside.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if matches!(parts.last().map(String::as_str), Some("mod" | "lib")) {
            parts.pop();
        }
        parts
    }

    /// The modules that this file declares for tests only, as paths without `.rs`.
    pub(super) fn test_modules(&self) -> Vec<String> {
        let folder = match self.path.rsplit_once('/') {
            Some((folder, "mod.rs" | "lib.rs" | "main.rs")) => folder.to_owned(),
            _ => self.path.trim_end_matches(".rs").to_owned(),
        };
        let mut gated = false;
        let mut modules = Vec::new();
        for line in self.code.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let name = line.strip_suffix(';').and_then(|line| line.rsplit_once("mod "));
            modules.extend(name.filter(|_| gated).map(|(_, name)| format!("{folder}/{name}")));
            gated = line == "#[cfg(test)]" || (gated && line.starts_with("#["));
        }
        modules
    }

    pub(super) fn layer(&self) -> String {
        self.module().into_iter().next().unwrap_or_else(|| "lib".to_owned())
    }

    pub(super) fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, what: what.into() }
    }

    /// The lines of `text` that contain `word` as code, or anywhere when `anywhere`.
    pub(super) fn lines_with<'s>(&'s self, word: &'s str, anywhere: bool) -> impl Iterator<Item = usize> + 's {
        let text = if anywhere { &self.text } else { &self.code };
        text.lines().enumerate().filter(move |(_, line)| has_word(line, word)).map(|(index, _)| index + 1)
    }
}

/// Something that breaks a rule.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) path: String,
    pub(super) line: usize,
    pub(super) what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Whether `word` occurs with no letter, digit or underscore touching its own ends.
fn has_word(line: &str, word: &str) -> bool {
    let part_of_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let (first, last) = (word.chars().next(), word.chars().next_back());
    line.match_indices(word).any(|(at, _)| {
        let longer_before = part_of_word(first) && part_of_word(line[..at].chars().next_back());
        let longer_after = part_of_word(last) && part_of_word(line[at + word.len()..].chars().next());
        !longer_before && !longer_after
    })
}

/// Blanks comments and the insides of string and character literals; every line keeps its number.
fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let starts = |at: usize, what: &str| what.chars().enumerate().all(|(i, c)| chars.get(at + i) == Some(&c));
    let keep_lines = |out: &mut String, from: usize, to: usize| {
        out.extend(chars[from..to.min(chars.len())].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
    };
    while at < chars.len() {
        let from = at;
        let raw_hashes = raw_string(&chars, at);
        if starts(at, "//") {
            while at < chars.len() && chars[at] != '\n' {
                at += 1;
            }
        } else if starts(at, "/*") {
            let mut depth = 0;
            loop {
                if starts(at, "/*") {
                    depth += 1;
                    at += 2;
                } else if starts(at, "*/") {
                    depth -= 1;
                    at += 2;
                } else {
                    at += 1;
                }
                if depth == 0 || at >= chars.len() {
                    break;
                }
            }
        } else if let Some((prefix, hashes)) = raw_hashes {
            let end: String = std::iter::once('"').chain("#".repeat(hashes).chars()).collect();
            at += prefix;
            while at < chars.len() && !starts(at, &end) {
                at += 1;
            }
            at += end.len();
        } else if chars[at] == '"' {
            at += 1;
            while at < chars.len() && chars[at] != '"' {
                at += if chars[at] == '\\' { 2 } else { 1 };
            }
            at += 1;
        } else if chars[at] == '\'' && chars.get(at + 1) == Some(&'\\') {
            at += 3;
            while at < chars.len() && chars[at] != '\'' {
                at += 1;
            }
            at += 1;
        } else if chars[at] == '\'' && chars.get(at + 2) == Some(&'\'') {
            at += 3;
        } else {
            out.push(chars[at]);
            at += 1;
            continue;
        }
        keep_lines(&mut out, from, at);
    }
    out
}

/// Where a raw string begins: the length of `r##"` or `br##"` and its number of hashes.
fn raw_string(chars: &[char], at: usize) -> Option<(usize, usize)> {
    let touches = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    let letters = match (chars.get(at), chars.get(at + 1)) {
        _ if touches => return None,
        (Some('r'), _) => 1,
        (Some('b' | 'c'), Some('r')) => 2,
        _ => return None,
    };
    let hashes = chars[at + letters..].iter().take_while(|&&c| c == '#').count();
    (chars.get(at + letters + hashes) == Some(&'"')).then_some((letters + hashes + 1, hashes))
}
