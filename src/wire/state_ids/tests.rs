use proptest::prelude::*;

use super::*;
use crate::wire::dialect::Dialect;

fn named(body: &str) -> Vec<String> {
    let mut ids = Vec::new();
    in_request(Dialect::Responses, body.as_bytes(), |id, _| ids.push(id.to_owned()));
    ids
}

fn learned(answer: &str, kept: bool) -> Vec<String> {
    learned_in_pieces(answer, kept, usize::MAX)
}

fn learned_in_pieces(answer: &str, kept: bool, length: usize) -> Vec<String> {
    let (mut scanner, mut ids) = (AnswerScanner::new(kept), Vec::new());
    for piece in answer.as_bytes().chunks(length.min(answer.len()).max(1)) {
        scanner.feed(piece, |id| {
            if !ids.contains(&id.to_owned()) {
                ids.push(id.to_owned());
            }
        });
    }
    ids
}

#[test]
fn requests_name_ids_in_every_place_that_the_apis_have_for_them() {
    for (body, ids) in [
        (r#"{"previous_response_id":"resp_1"}"#, vec!["resp_1"]),
        (r#"{"previous_response_id":null,"conversation":"conv_1"}"#, vec!["conv_1"]),
        (r#"{"conversation":{"id":"conv_1"},"input":"hi"}"#, vec!["conv_1"]),
        (
            r#"{"input":[{"type":"item_reference","id":"msg_1"},{"id":"rs_1","type":"item_reference"}]}"#,
            vec!["msg_1", "rs_1"],
        ),
        (r#"{"input":[{"role":"user","content":[{"type":"input_file","file_id":"file-1"}]}]}"#, vec!["file-1"]),
        (r#"{"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}}]}]}"#, vec!["file-1"]),
        (
            r#"{"messages":[{"content":[{"type":"document","source":{"type":"file","file_id":"file_1"}}]}]}"#,
            vec!["file_1"],
        ),
        (r#"{"container":"container_1"}"#, vec!["container_1"]),
        (r#"{"container":{"id":"container_1","skills":[]}}"#, vec!["container_1"]),
        (r#"{"tools":[{"type":"code_interpreter","container":"cntr_1"}]}"#, vec!["cntr_1"]),
        (
            r#"{"tools":[{"type":"code_interpreter","container":{"type":"auto","file_ids":["f1","f2"]}}]}"#,
            vec!["f1", "f2"],
        ),
        (r#"{"tools":[{"type":"file_search","vector_store_ids":["vs_1","vs_2"]}]}"#, vec!["vs_1", "vs_2"]),
        (
            r#"{"tool_resources":{"file_search":{"vector_store_ids":["vs_1"]},"code_interpreter":{"file_ids":["f"]}}}"#,
            vec!["vs_1", "f"],
        ),
        (r#"{"assistant_id":"asst_1","thread_id":"thread_1"}"#, vec!["thread_1", "asst_1"]),
        (r#"{"messages":[{"attachments":[{"file_id":"file-1","tools":[]}]}]}"#, vec!["file-1"]),
        (r#"{"input_file_id":"file-1","endpoint":"/v1/responses"}"#, vec!["file-1"]),
        (r#"{"training_file":"file-1","validation_file":"file-2"}"#, vec!["file-1", "file-2"]),
    ] {
        assert_eq!(named(body), ids, "{body}");
    }
}

#[test]
fn texts_schemas_metadata_and_arguments_name_nothing() {
    for body in [
        r#"{"input":"{\"file_id\":\"file-1\"}"}"#,
        r#"{"metadata":{"file_id":"file-1","thread_id":"thread_1"}}"#,
        r#"{"tools":[{"parameters":{"properties":{"file_id":{"type":"string","const":"x"}},"file_id":"file-1"}}]}"#,
        r#"{"messages":[{"content":[{"type":"tool_use","id":"toolu_1","input":{"file_id":"file-1"}}]}]}"#,
        r#"{"input":[{"type":"function_call_output","call_id":"call_1","output":"done"}]}"#,
        r#"{"input":[{"type":"message","id":"msg_1","role":"assistant","content":[]}]}"#,
        r#"{"file_id":"two words","thread_id":"","assistant_id":7,"vector_store_ids":[null]}"#,
        r#"{"file_id":"a\u0062c"}"#,
    ] {
        assert_eq!(named(body), [""; 0], "{body}");
    }
}

#[test]
fn of_several_ids_the_more_specific_comes_first_and_few_are_taken() {
    let files = (0..40).map(|number| format!("\"file-{number}\"")).collect::<Vec<_>>().join(",");
    let body = format!(r#"{{"file_ids":[{files}],"thread_id":"thread_1","previous_response_id":"resp_1"}}"#);
    let ids = named(&body);
    assert_eq!(
        (ids.len(), &ids[0], &ids[1], &ids[2]),
        (MOST_NAMED, &"resp_1".into(), &"thread_1".into(), &"file-0".into())
    );
}

#[test]
fn what_a_request_goes_on_from_is_told_from_what_it_uses() {
    let body = r#"{"file_id":"file-1","conversation":"conv_1","container":"cntr_1"}"#;
    let mut ids = Vec::new();
    in_request(Dialect::Responses, body.as_bytes(), |id, goes_on| ids.push((id.to_owned(), goes_on)));
    assert_eq!(ids, [("conv_1".to_owned(), true), ("cntr_1".to_owned(), false), ("file-1".to_owned(), false)]);
    ids.clear();
    let body = body.replace("conv_1", "my-chat-1");
    in_request(Dialect::ChatCompletions, body.as_bytes(), |id, goes_on| ids.push((id.to_owned(), goes_on)));
    assert_eq!(ids, [("file-1".to_owned(), false)], "it is the application's own");
    ids.clear();
    let body = br#"{"conversation":{"id":"conv_1"},"previous_response_id":"resp_1"}"#;
    in_request(Dialect::ChatCompletions, body, |id, goes_on| ids.push((id.to_owned(), goes_on)));
    assert_eq!(ids, [("resp_1".to_owned(), true), ("conv_1".to_owned(), true)]);
}

#[test]
fn a_body_without_the_words_is_not_read() {
    let needles = Needles::default();
    let chat = br#"{"messages":[{"role":"tool","tool_call_id":"call_1","content":"hi"}],"user":"u"}"#;
    assert!(!needles.may_name(Dialect::ChatCompletions, false, chat));
    assert!(!needles.may_name(Dialect::Responses, false, chat) && needles.may_name(Dialect::Responses, true, chat));
    let file = br#"{"messages":[{"content":[{"type":"file","file":{"file_id":"f"}}]}]}"#;
    assert!(
        needles.may_name(Dialect::ChatCompletions, false, file) && needles.may_name(Dialect::Messages, false, file)
    );
    assert!(needles.may_name(Dialect::Plain, false, b"{}"));
}

#[test]
fn an_answer_is_kept_unless_it_was_asked_not_to_be() {
    let needles = Needles::default();
    for (body, kept) in [
        (r#"{"input":"hi"}"#, Some(true)),
        (r#"{"input":"hi","store": false}"#, Some(false)),
        (r#"{"store":true}"#, Some(true)),
        (r#"{"input":"\"store\": false"}"#, Some(true)),
    ] {
        assert_eq!(needles.answer_is_kept(Dialect::Responses, body.as_bytes()), kept, "{body}");
    }
    assert_eq!(needles.answer_is_kept(Dialect::Messages, b"{}"), None);
    assert_eq!(needles.answer_is_kept(Dialect::Messages, br#"{"tools":[{"name":"code_execution"}]}"#), Some(false));
    assert_eq!(needles.answer_is_kept(Dialect::ChatCompletions, b"{}"), None);
}

const RESPONSE: &str = r#"{"id":"resp_1","object":"response","created_at":1,"conversation":{"id":"conv_1"},"output":[
{"id":"rs_1","type":"reasoning","summary":[]},{"type":"message","id":"msg_1","content":[{"type":"output_text",
"text":"the \"id\": \"resp_9\"","annotations":[{"type":"container_file_citation","container_id":"cntr_1","file_id":"cfile_1"}]}]},
{"id":"ci_1","type":"code_interpreter_call","container_id":"cntr_1"}],"tools":[{"type":"function","parameters":{"file_id":"no"}}],
"metadata":{"file_id":"no"}}"#;

#[test]
fn answers_make_ids_whatever_they_are() {
    let all = ["resp_1", "conv_1", "rs_1", "msg_1", "cntr_1", "cfile_1", "ci_1"];
    assert_eq!(learned(RESPONSE, true), all);
    assert_eq!(learned(RESPONSE, false), ["conv_1", "cntr_1", "cfile_1"], "it is not kept itself");
    for object in [
        "conversation",
        "thread",
        "thread.run",
        "file",
        "batch",
        "vector_store",
        "assistant",
        "container",
        "upload",
        "fine_tuning.job",
        "realtime.session",
    ] {
        assert_eq!(learned(&format!(r#"{{"id":"x_1","object":"{object}"}}"#), false), ["x_1"], "{object}");
        assert_eq!(learned(&format!(r#"{{"object":"{object}","id":"x_1"}}"#), false), ["x_1"], "{object}");
    }
    assert_eq!(learned(r#"{"id":"msgbatch_1","type":"message_batch"}"#, false), ["msgbatch_1"]);
    assert_eq!(
        learned(r#"{"id":"batch_1","object":"batch","output_file_id":"f2","error_file_id":null}"#, false),
        ["batch_1", "f2"]
    );
    assert_eq!(learned(r#"{"id":"chatcmpl-1","object":"chat.completion","model":"m"}"#, true), [""; 0]);
    assert_eq!(learned(r#"{"id":"msg_1","type":"message","container":{"id":"c_1","expires_at":"x"}}"#, false), ["c_1"]);
    let tool =
        r#"{"id":"msg_1","type":"message","content":[{"type":"tool_use","id":"t","input":{"file_id":"file-1"}}]}"#;
    assert_eq!(learned(tool, false), [""; 0], "a model may write any id");
}

#[test]
fn events_make_ids_as_soon_as_they_are_there() {
    let created = "event: response.created\r\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\",\"object\":\"response\"";
    assert_eq!(learned(created, true), ["resp_1"], "before the event ends");
    let done =
        "event: x\ndata: {\"type\":\"response.output_item.done\",\"item\":{\"id\":\"msg_1\",\"type\":\"message\"}}\n\n";
    assert_eq!(learned(done, true), ["msg_1"]);
    let start = "data: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"container\":{\"id\":\"c_1\"}}}\n\n";
    assert_eq!(learned(start, false), ["c_1"]);
    let delta = "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"container\":{\"id\":\"c_2\"}}}\n\n";
    assert_eq!(learned(delta, false), ["c_2"]);
    let cut = "data: {\"x\": \"cut off\n\ndata: {\"id\":\"thread_1\",\"object\":\"thread\"}\n\n";
    assert_eq!(learned(cut, false), ["thread_1"], "a line that breaks off takes nothing with it");
}

#[test]
fn paths_are_about_one_id() {
    for (path, id, last) in [
        ("/responses/resp_1", Some("resp_1"), true),
        ("/responses/resp_1/cancel", Some("resp_1"), false),
        ("//responses//resp_1/", Some("resp_1"), true),
        ("/conversations/conv_1/items/msg_1", Some("conv_1"), false),
        ("/files/file-1/content", Some("file-1"), false),
        ("/batches/batch_1", Some("batch_1"), true),
        ("/messages/batches/msgbatch_1/results", Some("msgbatch_1"), false),
        ("/vector_stores/vs_123/files/f", Some("vs_123"), false),
        ("/assistants/asst_1", Some("asst_1"), true),
        ("/threads/thread_1/runs/run_1", Some("thread_1"), false),
        ("/containers/cntr_1/files", Some("cntr_1"), false),
        ("/uploads/upload_1/parts", Some("upload_1"), false),
        ("/fine_tuning/jobs/ftjob-1/events", Some("ftjob-1"), false),
        ("/realtime/calls/rtc_12/accept", Some("rtc_12"), false),
        ("/chat/completions/chatcmpl-1", Some("chatcmpl-1"), true),
    ] {
        assert_eq!(in_path(path).map(|found| found.id), id, "{path}");
        assert_eq!(in_path(path).is_some_and(|found| found.last), last, "{path}");
    }
    for path in [
        "/",
        "",
        "/responses",
        "/responses/",
        "/chat/completions",
        "/messages",
        "/messages/count_tokens",
        "/messages/batches",
        "/models/gpt-4",
        "/threads/runs",
        "/responses/compact",
        "/fine_tuning/checkpoints/x",
        "/realtime/client_secrets",
        "/embeddings",
        "/files",
        "/videos/edits",
        "/videos/characters",
        "/responses/v2",
    ] {
        assert_eq!(in_path(path), None, "{path}");
    }
    assert_eq!(in_query("/realtime", Some("model=x&call_id=rtc_1")), Some("rtc_1"));
    assert_eq!((in_query("/realtime", None), in_query("/chat", Some("call_id=x"))), (None, None));
    assert!(body_names("/batches") && body_names("/threads/runs") && !body_names("/chat/completions/c"));
    assert!(
        answer_makes("/files/f") && !answer_makes("/files/f/content") && !answer_makes("/messages/batches/b/results")
    );
}

proptest! {
    #[test]
    fn pieces_make_no_difference(length in 1..40_usize, kept: bool) {
        prop_assert_eq!(learned_in_pieces(RESPONSE, kept, length), learned(RESPONSE, kept));
    }

    #[test]
    fn no_bytes_make_it_panic(text in "[{}\\[\\]\":,\\\\a \n]{0,80}", ids in "(\\{\"(id|type|object|file_id)\":\"[a-z\"]{0,9}){0,5}") {
        let _ = (named(&text), named(&ids), learned(&text, true), learned(&ids, true), in_path(&text));
    }
}
