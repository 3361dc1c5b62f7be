//! Traces by OTLP: a span for each request and each attempt, and nothing that is nobody's business; and a collector that
//! is slow, refuses or is gone concerns no request.

use std::time::Duration;

use serin::clock;
use serin::telemetry::otlp::proto::{Span, SpanKind, StatusCode};

use crate::support::api::Api;
use crate::support::client::Client;
use crate::support::collector::{Collector, attribute, events, hex, status};
use crate::support::eventually::{SOON, eventually};
use crate::support::faults::fault::{Cut, Fault, Refusal};
use crate::support::harness::{Flags, Harness, IMPATIENT, series};
use crate::support::scripted::Scripted;
use crate::support::scripted::request::Seen;
use crate::support::scripted::step::Step;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

struct Traced {
    stage: Harness,
    collector: Collector,
    stable: Scripted,
    canary: Scripted,
}

/// All users are on the canary; `keys`: of `otlp`, after its endpoint.
fn flags(stable: &Scripted, canary: &Scripted, otlp: &str) -> Flags {
    Flags::new()
        .top(otlp)
        .provider("oldcorp", &stable.base_url(), &format!("api_keys: [sk-oldcorp], {IMPATIENT}"))
        .provider(
            "newcorp",
            &canary.base_url(),
            &format!("api_keys: [sk-newcorp], models: {{ gpt: deepseek }}, {IMPATIENT}"),
        )
        .chat("percent: 100%, give_up_after: 3s, hold: 3s")
}

fn otlp(collector: &Collector, keys: &str) -> String {
    format!("otlp: {{ endpoint: \"{}\"{keys} }}", collector.endpoint())
}

fn start(keys: &str) -> Traced {
    let (stable, collector) = (Scripted::healthy("oldcorp"), Collector::start());
    let canary = Scripted::by_model(
        "newcorp",
        [
            ("bad", Fault::Refuses(Refusal::Broken(500))),
            ("cut", Fault::CutAtEvent(20, Cut::Reset)),
            ("endless", Fault::Endless(Duration::from_millis(20))),
            ("silent", Fault::Silence),
            ("long", Fault::Refuses(Refusal::ContextLength)),
        ],
    );
    let stage = Harness::start(&flags(&stable, &canary, &otlp(&collector, keys)));
    Traced { stage, collector, stable, canary }
}

impl Traced {
    fn ask(&self, model: &str, stream: bool, headers: &[(&str, &str)]) -> u16 {
        let body = Api::Chat.ask_at_length(model, stream, "my secret words", Some("user-7"));
        let path = format!("{}?key=sk-in-query", Api::Chat.path());
        self.stage.ask(&path, headers, &body).unwrap().answer.status
    }

    /// Waits for so many spans; the request's own comes first.
    #[track_caller]
    fn spans(&self, count: usize) -> Vec<Span> {
        let spans = self.collector.expect(count);
        assert_eq!(spans.len(), count, "{spans:#?}");
        for seen in self.collector.0.requests() {
            let told = String::from_utf8_lossy(&seen.body);
            for secret in ["user-7", "secret words", "sk-", "key="] {
                assert!(!told.contains(secret), "{secret} is in {told}");
            }
        }
        spans
    }

    fn fates(&self) -> Vec<(String, u64)> {
        let spans = series(&self.stage.metrics(), "serin_spans_total");
        spans.into_iter().map(|(labels, count)| (labels["result"].clone(), count)).filter(|(_, n)| *n > 0).collect()
    }

    #[track_caller]
    fn expect_fates(&self, expected: &[(&str, u64)]) {
        let expected: Vec<(String, u64)> = expected.iter().map(|(fate, n)| ((*fate).to_owned(), *n)).collect();
        eventually(&format!("spans are counted as {expected:?}"), SOON, || (self.fates() == expected).then_some(()));
    }
}

#[track_caller]
fn expect_attributes(span: &Span, expected: &[(&str, &str)]) {
    for (key, value) in expected {
        assert_eq!(attribute(span, key), *value, "{key} of {span:#?}");
    }
}

fn parent_of(seen: &Seen) -> String {
    seen.header("traceparent").to_owned()
}

