//! What is reported of answers whose status is good: by whatever dialect, whole or streamed, plain or encoded.

use std::io::Write as _;
use std::sync::mpsc::channel;
use std::time::Duration;

use super::support::*;
use crate::decide::bucket::bucket_and_slot;
use crate::decide::finish_kind::FinishKind;
use crate::decide::policy::StreamMode;
use crate::decide::units::{Arm, Percent, ProviderId};
use crate::state::samples::SampleKind;

const CHAT: &str = "/v1/chat/completions";

/// An event of this name, where it has one.
fn event(name: &str, data: &str) -> String {
    if name.is_empty() { format!("data: {data}\n\n") } else { format!("event: {name}\ndata: {data}\n\n") }
}

fn chat(content: &str, reason: &str) -> (String, String) {
    let whole = format!(
        r#"{{"object":"chat.completion","choices":[{{"index":0,"message":{{"role":"assistant","content":"{content}"}},"finish_reason":"{reason}"}}]}}"#
    );
    let delta = |delta: &str, reason: &str| {
        event("", &format!(r#"{{"choices":[{{"index":0,"delta":{{{delta}}},"finish_reason":{reason}}}]}}"#))
    };
    let words = if content.is_empty() { String::new() } else { delta(&format!(r#""content":"{content}""#), "null") };
    let events =
        delta(r#""role":"assistant""#, "null") + &words + &delta("", &format!("\"{reason}\"")) + "data: [DONE]\n\n";
    (whole, events)
}

fn response(text: &str, status: &str, details: &str) -> (String, String) {
    let whole = format!(
        r#"{{"object":"response","status":"{status}","incomplete_details":{details},"output":[{{"type":"message","content":[{{"type":"output_text","text":"{text}"}}]}}]}}"#
    );
    let events = event(
        "response.output_text.delta",
        &format!(r#"{{"type":"response.output_text.delta","sequence_number":1,"delta":"{text}"}}"#),
    ) + &event(
        &format!("response.{status}"),
        &format!(r#"{{"type":"response.{status}","sequence_number":2,"response":{whole}}}"#),
    );
    (whole, events)
}

fn message(text: &str, reason: &str) -> (String, String) {
    let content = if text.is_empty() { String::new() } else { format!(r#"{{"type":"text","text":"{text}"}}"#) };
    let whole = format!(
        r#"{{"type":"message","role":"assistant","content":[{content}],"stop_reason":"{reason}","usage":{{"input_tokens":3,"output_tokens":2}}}}"#
    );
    let words = if text.is_empty() {
        String::new()
    } else {
        event(
            "content_block_delta",
            &format!(r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{text}"}}}}"#),
        )
    };
    let events = event("message_start", r#"{"type":"message_start","message":{"type":"message","content":[]}}"#)
        + &words
        + &event("message_delta", &format!(r#"{{"type":"message_delta","delta":{{"stop_reason":"{reason}"}}}}"#))
        + &event("message_stop", r#"{"type":"message_stop"}"#);
    (whole, events)
}

/// What an arm's provider is counted to have answered, and what is reported to the guard besides times.
fn counted(sidecar: &Sidecar, arm: Arm) -> (Vec<(&'static str, u64)>, Vec<SampleKind>) {
    let snapshot = sidecar.shared.load();
    let rollout = &snapshot.rollouts[0];
    let series = rollout.series.own(arm);
    let counts = FinishKind::ALL.map(|finished| (finished.as_str(), series.answers(finished)));
    let mut reported = Vec::new();
    rollout.evidence.samples.drain(|sample| {
        assert_eq!((sample.whose.arm, sample.whose.slot), (arm, Some(bucket_and_slot("", b"u").slot)));
        reported.push(sample.kind);
    });
    reported.retain(|what| !matches!(what, SampleKind::Output { .. } | SampleKind::Sent | SampleKind::WaitEnded(_)));
    (counts.into_iter().filter(|(_, count)| *count > 0).collect(), reported)
}

fn some() -> Percent {
    Percent::from_hundredths(1).unwrap()
}

#[test]
fn an_answer_is_counted_by_how_it_ended_on_both_arms_whole_and_streamed() {
    let filter = r#"{"reason":"content_filter"}"#;
    let limit = r#"{"reason":"max_output_tokens"}"#;
    for (path, answer, ends) in [
        (CHAT, chat("hi", "stop"), "stop"),
        (CHAT, chat("hi", "tool_calls"), "tool_calls"),
        (CHAT, chat("hi", "length"), "length"),
        (CHAT, chat("", "length"), "length"),
        (CHAT, chat("hi", "content_filter"), "filtered"),
        (CHAT, chat("", "content_filter"), "filtered"),
        (CHAT, chat("", "stop"), "empty"),
        (CHAT, chat("hi", "weary"), "other"),
        ("/v1/responses", response("hi", "completed", "null"), "stop"),
        ("/v1/responses", response("hi", "incomplete", limit), "length"),
        ("/v1/responses", response("hi", "incomplete", filter), "filtered"),
        ("/v1/messages", message("hi", "end_turn"), "stop"),
        ("/v1/messages", message("hi", "max_tokens"), "length"),
        ("/v1/messages", message("hi", "refusal"), "filtered"),
        ("/v1/messages", message("", "end_turn"), "empty"),
    ] {
        let (whole, events) = answer;
        let chunked = json(200, "transfer-encoding: chunked\r\n", "").replace("content-length: 0\r\n", "")
            + &format!("{:x}\r\n{whole}\r\n{LAST}", whole.len());
        for (answer, streaming) in [(json(200, "", &whole), false), (chunked, false), (stream(&[&events]) + LAST, true)]
        {
            for (arm, percent) in [(Arm::Stable, some()), (Arm::Canary, Percent::ALL)] {
                for mode in [StreamMode::Live, StreamMode::Buffered] {
                    let (provider, _seen) = Scripted::in_turn([answer.clone()]);
                    let mut policy = policy(provider.address, provider.address);
                    with_rollout(&mut policy, |rollout| {
                        rollout.stream_mode = mode;
                        rollout.matches.endpoints = vec![path.strip_prefix("/v1/").unwrap().to_owned()];
                    });
                    let sidecar = Sidecar::start(policy, percent);
                    sidecar.ask(&post(path, "x-user-id: u\r\n", &format!(r#"{{"stream":{streaming}}}"#)));
                    sidecar.settle();
                    let aspect = FinishKind::ALL.into_iter().find(|finished| finished.as_str() == ends);
                    let reported = aspect.filter(|finished| finished.aspect().is_some());
                    let reported: Vec<SampleKind> =
                        reported.map(|finished| SampleKind::Answered { finished }).into_iter().collect();
                    let place = format!("{path} {arm:?} {mode:?} {answer}");
                    assert_eq!(counted(&sidecar, arm), (vec![(ends, 1)], reported), "{place}");
                }
            }
        }
    }
}

#[test]
fn what_is_no_answer_is_none() {
    for answer in [
        json(500, "", "{}"),
        json(400, "", r#"{"error":{"message":"no","code":"bad"}}"#),
        stream(&[ROLE, WORD, "data: {\"error\":{\"message\":\"gone\"}}\n\n"]) + LAST,
        stream(&[ROLE, WORD]) + LAST,
    ] {
        let (provider, _seen) = Scripted::in_turn([answer.clone(), answer.clone()]);
        let sidecar = Sidecar::start(policy(provider.address, refusing_address()), some());
        sidecar.ask(&post(CHAT, "x-user-id: u\r\n", r#"{"stream":true}"#));
        sidecar.settle();
        assert_eq!(counted(&sidecar, Arm::Stable).0, [], "{answer}");
    }
}

#[test]
fn what_another_provider_answered_is_counted_there_and_no_evidence() {
    let (old, _seen) = Scripted::in_turn([json(200, "", &chat("hi", "length").0)]);
    let (new, _seen) = Scripted::in_turn([json(500, "", "{}")]);
    let sidecar = Sidecar::start(both_ways(&old, &new), Percent::ALL);
    sidecar.ask(&post(CHAT, "x-user-id: u\r\n", "{}"));
    sidecar.settle();
    let (counts, reported) = counted(&sidecar, Arm::Canary);
    assert_eq!((counts, reported), (vec![], vec![SampleKind::Failed { connect: false }]));
    let snapshot = sidecar.shared.load();
    assert_eq!(snapshot.rollouts[0].series.of(Arm::Canary, ProviderId(0)).answers(FinishKind::Length), 1);
}

/// A provider that sends the first output at once, and then as many as it is asked for, one by one.
fn step_by_step() -> (Scripted, std::sync::mpsc::Sender<String>) {
    let (go, reported) = channel::<String>();
    let reported = std::sync::Mutex::new(reported);
    let provider = Scripted::new(move |mut client| {
        client.message();
        client.stream.write_all(stream(&[ROLE, WORD]).as_bytes()).unwrap();
        for piece in reported.lock().unwrap().iter() {
            client.stream.write_all(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes()).unwrap();
        }
        client.stream.write_all(LAST.as_bytes()).unwrap();
    });
    (provider, go)
}

/// Lets some time pass that can be measured.
fn pause(millis: u64) {
    let (_never, wait) = channel::<()>();
    let _ = wait.recv_timeout(Duration::from_millis(millis));
}

fn gaps(reported: &[SampleKind]) -> Vec<u64> {
    reported.iter().filter_map(|what| if let SampleKind::Paced { gap } = what { Some(*gap) } else { None }).collect()
}

#[test]
fn a_stream_of_ten_outputs_has_a_pace_and_one_of_nine_has_none() {
    for (more, mode) in [(9, StreamMode::Live), (9, StreamMode::Buffered), (8, StreamMode::Live)] {
        let (provider, go) = step_by_step();
        let mut policy = policy(provider.address, provider.address);
        with_rollout(&mut policy, |rollout| rollout.stream_mode = mode);
        let sidecar = Sidecar::start(policy, Percent::ALL);
        let mut client = sidecar.client();
        client.send(post(CHAT, "x-user-id: u\r\n", r#"{"stream":true}"#));
        for _ in 0..more {
            pause(12);
            go.send(WORD.to_owned()).unwrap();
        }
        go.send(STOP.to_owned()).unwrap();
        drop(go);
        assert_eq!(client.reply().status, 200);
        sidecar.settle();
        let gaps = gaps(&counted(&sidecar, Arm::Canary).1);
        assert_eq!(gaps.len(), usize::from(more == 9), "{mode:?}");
        assert!(gaps.iter().all(|gap| (8_000..500_000).contains(gap)), "microseconds: {gaps:?}");
    }
}

#[test]
fn who_leaves_a_slow_stream_has_seen_its_pace() {
    let (provider, go) = step_by_step();
    let sidecar = Sidecar::start(policy(provider.address, provider.address), Percent::ALL);
    let mut client = sidecar.client();
    client.send(post(CHAT, "x-user-id: u\r\n", r#"{"stream":true}"#));
    for number in 0..12 {
        pause(8);
        go.send(WORD.replace("hi", &format!("w{number}"))).unwrap();
    }
    client.read_to("w11");
    drop(client);
    sidecar.settle();
    let (counts, reported) = counted(&sidecar, Arm::Canary);
    assert_eq!((counts, gaps(&reported).len()), (vec![], 1), "{reported:?}");
}
