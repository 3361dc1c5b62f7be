//! Events as the rules of the format have them, however a stream is cut.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct EventsRead {
    events: Vec<(String, String, bool)>,
    boundary: usize,
}

fn read(pieces: &[&[u8]]) -> EventsRead {
    let mut framer = Framer::default();
    let mut events = EventsRead::default();
    let mut before = 0;
    for piece in pieces {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let boundary =
            framer.read(piece, |event| events.events.push((text(event.name), text(event.data), event.whole)));
        assert!(boundary <= piece.len());
        if boundary > 0 {
            events.boundary = before + boundary;
        }
        before += piece.len();
    }
    events
}

fn events(stream: &str) -> Vec<(String, String)> {
    read(&[stream.as_bytes()]).events.into_iter().map(|(name, data, _)| (name, data)).collect()
}

fn one(name: &str, data: &str) -> Vec<(String, String)> {
    vec![(name.to_owned(), data.to_owned())]
}

#[test]
fn lines_end_in_three_ways() {
    for end in ["\n", "\r\n", "\r"] {
        let stream = format!("event: a{end}data: 1{end}data: 2{end}{end}data: 3{end}{end}");
        let expected = [("a".to_owned(), "1\n2".to_owned()), (String::new(), "3".to_owned())];
        assert_eq!(events(&stream), expected, "{end:?}");
        assert_eq!(read(&[stream.as_bytes()]).boundary, stream.len());
    }
    assert_eq!(events("data: 1\r\ndata: 2\n\r"), one("", "1\n2"));
}

#[test]
fn one_space_after_the_colon_is_taken_off() {
    assert_eq!(events("data:1\n\n"), one("", "1"));
    assert_eq!(events("data:  1 \n\n"), one("", " 1 "));
    assert_eq!(events("data\n\n"), one("", ""));
    assert_eq!(events("data:\ndata\ndata:\n\n"), one("", "\n\n"));
}

#[test]
fn the_last_name_counts_and_other_fields_do_not() {
    assert_eq!(events("event: a\nid: 7\nretry: 1\nevent:b\nfoo\ndata: 1\nDATA: 2\n data: 3\n\n"), one("b", "1"));
    assert_eq!(events("event: a\n\n"), one("a", ""));
    assert_eq!(events("id: 7\n\n"), []);
}

#[test]
fn a_byte_order_mark_is_passed_over_at_the_start_only() {
    assert_eq!(events("\u{feff}data: 1\n\n"), one("", "1"));
    assert_eq!(events("data: 0\n\n\u{feff}data: 1\n\n"), one("", "0"));
    assert_eq!(events("\u{feff}\ndata: 1\n\n"), one("", "1"));
    assert_eq!(read(&["\u{feff}\n".as_bytes()]).boundary, 4, "a blank line");
    assert_eq!(events("\u{feff}\u{feff}data: 1\n\n"), []);
}

#[test]
fn what_no_blank_line_follows_is_no_event() {
    let events = read(&[b"data: 1\n\ndata: 2\n"]);
    assert_eq!((events.events.len(), events.boundary), (1, 9));
    assert_eq!(read(&[b"data: 1"]), EventsRead::default());
}

#[test]
fn a_comment_is_whole_outside_of_events_and_part_of_one_inside() {
    assert_eq!(read(&[b": waiting\n"]).boundary, 10);
    assert_eq!(read(&[b": waiting\n\n: still\n\n"]).boundary, 20);
    assert_eq!(read(&[b"data: 1\n: waiting\n"]).boundary, 0);
    assert_eq!(events(": a\n\ndata: 1\n:b\ndata: 2\n\n"), one("", "1\n2"));
}

