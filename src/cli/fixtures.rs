//! A rollout as the API tells of it, for the tests of what is made of it.

use crate::app::api::{
    Anonymous, Answers, Arm, AspectComparison, BothArms, Forecast, Guard, InFlight, Next, Rate, Recent, RecentArm,
    Rollout, Timestamp, Users, Verdicts, Window,
};
use crate::decide::units::UnixMillis;

pub(super) const NOW: u64 = 1_795_247_762_000;

pub(super) fn at(seconds_ago: u64) -> Timestamp {
    Timestamp(UnixMillis(NOW - seconds_ago * 1000))
}

pub(super) fn rollout() -> Rollout {
    let arm = |requests, failures, failure_percent| Arm { requests, failures, failure_percent };
    Rollout {
        name: "chat".into(),
        stable: "openai".into(),
        canary: Some("holysheep".into()),
        phase: "ramping".into(),
        percent: 10.0,
        intent: "auto".into(),
        reason: "the ramp is at 10%".into(),
        since: at(3600),
        next: Some(Next { percent: 25.0, not_before: Timestamp(UnixMillis(NOW + 64_800_000)) }),
        waiting_for: "66 more answered canary requests (34 of 100)".into(),
        attempt: 1,
        lock: None,
        incident: None,
        paused: false,
        window: Window {
            seconds: 1800.0,
            since: Some(at(1800)),
            stable: arm(12034, 12, Some(0.0997)),
            canary: arm(0, 0, None),
        },
        recent: Some(recent()),
        in_flight: InFlight::default(),
        epoch: 2,
        answered: 34,
        guard: Some(guard()),
        findings: Vec::new(),
        seen: Vec::new(),
        fallbacks: Vec::new(),
        stable_fault: None,
        rollback_ready: None,
        anonymous_ratio: Some(0.034),
        anonymous_advice: None,
        last_resorts: 0,
        require: Vec::new(),
        copies: None,
    }
}

fn recent() -> Recent {
    let arm =
        |requests, failed, waiting| RecentArm { requests, failed, waiting: Some(waiting), ..RecentArm::default() };
    Recent {
        seconds: 305.2,
        stable: RecentArm { refused: 3, in_flight: 31, ..arm(9010, 9, 12) },
        canary: Some(RecentArm { elsewhere: 24, in_flight: 4, ..arm(1001, 0, 4) }),
        anonymous: Anonymous { of: 10_020, requests: 401, ratio: Some(0.04) },
    }
}

fn guard() -> Guard {
    let none = Rate { requests: 0, events: 0, percent: None, low_percent: 0.0, high_percent: 100.0 };
    let some = Rate { requests: 306, events: 1, percent: Some(0.327), low_percent: 0.058, high_percent: 1.83 };
    let step = BothArms { seconds: 21_600.0, stable: some, canary: none.clone() };
    let since_well = BothArms { seconds: 1.0, stable: none.clone(), canary: none };
    let compared = |evidence: f64| AspectComparison { evidence, above_floor: false, since_well: since_well.clone() };
    let forecast = |error_percent, seen_after_seconds| Forecast { error_percent, seen_after_seconds };
    Guard {
        bound: 2000.0,
        failing: compared(0.26),
        slow: Some(compared(0.13)),
        refusing: None,
        empty: None,
        length: None,
        filtered: None,
        pace: None,
        feedback: None,
        verdicts: Verdicts::default(),
        answers_bound: 8000.0,
        answers: Answers::default(),
        pace_above_seconds: None,
        users_failing: Users { stable: 1, canary: 0 },
        failures_in_a_row: 0,
        incident: false,
        step,
        watched_seconds: 21_600.0,
        left_seconds: Some(64_800.0),
        answered: 34,
        needed: 100,
        requests_per_second: 50.0,
        stable_failure_percent: 0.4,
        max_error_percent: Some(5.0),
        slow_above_seconds: Some(1.5),
        forecast: vec![forecast(100.0, Some(3.0)), forecast(20.0, Some(14.0)), forecast(5.0, Some(80.0))],
        silent_seen_after_seconds: Some(14.0),
        silence: None,
        retries: 0,
    }
}
