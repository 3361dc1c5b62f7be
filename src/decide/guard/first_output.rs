//! The canary's median time to the first output, held against a bound of the file.
//!
//! Only two counts are needed for it: at how many requests the first output came later than the bound, and of how many.
//! Where requests are streamed, only those count, since the first output of a whole answer is its end. Gates
//! promotions, and decides nothing else. Invariant: what is counted was sent at the present share.

use super::waiting::ResponseKind;
use crate::decide::policy::Guard;
use crate::decide::units::Millis;

/// Before so many first outputs a median says nothing.
const LEAST: u32 = 20;

/// First outputs at the present share, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FirstOutputs {
    streamed: Counted,
    whole: Counted,
}

/// How many came later than the bound, and of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counted {
    beyond: u64,
    total: u64,
}

/// A median that is above the bound, or not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MedianWait {
    pub limit: Millis,
    pub beyond: u64,
    pub total: u64,
    /// So many have to be known.
    pub needed: u32,
}

impl FirstOutputs {
    /// A first output came this long after its request, or its client left by then without any.
    pub fn add(&mut self, kind: ResponseKind, after: Millis, left: bool, limit: Millis) {
        let beyond = after > limit;
        // Of who left earlier nobody knows how long it would have been.
        if left && !beyond {
            return;
        }
        let counted = match kind {
            ResponseKind::Streamed => &mut self.streamed,
            ResponseKind::Whole => &mut self.whole,
        };
        counted.beyond += u64::from(beyond);
        counted.total += 1;
    }

    /// What speaks against a promotion; `None`: nothing, or no bound is set.
    #[must_use]
    pub fn against(&self, guard: &Guard) -> Option<MedianWait> {
        let limit = guard.max_first_output?;
        let Counted { beyond, total } = if self.streamed.total > 0 { self.streamed } else { self.whole };
        let needed = LEAST.min(guard.min_requests);
        (total < u64::from(needed) || beyond * 2 > total).then_some(MedianWait { limit, beyond, total, needed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Millis = Millis(2000);

    fn bounded() -> Guard {
        Guard { max_first_output: Some(LIMIT), ..Guard::default() }
    }

    fn counted(kind: ResponseKind, quick: u32, slow: u32) -> FirstOutputs {
        let mut counted = FirstOutputs::default();
        (0..quick).for_each(|_| counted.add(kind, LIMIT, false, LIMIT));
        (0..slow).for_each(|_| counted.add(kind, Millis(LIMIT.0 + 1), false, LIMIT));
        counted
    }

    #[test]
    fn a_promotion_needs_a_median_that_is_known_and_within_the_bound() {
        let against = |quick, slow| counted(ResponseKind::Streamed, quick, slow).against(&bounded()).is_some();
        assert!(against(0, 0) && against(19, 0), "not known yet");
        assert!(!against(20, 0) && !against(10, 10), "half of them within it is a median within it");
        assert!(against(10, 11) && against(0, 20));
        assert_eq!(counted(ResponseKind::Whole, 0, 100).against(&Guard::default()), None, "without a bound");
        let few = Guard { min_requests: 3, ..bounded() };
        assert!(counted(ResponseKind::Whole, 3, 0).against(&few).is_none(), "no more than a promotion needs anyway");
    }

    #[test]
    fn whole_answers_count_only_where_nothing_is_streamed() {
        let mut both = counted(ResponseKind::Whole, 0, 100);
        assert!(both.against(&bounded()).is_some());
        (0..20).for_each(|_| both.add(ResponseKind::Streamed, Millis(1), false, LIMIT));
        assert_eq!(both.against(&bounded()), None);
    }

    #[test]
    fn who_left_after_the_bound_had_no_output_in_time_and_who_left_earlier_says_nothing() {
        let mut counted = counted(ResponseKind::Streamed, 20, 0);
        (0..50).for_each(|_| counted.add(ResponseKind::Streamed, LIMIT, true, LIMIT));
        assert_eq!(counted.against(&bounded()), None);
        (0..21).for_each(|_| counted.add(ResponseKind::Streamed, Millis(9000), true, LIMIT));
        let against = counted.against(&bounded()).unwrap();
        assert_eq!((against.beyond, against.total), (21, 41));
    }
}
