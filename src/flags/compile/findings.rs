//! What the compiler finds on its way: errors, warnings, secrets to hide, files that were read.
//!
//! Every value of the file goes through here: its references are replaced, it is parsed, and what is wrong with it is
//! written down with its place. A value that is wrong is replaced by its default so that the way goes on; nothing is
//! made of a file with errors.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use crate::decide::policy::Secret;

use super::super::environment::{Environment, Expanded, FileRead, Secrets};
use super::super::error::FlagsError;
use super::super::mask;
use super::super::memory::Place;
use super::super::place::At;
use super::super::scalar::Wrong;
use super::super::shape::MOST_ERRORS;
use super::super::tree::{Kind, Spot};

/// What was found so far.
pub(super) struct Findings<'e> {
    pub(super) environment: &'e Environment,
    pub(super) errors: Vec<FlagsError>,
    pub(super) warnings: Vec<(usize, String)>,
    /// Which characters of the text are literal secrets.
    pub(super) secrets: Vec<Range<usize>>,
    pub(super) files: BTreeSet<FileRead>,
    pub(super) read: Secrets,
    /// Where each provider begins, in the file's order.
    pub(super) providers: Vec<Spot>,
}

/// What became of one text in the place of a secret.
pub(super) enum Resolved {
    /// These are it; a file may give several.
    Texts(Vec<String>),
    /// It leads nowhere.
    Unset(String),
    /// Nothing is resolved here.
    Unresolved,
}

impl<'e> Findings<'e> {
    pub(super) fn new(environment: &'e Environment, errors: Vec<FlagsError>) -> Findings<'e> {
        Findings {
            environment,
            errors,
            warnings: Vec::new(),
            secrets: Vec::new(),
            files: BTreeSet::new(),
            read: environment.secrets(),
            providers: Vec::new(),
        }
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

    /// The same for a text that may be a secret although its name does not say so: it is never shown.
    pub(super) fn hidden(
        &mut self,
        at: &At,
        given: &str,
        parse: impl FnOnce(&str) -> Result<String, Wrong>,
    ) -> Option<String> {
        if !is_all_reference(given) {
            self.hide(at);
        }
        let text = match self.expand(at, given)? {
            Ok(text) => text,
            Err(reason) => {
                self.error(at, reason, "set it before the start, or write the value itself");
                return None;
            }
        };
        parse(&text).map_err(|Wrong { problem, remedy }| self.error(at, format!("the value {problem}"), remedy)).ok()
    }

    /// Masks what stands here wherever the file is shown. A reference shows no secret.
    fn hide(&mut self, at: &At) {
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
                let written =
                    if given.is_empty() { "an empty text".to_owned() } else { format!("`{}`", mask::short(given)) };
                self.error(at, format!("{written} {problem}"), remedy);
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
    pub(super) fn secret(&mut self, at: &At, given: &str) -> Resolved {
        if !is_all_reference(given) {
            let literal = !given.contains("${");
            self.hide(at);
            if given.trim().is_empty() {
                self.error(at, "this is empty", "write a reference such as `${NAME}`");
                return Resolved::Unresolved;
            }
            if literal && given.starts_with('$') {
                self.error(at, "a reference without braces is taken literally", "write `${NAME}`");
                return Resolved::Unresolved;
            }
            self.warn(at, "a secret stands in the file; keep it in a variable (`${NAME}`) or a file (`${file:/path}`)");
        }
        match self.expand(at, given) {
            None => Resolved::Unresolved,
            Some(Err(reason)) => Resolved::Unset(reason),
            Some(Ok(text)) => {
                let texts: Vec<String> =
                    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
                // No header could carry it, and a word about it must not repeat it.
                if texts.iter().any(|text| !text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')) {
                    return Resolved::Unset("the secret has characters that no header can carry".to_owned());
                }
                Resolved::Texts(texts)
            }
        }
    }

    /// The one secret of a place that Serin cannot do without: unset is an error.
    pub(super) fn own_secret(&mut self, at: &At, given: Option<&str>) -> Option<Secret> {
        match self.secret(at, given?) {
            Resolved::Texts(texts) if texts.len() == 1 => texts.into_iter().next().map(Secret::new),
            Resolved::Texts(_) => {
                self.error(at, "the secret has more than one line", "keep one secret in a file of its own");
                None
            }
            Resolved::Unset(reason) => {
                self.error(at, reason, "set it before the start");
                None
            }
            Resolved::Unresolved => Some(Secret::new(mask::MASK.to_owned())),
        }
    }
}

/// How a header may begin before the secret itself.
const SCHEMES: [&str; 8] = ["basic", "bearer", "token", "key", "apikey", "api-key", "digest", "negotiate"];

/// Whether nothing but references stands there, behind the name of a scheme perhaps. Whatever else is beside one may be
/// a part of the secret, however short it is.
fn is_all_reference(given: &str) -> bool {
    let Some((scheme, mut rest)) = given.split_once("${") else { return false };
    let name = scheme.trim();
    if !name.is_empty() && !(scheme.ends_with(' ') && SCHEMES.iter().any(|known| name.eq_ignore_ascii_case(known))) {
        return false;
    }
    while let Some((_, behind)) = rest.split_once('}') {
        match behind.split_once("${") {
            Some((between, next)) if between.trim().is_empty() => rest = next,
            Some(_) => return false,
            None => return behind.trim().is_empty(),
        }
    }
    false
}
