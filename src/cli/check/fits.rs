//! What part of the traffic fits into the limits of the canaries, by the file alone.
//!
//! The traffic is the one that is given, else that of the sidecar which runs with this file, if one does. Without either
//! nothing is said. Waits a short time for the sidecar and starts nothing.

use std::path::Path;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::app::api::{Recent, Rollout, StatusReply};
use crate::cli::api_call::by_any;
use crate::cli::locate::{LocateArgs, Located};
use crate::decide::plan::fits::{Fit, fits};
use crate::decide::policy::Policy;
use crate::decide::rollback_ready::Demand;
use crate::describe::rollback_ready::fit;

const PATIENCE: Duration = Duration::from_secs(2);
/// Traffic of a shorter time says too little of a minute.
const LEAST_SECONDS: f64 = 10.0;

/// Of every canary that has a limit. `per_second`: what each rollout is sent.
pub(super) fn of_file(file: &Path, policy: &Policy, per_second: Option<f64>) -> Vec<Fit> {
    let has_limit = |canary: &crate::decide::policy::Canary| policy.provider(canary.provider).rate_limit.is_some();
    if !policy.rollouts.iter().any(|rollout| rollout.canary.as_ref().is_some_and(has_limit)) {
        return Vec::new();
    }
    let running = if per_second.is_none() { present(file) } else { None };
    let demand = |name: &str| {
        let rollout = || running.as_ref()?.iter().find(|rollout| rollout.name == name);
        let a_minute = per_second.map(|rate| rate * 60.0).or_else(|| rollout()?.recent.as_ref().and_then(rate));
        Demand { requests: a_minute.map(whole), ..Demand::default() }
    };
    fits(policy, demand, |_| [None; 2])
}

/// The rollouts of the one sidecar that runs with this file.
fn present(file: &Path) -> Option<Vec<Rollout>> {
    let with_file = LocateArgs { flags: Some(file.to_owned()), ..LocateArgs::default() };
    let Ok(Located::Running(found)) = with_file.find() else { return None };
    let [only] = found.as_slice() else { return None };
    let status: Result<StatusReply, _> = by_any(&only.vias, &Method::GET, "/api/v1/status", None, PATIENCE);
    status.ok().map(|status| status.rollouts)
}

/// Requests a minute, of both arms.
#[expect(clippy::cast_precision_loss, reason = "counts of five minutes")]
fn rate(recent: &Recent) -> Option<f64> {
    let requests = recent.stable.requests + recent.canary.map_or(0, |arm| arm.requests);
    (recent.seconds >= LEAST_SECONDS).then(|| requests as f64 * 60.0 / recent.seconds)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is never negative")]
fn whole(number: f64) -> u64 {
    number.ceil() as u64
}

/// For people.
pub(super) fn lines(fits: &[Fit]) -> Vec<String> {
    fits.iter().map(fit).collect()
}

/// For programs.
pub(super) fn json(fits: &[Fit]) -> Value {
    let one = |one: &Fit| {
        let (unit, limit) = one.limit;
        json!({
            "canary": one.canary,
            "rollouts": one.rollouts,
            "unit": unit.as_str(),
            "allowed": limit.most,
            "sent": one.sent,
            "source": limit.source.as_str(),
            "percent": (one.part * 10_000.0).round() / 100.0,
            "sentence": fit(one),
        })
    };
    fits.iter().map(one).collect()
}
