//! What a guard saw and held, moment by moment, in as many pieces as a picture has room for.
//!
//! Owns the thinning: where there are more moments than room, neighbours are put together (counts are added, the
//! strongest evidence is kept, the last share holds), so that a second and two weeks take the same room and a short
//! peak is never lost. Evidence is kept as a part of what it takes: 1 is an alarm. Decides nothing and draws nothing.

use crate::decide::guard::analysis::Analysis;
use crate::decide::guard::aspect::Aspect;
use crate::decide::guard::tick::Tick;
use crate::decide::policy::Guard;

/// So many pieces at most; an even number.
const ROOM: usize = 1200;

/// A piece of time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TimelinePoint {
    /// Its end, in seconds from the start.
    pub at: f64,
    /// How long it was.
    pub seconds: f64,
    /// The share that was in force at its end, 0 to 1.
    pub share: f64,
    /// Requests and failures of stable.
    pub stable: (f64, f64),
    /// Requests and failures of the canary.
    pub canary: (f64, f64),
    /// How far the evidence went that the canary is worse than stable; 1 is an alarm.
    pub worse: f64,
    /// How far the evidence went that it is down; 1 is an alarm.
    pub down: f64,
}

impl TimelinePoint {
    /// What a guard has come to after this tick.
    #[must_use]
    pub fn new(at: f64, share: f64, tick: &Tick, guard: &Guard, analysis: &Analysis, tries: u32) -> TimelinePoint {
        let finding = *analysis.result(guard, tries).of(Aspect::Failing);
        let constants = &guard.constants;
        // Both have to be reached, so the lesser one says how far it is.
        let evidence = finding.evidence.max(1.0).ln() / finding.bound.ln();
        let worse = evidence.min(finding.floor / constants.floor_evidence);
        TimelinePoint {
            at,
            seconds: tick.seconds,
            share,
            stable: (tick.stable.exposed(), tick.stable.failures()),
            canary: (tick.canary.exposed(), tick.canary.failures()),
            worse: worse.clamp(0.0, 1.0),
            down: (analysis.canary_run().evidence() / constants.down_evidence).clamp(0.0, 1.0),
        }
    }

    /// With the next piece: counts are added, the strongest evidence is kept, and the last share holds.
    pub fn and(&mut self, next: &TimelinePoint) {
        *self = TimelinePoint {
            at: next.at,
            seconds: self.seconds + next.seconds,
            share: next.share,
            stable: (self.stable.0 + next.stable.0, self.stable.1 + next.stable.1),
            canary: (self.canary.0 + next.canary.0, self.canary.1 + next.canary.1),
            worse: self.worse.max(next.worse),
            down: self.down.max(next.down),
        };
    }
}

/// Moments in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    moments: Vec<TimelinePoint>,
    // How many were put together in each piece, and in the last one so far.
    each: usize,
    last: usize,
}

impl Timeline {
    /// One moment more.
    pub fn push(&mut self, moment: TimelinePoint) {
        match self.moments.last_mut() {
            Some(piece) if self.last < self.each => {
                piece.and(&moment);
                self.last += 1;
            }
            _ => {
                self.moments.push(moment);
                (self.each, self.last) = (self.each.max(1), 1);
            }
        }
        if self.moments.len() > ROOM {
            self.halve();
        }
    }

    fn halve(&mut self) {
        let pairs = self.moments.chunks(2).map(|pair| {
            let mut piece = pair[0];
            pair.iter().skip(1).for_each(|next| piece.and(next));
            piece
        });
        self.moments = pairs.collect();
        // An odd number of pieces: the last one has no neighbour, and room for more.
        self.each *= 2;
    }

    #[must_use]
    pub fn moments(&self) -> &[TimelinePoint] {
        &self.moments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_there_are_nothing_is_lost() {
        for count in [1_u32, 1200, 1201, 2401, 10_000] {
            let mut strip = Timeline::default();
            for number in 1..=count {
                let worse = if number == count / 2 { 0.9 } else { 0.1 };
                let canary = (2.0, 1.0);
                strip.push(TimelinePoint {
                    at: f64::from(number),
                    seconds: 1.0,
                    canary,
                    worse,
                    ..TimelinePoint::default()
                });
            }
            let moments = strip.moments();
            assert!(moments.len() <= ROOM && (count < 1000 || moments.len() > ROOM / 2 - 1), "{}", moments.len());
            assert_eq!(moments.iter().map(|moment| moment.canary.0).sum::<f64>(), 2.0 * f64::from(count));
            assert_eq!(moments.iter().map(|moment| moment.seconds).sum::<f64>(), f64::from(count));
            assert_eq!(moments.last().unwrap().at, f64::from(count));
            assert!(count < 4 || moments.iter().any(|moment| moment.worse == 0.9));
        }
    }
}
