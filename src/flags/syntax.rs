//! What a YAML parser did not understand, said for people.
//!
//! A parser speaks of its own states ("did not find expected key"); whoever corrects the file needs the place and
//! the remedy. An open quote or bracket is told where it opens, since that is where it is mended. Reads the text once
//! more, loosely, and only for the sake of a message: nothing here decides whether a file is right.

use super::error::FlagsError;
use super::text::{Spot, too_deep};

/// The error of a parser at a place, in plain words.
pub(super) fn explain(text: &str, Spot { line, column }: Spot, info: &str) -> FlagsError {
    if let Some(error) = tab(text, Spot { line, column }, info) {
        return error;
    }
    let has = |words: &[&str]| words.iter().any(|word| info.contains(word));
    let at = |problem: &str, remedy: &str| FlagsError::at(line, column, problem, remedy);
    if has(&["quoted scalar, found unexpected"]) {
        return at("the quotes that open here are never closed", "close them");
    }
    if has(&["unprintable"]) {
        return at("a control character", "remove it; an editor may not show it");
    }
    if has(&["byte order mark"]) {
        return at("a byte-order mark in the middle of the file", "remove it; an editor may not show it");
    }
    if has(&["anchor"]) {
        return at(
            "no value above has this name",
            "name the value with `&NAME` before it is repeated with `*NAME`; a text that begins with `*` or `&` needs quotes",
        );
    }
    if has(&["escape", "hexadecimal"]) {
        return at("a backslash before a character that it cannot escape", "write `\\\\` for a backslash");
    }
    if has(&["recursion"]) {
        return too_deep(line, column);
    }
    if has(&["simple key"])
        && let Some(error) = lone_key(text, line)
    {
        return error;
    }
    open(text, Spot { line, column }, info).unwrap_or_else(|| plain(Spot { line, column }, info))
}

/// The same for other readers of YAML: line and column count from 1.
#[must_use]
pub fn explain_yaml(text: &str, line: usize, column: usize, info: &str) -> FlagsError {
    explain(text, Spot { line, column }, info)
}

/// Errors that the place alone explains.
fn plain(Spot { line, column }: Spot, info: &str) -> FlagsError {
    const BLOCK: &str = "begin keys of one block below each other, and each item of a list with `- `";
    let begins = info.strip_prefix("unexpected character: `").and_then(|rest| rest.chars().next());
    if let Some(first) = begins {
        return FlagsError::at(line, column, format!("a text cannot begin with `{first}`"), "put it in quotes");
    }
    let known: [(&[&str], &str, &str); 11] = [
        (
            &["mapping values"],
            "a colon at a place where no key can be",
            "put the text in quotes if the colon belongs to it; else check this line's indentation",
        ),
        (
            &["must be followed"],
            "a colon without a space after it",
            "put a space after the colon, or the text in quotes",
        ),
        (&["simple key"], "a key without its colon", "write `key: value`, with a space after the colon"),
        (&["misplaced bracket"], "a closing bracket without an opening one", "remove it, or put the text in quotes"),
        (
            &["',' or", "flow", "node content"],
            "a comma, a value or a closing bracket is missing here",
            "put a comma between the parts, and close every `[` and `{`",
        ),
        (
            &["block scalar"],
            "`|` and `>` begin a text on the lines below",
            "write it there, indented; or put the text in quotes",
        ),
        (&["tag", "TAG"], "tags (`!...`) are not read", "remove the tag, or put the text in quotes"),
        (&["irective"], "a line that begins with `%` is not a key", "put the text in quotes, or remove the line"),
        (
            &["sequence entries", "start with '-'"],
            "a list cannot begin here",
            "begin it on a line of its own, each item with `- `; or write `[a, b]`",
        ),
        (&["indentation", "expected key", "'-' indicator"], "this line does not fit below those above it", BLOCK),
        (
            &["<document start>", "document end", "trailing"],
            "nothing can follow here: the value above has ended",
            "check the brackets above and the indentation of this line",
        ),
    ];
    let found = known.iter().find(|(words, _, _)| words.iter().any(|word| info.contains(word)));
    match found {
        Some((_, problem, remedy)) => FlagsError::at(line, column, *problem, *remedy),
        None => FlagsError::at(
            line,
            column,
            format!("this is not YAML: {info}"),
            "check the indentation of this line and the one before, the colons, and the quotes",
        ),
    }
}

/// A line above that is a key without a colon: the parser goes on to the next one before it gives up.
fn lone_key(text: &str, line: usize) -> Option<FlagsError> {
    let above: Vec<&str> = text.lines().take(line.saturating_sub(1)).collect();
    let (index, lone) = above.iter().enumerate().rev().find(|(_, line)| !line.trim().is_empty())?;
    let bare = lone.trim();
    if bare.contains(": ") || bare.ends_with(':') || bare.starts_with(['#', '-']) {
        return None;
    }
    let column = lone.chars().take_while(|c| c.is_whitespace()).count() + 1;
    let remedy = "write `key: value`, with a space after the colon";
    Some(FlagsError::at(index + 1, column, "a key without its colon", remedy))
}

