//! The status, letter for letter.

use super::*;
use crate::app::api::{
    Anonymous, ArmInFlight, AspectComparison, ClientLimit, Flags, InFlight, LimitTurned, Locked, Process, ProviderKey,
    ProviderLimit, State, Timestamp, WaitingByAge,
};
use crate::cli::fixtures::{NOW, at, rollout};
use crate::decide::file_error::FileError;
use crate::decide::guard::silent::SilentRun;

fn reply(rollouts: Vec<Rollout>) -> StatusReply {
    StatusReply {
        kept_state: Vec::new(),
        certificate: None,
        process: Process {
            version: "0.1.0".into(),
            pid: 42,
            started_at: at(7200),
            listen: "127.0.0.1:7171".into(),
            listen_tls: None,
            admin: "127.0.0.1:7172".into(),
            probe: None,
            draining: false,
        },
        flags: Flags {
            path: "/etc/serin/flags.yaml".into(),
            generation: 3,
            accepted_at: at(60),
            modified_at: Some(at(61)),
            errors: Vec::new(),
            failures: 0,
            from_last_good: false,
            warnings: Vec::new(),
        },
        state: State { dir: "/var/lib/serin".into(), error: None, locks_error: None, ephemeral: None },
        rollouts,
        clients: Vec::new(),
        notify: Vec::new(),
        websockets: Vec::new(),
        providers: vec![provider("openai", "closed", None), provider("local", "off", None)],
    }
}

fn provider(name: &str, breaker: &str, open_until: Option<Timestamp>) -> Provider {
    let keys = Vec::new();
    Provider {
        name: name.into(),
        breaker: breaker.into(),
        unreachable: false,
        failures: 12,
        open_until,
        diverted: 3,
        keys,
        rate_limit: None,
    }
}

#[test]
fn a_ramp_shows_where_it_is_and_what_it_waits_for() {
    let mut plain = rollout();
    (plain.name, plain.canary) = ("embed".into(), None);
    let stable = RecentArm { requests: 700, in_flight: 2, ..RecentArm::default() };
    plain.recent = Some(Recent { seconds: 21.0, stable, ..Recent::default() });
    assert_eq!(
        render(&reply(vec![rollout(), plain]), UnixMillis(NOW), Style::PLAIN),
        "\
serin 0.1.0, pid 42, up 2h
  listen     127.0.0.1:7171, admin 127.0.0.1:7172
  flags      /etc/serin/flags.yaml, changed 1m 1s ago
             generation 3, in force since 2026-11-21 07:55:02Z
  state      /var/lib/serin

chat  openai -> holysheep  ramping
  percent    10% of users on the canary, the file has percent: auto
  why        the ramp is at 10%
  since      2026-11-21 06:56:02Z, 1h ago
  next       25%, not before 2026-11-22 01:56:02Z (in 18h)
  waits for  66 more answered canary requests (34 of 100); 18h left of this step
  guard      evidence 0.26 of 2000 that it fails more often than stable, 0.13 that it is slower
  seen in    a dead canary 3s, one that never answers 14s, 20% errors 14s, 5% errors 1m 20s
  traffic    last 5m     requests    failed   refused elsewhere in flight   waiting
             stable          9010         9         3         0        31        12
             canary          1001         0         0        24         4         4
  counted    by the guard: at 10%, since 2026-11-21 07:26:02Z
  window     last 30m     requests   failures     rate
             stable          12034         12    0.10%
             canary              0          0        -
             34 canary requests answered at this stage
  anonymous  3.4% of requests since the start carry no user id, 4.0% of 10020 in the last 5m

embed  openai (a plain route)
  traffic    last 20s    requests    failed   refused elsewhere in flight   waiting
             stable           700         0         0         0         2         -
"
    );
}

