//! What a life of control is played on: providers, two rollouts, a disk, and an engine that begins from it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serin::control::begin::Begin;
use serin::control::engine::Engine;
use serin::control::now::Now;
use serin::decide::guard::constants::Constants;
use serin::decide::policy::*;
use serin::decide::rollout::state::{Identity, RolloutState};
use serin::decide::units::{Millis, Percent, ProviderId};
use serin::state::counters::Series;
use serin::state::status::FlagsStatus;
use serin::store::locks::LocksFound;
use serin::wire::body::FieldRules;
use serin::wire::dialect::DoneMarker;

/// The rollouts.
pub(crate) const NAMES: [&str; 2] = ["chat", "code"];

pub(crate) fn percent(whole: u16) -> Percent {
    Percent::from_hundredths(whole * 100).unwrap()
}

fn provider(name: &str) -> Arc<Provider> {
    let host = format!("{name}.test");
    let wait = Millis(60_000);
    Arc::new(Provider {
        name: name.to_owned(),
        base_url: BaseUrl { https: true, host, port: 443, path: "/v1".to_owned() },
        api_keys: Vec::new(),
        auth: Auth::Bearer,
        query: Vec::new(),
        timeouts: Timeouts { connect: wait, headers: wait, stream_headers: wait, first_output: wait, idle: wait },
        models: BTreeMap::new(),
        unmapped: Unmapped::Pass,
        fields: FieldRules::default(),
        path: None,
        done_marker: DoneMarker::Optional,
        breaker: None,
        set_headers: Vec::new(),
        forward_headers: BTreeSet::new(),
        http2: Http2::Never,
        tls: Tls::default(),
        max_connections: 100,
        probe_path: Secret::new("/models".to_owned()),
        unusable: None,
        holds_keys: false,
    })
}

pub(crate) fn first_canary() -> Canary {
    Canary {
        provider: ProviderId(1),
        percent: Intent::Auto,
        ramp: Ramp {
            stages: [10, 25, 40, 55, 70, 85, 100].map(percent).to_vec(),
            hold_start: Millis(2000),
            every: Millis(1000),
            max: Percent::ALL,
            from: None,
            hours: None,
        },
        guard: Guard {
            window: Millis(30_000),
            min_requests: 20,
            // The times are short, as the ramp's are.
            constants: Constants {
                confirm_seconds: 10.0,
                incident_seconds: 20.0,
                history_half_life: 5.0,
                ..Constants::default()
            },
            ..Guard::default()
        },
        on_regression: OnRegression::Rollback,
        rollback_to: Percent::ZERO,
        try_again_after: None,
        attempt: 1,
    }
}

pub(crate) fn policy(canaries: &[Canary; 2], usable: bool) -> Arc<Policy> {
    let mut providers: Vec<Arc<Provider>> = ["openai", "holysheep"].map(provider).to_vec();
    Arc::make_mut(&mut providers[1]).unusable = (!usable).then(|| "HOLYSHEEP_API_KEY is not set".to_owned());
    let rollout = |(name, canary): (&str, &Canary)| {
        Arc::new(Rollout {
            name: name.to_owned(),
            matches: Match { endpoints: Vec::new(), model: None, headers: BTreeMap::new(), path: None },
            stable: ProviderId(0),
            canary: Some(canary.clone()),
            user: Vec::new(),
            anonymous: Anonymous::Stable,
            salt: String::new(),
            pins: BTreeMap::new(),
            force: None,
            fallback: Fallback::Nobody,
            fallback_4xx: true,
            give_up_after: Millis(30_000),
            hold: Millis(5000),
            retry: Retry::default(),
            stream_mode: StreamMode::Live,
        })
    };
    let [listen, admin] = ["127.0.0.1:7171", "127.0.0.1:7172"].map(|address| address.parse().unwrap());
    Arc::new(Policy {
        fixed: Fixed { listen, admin, probe: None, state: None, workers: None },
        mount: "/v1".to_owned(),
        unmatched: Unmatched::Reject,
        providers,
        rollouts: NAMES.into_iter().zip(canaries).map(rollout).collect(),
        flags: BTreeMap::new(),
        clients: Vec::new(),
        open: false,
        tokens: Vec::new(),
        limits: Limits {
            header_bytes: 65_536,
            header_time: Millis(10_000),
            idle: Millis(600_000),
            connections: 1000,
            replay_body: 1 << 23,
            replay_memory: 1 << 28,
        },
        drain: Millis(1000),
        egress: None,
        response_headers: true,
        access_log: None,
    })
}

/// What is on the disk.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    pub(crate) states: BTreeMap<Identity, RolloutState>,
    pub(crate) locks: LocksFound,
}

pub(crate) fn engine(canaries: &[Canary; 2], usable: bool, disk: &Disk, now: Now) -> Engine {
    let begin = Begin {
        policy: policy(canaries, usable),
        flags: FlagsStatus::default(),
        keep: None,
        states: disk.states.clone().into_iter().collect(),
        state_lost: false,
        notes: Vec::new(),
        locks: Ok(disk.locks.clone()),
        dir: "state".to_owned(),
        store_error: None,
        cores: 1,
        most_connections: u32::MAX,
        series: Box::new(|labels, cores| {
            let none = metrics::Histogram::noop;
            Arc::new(Series::new(labels, cores, none(), none()))
        }),
    };
    Engine::new(begin, now)
}
