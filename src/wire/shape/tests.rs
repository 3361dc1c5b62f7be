//! First bytes of all kinds, in whatever pieces they come.

use proptest::prelude::*;

use super::*;

fn opening_of(body: &[u8]) -> Opening {
    let mut sniffer = Sniffer::default();
    sniffer.see(body).unwrap_or_else(|| sniffer.end())
}

#[test]
fn first_bytes_tell_what_a_body_is() {
    let other = Opening::Other;
    for (body, expected) in [
        ("", other(Shape::Empty)),
        (" \n\r\n\t", other(Shape::Blank)),
        ("\u{feff}", other(Shape::Blank)),
        ("{\"choices\":[]}", Opening::Object),
        ("\n\n  {", Opening::Object),
        ("\u{feff}{\"a\":1}", Opening::Object),
        ("\u{feff}\n{\"a\":1}", Opening::Object),
        ("data: {}", Opening::Events),
        ("data:{}", Opening::Events),
        ("data\n\n", Opening::Events),
        ("\r\n\r\ndata: 1", Opening::Events),
        ("\u{feff}data: 1", Opening::Events),
        ("event: ping\n", Opening::Events),
        ("id: 7\n", Opening::Events),
        ("retry: 100\n", Opening::Events),
        (": keep-alive\n\n", Opening::Events),
        ("error: {\"code\":500}", Opening::Events),
        ("error:{\"code\":500}", Opening::Events),
        ("error: upstream busy", other(Shape::Text)),
        ("error", other(Shape::Text)),
        ("  data: 1", other(Shape::Text)),
        ("database is locked", other(Shape::Text)),
        ("idle", other(Shape::Text)),
        ("<!DOCTYPE html><title>x</title>", other(Shape::Html)),
        ("\n<!doctype HTML>", other(Shape::Html)),
        ("<html lang=en>", other(Shape::Html)),
        ("<?xml version=\"1.0\"?>", other(Shape::Xml)),
        ("<Error><Code>x</Code></Error>", other(Shape::Xml)),
        ("<h", other(Shape::Xml)),
        ("null", other(Shape::Null)),
        ("null\n", other(Shape::Null)),
        ("nullable", other(Shape::Text)),
        ("true", other(Shape::Boolean)),
        ("false ", other(Shape::Boolean)),
        ("42", other(Shape::Number)),
        ("-1.5e3\n", other(Shape::Number)),
        ("404 page not found", other(Shape::Text)),
        ("\"a text\"", other(Shape::String)),
        ("[{\"error\":1}]", other(Shape::Array)),
        ("[]", other(Shape::Array)),
        ("ok", other(Shape::Text)),
        ("größer", other(Shape::Text)),
        ("upstream busy", other(Shape::Text)),
        ("\u{1}\u{2}", other(Shape::Binary)),
    ] {
        assert_eq!(opening_of(body.as_bytes()), expected, "{body:?}");
    }
    assert_eq!(opening_of(&[0x1f, 0x8b, 8, 0]), other(Shape::Binary));
    assert_eq!(opening_of(&[0xff, 0xfe, b'{', 0]), other(Shape::Binary));
}

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        6 => prop::sample::select(vec![
            "data", "event", "id", "retry", "error", ":", " ", "\n", "\r", "{", "[", "\"", "<", "<html", "<!doc", "type html",
            "null", "true", "12", "-", "x", "\u{feff}", "ü",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..3),
    ];
    prop::collection::vec(token, 0..12).prop_map(|tokens| tokens.concat())
}

proptest! {
    #[test]
    fn pieces_change_nothing(body in bodies(), blanks in 0..200_usize) {
        let body = [" \n".repeat(blanks).into_bytes(), body].concat();
        let whole = opening(&body, true).unwrap_or(Opening::Other(if body.is_empty() { Shape::Empty } else { Shape::Blank }));
        for size in [1, 2, 3, 7, 50] {
            let mut sniffer = Sniffer::default();
            let seen = body.chunks(size).find_map(|piece| sniffer.see(piece));
            prop_assert!(sniffer.head.len() <= MOST + 1);
            prop_assert_eq!(seen.unwrap_or_else(|| sniffer.end()), whole, "by {}", size);
        }
    }
}
