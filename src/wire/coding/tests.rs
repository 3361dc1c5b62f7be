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

fn brotli(parts: &[&[u8]]) -> Vec<u8> {
    let mut encoder = brotli::CompressorWriter::new(Vec::new(), BUFFER, 5, 22);
    for part in parts {
        encoder.write_all(part).unwrap();
        encoder.flush().unwrap();
    }
    encoder.into_inner()
}

fn zstd(parts: &[&[u8]]) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    for part in parts {
        encoder.write_all(part).unwrap();
        encoder.flush().unwrap();
    }
    encoder.finish().unwrap()
}

type Encode = fn(&[&[u8]]) -> Vec<u8>;

/// Each coding with what encodes so, in parts that are flushed each.
const CODINGS: [(&str, Encode); 5] = [
    ("gzip", gzip),
    ("deflate", |parts| wrapped(&parts.concat())),
    ("deflate", |parts| bare(&parts.concat())),
    ("br", brotli),
    ("zstd", zstd),
];

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
    for coding in ["gzip", "GZIP", " x-gzip ", "deflate", "br", "Zstd"] {
        assert!(is_read(coding) && Decoder::for_coding(coding).is_some(), "{coding}");
    }
    for coding in ["", "identity", "brotli", "compress", "gzip, gzip", "dcz"] {
        assert!(!is_read(coding) && Decoder::for_coding(coding).is_none(), "{coding}");
    }
}

#[test]
fn what_was_flushed_is_there_at_once() {
    fn check_prefixes<E: Write>(coding: &str, mut encoder: E, written: impl Fn(&E) -> &Vec<u8>) {
        let mut decoder = Decoder::for_coding(coding).unwrap();
        let mut sent = 0;
        for part in ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"] {
            encoder.write_all(part.as_bytes()).unwrap();
            encoder.flush().unwrap();
            let piece = written(&encoder)[sent..].to_vec();
            sent += piece.len();
            let mut out = Vec::new();
            decoder.feed(&piece, &mut out);
            assert_eq!(out, part.as_bytes(), "{coding}");
        }
    }
    check_prefixes("gzip", GzEncoder::new(Vec::new(), Compression::default()), GzEncoder::get_ref);
    check_prefixes("deflate", ZlibEncoder::new(Vec::new(), Compression::default()), ZlibEncoder::get_ref);
    check_prefixes("br", brotli::CompressorWriter::new(Vec::new(), BUFFER, 5, 22), brotli::CompressorWriter::get_ref);
    check_prefixes("zstd", zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap(), |encoder| encoder.get_ref());
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
    // Of zstd, what follows is another frame, or wrong.
    for (coding, encode) in CODINGS.into_iter().filter(|(coding, _)| *coding != "zstd") {
        let mut encoded = encode(&[b"whole"]);
        encoded.extend_from_slice(b"and more");
        assert_eq!(decode(coding, [encoded.as_slice(), b"still more"]), (b"whole".to_vec(), false), "{coding}");
    }
}

#[test]
fn frames_of_zstd_may_follow_each_other() {
    let encoded = [zstd(&[b"one "]), zstd(&[b"two"])].concat();
    for size in [1, 7, encoded.len()] {
        assert_eq!(decode("zstd", encoded.chunks(size)), (b"one two".to_vec(), false));
    }
}

#[test]
fn what_is_not_encoded_so_makes_it_blind() {
    for (coding, encode) in CODINGS {
        // `deflate` may take the beginning of anything for its own.
        if coding != "deflate" {
            assert_eq!(decode(coding, [b"{\"plain\":true}".as_slice()]), (Vec::new(), true), "{coding}");
        }
        let mut encoded = encode(&[b"one", &[7; 3000], br#"{"choices":[{"index":0,"message":{"content":"hi"}}]}"#]);
        encoded[4..].fill(0xff);
        assert!(decode(coding, [encoded.as_slice(), encoded.as_slice()]).1, "{coding}");
    }
}

#[test]
fn of_a_body_that_is_cut_the_beginning_is_read() {
    let text = b"{\"usage\":{\"prompt_tokens\":12}}";
    for (coding, encode) in CODINGS {
        let encoded = encode(&[text, text]);
        for size in 0..encoded.len() {
            let (out, blind) = decode(coding, [&encoded[..size]]);
            assert!(!blind && [text, &text[..]].concat().starts_with(&out), "{coding}, {size} bytes");
        }
    }
}

#[test]
fn a_bomb_ends_at_the_bound() {
    let plain = vec![0; 20 * MOST_PER_PIECE];
    for (coding, encode) in CODINGS {
        let bomb = encode(&[&plain]);
        assert!(bomb.len() < 64 * 1024, "one piece");
        let (out, blind) = decode(coding, [bomb.as_slice(), bomb.as_slice()]);
        assert!(out.len() <= MOST_PER_PIECE && blind, "{coding}");
    }
    // The same in small pieces is no bomb: each unpacks to what can be read.
    let (out, blind) = decode("gzip", gzip(&[&plain]).chunks(512));
    assert_eq!((out.len(), blind), (plain.len(), false));
}

#[test]
fn a_window_that_no_body_may_have_is_refused() {
    let windowed = |log| {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
        encoder.window_log(log).unwrap();
        encoder.write_all(b"text").unwrap();
        encoder.flush().unwrap();
        encoder.finish().unwrap()
    };
    assert_eq!(decode("zstd", [windowed(23).as_slice()]), (b"text".to_vec(), false));
    assert_eq!(decode("zstd", [windowed(24).as_slice()]), (Vec::new(), true));
    // The large windows of `br` are an extension, which begins with this byte.
    assert!(decode("br", [[0x11, 0x3f, 0xff, 0xff].as_slice()]).1);
}

proptest! {
    #[test]
    fn cutting_changes_nothing(text in prop::collection::vec(any::<u8>(), 0..2000), size in 1..50_usize) {
        for (coding, encode) in CODINGS {
            let encoded = encode(&[&text, &text]);
            let whole = decode(coding, [encoded.as_slice()]);
            prop_assert!(!whole.1 && whole.0 == [&text[..], &text].concat(), "{}", coding);
            prop_assert_eq!(decode(coding, encoded.chunks(size)), whole);
        }
    }

    #[test]
    fn nothing_makes_it_fail(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6)) {
        for (coding, encode) in CODINGS {
            decode(coding, pieces.iter().map(Vec::as_slice));
            // Also what begins as it should.
            let begin = encode(&[b"a beginning"]);
            let whole = std::iter::once(&begin[..begin.len() - 2]).chain(pieces.iter().map(Vec::as_slice));
            decode(coding, whole);
        }
    }
}