#[test]
fn an_event_is_known_at_a_cr_that_ends_the_piece() {
    let mut framer = Framer::default();
    let mut events = 0;
    assert_eq!(framer.read(b"data: 1\r\r", |_| events += 1), 9);
    assert_eq!(events, 1);
    assert_eq!(framer.read(b"\ndata: 2", |_| events += 1), 1);
    assert_eq!(framer.read(b"\r", |_| events += 1), 0);
    assert_eq!(framer.read(b"\n", |_| events += 1), 0);
    assert_eq!(framer.read(b"\r", |_| events += 1), 1);
    assert_eq!(events, 2);
}

#[test]
fn of_an_event_that_is_too_long_the_beginning_is_told() {
    let long = "x".repeat(LARGEST_EVENT);
    let stream = format!("event: big\ndata: {long}\ndata: more\n\ndata: 1\n\n");
    let events = read(&[stream.as_bytes()]);
    assert_eq!(events.events[0], ("big".to_owned(), long[..HEAD].to_owned(), false));
    assert_eq!(events.events[1], (String::new(), "1".to_owned(), true));
    assert_eq!(events.boundary, stream.len());

    let comments = format!(":{long}\n").repeat(3);
    assert_eq!(read(&[format!("{comments}data: 1\n\n").as_bytes()]).events[0].1, "1");
    let inside = read(&[format!("event: a\n{comments}data: 1\n\n").as_bytes()]);
    assert_eq!(inside.events, [("a".to_owned(), String::new(), false)]);
}

#[test]
fn what_fits_exactly_is_told_whole() {
    let long = "x".repeat(LARGEST_EVENT - "data:".len());
    let kind_of = |stream: String| read(&[stream.as_bytes()]).events[0].2;
    assert!(kind_of(format!("data:{long}\n\n")));
    assert!(!kind_of(format!("data:{long}x\n\n")));
    assert!(!kind_of(format!("data:{long}\nx\n\n")));
}

#[test]
fn memory_is_bounded_when_no_line_ever_ends() {
    let mut framer = Framer::default();
    for _ in 0..100 {
        framer.read(&[b'x'; 10_000], |_| {});
    }
    assert!(framer.line.capacity() <= 2 * LARGEST_EVENT + 2);
    framer.read(b"\n\n", |event| assert!(event.name.is_empty()));
    assert!(framer.line.capacity() <= LARGEST_KEPT);
}

/// Text made of what matters to the framing.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        4 => prop::sample::select(vec![
            "\n", "\r", "\r\n", "data:", "data: ", "event: ", "event:error", ":", " ", "x", "{\"a\":1}", "[DONE]", "id: 1",
            "\u{feff}", "ü",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(token, 0..60).prop_map(|tokens| tokens.concat())
}

fn cut<'s>(stream: &'s [u8], cuts: &[prop::sample::Index]) -> Vec<&'s [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    cuts.sort_unstable();
    let mut pieces = Vec::new();
    let mut from = 0;
    for to in cuts.into_iter().chain([stream.len()]) {
        pieces.push(&stream[from..to]);
        from = to;
    }
    pieces
}

proptest! {
    #[test]
    fn cutting_changes_nothing(stream in streams(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let whole = read(&[&stream]);
        prop_assert_eq!(&read(&cut(&stream, &cuts)), &whole);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        prop_assert_eq!(&read(&bytes), &whole);
    }

    #[test]
    fn cutting_changes_nothing_where_an_event_becomes_too_long(
        lead in 0..4_usize, over in 0..12_usize, tail in streams(), at in any::<prop::sample::Index>()
    ) {
        let mut stream = b"event: a\n:\n\ndata: 1\n"[[0, 9, 11, 12][lead]..].to_vec();
        stream.extend_from_slice(b"data: ");
        stream.resize(stream.len() + LARGEST_EVENT - 20 + over, b'x');
        stream.extend_from_slice(b"\nevent: b\n");
        stream.extend_from_slice(&tail);
        stream.extend_from_slice(b"\n\n");
        let whole = read(&[&stream]);
        prop_assert_eq!(&read(&cut(&stream, &[at])), &whole);
        let small: Vec<&[u8]> = stream.chunks(97).collect();
        prop_assert_eq!(&read(&small), &whole);
    }
}