#[test]
fn a_fallback_is_a_request_with_two_attempts() {
    let traced = start("");
    assert_eq!(traced.ask("bad", false, &[]), 200);
    let spans = traced.spans(3);
    let [server, first, second] = &spans[..] else { panic!("{spans:#?}") };
    assert_eq!((server.kind, first.kind), (SpanKind::Server as i32, SpanKind::Client as i32));
    assert!(server.parent_span_id.is_empty() && server.trace_id.len() == 16 && server.flags == 1, "{server:#?}");
    for attempt in [first, second] {
        assert_eq!((&attempt.trace_id, &attempt.parent_span_id), (&server.trace_id, &server.span_id));
        assert!(server.start_time_unix_nano <= attempt.start_time_unix_nano, "{spans:#?}");
        assert!(attempt.end_time_unix_nano <= server.end_time_unix_nano + 1_000_000, "{spans:#?}");
    }
    assert!(first.end_time_unix_nano <= second.start_time_unix_nano + 1_000_000, "{spans:#?}");
    let now = u64::try_from(clock::wall().as_nanos()).unwrap();
    assert!(now - server.start_time_unix_nano < 60_000_000_000, "{server:#?}");
    // What a provider was told is the span of its attempt.
    for (provider, attempt) in [(&traced.canary, first), (&traced.stable, second)] {
        let told = format!("00-{}-{}-01", hex(&attempt.trace_id), hex(&attempt.span_id));
        assert_eq!(parent_of(&provider.last()), told);
    }
    assert_eq!((server.name.as_str(), first.name.as_str()), ("POST /v1/chat/completions", "chat bad"));
    expect_attributes(
        server,
        &[
            ("http.request.method", "POST"),
            ("url.path", "/v1/chat/completions"),
            ("http.response.status_code", "200"),
            ("serin.rollout", "chat"),
            ("serin.arm", "canary"),
            ("serin.provider", "oldcorp"),
            ("serin.outcome", "ok"),
            ("serin.attempts", "2"),
            ("error.type", ""),
        ],
    );
    expect_attributes(
        first,
        &[
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.provider.name", "newcorp"),
            ("gen_ai.request.model", "bad"),
            ("server.address", "127.0.0.1"),
            ("server.port", &traced.canary.addr().port().to_string()),
            ("http.response.status_code", "500"),
            ("serin.outcome", "server_error"),
            ("error.type", "server_error"),
            ("gen_ai.usage.input_tokens", ""),
        ],
    );
    assert_eq!(first.status.as_ref().map(|status| status.code), Some(StatusCode::Error.into()));
    assert!(attribute(first, "serin.cause").starts_with("status 500"), "{first:#?}");
    assert!(second.status.is_none() && server.status.is_none(), "{spans:#?}");
    assert_eq!(attribute(second, "gen_ai.response.finish_reasons"), "1 values");
    traced.expect_fates(&[("sent", 3)]);
}

#[test]
fn a_stream_has_its_first_output_and_its_model_as_the_provider_knows_it() {
    let traced = start("");
    assert_eq!(traced.ask("gpt", true, &[]), 200);
    let spans = traced.spans(2);
    assert_eq!(events(&spans[0]), ["serin.first_output"]);
    assert_eq!(events(&spans[1]), ["serin.sent", "serin.response_head", "serin.first_output"]);
    let times: Vec<u64> = spans[1].events.iter().map(|event| event.time_unix_nano).collect();
    let (begin, end) = (spans[1].start_time_unix_nano, spans[1].end_time_unix_nano);
    assert!(times.is_sorted() && begin <= times[0] && times[2] <= end, "{spans:#?}");
    assert_eq!(spans[1].name, "chat deepseek");
    expect_attributes(&spans[0], &[("gen_ai.request.model", "gpt")]);
    expect_attributes(
        &spans[1],
        &[("gen_ai.request.stream", "true"), ("gen_ai.request.model", "deepseek"), ("serin.outcome", "ok")],
    );
    assert!(attribute(&spans[1], "gen_ai.response.time_to_first_chunk").parse::<f64>().unwrap() >= 0.0);
}

#[test]
fn a_stream_that_breaks_off_is_an_error_and_a_client_that_leaves_is_none() {
    let traced = start("");
    let ask = |model: &str| {
        let mut client = Client::connect(traced.stage.listen).unwrap();
        let body = Api::Chat.ask(model, true);
        client.ask(Api::Chat.path(), &[], &body)
    };
    ask("cut").unwrap();
    let spans = traced.spans(2);
    expect_attributes(&spans[1], &[("serin.outcome", "truncated"), ("error.type", "truncated")]);
    assert!(spans.iter().all(|span| span.status.is_some()), "{spans:#?}");

    let mut client = Client::connect(traced.stage.listen).unwrap();
    let body = Api::Chat.ask("endless", true);
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        Api::Chat.path(),
        body.len()
    );
    std::io::Write::write_all(client.raw(), head.as_bytes()).unwrap();
    client.receive_head().unwrap();
    client.receive_chunk().unwrap();
    drop(client);
    let spans = traced.spans(4);
    for span in &spans[2..] {
        expect_attributes(span, &[("serin.outcome", "client_gone"), ("error.type", "")]);
        assert!(span.status.is_none(), "{span:#?}");
    }
}

