//! Keeps keys out of sight: in source lines, in quoted values, in the file as the surfaces show it.
//!
//! A literal key in a place meant for one is known exactly and always masked. A key that slipped elsewhere (behind a
//! mistyped name, in a comment, in a file that does not parse) can only be recognised by its look, so whatever looks
//! like one is masked as well: a masked model name is a nuisance, a shown key is a leak.

use std::ops::Range;

use super::reference::{Part, parts};
use crate::decide::printable::is_printable;

/// What stands in the place of a secret in the file as it is shown.
pub(super) const MASK: &str = "(secret)";

/// How providers' keys begin.
const PREFIXES: [&str; 12] =
    ["sk-", "sk_", "pk-", "rk-", "AIza", "ghp_", "gho_", "github_pat_", "xoxb-", "eyJ", "hf_", "AKIA"];

/// A value of the file as an error may quote it: short, printable, and without what looks like a key.
pub(super) fn short(value: &str) -> String {
    let clean: String = stars(value).chars().take(60).map(|c| if is_printable(c) { c } else { '?' }).collect();
    if value.chars().count() > 60 { format!("{clean}...") } else { clean }
}

/// A value as an error names it: quoted, unless a password or the value of a query may stand in it.
pub(super) fn quoted(value: &str) -> String {
    match value {
        "" => "an empty text".to_owned(),
        _ if value.contains('@') || (value.contains('?') && value.contains('=')) => "the value".to_owned(),
        _ => format!("`{}`", short(value)),
    }
}

/// The text with `*` in the place of each character that lies in a known secret; line structure is kept.
pub(super) fn starred(text: &str, secrets: &[Range<usize>]) -> String {
    replace(text, secrets, |secret| secret.chars().map(|c| if c == '\n' { c } else { '*' }).collect())
}

/// The text as surfaces show it: known secrets are replaced by one word, what looks like a secret by stars.
pub(super) fn shown(text: &str, secrets: &[Range<usize>]) -> String {
    let out = replace(text, secrets, |_| MASK.to_owned());
    out.split_inclusive('\n').map(stars).collect()
}

/// Puts something in the place of each of these ranges of characters.
fn replace(text: &str, ranges: &[Range<usize>], by: impl Fn(&str) -> String) -> String {
    let mut ranges = ranges.to_vec();
    ranges.sort_by_key(|range| range.start);
    let mut out = String::with_capacity(text.len());
    let (mut at_char, mut at_byte) = (0, 0);
    for range in ranges {
        // An alias may name the same place twice.
        if range.start < at_char || range.is_empty() {
            continue;
        }
        let begin = after(text, at_byte, range.start - at_char);
        // The parser counts the blanks behind a quoted text as part of it.
        let end = begin + text[begin..after(text, begin, range.len())].trim_end().len();
        out.push_str(&text[at_byte..begin]);
        out.push_str(&by(&text[begin..end]));
        at_char = range.start + text[begin..end].chars().count();
        at_byte = end;
    }
    out.push_str(&text[at_byte..]);
    out
}

/// The byte that lies so many characters after another.
fn after(text: &str, byte: usize, characters: usize) -> usize {
    text[byte..].char_indices().nth(characters).map_or(text.len(), |(index, _)| byte + index)
}

/// Longer lines are not shown: nobody reads them, and masking them takes its time.
const LONGEST_LINE: usize = 1000;

/// A source line as it may be shown, given the text that it belongs to.
pub(super) fn line(text: &str, number: usize) -> String {
    lines(text, [number]).pop().unwrap_or_default()
}

/// The same for many lines, in one pass; their numbers must ascend.
pub(super) fn lines(text: &str, numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    let mut rest = text.lines();
    let mut read = 0;
    let mut line: Option<&str> = None;
    let mut above = Above::default();
    let mut shown = Vec::new();
    for number in numbers {
        while read < number && (read == 0 || line.is_some()) {
            if let Some(line) = line {
                above.pass(line);
            }
            line = rest.next();
            read += 1;
        }
        let here = line.filter(|line| number > 0 && line.len() <= LONGEST_LINE);
        shown.push(here.map_or_else(String::new, |line| above.show(line)));
    }
    shown
}

/// What the lines above say of a line.
#[derive(Default)]
struct Above<'t> {
    /// The last line with a key.
    key: Option<&'t str>,
    /// How far the key is indented below which every value is hidden.
    values: Option<usize>,
    /// The same of a key whose value is hidden, over however many lines it goes.
    secret: Option<usize>,
    /// The quote that such a value began with, and that is not closed yet.
    quote: Option<char>,
}

