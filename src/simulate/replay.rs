//! A recorded trace through the guard of a file: what it would have decided, and when.
//!
//! The recording says which share was in force and what came of it; the guard judges that and its wishes move nobody.
//! So a promotion or a confirmation that the recording does not follow is told once for each recorded share, and what
//! the recording does instead is taken for an operator's doing. The first answer to a regression ends it: what came
//! later would not have come. Beside it the rules that others use see the same lines. Refuses lines that go back in
//! time, and reads no file.

use super::reference_rules::{Argo, Flagger, Naive};
use super::rule::{Detector, SimulatedArm, TickCounts};
use super::timeline::{Timeline, TimelinePoint};
use crate::decide::event::{Action, Event};
use crate::decide::guard::Arms;
use crate::decide::guard::analysis::fraction;
use crate::decide::guard::tick::ArmTick;
use crate::decide::guard::trace::TraceLine;
use crate::decide::policy::{Canary, Intent};
use crate::decide::rollout::context::{Observation, RolloutContext};
use crate::decide::rollout::in_force::in_force;
use crate::decide::rollout::state::{Phase, RolloutState};
use crate::decide::rollout::step::{Input, step};
use crate::decide::timestamp::Timestamp;
use crate::decide::units::{Millis, Percent, UnixMillis};
use crate::decide::window::{Counts, Window};

/// A gap of the recording that is longer than this is a pause of the process, in milliseconds.
const GAP: u64 = 10_000;

/// A recording on its way through the guard.
pub struct Replay {
    name: String,
    canary: Canary,
    state: RolloutState,
    share: Percent,
    begin: UnixMillis,
    last: UnixMillis,
    window: Window,
    // Told at this share already.
    actions: Vec<Action>,
    reference_rules: Vec<ReplayedRule>,
    recording: Recording,
}

struct ReplayedRule {
    name: &'static str,
    detector: Box<dyn Detector>,
    bad: Option<UnixMillis>,
}

/// What a recording held and what was decided on it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    pub lines: u64,
    /// Requests and failures of stable.
    pub stable: (f64, f64),
    /// Requests and failures of the canary.
    pub canary: (f64, f64),
    /// What the guard would have done.
    pub decisions: Vec<Event>,
    /// Whether it acted on a regression: then it saw no more.
    pub ended: bool,
    /// What it saw and held until then, in seconds since the first line began.
    pub strip: Timeline,
}

impl Replay {
    /// Begins with a recording's first line, which is not seen by this.
    #[must_use]
    pub fn new(name: &str, canary: &Canary, first: &TraceLine) -> Replay {
        let begin = UnixMillis(first.at.0.0.saturating_sub(millis(first.seconds)));
        let mut canary = canary.clone();
        // The recording says where it was.
        canary.ramp.max = Percent::ALL;
        let rival = |name, detector| ReplayedRule { name, detector, bad: None };
        Replay {
            name: name.to_owned(),
            state: RolloutState { phase: Phase::Ramping, ..RolloutState::new(canary.attempt, begin) },
            window: Window::new(canary.guard.window),
            canary,
            share: Percent::ZERO,
            begin,
            last: begin,
            actions: Vec::new(),
            reference_rules: vec![
                rival("naive threshold", Box::<Naive>::default()),
                rival("Flagger", Box::<Flagger>::default()),
                rival("Argo Rollouts", Box::<Argo>::default()),
            ],
            recording: Recording::default(),
        }
    }

    /// Shows the guard and the rules of others a line.
    ///
    /// # Errors
    /// Why it cannot follow the line before it.
    pub fn see(&mut self, line: &TraceLine) -> Result<(), String> {
        if let Some(problem) = line.problem() {
            return Err(problem);
        }
        let Timestamp(at) = line.at;
        if at < self.last {
            let before = Timestamp(self.last);
            return Err(format!(
                "`at` is {}, and the line before it ended at {before}: sort the lines by time",
                line.at
            ));
        }
        self.count(line);
        self.show_compared_rules(line, at);
        if !self.recording.ended {
            self.show_guard(line, at);
        }
        self.last = at;
        Ok(())
    }

