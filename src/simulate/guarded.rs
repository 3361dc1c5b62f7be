//! Serin's own guard as a rule: the very [`step`] that decides in production, shown simulated ticks.
//!
//! Owns a rollout's state and its clock, which is the time simulated so far. A provider that answers nothing answers no
//! probe either; every other one does, the canary at once while the ramp waits for it, stable a tick after it is asked.
//! Decides nothing itself: what happens to the share, and why, is what `step` says, and is kept as the events that the
//! history would have. Goes on after a rollback, as the control loop does: whoever plays a rollout ends it there.

use super::rule::{Detector, RolloutRule, TickCounts, Verdict, WaitEvidence};
use super::schedule::Schedule;
use crate::decide::event::{Action, Event};
use crate::decide::guard::analysis::fraction;
use crate::decide::guard::aspect::Aspect;
use crate::decide::guard::ceiling::CeilingWindow;
use crate::decide::guard::sources::TickBySource;
use crate::decide::guard::tick::{ArmTick, Tick};
use crate::decide::policy::{Canary, Guard, Intent, OnRegression, Ramp};
use crate::decide::rollout::context::{Observation, RolloutContext};
use crate::decide::rollout::promotion::needs_stable_probe;
use crate::decide::rollout::state::{Phase, RolloutState};
use crate::decide::rollout::step::{Input, step};
use crate::decide::units::{Millis, Percent, ProviderId, UnixMillis};

/// Which providers answer a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReachableArms {
    /// The old one.
    pub stable: bool,
    /// The new one.
    pub canary: bool,
}

/// A rollout that Serin's guard looks after.
#[derive(Clone, Debug)]
pub struct GuardRule {
    canary: Canary,
    name: String,
    state: RolloutState,
    now: UnixMillis,
    // What a ceiling is held against.
    ceiling: Option<CeilingWindow>,
    asks_stable: bool,
    events: Vec<Event>,
}

impl GuardRule {
    /// A rollout that begins at this time, as the file has it.
    #[must_use]
    pub fn new(canary: Canary, name: impl Into<String>, now: UnixMillis) -> GuardRule {
        let ceiling = ceiling(&canary.guard);
        let mut guarded = GuardRule {
            state: RolloutState::new(canary.attempt, now),
            canary,
            name: name.into(),
            now,
            ceiling,
            asks_stable: false,
            events: Vec::new(),
        };
        // What the file asks for is in force from the start.
        guarded.happens(&Input::PolicyChanged { fresh: false });
        guarded
    }

    /// Shows the guard a length of time; `by_source`: the same by source, where there are several.
    pub fn see(&mut self, tick: &Tick, by_source: Option<Box<TickBySource>>, probes: ReachableArms) -> Verdict {
        let passed = Millis(millis(tick.seconds));
        self.now = self.now.plus(passed);
        let asked = self.asks_stable;
        let answers = |yes: bool| f64::from(u8::from(asked && probes.stable == yes));
        // Wall clock and monotonic clock are the same here.
        let (constants, now) = (&self.canary.guard.constants, Millis(self.now.0));
        let held = self.ceiling.as_mut().map(|window| window.tick(constants, tick, by_source.as_deref(), now));
        let seen = Observation {
            tick: Some(Tick { stable_probes: (answers(true), answers(false)), ..*tick }),
            by_source,
            ceiling_counts: held.unwrap_or_default(),
            canary_answers: (self.state.phase == Phase::Probing)
                .then(|| if probes.canary { Ok(()) } else { Err("it did not answer".to_owned()) }),
            stable_answers: asked.then_some(probes.stable),
            ..Observation::default()
        };
        self.happens(&Input::Tick(seen))
    }

