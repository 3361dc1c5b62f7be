//! Alerts about a provider that stops answering: the canary while stable is unreachable, or stable while the canary
//! answers.
//!
//! Neither case moves users, so an operator has to act. The log gets every change. The history gets each kind of alert
//! at most once in ten minutes. Decides nothing.

use crate::control::now::Now;
use crate::decide::event::Alert;
use crate::decide::units::Millis;
use crate::describe::alert::sentence;

/// Between two alerts of the same kind in the history.
const ALERT_INTERVAL: Millis = Millis(600_000);

#[derive(Debug, Default)]
pub(super) struct AvailabilityAlerts {
    canary_dead: bool,
    stable_silent: bool,
    // When each kind was sent last.
    sent_at: [Option<Millis>; 2],
}

/// The names that an alert needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names<'a> {
    pub(super) rollout: &'a str,
    pub(super) canary: &'a str,
    pub(super) stable: &'a str,
}

impl AvailabilityAlerts {
    /// Whether the canary answers no request while stable is unreachable.
    pub(super) const fn is_canary_dead(&self) -> bool {
        self.canary_dead
    }

    /// Returns whether the value has changed.
    pub(super) fn set_canary_dead(&mut self, dead: bool) -> bool {
        std::mem::replace(&mut self.canary_dead, dead) != dead
    }

    /// Silent: it accepts requests and answers none. Returns whether the value has changed.
    pub(super) fn set_stable_silent(&mut self, silent: bool) -> bool {
        std::mem::replace(&mut self.stable_silent, silent) != silent
    }

    /// Logs a change of the canary. Returns the alert for the history.
    pub(super) fn canary_alert(&mut self, names: Names<'_>, now: Now) -> Option<Alert> {
        let Names { rollout, canary, stable } = names;
        if !self.canary_dead {
            tracing::warn!(rollout, "{canary} answers again, or {stable} is reachable");
            return None;
        }
        let [rollout, canary, stable] = [rollout, canary, stable].map(str::to_owned);
        self.rate_limited(0, Alert::NobodyAnswers { rollout, canary, stable }, names, now)
    }

    /// Logs a change of stable. `waits`: how long requests wait for a silent stable. Returns the alert for the
    /// history.
    pub(super) fn stable_alert(&mut self, waits: Option<Millis>, names: Names<'_>, now: Now) -> Option<Alert> {
        let Names { rollout, canary, stable } = names;
        let Some(waits) = waits else {
            tracing::warn!(rollout, "{stable} answers again");
            return None;
        };
        let [rollout, canary, stable] = [rollout, canary, stable].map(str::to_owned);
        self.rate_limited(1, Alert::StableSilent { rollout, canary, stable, waits }, names, now)
    }

    fn rate_limited(&mut self, kind: usize, alert: Alert, names: Names<'_>, now: Now) -> Option<Alert> {
        let sent_at = &mut self.sent_at[kind];
        if sent_at.is_some_and(|at| now.mono.since(at) < ALERT_INTERVAL) {
            tracing::warn!(rollout = names.rollout, "{}", sentence(&alert));
            return None;
        }
        *sent_at = Some(now.mono);
        Some(alert)
    }
}
