//! The answers, letter for letter.

use serde_json::Value;

use super::*;
use crate::cli::fixtures::{NOW, at, rollout};
use crate::cli::why::{asked_for, decided};

fn event(actor: &str, action: &str, shares: (f64, f64), reason: &str, numbers: &[(&str, &str)]) -> HistoryEntry {
    let numbers = numbers.iter().map(|(name, value)| ((*name).to_owned(), value_of(value))).collect();
    HistoryEntry {
        at: at(7200),
        rollout: Some("chat".into()),
        actor: actor.into(),
        action: action.into(),
        reason: reason.into(),
        from: shares.0,
        to: shares.1,
        numbers,
        causes: Vec::new(),
        edited: None,
        generation: 3,
    }
}

/// A number as the API has it: rates in percent, times in seconds.
fn value_of(text: &str) -> Value {
    let units = [("%", 1.0), ("ms", 0.001), ("m", 60.0), ("", 1.0)];
    let parsed = |(unit, times): (&str, f64)| Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * times);
    units.into_iter().find_map(parsed).map_or_else(|| text.into(), Value::from)
}

const COUNTS: [(&str, &str); 14] = [
    ("counted", "failures"),
    ("seconds", "14"),
    ("canary_requests", "68"),
    ("canary_failures", "14"),
    ("canary_users_failing", "13"),
    ("canary_error_rate", "20.6%"),
    ("canary_error_rate_low", "12.7%"),
    ("canary_error_rate_high", "31.6%"),
    ("stable_requests", "612"),
    ("stable_failures", "3"),
    ("stable_users_failing", "1"),
    ("stable_error_rate", "0.49%"),
    ("stable_error_rate_low", "0.17%"),
    ("stable_error_rate_high", "1.43%"),
];

const EVIDENCE: [(&str, &str); 3] = [("evidence", "2116"), ("bound", "2000"), ("tolerated_ratio", "1.25")];

fn shown(answer: RolloutAnswer) -> String {
    render(&[answer], UnixMillis(NOW), Style::PLAIN)
}

#[test]
fn a_rollback_is_told_with_every_number_and_what_would_have_changed_it() {
    let mut chat = rollout();
    (chat.phase, chat.percent) = ("rolled_back".into(), 0.0);
    chat.reason = "the guard rolled it back to 0%, although the file has percent: auto: 14 of 68 (20.6%, between \
                   12.7% and 31.6%) of the canary's requests failed within 14s, and 3 of 612 (0.49%, between 0.17% \
                   and 1.43%) of stable's; more than 1.25 times stable's rate (evidence 2116, bound 2000); it \
                   continues with `serin resume chat` or `attempt: 2`"
        .into();
    chat.waiting_for = "`serin resume chat` or `attempt: 2`".into();
    let numbers = [
        [
            ("rule", "worse"),
            ("would_change", "about 2 failures fewer on the canary would have kept the evidence below its bound"),
        ]
        .as_slice(),
        &COUNTS,
        &EVIDENCE,
    ];
    let back = event("guard", "rollback", (10.0, 0.0), "14 of 68 of the canary's requests failed", &numbers.concat());
    assert_eq!(shown(decided(chat, vec![back])), TOLD);
    // The book shows it, and says how to read it.
    assert!(include_str!("../../../../docs/how-the-guard-decides.md").contains(TOLD));
}

const TOLD: &str = "\
chat  0% of users are on holysheep, the others on openai; the file has percent: auto
  why        rolled_back: the guard rolled it back to 0%, although the file has percent: auto: 14 of 68 (20.6%,
             between 12.7% and 31.6%) of the canary's requests failed within 14s, and 3 of 612 (0.49%, between
             0.17% and 1.43%) of stable's; more than 1.25 times stable's rate (evidence 2116, bound 2000); it
             continues with `serin resume chat` or `attempt: 2`
  decided    rollback by guard, 10% -> 0%, 2026-11-21 05:56:02Z, 2h ago
             rule       worse: the canary fails more often than stable, by more than is tolerated
             canary     14 of 68 requests failed within 14s (13 users): 20.6%, between 12.7% and 31.6%
             stable     3 of 612 requests failed within 14s (1 user): 0.49%, between 0.17% and 1.43%
             evidence   2116 that it is more than 1.25 times stable's rate; the bound is 2000
             otherwise  about 2 failures fewer on the canary would have kept the evidence below its bound
  watches    nothing: no user is on the canary
  waits for  `serin resume chat` or `attempt: 2`
