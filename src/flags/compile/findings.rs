//! What the compiler finds on its way: errors, warnings, secrets to hide, files that were read.
//!
//! Every value of the file goes through here: its references are replaced, it is parsed, and what is wrong with it is
//! written down with its place. A value that is wrong is replaced by its default so that the way goes on; nothing is
//! made of a file with errors.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;

use crate::decide::exposure::{SHORTEST_TOKEN, is_loopback, is_short};
use crate::decide::policy::Secret;

use super::super::environment::{Environment, Expanded, FileRead, Part, Secrets, parts};
use super::super::error::FlagsError;
use super::super::mask;
use super::super::memory::Place;
use super::super::place::At;
use super::super::scalar::{Wrong, wrong};
use super::super::shape::MOST_ERRORS;
use super::super::tree::{Kind, Spot};

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
    // The paths of maps with a key that nobody knows, which may be any that is missing there.
    puzzling: BTreeSet<String>,
    // Names whose own list could not be read.
    unlisted: Vec<Named>,
    // Names that nothing has: what of, as it is written, and which error tells it.
    nameless: Vec<(Named, String, usize)>,
}

/// What a name of the file may be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Named {
    /// One of `providers`.
    Provider,
    /// One of `rollouts`.
    Rollout,
}

/// What became of one text in the place of a secret.
pub(super) enum Resolved<T> {
    /// This is it.
    To(T),
    /// It leads nowhere, or to nothing that could be it.
    Unset(Wrong),
    /// Nothing is resolved here.
    Unresolved,
}

