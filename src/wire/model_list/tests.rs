//! Lists as providers send them, and what is no list.

use proptest::prelude::*;

use super::*;

fn read(body: &str) -> Result<ModelPage, NoList> {
    read_model_page(body.as_bytes(), true)
}

fn names(page: &ModelPage) -> Vec<&str> {
    page.ids.iter().map(String::as_str).collect()
}

#[test]
fn each_form_is_told_from_the_others() {
    for (body, form, ids, origin) in [
        (
            r#"{"object":"list","data":[{"id":"gpt-4o","object":"model","owned_by":"system"},{"id":"o3"}]}"#,
            ListForm::OpenAi,
            vec!["gpt-4o", "o3"],
            None,
        ),
        (
            r#"{"object":"list","data":[{"id":"deepseek-chat","object":"model","owned_by":"deepseek"}]}"#,
            ListForm::OpenAi,
            vec!["deepseek-chat"],
            Some(ListOrigin::DeepSeek),
        ),
        (
            r#"{"data":[{"id":"a/b","canonical_slug":"a/b-1","pricing":{"prompt":"0.1"}}]}"#,
            ListForm::OpenAi,
            vec!["a/b"],
            Some(ListOrigin::OpenRouter),
        ),
        (
            r#"{"data":[{"type":"model","id":"claude-1","display_name":"C"}],"has_more":false,"first_id":"x","last_id":"x"}"#,
            ListForm::Anthropic,
            vec!["claude-1"],
            None,
        ),
        (
            r#"{"models":[{"name":"models/gemini-pro"},{"name":"llama3:8b"}]}"#,
            ListForm::Other,
            vec!["gemini-pro", "llama3:8b"],
            None,
        ),
        (r#"[{"id":"one"},{"id":"two"},7]"#, ListForm::Other, vec!["one", "two"], None),
        (r#"{"object":"list","data":[]}"#, ListForm::OpenAi, vec![], None),
        (r#"{"object":"list","has_more":false,"data":[{"id":"a","type":"model"}]}"#, ListForm::OpenAi, vec!["a"], None),
    ] {
        let page = read(body).unwrap();
        assert_eq!((page.form, names(&page), page.origin, page.cut), (form, ids, origin, false), "{body}");
    }
    let mixed = r#"{"data":[{"id":"a","owned_by":"deepseek"},{"id":"b","owned_by":"x"}]}"#;
    assert_eq!(read(mixed).unwrap().origin, None);
}

#[test]
fn a_page_names_the_one_after_it() {
    let page = |more| format!(r#"{{"data":[{{"type":"model","id":"c"}}],"has_more":{more},"last_id":"c"}}"#);
    assert_eq!(read(&page("true")).unwrap().next_after.as_deref(), Some("c"));
    assert_eq!(read(&page("false")).unwrap().next_after, None);
}

#[test]
fn what_is_no_list_says_what_it_is() {
    for (body, expected) in [
        ("", NoList::Foreign(Shape::Empty)),
        (" \n", NoList::Foreign(Shape::Blank)),
        ("<!doctype html><title>Sign in</title>", NoList::Foreign(Shape::Html)),
        ("<error/>", NoList::Foreign(Shape::Xml)),
        ("upstream connect error", NoList::Foreign(Shape::Text)),
        ("data: {}\n\n", NoList::Foreign(Shape::Events)),
        (r#"{"data": }"#, NoList::Foreign(Shape::Invalid)),
        (r#"{"status":"ok"}"#, NoList::OtherJson),
        (r#"{"data":{"id":"x"}}"#, NoList::OtherJson),
        ("[1,2]", NoList::OtherJson),
        ("null", NoList::Foreign(Shape::Null)),
    ] {
        assert_eq!(read(body), Err(expected), "{body}");
    }
}

#[test]
fn a_list_that_was_cut_keeps_what_stands_in_it() {
    let page = read_model_page(br#"{"object":"list","data":[{"id":"a"},{"id":"b"},{"id":"#, false).unwrap();
    assert_eq!((names(&page), page.cut), (vec!["a", "b"], true));
    // Its end is missing although all was read.
    assert!(read(r#"[{"id":"a"},"#).unwrap().cut);
}

#[test]
fn names_are_bounded_and_harmless() {
    let body =
        format!(r#"{{"data":[{{"id":"a\u001b[2J\u202e"}},{{"id":"{}"}},{{"id":7}},{{"id":""}}]}}"#, "x".repeat(900));
    let page = read(&body).unwrap();
    assert_eq!(
        (page.ids[0].as_str(), page.ids[1].chars().count(), page.ids.len()),
        ("a\\u001b[2J\\u202e", LONGEST + 1, 2)
    );
    let page = read_model_page(b"{\"data\":[{\"id\":\"a\xff\"}]}", true).unwrap();
    assert_eq!(names(&page), ["a\u{fffd}"]);
    let many = format!(r#"{{"data":[{}]}}"#, vec![r#"{"id":"m"}"#; MOST + 1].join(","));
    let page = read(&many).unwrap();
    assert_eq!((page.ids.len(), page.cut), (MOST, true));
}

#[test]
fn one_model_is_read_by_its_name() {
    assert_eq!(read_model_name(br#"{"id":"gpt-4o","object":"model"}"#).as_deref(), Some("gpt-4o"));
    assert_eq!(read_model_name(br#"{"error":{"message":"no"}}"#), None);
    assert_eq!(read_model_name(b"<html>"), None);
}

proptest! {
    #[test]
    fn whatever_comes_is_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..300), whole: bool) {
        let _ = read_model_page(&body, whole);
        let _ = read_model_name(&body);
    }

    #[test]
    fn whatever_is_cut_is_a_list_of_what_stood_before(at in 0usize..200) {
        let entries: Vec<String> = (0..9).map(|n| format!(r#"{{"id":"model-{n}","object":"model"}}"#)).collect();
        let body = format!(r#"{{"object":"list","data":[{}]}}"#, entries.join(","));
        let at = at.min(body.len());
        if let Ok(page) = read_model_page(&body.as_bytes()[..at], false) {
            let expected: Vec<String> = (0..page.ids.len()).map(|n| format!("model-{n}")).collect();
            prop_assert_eq!(page.ids, expected);
        }
    }
}
