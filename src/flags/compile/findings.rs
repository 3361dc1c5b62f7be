//! What the compiler finds on its way: errors, warnings, secrets to hide, files that were read.
//!
//! Every value of the file goes through here: its references are replaced, it is parsed, and what is wrong with it is
//! written down with its place. A value that is wrong is replaced by its default so that the way goes on; nothing is
//! made of a file with errors.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::super::bounds::MOST_ERRORS;
use super::super::environment::{Environment, Expanded, FileRead, Secrets};
use super::super::error::FlagsError;
use super::super::mask;
use super::super::place::At;
use super::super::scalar::{Wrong, number, whole, wrong};
use super::super::text::Spot;

/// What was found so far.
pub(super) struct Findings<'e> {
    pub(super) environment: &'e Environment,
    pub(super) errors: Vec<FlagsError>,
    pub(super) warnings: Vec<(usize, String)>,
    pub(super) notes: Vec<(usize, String)>,
    /// Which characters of the text are literal secrets.
    pub(super) secrets: Vec<Range<usize>>,
    pub(super) files: BTreeSet<FileRead>,
    pub(super) read: Secrets,
    /// Where each provider begins, in the file's order.
    pub(super) providers: Vec<Spot>,
    // Names whose own list could not be read.
    unlisted: Vec<Named>,
    // Names that nothing has: what of, as it is written, and which error tells it.
    nameless: Vec<(Named, String, usize)>,
}

/// What a name of the file may be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Named {
    Provider,
    Rollout,
}

