//! The scoreboard of a selftest: a line for each fault, the sum, what was added to a call, and what is wrong.
//!
//! Words only: what is wrong was judged before. A request that got less than was promised is listed, with what its
//! client received. Invariant: the sum is that of the lines.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::demo::selftest::{CaseResult, Form, Paired, Quantile, Report, Score};
use crate::describe::format::grouped;

/// Nothing wrong, and nothing left out.
pub(super) fn is_well(report: &Report) -> bool {
    count(&report.cases, Score::Wrong) == 0 && report.not_run == 0 && report.latency.wrong.is_empty()
}

fn count<'a>(cases: impl IntoIterator<Item = &'a CaseResult>, score: Score) -> usize {
    cases.into_iter().filter(|case| case.score == score).count()
}

pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    for (alone, title) in [(false, "another provider is left"), (true, "no other provider is left")] {
        let _ = writeln!(text, "{title:<42} recovered  honest   wrong");
        let cases: Vec<&CaseResult> = report.cases.iter().filter(|case| case.alone == alone).collect();
        for fault in faults(&cases) {
            line(&mut text, fault, &cases.iter().copied().filter(|case| case.fault == fault).collect::<Vec<_>>());
        }
        text.push('\n');
    }
    line(&mut text, "all requests", &report.cases.iter().collect::<Vec<_>>());
    text.push('\n');
    for (what, paired) in [("whole answer", report.latency.whole), ("first byte of a stream", report.latency.first)] {
        if let Some(paired) = paired {
            let _ = writeln!(text, "added to a {what}: {}", added(&paired));
        }
    }
    for skipped in &report.skipped {
        let _ = writeln!(text, "not possible here: {skipped}");
    }
    if report.not_run > 0 {
        let _ = writeln!(text, "NOT RUN: {} requests, for which there was no time", report.not_run);
    }
    for wrong in &report.latency.wrong {
        let _ = writeln!(text, "WRONG while latency was measured: {wrong}");
    }
    for case in report.cases.iter().filter(|case| case.score < case.promised) {
        let kind = if case.score == Score::Wrong { "WRONG" } else { "not recovered" };
        let _ = writeln!(text, "{kind}: {}: {} ({})", name(case), case.seen, case.took);
    }
    let verdict = if is_well(report) { "nothing is wrong" } else { "something is WRONG" };
    let _ =
        writeln!(text, "{verdict}; {} requests in {:.1} s", grouped(report.cases.len()), report.took.0 as f64 / 1000.0);
    text
}

/// Each once, in their order.
fn faults<'a>(cases: &[&'a CaseResult]) -> Vec<&'a str> {
    let mut faults: Vec<&str> = Vec::new();
    for case in cases {
        if !faults.contains(&case.fault.as_str()) {
            faults.push(&case.fault);
        }
    }
    faults
}

fn line(text: &mut String, what: &str, cases: &[&CaseResult]) {
    let [recovered, honest, wrong] =
        [Score::Recovered, Score::Honest, Score::Wrong].map(|score| match count(cases.iter().copied(), score) {
            0 => "-".to_owned(),
            some => some.to_string(),
        });
    let _ = writeln!(text, "  {what:<40} {recovered:>9} {honest:>7} {wrong:>7}");
}

fn name(case: &CaseResult) -> String {
    let form = match case.form {
        Form::Whole => "",
        Form::Stream => ", streamed",
        Form::WebSocket => ", WebSocket",
    };
    let alone = if case.alone { ", no other provider" } else { "" };
    format!("{}, {}{form}{alone}", case.fault, case.api)
}

fn added(paired: &Paired) -> String {
    format!(
        "p50 {}, p99 {} ({} pairs with a direct call, 95% intervals; the direct call's p50 is {})",
        quantile(&paired.p50),
        quantile(&paired.p99),
        grouped(paired.pairs),
        micros(paired.direct_p50)
    )
}