#[test]
fn what_speaks_against_the_canary_is_told_beside_what_it_takes() {
    let mut chat = rollout();
    let guard = chat.guard.as_mut().unwrap();
    (guard.failing.evidence, guard.failing.above_floor, guard.failures_in_a_row) = (12.4, true, 5);
    (guard.incident, guard.forecast[2].seen_after_seconds, guard.left_seconds) = (true, None, None);
    let text = render(&reply(vec![chat.clone()]), UnixMillis(NOW), Style::PLAIN);
    let lines = "
  waits for  66 more answered canary requests (34 of 100)
  guard      evidence 12 of 2000 that it fails more often than stable, 0.13 that it is slower; its last 5 requests failed
  incident   stable fails far more than usual: there is no promotion, and the step's time is paused
  seen in    a dead canary 3s, one that never answers 14s, 20% errors 14s, 5% errors not within two weeks
";
    assert!(text.contains(lines), "{text}");
    chat.guard.as_mut().unwrap().requests_per_second = 0.0;
    let text = render(&reply(vec![chat.clone()]), UnixMillis(NOW), Style::PLAIN);
    assert!(text.contains("  seen in    never: there were no recent requests\n"), "{text}");
    chat.percent = 0.0;
    let text = render(&reply(vec![chat]), UnixMillis(NOW), Style::PLAIN);
    assert!(!text.contains("seen in") && !text.contains("evidence"), "{text}");
}

#[test]
fn how_answers_ended_is_told_for_each_arm_and_what_is_more_often_bad_beside_its_bound() {
    let mut rollout = rollout();
    let guard = rollout.guard.as_mut().unwrap();
    let shares = |shares: &[(&str, f64)]| shares.iter().map(|(name, share)| ((*name).to_owned(), *share)).collect();
    guard.answers.stable.percent_by_finish = shares(&[("stop", 98.0), ("length", 2.0), ("empty", 0.0)]);
    guard.answers.canary.percent_by_finish = shares(&[("stop", 69.0), ("length", 31.0)]);
    guard.answers.canary.mean_gap_seconds = Some(0.0214);
    guard.length = Some(AspectComparison { evidence: 9000.0, above_floor: true, ..guard.failing.clone() });
    let message = render(&reply(vec![rollout]), UnixMillis(NOW), Style::PLAIN);
    for line in [
        "stable     98% stop, 2% length\n",
        "canary     69% stop, 31% length; 21 ms between outputs\n",
        "that it is slower, 9000 of 8000 that more of its responses stop at a length limit\n",
    ] {
        assert!(message.contains(line), "{line}: {message}");
    }
}

