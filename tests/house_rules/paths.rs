//! Which modules a file names.
//!
//! Owns the words of a source and the paths that they make. Knows no layer: a rule compares what is reached with what
//! may be.

use super::Source;

/// Every path of the file that begins with `crate`, `super` or (in main) the library's name, as the top module that
/// it reaches and the line.
pub(super) fn reached(source: &Source) -> Vec<(String, usize)> {
    let tokens = tokens(&source.code);
    let module = source.module();
    let in_main = source.path == "src/main.rs";
    let mut inline = Vec::new(); // The brace depths at which an inline `mod` was opened.
    let mut depth = 0;
    let mut found = Vec::new();
    for (at, (token, line)) in tokens.iter().enumerate() {
        let follows = |offset: usize, what: &str| tokens.get(at + offset).is_some_and(|(token, _)| token == what);
        match token.as_str() {
            "{" => {
                if at >= 2 && tokens[at - 2].0 == "mod" {
                    inline.push(depth);
                }
                depth += 1;
            }
            "}" => {
                depth -= 1;
                if inline.last() == Some(&depth) {
                    inline.pop();
                }
            }
            "crate" if follows(1, "::") => collect(&tokens, at + 2, *line, &mut found),
            "serin" if in_main && follows(1, "::") => collect(&tokens, at + 2, *line, &mut found),
            "super" if !(at >= 2 && tokens[at - 1].0 == "::" && tokens[at - 2].0 == "super") => {
                let mut ups = 1;
                while tokens.get(at + 2 * ups).is_some_and(|(token, _)| token == "super") {
                    ups += 1;
                }
                // The root of the crate is `module.len() + inline` steps up; beyond the file's own layer counts.
                if ups >= module.len() + inline.len() && tokens.get(at + 2 * ups - 1).is_some_and(|(t, _)| t == "::") {
                    collect(&tokens, at + 2 * ups, *line, &mut found);
                }
            }
            _ => {}
        }
    }
    found
}

/// The first segments of the use tree that begins at a token.
fn collect(tokens: &[(String, usize)], at: usize, line: usize, found: &mut Vec<(String, usize)>) {
    match tokens.get(at) {
        Some((token, _)) if token == "{" => {
            let mut depth = 0;
            let mut first = false;
            for (token, line) in &tokens[at..] {
                match token.as_str() {
                    "{" => {
                        depth += 1;
                        first = depth == 1;
                    }
                    "}" => depth -= 1,
                    "," => first = depth == 1,
                    _ if first => {
                        found.push((token.clone(), *line));
                        first = false;
                    }
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
            }
        }
        Some((token, _)) => found.push((token.clone(), line)),
        None => {}
    }
}

/// Words, `::` and single other characters, each with its line.
pub(super) fn tokens(code: &str) -> Vec<(String, usize)> {
    let mut tokens = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let word = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
            let length = match word {
                0 if rest.starts_with("::") => 2,
                0 => first.len_utf8(),
                word => word,
            };
            tokens.push((rest[..length].to_owned(), index + 1));
            rest = rest[length..].trim_start();
        }
    }
    tokens
}
