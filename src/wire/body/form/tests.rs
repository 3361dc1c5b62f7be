//! What is found in a form, what is refused, and what a new model's name leaves alone.

use proptest::prelude::*;

use super::*;
use crate::wire::body::{FieldRules, rewrite};
use crate::wire::multipart::Malformed;

fn wanted() -> Wanted {
    let paths = ["user", "metadata.user_id"].map(|path| path.split('.').map(str::to_owned).collect::<Vec<_>>());
    Wanted::new(paths.iter().map(Vec::as_slice), true)
}

/// Parts of a form: what stands in their headers behind `form-data`, further headers, and their bytes.
fn form(parts: &[(&str, &str, &[u8])]) -> Vec<u8> {
    let mut form = Vec::new();
    for (disposition, headers, value) in parts {
        let head = format!("--b-1\r\nContent-Disposition: form-data{disposition}\r\n{headers}\r\n");
        form.extend_from_slice(&[head.as_bytes(), value, b"\r\n"].concat());
    }
    form.extend_from_slice(b"--b-1--\r\n");
    form
}

fn to(body: &[u8], new: &str) -> Vec<u8> {
    let (body, wanted) = (Bytes::copy_from_slice(body), wanted());
    let rules = FieldRules { drop: vec![vec!["user".to_owned()]], ..FieldRules::default() };
    rewrite(&body, &peek_form(&body, "b-1", &wanted).unwrap(), Some(new), &rules).to_vec()
}

#[test]
fn fields_are_found_between_files() {
    let wanted = wanted();
    let body = form(&[
        ("; name=\"file\"; filename=\"a.mp3\"", "Content-Type: audio/mpeg\r\n", b"\x00\xff\r\n--b-\r\n\r\n--b\r\n-1"),
        ("; name=\"model\"", "", b"whisper-1"),
        ("; name=user", "", "Jürgen".as_bytes()),
        ("; name=\"metadata[user_id]\"", "", b"u1"),
        ("; name=\"input\"", "", b"\"hi\""),
        ("; name=\"previous_response_id\"", "", b"r1"),
        ("; name=\"stream\"", "", b"True"),
    ]);
    let peek = peek_form(&body, "b-1", &wanted).unwrap();
    assert_eq!(peek.model(), Some("whisper-1"));
    assert!(peek.stream());
    let text = |path: &[&str]| peek.text(&path.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>());
    assert_eq!(text(&["user"]).as_deref(), Some("Jürgen"));
    assert_eq!(text(&["metadata", "user_id"]).as_deref(), Some("u1"));
    assert_eq!((peek.input(), peek.is_state_bearing()), (None, false), "of no meaning in a form");
}

#[test]
fn only_the_models_bytes_change() {
    let parts = |model: &'static str| {
        form(&[
            ("; name=\"model\"; filename=\"m\"", "", b"a file of that name"),
            ("; name=\"model\"", "X: y\r\n", model.as_bytes()),
            ("; name=\"user\"", "", b"u1"),
            ("; name=\"file\"; filename=\"a\"", "", b"whisper-1 \x80"),
        ])
    };
    assert_eq!(to(&parts("whisper-1"), "voxtral \"ü\""), parts("voxtral \"ü\""));
    let body_of = |length: &'static str, model: &'static str| form(&[("; name=\"model\"", length, model.as_bytes())]);
    let before = body_of("content-length:  9 \r\nX: 9\r\n", "whisper-1");
    assert_eq!(to(&before, "a-longer-name"), body_of("content-length:  13 \r\nX: 9\r\n", "a-longer-name"));
}

#[test]
fn a_form_without_a_model_to_rename_is_left_alone() {
    for parts in [
        &[("; name=\"user\"", "", &b"u"[..])][..],
        &[("; name=\"model\"", "", b"")],
        &[("; name=\"model\"", "", b"\xff")],
        &[("; name=\"model\"; filename=\"\"", "", b"a")],
        &[("; name=\"model\"", "Content-Transfer-Encoding: base64\r\n", b"YQ==")],
        &[("; name=\"model\"", "", b"new")],
        &[],
    ] {
        assert_eq!(to(&form(parts), "new"), form(parts), "{parts:?}");
    }
    let body = form(&[("; name=\"model\"", "", b"a")]);
    assert_eq!(to(&body, "b\r\n--b-1--"), body, "it would end the form");
}

