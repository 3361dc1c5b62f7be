//! The demo's script: which scene is on, and what happens at its end.
//!
//! Pure: what is in force and the time come in, a cue for the stage hands goes out. The script never decides for
//! the sidecar: it breaks and mends a provider and asks for one `resume`; all else is the sidecar's doing, and a
//! human who takes over (a pin, a pause, a rollback) ends the script at once.

use crate::decide::rollout::state::OverallPhase;
use crate::decide::units::{Millis, Percent};

/// How long the quiet moments last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// Between the rollback and the provider's recovery.
    pub(super) rolled_back: Millis,
    /// Between the recovery and the resume.
    pub(super) mended: Millis,
    /// Everything together; later than this the script has failed.
    pub(super) deadline: Millis,
}

/// Where the new provider begins to fail: 40%.
const BREAKS_AT: u16 = 4000;

/// Something for the stage hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cue {
    /// The new provider begins to fail.
    Break,
    /// The new provider recovers.
    Mend,
    /// A human resumes the rollout.
    Resume,
    /// The script is over; all goes on.
    Finish,
}

/// Which part is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scene {
    /// The share climbs for the first time.
    Climbing,
    /// The new provider fails, and nobody has acted yet.
    Failing,
    /// The guard has acted.
    RolledBack {
        /// When.
        since: Millis,
    },
    /// The new provider is well again; nothing reopens by itself.
    Mended {
        /// When.
        since: Millis,
    },
    /// Resumed: the share climbs again.
    Again,
    /// The script is over.
    Over,
}

impl Scene {
    /// The next scene, and what has to be done for it.
    pub(super) fn next(self, percent: Percent, phase: OverallPhase, now: Millis, pace: &Pace) -> (Scene, Option<Cue>) {
        let taken_over = matches!(phase, OverallPhase::Pinned | OverallPhase::Paused | OverallPhase::Locked);
        match self {
            Scene::Over => (Scene::Over, None),
            _ if taken_over => (Scene::Over, Some(Cue::Finish)),
            Scene::Climbing if percent.hundredths() >= BREAKS_AT => (Scene::Failing, Some(Cue::Break)),
            Scene::Failing if phase == OverallPhase::RolledBack => (Scene::RolledBack { since: now }, None),
            Scene::RolledBack { since } if now.since(since) >= pace.rolled_back => {
                (Scene::Mended { since: now }, Some(Cue::Mend))
            }
            Scene::Mended { since } if now.since(since) >= pace.mended => (Scene::Again, Some(Cue::Resume)),
            Scene::Again if percent == Percent::ALL => (Scene::Over, Some(Cue::Finish)),
            scene => (scene, None),
        }
    }

    /// What is going on, for the view: no longer than a line of it. `once`: whether it ends with the script.
    pub(super) const fn caption(self, once: bool) -> &'static str {
        match self {
            Scene::Climbing => "holysheep answers as well as openai: its share rises, stage by stage.",
            Scene::Failing => "holysheep has started to fail half of its requests; openai answers instead.",
            Scene::RolledBack { .. } => "The guard has rolled all users back to openai. They stay there.",
            Scene::Mended { .. } => "holysheep has recovered. The rollout stays rolled back until it is resumed.",
            Scene::Again => "`serin resume chat` was run: the ramp starts again at its first stage.",
            Scene::Over if once => "The script is over.",
            Scene::Over => "The demo keeps running: send requests or edit the file. Ctrl-C stops it.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { rolled_back: Millis(5000), mended: Millis(3000), deadline: Millis(180_000) };

    fn percent(whole: u16) -> Percent {
        Percent::from_hundredths(whole * 100).unwrap()
    }

    #[test]
    fn the_script_runs_from_the_first_climb_to_everybody() {
        let mut scene = Scene::Climbing;
        let mut cues = Vec::new();
        for (second, share, phase) in [
            (1, 10, OverallPhase::Ramping),
            (5, 25, OverallPhase::Ramping),
            (9, 40, OverallPhase::Ramping),
            (10, 40, OverallPhase::Ramping),
            (11, 0, OverallPhase::RolledBack),
            (12, 0, OverallPhase::RolledBack),
            (16, 0, OverallPhase::RolledBack),
            (19, 0, OverallPhase::RolledBack),
            (20, 10, OverallPhase::Ramping),
            (40, 85, OverallPhase::Ramping),
            (45, 100, OverallPhase::Ramping),
            (50, 100, OverallPhase::Completed),
        ] {
            let (next, cue) = scene.next(percent(share), phase, Millis(second * 1000), &PACE);
            cues.extend(cue.map(|cue| (second, cue)));
            scene = next;
        }
        assert_eq!(cues, [(9, Cue::Break), (16, Cue::Mend), (19, Cue::Resume), (45, Cue::Finish)]);
        assert_eq!(scene, Scene::Over);
    }

    #[test]
    fn what_is_told_fits_a_line_and_promises_nothing_that_ends() {
        let since = Millis(0);
        let scenes = [Scene::Climbing, Scene::Failing, Scene::RolledBack { since }, Scene::Mended { since }];
        for scene in scenes.into_iter().chain([Scene::Again, Scene::Over]) {
            assert!(scene.caption(false).len() <= 76 && scene.caption(true).len() <= 76, "{scene:?}");
        }
        assert!(
            Scene::Over.caption(false).contains("keeps running")
                && !Scene::Over.caption(true).contains("keeps running")
        );
    }

    #[test]
    fn a_human_who_takes_over_ends_the_script() {
        for phase in [OverallPhase::Pinned, OverallPhase::Paused, OverallPhase::Locked] {
            for scene in [Scene::Climbing, Scene::Failing, Scene::Mended { since: Millis(0) }, Scene::Again] {
                let next = scene.next(percent(10), phase, Millis(9), &PACE);
                assert_eq!(next, (Scene::Over, Some(Cue::Finish)));
            }
        }
    }

    #[test]
    fn nothing_happens_before_its_time() {
        for (scene, share, phase) in [
            (Scene::Climbing, 25, OverallPhase::Ramping),
            (Scene::Failing, 40, OverallPhase::Ramping),
            (Scene::RolledBack { since: Millis(1000) }, 0, OverallPhase::RolledBack),
            (Scene::Mended { since: Millis(1000) }, 0, OverallPhase::RolledBack),
            (Scene::Again, 85, OverallPhase::Ramping),
        ] {
            assert_eq!(scene.next(percent(share), phase, Millis(1500), &PACE), (scene, None));
        }
    }
}
