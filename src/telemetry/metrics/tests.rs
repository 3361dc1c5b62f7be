//! The exposition, as a scraper reads it.

use super::*;
use crate::decide::comparison::funnel::Skip;
use crate::decide::comparison::mode::CopyMode;
use crate::decide::policy::{CopyLimits, Rehearse};
use crate::decide::trace::{SpanId, TraceId};
use crate::decide::units::{Millis, Percent, PicoUsd, UnixMillis};
use crate::decide::websocket::CloseCode;
use crate::state::copies::gate::CopyRecord;
use crate::state::counters::Core;
use crate::state::exemplars::Exemplar;
use crate::state::state_ids::{Owner, OwnerReport};
use crate::state::status::{
    BreakerStatus, ClientLimitStatus, FlagsStatus, GuardStatus, KeyCondition, KeyStatus, NextStage, NotifyTargetStatus,
    ProviderStatus, StoreStatus, TlsStatus,
};
use crate::state::websocket_sessions::OpenWebSocket;

fn labels(arm: &'static str, provider: &str) -> SeriesLabels {
    SeriesLabels { rollout: "chat".into(), arm, provider: provider.into() }
}

fn provider(name: &str, state: Option<BreakerPhase>, diverted: u64) -> ProviderStatus {
    let breaker = state.map(|state| BreakerStatus { state, failures: 5, open_until: None, unreachable: false });
    let until = UnixMillis(1500);
    let conditions =
        [KeyCondition::Usable, KeyCondition::Spent { until }, KeyCondition::Refused { status: 401, next_try: until }];
    let key = |(index, condition)| KeyStatus {
        position: index + 1,
        tail: "wxyz".to_owned(),
        account: None,
        condition,
        first_seen: UnixMillis(0),
        is_old: false,
    };
    let keys = conditions.into_iter().enumerate().map(key).filter(|_| name == "openai").collect();
    ProviderStatus { name: name.to_owned(), breaker, diverted, keys, limit: None }
}

fn limited(provider: ProviderStatus) -> ProviderStatus {
    let limit = LimitStatus {
        requests_per_minute: Some(600),
        burst: Some(100),
        last_minute: 412,
        requests_left: Some(88),
        tokens_per_minute: None,
        tokens_left: None,
        most_in_flight: None,
        in_flight: 7,
        waiting: 3,
        turned: [[5, 0, 0, 0, 0], [0; 5], [0; 5]],
    };
    ProviderStatus { limit: Some(limit), ..provider }
}

fn status(series: Vec<Arc<Series>>) -> Status {
    let mut guard = GuardStatus { bound: 2000.0, incident: true, ..GuardStatus::default() };
    guard.aspects[Aspect::Failing as usize].evidence = 12.5;
    guard.aspects[Aspect::Slow as usize].evidence = 99.0;
    let feedback = &mut guard.aspects[Aspect::Feedback as usize];
    (feedback.watched, feedback.evidence) = (true, 7.5);
    guard.verdicts = [[900, 27], [94, 6]];
    let rollout = RolloutStatus {
        phase: OverallPhase::Locked,
        percent: Percent::ZERO,
        intent: Percent::from_hundredths(750),
        anonymous_ratio: Some(0.25),
        guard: Some(guard),
        comparison: Some(Arc::new(copies())),
        ..RolloutStatus::sample()
    };
    let ops = NotifyTargetStatus {
        name: "ops".to_owned(),
        format: None,
        queued: 2,
        delivered: 9,
        retried: 4,
        given_up: 1,
        dropped: 0,
        last_delivered: None,
        last_error: None,
        ended: false,
    };
    Status {
        flags: FlagsStatus { generation: 3, accepted_at: UnixMillis(1500), failures: 2, ..FlagsStatus::default() },
        store: StoreStatus::default(),
        rollouts: vec![rollout],
        providers: vec![
            provider("openai", Some(BreakerPhase::Open), 3),
            provider("holysheep", Some(BreakerPhase::HalfOpen), 0),
            limited(provider("backup", Some(BreakerPhase::Closed), 0)),
            provider("local", None, 0),
        ],
        series,
        samples_lost: 5,
        access_log: (0, [0; 3]),
        spans: [0; 4],
        client_limits: vec![ClientLimitStatus {
            name: "shop".to_owned(),
            requests_per_minute: 600,
            burst: 100,
            last_minute: 412,
            requests_left: 9,
            refused: 4,
            observed: 0,
        }],
        kept_state: [("https://x.test/v1", 1200, 1_700_000_000_000), ("https://y.test/v1", 4, 1_600_000_000_000)]
            .map(|(base_url, ids, last_used)| OwnerReport {
                owner: Owner { name: "holysheep".to_owned(), base_url: base_url.to_owned() },
                ids,
                last_used: UnixMillis(last_used),
            })
            .to_vec(),
        state_ids_lost: [3, 0],
        ambiguous_closes: [0, 0, 7, 0],
        tls: Some(TlsStatus {
            not_before: UnixMillis(0),
            expires_at: UnixMillis(1_900_000_000_500),
            problem: Some("the files cannot be used".to_owned()),
            failures: [6, 0, 2, 0, 0, 0],
        }),
        notify: vec![ops],
        draining: false,
    }
}