    fn count(&mut self, line: &TraceLine) {
        let recording = &mut self.recording;
        recording.lines += 1;
        for (sum, arm) in [(&mut recording.stable, &line.stable), (&mut recording.canary, &line.canary)] {
            sum.0 += arm.requests;
            sum.1 += arm.failures;
        }
    }

    fn show_compared_rules(&mut self, line: &TraceLine, at: UnixMillis) {
        let arm = |arm: &ArmTick| SimulatedArm {
            requests: whole(arm.exposed()),
            errors: whole(arm.failures()),
            successes: whole(arm.successes),
            ..SimulatedArm::default()
        };
        let tick = line.tick();
        let (stable, canary) = (arm(&tick.stable), arm(&tick.canary));
        let seen = TickCounts { seconds: line.seconds, share: line.share(), stable, canary, ..TickCounts::default() };
        // Nobody asks them while nobody is on the canary.
        for rival in self.reference_rules.iter_mut().filter(|rival| rival.bad.is_none() && seen.share > 0.0) {
            rival.bad = rival.detector.is_bad(&seen).then_some(at);
        }
    }

    fn show_guard(&mut self, line: &TraceLine, at: UnixMillis) {
        self.follow(line.share_percent, at);
        let tick = line.tick();
        let gap = at.since(self.last).0.saturating_sub(millis(line.seconds));
        let now = Millis(at.0);
        let counts =
            Counts { requests: whole(tick.canary.exposed()).into(), failures: whole(tick.canary.failures()).into() };
        self.window.add(now, counts);
        let (answered, failed) = (line.stable_probes.answered, line.stable_probes.failed);
        let seen = Observation {
            tick: Some(tick),
            window: Arms { canary: self.window.counts(now), ..Arms::default() },
            was_suspended: gap > GAP,
            // Where the recording says nothing of it, stable would have answered.
            stable_answers: Some(failed == 0.0 || answered > 0.0),
            ..Observation::default()
        };
        let share = fraction(self.share);
        self.take(&Input::Tick(seen), at, true);
        let since = at.since(self.begin).0 as f64 / 1000.0;
        let state = &self.state;
        let moment = TimelinePoint::new(since, share, &tick, &self.canary.guard, &state.analysis, state.tries());
        self.recording.strip.push(moment);
    }

    // Puts the recorded share in force, as if the file had asked for it.
    fn follow(&mut self, share_percent: f64, at: UnixMillis) {
        let share = percent(share_percent);
        if share != self.share {
            self.actions.clear();
            self.window = Window::new(self.canary.guard.window);
        }
        self.share = share;
        if let Intent::Pinned(pinned) = &mut self.canary.percent {
            *pinned = share;
        }
        if in_force(&self.view(), &self.state).percent != share {
            (self.state.phase, self.state.percent) = (Phase::Ramping, share);
        }
        if self.state.in_force != share {
            self.take(&Input::PolicyChanged { fresh: false }, at, false);
        }
    }

