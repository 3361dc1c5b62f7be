//! Values of the file that are secrets, or may be: keys, tokens, headers, addresses with a password.
//!
//! Each is masked wherever the file is shown, and never quoted in an error. One whose references lead to nothing of use
//! keeps its last value, which is said; one that stands literally in the file is warned about.

use std::net::SocketAddr;
use std::path::Path;

use super::super::environment::FileRead;
use super::super::mask;
use super::super::memory::SecretId;
use super::super::place::At;
use super::super::reference::{Part, parts};
use super::super::scalar::{Wrong, wrong};
use super::findings::Findings;
use crate::decide::exposure::{SHORTEST_TOKEN, is_loopback, is_short};
use crate::decide::policy::Secret;

/// What became of one text in the place of a secret.
pub(super) enum Resolved<T> {
    To(T),
    /// It leads nowhere, or to nothing that could be it.
    Unset(Wrong),
    /// Nothing is resolved here.
    Unresolved,
}

impl Findings<'_> {
    /// A text that may be a secret although its name does not say so: it is never shown, and stays what it was where
    /// its references lead to nothing of use.
    pub(super) fn hidden(&mut self, at: &At, parse: impl Fn(&str) -> Result<String, Wrong>) -> Option<String> {
        self.hide(at);
        let parse = |text: &str| {
            parse(text).map_err(|Wrong { problem, remedy }| Wrong { problem: format!("the value {problem}"), remedy })
        };
        self.settle(at, parse)?.map_err(|Wrong { problem, remedy }| self.error(at, problem, remedy)).ok()
    }

    /// The same for an address that may hold a password: what is wrong with it is told with the text as it is written.
    pub(super) fn kept<T>(&mut self, at: &At, parse: impl Fn(&str) -> Result<T, Wrong>) -> Option<T> {
        let written = mask::quoted(at.text()?);
        let parse = |text: &str| {
            parse(text).map_err(|Wrong { problem, remedy }| Wrong { problem: format!("{written} {problem}"), remedy })
        };
        self.settle(at, parse)?.map_err(|Wrong { problem, remedy }| self.error(at, problem, remedy)).ok()
    }

    /// What a text is made of by its references now; where that is nothing of use, by what they led to last, which is
    /// said. `None`: not resolved here, or no reference.
    fn settle<T>(&mut self, at: &At, parse: impl Fn(&str) -> Result<T, Wrong>) -> Option<Result<T, Wrong>> {
        let wrong = match self.expand(at)?.map(|text| parse(&text)) {
            Ok(Ok(value)) => return Some(Ok(value)),
            Ok(Err(wrong)) => wrong,
            Err(problem) => Wrong { problem, remedy: "set it before the start".to_owned() },
        };
        Some(match self.read.recent.last(at.text()?).map(|text| parse(&text)) {
            Some(Ok(value)) => {
                self.stay(at, wrong.problem);
                Ok(value)
            }
            _ => Err(wrong),
        })
    }

    /// Goes on with the last value of a text, and says why.
    fn stay(&mut self, at: &At, reason: String) {
        self.read.recent.stay(at.text().unwrap_or_default(), reason);
        self.warn_of_kept_values(at);
    }

    /// Masks what stands here wherever the file is shown, unless it is references alone, which show no secret.
    fn hide(&mut self, at: &At) {
        if let Some(node) = at.node()
            && let Some(given) = node.text()
            && !is_all_reference(given)
        {
            self.secrets.push(node.span.clone());
        }
    }

    /// The secrets in a place of a provider, else those that were there last. `reason`: why there are none.
    pub(super) fn or_last_in(
        &mut self,
        at: &At,
        place: SecretId,
        found: Vec<String>,
        reason: Option<&str>,
    ) -> Vec<String> {
        let values = self.read.recent.or_last_in(place, found, reason);
        self.warn_of_kept_values(at);
        values
    }

    /// What is wrong with a file of certificates, or of a `key`, that was not right before.
    pub(super) fn certificates(&mut self, at: &At, path: &Path, key: bool) -> Option<String> {
        if !self.environment.may_look_at(path) {
            return None;
        }
        let (file, problem) = FileRead::pem(path, key);
        self.files.insert(file);
        let problem = self.read.recent.certificates(path, problem);
        self.warn_of_kept_values(at);
        problem
    }

    /// The text in the place of a secret. A literal one is masked wherever the file is shown, and warned about.
    pub(super) fn secret<T>(&mut self, at: &At, parse: impl Fn(&str) -> Result<T, Wrong>) -> Resolved<T> {
        let Some(given) = at.text() else { return Resolved::Unresolved };
        self.hide(at);
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
            self.warn(at, "the file contains a secret; keep it in a variable (`${NAME}`) or a file (`${file:/path}`)");
        }
        match self.settle(at, parse) {
            None => Resolved::Unresolved,
            Some(Err(wrong)) => Resolved::Unset(wrong),
            Some(Ok(value)) => Resolved::To(value),
        }
    }

    /// The one secret of a place that Serin cannot do without: unset is an error. `fits`: what else it must be.
    pub(super) fn own_secret(&mut self, at: &At, fits: impl Fn(&str) -> Result<(), Wrong>) -> Option<Secret> {
        at.text()?;
        match self.secret(at, |text| one_line(text).and_then(|line| fits(&line).map(|()| line))) {
            Resolved::To(text) => Some(Secret::new(text)),
            Resolved::Unset(Wrong { problem, remedy }) => {
                self.error(at, problem, remedy);
                None
            }
            Resolved::Unresolved => Some(Secret::new(mask::MASK.to_owned())),
        }
    }

    /// A secret by which somebody may do more than others. `reached`: the socket at which it is shown.
    pub(super) fn token(&mut self, at: &At, reached: SocketAddr) -> Option<Secret> {
        let fits = |token: &str| {
            if is_loopback(reached.ip()) || !is_short(token) {
                return Ok(());
            }
            wrong(
                format!(
                    "a token of fewer than {SHORTEST_TOKEN} characters can be guessed by everyone who can connect to \
                     {reached}"
                ),
                "write a random one, such as the output of `openssl rand -hex 16`",
            )
        };
        let token = self.own_secret(at, fits)?;
        if self.resolves() && is_short(token.reveal()) {
            let problem = format!(
                "a token of fewer than {SHORTEST_TOKEN} characters can be guessed; off loopback it is an error"
            );
            self.warn(at, problem);
        }
        Some(token)
    }

    /// Tells secrets apart that must not be the same: one that became another's keeps its last value. `problem`: what
    /// to say of it.
    pub(super) fn reject_equal_secrets(&mut self, secrets: &mut [(At, Secret)], problem: &str) {
        if !self.resolves() {
            return;
        }
        // One that goes back may meet one that came to its place; each goes back once.
        loop {
            let twice = |secret: &Secret| secrets.iter().filter(|(_, other)| other == secret).count() > 1;
            let back: Vec<(usize, Secret)> = secrets
                .iter()
                .enumerate()
                .filter(|(_, (_, secret))| twice(secret))
                .filter_map(|(index, (at, secret))| {
                    let last = Secret::new(one_line(&self.read.recent.last(at.text()?)?).ok()?);
                    (last != *secret).then_some((index, last))
                })
                .collect();
            if back.is_empty() {
                return;
            }
            for (index, last) in back {
                let (at, secret) = &mut secrets[index];
                *secret = last;
                self.stay(at, problem.to_owned());
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
    wrong("the secret has characters that are not allowed in a header", "write printable ASCII characters into it")
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
