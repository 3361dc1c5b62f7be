//! Who takes part.

use serin::decide::guard::constants::Constants;
use serin::decide::policy::Canary;
use serin::decide::units::UnixMillis;
use serin::simulate::guarded::{GuardRule, default_canary, pinned_canary};
use serin::simulate::reference_rules::{Argo, Flagger, Naive};
use serin::simulate::rule::{Detector, RolloutRule};
use serin::simulate::schedule::{Schedule, ScheduledShare};

use crate::bench::DAY;
use crate::rules::{cusum, labels::Labels, msprt::Msprt, safe_test::SafeTest, wilson::Wilson};

/// A rule that can be shown ticks of a fixed share.
pub(crate) struct BenchRule {
    pub(crate) name: &'static str,
    /// Of this share.
    pub(crate) detector: fn(f64) -> Box<dyn Detector>,
}

/// A rule that can take a whole rollout through its schedule.
pub(crate) struct ShareRider {
    pub(crate) name: &'static str,
    pub(crate) rule: fn(&Schedule) -> Box<dyn RolloutRule>,
}

const fn rule(name: &'static str, detector: fn(f64) -> Box<dyn Detector>) -> BenchRule {
    BenchRule { name, detector }
}

pub(crate) const NAIVE: BenchRule = rule("naive threshold", |_| Box::new(Naive::default()));
pub(crate) const FLAGGER: BenchRule = rule("Flagger", |_| Box::new(Flagger::default()));
pub(crate) const ARGO: BenchRule = rule("Argo Rollouts", |_| Box::new(Argo::default()));
pub(crate) const WILSON: BenchRule = rule("Wilson, 30 min > 5 %", |_| Box::new(Wilson::default()));
pub(crate) const SAFE_TEST: BenchRule = rule("safe test from the start", |_| Box::new(SafeTest::default()));
pub(crate) const MSPRT: BenchRule = rule("mSPRT from the start", |_| Box::new(Msprt::default()));
pub(crate) const LABELS: BenchRule = rule("labels from the start", |_| Box::new(Labels::default()));
pub(crate) const ABSOLUTE: BenchRule = rule("CUSUM, absolute", |_| Box::new(cusum::Absolute::default()));
pub(crate) const RELATIVE: BenchRule = rule("CUSUM, labels", |_| Box::new(cusum::Relative::default()));

pub(crate) const SERIN: BenchRule = rule("**Serin**", |share| Box::new(guarded(fixed(share))));
pub(crate) const UNLIMITED: BenchRule = rule("Serin, gains not limited", |share| {
    let mut canary = fixed(share);
    canary.guard.constants = Constants { burst: 1e9, ..canary.guard.constants };
    Box::new(guarded(canary))
});

/// Everybody, in the order of the tables.
pub(crate) const ALL: [BenchRule; 10] =
    [NAIVE, FLAGGER, ARGO, WILSON, SAFE_TEST, MSPRT, LABELS, ABSOLUTE, RELATIVE, SERIN];

/// The share stays as it is, in the middle of a ramp of seven days.
fn fixed(share: f64) -> Canary {
    pinned_canary(share, &Schedule::even(0.1, 0.15, DAY))
}

/// In a rollout with this canary.
pub(crate) fn guarded(canary: Canary) -> GuardRule {
    GuardRule::new(canary, "chat", UnixMillis(1_800_000_000_000))
}

/// Those who can promote.
pub(crate) const RIDERS: [ShareRider; 4] = [
    ShareRider { name: NAIVE.name, rule: |schedule| Box::new(ScheduledShare::new(Naive::default(), schedule.clone())) },
    ShareRider {
        name: FLAGGER.name,
        rule: |schedule| Box::new(ScheduledShare::new(Flagger::default(), schedule.clone())),
    },
    ShareRider { name: ARGO.name, rule: |schedule| Box::new(ScheduledShare::new(Argo::default(), schedule.clone())) },
    ShareRider { name: SERIN.name, rule: |schedule| Box::new(guarded(default_canary(schedule))) },
];
