//! The guard's numbers for every set of sources, so that no single source decides.
//!
//! There is an [`Analysis`] for every set of groups, each with the same rule and its own requests. With three groups or
//! more, a result must hold without any single one of them; or there is one group without which it holds even when any
//! other group is left out as well. So a source that lies cannot cause a result that the others do not see (the first
//! condition leaves it out), and cannot hide one that they see (it is the exception of the second). One or two sources
//! decide together as they are, and one that outweighs all others decides alone. On the canary only those sources count
//! that have requests there, or may have some soon. [`BySource`] does the same for other detectors. Invariant: with
//! three sources or more, the result lies between that of all others together and those of the others without one of
//! themselves.

use super::analysis::Analysis;
use super::constants::Constants;
use super::silent::SilentRun;
use super::sources::{GROUPS, Quorum, SourceGroup, TickBySource, members};
use super::tick::{ArmTick, Tick};

/// How many sets of groups there are, that of none included.
const SETS: usize = 1 << GROUPS;

/// The same for each set of groups: a bit of its place for each group.
#[derive(Clone, Debug, PartialEq)]
pub struct PerSourceSet<T>(Vec<T>);

impl<T: Clone> PerSourceSet<T> {
    /// All of them alike.
    #[must_use]
    pub fn new(one: T) -> PerSourceSet<T> {
        PerSourceSet(vec![one; SETS])
    }

    /// Shows each its part of a tick.
    pub fn tick(&mut self, constants: &Constants, tick: &Tick, by_source: &TickBySource, see: impl Fn(&mut T, &Tick)) {
        let nobody = Tick { stable: ArmTick::default(), canary: ArmTick::default(), ..*tick };
        let mut ticks = [Tick { silence: SilentRun::default(), ..nobody }; SETS];
        for (set, view) in (0_u8..).zip(&mut self.0).skip(1) {
            let part = &by_source.parts[set.trailing_zeros() as usize];
            let mut sum = ticks[usize::from(set & (set - 1))];
            sum.stable.add(&part.stable);
            sum.canary.add(&part.canary);
            ticks[usize::from(set)] = sum;
            let parts = members(set).map(|group| &by_source.parts[group.index()].silence);
            sum.silence = SilentRun::sum(constants, parts);
            see(view, &sum);
        }
    }

    /// What these say together.
    #[must_use]
    pub fn at(&self, set: u8) -> &T {
        &self.0[usize::from(set)]
    }

    /// The value that decides: the one with the largest `weight` is the worst. `who`: the sources that can know.
    pub fn deciding(&self, quorum: &Quorum, who: u8, weight: impl Fn(&T) -> f64) -> &T {
        self.at(quorum.deciding(who, |set| weight(self.at(set))))
    }

    pub(super) fn each(&mut self, happens: impl FnMut(&mut T)) {
        self.0.iter_mut().for_each(happens);
    }
}

impl PerSourceSet<Analysis> {
    /// Built from what was gathered while there was one source; the other sources have no data.
    pub(super) fn of(constants: &Constants, analysis: &Analysis, one: Option<SourceGroup>) -> PerSourceSet<Analysis> {
        let mut views = PerSourceSet::new(analysis.clone());
        let knows = |set: usize| one.is_none_or(|one| set & usize::from(one.bit()) != 0);
        for (_, analysis) in views.0.iter_mut().enumerate().filter(|(set, _)| !knows(*set)) {
            // The step's time has passed for everybody.
            let seconds = analysis.step.seconds;
            analysis.begin_try(constants);
            analysis.step.seconds = seconds;
        }
        views
    }
}

/// The same of one source, or of each set of several, as long as there are several.
#[derive(Clone, Debug, Default)]
pub struct BySource<T> {
    fresh: T,
    // Of the only one.
    one: T,
    views: Option<Box<(Quorum, PerSourceSet<T>)>>,
}

impl<T: Clone> BySource<T> {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(fresh: T) -> BySource<T> {
        BySource { one: fresh.clone(), fresh, views: None }
    }