#[test]
fn a_request_that_is_rejected_has_a_span_of_its_own() {
    let traced = start("");
    let answer = traced.stage.ask("/v2/elsewhere?key=sk-in-query", &[("traceparent", PARENT)], "{}").unwrap().answer;
    assert_eq!(answer.status, 404);
    let spans = traced.spans(1);
    assert_eq!(spans[0].name, "POST");
    expect_attributes(
        &spans[0],
        &[
            ("http.response.status_code", "404"),
            ("serin.error", "outside_mount"),
            ("error.type", "outside_mount"),
            ("url.path", "/v2/elsewhere"),
            ("serin.request_id", answer.header("x-serin-request-id")),
            ("serin.attempts", "0"),
        ],
    );
    assert_eq!(hex(&spans[0].parent_span_id), "00f067aa0ba902b7");
    assert!(spans[0].status.is_none(), "the client is at fault: {spans:#?}");
}

#[test]
fn when_all_fail_the_request_is_an_error() {
    let traced = start("");
    traced.stable.choose(|_| Fault::Refuses(Refusal::Broken(500)));
    assert_eq!(traced.ask("bad", false, &[]), 500);
    // The last candidate is asked twice.
    let spans = traced.spans(4);
    expect_attributes(&spans[0], &[("http.response.status_code", "500"), ("error.type", "server_error")]);
    for repeated in &spans[2..] {
        expect_attributes(repeated, &[("http.response.status_code", "500"), ("serin.provider", "oldcorp")]);
    }
    assert_ne!(spans[2].span_id, spans[3].span_id);
    assert!(spans.iter().all(|span| span.status.as_ref().is_some_and(|status| status.code == 2)), "{spans:#?}");
}

#[test]
fn a_refusal_that_stable_shares_is_the_clients_fault() {
    let traced = start("");
    traced.stable.choose(|_| Fault::Refuses(Refusal::ContextLength));
    assert_eq!(traced.ask("long", false, &[]), 400);
    let spans = traced.spans(3);
    assert!(spans[0].status.is_none(), "{spans:#?}");
    for attempt in &spans[1..] {
        expect_attributes(attempt, &[("serin.outcome", "client_error"), ("http.response.status_code", "400")]);
    }
}