    fn view(&self) -> RolloutContext<'_> {
        RolloutContext {
            name: &self.name,
            canary: &self.canary,
            blocked: None,
            unwritable: None,
            writing: false,
            by_clock: false,
            generation: 1,
        }
    }

    fn take(&mut self, input: &Input, at: UnixMillis, tell: bool) {
        let step = step(&self.view(), &self.state, input, at);
        self.state = step.next;
        if !tell {
            return;
        }
        for event in step.events {
            self.recording.ended |= event.action.answers_regression();
            if !self.actions.contains(&event.action) {
                self.actions.push(event.action.clone());
                self.recording.decisions.push(event);
            }
        }
    }

    /// When the first line began, and when the last one ended.
    #[must_use]
    pub const fn span(&self) -> (UnixMillis, UnixMillis) {
        (self.begin, self.last)
    }

    /// The rules of others: which, and when each would have taken the canary back.
    #[must_use]
    pub fn compared_rules(&self) -> Vec<(&'static str, Option<UnixMillis>)> {
        self.reference_rules.iter().map(|rival| (rival.name, rival.bad)).collect()
    }

    /// What came of it so far.
    #[must_use]
    pub const fn recording(&self) -> &Recording {
        &self.recording
    }

    /// What came of it.
    #[must_use]
    pub fn into_recording(self) -> Recording {
        self.recording
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of 0 to 100")]
fn percent(share_percent: f64) -> Percent {
    Percent::from_hundredths((share_percent * 100.0).round() as u16).unwrap_or(Percent::ALL)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is never negative")]
fn millis(seconds: f64) -> u64 {
    (seconds * 1000.0).round() as u64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is never negative")]
fn whole(count: f64) -> u32 {
    count.round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::guard::tick::Tick;
    use crate::simulate::guarded::default_canary;
    use crate::simulate::schedule::Schedule;

    fn line(second: u64, share: f64, canary: ArmTick) -> TraceLine {
        let tick = Tick { seconds: 1.0, stable: ArmTick::plain(45.0, 0.0), canary, ..Tick::default() };
        TraceLine::new(UnixMillis(1_795_247_762_000 + second * 1000), share, &tick)
    }

    fn replayed(lines: &[TraceLine]) -> Replay {
        let canary = default_canary(&Schedule::even(0.1, 0.3, 300.0));
        let mut replay = Replay::new("chat", &canary, &lines[0]);
        lines.iter().for_each(|line| replay.see(line).unwrap());
        replay
    }

    fn actions(replay: &Replay) -> Vec<(u64, &str)> {
        let decisions = replay.recording().decisions.iter();
        decisions.map(|event| (event.at.since(replay.begin).0 / 1000, event.action.as_str())).collect()
    }

    #[test]
    fn a_regression_is_found_and_ends_it() {
        let good = |second| line(second, 0.1, ArmTick::plain(5.0, 0.0));
        let bad = |second| line(second, 0.1, ArmTick::plain(5.0, 5.0));
        let lines: Vec<TraceLine> = (0..100).map(good).chain((100..2000).map(bad)).collect();
        let replay = replayed(&lines);
        let [(at, "rollback")] = actions(&replay)[..] else { panic!("{:?}", actions(&replay)) };
        assert!((102..110).contains(&at), "{at}");
        let recording = replay.recording();
        assert!(
            recording.ended && recording.decisions[0].decision().is_some_and(|decision| decision.canary.events > 0.0)
        );
        assert_eq!((recording.lines, recording.canary), (2000, (10_000.0, 9500.0)));
        let seconds: Vec<Option<u64>> =
            replay.compared_rules().iter().map(|(_, at)| at.map(|at| at.since(replay.begin).0 / 1000)).collect();
        assert!(seconds.iter().all(|at| at.is_some_and(|at| at > 105)), "{seconds:?}");
    }

    #[test]
    fn what_the_recording_does_not_follow_is_told_once_a_share() {
        let lines: Vec<TraceLine> = (0..1500)
            .map(|second| line(second, if second < 1000 { 0.1 } else { 0.4 }, ArmTick::plain(5.0, 0.0)))
            .collect();
        assert_eq!(actions(&replayed(&lines)), [(300, "promote"), (1300, "promote")]);
    }

    #[test]
    fn a_line_that_goes_back_in_time_is_refused() {
        let lines = [line(5, 0.1, ArmTick::default()), line(4, 0.1, ArmTick::default())];
        let mut replay = Replay::new("chat", &default_canary(&Schedule::even(0.1, 0.3, 300.0)), &lines[0]);
        replay.see(&lines[0]).unwrap();
        let error = replay.see(&lines[1]).unwrap_err();
        assert!(error.starts_with("`at` is 2026-11-21T07:56:06.000Z, and the line before it ended at"), "{error}");
    }
}
