//! Traffic of several sources, one of which may be an attacker: what a single client can do to a rollout.
//!
//! The honest ones differ in how much they send, and in their luck. The attacker sends what it likes to whichever
//! provider it likes, since it names its users itself, and has its requests end as it likes, as far as a client can: it
//! fails where it wants to, and succeeds only where a provider answers. All of them are counted in groups, as
//! production counts them. Decides nothing. Deterministic for a seed.

use super::excess::some_of;
use super::guarded::{GuardRule, ReachableArms};
use super::poisson::Poisson;
use super::rule::{RolloutRule as _, SimulatedArm, TickCounts, TickSource as _};
use super::scenario::MEDIAN;
use super::traffic::{Arrivals, Traffic, seeded};
use super::waits::{self, Waits};
use crate::decide::event::Action;
use crate::decide::guard::aspect::{ASPECTS, Aspect};
use crate::decide::guard::constants::Constants;
use crate::decide::guard::silent::SilentRun;
use crate::decide::guard::sources::{GROUPS, SourceTick, SourceWeights, TickBySource};
use crate::decide::guard::tick::{ArmTick, Tick};
use crate::decide::policy::Guard;

/// What the attacker wants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AttackGoal {
    /// The canary is taken back or held: its requests there all come to this.
    Worse(Aspect),
    /// The canary is taken back: its requests there are never answered, and those at stable are.
    Unanswered,
    /// A bad canary stays: its requests at stable fail, are slow and refused, and those at the canary are well, as far
    /// as it answers at all.
    Better,
    /// The same, in bursts: so many seconds of it, and then so many in which it sends what others do.
    Bursts(u32, u32),
    /// A bad canary stays: many requests at the canary that are well, and none at stable.
    Flood,
}

/// How long the first request without output has to have waited, in seconds.
const LEAST_WAIT: f64 = 8.0;

impl AttackGoal {
    #[must_use]
    pub fn all() -> Vec<AttackGoal> {
        let mut all: Vec<AttackGoal> = Aspect::ALL.into_iter().map(AttackGoal::Worse).collect();
        all.extend([
            AttackGoal::Unanswered,
            AttackGoal::Better,
            AttackGoal::Bursts(1, 19),
            AttackGoal::Bursts(5, 60),
            AttackGoal::Flood,
        ]);
        all
    }
}

/// Traffic of several sources.
#[derive(Clone, Debug, PartialEq)]
pub struct MixedTraffic {
    /// What each of the honest ones sends, in ticks of a second.
    pub honest: Vec<Traffic>,
    /// How long the same requests take, where it matters: the canary may fall silent for all of them.
    pub waits: Vec<Waits>,
    /// What one more source wants, and how many requests it sends a second.
    pub attack: Option<(AttackGoal, f64)>,
}

impl MixedTraffic {
    /// Honest sources that send so many requests a second together, each this part of them; both providers fail this
    /// part.
    #[must_use]
    pub fn of(parts: &[f64], requests: f64, errors: f64) -> MixedTraffic {
        let honest = parts.iter().map(|part| Traffic::steady(requests * part, errors));
        MixedTraffic { honest: honest.collect(), waits: Vec::new(), attack: None }
    }

    /// The same thing happens to the traffic of each honest source.
    #[must_use]
    pub fn each(self, happens: impl Fn(Traffic) -> Traffic) -> MixedTraffic {
        MixedTraffic { honest: self.honest.into_iter().map(happens).collect(), ..self }
    }

    /// The canary falls silent at this time.
    #[must_use]
    pub fn silent_from(self, from: f64) -> MixedTraffic {
        let silent = Some((1.0, from));
        let of = |traffic: &Traffic| Waits { silent, ..Waits::of_median(traffic.requests.at(0.0), MEDIAN) };
        MixedTraffic { waits: self.honest.iter().map(of).collect(), ..self }
    }