";

#[test]
fn a_quiet_ramp_says_what_it_watches_and_waits_for() {
    let numbers = [COUNTS.as_slice(), &[("limit", "5%"), ("answered", "64")]].concat();
    let up = event("ramp", "promote", (5.0, 10.0), "the share was 5% for 1d", &numbers);
    let human = event("ana", "pause", (10.0, 10.0), "", &[]);
    let resumed = event("bob", "resume", (5.0, 5.0), "looks well", &[]);
    let older = event("ramp", "promote", (1.0, 5.0), "", &[("evidence", "0.1")]);
    let advice = event("serin", "advise", (10.0, 10.0), "holysheep refuses `n`", &[]);
    assert_eq!(
        shown(decided(rollout(), vec![advice, human, resumed, up, older])),
        "\
chat  10% of users are on holysheep, the others on openai; the file has percent: auto
  why        ramping: the ramp is at 10%
  decided    pause by ana, at 10%, 2026-11-21 05:56:02Z, 2h ago
             (no reason given)
  before     resume by bob, at 5%, 2026-11-21 05:56:02Z, 2h ago
             looks well
  before     promote by ramp, 5% -> 10%, 2026-11-21 05:56:02Z, 2h ago
             the share was 5% for 1d
             canary     14 of 68 requests failed within 14s (13 users): 20.6%, between 12.7% and 31.6%
             stable     3 of 612 requests failed within 14s (1 user): 0.49%, between 0.17% and 1.43%
             limit      5% is the highest failure rate for a promotion
             answered   64 requests of the canary at that share
  watches    evidence 0.26 of 2000 that it fails more often than stable, 0.13 that it is slower
             failures at this share: no request on the canary, 1 of 306 (0.33%, between 0.058% and 1.83%) on
             stable, within 6h
             50 requests a second, of which stable fails 0.4%; a response is slow above 1.5s to its first output
  waits for  66 more answered canary requests (34 of 100); 18h left of this step
  seen in    a dead canary 3s, one that never answers 14s, 20% errors 14s, 5% errors 1m 20s
"
    );
}