impl<'e> Findings<'e> {
    pub(super) fn new(
        environment: &'e Environment,
        errors: Vec<FlagsError>,
        puzzling: BTreeSet<String>,
    ) -> Findings<'e> {
        Findings {
            environment,
            errors,
            warnings: Vec::new(),
            notes: Vec::new(),
            secrets: Vec::new(),
            files: BTreeSet::new(),
            read: environment.secrets(),
            providers: Vec::new(),
            puzzling,
            unlisted: Vec::new(),
            nameless: Vec::new(),
        }
    }

    /// Whether the map here has a key that nobody knows: what seems to be missing may be what it means.
    pub(super) fn is_puzzling(&self, at: &At) -> bool {
        self.puzzling.contains(&at.path)
    }

    /// Says whether all names of a kind are known: where not, none is told to be unknown.
    pub(super) fn names_are_known(&mut self, what: Named, known: bool) {
        if !known {
            self.unlisted.push(what);
        }
    }

    /// The same as [`given`](Findings::given) for the name of something else in the file.
    pub(super) fn named<T>(
        &mut self,
        at: &At,
        given: Option<&str>,
        what: Named,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        let before = self.errors.len();
        let found = self.given(at, given, parse);
        if let Some(given) = given.filter(|_| self.errors.len() > before) {
            self.nameless.push((what, given.to_owned(), before));
        }
        found
    }

    /// Leaves one error for each name that nothing has, however often it is used.
    pub(super) fn tell_names_once(&mut self) {
        let mut nameless = std::mem::take(&mut self.nameless);
        nameless.sort_by_key(|(_, _, index)| (self.errors[*index].line, self.errors[*index].column));
        let mut first: BTreeMap<(Named, String), usize> = BTreeMap::new();
        let mut also: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        let mut superfluous: BTreeSet<usize> = BTreeSet::new();
        for (what, name, index) in nameless {
            let told = *first.entry((what, name)).or_insert(index);
            if self.unlisted.contains(&what) {
                superfluous.insert(index);
            } else if told != index {
                also.entry(told).or_default().insert(self.errors[index].line);
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

    /// The value of a text, or what stands for it where it is absent, wrong or not resolved here.
    pub(super) fn value<T>(
        &mut self,
        at: &At,
        given: Option<&str>,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> T {
        self.given(at, given, parse).unwrap_or(default)
    }

    /// The same for a text that may be a secret although its name does not say so: it is never shown, and stays what it
    /// was where its references lead to nothing of use.
    pub(super) fn hidden(
        &mut self,
        at: &At,
        given: &str,
        parse: impl Fn(&str) -> Result<String, Wrong>,
    ) -> Option<String> {
        self.hide(at, given);
        let parse = |text: &str| {
            parse(text).map_err(|Wrong { problem, remedy }| Wrong { problem: format!("the value {problem}"), remedy })
        };
        self.settle(at, given, parse)?.map_err(|Wrong { problem, remedy }| self.error(at, problem, remedy)).ok()
    }

    /// The same for an address that may hold a password: what is wrong with it is told with the text as it is written.
    pub(super) fn kept<T>(
        &mut self,
        at: &At,
        given: Option<&str>,
        parse: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        let given = given?;
        let written = mask::quoted(given);
        let parse = |text: &str| {
            parse(text).map_err(|Wrong { problem, remedy }| Wrong { problem: format!("{written} {problem}"), remedy })
        };
        self.settle(at, given, parse)?.map_err(|Wrong { problem, remedy }| self.error(at, problem, remedy)).ok()
    }

    /// What a text is made of by its references now; where that is nothing of use, by what they led to last, which is
    /// said. `None`: not resolved here, or no reference.
    fn settle<T>(
        &mut self,
        at: &At,
        given: &str,
        parse: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Option<Result<T, Wrong>> {
        let wrong = match self.expand(at, given)?.map(|text| parse(&text)) {
            Ok(Ok(value)) => return Some(Ok(value)),
            Ok(Err(wrong)) => wrong,
            Err(problem) => Wrong { problem, remedy: "set it before the start".to_owned() },
        };
        Some(match self.read.recent.last(given).map(|text| parse(&text)) {
            Some(Ok(value)) => {
                self.stay(at, given, wrong.problem);
                Ok(value)
            }
            _ => Err(wrong),
        })
    }

    /// Goes on with the last value of a text, and says why.
    fn stay(&mut self, at: &At, given: &str, reason: String) {
        self.read.recent.stay(given, reason);
        self.tell_kept(at);
    }

    /// Masks what stands here wherever the file is shown, unless it is references alone, which show no secret.
    fn hide(&mut self, at: &At, given: &str) {
        if is_all_reference(given) {
            return;
        }
        if let Some(node) = at.node()
            && let Kind::Scalar { .. } = node.kind
        {
            self.secrets.push(node.span.clone());
        }
    }

    /// The value of a text; `None` where it is absent, wrong (which is written down) or not resolved here.
    pub(super) fn given<T>(
        &mut self,
        at: &At,
        given: Option<&str>,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        let given = given?;
        let text = match self.expand(at, given)? {
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
    fn expand(&mut self, at: &At, given: &str) -> Option<Result<String, String>> {
        let expanded = self.environment.expand(given, &mut self.read);
        self.tell_kept(at);
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
    fn tell_kept(&mut self, at: &At) {
        for reason in self.read.recent.take_kept() {
            self.warn(at, format!("{reason}: its last value is kept, and a restart would begin without it"));
        }
    }

    /// The secrets in a place of a provider, else those that were there last. `reason`: why there are none.
    pub(super) fn or_last_in(
        &mut self,
        at: &At,
        place: Place,
        found: Vec<String>,
        reason: Option<&str>,
    ) -> Vec<String> {
        let values = self.read.recent.or_last_in(place, found, reason);
        self.tell_kept(at);
        values
    }

    /// What is wrong with a file of certificates, or of a `key`, that was not right before.
    pub(super) fn certificates(&mut self, at: &At, path: &Path, key: bool) -> Option<String> {
        let (file, problem) = FileRead::pem(path, key);
        self.files.insert(file);
        let problem = self.read.recent.certificates(path, problem);
        self.tell_kept(at);
        problem
    }

    /// The text in the place of a secret. A literal one is masked wherever the file is shown, and warned about.
    pub(super) fn secret<T>(&mut self, at: &At, given: &str, parse: impl Fn(&str) -> Result<T, Wrong>) -> Resolved<T> {
        self.hide(at, given);
        if !given.contains("${") {
            if given.trim().is_empty() {
                self.error(at, "this is empty", "write a reference such as `${NAME}`");
                return Resolved::Unresolved;
            }
            if given.starts_with('$') {
                self.error(at, "a reference without braces is taken literally", "write `${NAME}`");
                return Resolved::Unresolved;
            }
        }
        if !is_all_reference(given) {
            self.warn(at, "a secret stands in the file; keep it in a variable (`${NAME}`) or a file (`${file:/path}`)");
        }
        match self.settle(at, given, parse) {
            None => Resolved::Unresolved,
            Some(Err(wrong)) => Resolved::Unset(wrong),
            Some(Ok(value)) => Resolved::To(value),
        }
    }

    /// The one secret of a place that Serin cannot do without: unset is an error. `fits`: what else it must be.
    pub(super) fn own_secret(
        &mut self,
        at: &At,
        given: &str,
        fits: impl Fn(&str) -> Result<(), Wrong>,
    ) -> Option<Secret> {
        match self.secret(at, given, |text| one_line(text).and_then(|line| fits(&line).map(|()| line))) {
            Resolved::To(text) => Some(Secret::new(text)),
            Resolved::Unset(Wrong { problem, remedy }) => {
                self.error(at, problem, remedy);
                None
            }
            Resolved::Unresolved => Some(Secret::new(mask::MASK.to_owned())),
        }
    }

    /// A secret by which somebody may do more than others. `reached`: the socket at which it is shown.
    pub(super) fn token(&mut self, at: &At, given: &str, reached: SocketAddr) -> Option<Secret> {
        let fits = |token: &str| {
            if is_loopback(reached.ip()) || !is_short(token) {
                return Ok(());
            }
            wrong(
                format!(
                    "a token of fewer than {SHORTEST_TOKEN} characters can be guessed by everybody who reaches {reached}"
                ),
                "write one from chance, such as `openssl rand -hex 16` gives",
            )
        };
        let token = self.own_secret(at, given, fits)?;
        if self.resolves() && is_short(token.reveal()) {
            let told = format!(
                "a token of fewer than {SHORTEST_TOKEN} characters can be guessed; off loopback it is an error"
            );
            self.warn(at, told);
        }
        Some(token)
    }

    /// Tells secrets apart that must not be the same: one that became another's keeps its last value. `problem`: what
    /// to say of it.
    pub(super) fn tell_apart(&mut self, secrets: &mut [(At, &str, Secret)], problem: &str) {
        if !self.resolves() {
            return;
        }
        // One that goes back may meet one that came to its place; each goes back once.
        loop {
            let twice = |secret: &Secret| secrets.iter().filter(|(.., other)| other == secret).count() > 1;
            let back: Vec<(usize, Secret)> = secrets
                .iter()
                .enumerate()
                .filter(|(_, (.., secret))| twice(secret))
                .filter_map(|(index, (_, given, secret))| {
                    let last = Secret::new(one_line(&self.read.recent.last(given)?).ok()?);
                    (last != *secret).then_some((index, last))
                })
                .collect();
            if back.is_empty() {
                return;
            }
            for (index, last) in back {
                let (at, given, secret) = &mut secrets[index];
                *secret = last;
                self.stay(at, given, problem.to_owned());
            }
        }
    }
}

/// The lines of a secret, each one by itself.
pub(super) fn lines(text: &str) -> Result<Vec<String>, Wrong> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<String> = lines.map(str::to_owned).collect();
    // No header could carry it, and a word about it must not repeat it.
    if lines.iter().all(|line| line.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')) {
        return Ok(lines);
    }
    wrong("the secret has characters that no header can carry", "write printable ASCII characters into it")
}

/// A secret that is one text.
pub(super) fn one_line(text: &str) -> Result<String, Wrong> {
    match <[String; 1]>::try_from(lines(text)?) {
        Ok([line]) => Ok(line),
        Err(_) => wrong("the secret has more than one line", "keep one secret in a file of its own"),
    }
}

/// How a header may begin before the secret itself.
const SCHEMES: [&str; 8] = ["basic", "bearer", "token", "key", "apikey", "api-key", "digest", "negotiate"];

/// Whether nothing but references stands there, behind the name of a scheme perhaps. Whatever else is beside one may be
/// a part of the secret, however short it is.
fn is_all_reference(given: &str) -> bool {
    let mut referred = false;
    for (index, part) in parts(given).enumerate() {
        let plain = match part {
            Part::Reference(_) => {
                referred = true;
                true
            }
            Part::Literal(text) if text.trim().is_empty() => true,
            Part::Literal(text) => {
                let scheme = text.strip_suffix(' ').map(str::trim);
                index == 0 && scheme.is_some_and(|it| SCHEMES.iter().any(|known| it.eq_ignore_ascii_case(known)))
            }
            Part::Open => false,
        };
        if !plain {
            return false;
        }
    }
    referred
}
