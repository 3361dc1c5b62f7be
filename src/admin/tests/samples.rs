//! A policy and a status of which every field that the API shows has a value of its own.
//!
//! Owns the literals that the tests of the ports are compared with. A test changes nothing here; what it needs
//! otherwise it writes down itself. The secret in them must never be seen.

use std::sync::Arc;

use crate::decide::breaker::BreakerPhase;
use crate::decide::guard::aspect::{ASPECTS, Aspect};
use crate::decide::guard::tick::EventSums;
use crate::decide::incompatibility::Incompatibility;
use crate::decide::policy::plain;
use crate::decide::policy::{Canary, Guard, Policy, Provider, Rollout, Secret, Token};
use crate::decide::units::{Arm, Millis, Percent, UnixMillis};
use crate::state::counters::Series;
use crate::state::snapshot::{self, Snapshot};
use crate::state::status::{
    AnswersStatus, ArmWindow, AspectStatus, BreakerStatus, FlagsStatus, ForecastStatus, GuardStatus,
    IncompatibilityStatus, ProviderStatus, RolloutStatus, Status, StoreStatus,
};

pub(super) fn percent(hundredths: u16) -> Percent {
    Percent::from_hundredths(hundredths).unwrap()
}

pub(super) fn provider(name: &str) -> Provider {
    Provider { api_keys: vec![Secret::new("sk-never-shown".into())], ..plain::provider(name) }
}

pub(super) fn policy(tokens: Vec<Token>) -> Policy {
    let canary = Canary {
        ramp: plain::ramp(&[10], Millis(0)),
        guard: Guard { window: Millis(1000), ..Guard::default() },
        ..plain::canary()
    };
    let pins = [("vip".to_owned(), Arm::Canary)].into();
    let rollout = Rollout { canary: Some(canary), pins, ..plain::rollout("chat") };
    let providers = vec![provider("openai"), provider("holysheep")];
    let flags = [("new-prompt".to_owned(), plain::following(0))].into();
    Policy { flags, tokens, ..plain::policy(providers, vec![rollout]) }
}

pub(super) fn snapshot(policy: Policy, share: Percent) -> Snapshot {
    snapshot::plain::snapshot(1, policy, share, 1, |labels| Arc::new(Series::new(labels, 1)))
}

pub(super) fn finding() -> IncompatibilityStatus {
    let finding = Incompatibility::Parameter("prompt_cache_key".into());
    let (first, last) = (UnixMillis(1000), UnixMillis(2000));
    IncompatibilityStatus { finding, status: 400, count: 12, first, last }
}

pub(super) fn shown_provider(
    name: &str,
    breaker: Option<(BreakerPhase, Option<UnixMillis>)>,
    diverted: u64,
) -> ProviderStatus {
    let breaker =
        breaker.map(|(state, open_until)| BreakerStatus { state, failures: 12, open_until, unreachable: false });
    ProviderStatus { name: name.into(), breaker, diverted, keys: Vec::new(), limit: None }
}

pub(super) fn guarded() -> GuardStatus {
    let doubt = EventSums { seconds: 1.5, canary: 4.0, canary_events: 1.0, ..EventSums::default() };
    let failing = AspectStatus { watched: true, evidence: 12.5, bound: 2000.0, above_floor: true, doubt };
    let mut aspects = [AspectStatus::default(); ASPECTS];
    aspects[Aspect::Failing as usize] = failing;
    GuardStatus {
        aspects,
        bound: 2000.0,
        failures_in_a_row: 1.0,
        users: [0, 1],
        watched: Millis(60_000),
        left: Some(Millis(3_600_000)),
        per_second: 50.0,
        stable_rate: 0.005,
        max_error_rate: percent(500),
        slow_above: Some(Millis(1500)),
        pace_above: Some(Millis(45)),
        answers: [
            AnswersStatus::default(),
            AnswersStatus { shares: Some([0.75, 0.0, 0.25, 0.0, 0.0, 0.0]), gap_millis: Some(20.0) },
        ],
        forecast: vec![
            ForecastStatus { rate: 1.0, after: Some(Millis(3000)) },
            ForecastStatus { rate: 0.05, after: None },
        ],
        silent_after: Some(Millis(27_000)),
        ..GuardStatus::default()
    }
}

pub(super) fn status() -> Status {
    let rollout = RolloutStatus {
        window: [ArmWindow { requests: 200, failures: 1 }, ArmWindow::default()],
        findings: vec![finding()],
        guard: Some(guarded()),
        in_flight: [3, 4],
        waiting: [[1, 0, 0, 0, 0], [0, 2, 0, 1, 0]],
        ..RolloutStatus::sample()
    };
    Status {
        flags: FlagsStatus {
            path: "/f.yaml".into(),
            shown: "percent: auto\n".into(),
            generation: 1,
            ..FlagsStatus::default()
        },
        store: StoreStatus { dir: "/s".into(), ..StoreStatus::default() },
        rollouts: vec![rollout],
        providers: vec![
            shown_provider("openai", None, 0),
            shown_provider("holysheep", Some((BreakerPhase::Open, Some(UnixMillis(1500)))), 3),
            shown_provider("backup", Some((BreakerPhase::HalfOpen, None)), 0),
        ],
        series: Vec::new(),
        samples_lost: 0,
        access_log: (0, [0; 3]),
        notify: Vec::new(),
        spans: [0; 4],
        client_limits: Vec::new(),
        kept_state: Vec::new(),
        state_ids_lost: [0; 2],
        ambiguous_closes: [0; 4],
        tls: None,
        draining: false,
    }
}