    fn happens(&mut self, input: &Input) -> Verdict {
        let view = RolloutContext {
            name: &self.name,
            canary: &self.canary,
            blocked: None,
            unwritable: None,
            writing: false,
            by_clock: false,
            generation: 1,
        };
        let epoch = self.state.epoch;
        let before = self.state.in_force;
        let step = step(&view, &self.state, input, self.now);
        self.state = step.next;
        self.asks_stable = needs_stable_probe(&view, &self.state);
        if self.state.epoch != epoch {
            self.ceiling = ceiling(&self.canary.guard);
        }
        let did = |action: Action| step.events.iter().any(|event| event.action == action);
        let verdict = match () {
            () if step.events.is_empty() => Verdict::Stay,
            () if did(Action::Rollback) => Verdict::Rollback,
            () if did(Action::Complete) => Verdict::Complete,
            () if self.state.in_force > before => Verdict::Promote,
            () => Verdict::Stay,
        };
        self.events.extend(step.events);
        verdict
    }

    /// What happened so far: `start`, `promote`, `confirm`, `rollback`, ...
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Where it is.
    #[must_use]
    pub const fn state(&self) -> &RolloutState {
        &self.state
    }

    /// The time simulated so far.
    #[must_use]
    pub const fn now(&self) -> UnixMillis {
        self.now
    }
}

fn ceiling(guard: &Guard) -> Option<CeilingWindow> {
    guard.ceiling.map(|_| CeilingWindow::new(guard.window))
}

impl RolloutRule for GuardRule {
    fn tick(&mut self, seen: &TickCounts) -> Verdict {
        let WaitEvidence { requests, slow, silence } = seen.waited;
        let arm = |arm: &super::rule::SimulatedArm, which: usize| {
            let mut tick = ArmTick {
                successes: f64::from(arm.successes),
                answered: f64::from((arm.successes + arm.errors).min(arm.requests)),
                ..ArmTick::plain(f64::from(arm.requests), f64::from(arm.errors))
            };
            if requests[which] > 0 || slow[which] > 0 {
                tick.requests[Aspect::Slow as usize] = f64::from(requests[which]);
                tick.events[Aspect::Slow as usize] = f64::from(slow[which]);
            }
            for (aspect, kind) in Aspect::OF_ANSWERS.into_iter().zip(0..) {
                tick.requests[aspect as usize] = f64::from(arm.marked.requests[kind]);
                tick.events[aspect as usize] = f64::from(arm.marked.events[kind]);
            }
            tick.requests[Aspect::Feedback as usize] = f64::from(arm.verdicts.all);
            tick.events[Aspect::Feedback as usize] = f64::from(arm.verdicts.bad);
            tick
        };
        let (stable, canary) = (arm(&seen.stable, 0), arm(&seen.canary, 1));
        let tick = Tick { seconds: seen.seconds, stable, canary, silence, ..Tick::default() };
        self.see(&tick, None, ReachableArms { stable: !seen.stable.dead, canary: !seen.canary.dead })
    }

    fn share(&self) -> f64 {
        fraction(self.state.in_force)
    }
}

impl Detector for GuardRule {
    fn is_bad(&mut self, seen: &TickCounts) -> bool {
        self.tick(seen) == Verdict::Rollback
    }
}

/// A canary as a file that says nothing else has it, on this schedule.
#[must_use]
pub fn default_canary(schedule: &Schedule) -> Canary {
    Canary {
        provider: ProviderId(1),
        percent: Intent::Auto,
        ramp: Ramp {
            stages: schedule.stages.iter().copied().map(percent).collect(),
            hold_start: Millis(millis(schedule.first)),
            every: Millis(millis(schedule.every)),
            max: Percent::ALL,
            from: None,
            hours: None,
        },
        guard: Guard::default(),
        on_regression: OnRegression::Rollback,
        rollback_to: Percent::ZERO,
        try_again_after: None,
        attempt: 1,
        rehearse: None,
        compare: None,
    }
}

