//! Policies, providers and rollouts of which a test says only what it is about.
//!
//! Owns the one literal of each of these types that tests are made from, so that a new field is written down here and
//! nowhere else among them. A test changes what it needs: `Rollout { fallback, ..rollout("chat") }`. Nothing here reads
//! a file: what `flags` makes of a text is another matter. The tests that use the crate from outside include this file.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use serin::decide::policy::{
    Anonymous, Auth, BaseUrl, Canary, Fallback, FieldRules, Fixed, Flag, FlagType, FlagValue, Guard, Http2, Intent,
    KeyRules, Limits, Match, OnRegression, Policy, Prices, Provider, Ramp, Retry, Rollout, Secret, Serve, StreamMode,
    Timeouts, Tls, Unmapped, Unmatched, Variant, VariantId,
};
use serin::decide::units::{Millis, Percent, ProviderId, RolloutId};
use serin::wire::dialect::DoneMarker;

/// This many percent, 0 to 100.
pub(crate) fn percent(whole: u16) -> Percent {
    Percent::from_hundredths(whole * 100).unwrap()
}

/// The same wait for each clock.
pub(crate) fn waits(each: Millis) -> Timeouts {
    Timeouts { connect: each, headers: each, stream_headers: each, first_output: each, idle: each }
}

/// At `https://NAME.test/v1`, without keys or a breaker, spoken to in HTTP/1.1, with 10 s for each clock.
pub(crate) fn provider(name: &str) -> Provider {
    Provider {
        name: name.to_owned(),
        base_url: BaseUrl { https: true, host: format!("{name}.test"), port: 443, path: "/v1".to_owned() },
        api_keys: Vec::new(),
        keys: KeyRules::default(),
        auth: Auth::Bearer,
        query: Vec::new(),
        timeouts: waits(Millis(10_000)),
        models: BTreeMap::new(),
        unmapped: Unmapped::Pass,
        fields: FieldRules::default(),
        path: None,
        done_marker: DoneMarker::Optional,
        breaker: None,
        rate_limit: None,
        set_headers: Vec::new(),
        forward_headers: BTreeSet::new(),
        http2: Http2::Never,
        tls: Tls::default(),
        max_connections: 100,
        max_connection_age: None,
        ping_every: None,
        probe_path: Secret::new("/models".to_owned()),
        retires: BTreeMap::new(),
        prices: Prices::default(),
        tags: BTreeSet::new(),
        holds_keys: false,
        unusable: None,
    }
}

/// Stages at these percents, the first of them and every later one of this length.
pub(crate) fn ramp(stages: &[u16], every: Millis) -> Ramp {
    Ramp {
        stages: stages.iter().copied().map(percent).collect(),
        hold_start: every,
        every,
        max: Percent::ALL,
        from: None,
        hours: None,
    }
}

/// The second provider, led by the ramp to everybody in one step of a second, rolled back by the usual guard.
pub(crate) fn canary() -> Canary {
    Canary {
        provider: ProviderId(1),
        percent: Intent::Auto,
        ramp: ramp(&[100], Millis(1000)),
        guard: Guard::default(),
        on_regression: OnRegression::Rollback,
        rollback_to: Percent::ZERO,
        try_again_after: None,
        attempt: 1,
        rehearse: None,
        compare: None,
    }
}

/// A plain route of every request to the first provider: nobody is looked for, nobody answers in its place, and it is
/// asked once.
pub(crate) fn rollout(name: &str) -> Rollout {
    Rollout {
        name: name.to_owned(),
        matches: Match { endpoints: Vec::new(), model: None, headers: BTreeMap::new(), path: None },
        stable: ProviderId(0),
        canary: None,
        user: Vec::new(),
        anonymous: Anonymous::Stable,
        salt: String::new(),
        pins: BTreeMap::new(),
        force: None,
        fallback: Fallback::Nobody,
        fallback_4xx: true,
        give_up_after: Millis(30_000),
        hold: Millis(5000),
        retry: Retry { attempts: 1, ..Retry::default() },
        stream_mode: StreamMode::Live,
        last_resort: None,
        require: BTreeSet::new(),
    }
}

/// These, at any free ports of loopback, for everybody; what no rollout takes goes to nobody.
pub(crate) fn policy(providers: Vec<Provider>, rollouts: Vec<Rollout>) -> Policy {
    let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Policy {
        fixed: Fixed { listen: free, listen_tls: None, admin: free, probe: None, state: None, workers: None },
        listen_tls: None,
        mount: "/v1".to_owned(),
        unmatched: Unmatched::Reject,
        providers: providers.into_iter().map(Arc::new).collect(),
        rollouts: rollouts.into_iter().map(Arc::new).collect(),
        flags: BTreeMap::new(),
        clients: Vec::new(),
        open: false,
        tokens: Vec::new(),
        cors: None,
        limits: Limits {
            header_bytes: 64 << 10,
            header_time: Millis(10_000),
            idle: Millis(600_000),
            connections: 1000,
            replay_body: 8 << 20,
            replay_memory: 64 << 20,
            state_ids: 100_000,
        },
        drain: Millis(10_000),
        egress: None,
        response_headers: true,
        access_log: None,
        notify: Vec::new(),
        admin_url: None,
        otlp: None,
    }
}

/// True for the users whom the rollout of this index sends to the canary.
pub(crate) fn following(rollout: u16) -> Flag {
    let (on, off) = (VariantId(0), VariantId(1));
    let variant = |name: &str, value| Variant { name: name.to_owned(), value: FlagValue::Boolean(value) };
    Flag {
        flag_type: FlagType::Boolean,
        variants: vec![variant("on", true), variant("off", false)],
        rules: Vec::new(),
        otherwise: Serve::Follow { rollout: RolloutId(rollout), canary: on, stable: off },
        off_variant: off,
        off: false,
        from: None,
        until: None,
        salt: String::new(),
    }
}
