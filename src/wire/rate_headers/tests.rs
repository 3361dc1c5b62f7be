//! The headers of each provider, with its traps.

use http::{HeaderName, HeaderValue};

use super::*;
use crate::wire::complaint::read_complaint;

/// Tue, 21 Nov 2026 08:00:00 GMT, a Saturday in fact: only the numbers matter.
const NOW: u64 = 1_795_248_000_000;

fn headers(lines: &str) -> HeaderMap {
    let pairs = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    let pairs = pairs.map(|line| line.split_once(':').unwrap());
    pairs
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::try_from(value.trim()).unwrap()))
        .collect()
}

struct Case {
    name: &'static str,
    headers: &'static str,
    body: &'static str,
    pause: Option<Pause>,
    /// Requests and tokens that are left of short limits.
    left: (Option<u64>, Option<u64>),
}

const fn case(
    name: &'static str,
    headers: &'static str,
    pause: Option<Pause>,
    left: (Option<u64>, Option<u64>),
) -> Case {
    Case { name, headers, body: "", pause, left }
}

const CASES: &[Case] = &[
    case("nothing", "content-type: text/plain", None, (None, None)),
    case(
        "OpenAI, tokens used up: requests that come back sooner do not count",
        "x-ratelimit-limit-requests: 60
         x-ratelimit-limit-tokens: 150000
         x-ratelimit-remaining-requests: 59
         x-ratelimit-remaining-tokens: 0
         x-ratelimit-reset-requests: 1s
         x-ratelimit-reset-tokens: 6m0s",
        Some(Pause::For(360_000)),
        (Some(59), Some(0)),
    ),
    case(
        "OpenAI, retry-after-ms before all else",
        "retry-after-ms: 187.5
         retry-after: 1
         x-ratelimit-remaining-requests: 0
         x-ratelimit-reset-requests: 12ms",
        Some(Pause::For(188)),
        (Some(0), None),
    ),
    case(
        "OpenAI, none used up: too large a request, which the slowest limit delays",
        "x-ratelimit-limit-requests: 500
         x-ratelimit-remaining-requests: 499
         x-ratelimit-reset-requests: 120ms
         x-ratelimit-limit-tokens: 30000
         x-ratelimit-remaining-tokens: 120
         x-ratelimit-reset-tokens: 59.76s",
        Some(Pause::For(59_760)),
        (Some(499), Some(120)),
    ),
    case(
        "OpenAI, a free tier: 200 requests a day, told by how slowly one comes back",
        "x-ratelimit-limit-requests: 200
         x-ratelimit-remaining-requests: 199
         x-ratelimit-reset-requests: 7m12s
         x-ratelimit-limit-tokens: 30000
         x-ratelimit-remaining-tokens: 0
         x-ratelimit-reset-tokens: 1m0.5s",
        Some(Pause::For(60_500)),
        (None, Some(0)),
    ),
    case(
        "OpenAI, that day used up",
        "x-ratelimit-limit-requests: 200
         x-ratelimit-remaining-requests: 0
         x-ratelimit-reset-requests: 23h59m12s
         x-ratelimit-remaining-tokens: 30000
         x-ratelimit-reset-tokens: 0s",
        Some(Pause::Long(Some(86_352_000))),
        (None, Some(30_000)),
    ),
    case(
        "OpenAI, usage-based: the least of both",
        "x-ratelimit-limit-tokens: 150000
         x-ratelimit-remaining-tokens: 149000
         x-ratelimit-reset-tokens: 6ms
         x-ratelimit-limit-tokens_usage_based: 1000
         x-ratelimit-remaining-tokens_usage_based: 0
         x-ratelimit-reset-tokens_usage_based: 4s",
        Some(Pause::For(4000)),
        (None, Some(0)),
    ),
    case(
        "Azure: milliseconds under its own name",
        "x-ms-retry-after-ms: 250
         retry-after: 1",
        Some(Pause::For(250)),
        (None, None),
    ),
    case(
        "Azure, integer seconds to the end of a window, which tell nothing of how fast it comes back",
        "x-ratelimit-limit-requests: 240
         x-ratelimit-remaining-requests: 239
         x-ratelimit-reset-requests: 59
         x-ratelimit-remaining-tokens: 0
         x-ratelimit-reset-tokens: 32",
        Some(Pause::For(32_000)),
        (Some(239), Some(0)),
    ),
    case(
        "Azure, Responses: -1 is unknown, and so is a reset of 0",
        "x-ratelimit-limit-requests: -1
         x-ratelimit-remaining-requests: -1
         x-ratelimit-reset-requests: 0
         x-ratelimit-limit-tokens: -1
         x-ratelimit-remaining-tokens: -1
         x-ratelimit-reset-tokens: 0
         x-ms-is-spilled-over: false",
        None,
        (None, None),
    ),
    case(
        "Anthropic, RFC 3339, and the limit that is used up",
        "date: Sat, 21 Nov 2026 08:00:00 GMT
         anthropic-ratelimit-requests-limit: 50
         anthropic-ratelimit-requests-remaining: 49
         anthropic-ratelimit-requests-reset: 2026-11-21T08:00:02Z
         anthropic-ratelimit-input-tokens-limit: 40000
         anthropic-ratelimit-input-tokens-remaining: 0
         anthropic-ratelimit-input-tokens-reset: 2026-11-21T08:00:41Z
         anthropic-ratelimit-output-tokens-limit: 8000
         anthropic-ratelimit-output-tokens-remaining: 8000
         anthropic-ratelimit-output-tokens-reset: 2026-11-21T08:00:00Z
         anthropic-ratelimit-tokens-remaining: 8000
         anthropic-ratelimit-tokens-reset: 2026-11-21T08:00:41Z",
        Some(Pause::For(41_000)),
        (Some(49), Some(8000)),
    ),
    case(
        "Anthropic, in so many words",
        "retry-after: 17
         anthropic-ratelimit-requests-remaining: 0
         anthropic-ratelimit-requests-reset: 2026-11-21T09:00:00Z",
        Some(Pause::For(17_000)),
        (Some(0), None),
    ),
    case(
        "Anthropic, a subscription's limits are about something else",
        "anthropic-ratelimit-unified-status: rejected
         anthropic-ratelimit-unified-5h-reset: 1795250000
         anthropic-ratelimit-unified-remaining: 0",
        None,
        (None, None),
    ),
    case(
        "Groq: requests are a day's, tokens a minute's",
        "x-groq-region: us-west-1
         x-ratelimit-limit-requests: 14400
         x-ratelimit-limit-tokens: 18000
         x-ratelimit-remaining-requests: 14370
         x-ratelimit-remaining-tokens: 17997
         x-ratelimit-reset-requests: 2m59.56s
         x-ratelimit-reset-tokens: 7.66s",
        Some(Pause::For(7660)),
        (None, Some(17_997)),
    ),
    case(
        "Groq through a gateway that keeps its numbers only: the day is told all the same",
        "x-ratelimit-limit-requests: 14400
         x-ratelimit-remaining-requests: 14370
         x-ratelimit-reset-requests: 2m59.56s",
        None,
        (None, None),
    ),
    case(
        "Groq, nothing of the day used yet",
        "x-groq-region: us-west-1
         x-ratelimit-limit-requests: 14400
         x-ratelimit-remaining-requests: 14400
         x-ratelimit-reset-requests: 0s",
        None,
        (None, None),
    ),
    case(
        "Mistral: no reset, and a query's cost is no limit",
        "x-ratelimit-limit-tokens-minute: 500000
         x-ratelimit-remaining-tokens-minute: 0
         x-ratelimit-limit-req-minute: 60
         x-ratelimit-remaining-req-minute: 12
         x-ratelimit-tokens-query-cost: 4711",
        None,
        (Some(12), Some(0)),
    ),
    case(
        "Mistral, a month used up",
        "x-ratelimit-limit-tokens-month: 1000000000
         x-ratelimit-remaining-tokens-month: 0
         x-ratelimit-remaining-tokens-minute: 500000",
        Some(Pause::Long(None)),
        (None, Some(500_000)),
    ),
    case(
        "Cerebras: fractions of seconds, a day beside a minute",
        "x-ratelimit-limit-requests-day: 14400
         x-ratelimit-remaining-requests-day: 14000
         x-ratelimit-reset-requests-day: 33011.382867
         x-ratelimit-limit-tokens-minute: 60000
         x-ratelimit-remaining-tokens-minute: 0
         x-ratelimit-reset-tokens-minute: 11.382867",
        Some(Pause::For(11_383)),
        (None, Some(0)),
    ),
    case(
        "Cerebras, the day used up",
        "x-ratelimit-remaining-requests-day: 0
         x-ratelimit-reset-requests-day: 33011.382867
         x-ratelimit-remaining-tokens-minute: 60000
         x-ratelimit-reset-tokens-minute: 11.3",
        Some(Pause::Long(Some(33_011_383))),
        (None, Some(60_000)),
    ),
    case(
        "GitHub: seconds since 1970, counted from the answer's own clock, which is an hour behind",
        "date: Sat, 21 Nov 2026 07:00:00 GMT
         x-ratelimit-limit: 15
         x-ratelimit-remaining: 0
         x-ratelimit-reset: 1795244430",
        Some(Pause::For(30_000)),
        (Some(0), None),
    ),
    case(
        "OpenRouter: milliseconds since 1970, at the end of a day",
        "X-RateLimit-Limit: 50
         X-RateLimit-Remaining: 0
         X-RateLimit-Reset: 1795305600000",
        Some(Pause::Long(Some(57_600_000))),
        (None, None),
    ),
    case(
        "the IETF's draft, and a list of windows",
        "ratelimit-limit: 100, 100;window=60
         ratelimit-remaining: 0
         ratelimit-reset: 50",
        Some(Pause::For(50_000)),
        (Some(0), None),
    ),
    case(
        "Discord's way",
        "x-ratelimit-remaining: 0\nx-ratelimit-reset-after: 1.25",
        Some(Pause::For(1250)),
        (Some(0), None),
    ),
    case("LiteLLM: its own window", "retry-after: 60", Some(Pause::For(60_000)), (None, None)),
    case("more than an hour is no throttle", "retry-after: 7200", Some(Pause::Long(Some(7_200_000))), (None, None)),
    case("more than a day says nothing", "retry-after: 86401", None, (None, None)),
    case("a moment since 1970", "retry-after: 1795248003", Some(Pause::For(3000)), (None, None)),
    case(
        "numbers that are none",
        "x-ratelimit-limit-requests: many
         x-ratelimit-remaining-requests: NaN
         x-ratelimit-reset-requests: soon
         x-ratelimit-remaining-tokens: 1e9
         x-ratelimit-reset-tokens: -3s
         retry-after: inf",
        None,
        (None, None),
    ),
    Case {
        name: "a body's retry_after, where the headers say nothing",
        headers: "x-ratelimit-remaining-requests: 0\nx-ratelimit-reset-requests: 40s",
        body: r#"{"error":{"message":"slow down","type":"rate_limited","retry_after":2.5}}"#,
        pause: Some(Pause::For(2500)),
        left: (Some(0), None),
    },
    Case {
        name: "at its top, as a text",
        headers: "",
        body: r#"{"message":"slow down","retry_after":"3"}"#,
        pause: Some(Pause::For(3000)),
        left: (None, None),
    },
    Case {
        name: "Google's RetryInfo",
        headers: "",
        body: r#"[{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"Quota","details":[
            {"@type":"type.googleapis.com/google.rpc.Help","links":[]},
            {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.074824224s"}]}}]"#,
        pause: Some(Pause::For(34_075)),
        left: (None, None),
    },
    Case {
        name: "OpenAI's sentence",
        headers: "",
        body: r#"{"error":{"message":"Rate limit reached for gpt-4o: Limit 30000, Used 29000. Please try again in 1m6.29s. Visit x","type":"tokens","code":"rate_limit_exceeded"}}"#,
        pause: Some(Pause::For(66_290)),
        left: (None, None),
    },
    Case {
        name: "Azure's sentence",
        headers: "",
        body: r#"{"error":{"code":"429","message":"Requests have exceeded the rate limit. Please retry after 17 seconds."}}"#,
        pause: Some(Pause::For(17_000)),
        left: (None, None),
    },
    Case {
        name: "headers before the body",
        headers: "retry-after: 1",
        body: r#"{"retry_after":30,"error":{"message":"try again in 20s"}}"#,
        pause: Some(Pause::For(1000)),
        left: (None, None),
    },
    Case {
        name: "a sentence without a time",
        headers: "",
        body: r#"{"error":{"message":"Please try again in a while"}}"#,
        pause: None,
        left: (None, None),
    },
];

#[test]
fn every_provider_says_it_in_its_own_way() {
    for case in CASES {
        let report = read_rate_report(&headers(case.headers), NOW);
        let in_body = read_complaint(case.body.as_bytes()).asked_wait();
        assert_eq!(report.pause(in_body), case.pause, "{}: {report:?}", case.name);
        let left = (report.remaining(Measure::Requests), report.remaining(Measure::Tokens));
        assert_eq!(left, case.left, "{}: {report:?}", case.name);
    }
}

#[test]
fn limits_are_told_with_what_is_left() {
    let openai = "x-ratelimit-limit-requests: 600\nx-ratelimit-remaining-requests: 590\nx-ratelimit-reset-requests: 1s";
    let report = read_rate_report(&headers(openai), NOW);
    let allowance = Allowance {
        measure: Measure::Requests,
        window: Window::Short,
        limit: Some(600),
        remaining: Some(590),
        reset: Some(1000),
    };
    assert_eq!(report, RateReport { asked: None, allowances: vec![allowance] });
    assert_eq!((report.limit(Measure::Requests), report.limit(Measure::Tokens)), (Some(600), None));
}

#[test]
fn what_is_kept_of_an_answer_is_bounded() {
    let words = ["requests", "tokens", "input-tokens", "output-tokens"];
    let windows = ["", "-minute", "-day", "-usage_based", "-day-usage_based"];
    let lines = words.iter().flat_map(|word| windows.iter().map(move |window| format!("{word}{window}")));
    let lines: String = lines.map(|subject| format!("x-ratelimit-remaining-{subject}: 1\n")).collect();
    assert_eq!(read_rate_report(&headers(&lines), NOW).allowances.len(), MOST_ALLOWANCES);
}

#[test]
fn seconds_milliseconds_and_dates() {
    for (value, millis) in [
        ("1", Some(1000)),
        (" 2 ", Some(2000)),
        ("0", Some(0)),
        ("0.25", Some(250)),
        ("1.0004", Some(1001)),
        ("6m0s", Some(360_000)),
        ("-1", None),
        ("1e30", None),
        ("NaN", None),
        ("99999999999999999999999", None),
        ("soon", None),
        ("", None),
    ] {
        assert_eq!(retry_after(&headers(&format!("retry-after:{value}")), NOW), millis, "{value:?}");
    }
    let both = "retry-after-ms: 120\nretry-after: 7";
    assert_eq!(retry_after(&headers(both), NOW), Some(120));
    assert_eq!(retry_after(&headers("retry-after-ms: ?\nretry-after: 7"), NOW), Some(7000));
    assert_eq!(retry_after(&headers("retry-after-ms: ?\nx-ms-retry-after-ms: 9\nretry-after: 7"), NOW), Some(9));
}

#[test]
fn a_date_counts_from_the_answer_s_own_and_else_from_now() {
    const NOON: u64 = 784_123_200_000;
    let read = |lines: &str| retry_after(&headers(lines), NOON);
    let at = "retry-after: Sun, 06 Nov 1994 12:00:02 GMT";
    assert_eq!(read(at), Some(2000));
    // Its clock is an hour behind.
    let behind = "retry-after: Sun, 06 Nov 1994 11:00:01 GMT\ndate: Sun, 06 Nov 1994 11:00:00 GMT";
    assert_eq!(read(behind), Some(1000));
    assert_eq!(read(&format!("{at}\ndate: yesterday")), Some(2000));
    // The other two forms that are still to be read.
    assert_eq!(read("retry-after: Sunday, 06-Nov-94 12:00:03 GMT"), Some(3000));
    assert_eq!(read("retry-after: Sun Nov  6 12:00:04 1994"), Some(4000));
    // Past, before all dates, and no date.
    assert_eq!(read("retry-after: Sun, 06 Nov 1994 12:00:00 GMT"), None);
    assert_eq!(read("retry-after: Sun, 06 Nov 1994 10:00:00 GMT"), None);
    assert_eq!(read("retry-after: Sun, 06 Nov 1932 10:00:00 GMT"), None);
    assert_eq!(read("retry-after: Sun, 31 Feb 1994 25:61:61 GMT"), None);
}

#[test]
fn durations_have_each_unit_once_and_in_order() {
    for (text, millis) in [
        ("1h2m3.5s", Some(3_723_500)),
        ("12ms", Some(12)),
        ("1d", Some(86_400_000)),
        ("1m30s", Some(90_000)),
        ("453.1us", Some(1)),
        ("2s500ms", Some(2500)),
        ("25h", None),
        ("3s1m", None),
        ("1s1s", None),
        ("1m30", None),
        ("ms", None),
        ("1.2.3s", None),
        ("1w", None),
        ("", None),
    ] {
        assert_eq!(wait::duration(text), millis, "{text:?}");
    }
}