#[test]
fn the_trace_of_a_client_goes_on() {
    let traced = start(", sample: 0%");
    assert_eq!(traced.ask("m", false, &[("traceparent", PARENT), ("tracestate", "a=1,b=2")]), 200);
    let spans = traced.spans(2);
    assert_eq!(hex(&spans[0].trace_id), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(hex(&spans[0].parent_span_id), "00f067aa0ba902b7");
    assert_eq!([spans[0].flags, spans[1].flags], [0x301, 0x101], "its parent is elsewhere, and that is known");
    assert!(spans.iter().all(|span| span.trace_state == "a=1,b=2"), "{spans:#?}");
    let seen = traced.canary.last();
    assert_eq!(parent_of(&seen), format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", hex(&spans[1].span_id)));
    assert_eq!(seen.header("tracestate"), "a=1,b=2");
}

#[test]
fn what_is_not_recorded_is_not_sent() {
    let traced = start(", sample: 0%");
    // The client does not record its trace: both headers pass as they came.
    assert_eq!(traced.ask("m", false, &[("traceparent", UNSAMPLED), ("tracestate", "a=1")]), 200);
    let seen = traced.canary.last();
    assert_eq!((seen.header("traceparent"), seen.header("tracestate")), (UNSAMPLED, "a=1"));
    // A request without a trace: providers are told that this one is not recorded.
    assert_eq!(traced.ask("m", false, &[]), 200);
    let told = parent_of(&traced.canary.last());
    assert!(told.len() == 55 && told.ends_with("-00"), "{told}");
    // A malformed header is none, and what came with it belongs to no trace.
    assert_eq!(traced.ask("m", false, &[("traceparent", "00-0-0-01"), ("tracestate", "a=1")]), 200);
    let seen = traced.canary.last();
    assert!(parent_of(&seen).ends_with("-00") && seen.header("tracestate").is_empty(), "{}", seen.head());
    // Two are none as well; the next is recorded, so that those before it would have been seen.
    assert_eq!(traced.ask("m", false, &[("traceparent", PARENT), ("traceparent", PARENT)]), 200);
    assert_eq!(traced.ask("m", false, &[("traceparent", PARENT)]), 200);
    traced.spans(2);
    traced.expect_fates(&[("sent", 2)]);
}

#[test]
fn without_the_key_both_headers_pass_and_nothing_is_sent() {
    let (stable, canary) = (Scripted::healthy("oldcorp"), Scripted::healthy("newcorp"));
    let stage = Harness::start(&flags(&stable, &canary, ""));
    for (parent, state) in [(PARENT, "a=1"), ("malformed", "b=2")] {
        stage.whole(Api::Chat.path(), &[("traceparent", parent), ("tracestate", state)], &Api::Chat.ask("m", false));
        let seen = canary.last();
        assert_eq!((seen.header("traceparent"), seen.header("tracestate")), (parent, state));
    }
    stage.whole(Api::Chat.path(), &[], &Api::Chat.ask("m", false));
    assert_eq!(parent_of(&canary.last()), "");
    let metrics = stage.metrics();
    assert!(series(&metrics, "serin_spans_total").iter().all(|(_, count)| *count == 0), "{metrics}");
}

#[test]
fn batches_carry_the_headers_of_the_file_and_no_page_shows_them() {
    let traced = start(", headers: { authorization: \"Bearer tok-12345678\", x-tenant: red }");
    assert_eq!(traced.ask("m", false, &[]), 200);
    traced.spans(2);
    let seen = traced.collector.0.last();
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/v1/traces"));
    for (name, value) in
        [("authorization", "Bearer tok-12345678"), ("x-tenant", "red"), ("content-type", "application/x-protobuf")]
    {
        assert_eq!(seen.header(name), value);
    }
    let config = traced.stage.admin_get("/api/v1/config").text();
    assert!(config.contains("x-tenant") && !config.contains("red") && !config.contains("tok-1234"), "{config}");
    assert!(!traced.stage.workspace().log().contains("tok-1234"));
}

#[test]
fn a_collector_that_is_down_costs_no_request_and_gets_the_spans_later() {
    let mut traced = start("");
    traced.collector.0.kill();
    let began = clock::instant();
    for _ in 0..20 {
        assert_eq!(traced.ask("m", false, &[]), 200);
    }
    assert!(clock::instant().duration_since(began) < Duration::from_secs(10));
    eventually("the log says so", SOON, || {
        let log = traced.stage.workspace().log();
        log.contains("traces cannot be sent to http://127.0.0.1").then_some(())
    });
    traced.collector.0.restart();
    traced.spans(40);
    traced.expect_fates(&[("sent", 40)]);
    let log = traced.stage.workspace().log();
    assert_eq!(log.matches("traces cannot be sent").count(), 1, "{log}");
}

#[test]
fn what_a_collector_refuses_is_counted_and_what_it_puts_off_is_tried_again() {
    let traced = start("");
    traced.collector.0.queue([status(400)]);
    assert_eq!(traced.ask("m", false, &[]), 200);
    traced.expect_fates(&[("refused", 2)]);
    traced.collector.0.queue([status(503), status(429)]);
    assert_eq!(traced.ask("m", false, &[]), 200);
    traced.expect_fates(&[("refused", 2), ("sent", 2)]);
    assert_eq!(traced.collector.0.count(), 4, "the second batch was tried three times");
    // A connection that ends without an answer is no delivery.
    traced.collector.0.queue([vec![Step::Reset]]);
    assert_eq!(traced.ask("m", false, &[]), 200);
    traced.expect_fates(&[("refused", 2), ("sent", 4)]);
}

#[test]
fn a_collector_that_never_answers_delays_no_request() {
    let traced = start("");
    traced.collector.0.choose(|_| vec![Step::Forever]);
    assert_eq!(traced.ask("m", false, &[]), 200);
    eventually("the batch is on its way", SOON, || (traced.collector.0.count() == 1).then_some(()));
    let began = clock::instant();
    for _ in 0..50 {
        assert_eq!(traced.ask("m", false, &[]), 200);
    }
    assert!(clock::instant().duration_since(began) < Duration::from_secs(10));
}

#[test]
fn a_reload_sends_spans_elsewhere_and_ends_them() {
    let traced = start("");
    assert_eq!(traced.ask("m", false, &[]), 200);
    traced.spans(2);
    let other = Collector::start();
    let put = |text: &str| {
        let before = traced.stage.versions();
        traced.stage.workspace().write(&flags(&traced.stable, &traced.canary, text).to_string());
        eventually("the file is in force", SOON, || (traced.stage.versions() > before).then_some(()));
    };
    put(&otlp(&other, ""));
    assert_eq!(traced.ask("m", false, &[]), 200);
    assert_eq!(other.expect(2).len(), 2);
    put("");
    assert_eq!(traced.ask("m", false, &[("traceparent", PARENT)]), 200);
    assert_eq!(parent_of(&traced.canary.last()), PARENT);
    put(&otlp(&other, ""));
    assert_eq!(traced.ask("m", false, &[]), 200);
    assert_eq!(other.expect(4).len(), 4, "the request in between was not traced");
    assert_eq!(traced.collector.spans().len(), 2);
}

#[test]
fn the_last_spans_are_sent_before_the_process_ends() {
    let traced = start("");
    for _ in 0..5 {
        assert_eq!(traced.ask("m", false, &[]), 200);
    }
    // The second signal ends the process at once, before a batch is due.
    traced.stage.signal("TERM");
    traced.stage.signal("TERM");
    traced.spans(10);
}
