//! The body of a provider's answer to a probe: as much of it as is wanted, without its content coding.
//!
//! Owns its bounds: so many bytes, before and after decoding, and so much time. Refuses to say what it means. Invariant:
//! what is returned is never more than what was asked for, but for a coding that is not known.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, HeaderMap};
use http_body_util::BodyExt as _;

use super::request::PATIENCE;
use crate::proxy::response::body::ProviderBody;
use crate::wire::coding::Decoder;

/// In such pieces a coded body is decoded, so that none becomes much larger than that.
const PIECE: usize = 16 * 1024;

/// The body as far as it comes in time, and whether that is all of it.
pub(super) async fn beginning(mut body: ProviderBody, most: usize) -> (Vec<u8>, bool) {
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

/// A body without its content coding, at most so much of it. One that is not known is left on.
pub(super) fn decoded(headers: &HeaderMap, body: Vec<u8>, most: usize) -> Vec<u8> {
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

#[cfg(test)]
mod tests {
    use http::header::HeaderValue;

    use super::*;

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
