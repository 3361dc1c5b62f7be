//! Who takes part.

use serin::simulate::rivals::{Argo, Flagger, Naive};
use serin::simulate::rule::{Judge, Rule};
use serin::simulate::schedule::{Schedule, Scheduled};

use crate::rules::{cusum, labels::Labels, msprt::Msprt, safe_test::SafeTest, wilson::Wilson};

/// A rule that can be shown ticks of a fixed share.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) judge: fn() -> Box<dyn Judge>,
}

/// A rule that can take a whole rollout through its schedule.
pub(crate) struct Rider {
    pub(crate) name: &'static str,
    pub(crate) rule: fn(&Schedule) -> Box<dyn Rule>,
}

const fn contender(name: &'static str, judge: fn() -> Box<dyn Judge>) -> Contender {
    Contender { name, judge }
}

pub(crate) const NAIVE: Contender = contender("naive threshold", || Box::new(Naive::default()));
pub(crate) const FLAGGER: Contender = contender("Flagger", || Box::new(Flagger::default()));
pub(crate) const ARGO: Contender = contender("Argo Rollouts", || Box::new(Argo::default()));
pub(crate) const WILSON: Contender = contender("Wilson, 30 min > 5 %", || Box::new(Wilson::default()));
pub(crate) const SAFE_TEST: Contender = contender("safe test from the start", || Box::new(SafeTest::default()));
pub(crate) const MSPRT: Contender = contender("mSPRT from the start", || Box::new(Msprt::default()));
pub(crate) const LABELS: Contender = contender("labels from the start", || Box::new(Labels::default()));
pub(crate) const ABSOLUTE: Contender = contender("CUSUM, absolute", || Box::new(cusum::Absolute::default()));
pub(crate) const RELATIVE: Contender = contender("CUSUM, labels", || Box::new(cusum::Relative::default()));

/// Everybody, in the order of the tables.
pub(crate) const ALL: [Contender; 9] = [NAIVE, FLAGGER, ARGO, WILSON, SAFE_TEST, MSPRT, LABELS, ABSOLUTE, RELATIVE];

/// Those for the tables that look closely at few.
pub(crate) const CLOSELY: [Contender; 1] = [RELATIVE];

/// Those who can promote.
pub(crate) const RIDERS: [Rider; 3] = [
    Rider { name: NAIVE.name, rule: |schedule| Box::new(Scheduled::new(Naive::default(), schedule.clone())) },
    Rider { name: FLAGGER.name, rule: |schedule| Box::new(Scheduled::new(Flagger::default(), schedule.clone())) },
    Rider { name: ARGO.name, rule: |schedule| Box::new(Scheduled::new(Argo::default(), schedule.clone())) },
];
