//! Whether and when a canary that the guard rolled back is tried again automatically.
//!
//! Each retry of an attempt waits longer than the one before, and their number is bounded.
//! [`promotion`](super::promotion) says what delays a retry that is due.

use super::state::RolloutState;
use crate::decide::policy::Canary;
use crate::decide::units::Millis;

/// How long the guard's last rollback is left alone before it is tried again by itself; `None`: for ever.
#[must_use]
pub fn pause_before_retry(canary: &Canary, state: &RolloutState) -> Option<Millis> {
    let factor = canary.guard.constants.retry_factor.powi(i32::try_from(state.retries).unwrap_or(i32::MAX));
    canary.try_again_after.map(|after| Millis(millis(real(after.0) / 1000.0 * factor)))
}

/// Whether it is tried again at all.
#[must_use]
pub fn waits_before_retry(canary: &Canary, state: &RolloutState) -> bool {
    canary.try_again_after.is_some() && state.retries < canary.guard.constants.most_retries
}

#[expect(clippy::cast_precision_loss, reason = "counts and times far below the precision")]
pub(super) const fn real(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is never negative")]
pub(super) fn millis(seconds: f64) -> u64 {
    (seconds * 1000.0).round() as u64
}
