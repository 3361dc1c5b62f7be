//! What a peek finds, what it refuses, and what a rewrite leaves alone.

use std::borrow::Cow;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::Value;

use super::wanted::MODEL;
use super::*;

mod rules;

fn path(text: &str) -> Vec<String> {
    text.split('.').map(str::to_owned).collect()
}

fn usual() -> Wanted {
    let paths = ["safety_identifier", "user", "metadata.user_id", "prompt_cache_key"].map(path);
    Wanted::new(paths.iter().map(Vec::as_slice), true)
}

fn user(body: &str) -> Option<String> {
    peek(body.as_bytes(), &usual()).unwrap().text(&path("user")).map(Cow::into_owned)
}

fn refused(body: &str) -> String {
    peek(body.as_bytes(), &usual()).unwrap_err().to_string()
}

#[test]
fn fields_are_found_in_any_order_and_behind_anything() {
    let wanted = usual();
    let body = br#" { "x": [{"user":"no"}, "\"user\":\"no\""], "stream" : true , "metadata":{"a":{"user_id":"no"},"user_id":"u1"},
        "model":"gpt-4", "user":"u2" } "#;
    let peek = peek(body, &wanted).unwrap();
    assert_eq!(peek.model(), Some("gpt-4"));
    assert!(peek.stream());
    assert_eq!(peek.text(&path("user")).as_deref(), Some("u2"));
    assert_eq!(peek.text(&path("metadata.user_id")).as_deref(), Some("u1"));
    assert_eq!(peek.text(&path("safety_identifier")), None);
}