#[test]
fn what_differs_from_the_file_is_said_with_who_and_why() {
    let mut locked = rollout();
    (locked.phase, locked.percent, locked.intent) = ("locked".into(), 0.0, "25%".into());
    locked.reason = "locked by ana".into();
    locked.lock = Some(Locked { to: 0.0, at: at(60), actor: "ana".into(), reason: "wrong\nlanguage".into() });
    (locked.next, locked.paused, locked.attempt) = (None, true, 2);
    let text = render(&reply(vec![locked]), UnixMillis(NOW), Style::PLAIN);
    for line in [
        "chat  openai -> holysheep  locked, attempt 2\n",
        "  percent    0% of users on the canary, the file has percent: 25%\n",
        "  lock       at 0% by ana, 2026-11-21 07:55:02Z: wrong language\n",
        "  paused     no promotion until `serin resume chat`\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn a_broken_file_and_a_full_disk_are_at_the_top() {
    let mut reply = reply(Vec::new());
    reply.flags.errors = vec![FileError {
        line: Some(3),
        column: Some(1),
        problem: "unknown key `percnt`".into(),
        remedy: "write `percent`".into(),
        ..FileError::default()
    }];
    reply.flags.from_last_good = true;
    reply.flags.warnings = vec!["`listen` takes a restart".into()];
    reply.state.error = Some("no space left on device".into());
    reply.process.draining = true;
    let text = render(&reply, UnixMillis(NOW), Style::PLAIN);
    for line in [
        "up 2h, draining\n",
        "             the last good copy is in force: the file was broken at the start\n",
        "             the file on disk is not in force:\n",
        "               line 3, column 1: unknown key `percnt`\n",
        "                 fix: write `percent`\n",
        "             warning: `listen` takes a restart\n",
        "             cannot be written: no space left on device\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn a_breaker_is_told_while_it_is_not_closed() {
    let mut reply = reply(Vec::new());
    reply.providers.push(provider("holysheep", "open", Some(Timestamp(UnixMillis(NOW + 43_000)))));
    reply.providers.push(provider("backup", "half_open", None));
    let text = render(&reply, UnixMillis(NOW), Style::PLAIN);
    let sentence = "  breaker    of holysheep: open for 43s more, after 12 failures
  breaker    of backup: half open, one request at a time tests it, after 12 failures
";
    assert!(text.ends_with(sentence), "{text}");
    assert_eq!(text.matches("breaker").count(), 2, "{text}");
    for provider in &mut reply.providers {
        provider.unreachable = true;
    }
    let text = render(&reply, UnixMillis(NOW), Style::PLAIN);
    let sentence = "  breaker    of holysheep: no connection is possible, the next test is in 43s, after 12 failures
  breaker    of backup: no connection was possible, the next test is now, after 12 failures
";
    assert!(text.ends_with(sentence), "{text}");
}

#[test]
fn many_requests_without_a_user_id_are_told_with_the_remedy() {
    let mut chat = rollout();
    chat.recent.as_mut().unwrap().anonymous = Anonymous { of: 40, requests: 10, ratio: Some(0.25) };
    chat.anonymous_advice = Some("the id is looked for\nin header:x-user-id".into());
    let text = render(&reply(vec![chat]), UnixMillis(NOW), Style::PLAIN);
    let sentence = "  anonymous  3.4% of requests since the start carry no user id, 25.0% of 40 in the last 5m
               the id is looked for in header:x-user-id
";
    assert!(text.contains(sentence), "{text}");
}

#[test]
fn a_process_of_an_earlier_version_is_shown_without_the_traffic() {
    let mut json = serde_json::to_value(reply(vec![rollout()])).unwrap();
    let chat = json["rollouts"][0].as_object_mut().unwrap();
    chat.remove("recent");
    chat["window"].as_object_mut().unwrap().remove("since");
    let text = render(&serde_json::from_value(json).unwrap(), UnixMillis(NOW), Style::PLAIN);
    assert!(text.contains("  window     last 30m ") && text.contains("since the start carry no user id\n"), "{text}");
    assert!(!text.contains("traffic") && !text.contains("counted"), "{text}");
}

#[test]
fn who_answers_in_whose_place_has_lines_of_its_own() {
    let fallback =
        |arm: &str, provider: &str, requests| Fallback { arm: arm.into(), provider: provider.into(), requests };
    let fallbacks = vec![fallback("stable", "deepseek", 36), fallback("canary", "openai", 2)];
    let text = render(&reply(vec![Rollout { fallbacks, ..rollout() }]), UnixMillis(NOW), Style::PLAIN);
    let sentence = "  fallback   36 of stable's requests answered by deepseek since the start
             2 of canary's requests answered by openai since the start
";
    assert!(text.contains(sentence), "{text}");
}

#[test]
fn what_the_canary_refuses_is_told_with_the_rule_to_write() {
    let refusal = |number: usize| Incompatibility {
        kind: "parameter".into(),
        name: format!("p{number}"),
        sentence: format!("holysheep refused `p{number}`, which openai accepts"),
        rule: Some(format!("providers.holysheep.drop_fields: [p{number}]")),
        advice: format!("write providers.holysheep.drop_fields: [p{number}]"),
        status: 400,
        count: 8 - number as u64,
        first_at: at(3600),
        last_at: at(180),
    };
    let mut chat = rollout();
    chat.findings = (1..8).map(refusal).collect();
    let text = render(&reply(vec![chat]), UnixMillis(NOW), Style::PLAIN);
    for lines in [
        "  refused    holysheep refused `p1`, which openai accepts: 7 times, last 3m ago
               write providers.holysheep.drop_fields: [p1]
             holysheep refused `p2`, which openai accepts: 6 times, last 3m ago
",
        "               write providers.holysheep.drop_fields: [p5]
             and 2 more; `serin status --json` has them all
",
    ] {
        assert!(text.contains(lines), "{lines}\n{text}");
    }
    assert!(!text.contains("`p6`"), "{text}");
}

#[test]
fn who_waits_is_told_by_age_and_what_it_comes_to() {
    let mut chat = rollout();
    let waiting = WaitingByAge { below_5s: 3, below_30s: 9, ..WaitingByAge::default() };
    chat.in_flight = InFlight {
        stable: ArmInFlight { requests: 40, ..ArmInFlight::default() },
        canary: ArmInFlight { requests: 12, without_output: waiting },
    };
    let silence = SilentRun {
        unanswered: 9.0,
        stable_answered: 80.0,
        stable_unanswered: 1.0,
        longest: 19.0,
        shortest: 8.0,
        ..SilentRun::default()
    };
    let guard = chat.guard.as_mut().unwrap();
    guard.silence = Some(silence);
    let text = render(&reply(vec![chat.clone()]), UnixMillis(NOW), Style::PLAIN);
    let lines = [
        "  silent     9 requests of the canary have had no output for 8s to 19s; stable answered 80 of 81\n",
        "  in flight  40 at stable\n             12 at the canary, without output: 3 for less than 5s, 9 for less than 30s\n",
    ];
    assert!(lines.iter().all(|line| text.contains(line)), "{text}");
    chat.guard.as_mut().unwrap().silence = Some(SilentRun { shared: true, ..silence });
    let text = render(&reply(vec![chat]), UnixMillis(NOW), Style::PLAIN);
    assert!(text.contains("and stable answers nothing either: no user is moved\n"), "{text}");
}

#[test]
fn a_key_that_cannot_be_asked_is_told_with_the_time_until_it_can() {
    let key = |key, state: &str, reason: Option<&str>, until| ProviderKey {
        key,
        last_four: "wxyz".into(),
        account: None,
        state: state.into(),
        reason: reason.map(str::to_owned),
        until,
        models: None,
        status: (state == "refused").then_some(401),
        first_seen: at(3600),
        is_old: false,
    };
    let soon = Some(Timestamp(UnixMillis(NOW + 90_000)));
    let keys = vec![
        key(1, "usable", None, None),
        key(2, "resting", Some("quota"), soon),
        key(3, "refused", None, soon),
        key(4, "refused", None, Some(at(1))),
    ];
    let mut reply = reply(Vec::new());
    reply.providers = vec![Provider { keys, ..provider("openai", "closed", None) }];
    let text = render(&reply, UnixMillis(NOW), Style::PLAIN);
    let lines = "  keys       openai: 1 of 4 usable
             key 2 (...wxyz) rests for 1m 30s more: its quota is spent
             key 3 (...wxyz) is refused with status 401, the next try is in 1m 30s
             key 4 (...wxyz) is refused with status 401, the next request tries it
";
    assert!(text.ends_with(lines), "{text}");
}

#[test]
fn each_limit_says_what_is_used_and_what_became_of_requests_that_were_too_many() {
    let turned = |then: &str, requests| LimitTurned { limit: "requests".into(), then: then.into(), requests };
    let limit = ProviderLimit {
        requests_per_minute: Some(600),
        burst: Some(100),
        last_minute: 412,
        requests_left: Some(0),
        tokens_per_minute: Some(2000),
        tokens_left: Some(150),
        most_in_flight: Some(64),
        in_flight: 7,
        waiting: 3,
        turned: vec![turned("other", 5), turned("waited", 9), turned("refused", 2)],
    };
    let client = |name: &str, refused, observed| ClientLimit {
        name: name.into(),
        requests_per_minute: 1000,
        burst: 100,
        last_minute: 40,
        requests_left: 60,
        refused,
        observed,
    };
    let mut reply = reply(Vec::new());
    reply.providers = vec![Provider { rate_limit: Some(limit), ..provider("openai", "closed", None) }];
    reply.clients = vec![client("shop", 4, 0), client("batch", 0, 6), client("search", 0, 0)];
    let text = render(&reply, UnixMillis(NOW), Style::PLAIN);
    let lines = "  limit      of openai: 412 of 600 a minute, 150 of 2000 tokens left, 7 of 64 in flight, 3 waiting, \
                 5 sent to another provider since the start, 2 refused since the start
  limit      of client shop: 40 of 1000 a minute, 4 refused since the start
  limit      of client batch: 40 of 1000 a minute, 6 beyond it since the start
  limit      of client search: 40 of 1000 a minute
";
    assert!(text.ends_with(lines), "{text}");
}
