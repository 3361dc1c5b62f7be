//! Who of a rollout's two providers has stopped answering, told when it turns: the canary while stable cannot be reached,
//! or stable while the canary answers.
//!
//! Nobody is moved for either, so somebody has to be told. The history has each at most once in ten minutes, and the log
//! every turn. Decides nothing.

use super::now::Now;
use crate::decide::event::Notice;
use crate::decide::units::Millis;
use crate::describe::notice::sentence;

/// Between two notices of the same kind in the history.
const PAUSE: Millis = Millis(600_000);

/// What was seen last, and when each was told last.
#[derive(Debug, Default)]
pub(super) struct Turns {
    canary_dead: bool,
    stable_silent: bool,
    told: [Option<Millis>; 2],
}

/// Whose turns these are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names<'a> {
    pub(super) rollout: &'a str,
    pub(super) canary: &'a str,
    pub(super) stable: &'a str,
}

impl Turns {
    /// Whether the canary answers nobody while stable cannot be reached.
    pub(super) const fn canary_dead(&self) -> bool {
        self.canary_dead
    }

    /// The canary is dead, or not; whether that is news.
    pub(super) fn see_canary(&mut self, dead: bool) -> bool {
        std::mem::replace(&mut self.canary_dead, dead) != dead
    }

    /// The same of a stable that takes requests and answers none.
    pub(super) fn see_stable(&mut self, silent: bool) -> bool {
        std::mem::replace(&mut self.stable_silent, silent) != silent
    }

    /// The canary turned: what the history is told.
    pub(super) fn tell_of_canary(&mut self, names: Names<'_>, now: Now) -> Option<Notice> {
        let Names { rollout, canary, stable } = names;
        if !self.canary_dead {
            tracing::warn!(rollout, "{canary} answers again, or {stable} is reachable");
            return None;
        }
        let [rollout, canary, stable] = [rollout, canary, stable].map(str::to_owned);
        self.tell_seldom(0, Notice::NobodyAnswers { rollout, canary, stable }, names, now)
    }

    /// Stable turned; `waits`: how long each request waits for it, where it is silent.
    pub(super) fn tell_of_stable(&mut self, waits: Option<Millis>, names: Names<'_>, now: Now) -> Option<Notice> {
        let Names { rollout, canary, stable } = names;
        let Some(waits) = waits else {
            tracing::warn!(rollout, "{stable} answers again");
            return None;
        };
        let [rollout, canary, stable] = [rollout, canary, stable].map(str::to_owned);
        self.tell_seldom(1, Notice::StableSilent { rollout, canary, stable, waits }, names, now)
    }

    // `which` of two.
    fn tell_seldom(&mut self, which: usize, notice: Notice, names: Names<'_>, now: Now) -> Option<Notice> {
        let told = &mut self.told[which];
        if told.is_some_and(|at| now.mono.since(at) < PAUSE) {
            tracing::warn!(rollout = names.rollout, "{}", sentence(&notice));
            return None;
        }
        *told = Some(now.mono);
        Some(notice)
    }
}