impl<'t> Above<'t> {
    fn pass(&mut self, line: &'t str) {
        if self.quote.is_some() {
            self.quote = open_quote(line, self.quote);
            return;
        }
        if line.trim().is_empty() || line.trim_start().starts_with('#') || self.is_in_secret(line) {
            return;
        }
        if !is_item(line) {
            self.key = Some(line);
        }
        let indent = indented(line);
        let opening = line.trim().strip_suffix(':');
        let opens = opening.is_some_and(|key| MAPS_OF_VALUES.contains(&key) || key == HEADERS);
        self.values = if opens { Some(indent) } else { self.values.filter(|from| *from < indent) };
        let among_values = !opens && self.values.is_some();
        let key = line.trim_start_matches([' ', '-']);
        let name = key.split_once(':').map(|(name, _)| name.trim_end_matches(['"', '\'', ' ']));
        let hides = name.is_some_and(|name| among_values || names_secret(name));
        self.secret = hides.then_some(line.len() - key.len());
        let tells = |name: &str| {
            names_secret(name.trim_end_matches(['"', '\'', ' ']))
                || MAPS_OF_VALUES.iter().any(|map| name.ends_with(map))
        };
        self.quote = if among_values || line.split(':').any(tells) { open_quote(line, None) } else { None };
    }

    /// A list may begin right below its key.
    fn is_in_secret(&self, line: &str) -> bool {
        let indent = indented(line);
        self.secret.is_some_and(|from| from < indent || (from == indent && line.trim_start().starts_with('-')))
    }

    fn show(&self, line: &str) -> String {
        if self.quote.is_some() || self.is_in_secret(line) {
            return hide_all(line);
        }
        // An item of a list belongs to the key above it.
        let key = self.key.filter(|_| is_item(line)).and_then(|line| line.rsplit_once(':')).map(|(key, _)| key);
        let inside = key.is_some_and(|key| names_secret(key.trim_end_matches(['"', '\'', ' '])));
        hide_values(&stars(line), inside, self.values.is_some_and(|from| from < indented(line)))
    }
}

fn is_item(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with(['-', '#', '"', '\'', ']']) || !line.contains(':')
}

/// The quote that is open at the end of a line, given the one that is at its beginning.
fn open_quote(line: &str, mut open: Option<char>) -> Option<char> {
    let mut begins = true;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match open {
            Some('"') if c == '\\' => drop(chars.next()),
            // A doubled single quote closes and opens again.
            Some(quote) if c == quote => open = None,
            None if (c == '"' || c == '\'') && begins => open = Some(c),
            _ => {}
        }
        begins = c.is_whitespace() || ":,[{-'".contains(c);
    }
    open
}

/// Stars for all but references and what lists are written with.
fn hide_all(line: &str) -> String {
    let mark = |c: char| c.is_whitespace() || "-[],\"'".contains(c);
    let begin = line.len() - line.trim_start_matches(mark).len();
    let mut out = line[..begin].to_owned();
    for part in parts(&line[begin..]) {
        match part {
            Part::Reference(name) if !looks_secret(name) => out.extend(["${", name, "}"]),
            Part::Reference(name) => out.extend(std::iter::repeat_n('*', name.chars().count() + 3)),
            Part::Literal(text) => out.extend(text.chars().map(|c| if mark(c) && c != '-' { c } else { '*' })),
            Part::Open => out.push('*'),
        }
    }
    out
}

