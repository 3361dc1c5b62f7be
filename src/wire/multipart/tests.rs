//! Boundaries as clients write them, and forms read and not read.

use super::*;

#[test]
fn boundaries_are_found_as_they_are_written() {
    let long = "x".repeat(70);
    for (content_type, expected) in [
        ("multipart/form-data; boundary=----WebKitFormBoundaryA1", Some("----WebKitFormBoundaryA1")),
        ("Multipart/Form-Data;BOUNDARY=\"a b:c=d?\"", Some("a b:c=d?")),
        ("multipart/form-data; charset=utf-8; boundary = a'()+_,-./:=?z ; x=\"; boundary=b\"", Some("a'()+_,-./:=?z")),
        ("multipart/form-data; boundary=\"a\\b\";", Some("ab")),
        (&format!("multipart/form-data; boundary={long}"), Some(&long)),
        (&format!("multipart/form-data; boundary={long}y"), None),
        ("multipart/form-data", None),
        ("multipart/form-data; boundary=", None),
        ("multipart/form-data; boundary=\"\"", None),
        ("multipart/form-data; boundary=\"a \"", None),
        ("multipart/form-data; boundary=\"a", None),
        ("multipart/form-data; boundary=\"a\\", None),
        ("multipart/form-data; boundary=\"a\"b", None),
        ("multipart/form-data; boundary=a*b", None),
        ("multipart/form-data; boundary=é", None),
        ("multipart/form-data; boundary=a; boundary=a", None),
        ("multipart/form-data; boundary", None),
        ("multipart/form-data; xboundary=a", None),
        ("multipart/mixed; boundary=a", None),
        ("application/json; boundary=a", None),
        ("", None),
    ] {
        assert_eq!(boundary(content_type).as_deref(), expected, "{content_type}");
    }
}

type Read = Result<Vec<(Option<String>, bool, Vec<u8>)>, Malformed>;

fn read(body: &[u8]) -> Read {
    let part = |part: Part<'_>| {
        let name = part.name.map(|name| String::from_utf8_lossy(&name).into_owned());
        (name, part.opaque, body[part.value].to_vec())
    };
    Parts::new(body, "b").map(|read| read.map(part)).collect()
}

#[test]
fn parts_are_read_to_the_byte() {
    let body = b"a preamble --b\r\n--b \t\r\nX: y\r\nCONTENT-disposition:form-data ; name = \"a\\\"\\\\\" \r\n\r\n1\r\n\r\n--b\r\n\
        Content-Disposition: form-data; filename*=UTF-8''x; name=c\r\nContent-Transfer-Encoding: BINARY\r\n\r\n\r\n--b\r\n\
        \r\nwithout headers\r\n--b\r\nContent-Disposition: attachment; name=\"d\"\r\n\r\n --b\r\n--b--\t\r\nan epilogue\r\n--b";
    let expected = [
        (Some("a\"\\".to_owned()), false, b"1\r\n".to_vec()),
        (Some("c".to_owned()), true, Vec::new()),
        (None, false, b"without headers".to_vec()),
        (None, false, b" --b".to_vec()),
    ];
    assert_eq!(read(body).unwrap(), expected);
    assert_eq!(read(b"--b--").unwrap(), []);
}

#[test]
fn what_readers_might_take_differently_is_not_read() {
    let part = "\r\nContent-Disposition: form-data; name=a";
    for (body, why) in [
        (String::new(), Malformed::Open),
        ("--b".to_owned(), Malformed::Open),
        ("--b\r\n".to_owned(), Malformed::Headers),
        (format!("--b{part}\r\n\r\nvalue"), Malformed::Open),
        (format!("--b{part}\r\n\r\nvalue\r\n--b"), Malformed::Open),
        (format!("--b{part}\r\n\r\nvalue\r\n--b-"), Malformed::Line),
        (format!("--b{part}\r\n\r\nvalue\n--b--"), Malformed::Open),
        (format!("--bb{part}\r\n\r\nvalue\r\n--bb--"), Malformed::Line),
        (format!("--b{part}\r\n\r\nvalue\r\n--b--b"), Malformed::Line),
        (format!("--b{part}\n\nvalue\r\n--b--"), Malformed::Headers),
        (format!("--b{part}\r\n folded\r\n\r\nvalue\r\n--b--"), Malformed::Headers),
        (format!("--b{part}; name=b\r\n\r\nvalue\r\n--b--"), Malformed::Headers),
        (format!("--b{part}; filename=\"x\r\n\r\nvalue\r\n--b--"), Malformed::Headers),
        (format!("--b{part}{part}\r\n\r\nvalue\r\n--b--"), Malformed::Headers),
        (format!("--b{part}\r\nno header\r\n\r\nvalue\r\n--b--"), Malformed::Headers),
        (format!("--b{part}\r\n\r\n--b--"), Malformed::Headers),
    ] {
        assert_eq!(read(body.as_bytes()), Err(why), "{body}");
    }
}

#[test]
fn a_delimiter_is_found_wherever_it_stands() {
    let delimiter = Delimiter::new("-a-a-");
    for lead in 0..40 {
        for filler in ["x", "-", "a", "\r", "\n", "\r\n", "\r\n--", "\r\n---a-a", "-a-a-"] {
            let lead: String = filler.chars().cycle().take(lead).collect();
            let body = format!("{lead}\r\n---a-a-{lead}");
            assert_eq!(delimiter.find(body.as_bytes(), 0), body.find("\r\n---a-a-").map(|at| at..at + 9), "{body:?}");
        }
    }
}