    /// Passes a tick to the sets that it belongs to. `by_source`: the same by source, where there are several.
    pub fn tick(
        &mut self,
        constants: &Constants,
        tick: &Tick,
        by_source: Option<&TickBySource>,
        see: impl Fn(&mut T, &Tick),
    ) {
        let Some(by_source) = by_source else {
            self.views = None;
            return see(&mut self.one, tick);
        };
        let (one, fresh) = (&self.one, &self.fresh);
        let (quorum, views) = &mut **self.views.get_or_insert_with(|| {
            let knows = |set: usize| by_source.before.is_none_or(|before| set & usize::from(before.bit()) != 0);
            let views = (0..SETS).map(|set| if knows(set) { one.clone() } else { fresh.clone() });
            Box::new((by_source.quorum, PerSourceSet(views.collect())))
        });
        *quorum = by_source.quorum;
        views.tick(constants, tick, by_source, see);
        if let Some(one) = by_source.alone {
            self.one = views.at(one.bit()).clone();
            self.views = None;
        }
    }

    /// The value that decides about the canary: the one with the largest `weight` is the worst.
    pub fn deciding(&self, weight: impl Fn(&T) -> f64) -> &T {
        match self.views.as_deref() {
            Some((quorum, views)) => views.deciding(quorum, quorum.on_canary, weight),
            None => &self.one,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decide::guard::analysis::{AnalysisResult, RampLength, TickContext};
    use crate::decide::guard::aspect::Aspect;
    use crate::decide::guard::sources::SourceTick;
    use crate::decide::policy::Guard;

    const TENTH: TickContext = TickContext {
        share: 0.1,
        schedule: RampLength { promotions: 6.0, horizon: 600_000.0 },
        confirming: false,
        alone: false,
    };

    /// Requests and failures of stable and canary.
    type Counts = [u8; 4];

    fn part(counts: Counts) -> SourceTick {
        let [stable, failed, canary, failing] = counts.map(f64::from);
        let arm = |fine: f64, failures: f64| ArmTick::plain(fine + failures, failures);
        SourceTick { stable: arm(stable, failed), canary: arm(canary, failing), ..SourceTick::default() }
    }

    /// The results of these sets of groups after these ticks, and the result of all of them as several sources.
    fn judged(guard: &Guard, ticks: &[[Counts; 4]], sets: &[&[usize]]) -> (AnalysisResult, Vec<AnalysisResult>) {
        let quorum = Quorum { groups: 0b1111, on_canary: 0b1111, dominant: None };
        let mut together = Analysis::new(&guard.constants);
        let mut judges = vec![together.clone(); sets.len()];
        for counts in ticks {
            let mut by_source = TickBySource { quorum, ..TickBySource::default() };
            for (part_of, counts) in by_source.parts.iter_mut().zip(counts) {
                *part_of = part(*counts);
            }
            let sum = |set: &[usize]| {
                let mut tick = Tick { seconds: 1.0, ..Tick::default() };
                for group in set {
                    tick.stable.add(&by_source.parts[*group].stable);
                    tick.canary.add(&by_source.parts[*group].canary);
                }
                tick
            };
            together.tick(guard, &TENTH, &sum(&[0, 1, 2, 3]), Some(&by_source));
            for (analysis, set) in judges.iter_mut().zip(sets) {
                analysis.tick(guard, &TENTH, &sum(set), None);
            }
        }
        (together.result(guard, 0), judges.iter().map(|analysis| analysis.result(guard, 0)).collect())
    }

    /// Everything that is done by: the canary is worse, is down, and stable is.
    fn found(result: &AnalysisResult) -> [bool; 4] {
        [result.of(Aspect::Failing).is_alarm(), result.down, result.stable_down, result.incident]
    }

    /// Some seconds in which one source has most of the traffic and all users on the canary, and two others have none
    /// there.
    fn uneven(counts: Counts, seconds: usize) -> Analysis {
        let guard = Guard::default();
        let quorum = Quorum { groups: 0b111, on_canary: 0b001, dominant: None };
        let mut analysis = Analysis::new(&guard.constants);
        for _ in 0..seconds {
            let mut by_source = TickBySource { quorum, ..TickBySource::default() };
            for (part_of, counts) in by_source.parts.iter_mut().zip([counts, [8, 0, 0, 0], [8, 0, 0, 0]]) {
                *part_of = part(counts);
            }
            let mut tick = Tick { seconds: 1.0, ..Tick::default() };
            for part in &by_source.parts {
                tick.stable.add(&part.stable);
                tick.canary.add(&part.canary);
            }
            analysis.tick(&guard, &TENTH, &tick, Some(&by_source));
        }
        analysis
    }

    #[test]
    fn whoever_has_nobody_on_the_canary_has_no_say_about_it() {
        assert!(uneven([30, 0, 0, 5], 4).result(&Guard::default(), 0).down);
        let healthy = uneven([30, 0, 5, 0], 100);
        assert_eq!((healthy.step.seconds, healthy.step.canary, healthy.answered), (100.0, 500.0, 500.0));
    }

    fn honest() -> impl Strategy<Value = Counts> {
        prop_oneof![Just([6, 0, 1, 0]), Just([6, 0, 0, 1]), Just([5, 1, 1, 0]), Just([0, 6, 1, 0]), Just([3, 0, 0, 0])]
    }

    fn liar() -> impl Strategy<Value = Counts> {
        prop_oneof![Just([0, 0, 0, 200]), Just([0, 200, 0, 0]), Just([0, 0, 200, 0]), any::<Counts>()]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        // The first three are honest, and do the same from some moment on; the last does what it likes.
        #[test]
        fn one_of_several_sources_neither_makes_up_nor_hides_a_fault(
            usual in proptest::collection::vec(([honest(), honest(), honest()], liar()), 1..40),
            then in proptest::collection::vec(liar(), 0..40),
            fault in honest(),
        ) {
            let guard = Guard::default();
            let usual = usual.into_iter().map(|([one, two, three], liar)| [one, two, three, liar]);
            let then = then.into_iter().map(|liar| [fault, fault, fault, liar]);
            let ticks: Vec<[Counts; 4]> = usual.chain(then).collect();
            let (together, of_honest) = judged(&guard, &ticks, &[&[0, 1, 2], &[0, 1], &[0, 2], &[1, 2]]);
            for (index, found_now) in found(&together).into_iter().enumerate() {
                let says: Vec<bool> = of_honest.iter().map(|result| found(result)[index]).collect();
                prop_assert!(!found_now || says.iter().any(|one| *one), "{index} is made up: {says:?}");
                prop_assert!(found_now || !says[1..].iter().all(|one| *one), "{index} is hidden: {says:?}");
            }
        }
    }

    #[test]
    fn connections_that_one_source_says_were_refused_take_nobody_back() {
        let guard = Guard::default();
        // Three honest sources and one more; a user who is paused is none of the failures, and refused all the same.
        let down = |refused: [f64; 4], answered: f64| {
            let quorum = Quorum { groups: 0b1111, on_canary: 0b1111, dominant: None };
            let mut analysis = Analysis::new(&guard.constants);
            for _ in 0..9 {
                let mut by_source = TickBySource { quorum, ..TickBySource::default() };
                for (part_of, refused) in by_source.parts.iter_mut().zip(refused) {
                    *part_of = part([5, 0, 1, 0]);
                    part_of.canary.successes = if refused > 0.0 { 0.0 } else { answered };
                    part_of.canary.connections_refused = refused;
                }
                analysis.tick(&guard, &TENTH, &Tick { seconds: 1.0, ..Tick::default() }, Some(&by_source));
            }
            analysis.result(&guard, 0).down
        };
        assert!(!down([0.0, 0.0, 0.0, 200.0], 1.0), "who is answered");
        assert!(!down([0.0, 0.0, 0.0, 200.0], 0.0), "nor beside some that have nothing to say");
        assert!(down([2.0, 2.0, 2.0, 0.0], 1.0), "what three see is not hidden by a fourth");
    }

    #[test]
    fn what_one_source_said_alone_is_known_where_it_is_counted() {
        let constants = Constants::default();
        let mut analysis = Analysis::new(&constants);
        let failing = Tick {
            seconds: 1.0,
            stable: ArmTick::plain(9.0, 0.0),
            canary: ArmTick::plain(9.0, 9.0),
            ..Tick::default()
        };
        analysis.tick(&Guard::default(), &TENTH, &failing, None);
        let views = PerSourceSet::of(&constants, &analysis, Some(SourceGroup::of(2)));
        let run = |set: u8| views.at(set).canary_run().failures();
        assert_eq!([0b100, 0b110, 0b11, 0b1000].map(run), [9.0, 9.0, 0.0, 0.0]);
    }
}
