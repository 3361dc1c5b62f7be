//! A rest as one word that several cores change.
//!
//! Owns how it is changed, so that no change of another core is lost. Decides nothing: each change is computed by
//! [`key_rest`](crate::decide::key_rest). Invariant: a trial is taken by one core alone.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::decide::key_rest::{KeyAdmission, KeyRest};

/// Changes a word.
pub(super) fn change(word: &AtomicU64, next: impl Fn(KeyRest) -> KeyRest) {
    // It never fails: there always is a next.
    let _ = word.fetch_update(Relaxed, Relaxed, |word| Some(next(KeyRest::unpack(word)).pack()));
}

/// Takes the trial of a rest that is over; false: there is none to take, and the rest goes on.
pub(super) fn take_trial(word: &AtomicU64, admits: impl Fn(KeyRest) -> KeyAdmission) -> bool {
    let packed = word.load(Relaxed);
    match admits(KeyRest::unpack(packed)) {
        KeyAdmission::Usable => true,
        KeyAdmission::Resting(_) => false,
        KeyAdmission::Trial(next) => word.compare_exchange(packed, next.pack(), Relaxed, Relaxed).is_ok(),
    }
}
