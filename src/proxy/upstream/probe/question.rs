//! One GET to a provider that asks for nothing which costs: its list of models, one model, an account's balance.
//!
//! Sent on a connection of its own with one key, or with none. The answer is taken as it comes, without its content
//! coding, up to a size and a time. Redirects are not followed. Invariant: no answer, however long or slow, takes more
//! than the bytes that are asked for and twice the time of a probe, and none that is returned repeats the key.

use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue, LOCATION};
use http::{Method, Request};

use super::answer_body::{beginning, decoded};
use super::no_connection::unreachable;
use super::redirect::Redirect;
use super::request::{limits, probe_request};
use crate::clock;
use crate::decide::policy::{Provider, Secret};
use crate::proxy::request::body::RequestBody;
use crate::proxy::upstream::upstreams::Upstreams;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    pub provider: Arc<Provider>,
    /// The path below the base URL, with its query.
    pub below: String,
    /// The index of the key; `None`: none is shown.
    pub key: Option<usize>,
    /// Whether Anthropic's version is named, without which its API answers nothing.
    pub of_anthropic: bool,
    /// The most bytes of the answer's body that are read.
    pub most: usize,
}

/// What came.
#[derive(Clone, Debug)]
pub struct ProbeAnswer {
    pub status: u16,
    pub headers: HeaderMap,
    /// Without its content coding.
    pub body: Vec<u8>,
    /// Whether the body was read to its end.
    pub whole: bool,
    /// From the request to the head.
    pub head: Duration,
    /// Where it leads, as far as that may be shown.
    pub redirect: Option<Redirect>,
}

/// Asks. Runs on any current-thread `LocalSet`.
///
/// # Errors
/// Why there is no answer: a sentence without any secret.
pub async fn ask_question(question: &Question, egress: Option<&Secret>) -> Result<ProbeAnswer, String> {
    let Question { provider, below, key, most, .. } = question;
    let request = written(question)?;
    let upstreams = Upstreams::new(1);
    let connection = upstreams.connect(provider, egress.map(Secret::reveal)).await;
    let connection = connection.map_err(|error| unreachable(&error))?;
    let sent = clock::instant();
    let response = connection.send(request, limits(provider)).await.map_err(|error| error.to_string())?;
    let head = clock::instant().saturating_duration_since(sent);
    let (parts, body) = response.into_parts();
    let (body, whole) = beginning(body, *most).await;
    let secret = key.and_then(|key| provider.api_keys.get(key));
    let location = parts.headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let path = below.split('?').next().unwrap_or_default();
    Ok(ProbeAnswer {
        status: parts.status.as_u16(),
        body: without(decoded(&parts.headers, body, *most), secret),
        whole,
        head,
        redirect: parts.status.is_redirection().then(|| Redirect::new(provider, path, location)),
        headers: parts.headers,
    })
}

fn written(question: &Question) -> Result<Request<RequestBody>, String> {
    let Question { provider, below, key, of_anthropic, .. } = question;
    // An index behind the last key stands for none.
    let mut request = probe_request(provider, key.unwrap_or(usize::MAX), Method::GET, below, RequestBody::Empty)?;
    let version = HeaderName::from_static("anthropic-version");
    if *of_anthropic && !request.headers().contains_key(&version) {
        request.headers_mut().insert(version, HeaderValue::from_static("2023-06-01"));
    }
    Ok(request)
}

/// Without the key that it was asked with.
fn without(body: Vec<u8>, key: Option<&Secret>) -> Vec<u8> {
    let Some(key) = key.map(|key| key.reveal().as_bytes()).filter(|key| !key.is_empty()) else { return body };
    let found: Vec<usize> = memchr::memmem::find_iter(&body, key).collect();
    if found.is_empty() {
        return body;
    }
    let (mut plain, mut from) = (Vec::with_capacity(body.len()), 0);
    for at in found {
        plain.extend_from_slice(&body[from..at]);
        plain.extend_from_slice(b"(key)");
        from = at + key.len();
    }
    plain.extend_from_slice(&body[from..]);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_repeats_the_key_loses_it() {
        let key = Secret::new("sk-1".to_owned());
        let said = |body: &str| String::from_utf8(without(body.as_bytes().to_vec(), Some(&key))).unwrap();
        assert_eq!(said("no sk-1 here, sk-1"), "no (key) here, (key)");
        assert_eq!(said("sk-2"), "sk-2");
        assert_eq!(without(b"x".to_vec(), Some(&Secret::new(String::new()))), b"x");
    }
}
