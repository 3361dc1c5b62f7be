//! Each reason is told from the others.

use super::*;
use crate::cli::selftest::requests::Times;
use crate::decide::cause::ConnectStep;
use crate::decide::units::Millis;

fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Answer {
    let mut map = http::HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, value.parse().unwrap());
    }
    Answer {
        status: http::StatusCode::from_u16(status).unwrap(),
        headers: map,
        body: body.as_bytes().to_vec(),
        broken: None,
        times: Times { first_output: Some(std::time::Duration::from_millis(3)), ..Times::default() },
    }
}

const OWN: (&str, &str) = ("x-serin-error", "outside_mount");
const BY: (&str, &str) = ("x-serin-provider", "openai");

#[test]
fn serin_is_told_from_others_and_from_its_own_other_ports() {
    assert_eq!(health(&answer(404, &[OWN], "{}")).standing, Standing::Good);
    let hidden = r#"{"error":{"message":"`/healthz` is not below `/v1`, where Serin serves providers"}}"#;
    assert_eq!(health(&answer(404, &[], hidden)).standing, Standing::Good);
    let nginx = health(&answer(404, &[("content-type", "text/html")], "<html>nginx"));
    assert!(nginx.standing == Standing::Failed && nginx.seen.starts_with("not Serin: 404"), "{}", nginx.seen);
    let admin = health(&answer(200, &[("content-type", "text/plain; charset=utf-8")], "alive\n"));
    assert!(admin.seen.contains("admin or the probe port"), "{}", admin.seen);
}

#[test]
fn a_refused_key_is_told_by_who_refuses_it() {
    let key = Secret::new("sk-secret-1".to_owned());
    let body = r#"{"error":{"message":"Incorrect API key provided: sk-secret-1"}}"#;
    let by_provider = chat(&answer(401, &[BY], body), Some(&key)).unwrap_err();
    assert!(by_provider.contains("401: `openai` says that the key is refused"), "{by_provider}");
    assert!(by_provider.contains("[the key]") && !by_provider.contains("sk-secret-1"), "{by_provider}");
    let by_serin = chat(&answer(401, &[OWN], body), Some(&key)).unwrap_err();
    assert!(by_serin.contains("`clients`") && !by_serin.contains("sk-secret-1"), "{by_serin}");
    let none = chat(&answer(401, &[OWN], body), None).unwrap_err();
    assert!(none.contains("a key is needed"), "{none}");
    let event = format!("data: {body}\n\n");
    let streamed = stream(&answer(200, &[BY], &event), Some(&key)).unwrap_err();
    assert!(streamed.contains("an error event") && !streamed.contains("sk-secret-1"), "{streamed}");
}

#[test]
fn what_is_no_llm_api_is_called_so() {
    let page = [("content-type", "text/html")];
    assert!(models(&answer(200, &page, "<html>"), None).unwrap_err().starts_with("not an LLM API"));
    assert!(chat(&answer(200, &page, "<html>"), None).unwrap_err().starts_with("not an LLM API"));
    assert!(stream(&answer(200, &page, "<html>"), None).unwrap_err().starts_with("not a stream"));
    let moved = [("location", "https://login.example.com/?token=secret")];
    let moved = chat(&answer(302, &moved, ""), None).unwrap_err();
    assert!(moved.contains("https://login.example.com/;") && !moved.contains("secret"), "{moved}");
    assert!(
        chat(&answer(502, &[OWN], r#"{"error":{"message":"no connection"}}"#), None)
            .unwrap_err()
            .contains("502 by Serin: no connection")
    );
    assert!(chat(&answer(200, &[], r#"{"error":{"message":"overloaded"}}"#), None).unwrap_err().contains("overloaded"));
}

#[test]
fn a_stream_is_whole_with_output_and_an_end() {
    let word = r#"data: {"choices":[{"delta":{"content":"a"}}]}"#;
    let finish = r#"data: {"choices":[{"delta":{},"finish_reason":"length"}]}"#;
    let of = |body: &str| stream(&answer(200, &[BY], body), None);
    assert_eq!(of(&format!("{word}\n\n{finish}\n\ndata: [DONE]\n\n")), Ok(()));
    assert_eq!(of(&format!("{word}\n\n{finish}\n\n")), Ok(()));
    assert!(of(&format!("{word}\n\n")).unwrap_err().contains("without an end"));
    let mut broken = answer(200, &[BY], &format!("{word}\n\n"));
    broken.broken = Some("reset".to_owned());
    assert!(stream(&broken, None).unwrap_err().contains("broke off after 1 events: reset"));
    let mut silent = answer(200, &[BY], &format!("{finish}\n\n"));
    silent.times.first_output = None;
    assert!(stream(&silent, None).unwrap_err().contains("no output"));
}

#[test]
fn the_cheap_model_talks() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let all = names(&["text-embedding-3-small", "gpt-4o-mini-tts", "gpt-4o", "gpt-4o-mini"]);
    assert_eq!(cheap(&all).unwrap(), "gpt-4o-mini");
    assert_eq!(cheap(&names(&["whisper-1", "deepseek-chat"])).unwrap(), "deepseek-chat");
    assert_eq!(cheap(&names(&["whisper-1"])), None);
}

#[test]
fn who_does_not_answer_is_told_by_the_step() {
    let (host, place) = ("a.example".to_owned(), "a.example:443".to_owned());
    let tls = NoConnection::Tls { host, place: place.clone(), fault: TlsFault::UnknownIssuer };
    let tls = unanswered(&NoAnswer::Unreachable(tls));
    assert!(tls.starts_with("TLS: ") && tls.contains("SSL_CERT_FILE") && !tls.contains("tls.ca_file"), "{tls}");
    let late = NoConnection::Timeout { place, step: ConnectStep::Tcp, limit: Millis(10_000) };
    assert!(unanswered(&NoAnswer::Unreachable(late)).contains("took longer than 10s"));
    let problem = "connection refused".to_owned();
    let tcp = NoConnection::Tcp { place: "127.0.0.1:9".to_owned(), problem, waited: false };
    assert!(unanswered(&NoAnswer::Unreachable(tcp)).contains("refused; does it run"));
    assert!(unanswered(&NoAnswer::Broken("eof".to_owned())).contains("is it HTTP"));
}
