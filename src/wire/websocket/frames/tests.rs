use proptest::prelude::*;

use super::super::{close, masked_close};
use super::*;

fn frame(first: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let masked = if mask.is_some() { 0x80 } else { 0 };
    let mut frame = vec![first];
    match payload.len() {
        0..=125 => frame.push(masked | u8::try_from(payload.len()).unwrap()),
        126..=65535 => {
            frame.push(masked | 126);
            frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        }
        length => {
            frame.push(masked | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    let mask = mask.inspect(|mask| frame.extend(mask)).unwrap_or_default();
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

fn of_length(length: usize, masked: bool) -> Vec<u8> {
    frame(0x82, &vec![0xaa; length], masked.then_some([1, 2, 3, 4]))
}

#[test]
fn frames_end_where_they_say_however_they_are_cut() {
    for length in [0, 1, 125, 126, 127, 65535, 65536] {
        for masked in [false, true] {
            let bytes = of_length(length, masked);
            for piece in [1, 2, 3, 7, bytes.len()] {
                let mut frames = Frames::default();
                let mut passed = 0;
                for part in bytes.chunks(piece) {
                    assert_eq!(frames.read(part), None);
                    passed += part.len();
                    assert_eq!(frames.are_between(), passed == bytes.len(), "{length} {masked} {piece} {passed}");
                }
            }
        }
    }
    let mut frames = Frames::default();
    let several: Vec<u8> = [of_length(3, false), of_length(0, false), of_length(200, false)].concat();
    frames.read(&several);
    assert!(frames.are_between());
}

#[test]
fn a_close_frame_is_read_masked_or_not_in_whatever_pieces() {
    let empty = frame(0x88, b"", None);
    let half = frame(0x88, b"\x03", None);
    let not_text = frame(0x88, b"\x03\xe8\xff", None);
    for (bytes, code, reason) in [
        (close(1011, "boom"), Some(1011), "boom"),
        (masked_close(4001, "bye", [9, 8, 7, 6]), Some(4001), "bye"),
        (empty, None, ""),
        (half, None, ""),
        (not_text, Some(1000), "\u{fffd}"),
    ] {
        for piece in 1..=bytes.len() {
            let mut frames = Frames::default();
            let before = of_length(130, true);
            let all = [before, bytes.clone()].concat();
            let said: Vec<Close> = all.chunks(piece).filter_map(|part| frames.read(part)).collect();
            assert_eq!(said, [Close { code, reason: reason.to_owned() }]);
        }
    }
}

#[test]
fn what_breaks_the_protocol_is_followed_all_the_same() {
    // A close frame that is longer than may be, a reserved opcode with reserved bits, a masked frame of a server.
    let long = frame(0x88, &[b'x'; 300], None);
    let reserved = frame(0x7b, b"?", None);
    let mut frames = Frames::default();
    let all = [long, reserved, of_length(5, true)].concat();
    assert_eq!(frames.read(&all), Some(Close { code: None, reason: String::new() }), "nothing of it is kept");
    assert!(frames.are_between());
}

const OWN: &[u8] = b"serin-00";

/// All that comes out, and whether a close was seen.
fn without_pongs(bytes: &[u8], piece: usize) -> (Vec<u8>, bool) {
    let (mut frames, mut out, mut closed) = (Frames::default(), Vec::new(), false);
    for part in bytes.chunks(piece) {
        closed |= frames.read_without_pongs(part, OWN, &mut out).is_some();
    }
    (out, closed)
}

fn any_frame() -> impl Strategy<Value = (Vec<u8>, bool)> {
    let payload = prop_oneof![
        Just(OWN.to_vec()),
        proptest::collection::vec(any::<u8>(), 0..140),
        proptest::collection::vec(any::<u8>(), 0..3),
    ];
    let first = prop_oneof![Just(0x8a), Just(0x0a), Just(0x81), Just(0x88), Just(0x89), any::<u8>()];
    (first, payload, any::<Option<[u8; 4]>>()).prop_map(|(first, payload, mask)| {
        let own = first & OPCODE == PONG && payload == OWN;
        (frame(first, &payload, mask), own)
    })
}

proptest! {
    #[test]
    fn the_rest_of_a_frame_ends_where_the_next_begins(length in 0_usize..70_000, masked in any::<bool>(), at in any::<prop::sample::Index>()) {
        let first = of_length(length, masked);
        let at = at.index(first.len());
        let both = [&first[..], &of_length(3, !masked)].concat();
        let mut frames = Frames::default();
        frames.read(&both[..at]);
        let rest = frames.rest_of_frame(&both[at..]);
        prop_assert_eq!(rest, if at == 0 { 0 } else { first.len() - at });
        frames.read(&both[at..at + rest]);
        prop_assert!(frames.are_between());
    }

    #[test]
    fn only_pongs_of_serins_own_are_missing(frames in proptest::collection::vec(any_frame(), 0..8), piece in 1_usize..200) {
        let all: Vec<u8> = frames.iter().flat_map(|(frame, _)| frame.clone()).collect();
        let others: Vec<u8> = frames.iter().filter(|(_, own)| !own).flat_map(|(frame, _)| frame.clone()).collect();
        let (out, closed) = without_pongs(&all, piece);
        prop_assert_eq!(out, others);
        prop_assert_eq!(closed, Frames::default().read(&all).is_some());
    }

    #[test]
    fn any_bytes_pass_but_for_a_pong_that_is_not_whole(bytes in proptest::collection::vec(any::<u8>(), 0..300), piece in 1_usize..300) {
        let (out, _) = without_pongs(&bytes, piece);
        prop_assert!(out.len() <= bytes.len() && bytes.len() - out.len() <= 139);
    }
}

#[test]
fn a_pong_that_began_to_pass_passes_whole() {
    let pong = frame(0x8a, OWN, None);
    for cut in 1..pong.len() {
        let (mut frames, mut out) = (Frames::default(), Vec::new());
        frames.read(&pong[..cut]);
        frames.read_without_pongs(&pong[cut..], OWN, &mut out);
        assert_eq!(out, pong[cut..]);
        frames.read_without_pongs(&pong, OWN, &mut out);
        assert_eq!(out, pong[cut..], "and the next one does not");
        assert_eq!(frames.read(&close(1000, "")), Some(Close { code: Some(1000), reason: String::new() }));
    }
}