    /// One more source sends this part of what the honest ones send together.
    #[must_use]
    pub fn attacked(self, aim: AttackGoal, part: f64) -> MixedTraffic {
        let requests: f64 = self.honest.iter().map(|traffic| traffic.requests.at(0.0)).sum();
        MixedTraffic { attack: Some((aim, requests * part)), ..self }
    }

    /// The ticks of one run.
    #[must_use]
    pub fn run(&self, seed: u64) -> MixedTrafficRun<'_> {
        let waits = self.waits.iter().map(Some).chain(std::iter::repeat(None));
        let honest = (0_u64..).zip(&self.honest).zip(waits).map(|((number, traffic), waits)| {
            let seed = seed.wrapping_mul(64).wrapping_add(number);
            Honest { arrivals: traffic.arrivals(seed), waits: waits.map(|waits| waits.run(Guard::default(), seed)) }
        });
        MixedTrafficRun {
            beside: self,
            honest: honest.collect(),
            rng: seeded(!seed),
            draws: Poisson::new(self.attack.map_or(0.0, |(_, requests)| requests)),
            sources: SourceWeights::default(),
            share: f64::NAN,
            at: 0.0,
        }
    }
}

/// One honest source.
#[derive(Clone, Debug)]
struct Honest<'b> {
    arrivals: Arrivals<'b>,
    waits: Option<waits::WaitsRun<'b>>,
}

/// The ticks of one run.
#[derive(Clone, Debug)]
pub struct MixedTrafficRun<'b> {
    beside: &'b MixedTraffic,
    honest: Vec<Honest<'b>>,
    rng: fastrand::Rng,
    // The attacker's.
    draws: Poisson,
    sources: SourceWeights,
    share: f64,
    at: f64,
}

impl MixedTrafficRun<'_> {
    /// The next second at this share: of all, and by source where there are several.
    #[expect(clippy::float_cmp, reason = "another share is one that is not the same")]
    pub fn tick(&mut self, share: f64) -> (Tick, Option<Box<TickBySource>>) {
        let another = share != std::mem::replace(&mut self.share, share);
        let mut parts: Vec<SourceTick> = self.honest.iter_mut().map(|one| one.tick(share, another)).collect();
        parts.extend(self.beside.attack.map(|(aim, _)| self.attack(aim, share)));
        let (mut by_group, constants) = ([SourceTick::default(); GROUPS], Constants::default());
        for (place, part) in parts.iter().enumerate() {
            by_group[(place + 1) % GROUPS].add(&constants, part);
        }
        self.at += 1.0;
        let (together, by_source) = self.sources.tick(&constants, 1.0, by_group);
        let SourceTick { stable, canary, silence } = together;
        (Tick { seconds: 1.0, stable, canary, silence, ..Tick::default() }, by_source)
    }

    fn attack(&mut self, aim: AttackGoal, share: f64) -> SourceTick {
        let requests = self.draws.draw(&mut self.rng);
        let on_canary = some_of(&mut self.rng, requests, share.max(0.1));
        let alike = (requests - on_canary, on_canary);
        let of_canary = self.beside.honest.first().map_or(0.0, |traffic| traffic.canary.at(self.at));
        // Whatever it wants, a provider that answers nobody does not answer it either.
        let fine = |requests: u32| {
            if of_canary >= 1.0 { SimulatedArm::counted(0, requests) } else { SimulatedArm::counted(requests, 0) }
        };
        match aim {
            AttackGoal::Worse(aspect) => {
                let mut part = part(SimulatedArm::counted(alike.0, 0), SimulatedArm::counted(alike.1, 0));
                let all = f64::from(alike.1);
                part.canary.events[aspect as usize] = all;
                if matches!(aspect, Aspect::Failing | Aspect::Empty | Aspect::Filtered) {
                    part.canary.successes = 0.0;
                }
                part
            }
            AttackGoal::Unanswered => {
                let mut part = part(SimulatedArm::counted(alike.0, 0), SimulatedArm::default());
                let all = f64::from(alike.1);
                part.canary.requests = [all; ASPECTS];
                // Before that nobody has waited for long enough.
                if self.at >= LEAST_WAIT {
                    part.silence = unanswered();
                }
                part
            }
            AttackGoal::Flood => part(SimulatedArm::default(), fine(requests)),
            AttackGoal::Bursts(of, pause) if whole(self.at) % (of + pause) >= of => {
                part(SimulatedArm::counted(alike.0, 0), fine(alike.1))
            }
            AttackGoal::Better | AttackGoal::Bursts(..) => {
                // Half on each: what happens at stable weighs most then.
                let (stable, canary) = (requests / 2, requests - requests / 2);
                let mut part = part(SimulatedArm::counted(0, stable), fine(canary));
                part.stable.events = [f64::from(stable); ASPECTS];
                part
            }
        }
    }
}