fn indented(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Whether what stands below this key may be a secret.
pub(super) fn may_hold_secret(key: &str) -> bool {
    names_secret(key) || MAPS_OF_VALUES.contains(&key)
}

/// Whether a key's name, the last word of this, says that a secret is behind it.
fn names_secret(key: &str) -> bool {
    let word = key.rsplit(|c: char| !(c.is_alphanumeric() || "_-".contains(c))).next().unwrap_or("");
    let word = word.to_ascii_lowercase();
    // The address of a webhook lets everybody who knows it post there.
    word == "url"
        || ["key", "keys", "token", "secret", "password", "passwd", "authorization"]
            .iter()
            .any(|end| word.ends_with(end))
}

/// Stars for every value behind a key that tells of a secret, references excepted; `inside`: from the beginning on.
fn hide_values(line: &str, mut inside: bool, below_values: bool) -> String {
    // Where a map begins in this line all of whose values are hidden.
    let mut map = below_values.then_some(0);
    words(line, |word, before, after| {
        let mut behind = after.trim_start_matches(['"', '\'', ' ']).chars();
        if map.is_some_and(|from| before[from..].contains('}')) {
            map = None;
            inside = false;
        }
        // What stands right behind a value or a colon is no key.
        let before_it = before.trim_end_matches(['"', '\'', ' ']);
        let begins = !before_it.ends_with(|c: char| c == ':' || c.is_alphanumeric());
        if (begins || !inside) && behind.next() == Some(':') && behind.next().is_none_or(char::is_whitespace) {
            inside = map.is_some() || names_secret(word);
            if map.is_none() && (MAPS_OF_VALUES.contains(&word) || (word == HEADERS && opens_map(after))) {
                map = Some(before.len());
                inside = false;
            }
            return false;
        }
        inside && !before.ends_with("${") && !before.ends_with("${file:")
    })
}

/// Keys behind which every value may be a secret, whatever its name is.
const MAPS_OF_VALUES: [&str; 2] = ["query", "set_headers"];
/// The same where a map stands behind it: as one of the timeouts it is a length of time.
pub(super) const HEADERS: &str = "headers";

fn opens_map(behind: &str) -> bool {
    behind.trim_start_matches(['"', '\'', ' ', ':']).starts_with('{')
}

/// Stars for every word that looks like a key, and for the credentials of a URL.
fn stars(line: &str) -> String {
    let mut line = words(line, |word, _, _| looks_secret(word));
    let mut from = 0;
    while let Some(begin) = line[from..].find("://").map(|at| from + at + 3) {
        // A password may hold what ends a host.
        let end = line[begin..].find(|c: char| c.is_whitespace() || c == '"').map_or(line.len(), |at| begin + at);
        let credentials = line[begin..end].rfind('@').map(|at| begin..begin + at);
        if let Some(range) = credentials.filter(|range| !is_reference(&line[range.clone()])) {
            let hidden = "*".repeat(line[range.clone()].chars().count());
            line.replace_range(range, &hidden);
        }
        from = begin;
    }
    hide_queries(&line)
}

/// Whether credentials are references alone, with nothing but a colon between them.
pub(super) fn is_reference(credentials: &str) -> bool {
    let mut rest = credentials;
    while let Some((before, behind)) = rest.split_once("${") {
        let Some((_, behind)) = behind.split_once('}') else { return false };
        if !before.trim_matches(':').is_empty() {
            return false;
        }
        rest = behind;
    }
    rest.len() < credentials.len() && rest.trim_matches(':').is_empty()
}

/// Stars for the values in a query: `/v1?key=*****`.
fn hide_queries(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(begin) = rest.find('?').map(|at| at + 1) {
        out.push_str(&rest[..begin]);
        rest = &rest[begin..];
        let end = rest.find(['"', '\'', ' ', '`', '}', ']']).unwrap_or(rest.len());
        let mut value = false;
        for c in rest[..end].chars() {
            value = (value || c == '=') && c != '&';
            out.push(if value && c != '=' { '*' } else { c });
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

/// Stars for the words that are to be hidden, each judged with what comes before and after it.
fn words(text: &str, mut hide: impl FnMut(&str, &str, &str) -> bool) -> String {
    let part_of_word = |c: char| c.is_alphanumeric() || "_-+/=.".contains(c);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (word, tail) = rest.split_at(rest.find(|c| !part_of_word(c)).unwrap_or(rest.len()));
        if !word.is_empty() && hide(word, &text[..text.len() - rest.len()], tail) {
            out.extend(std::iter::repeat_n('*', word.chars().count()));
        } else {
            out.push_str(word);
        }
        let (between, tail) = tail.split_at(tail.find(part_of_word).unwrap_or(tail.len()));
        out.push_str(between);
        rest = tail;
    }
    out
}

/// Whether a word has the look of a key.
pub(super) fn looks_secret(word: &str) -> bool {
    let long = word.len() >= 12 && PREFIXES.iter().any(|prefix| word.starts_with(prefix));
    let has = |test: fn(&u8) -> bool| word.bytes().any(|byte| test(&byte));
    let mixed = word.len() >= 20
        && !word.contains('/')
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_digit);
    let hex = word.len() >= 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    long || mixed || hex
}

#[cfg(test)]
mod tests;