impl<'e> Findings<'e> {
    pub(super) fn new(environment: &'e Environment, errors: Vec<FlagsError>) -> Findings<'e> {
        Findings {
            environment,
            errors,
            warnings: Vec::new(),
            notes: Vec::new(),
            secrets: Vec::new(),
            files: BTreeSet::new(),
            read: environment.secrets(),
            providers: Vec::new(),
            unlisted: Vec::new(),
            nameless: Vec::new(),
        }
    }

    /// Says whether all names of a kind are known: where not, none is told to be unknown.
    pub(super) fn names_are_known(&mut self, what: Named, known: bool) {
        if !known {
            self.unlisted.push(what);
        }
    }

    /// The same as [`given`](Findings::given) for the name of something else in the file.
    pub(super) fn named<T>(&mut self, at: &At, what: Named, parse: impl FnOnce(&str) -> Result<T, Wrong>) -> Option<T> {
        let before = self.errors.len();
        let found = self.given(at, parse);
        if let Some(given) = at.text().filter(|_| self.errors.len() > before) {
            self.nameless.push((what, given.to_owned(), before));
        }
        found
    }

    /// Leaves one error for each name that nothing has, however often it is used.
    pub(super) fn deduplicate_unknown_names(&mut self) {
        let mut nameless = std::mem::take(&mut self.nameless);
        nameless.sort_by_key(|(_, _, index)| (self.errors[*index].line, self.errors[*index].column));
        let mut first: BTreeMap<(Named, String), usize> = BTreeMap::new();
        let mut also: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        let mut superfluous: BTreeSet<usize> = BTreeSet::new();
        for (what, name, index) in nameless {
            let first_index = *first.entry((what, name)).or_insert(index);
            if self.unlisted.contains(&what) {
                superfluous.insert(index);
            } else if first_index != index {
                also.entry(first_index).or_default().insert(self.errors[index].line);
                superfluous.insert(index);
            }
        }
        for (index, mut lines) in also {
            let error = &mut self.errors[index];
            lines.remove(&error.line);
            let lines: Vec<String> = lines.iter().map(usize::to_string).collect();
            match lines.as_slice() {
                [] => {}
                [line] => error.problem.push_str(&format!(" (also on line {line})")),
                [others @ .., last] => {
                    error.problem.push_str(&format!(" (also on lines {} and {last})", others.join(", ")));
                }
            }
        }
        let mut index = 0;
        self.errors.retain(|_| {
            index += 1;
            !superfluous.contains(&(index - 1))
        });
    }

    /// Whether references lead anywhere.
    pub(super) fn resolves(&self) -> bool {
        self.environment.resolves()
    }

    pub(super) fn error(&mut self, at: &At, problem: impl Into<String>, remedy: impl Into<String>) {
        if self.errors.len() <= MOST_ERRORS {
            let spot = at.spot();
            let error = FlagsError::at(spot.line, spot.column, problem, remedy);
            self.errors.push(FlagsError { path: at.path.clone(), ..error });
        }
    }

    pub(super) fn warn(&mut self, at: &At, warning: impl AsRef<str>) {
        let line = at.spot().line;
        if self.warnings.len() < MOST_ERRORS {
            self.warnings.push((line, format!("line {line}: {}: {}", at.path, warning.as_ref())));
        }
    }

    /// The same for what is as it should be, and may surprise.
    pub(super) fn note(&mut self, at: &At, note: impl AsRef<str>) {
        let line = at.spot().line;
        if self.notes.len() < MOST_ERRORS {
            self.notes.push((line, format!("line {line}: {}: {}", at.path, note.as_ref())));
        }
    }

    /// The value of a text, or that of its default where it is absent, wrong or not resolved here.
    pub(super) fn value<T>(&mut self, at: &At, parse: impl Fn(&str) -> Result<T, Wrong>) -> T {
        self.given(at, &parse).unwrap_or_else(|| usual(at, parse))
    }

    /// One of these words; `problem`: what any other is.
    pub(super) fn choice<T: Copy>(&mut self, at: &At, problem: &str, words: &[(&str, T)]) -> T {
        self.value(at, |text| choose(text, problem, words))
    }

    /// A whole number within the bounds of its key.
    pub(super) fn whole(&mut self, at: &At) -> u32 {
        self.value(at, |text| whole_at(at, text))
    }

    /// A number within the bounds of its key.
    pub(super) fn number(&mut self, at: &At) -> f64 {
        let (least, most) = at.bounds();
        let bound = |bound: &serde_json::Value| bound.as_f64().unwrap_or_default();
        self.value(at, |text| number(text, bound(least), bound(most)))
    }

    /// The value of a text; `None` where it is absent, wrong (which is written down) or not resolved here.
    pub(super) fn given<T>(&mut self, at: &At, parse: impl FnOnce(&str) -> Result<T, Wrong>) -> Option<T> {
        let given = at.text()?;
        if !self.environment.may_show(&at.path, given) {
            return None;
        }
        let text = match self.expand(at)? {
            Ok(text) => text,
            Err(reason) => {
                self.error(at, reason, "set it before the start, or write the value itself");
                return None;
            }
        };
        match parse(&text) {
            Ok(value) => Some(value),
            // The reference is quoted, never what it stands for.
            Err(Wrong { problem, remedy }) => {
                self.error(at, format!("{} {problem}", mask::quoted(given)), remedy);
                None
            }
        }
    }

    /// The text with its references replaced; `Err`: one leads nowhere; `None`: not resolved here, or no reference.
    pub(super) fn expand(&mut self, at: &At) -> Option<Result<String, String>> {
        let expanded = self.environment.expand(at.text()?, &mut self.read);
        self.warn_of_kept_values(at);
        match expanded {
            Expanded::Text { text, files, .. } => {
                self.files.extend(files);
                Some(Ok(text))
            }
            Expanded::Unset { reason, files } => {
                self.files.extend(files);
                Some(Err(reason))
            }
            Expanded::Unresolved => None,
            Expanded::Malformed(problem) => {
                self.error(at, problem, "write `${NAME}` for a variable or `${file:/path}` for a mounted secret");
                None
            }
        }
    }

    /// Says of which values only the last ones are known.
    pub(super) fn warn_of_kept_values(&mut self, at: &At) {
        for reason in self.read.recent.take_kept() {
            self.warn(at, format!("{reason}: its last value is kept, and is lost at a restart"));
        }
    }
}

/// The default of a key that has one.
pub(super) fn usual<T>(at: &At, parse: impl Fn(&str) -> Result<T, Wrong>) -> T {
    let default = at.default().and_then(|text| parse(&text).ok());
    default.expect("a key that is read so has a default, and it is a value of its kind")
}

/// A whole number within the bounds of this place.
pub(super) fn whole_at(at: &At, text: &str) -> Result<u32, Wrong> {
    let (least, most) = at.bounds();
    let bound =
        |bound: &serde_json::Value| bound.as_u64().and_then(|bound| u32::try_from(bound).ok()).unwrap_or_default();
    whole(text, bound(least), bound(most))
}

/// One of these words; `problem`: what any other is.
pub(super) fn choose<T: Copy>(text: &str, problem: &str, words: &[(&str, T)]) -> Result<T, Wrong> {
    if let Some((_, choice)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*choice);
    }
    let words: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
    match words.as_slice() {
        [] => wrong(problem, "remove this"),
        [only] => wrong(problem, format!("write {only}")),
        [first @ .., last] => wrong(problem, format!("write {} or {last}", first.join(", "))),
    }
}