impl Honest<'_> {
    fn tick(&mut self, share: f64, another: bool) -> SourceTick {
        let TickCounts { stable, mut canary, .. } = self.arrivals.tick(share);
        let Some(waits) = &mut self.waits else { return part(stable, canary) };
        if another {
            waits.begin();
        }
        let waited = waits.tick(share, 0);
        if waited.silence.unanswered > 0.0 && waited.silence.longest > 5.0 {
            canary.successes = 0;
        }
        let mut part = part(stable, canary);
        part.silence = waited.silence;
        for (arm, which) in [(&mut part.stable, 0), (&mut part.canary, 1)] {
            arm.requests[Aspect::Slow as usize] = f64::from(waited.requests[which]);
            arm.events[Aspect::Slow as usize] = f64::from(waited.slow[which]);
        }
        part
    }
}

fn part(stable: SimulatedArm, canary: SimulatedArm) -> SourceTick {
    let arm = |arm: SimulatedArm| ArmTick {
        successes: f64::from(arm.successes),
        ..ArmTick::plain(f64::from(arm.requests), f64::from(arm.errors))
    };
    SourceTick { stable: arm(stable), canary: arm(canary), ..SourceTick::default() }
}

/// As bad as waits for output can look.
fn unanswered() -> SilentRun {
    SilentRun {
        unanswered: 1e6,
        weighed: 1e6,
        stable_answered: 1e6,
        longest: 600.0,
        evidence: 3e6,
        down: true,
        early: true,
        users: 32,
        waited_long_enough: true,
        ..SilentRun::default()
    }
}

/// What became of a rollout.
#[derive(Clone, Debug, PartialEq)]
pub struct AttackResult {
    /// The last thing that happened: `rollback`, `hold`, `promote`, `complete`, ..., and when, in seconds.
    pub last: Option<(f64, Action)>,
    /// The canary's share at its end.
    pub share: f64,
    /// How often more users followed.
    pub promotions: usize,
}

/// Plays a rollout until the guard acts against the canary, or the time is over.
#[must_use]
pub fn play(beside: &MixedTraffic, mut rollout: GuardRule, seconds: f64, seed: u64) -> AttackResult {
    let mut run = beside.run(seed);
    let mut reported = rollout.events().len();
    let mut last = None;
    while run.at < seconds {
        let (tick, by_source) = run.tick(rollout.share());
        rollout.see(&tick, by_source, ReachableArms { stable: true, canary: true });
        let events = rollout.events();
        if events.len() > reported {
            reported = events.len();
            last = events.last().map(|event| (run.at, event.action.clone()));
            if last
                .as_ref()
                .is_some_and(|(_, action)| matches!(action, Action::Rollback | Action::Hold | Action::Confirm))
            {
                break;
            }
        }
    }
    let promotions = rollout.events().iter().filter(|event| event.action == Action::Promote).count();
    AttackResult { last, share: rollout.share(), promotions }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small, and never negative")]
fn whole(count: f64) -> u32 {
    count.round() as u32
}
