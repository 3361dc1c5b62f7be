//! What an HTTP/1.1 provider says of its response's framing and of its connection.
//!
//! A response that two readers could cut differently is not passed on. Owns which framings those are, and how long the
//! provider keeps the connection. Invariant: what passes has one length, or is plain chunked.

use std::time::Duration;

use http::HeaderValue;
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, TRANSFER_ENCODING};

use super::send_error::SendError;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// Refuses an ambiguous response. Returns for how long the provider keeps the connection, where it says so. One walk
/// over the headers does all, since most responses have none of these.
pub(super) fn check_framing(headers: &mut HeaderMap, most: Duration) -> Result<Option<Duration>, SendError> {
    let (mut listed, mut coded, mut announced, mut keep) = (false, false, false, None);
    for (name, value) in headers.iter() {
        if name == CONTENT_LENGTH {
            announced = true;
            listed |= value.as_bytes().contains(&b',');
        } else if name == TRANSFER_ENCODING {
            coded = true;
        } else if name == KEEP_ALIVE {
            keep = Some(keep_for(value, most));
        }
    }
    // Hyper accepts a list of equal lengths; the client gets one of them.
    if listed
        && let Some(length) = headers.get(CONTENT_LENGTH)
        && let Some(first) = length.as_bytes().split(|byte| *byte == b',').next()
        && let Ok(first) = HeaderValue::from_bytes(first.trim_ascii())
    {
        headers.insert(CONTENT_LENGTH, first);
    }
    if !coded {
        return Ok(keep);
    }
    if announced {
        return Err(SendError::Framing("it has both a content-length and a transfer-encoding"));
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let plain = |coding: &HeaderValue| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    if !codings.next().is_some_and(plain) || codings.next().is_some() {
        return Err(SendError::Framing("its transfer-encoding is not plain chunked"));
    }
    Ok(keep)
}

/// How long the provider's `timeout=N` lets Serin keep the connection: a second less, for the way to it.
fn keep_for(hint: &HeaderValue, most: Duration) -> Duration {
    let text = hint.to_str().unwrap_or_default();
    let seconds = text.split(',').find_map(|part| {
        let (name, value) = part.split_once('=')?;
        if name.trim().eq_ignore_ascii_case("timeout") { value.trim().parse::<u64>().ok() } else { None }
    });
    seconds.map_or(most, |seconds| Duration::from_secs(seconds.saturating_sub(1)).min(most))
}
