//! What a provider complains of, in an error body or an error event of any dialect.
//!
//! Owns the reading of the shapes that providers use (OpenAI's and Anthropic's `error`, Google's list of one, FastAPI's
//! `detail`, bare texts, error pages) into one [`Complaint`]: owned, short, on one line. What it is about is told by
//! code and type first; words are asked only where providers have nothing else, and only whole phrases are believed.

mod about;
mod parts;
mod words;

use serde::de::MapAccess;

pub use about::About;
pub use parts::Complaint;
use parts::{LONGEST_MESSAGE, LONGEST_NAME, bounded};

use super::body;
use super::json::{self, Member, Object, is_nothing};
use super::rate_headers::{wait_in_body, wait_in_words};

/// No limit of a rate takes longer to come back, in milliseconds: who asks for more means a quota.
const LONGEST_RATE_WAIT: u64 = 3_600_000;
/// How many errors may be wrapped in each other.
const DEEPEST: usize = 4;

/// Reads what a body, or the data of an event, complains of; there is always something to return.
#[must_use]
pub fn read_complaint(body: &[u8]) -> Complaint {
    let text = body.trim_ascii();
    let mut complaint = Complaint::default();
    if let Some(b'{' | b'[' | b'"') = text.first() {
        complaint.take(text, DEEPEST);
    }
    if complaint.is_wordless() {
        // Enough for what is kept of it, however much markup it stands in.
        let text = String::from_utf8_lossy(&text[..text.len().min(64 * LONGEST_MESSAGE)]);
        complaint.message = bounded(&words::of_page(&text), LONGEST_MESSAGE);
    }
    complaint
}

impl Complaint {
    /// Takes what the JSON of an error says, the innermost first.
    fn take(&mut self, json: &[u8], deeper: usize) {
        if json.first() == Some(&b'"') {
            let raw = str::from_utf8(json).unwrap_or_default();
            self.message = decoded(raw, LONGEST_MESSAGE).unwrap_or_default();
            return;
        }
        let mut words = Words::default();
        let read = if json.first() == Some(&b'[') {
            let mut first = None;
            let read = json::read_list(json, |element: Words<'_>| {
                first.get_or_insert(element);
            });
            words = first.unwrap_or_default();
            read
        } else {
            json::read(json, &mut words)
        };
        // Bodies are kept up to a limit, so this one may be cut: what was read counts, and what lies in the error too.
        if read.is_err()
            && words.error.is_none()
            && deeper > 0
            && let Some(cut) = json::value_of(json, "error").filter(|value| value.starts_with(b"{"))
        {
            self.take(cut, deeper - 1);
        }
        if let Some(inner) = words.error.or(words.detail)
            && deeper > 0
        {
            self.take(inner.as_bytes(), deeper - 1);
        }
        self.fill(&words);
    }

    fn fill(&mut self, words: &Words<'_>) {
        let name = |raw: Option<&str>| raw.and_then(|raw| decoded(raw, LONGEST_NAME));
        if let Some(message) = words.message.and_then(|raw| decoded(raw, LONGEST_MESSAGE)) {
            if words.error.is_some_and(|raw| raw.starts_with('"')) {
                // `{"error": "invalid_request", "message": "..."}`: the error is a name, the message says more.
                let error = std::mem::take(&mut self.message);
                self.code = Some(error).filter(|error| !error.contains(' '));
            }
            if self.message.is_empty() {
                self.message = message;
            }
        }
        self.code = self.code.take().or_else(|| name(words.inner_code)).or_else(|| name(words.code));
        // The outer type of an error is `error`.
        let outer = self.kind.take().or_else(|| name(words.kind).filter(|kind| kind != "error"));
        self.kind = outer.or_else(|| name(words.status).filter(|status| status.contains('_')));
        self.param = self.param.take().or_else(|| name(words.param)).or_else(|| words.place.and_then(words::place));
        self.retry_after = self.retry_after.or_else(|| wait_in_body(words.retry_after.or(words.delay)?));
    }

    /// For how many milliseconds it asks not to be asked again.
    #[must_use]
    pub fn asked_wait(&self) -> Option<u64> {
        self.retry_after.or_else(|| wait_in_words(&self.message))
    }

    /// Whether the account's money or allowance is used up, which no waiting mends. Who says how long to wait means a
    /// rate, whatever words it has for it.
    #[must_use]
    pub fn is_quota(&self) -> bool {
        words::is_quota(self) && self.asked_wait().is_none_or(|wait| wait > LONGEST_RATE_WAIT)
    }

    /// Whether the request alone is more than the limits ever allow, which no rest and no other time mends. Asked of a
    /// 429.
    #[must_use]
    pub fn is_oversized(&self) -> bool {
        words::is_oversized(self)
    }

    /// Whether the key itself is not taken: unknown, revoked, or of an account that is closed. Asked of a 400, 401 or
    /// 403.
    #[must_use]
    pub fn is_about_key(&self) -> bool {
        words::is_about_key(self)
    }

    /// Whether a filter refused the content, which says nothing about the provider's health.
    #[must_use]
    pub fn is_content_filter(&self) -> bool {
        words::is_content_filter(self)
    }

    /// Whether its code says that there is no such model.
    #[must_use]
    pub fn names_model(&self) -> bool {
        about::names_model(self)
    }

    /// Whether an answer with this status says that something is not there which the request names by its id: a 404
    /// about anything but the model, or a 400 or 410 that says so.
    #[must_use]
    pub fn is_about_missing_state(&self, status: u16) -> bool {
        match status {
            404 => !self.names_model() && self.about() != Some(About::Model),
            400 | 410 => about::names_missing(self),
            _ => false,
        }
    }

    /// What of the request it complains of, as far as it says so; asked of a 400, 404, 413 or 422.
    #[must_use]
    pub fn about(&self) -> Option<About> {
        about::about(self)
    }
}