fn quantile(quantile: &Quantile) -> String {
    let bound = |bound: Option<f64>| bound.map_or_else(|| "?".to_owned(), micros);
    format!("{} [{} to {}]", micros(quantile.micros), bound(quantile.low), bound(quantile.high))
}

fn micros(micros: f64) -> String {
    if micros.abs() < 1000.0 { format!("{micros:.0} µs") } else { format!("{:.2} ms", micros / 1000.0) }
}

pub(super) fn json(report: &Report) -> Value {
    let score = |score: Score| match score {
        Score::Recovered => "recovered",
        Score::Honest => "honest",
        Score::Wrong => "wrong",
    };
    let cases: Vec<Value> = report
        .cases
        .iter()
        .map(|case| {
            json!({
                "fault": case.fault,
                "api": case.api,
                "form": match case.form { Form::Whole => "whole", Form::Stream => "stream", Form::WebSocket => "websocket" },
                "other_provider": !case.alone,
                "score": score(case.score),
                "promised": score(case.promised),
                "seen": case.seen,
                "milliseconds": case.took.0,
            })
        })
        .collect();
    json!({
        "good": is_well(report),
        "recovered": count(&report.cases, Score::Recovered),
        "honest": count(&report.cases, Score::Honest),
        "wrong": count(&report.cases, Score::Wrong),
        "not_run": report.not_run,
        "skipped": report.skipped,
        "added_latency": {
            "whole": report.latency.whole,
            "first_byte": report.latency.first,
            "wrong": report.latency.wrong,
        },
        "milliseconds": report.took.0,
        "requests": cases,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::units::Millis;
    use crate::demo::selftest::Latency;

    fn case(fault: &str, score: Score) -> CaseResult {
        CaseResult {
            fault: fault.to_owned(),
            api: "messages",
            form: Form::Stream,
            alone: false,
            score,
            promised: Score::Recovered,
            seen: "what was seen".to_owned(),
            took: Millis(12),
        }
    }

    fn report(cases: Vec<CaseResult>) -> Report {
        let whole = Paired::of(&(1..=100).map(|n| (1_000_000, 1_000_000 + n * 10_000)).collect::<Vec<_>>());
        let latency = Latency { whole, first: None, wrong: Vec::new() };
        Report { cases, not_run: 0, skipped: Vec::new(), latency, took: Millis(7_400) }
    }

    #[test]
    fn the_board_counts_and_lists_what_fell_short() {
        let report =
            report(vec![case("503", Score::Recovered), case("503", Score::Wrong), case("reset", Score::Honest)]);
        let text = text(&report);
        let columns = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert!(text.lines().any(|line| columns(line) == ["503", "1", "-", "1"]), "{text}");
        assert!(text.lines().any(|line| columns(line) == ["all", "requests", "1", "1", "1"]), "{text}");
        assert!(text.contains("\nWRONG: 503, messages, streamed: what was seen (12ms)\n"), "{text}");
        assert!(text.contains("\nnot recovered: reset, messages, streamed: what was seen"), "{text}");
        assert!(text.ends_with("something is WRONG; 3 requests in 7.4 s\n"), "{text}");
        assert!(text.contains("p50 500 µs [400 µs to 600 µs], p99 990 µs [970 µs to ?] (100 pairs"), "{text}");
        assert!(!is_well(&report));
        assert_eq!((&json(&report)["wrong"], &json(&report)["good"]), (&1.into(), &false.into()));
    }

    #[test]
    fn what_was_left_out_is_no_pass() {
        let mut report = report(vec![case("503", Score::Recovered), case("reset", Score::Honest)]);
        assert!(is_well(&report) && text(&report).contains("\nnothing is wrong; 2 requests"));
        report.not_run = 1;
        assert!(!is_well(&report) && text(&report).contains("NOT RUN: 1 requests"));
        report.not_run = 0;
        report.latency.wrong.push("half".to_owned());
        assert!(!is_well(&report));
    }
}