/// A rehearsal in which a copy was refused and another was skipped.
fn copies() -> ComparisonStatus {
    let limits = CopyLimits { per_minute: 30, max_cost: PicoUsd(5_000_000_000_000) };
    let mut record = CopyRecord::default();
    record.rehearsal.tally.add_defect(Defect::Key { status: 401 });
    record.rehearsal.tally.funnel.skip(Skip::Cost);
    record.rehearsal.tally.spent = 250_000_000_000;
    ComparisonStatus {
        mode: CopyMode::Rehearsing,
        rehearse: Some(Rehearse { requests: 50, limits }),
        compare: None,
        is_priced: true,
        tolerated: Percent::ZERO,
        record,
    }
}

#[test]
fn copies_are_counted_by_words_of_fixed_lists() {
    let text = render(&status(Vec::new()), Format::Prometheus);
    for expected in [
        r#"serin_compare_requests_total{rollout="chat",purpose="rehearsal",stage="compared"} 1"#,
        r#"serin_compare_skipped_total{rollout="chat",purpose="rehearsal",reason="cost"} 1"#,
        r#"serin_compare_defects_total{rollout="chat",purpose="rehearsal",defect="key"} 1"#,
        r#"serin_compare_pairs_total{rollout="chat",purpose="rehearsal",aspect="status",alike="false"} 1"#,
        r#"serin_compare_cost_usd_total{rollout="chat",purpose="rehearsal"} 0.25"#,
        r#"serin_compare_rehearsal_passed{rollout="chat"} 0"#,
    ] {
        assert!(lines(&text).contains(&expected), "{expected}\n{text}");
    }
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[test]
fn counts_gauges_and_latencies_are_shown() {
    let canary = Arc::new(Series::new(labels("canary", "holysheep"), 1));
    canary.begin(Core(0));
    canary.begin(Core(0));
    canary.count_unbuffered(Core(0));
    canary.end_attempt(Core(0), Outcome::Timeout);
    canary.end(Core(0), Outcome::Timeout);
    canary.took(Core(0), Duration::from_millis(300));
    canary.count_fallback(Core(0));
    canary.count_tokens(Core(0), 1200, 34, 0);
    let text = render(&status(vec![canary]), Format::Prometheus);
    let lines = lines(&text);
    for expected in [
        r#"serin_requests_total{rollout="chat",arm="canary",provider="holysheep",outcome="timeout"} 1"#,
        r#"serin_requests_total{rollout="chat",arm="canary",provider="holysheep",outcome="ok"} 0"#,
        r#"serin_attempts_total{rollout="chat",arm="canary",provider="holysheep",outcome="timeout"} 1"#,
        r#"serin_requests_in_flight{rollout="chat",arm="canary",provider="holysheep"} 1"#,
        r#"serin_request_duration_seconds_bucket{rollout="chat",arm="canary",provider="holysheep",le="0.25"} 0"#,
        r#"serin_request_duration_seconds_bucket{rollout="chat",arm="canary",provider="holysheep",le="0.5"} 1"#,
        r#"serin_request_duration_seconds_bucket{rollout="chat",arm="canary",provider="holysheep",le="+Inf"} 1"#,
        r#"serin_request_duration_seconds_sum{rollout="chat",arm="canary",provider="holysheep"} 0.3"#,
        r#"serin_request_duration_seconds_count{rollout="chat",arm="canary",provider="holysheep"} 1"#,
        r#"serin_rollout_percent{rollout="chat"} 0"#,
        r#"serin_rollout_intent_percent{rollout="chat"} 7.5"#,
        r#"serin_rollout_phase{rollout="chat",phase="locked"} 1"#,
        r#"serin_rollout_phase{rollout="chat",phase="ramping"} 0"#,
        r#"serin_rollout_phase{rollout="chat",phase="confirming"} 0"#,
        r#"serin_guard_evidence{rollout="chat"} 12.5"#,
        r#"serin_guard_bound{rollout="chat"} 2000"#,
        r#"serin_state_ids{provider="holysheep"} 1204"#,
        r#"serin_state_last_used_timestamp_seconds{provider="holysheep"} 1700000000"#,
        "serin_state_ids_evicted_total 3",
        r#"serin_requests_waiting{rollout="chat",arm="canary",age="30s"} 0"#,
        r#"serin_guard_unanswered_evidence{rollout="chat"} 0"#,
        r#"serin_guard_incident{rollout="chat"} 1"#,
        "serin_guard_samples_lost_total 5",
        r#"serin_anonymous_ratio{rollout="chat"} 0.25"#,
        r#"serin_unheld_requests_total{rollout="chat"} 1"#,
        r#"serin_fallbacks_total{rollout="chat",arm="canary",provider="holysheep"} 1"#,
        r#"serin_tokens_total{rollout="chat",arm="canary",provider="holysheep",kind="input"} 1200"#,
        r#"serin_tokens_total{rollout="chat",arm="canary",provider="holysheep",kind="output"} 34"#,
        r#"serin_breaker_state{provider="openai"} 2"#,
        r#"serin_breaker_state{provider="holysheep"} 1"#,
        r#"serin_breaker_state{provider="backup"} 0"#,
        r#"serin_breaker_diverted_total{provider="openai"} 3"#,
        r#"serin_key_state{provider="openai",key="1"} 0"#,
        r#"serin_key_state{provider="openai",key="2"} 1"#,
        r#"serin_key_state{provider="openai",key="3"} 2"#,
        r#"serin_limited_requests_total{provider="backup",limit="requests",then="other"} 5"#,
        r#"serin_limited_requests_total{provider="backup",limit="requests",then="refused"} 0"#,
        r#"serin_limit_left{provider="backup",limit="requests"} 88"#,
        r#"serin_limit_waiting{provider="backup"} 3"#,
        r#"serin_client_limited_requests_total{client="shop",then="refused"} 4"#,
        r#"serin_ambiguous_closes_total{reason="answer"} 7"#,
        r#"serin_ambiguous_closes_total{reason="http10"} 0"#,
        "serin_tls_certificate_expiry_timestamp_seconds 1900000000.5",
        "serin_tls_certificate_in_force 0",
        r#"serin_tls_handshake_failures_total{reason="plain_http"} 6"#,
        r#"serin_tls_handshake_failures_total{reason="refused"} 2"#,
        r#"serin_notifications_total{target="ops",result="delivered"} 9"#,
        r#"serin_notifications_queued{target="ops"} 2"#,
        "serin_flags_generation 3",
        "serin_flags_reload_failures_total 2",
        "serin_flags_last_reload_success_timestamp_seconds 1.5",
        "serin_flags_in_force 1",
        "serin_state_writable 1",
    ] {
        assert!(lines.contains(&expected), "{expected}\n{text}");
    }
    assert!(!text.contains(r#"provider="local""#), "it has no breaker");
    assert!(!text.contains("serin_first_output_seconds"), "there was none");
    assert!(!text.contains(r#"limit="tokens""#), "they are not limited");
}

#[test]
fn every_metric_has_its_help_and_type_and_none_is_unlisted() {
    let series = Arc::new(Series::new(labels("stable", "openai"), 1));
    series.took(Core(0), Duration::from_secs(1));
    series.had_output(Core(0), Duration::from_secs(1));
    OpenWebSocket::begin(series.websockets(), Millis(1)).closed(ClosedBy::Client, CloseCode::Cut);
    let text = render(&status(vec![series]), Format::Prometheus);
    for metric in ALL {
        let kind = metric.kind.as_str();
        assert!(text.contains(&format!("# HELP {} {}\n# TYPE {} {kind}\n", metric.name, metric.help, metric.name)));
        // The rules of promtool's linter.
        assert_eq!(metric.kind == MetricKind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
        assert!(metric.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{}", metric.name);
        assert!(metric.help.ends_with('.'), "{}", metric.name);
    }
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let name = line.split(['{', ' ']).next().unwrap();
        let name = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
        assert!(ALL.iter().any(|metric| metric.name == name), "{line}");
    }
    let types: Vec<&str> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
    let mut unique = types.clone();
    unique.dedup();
    assert_eq!(types, unique);
    assert_eq!(types.len(), ALL.len());
}

#[test]
fn verdicts_are_counted_by_arm_and_word_and_only_where_there_are_some() {
    let mut status = status(Vec::new());
    let text = render(&status, Format::Prometheus);
    for line in [
        r#"serin_feedback_total{rollout="chat",arm="stable",verdict="good"} 900"#,
        r#"serin_feedback_total{rollout="chat",arm="stable",verdict="bad"} 27"#,
        r#"serin_feedback_total{rollout="chat",arm="canary",verdict="good"} 94"#,
        r#"serin_feedback_total{rollout="chat",arm="canary",verdict="bad"} 6"#,
        r#"serin_guard_feedback_evidence{rollout="chat"} 7.5"#,
    ] {
        assert!(text.contains(&format!("{line}\n")), "{line}: {text}");
    }
    let guard = status.rollouts[0].guard.as_mut().unwrap();
    guard.aspects[Aspect::Feedback as usize].watched = false;
    assert!(render(&status, Format::Prometheus).contains("serin_feedback_total{"), "they were counted");
    status.rollouts[0].guard.as_mut().unwrap().verdicts = [[0; 2]; 2];
    assert!(!render(&status, Format::Prometheus).contains("feedback"));
}

#[test]
fn a_rollout_that_left_the_file_leaves_the_metrics() {
    let mut status = status(Vec::new());
    assert!(render(&status, Format::Prometheus).contains("serin_rollout_percent{"));
    status.rollouts.clear();
    assert!(!render(&status, Format::Prometheus).contains("serin_rollout_percent{"));
}

#[test]
fn a_promotion_is_held_when_it_is_due_and_waits() {
    let held = |next: Option<u64>, waiting_for: &str| {
        let mut status = status(Vec::new());
        status.rollouts[0].waiting_for = waiting_for.to_owned();
        let percent = Percent::from_hundredths(2500).unwrap();
        status.rollouts[0].next = next.map(|at| NextStage { percent, not_before: UnixMillis(at) });
        render(&status, Format::Prometheus).contains("serin_rollout_held{rollout=\"chat\"} 1")
    };
    assert!(held(Some(0), "more requests"));
    assert!(!held(Some(0), "") && !held(None, "`serin resume chat`") && !held(Some(u64::MAX), "more requests"));
}

#[test]
fn names_of_the_file_cannot_break_a_line() {
    let mut odd = labels("stable", "open\"ai\n");
    odd.rollout = "a\\b".into();
    let text = render(&status(vec![Arc::new(Series::new(odd, 1))]), Format::Prometheus);
    assert!(text.contains(r#"rollout="a\\b",arm="stable",provider="open\"ai\n",outcome="ok""#), "{text}");
}

#[test]
fn the_list_for_readers_names_every_metric_with_its_labels() {
    let text = document();
    assert_eq!(text.lines().count(), 2 + ALL.len());
    assert!(
        text.contains("| `serin_rollout_percent` | gauge | rollout | Share of users on the canary now, 0 to 100. |\n")
    );
}

#[test]
fn openmetrics_has_units_exemplars_and_an_end() {
    let series = Arc::new(Series::new(labels("canary", "holysheep"), 1));
    let exemplar = |millis| Exemplar {
        trace: TraceId::new(0xab),
        span: SpanId::new(0xcd),
        took: Duration::from_millis(millis),
        at: Duration::from_millis(1_700_000_000_042),
    };
    series.took(Core(0), Duration::from_millis(1500));
    series.keep_duration(exemplar(1500));
    // An exemplar is told where its bucket has a sample.
    series.keep_duration(exemplar(1));
    let text = render(&status(vec![Arc::clone(&series)]), Format::OpenMetrics);
    let id = "{trace_id=\"000000000000000000000000000000ab\",span_id=\"00000000000000cd\"}";
    for expected in [
        "# TYPE serin_requests counter",
        "# TYPE serin_request_duration_seconds histogram",
        "# UNIT serin_request_duration_seconds seconds",
        "# UNIT serin_anonymous_ratio ratio",
        r#"serin_requests_total{rollout="chat",arm="canary",provider="holysheep",outcome="ok"} 0"#,
        r#"serin_request_duration_seconds_bucket{rollout="chat",arm="canary",provider="holysheep",le="1.0"} 0"#,
        &format!(
            "serin_request_duration_seconds_bucket{{rollout=\"chat\",arm=\"canary\",provider=\"holysheep\",le=\"2.0\"}} 1 \
             # {id} 1.5 1700000000.042"
        ),
        r#"serin_request_duration_seconds_bucket{rollout="chat",arm="canary",provider="holysheep",le="4.0"} 1"#,
    ] {
        assert!(lines(&text).contains(&expected), "{expected}\n{text}");
    }
    assert_eq!(text.matches(" # {").count(), 1, "{text}");
    assert!(text.ends_with("\n# EOF\n") && !text.contains("\n\n"), "{text}");
    assert!(!text.contains("# TYPE serin_requests_total"), "{text}");

    let samples = |text: &str| -> Vec<String> {
        let samples = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        samples.map(|line| line.split(" # ").next().unwrap_or(line).to_owned()).collect()
    };
    let classic = render(&status(vec![series]), Format::Prometheus);
    assert_eq!(samples(&classic), samples(&text), "the same samples in both formats");
    assert!(!classic.contains("trace_id"), "{classic}");
}

#[test]
fn sessions_are_shown_where_there_was_one_and_their_ends_by_side_and_code() {
    let series = ["stable", "canary"].map(|arm| Arc::new(Series::new(labels(arm, "openai"), 1)));
    let report = status(series.to_vec());
    assert!(!render(&report, Format::Prometheus).lines().any(|line| line.starts_with("serin_websocket")));
    let open = series.each_ref().map(|series| OpenWebSocket::begin(series.websockets(), Millis(1)));
    open[0].closed(ClosedBy::Provider, CloseCode::Frame(Some(1011)));
    open[1].closed(ClosedBy::Provider, CloseCode::Frame(Some(1011)));
    open[1].closed(ClosedBy::Client, CloseCode::Cut);
    let [_open, closed] = open;
    drop(closed);
    let text = render(&report, Format::Prometheus);
    for line in [
        r#"serin_websocket_sessions{rollout="chat",arm="stable",provider="openai"} 1"#,
        r#"serin_websocket_sessions{rollout="chat",arm="canary",provider="openai"} 0"#,
        r#"serin_websocket_closes_total{provider="openai",by="provider",code="1011"} 2"#,
        r#"serin_websocket_closes_total{provider="openai",by="client",code="cut"} 1"#,
    ] {
        assert!(text.lines().any(|written| written == line), "{line}\n{text}");
    }
}