/// A canary that keeps this share, 0 to 1, where [`default_canary`] would raise it.
#[must_use]
pub fn pinned_canary(share: f64, schedule: &Schedule) -> Canary {
    Canary { percent: Intent::Pinned(percent(share)), ..default_canary(schedule) }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is never negative")]
fn percent(share: f64) -> Percent {
    Percent::from_hundredths((share * 10_000.0).round() as u16).unwrap_or(Percent::ALL)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is never negative")]
fn millis(seconds: f64) -> u64 {
    (seconds * 1000.0).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::guard;
    use crate::simulate::rollout::{RolloutEnd, Span, play};
    use crate::simulate::rule::{SimulatedArm, TickSource};
    use crate::simulate::traffic::Traffic;

    const STEP: f64 = 300.0;

    fn guarded(canary: Canary) -> GuardRule {
        GuardRule::new(canary, "chat", UnixMillis(1_000_000_000_000))
    }

    fn ramp() -> Canary {
        default_canary(&Schedule::even(0.1, 0.15, STEP))
    }

    fn actions(guarded: &GuardRule) -> Vec<&str> {
        guarded.events().iter().map(|event| event.action.as_str()).collect()
    }

    fn run(guarded: &mut GuardRule, traffic: &Traffic, ticks: u32) {
        let mut arrivals = traffic.arrivals(4);
        for _ in 0..ticks {
            let seen = arrivals.tick(guarded.share());
            guarded.tick(&seen);
        }
    }

    #[test]
    fn a_healthy_canary_is_completed_when_the_ramp_says() {
        let mut rollout = guarded(ramp());
        let played = play(
            &mut Traffic::steady(50.0, 0.004).arrivals(1),
            &mut rollout,
            &Span { seconds: 9.0 * STEP, fault_at: None },
        );
        // A second goes by until the canary has answered its probe.
        assert_eq!(
            (played.end, played.at, played.full_at),
            (RolloutEnd::Completed, 7.0 * STEP + 1.0, Some(6.0 * STEP + 1.0))
        );
        assert_eq!(actions(&rollout), [["start"].as_slice(), &["promote"; 6], &["complete"]].concat());
    }

    #[test]
    fn a_dead_canary_gets_nobody_and_one_that_dies_is_taken_back() {
        let mut rollout = guarded(ramp());
        run(&mut rollout, &Traffic::steady(50.0, 0.004).with_canary(1.0), 1000);
        assert_eq!((rollout.share(), actions(&rollout).len()), (0.0, 0));

        let mut rollout = guarded(pinned_canary(0.1, &Schedule::even(0.1, 0.15, 86_400.0)));
        assert!((rollout.share() - 0.1).abs() < 1e-12, "a pinned share is in force from the start");
        run(&mut rollout, &Traffic::steady(50.0, 0.004).fault(100.0, 1.0), 110);
        let last = rollout.events().last().unwrap();
        assert_eq!((&last.action, rollout.share()), (&Action::Rollback, 0.0));
        assert_eq!(
            last.decision().and_then(|decision| decision.decided.rule()),
            Some(guard::rule::Rule::Down),
            "{last:?}"
        );
        assert_eq!(rollout.now(), UnixMillis(1_000_000_110_000));
    }

    #[test]
    fn an_outage_of_both_with_everybody_on_the_canary_is_confirmed_and_tried_again_is_told() {
        let mut rollout = guarded(ramp());
        let at = 6.0 * STEP + 20.0;
        run(&mut rollout, &Traffic::steady(50.0, 0.004).outage(at, 200.0, 0.3), 3600);
        let confirmed = [["start"].as_slice(), &["promote"; 6], &["confirm", "confirmed", "complete"]].concat();
        assert_eq!(actions(&rollout), confirmed);

        let mut rollout = guarded(Canary { try_again_after: Some(Millis(60_000)), ..ramp() });
        run(&mut rollout, &Traffic::steady(50.0, 0.004).burst(100.0, 60.0, 0.5), 3600);
        assert_eq!(actions(&rollout)[..4], ["start", "rollback", "retry", "start"]);
        assert_eq!(actions(&rollout).last(), Some(&"complete"));
    }

    #[test]
    fn a_ceiling_is_held_against_the_window() {
        let mut canary = pinned_canary(0.5, &Schedule::even(0.1, 0.15, 86_400.0));
        canary.guard.ceiling = Some(Percent::from_hundredths(200).unwrap());
        canary.guard.tolerated_ratio = 50.0;
        let mut rollout = guarded(canary);
        let seen = TickCounts {
            seconds: 1.0,
            share: 0.5,
            stable: SimulatedArm::counted(25, 0),
            canary: SimulatedArm::counted(20, 5),
            ..TickCounts::default()
        };
        assert_eq!((0..600).filter(|_| rollout.tick(&seen) == Verdict::Rollback).count(), 1);
    }
}