#[test]
fn every_rule_has_its_own_line() {
    let rows_of = |numbers: &[(&str, &str)]| {
        let text = shown(decided(rollout(), vec![event("guard", "hold", (10.0, 10.0), "", numbers)]));
        let lines = text.lines().skip_while(|line| !line.contains("  decided")).skip(1);
        let lines = lines.filter(|line| !line.contains("(no reason"));
        lines.take_while(|line| line.starts_with("     ")).map(|line| format!("{}\n", line.trim())).collect::<String>()
    };
    assert_eq!(
        rows_of(&[
            ("rule", "down"),
            ("failures_in_a_row", "30"),
            ("run_seconds", "3"),
            ("run_evidence", "89.9"),
            ("run_bound", "23")
        ]),
        "rule       down: the canary fails every request, while stable works\n\
         run        the canary's last 30 requests failed within 3s: evidence 89.9 of 23 that it is down\n"
    );
    assert_eq!(
        rows_of(&[
            ("rule", "length"),
            ("counted", "answers cut at a length limit"),
            ("canary_requests", "200"),
            ("canary_failures", "62"),
            ("canary_error_rate", "31%"),
            ("canary_error_rate_low", "25%"),
            ("canary_error_rate_high", "37.7%"),
            ("remedy", "set `max_fields` of the provider")
        ]),
        "rule       length: more of its responses stop at a length limit than is tolerated\n\
         canary     62 of 200 requests stopped at a length limit: 31%, between 25% and 37.7%\n\
         remedy     set `max_fields` of the provider\n"
    );
    assert_eq!(
        rows_of(&[
            ("rule", "silent"),
            ("unanswered", "17"),
            ("kind", "whole"),
            ("waited_seconds_at_least", "8"),
            ("waited_seconds", "20"),
            ("stable_answered", "40"),
            ("stable_unanswered", "1"),
            ("silent_evidence", "50.9"),
            ("silent_bound", "23")
        ]),
        "rule       silent: the canary accepts requests and answers none of them, while stable answers\n\
         waits      17 whole requests of the canary have had no output for 8s to 20s; of stable's in the same\n\
         seconds 40 had some and 1 had none: evidence 50.9 of 23\n"
    );
    assert_eq!(
        rows_of(&[("rule", "slower"), ("counted", "slow answers"), ("slow_above", "1499ms"), ("stable_requests", "0")]),
        "rule       slower: the canary is slow more often than stable, by more than is tolerated\n\
         stable     no request\n\
         slow       is a response whose first output took more than 1499ms\n"
    );
    assert_eq!(
        rows_of(&[
            ("rule", "ceiling"),
            ("ceiling", "20%"),
            ("window", "30m"),
            ("window_requests", "90"),
            ("window_failures", "40")
        ]),
        "rule       ceiling: the canary fails more often than `ceiling`, and more often than stable\n\
         ceiling    20%; 40 of 90 requests of the canary failed within 30m\n"
    );
    assert_eq!(
        rows_of(&[
            ("suspicion", "13.2"),
            ("suspicion_bound", "12"),
            ("limit", "0.6%"),
            ("refuses_most", "400"),
            ("of_tomorrow", "7")
        ]),
        "suspicion  13.2 that its failure rate is above 0.6%; it takes 12\n\
         refuses    most: 400\n\
         besides    of_tomorrow 7\n"
    );
}

#[test]
fn what_cannot_be_known_is_said_and_the_rest_all_the_same() {
    let mut plain = rollout();
    (plain.name, plain.canary) = ("embed".into(), None);
    let mut pinned = rollout();
    (pinned.phase, pinned.waiting_for) = ("pinned".into(), String::new());
    let error = Some("the database\nis gone".to_owned());
    let answers = [
        RolloutAnswer { rollout: plain, decision: None, before: Vec::new(), history_error: None },
        RolloutAnswer { rollout: pinned, decision: None, before: Vec::new(), history_error: error },
    ];
    let text = render(&answers, UnixMillis(NOW), Style::PLAIN);
    assert!(text.starts_with("embed  everything goes to openai: a plain route\n\nchat  10%"), "{text}");
    assert!(text.contains("\n  decided    not known: the database is gone\n"), "{text}");
    assert!(text.contains("\n  waits for  nothing: the file pins the share, and the guard watches it\n"), "{text}");
    assert_eq!(render(&[], UnixMillis(NOW), Style::PLAIN), "there is no rollout\n");
    assert_eq!(asked_for(vec![rollout()], Some("chat")).unwrap().len(), 1);
    let error = asked_for(vec![rollout()], Some("chta")).unwrap_err();
    assert_eq!(error.message, "there is no rollout named `chta`; there are: chat");
}

#[test]
fn programs_get_the_rollout_as_status_tells_it_with_its_decision() {
    let up = event("ramp", "promote", (5.0, 10.0), "the share was 5% for 1d", &[("evidence", "0.1")]);
    let value = serde_json::to_value(decided(rollout(), vec![up])).unwrap();
    assert_eq!((&value["name"], &value["decision"]["numbers"]["evidence"]), (&"chat".into(), &0.1.into()));
    assert_eq!(value["guard"]["forecast"][1]["seen_after_seconds"], 14.0);
}
