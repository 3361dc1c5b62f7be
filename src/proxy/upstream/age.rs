//! How old a connection may become before it takes no new request.
//!
//! A provider may move to other addresses, and a connection that is always busy would not follow: after a while another
//! replaces it, for which the name is looked up anew. Owns when a connection was opened and how much sooner than
//! `max_connection_age` it is replaced, drawn for each, so that connections that were opened together are not all
//! replaced at once. Refuses to close anything. Invariant: the draw stays, so that an edit of the key moves every end
//! by the same share.

use std::time::Instant;

use crate::decide::units::Millis;

/// The most by which a connection is replaced sooner, in thousandths of the whole age: a tenth.
const MOST_SOONER: u64 = 100;

/// Of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Age {
    opened: Instant,
    /// In thousandths.
    sooner: u64,
}

impl Age {
    /// Opened now.
    pub(super) fn begin(now: Instant, chance: &mut fastrand::Rng) -> Age {
        Age { opened: now, sooner: chance.u64(..=MOST_SOONER) }
    }

    /// When it stops taking requests, if it may become as old as `most`; `None`: never.
    pub(super) fn end(&self, most: Option<Millis>) -> Option<Instant> {
        let most = most?.0;
        self.opened.checked_add(Millis(most - most / 1000 * self.sooner - most % 1000 * self.sooner / 1000).duration())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock;

    #[test]
    fn each_goes_at_a_time_of_its_own_within_the_last_tenth() {
        let (now, mut chance) = (clock::instant(), fastrand::Rng::with_seed(7));
        let most = Millis(300_000);
        let ends: Vec<Duration> =
            (0..1000).map(|_| Age::begin(now, &mut chance).end(Some(most)).unwrap() - now).collect();
        let (first, last) = (ends.iter().min().unwrap(), ends.iter().max().unwrap());
        assert!(*first >= Duration::from_secs(270) && *first < Duration::from_secs(273), "{first:?}");
        assert!(*last <= Duration::from_secs(300) && *last > Duration::from_secs(297), "{last:?}");
        let together = ends.iter().filter(|end| end.as_secs() == 285).count();
        assert!(together < 100, "{together} of 1000 go in one second of thirty");
    }

    #[test]
    fn the_longest_age_has_an_end_and_never_has_none() {
        let (now, mut chance) = (clock::instant(), fastrand::Rng::with_seed(7));
        let age = Age::begin(now, &mut chance);
        assert_eq!(age.end(None), None);
        assert!(age.end(Some(Millis(3650 * 86_400_000))).unwrap() > now + Duration::from_secs(3000 * 86_400));
    }
}