#[test]
fn an_escaped_key_is_the_key_that_it_spells() {
    assert_eq!(user(r#"{"\u0075s\u0065r":"a"}"#).as_deref(), Some("a"));
    assert_eq!(user(r#"{"us\\er":"a"}"#), None);
}

#[test]
fn values_are_decoded() {
    assert_eq!(user(r#"{"user":"J\u00fcr\/gen \ud83d\ude00\""}"#).as_deref(), Some("Jür/gen 😀\""));
    assert_eq!(user("{\"user\":\"Jürgen\"}").as_deref(), Some("Jürgen"));
}

#[test]
fn what_goes_on_from_state_is_known() {
    for (body, bears) in [
        (r#"{"previous_response_id":"resp_1"}"#, true),
        (r#"{"conv\u0065rsation":{"id":"conv_1"}}"#, true),
        (r#"{"conversation":"conv_1","previous_response_id":null}"#, true),
        (r#"{"conversation":null,"previous_response_id" : null }"#, false),
        (r#"{"metadata":{"previous_response_id":"r"}}"#, false),
        ("{}", false),
    ] {
        assert_eq!(peek(body.as_bytes(), &usual()).unwrap().is_state_bearing(), bears, "{body}");
    }
}

#[test]
fn numbers_are_taken_as_they_are_written() {
    for number in ["42", "-7", "1.50", "1e3", "12345678901234567890123"] {
        assert_eq!(user(&format!("{{\"user\": {number} }}")).as_deref(), Some(number));
    }
}

#[test]
fn what_is_neither_text_nor_number_is_absent() {
    for value in ["null", "true", "false", "[\"a\"]", "{\"id\":\"a\"}", r#""\ud800""#] {
        assert_eq!(user(&format!("{{\"user\":{value}}}")), None, "{value}");
    }
}

#[test]
fn a_path_through_something_else_than_objects_ends() {
    let wanted = usual();
    for metadata in ["null", "\"user_id\"", "[{\"user_id\":\"a\"}]", "7"] {
        let body = format!("{{\"metadata\":{metadata}}}");
        assert_eq!(peek(body.as_bytes(), &wanted).unwrap().text(&path("metadata.user_id")), None);
    }
}

#[test]
fn a_field_and_a_field_below_it_can_both_be_wanted() {
    let paths = [path("user"), path("user.id")];
    let wanted = Wanted::new(paths.iter().map(Vec::as_slice), false);
    let peeked = peek(br#"{"user":{"id":"a"}}"#, &wanted).unwrap();
    assert_eq!((peeked.text(&paths[0]), peeked.text(&paths[1]).as_deref()), (None, Some("a")));
    let peeked = peek(br#"{"user":"b"}"#, &wanted).unwrap();
    assert_eq!((peeked.text(&paths[0]).as_deref(), peeked.text(&paths[1])), (Some("b"), None));
}

#[test]
fn a_second_model_or_user_is_refused_and_named() {
    let message = |key: &str| {
        format!(
            "the request body has the key `{key}` more than once; send it once, since Serin and the provider might \
             each read a different one"
        )
    };
    assert_eq!(refused(r#"{"user":"a","x":1,"user":"b"}"#), message("user"));
    assert_eq!(refused(r#"{"user":"a","user":"a"}"#), message("user"));
    assert_eq!(refused(r#"{"user":null,"us\u0065r":"b"}"#), message("user"));
    assert_eq!(refused(r#"{"model":"a","\u006dodel":"b"}"#), message("model"));
    assert_eq!(refused(r#"{"metadata":{"user_id":"a","user_id":"b"}}"#), message("metadata.user_id"));
    assert_eq!(refused(r#"{"metadata":{"user_id":"a"},"metadata":{}}"#), message("metadata"));
    assert_eq!(refused(r#"{"prompt_cache_key":1,"prompt_cache_key":2}"#), message("prompt_cache_key"));
}

#[test]
fn user_is_refused_twice_even_where_ids_come_from_elsewhere() {
    let wanted = Wanted::new([], false);
    assert!(matches!(peek(br#"{"user":1,"user":2}"#, &wanted), Err(PeekError::Duplicate { key }) if key == "user"));
}

#[test]
fn of_other_fields_the_last_one_counts() {
    let wanted = usual();
    let body = br#"{"stream":false,"x":1,"x":2,"nested":{"user":1,"user":2},"stream":true}"#;
    assert!(peek(body, &wanted).unwrap().stream());
}

#[test]
fn a_second_user_behind_a_key_that_is_no_text_is_found() {
    assert!(refused(r#"{"user":"a","\ud800":1,"user":"b"}"#).contains("`user`"));
    let wanted = usual();
    let body = b"{\"user\":\"a\",\"\xff\":\"\xfe\",\"user\":\"b\"}";
    assert!(matches!(peek(body, &wanted), Err(PeekError::Duplicate { .. })));
}

#[test]
fn what_is_no_json_object_is_told_apart() {
    let wanted = usual();
    for body in ["", " ", "null", "[]", "\"user\"", "7", "{", "{\"user\":\"a\"", "{\"user\":\"a\"} x", "{'user':'a'}"] {
        assert!(matches!(peek(body.as_bytes(), &wanted), Err(PeekError::NotJson(_))), "{body}");
    }
    assert_eq!(
        refused("{\"user\":\"a\",}"),
        "the request body is not a JSON object: trailing comma at line 1 column 13"
    );
    assert!(refused("[1]").starts_with("the request body is not a JSON object: invalid type: sequence"));
    assert!(matches!(peek(b"{\"user\":\"\xff\"}", &wanted), Err(PeekError::NotJson(_))));
}

#[test]
fn depth_costs_no_stack() {
    let deep = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let objects = format!("{}1{}", "{\"metadata\":".repeat(100_000), "}".repeat(100_000));
    for key in ["x", "messages", "user", "metadata", "model"] {
        let body = format!("{{\"{key}\":{},\"safety_identifier\":\"a\"}}", deep(100_000));
        let wanted = usual();
        let peek = peek(body.as_bytes(), &wanted).unwrap();
        assert_eq!(peek.text(&path("safety_identifier")).as_deref(), Some("a"));
        assert_eq!(crate::wire::opening::opening(&peek), None);
    }
    let wanted = usual();
    assert!(peek(objects.as_bytes(), &wanted).is_ok());
    assert!(matches!(peek("[".repeat(100_000).as_bytes(), &wanted), Err(PeekError::NotJson(_))));
    assert!(matches!(peek("{\"user\":".repeat(100_000).as_bytes(), &wanted), Err(PeekError::NotJson(_))));
}

#[test]
fn a_long_id_is_taken_whole() {
    let id = "é".repeat(5_000);
    assert_eq!(user(&format!("{{\"user\":\"{id}\"}}")), Some(id));
}

#[test]
fn conversations_are_read_only_where_wanted() {
    let body = br#"{"messages":[],"input":[],"system":"","instructions":""}"#;
    let (with, without) = (usual(), Wanted::new([], false));
    let peeked = peek(body, &with).unwrap();
    let all = (peeked.messages(), peeked.input(), peeked.system(), peeked.instructions());
    assert_eq!(all, (Some("[]"), Some("[]"), Some("\"\""), Some("\"\"")));
    let peeked = peek(body, &without).unwrap();
    assert_eq!((peeked.messages(), peeked.input(), peeked.system(), peeked.instructions()), (None, None, None, None));
}

#[test]
fn a_slice_is_known_by_its_place_in_the_body() {
    let (wanted, body) = (usual(), br#"{"messages" : [1, 2] }"#);
    let peeked = peek(body, &wanted).unwrap();
    assert_eq!(peeked.range_of(peeked.messages().unwrap()), Some(14..20));
    assert_eq!(peeked.range_of("elsewhere"), None);
}

fn rewritten(body: &str, new: &str) -> String {
    let (wanted, bytes) = (usual(), Bytes::copy_from_slice(body.as_bytes()));
    let peeked = peek(&bytes, &wanted).unwrap();
    String::from_utf8(rewrite(&bytes, &peeked, Some(new), &FieldRules::default()).to_vec()).unwrap()
}

#[test]
fn only_the_models_value_changes() {
    assert_eq!(
        rewritten("{ \"a\":1 , \"mod\\u0065l\" : \"gpt\\u002d4\"\n,\"model2\":\"gpt-4\"}", "deepseek-chat"),
        "{ \"a\":1 , \"mod\\u0065l\" : \"deepseek-chat\"\n,\"model2\":\"gpt-4\"}"
    );
    assert_eq!(rewritten(r#"{"model":"a"}"#, "q\"\\\n\u{1}é"), r#"{"model":"q\"\\\n\u0001é"}"#);
}

#[test]
fn a_body_without_a_models_name_is_left_alone() {
    for body in [r#"{"x":1}"#, r#"{"model":null}"#, r#"{"model":7}"#, r#"{"model":["a"]}"#, r#"{"x":{"model":"a"}}"#] {
        assert_eq!(rewritten(body, "b"), body);
    }
    assert_eq!(rewritten(r#"{"model":"\u0061"}"#, "a"), r#"{"model":"\u0061"}"#, "the same name needs no change");
}

/// A JSON value whose objects keep their order; keys are unique.
#[derive(Clone, Debug)]
enum Json {
    Plain(Value),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

fn key() -> impl Strategy<Value = String> {
    let known = ["model", "user", "stream", "metadata", "user_id", "messages", "é", "a\"b\\c"];
    prop_oneof![4 => proptest::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => ".{0,6}"]
}

fn object(of: impl Strategy<Value = Json> + Clone + 'static) -> impl Strategy<Value = Vec<(String, Json)>> {
    proptest::collection::btree_map(key(), of, 0..8).prop_map(Vec::from_iter).prop_shuffle()
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Plain(Value::Null)),
        any::<bool>().prop_map(|value| Json::Plain(Value::Bool(value))),
        any::<i64>().prop_map(|value| Json::Plain(Value::from(value))),
        ".{0,12}".prop_map(Json::Text),
        "[a\"\\\\/\u{8}\n\u{1f600}]{0,5}".prop_map(Json::Text),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::List),
            object(inner.boxed()).prop_map(Json::Object)
        ]
    })
}

/// Writes JSON as a hostile client might: whitespace and escapes wherever `dice` says so.
struct Writer<'d> {
    out: String,
    dice: std::iter::Cycle<std::slice::Iter<'d, u8>>,
}

impl Writer<'_> {
    fn space(&mut self) {
        let space = ["", "", " ", "\n\t", "\r\n  "][usize::from(self.dice.next().copied().unwrap_or(0)) % 5];
        self.out.push_str(space);
    }

    fn text(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            if self.dice.next().copied().unwrap_or(0) % 3 == 0 {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    self.out.push_str(&format!("\\u{unit:04x}"));
                }
            } else {
                let quoted = serde_json::to_string(&c).unwrap();
                self.out.push_str(&quoted[1..quoted.len() - 1]);
            }
        }
        self.out.push('"');
    }

    fn value(&mut self, value: &Json) {
        self.space();
        match value {
            Json::Plain(value) => self.out.push_str(&value.to_string()),
            Json::Text(text) => self.text(text),
            Json::List(items) => {
                self.out.push('[');
                for (n, item) in items.iter().enumerate() {
                    self.out.push_str(if n == 0 { "" } else { "," });
                    self.value(item);
                }
                self.out.push(']');
            }
            Json::Object(fields) => {
                self.out.push('{');
                for (n, (key, value)) in fields.iter().enumerate() {
                    self.out.push_str(if n == 0 { "" } else { "," });
                    self.space();
                    self.text(key);
                    self.space();
                    self.out.push(':');
                    self.value(value);
                }
                self.out.push('}');
            }
        }
        self.space();
    }
}

fn written(fields: &[(String, Json)], dice: &[u8]) -> String {
    let mut writer = Writer { out: String::new(), dice: dice.iter().cycle() };
    writer.value(&Json::Object(fields.to_vec()));
    writer.out
}

fn body() -> impl Strategy<Value = String> {
    (object(json().boxed()), proptest::collection::vec(any::<u8>(), 1..40))
        .prop_map(|(fields, dice)| written(&fields, &dice))
}

fn as_id(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

proptest! {
    #[test]
    fn a_peek_finds_what_a_full_parse_finds(body in body()) {
        let full: Value = serde_json::from_str(&body).unwrap();
        let wanted = usual();
        let peeked = peek(body.as_bytes(), &wanted).unwrap();
        prop_assert_eq!(peeked.model(), full.get("model").and_then(Value::as_str));
        prop_assert_eq!(peeked.stream(), full.get("stream") == Some(&Value::Bool(true)));
        let id = |text: &str| peeked.text(&path(text)).map(Cow::into_owned);
        prop_assert_eq!(id("user"), as_id(full.get("user")));
        prop_assert_eq!(id("metadata.user_id"), as_id(full.pointer("/metadata/user_id")));
        let messages = peeked.messages().map(|raw| serde_json::from_str::<Value>(raw).unwrap());
        prop_assert_eq!(messages.as_ref(), full.get("messages"));
    }

    #[test]
    fn a_rewrite_changes_the_model_and_nothing_else(body in body(), new: String) {
        let after = rewritten(&body, &new);
        let mut expected: Value = serde_json::from_str(&body).unwrap();
        let has_model = expected.get("model").is_some_and(Value::is_string);
        if has_model {
            expected["model"] = Value::from(new.as_str());
        } else {
            prop_assert_eq!(&after, &body);
        }
        prop_assert_eq!(serde_json::from_str::<Value>(&after).unwrap(), expected);
        let (wanted, bytes) = (usual(), Bytes::from(body.clone()));
        let peeked = peek(&bytes, &wanted).unwrap();
        if let Some(range) = peeked.raw(MODEL).and_then(|raw| peeked.range_of(raw)).filter(|_| has_model) {
            prop_assert_eq!(&after[..range.start], &body[..range.start]);
            prop_assert!(after.ends_with(&body[range.end..]));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[{}\\[\\]\":,\\\\a-eu0-9 ]{0,60}") {
        let wanted = usual();
        let _ = peek(&bytes, &wanted);
        if let Ok(found) = peek(text.as_bytes(), &wanted) {
            prop_assert!(text.trim_start().starts_with('{'), "{}", text);
            let _ = crate::wire::opening::opening(&found);
        }
    }
}