/// Quotes or a bracket that were left open above, if that is what the parser stumbled over.
fn open(text: &str, place: Spot, info: &str) -> Option<FlagsError> {
    let before = Before::read(text, place);
    if info.contains("trailing content") || info.contains("mapping values") || info.contains("simple key") {
        let (begin, end) = before.quoted?;
        if begin.line < end.line && end.line == place.line {
            return Some(FlagsError::at(
                begin.line,
                begin.column,
                format!("the quotes that open here close only on line {}", end.line),
                "close them on their own line",
            ));
        }
    }
    if info.contains("trailing content") {
        return Some(FlagsError::at(
            place.line,
            place.column,
            "the text continues after its closing quote",
            "write a quote inside of a text as `\\\"`, and a comma or a new line after a closing one",
        ));
    }
    let (bracket, begin) = before.brackets.last().copied()?;
    // A bracket over several lines is closed further down; where it is not, the next key is what does not fit.
    if begin.line == place.line && !before.at_end {
        return None;
    }
    let close = if bracket == '[' { ']' } else { '}' };
    Some(FlagsError::at(
        begin.line,
        begin.column,
        format!("the `{bracket}` that opens here is not closed"),
        if before.at_end {
            format!("close it with `{close}`")
        } else {
            format!("close it with `{close}` before line {}, or put a comma between its parts", place.line)
        },
    ))
}

/// What is open, or was last closed, right before a place.
struct Before {
    brackets: Vec<(char, Spot)>,
    quoted: Option<(Spot, Spot)>,
    /// Whether the text has nothing more.
    at_end: bool,
}

impl Before {
    fn read(text: &str, place: Spot) -> Before {
        let mut before = Before { brackets: Vec::new(), quoted: None, at_end: true };
        let mut quote: Option<(char, Spot)> = None;
        let (mut comment, mut escaped, mut last) = (false, false, '\n');
        let mut here = Spot { line: 1, column: 0 };
        for c in text.chars() {
            here.column += 1;
            if here >= place {
                before.at_end = false;
                break;
            }
            match (quote, c) {
                _ if comment => comment = c != '\n',
                (Some(_), _) if std::mem::take(&mut escaped) => {}
                (Some(('"', _)), '\\') => escaped = true,
                (Some((mark, begin)), _) if c == mark => {
                    before.quoted = Some((begin, here));
                    quote = None;
                }
                (Some(_), _) => {}
                (None, '#') if last.is_whitespace() => comment = true,
                (None, '"' | '\'') if begins_value(last) => quote = Some((c, here)),
                (None, '[' | '{') if begins_value(last) => before.brackets.push((c, here)),
                (None, ']' | '}') => drop(before.brackets.pop()),
                (None, _) => {}
            }
            last = c;
            if c == '\n' {
                here = Spot { line: here.line + 1, column: 0 };
            }
        }
        before
    }
}

fn begins_value(last: char) -> bool {
    last.is_whitespace() || "[{,:".contains(last)
}

/// Whether a tab is to blame.
fn tab(text: &str, Spot { line, column }: Spot, info: &str) -> Option<FlagsError> {
    // The parser may notice a tab only where the next token begins, or tell where the text began that it ends.
    let here = line.checked_sub(1).and_then(|index| text.lines().nth(index)?.chars().nth(column - 1));
    let speaks_of_it = info.contains("tab") || here == Some('\t');
    let last = if speaks_of_it { line + 50 } else { line };
    let first = line.saturating_sub(1).max(1);
    let near = text.lines().enumerate().skip(first - 1).take((last + 1).saturating_sub(first));
    near.map(|(index, text)| (index + 1, text))
        .filter_map(|(line, text)| Some((line, tab_in(text)?)))
        .min_by_key(|(found, _)| found.abs_diff(line))
        .map(|(line, column)| tab_in_indentation(line, column))
        .or_else(|| {
            let shown = text.lines().nth(line.checked_sub(1)?)?;
            let column = shown.chars().position(|c| c == '\t').filter(|_| speaks_of_it)? + 1;
            Some(FlagsError::at(line, column, "a tab where a space should be", "replace it by a space"))
        })
}

/// The lines that have a tab before their first other character, and its column.
pub(super) fn tabs_in_indentation(text: &str) -> impl Iterator<Item = (usize, usize)> {
    text.lines().enumerate().filter_map(|(index, line)| Some((index + 1, tab_in(line)?)))
}

/// The error of such a tab.
pub(super) fn tab_in_indentation(line: usize, column: usize) -> FlagsError {
    FlagsError::at(line, column, "a tab in the indentation", "indent with spaces: YAML does not allow tabs there")
}

fn tab_in(line: &str) -> Option<usize> {
    let indentation = &line[..line.len() - line.trim_start().len()];
    indentation.chars().position(|c| c == '\t').map(|position| position + 1)
}
