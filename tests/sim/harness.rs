//! What a life of control is played on: providers, two rollouts, a disk, and an engine that begins from it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serin::control::engine::bootstrap::Bootstrap;
use serin::control::engine::dispatch::Engine;
use serin::control::now::Now;
use serin::decide::guard::constants::Constants;
use serin::decide::policy::*;
use serin::decide::rollout::state::{Identity, RolloutState};
use serin::decide::units::Millis;
use serin::state::status::FlagsStatus;
use serin::store::locks::LocksFound;

use super::plain;

/// The rollouts.
pub(crate) const NAMES: [&str; 2] = ["chat", "code"];

pub(crate) fn first_canary() -> Canary {
    Canary {
        ramp: Ramp { hold_start: Millis(2000), ..plain::ramp(&[10, 25, 40, 55, 70, 85, 100], Millis(1000)) },
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
        ..plain::canary()
    }
}

pub(crate) fn policy(canaries: &[Canary; 2], usable: bool) -> Arc<Policy> {
    let mut providers = ["openai", "holysheep"].map(plain::provider).to_vec();
    providers[1].unusable = (!usable).then(|| "HOLYSHEEP_API_KEY is not set".to_owned());
    let rollout = |(name, canary): (&str, &Canary)| Rollout { canary: Some(canary.clone()), ..plain::rollout(name) };
    Arc::new(plain::policy(providers, NAMES.into_iter().zip(canaries).map(rollout).collect()))
}

/// What is on the disk.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    pub(crate) states: BTreeMap<Identity, RolloutState>,
    pub(crate) locks: LocksFound,
}

pub(crate) fn engine(canaries: &[Canary; 2], usable: bool, disk: &Disk, now: Now) -> Engine {
    let bootstrap = Bootstrap {
        policy: policy(canaries, usable),
        flags: FlagsStatus::default(),
        keep: None,
        states: disk.states.clone().into_iter().collect(),
        notifications: Vec::new(),
        incidents: Vec::new(),
        keys: None,
        copies: None,
        state_ids: Default::default(),
        state_lost: false,
        notes: Vec::new(),
        locks: Ok(disk.locks.clone()),
        dir: "state".to_owned(),
        store_error: None,
        ephemeral: None,
        cores: 1,
        most_connections: u32::MAX,
    };
    Engine::new(bootstrap, now)
}