#[test]
fn a_second_model_or_user_is_refused_and_others_are_not() {
    let wanted = wanted();
    let twice = |name: &str, values: [&[u8]; 2]| {
        let name = format!("; name=\"{name}\"");
        let body = form(&[(&name, "", values[0]), (&name, "", values[1])]);
        peek_form(&body, "b-1", &wanted).map(|peek| peek.stream()).map_err(|error| error.to_string())
    };
    assert!(twice("model", [b"a", b"a"]).unwrap_err().contains("the key `model` more than once"));
    assert!(twice("model", [b"\xff", b"a"]).unwrap_err().contains("`model`"));
    assert!(twice("metadata[user_id]", [b"a", b"b"]).unwrap_err().contains("`metadata.user_id`"));
    assert_eq!(twice("stream", [b"false", b"true"]), Ok(true));
    assert_eq!(twice("file", [b"a", b"b"]), Ok(false));
}

#[test]
fn a_form_that_cannot_be_read_says_why() {
    let wanted = wanted();
    let why = |body: &[u8]| match peek_form(body, "b-1", &wanted) {
        Err(PeekError::NotForm(why)) => Some(why),
        _ => None,
    };
    assert_eq!(why(b"{\"model\":\"a\"}"), Some(Malformed::Open));
    let body = form(&[("; name=\"model\"", "", b"a")]);
    for end in 0..body.len() - 4 {
        assert_eq!(why(&body[..end]).is_some(), end < body.len() - 2, "cut at {end}");
    }
}

fn part() -> impl Strategy<Value = (&'static str, &'static str, Vec<u8>)> {
    let names =
        ["; name=\"file\"; filename=\"a;\\\"b\"", "; name=x", "; name=\"file[]\";filename=é", "; name=\"temperature\""];
    let headers = ["", "Content-Type: audio/wav\r\n", "content-length: 7\r\nX-A:\r\n"];
    let bytes = proptest::collection::vec(
        prop_oneof![
            any::<u8>().prop_map(|byte| vec![byte]),
            proptest::sample::select(vec!["\r\n", "--", "\r\n--b-", "b-1", "--b-1", "\n--b-1", "model", "\r"])
                .prop_map(|text| text.as_bytes().to_vec()),
        ],
        0..20,
    );
    let bytes = bytes.prop_map(|pieces| pieces.concat());
    let bytes = bytes.prop_filter("no boundary in it", |bytes| {
        !([b"\r\n", &bytes[..], b"\r\n--b-1"].concat().windows(7).rev().skip(1).any(|window| window == b"\r\n--b-1"))
    });
    (proptest::sample::select(names.to_vec()), proptest::sample::select(headers.to_vec()), bytes)
}

proptest! {
    #[test]
    fn a_model_is_renamed_whatever_stands_around_it(
        before in proptest::collection::vec(part(), 0..4),
        behind in proptest::collection::vec(part(), 0..4),
        old in "[!-~é]{1,9}",
        new in "[ -~é]{1,90}",
    ) {
        let with = |model: &str| {
            let around = |parts: &[(&'static str, &'static str, Vec<u8>)]| parts.to_vec();
            let middle = vec![("; name=\"model\"", "", model.as_bytes().to_vec())];
            let parts = [around(&before), middle, around(&behind)].concat();
            form(&parts.iter().map(|(name, headers, value)| (*name, *headers, &value[..])).collect::<Vec<_>>())
        };
        prop_assert_eq!(to(&with(&old), &new), with(&new));
    }

    #[test]
    fn no_bytes_make_it_panic(
        pieces in proptest::collection::vec(proptest::sample::select(vec![
            "--b-1", "\r\n", "\r", "\n", "--", ":", "Content-Disposition", "form-data", "; name=", "\"", "model", "\\", " ", "é",
        ]), 0..30),
        bytes: Vec<u8>,
    ) {
        let wanted = wanted();
        let _ = peek_form(&bytes, "b-1", &wanted);
        let text = pieces.concat();
        for body in [&text, &format!("--b-1\r\nContent-Disposition: form-data; name={text}")] {
            if let Ok(peek) = peek_form(body.as_bytes(), "b-1", &wanted) {
                let body = Bytes::copy_from_slice(body.as_bytes());
                let _ = rewrite(&body, &peek, Some("x"), &FieldRules::default());
            }
        }
    }
}