/// The members of an error that say something, as JSON.
#[derive(Default)]
struct Words<'a> {
    message: Option<&'a str>,
    kind: Option<&'a str>,
    code: Option<&'a str>,
    param: Option<&'a str>,
    status: Option<&'a str>,
    /// Pydantic's `loc`.
    place: Option<&'a str>,
    error: Option<&'a str>,
    detail: Option<&'a str>,
    inner_code: Option<&'a str>,
    retry_after: Option<&'a str>,
    /// Of Google's `RetryInfo`.
    delay: Option<&'a str>,
}

impl<'a> Object<'a> for Words<'a> {
    fn member<M: MapAccess<'a>>(&mut self, key: &[u8], value: Member<'_, M>) -> Result<(), M::Error> {
        let word = match key {
            b"message" | b"Message" | b"msg" => &mut self.message,
            b"type" => &mut self.kind,
            b"code" => &mut self.code,
            b"param" => &mut self.param,
            b"status" => &mut self.status,
            b"loc" => &mut self.place,
            b"retry_after" => &mut self.retry_after,
            b"error" => &mut self.error,
            b"detail" => &mut self.detail,
            b"details" => {
                let details = value.raw()?;
                if details.starts_with('[') {
                    // One that cannot be read says nothing.
                    let _ = json::read_list(details.as_bytes(), |RetryInfo(delay)| self.delay = self.delay.or(delay));
                }
                return Ok(());
            }
            b"innererror" => {
                let mut inner = Words::default();
                value.object(&mut inner)?;
                self.inner_code = inner.code;
                return Ok(());
            }
            _ => return value.skip(),
        };
        *word = Some(value.raw()?).filter(|raw| !is_nothing(raw));
        Ok(())
    }
}

/// One of Google's `details`, which may be a `RetryInfo`.
#[derive(Default)]
struct RetryInfo<'a>(Option<&'a str>);

impl<'a> Object<'a> for RetryInfo<'a> {
    fn member<M: MapAccess<'a>>(&mut self, key: &[u8], value: Member<'_, M>) -> Result<(), M::Error> {
        if key != b"retryDelay" {
            return value.skip();
        }
        self.0 = Some(value.raw()?);
        Ok(())
    }
}

/// A text decoded, or a number as it is written; `None` for anything else and for what is empty.
fn decoded(raw: &str, most: usize) -> Option<String> {
    let text = match raw.as_bytes().first() {
        Some(b'"') => bounded(&body::string(raw).unwrap_or_else(|| raw.trim_matches('"').into()), most),
        Some(b'-' | b'0'..=b'9') => bounded(raw, most),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests;
