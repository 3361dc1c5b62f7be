//! Who takes part.

use serin::decide::guard::constants::Constants;
use serin::decide::policy::Canary;
use serin::decide::units::UnixMillis;
use serin::simulate::guarded::{Guarded, pinned, usual};
use serin::simulate::reference_rules::{Argo, Flagger, Naive};
use serin::simulate::rule::{Judge, Rule};
use serin::simulate::schedule::{Schedule, Scheduled};

use crate::bench::DAY;
use crate::rules::{cusum, labels::Labels, msprt::Msprt, safe_test::SafeTest, wilson::Wilson};

/// A rule that can be shown ticks of a fixed share.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    /// Of this share.
    pub(crate) judge: fn(f64) -> Box<dyn Judge>,
}

/// A rule that can take a whole rollout through its schedule.
pub(crate) struct Rider {
    pub(crate) name: &'static str,
    pub(crate) rule: fn(&Schedule) -> Box<dyn Rule>,
}

const fn contender(name: &'static str, judge: fn(f64) -> Box<dyn Judge>) -> Contender {
    Contender { name, judge }
}

pub(crate) const NAIVE: Contender = contender("naive threshold", |_| Box::new(Naive::default()));
pub(crate) const FLAGGER: Contender = contender("Flagger", |_| Box::new(Flagger::default()));
pub(crate) const ARGO: Contender = contender("Argo Rollouts", |_| Box::new(Argo::default()));
pub(crate) const WILSON: Contender = contender("Wilson, 30 min > 5 %", |_| Box::new(Wilson::default()));
pub(crate) const SAFE_TEST: Contender = contender("safe test from the start", |_| Box::new(SafeTest::default()));
pub(crate) const MSPRT: Contender = contender("mSPRT from the start", |_| Box::new(Msprt::default()));
pub(crate) const LABELS: Contender = contender("labels from the start", |_| Box::new(Labels::default()));
pub(crate) const ABSOLUTE: Contender = contender("CUSUM, absolute", |_| Box::new(cusum::Absolute::default()));
pub(crate) const RELATIVE: Contender = contender("CUSUM, labels", |_| Box::new(cusum::Relative::default()));

pub(crate) const SERIN: Contender = contender("**Serin**", |share| Box::new(guarded(fixed(share))));
pub(crate) const UNLIMITED: Contender = contender("Serin, gains not limited", |share| {
    let mut canary = fixed(share);
    canary.guard.constants = Constants { burst: 1e9, ..canary.guard.constants };
    Box::new(guarded(canary))
});

/// Everybody, in the order of the tables.
pub(crate) const ALL: [Contender; 10] =
    [NAIVE, FLAGGER, ARGO, WILSON, SAFE_TEST, MSPRT, LABELS, ABSOLUTE, RELATIVE, SERIN];

/// The share stays as it is, in the middle of a ramp of seven days.
fn fixed(share: f64) -> Canary {
    pinned(share, &Schedule::even(0.1, 0.15, DAY))
}

/// In a rollout with this canary.
pub(crate) fn guarded(canary: Canary) -> Guarded {
    Guarded::new(canary, "chat", UnixMillis(1_800_000_000_000))
}

/// Those who can promote.
pub(crate) const RIDERS: [Rider; 4] = [
    Rider { name: NAIVE.name, rule: |schedule| Box::new(Scheduled::new(Naive::default(), schedule.clone())) },
    Rider { name: FLAGGER.name, rule: |schedule| Box::new(Scheduled::new(Flagger::default(), schedule.clone())) },
    Rider { name: ARGO.name, rule: |schedule| Box::new(Scheduled::new(Argo::default(), schedule.clone())) },
    Rider { name: SERIN.name, rule: |schedule| Box::new(guarded(usual(schedule))) },
];
