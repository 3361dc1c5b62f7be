//! The canary's failures over the guard's window, by source, which are compared with `ceiling`.
//!
//! A ceiling looks at the canary alone, and one source can send it any number of requests that fail. So the counts are
//! those of the deciding sources: where there are several, the one that makes the counts too high is left out. Owns the
//! windows. The users of [`AnalysisResult`](super::analysis::AnalysisResult) compare them with the limit. Invariant: of
//! a single source all requests are counted.

use super::constants::Constants;
use super::numbers::wilson;
use super::source_sets::BySource;
use super::sources::TickBySource;
use super::tick::Tick;
use crate::decide::units::Millis;
use crate::decide::window::{Counts, Window};

/// The canary's requests and failures within the guard's window.
#[derive(Clone, Debug)]
pub struct CeilingWindow(BySource<CountsInWindow>);

#[derive(Clone, Debug)]
struct CountsInWindow {
    window: Window,
    counts: Counts,
}

impl CeilingWindow {
    /// An empty window of this length.
    #[must_use]
    pub fn new(length: Millis) -> CeilingWindow {
        CeilingWindow(BySource::new(CountsInWindow { window: Window::new(length), counts: Counts::default() }))
    }

    /// A length of time more, which ends now: the counts that decide. `by_source`: the same by source, where there are
    /// several.
    pub fn tick(
        &mut self,
        constants: &Constants,
        tick: &Tick,
        by_source: Option<&TickBySource>,
        now: Millis,
    ) -> Counts {
        self.0.tick(constants, tick, by_source, |recent, tick| {
            let (requests, failures) = (whole(tick.canary.exposed()), whole(tick.canary.failures()));
            recent.window.add(now, Counts { requests, failures });
            recent.counts = recent.window.counts(now);
        });
        let weight = |recent: &CountsInWindow| {
            let Counts { requests, failures } = recent.counts;
            wilson(real(failures), real(requests), constants.ceiling_z).0
        };
        self.0.deciding(weight).counts
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts far below the precision")]
const fn real(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, as it was")]
fn whole(count: f64) -> u64 {
    count.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::guard::sources::{Quorum, SourceTick};
    use crate::decide::guard::tick::ArmTick;

    /// After a second in which each source's requests at the canary failed so often, of ten each.
    fn counted(failures: [f64; 5], quorum: Quorum) -> Counts {
        let part = |failures: f64| SourceTick { canary: ArmTick::plain(10.0, failures), ..SourceTick::default() };
        let by_source = TickBySource { quorum, parts: failures.map(part), ..TickBySource::default() };
        let mut window = CeilingWindow::new(Millis(60_000));
        let tick = Tick { seconds: 1.0, ..Tick::default() };
        window.tick(&Constants::default(), &tick, Some(&by_source), Millis(1000))
    }

    #[test]
    fn one_source_of_several_is_not_above_a_ceiling_by_itself() {
        let four = Quorum { groups: 0b1_1110, on_canary: 0b1_1110, dominant: None };
        assert_eq!(counted([0.0, 10.0, 0.0, 0.0, 0.0], four).failures, 0);
        assert_eq!(counted([0.0, 0.0, 5.0, 5.0, 5.0], four).failures, 10, "what three see is not hidden by one");
        let two = Quorum { groups: 0b110, on_canary: 0b110, dominant: None };
        assert_eq!(counted([0.0, 10.0, 0.0, 9.0, 0.0], two), Counts { requests: 20, failures: 10 });
        let mut window = CeilingWindow::new(Millis(60_000));
        let tick = Tick { canary: ArmTick::plain(10.0, 3.0), ..Tick::default() };
        assert_eq!(window.tick(&Constants::default(), &tick, None, Millis(0)), Counts { requests: 10, failures: 3 });
    }
}
