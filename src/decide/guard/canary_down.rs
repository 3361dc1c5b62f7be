//! Whether the canary is dead while it replaces a stable that cannot be reached.
//!
//! There is no data from stable then. The canary's failures since its last answer are compared with a provider that
//! answers, and its requests without output with the shortest wait that counts. Counting goes on while stable is
//! reachable: once the canary's own breaker has opened there is nothing more to count. Where there are several sources,
//! no single one can make the canary look dead. Decides nothing: the result applies to stable's requests only, and
//! moves no users. Invariant: a canary that answered a source since its last failure is not dead for any set that
//! contains this source.

use super::constants::Constants;
use super::down::{DownDetector, DownTick};
use super::silent::SilentRun;
use super::source_sets::BySource;
use super::sources::TickBySource;
use super::tick::{ArmTick, Tick};

/// What the canary has done since it last answered.
#[derive(Clone, Debug, Default)]
pub struct CanaryDownDetector(BySource<CanaryRun>);

#[derive(Clone, Debug, Default)]
struct CanaryRun {
    run: DownDetector,
    silence: SilentRun,
}

impl CanaryDownDetector {
    /// A length of time is over: whether the canary is dead. `by_source`: the same by source, where there are several.
    pub fn tick(&mut self, constants: &Constants, tick: &Tick, by_source: Option<&TickBySource>) -> bool {
        self.0.tick(constants, tick, by_source, |seen, tick| {
            seen.run.update(constants, tick.seconds, &during_failover(constants, &tick.canary));
            seen.silence = tick.silence;
        });
        let is_dead = |seen: &CanaryRun| seen.run.is_down(constants) || seen.silence.is_down_during_failover(constants);
        is_dead(self.0.deciding(|seen| f64::from(u8::from(is_dead(seen)))))
    }
}

/// A tick of a canary that replaces a stable that cannot be reached: counted as if stable had answered.
const fn during_failover(constants: &Constants, canary: &ArmTick) -> DownTick {
    DownTick {
        sent: canary.exposed(),
        successes: canary.successes,
        failures: canary.failures(),
        connections_refused: canary.connections_refused,
        other_successes: constants.down_stable_successes,
        other_failures: 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::guard::sources::{GROUPS, SourceTick, SourceWeights};

    /// Each source sends the canary this many requests per second, of which this many fail: whether it looks dead.
    fn looks_dead(each: [(f64, f64); GROUPS], silent: Option<usize>) -> bool {
        let (constants, mut sources, mut stand_in) =
            (Constants::default(), SourceWeights::default(), CanaryDownDetector::default());
        let mut parts =
            each.map(|(sent, failed)| SourceTick { canary: ArmTick::plain(sent, failed), ..SourceTick::default() });
        if let Some(place) = silent {
            parts[place].silence = SilentRun { unanswered: 50.0, weighed: 50.0, longest: 60.0, ..SilentRun::default() };
        }
        // Half of the requests of honest sources go to stable, which does not matter here.
        let second = |sources: &mut SourceWeights, stand_in: &mut CanaryDownDetector, parts| {
            let (SourceTick { canary, silence, .. }, by_source) = sources.tick(&constants, 1.0, parts);
            let tick = Tick { seconds: 1.0, canary, silence, ..Tick::default() };
            stand_in.tick(&constants, &tick, by_source.as_deref())
        };
        let well =
            each.map(|(sent, _)| SourceTick { canary: ArmTick::plain(sent.max(2.0), 0.0), ..SourceTick::default() });
        (0..30).for_each(|_| assert!(!second(&mut sources, &mut stand_in, well), "it answers"));
        (0..9).fold(false, |_, _| second(&mut sources, &mut stand_in, parts))
    }

    #[test]
    fn no_source_of_several_makes_the_canary_look_dead() {
        let none = (0.0, 0.0);
        assert!(!looks_dead([(9.0, 9.0), none, none, none, none], None), "the others only had nothing to ask");
        assert!(!looks_dead([(9.0, 9.0), (1.0, 0.0), (1.0, 0.0), (1.0, 0.0), none], None));
        assert!(!looks_dead([none; GROUPS], Some(0)), "nor by requests that nobody could answer");
        assert!(looks_dead([(2.0, 2.0); GROUPS], None));
        assert!(
            looks_dead([(2.0, 0.0), (2.0, 2.0), (2.0, 2.0), (2.0, 2.0), none], None),
            "what most see is not hidden"
        );
    }

    #[test]
    fn what_a_single_source_sees_is_all_there_is() {
        let (constants, mut stand_in) = (Constants::default(), CanaryDownDetector::default());
        let tick = Tick { seconds: 1.0, canary: ArmTick::plain(4.0, 4.0), ..Tick::default() };
        let seen: Vec<bool> = (0..4).map(|_| stand_in.tick(&constants, &tick, None)).collect();
        assert_eq!(seen, [false, false, true, true]);
    }
}
