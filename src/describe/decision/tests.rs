//! The guard's findings, word for word.

use super::*;
use crate::decide::guard::waiting::ResponseKind;
use crate::decide::units::UnixMillis;

fn decision(decided: DecisionKind, detail: Detail) -> Decision {
    Decision {
        decided,
        seconds: 3.0,
        canary: ArmCounts::new(7.0, 5.0, Some(2)),
        stable: ArmCounts::new(0.0, 9.0, Some(0)),
        evidence: 2115.99,
        bound: 2000.0,
        tolerated_ratio: 1.25,
        detail,
        at: UnixMillis(0),
        would_change: None,
        causes: Vec::new(),
    }
}

#[test]
fn no_more_failures_are_told_than_requests() {
    let text = sentence(&decision(DecisionKind::Alarm(Rule::Worse), Detail::Nothing));
    let expected = "7 of 7 (100%, between 64.6% and 100%) of the canary's requests failed within 3s, and 0 of 9 (0%, \
                    between 0% and 29.9%) of stable's; more than 1.25 times stable's rate (evidence 2116, bound 2000)";
    assert_eq!(text, expected);
}

#[test]
fn bad_verdicts_are_told_with_both_shares() {
    let verdicts = Decision {
        canary: ArmCounts::new(61.0, 1000.0, None),
        stable: ArmCounts::new(270.0, 9000.0, None),
        seconds: 1800.0,
        tolerated_ratio: 1.1,
        ..decision(DecisionKind::Alarm(Rule::Feedback), Detail::Nothing)
    };
    let expected = "feedback: 6.1% bad on the canary (61 of 1000 verdicts within 30m), 3% on stable (270 of 9000); more \
                    than 1.1 times stable's share (evidence 2116 of 2000)";
    assert_eq!(sentence(&verdicts), expected);
    let none = Decision { stable: ArmCounts::new(0.0, 0.0, None), ..verdicts };
    assert!(sentence(&none).contains(", none on stable (0 of 0); more"), "{}", sentence(&none));
}

#[test]
fn a_run_is_told_by_its_counts_and_its_times() {
    let silence = |requests, shortest, probed| Detail::Silence {
        requests,
        unanswered: 17.0,
        longest: 20.0,
        shortest,
        since: UnixMillis(1_795_247_742_000),
        probed,
        stable_answered: 40.0,
        stable_unanswered: 1.0,
        evidence: 50.93,
        bound: 23.0,
    };
    let sentence_of = |detail| sentence(&decision(DecisionKind::Alarm(Rule::Silent), detail));
    assert_eq!(
        sentence_of(silence(None, 8.0, false)),
        "17 requests sent since 07:55:42Z have had no output for 8s to 20s; stable answered 40 of 41 sent in the same \
         seconds (evidence 50.9, bound 23)"
    );
    let whole = sentence_of(silence(Some(ResponseKind::Whole), 20.0, true));
    assert!(whole.starts_with("17 whole requests sent since 07:55:42Z have had no output for 20s; stable"), "{whole}");
    assert!(whole.contains("stable answered 40 of 41 probes"), "{whole}");
}

#[test]
fn a_way_out_is_told_only_where_there_is_one() {
    let sentence_of = |rule, change| {
        let decision = Decision { would_change: Some(change), ..decision(DecisionKind::Alarm(rule), Detail::Nothing) };
        would_change(&decision).unwrap()
    };
    let fewer = |tolerated_ratio, ignore_below| Counterfactual::Fewer { events: 2.0, tolerated_ratio, ignore_below };
    let plain = "about 2 failures fewer on the canary would have kept the evidence below its bound";
    assert_eq!(sentence_of(Rule::Worse, fewer(None, None)), plain);
    let both = format!("{plain}; so would a `tolerated_ratio` above 2.2; so would an `ignore_below` above 3%");
    assert_eq!(sentence_of(Rule::Worse, fewer(Some(2.2), Some(0.03))), both);
    assert!(sentence_of(Rule::Length, fewer(None, None)).ends_with("; so would `answers: { length: ignore }`"));
    assert_eq!(would_change(&decision(DecisionKind::GivenUp, Detail::Nothing)), None);
}
