//! One GET to a provider that asks for nothing which costs: its list of models, one model, an account's balance.
//!
//! Sent on a connection of its own with one key, or with none. The answer is taken as it comes, without its content
//! coding, up to a size and a time. Redirects are not followed. Invariant: no answer, however long or slow, takes more
//! than the bytes that are asked for and twice [`PATIENCE`], and none that is returned repeats the key.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, HeaderMap, HeaderName, HeaderValue, LOCATION};
use http::{Method, Request};
use http_body_util::BodyExt as _;

use super::no_connection::unreachable;
use super::redirect::Redirect;
use super::request::{PATIENCE, limits, probe_request};
use crate::clock;
use crate::decide::policy::{Provider, Secret};
use crate::proxy::request::body::RequestBody;
use crate::proxy::response::body::ProviderBody;
use crate::proxy::upstream::upstreams::Upstreams;
use crate::wire::coding::Decoder;

/// In such pieces a coded body is decoded, so that none becomes much larger than that.
const PIECE: usize = 16 * 1024;

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

/// The body as far as it comes in time, and whether that is all of it.
async fn beginning(mut body: ProviderBody, most: usize) -> (Vec<u8>, bool) {
    let mut read = Vec::new();
    let reading = async {
        if most == 0 {
            return false;
        }
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            let data = frame.data_ref().map_or(&[][..], Bytes::as_ref);
            let room = most - read.len();
            read.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() > room {
                return false;
            }
        }
        true
    };
    let whole = tokio::time::timeout(PATIENCE.duration(), reading).await.unwrap_or(false);
    (read, whole)
}

fn decoded(headers: &HeaderMap, body: Vec<u8>, most: usize) -> Vec<u8> {
    let coding = headers.get(CONTENT_ENCODING).and_then(|coding| coding.to_str().ok());
    let Some(mut decoder) = coding.and_then(Decoder::for_coding) else { return body };
    let mut plain = Vec::new();
    for piece in body.chunks(PIECE) {
        decoder.feed(piece, &mut plain);
        if plain.len() >= most {
            plain.truncate(most);
            break;
        }
    }
    plain
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

    #[test]
    fn a_coded_body_cannot_grow_beyond_the_bound() {
        use std::io::Write as _;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&vec![b' '; 16 * 1024 * 1024]).unwrap();
        let bomb = encoder.finish().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert_eq!(decoded(&headers, bomb, 100_000).len(), 100_000);
        assert_eq!(decoded(&HeaderMap::new(), b"plain".to_vec(), 100), b"plain");
    }
}
