//! A canary that fails no more often, and answers later.

use serin::decide::guard::aspect::Aspect;
use serin::decide::guard::slow::SlowThreshold;
use serin::decide::guard::tick::{ArmTick, Tick};
use serin::decide::policy::SlowRule;
use serin::simulate::answers::{Answers, SlowClassifier};
use serin::simulate::guarded::{GuardRule, ReachableArms, pinned_canary};
use serin::simulate::profile::Profile;
use serin::simulate::rollout::Span;
use serin::simulate::rule::{Detector, SimulatedArm, TickCounts, Verdict};
use serin::simulate::schedule::Schedule;
use serin::simulate::summary::Summary;

use crate::bench::{Bench, DAY, HOUR, MINUTE, head, tick};
use crate::cells::{percent, time};
use crate::compared_rules::{BenchRule, guarded};
use crate::page::Page;

/// Stable's median time to the first output, in milliseconds.
const MEDIAN: f64 = 600.0;

/// What production calls slow, learnt from stable's answers.
#[derive(Default)]
struct Threshold(SlowThreshold);

impl SlowClassifier for Threshold {
    fn is_slow(&mut self, canary: bool, millis: f64) -> bool {
        let rule = SlowRule::default();
        let slow = self.0.is_slow(&rule, millis);
        if !canary {
            self.0.learn(&rule, millis);
        }
        slow
    }
}

/// The guard where all that happens is slowness.
struct Slowness(GuardRule);

impl Detector for Slowness {
    fn is_bad(&mut self, seen: &TickCounts) -> bool {
        let arm = |arm: &SimulatedArm| {
            let mut tick = ArmTick::plain(f64::from(arm.requests), 0.0);
            tick.events[Aspect::Slow as usize] = f64::from(arm.errors);
            tick
        };
        let tick =
            Tick { seconds: seen.seconds, stable: arm(&seen.stable), canary: arm(&seen.canary), ..Tick::default() };
        self.0.see(&tick, None, ReachableArms { stable: true, canary: true }) == Verdict::Rollback
    }
}

const SERIN: BenchRule = BenchRule {
    name: "**Serin**",
    detector: |share| Box::new(Slowness(guarded(pinned_canary(share, &Schedule::even(0.1, 0.15, DAY))))),
};

pub(crate) fn write(bench: &Bench, page: &mut Page) {
    let runs = bench.few(10);
    page.heading("A slow canary");
    page.words(&format!(
        "Nothing fails. Times to the first output spread as a lognormal (sigma 0.7) around a median that is this \
         multiple of stable's from the second hour on, 10 % to the canary. A response is slow above one and a half \
         times stable's own 95th percentile, which the guard measures during the rollout. Cells: the median of the \
         time from then to the rollback, / 95 %, of {runs} runs; (x %): the share of runs with a rollback, within six \
         hours at 50 requests a second and within a day at 5. The guard rolls the canary back when it is far slower, \
         not when it is a little slower, and not when both become slow.",
    ));
    let slower = |factor: f64| Profile::steady(MEDIAN).then(HOUR, MEDIAN * factor);
    let mut cases: Vec<(String, Profile, Profile)> = [0.7, 1.0, 1.1, 1.3, 1.5, 2.0, 3.0, 5.0]
        .into_iter()
        .map(|factor: f64| (format!("{factor} times stable's time"), Profile::steady(MEDIAN), slower(factor)))
        .collect();
    let both = Profile::steady(MEDIAN).spell(HOUR, 10.0 * MINUTE, 5.0 * MEDIAN);
    cases.push(("both 5 times slower, for ten minutes".to_owned(), both.clone(), both));
    let traffics = [(5.0, DAY), (50.0, 6.0 * HOUR)];
    let mut table = Vec::new();
    for (name, stable, canary) in cases {
        let cell = |&(requests, seconds): &(f64, f64)| {
            let (stable, canary) = (stable.clone(), canary.clone());
            let answers = Answers { tick: tick(requests), requests, stable, canary, spread: 0.7 };
            let span = Span { seconds: HOUR + seconds, fault_at: Some(HOUR) };
            let what = format!("{name}, {requests} rps");
            let tallies =
                bench.together(&what, runs, &[SERIN], 0.1, &span, |seed| answers.timed(Threshold::default(), seed));
            tallies.first().map_or_else(String::new, found)
        };
        table.push(std::iter::once(name.clone()).chain(traffics.iter().map(cell)).collect());
    }
    page.table(&head("the canary takes", traffics.map(|(requests, _)| format!("{requests} rps"))), &table);
}

fn found(tally: &Summary) -> String {
    let wrong = if tally.wrong > 0 { format!(" **F {}**", percent(tally.wrong_part())) } else { String::new() };
    let (Some(median), Some(most)) = (tally.seconds.median(), tally.seconds.most()) else {
        return format!("never{wrong}");
    };
    let all = tally.found_part() >= 0.995;
    let part = if all { String::new() } else { format!(" ({})", percent(tally.found_part())) };
    format!("{} / {}{part}{wrong}", time(median), time(most))
}
