//! Bodies decoded in pieces, and what is not let through.

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use proptest::prelude::*;

use super::*;

fn gzip(parts: &[&[u8]]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    for part in parts {
        encoder.write_all(part).unwrap();
        encoder.flush().unwrap();
    }
    encoder.finish().unwrap()
}

fn wrapped(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn bare(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn decode<'p>(coding: &str, pieces: impl IntoIterator<Item = &'p [u8]>) -> (Vec<u8>, bool) {
    let mut decoder = Decoder::for_coding(coding).unwrap();
    let mut out = Vec::new();
    for piece in pieces {
        decoder.feed(piece, &mut out);
    }
    (out, decoder.is_blind())
}

#[test]
fn codings_are_known_by_their_names() {
    for coding in ["gzip", "GZIP", " x-gzip ", "deflate"] {
        assert!(Decoder::for_coding(coding).is_some(), "{coding}");
    }
    for coding in ["", "identity", "br", "zstd", "gzip, gzip"] {
        assert!(Decoder::for_coding(coding).is_none(), "{coding}");
    }
}

#[test]
fn what_was_flushed_is_there_at_once() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let mut decoder = Decoder::for_coding("gzip").unwrap();
    let mut sent = 0;
    for part in ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"] {
        encoder.write_all(part.as_bytes()).unwrap();
        encoder.flush().unwrap();
        let piece = encoder.get_ref()[sent..].to_vec();
        sent += piece.len();
        let mut out = Vec::new();
        decoder.feed(&piece, &mut out);
        assert_eq!(out, part.as_bytes());
    }
}

#[test]
fn both_kinds_of_deflate_are_read() {
    let text = b"{\"a\":1}".repeat(20);
    for encoded in [wrapped(&text), bare(&text)] {
        assert_eq!(decode("deflate", [encoded.as_slice()]), (text.clone(), false));
        assert_eq!(decode("deflate", encoded.chunks(1)), (text.clone(), false));
    }
}

#[test]
fn what_follows_the_end_is_ignored() {
    let mut encoded = gzip(&[b"whole"]);
    encoded.extend_from_slice(b"and more");
    assert_eq!(decode("gzip", [encoded.as_slice(), b"still more"]), (b"whole".to_vec(), false));
}

#[test]
fn what_is_not_encoded_so_makes_it_blind() {
    assert_eq!(decode("gzip", [b"{\"plain\":true}".as_slice()]), (Vec::new(), true));
    let mut encoded = gzip(&[b"one", &[7; 3000]]);
    encoded[20..].fill(0xff);
    assert!(decode("gzip", [encoded.as_slice(), encoded.as_slice()]).1);
}

#[test]
fn a_bomb_ends_at_the_bound() {
    let bomb = gzip(&[&vec![0; 20 * MOST_PER_PIECE]]);
    assert!(bomb.len() < 64 * 1024, "one piece");
    let (out, blind) = decode("gzip", [bomb.as_slice(), bomb.as_slice()]);
    assert!(out.len() <= MOST_PER_PIECE && blind);
    // The same in small pieces is no bomb: each unpacks to what can be read.
    let (out, blind) = decode("gzip", bomb.chunks(512));
    assert_eq!((out.len(), blind), (20 * MOST_PER_PIECE, false));
}

proptest! {
    #[test]
    fn cutting_changes_nothing(text in prop::collection::vec(any::<u8>(), 0..2000), size in 1..50_usize) {
        for (coding, encoded) in [("gzip", gzip(&[&text, &text])), ("deflate", wrapped(&text)), ("deflate", bare(&text))] {
            let whole = decode(coding, [encoded.as_slice()]);
            prop_assert!(!whole.1 && whole.0.starts_with(&text));
            prop_assert_eq!(decode(coding, encoded.chunks(size)), whole);
        }
    }

    #[test]
    fn nothing_makes_it_fail(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6)) {
        for coding in ["gzip", "deflate"] {
            decode(coding, pieces.iter().map(Vec::as_slice));
        }
    }
}
