//! The counts of pairs that were compared: of one round of a rehearsal, or of a comparison.
//!
//! Each pair is counted once. Of times the newest [`MOST_TIMES`] pairs are kept, for their medians. Owns the form in
//! which the counts are kept over restarts. Invariant: no text of a request or an answer is in it, and its size is
//! bounded.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::defect::Defect;
use super::difference::{Aspect, compare};
use super::digest::{AnswerTimes, GoodAnswer};
use super::funnel::Funnel;
use crate::decide::policy::Price;
use crate::decide::units::PicoUsd;

/// So many pairs of times are kept.
pub const MOST_TIMES: usize = 200;
/// So many defects are told apart.
const MOST_DEFECTS: usize = 24;
/// Below so many pairs a median says nothing.
const LEAST_TIMES: usize = 5;

/// The counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    pub funnel: Funnel,
    /// What was wrong with the canary's answers, and how often.
    pub defects: Vec<(Defect, u64)>,
    /// By aspect: pairs that are alike, and pairs that are not.
    pub aspects: BTreeMap<Aspect, [u64; 2]>,
    /// Of the newest pairs, stable's before the canary's: first output and total.
    times: VecDeque<[u32; 4]>,
    /// Characters of both, for their ratio.
    pub characters: [u64; 2],
    /// What both cost in pico-USD, stable's first, over the pairs whose price and usage are known of both.
    pub cost: [u64; 2],
    /// How many pairs these are.
    pub priced: u64,
    /// What copies cost in all, as far as it is known.
    pub spent: u64,
    /// Copies of which nobody knows what they cost.
    pub unpriced: u64,
}

/// The medians of both, stable's first, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Medians {
    pub first_output: [u32; 2],
    pub total: [u32; 2],
    /// Of how many pairs.
    pub pairs: usize,
}

impl Tally {
    /// Counts a pair of which the canary's answer was no good.
    pub fn add_defect(&mut self, defect: Defect) {
        self.funnel.compared += 1;
        self.aspects.entry(Aspect::Status).or_default()[1] += 1;
        let same = self.defects.iter().position(|(known, _)| *known == defect);
        let is_full = self.defects.len() >= MOST_DEFECTS;
        // What is told apart is bounded: the rest counts under one of its kind, or not by name at all.
        let kin = || self.defects.iter().position(|(known, _)| known.as_str() == defect.as_str());
        match same.or_else(|| if is_full { kin() } else { None }) {
            Some(index) => self.defects[index].1 += 1,
            None if is_full => {}
            None => self.defects.push((defect, 1)),
        }
    }

    /// Counts a pair of which the canary's answer was refused by a content filter: a difference, and no defect.
    pub fn add_filtered(&mut self) {
        self.funnel.compared += 1;
        self.aspects.entry(Aspect::Status).or_default()[1] += 1;
    }

    /// Counts a pair of good answers; true: they differ in something.
    pub fn add_pair(&mut self, stable: &GoodAnswer, canary: &GoodAnswer, prices: [Option<&Price>; 2]) -> bool {
        self.funnel.compared += 1;
        let mut differs = false;
        for (aspect, alike) in Aspect::ALL.into_iter().zip(compare(&stable.digest, &canary.digest)) {
            if let Some(alike) = alike {
                self.aspects.entry(aspect).or_default()[usize::from(!alike)] += 1;
                differs |= !alike;
            }
        }
        let lengths = [stable.digest.length as u64, canary.digest.length as u64];
        for (sum, length) in self.characters.iter_mut().zip(lengths) {
            *sum = sum.saturating_add(length);
        }
        self.add_times(stable.times, canary.times);
        let cost = |answer: &GoodAnswer, price: Option<&Price>| Some(price?.of(answer.usage?));
        if let (Some(PicoUsd(stable)), Some(PicoUsd(canary))) = (cost(stable, prices[0]), cost(canary, prices[1])) {
            self.cost = [self.cost[0].saturating_add(stable), self.cost[1].saturating_add(canary)];
            self.priced += 1;
        }
        differs
    }

    fn add_times(&mut self, stable: AnswerTimes, canary: AnswerTimes) {
        if self.times.len() == MOST_TIMES {
            self.times.pop_front();
        }
        self.times.push_back([stable.first_output, canary.first_output, stable.total, canary.total]);
    }

    /// The medians of the newest pairs; `None`: there are too few.
    #[must_use]
    pub fn medians(&self) -> Option<Medians> {
        let median = |column: usize| {
            let mut times: Vec<u32> = self.times.iter().map(|pair| pair[column]).collect();
            times.sort_unstable();
            times.get(times.len() / 2).copied().unwrap_or_default()
        };
        (self.times.len() >= LEAST_TIMES).then(|| Medians {
            first_output: [median(0), median(1)],
            total: [median(2), median(3)],
            pairs: self.times.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::comparison::digest::Digest;
    use crate::decide::comparison::request::Expected;
    use crate::wire::structure::Structure;
    use crate::wire::usage::Usage;

    fn answer(text: &str, total: u32) -> GoodAnswer {
        let structure = Structure { text: text.to_owned(), calls: Vec::new() };
        GoodAnswer {
            digest: Digest::of(&structure, None, &Expected::default()),
            times: AnswerTimes { first_output: total / 2, total },
            usage: Some(Usage { input: 10, output: 5, ..Usage::default() }),
        }
    }

    #[test]
    fn each_pair_is_counted_once_and_what_is_kept_is_bounded() {
        let mut tally = Tally::default();
        let price = Price { input: PicoUsd(1), cached_input: None, output: PicoUsd(2) };
        for total in 0..1000 {
            tally.add_pair(&answer("x", total), &answer("x", 2 * total), [Some(&price), Some(&price)]);
        }
        for status in 0..1000 {
            tally.add_defect(Defect::Server { status });
        }
        assert_eq!((tally.funnel.compared, tally.aspects[&Aspect::Status]), (2000, [1000, 1000]));
        assert_eq!((tally.times.len(), tally.defects.len()), (MOST_TIMES, MOST_DEFECTS));
        assert_eq!(tally.defects.iter().map(|(_, count)| count).sum::<u64>(), 1000);
        assert_eq!((tally.cost, tally.priced), ([20_000, 20_000], 1000));
        let medians = tally.medians().unwrap();
        assert_eq!(medians.total, [900, 1800]);
    }

    #[test]
    fn counts_come_back_as_they_were_written() {
        let mut tally = Tally::default();
        tally.add_pair(&answer("x", 7), &answer("y", 8), [None, None]);
        tally.add_defect(Defect::Key { status: 401 });
        tally.funnel.skip(super::super::funnel::Skip::Cost);
        let text = serde_json::to_string(&tally).unwrap();
        assert_eq!(serde_json::from_str::<Tally>(&text).unwrap(), tally);
        assert_eq!(serde_json::from_str::<Tally>("{}").unwrap(), Tally::default(), "of an earlier version");
    }
}
