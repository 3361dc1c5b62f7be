//! What must hold for any counts: the bound behind every rollback, and what each part promises besides.

use proptest::prelude::*;

use super::analysis::{Analysis, RampLength, TickContext, bound};
use super::aspect::{ASPECTS, Aspect};
use super::constants::Constants;
use super::cusum::Cusum;
use super::down::{DownDetector, DownTick};
use super::relative::{Comparison, Elapsed, EventCounts, RelativeDetector};
use super::slow::SlowThreshold;
use super::tick::{ArmTick, Tick};
use crate::decide::policy::{Answers, Counting, Guard, OnExcess};
use crate::decide::units::Percent;

const WEEK: f64 = 7.0 * 86_400.0;
const SCHEDULE: RampLength = RampLength { promotions: 6.0, horizon: WEEK };
const TENTH: TickContext = TickContext { share: 0.1, schedule: SCHEDULE, confirming: false, alone: false };

fn comparison() -> Comparison {
    Comparison { tolerated_ratio: 1.25, patience: 1.0, horizon: WEEK }
}

fn second() -> Elapsed {
    Elapsed::new(&Constants::default(), 1.0)
}

fn labels(stable: (f64, f64), canary: (f64, f64)) -> EventCounts {
    EventCounts { stable: stable.0, stable_events: stable.1, canary: canary.0, canary_events: canary.1 }
}

fn tick(stable: (f64, f64), canary: (f64, f64)) -> Tick {
    let [stable, canary] = [stable, canary].map(|(requests, failures)| ArmTick::plain(requests, failures));
    Tick { seconds: 1.0, stable, canary, ..Tick::default() }
}

/// The chance of `k` of `n`, each with chance `p`.
fn binomial(n: u32, k: u32, p: f64) -> f64 {
    let choose = (0..k).fold(1.0, |product, i| product * f64::from(n - i) / f64::from(i + 1));
    choose * p.powi(i32::try_from(k).unwrap()) * (1.0 - p).powi(i32::try_from(n - k).unwrap())
}

/// The mean of what one tick multiplies the evidence by, over all that can happen, where the canary is exactly as bad
/// as is tolerated. That it is at most 1 is what the bound on wrong rollbacks rests on.
#[test]
fn on_the_boundary_evidence_does_not_grow_in_the_mean() {
    for (stable, canary, rate) in [(9, 1, 0.03), (6, 4, 0.2), (12, 3, 0.004), (3, 3, 0.5)] {
        let constants = Constants { mass_start: 1.0, mass_background: 0.0, ..Constants::default() };
        let share = f64::from(canary) / f64::from(stable + canary);
        let mut mean = 0.0;
        for (stable_events, canary_events) in (0..=stable).flat_map(|s| (0..=canary).map(move |c| (s, c))) {
            let mut detector = RelativeDetector::new(&constants);
            let seen =
                labels((f64::from(stable), f64::from(stable_events)), (f64::from(canary), f64::from(canary_events)));
            let chance = binomial(stable, stable_events, rate) * binomial(canary, canary_events, 1.25 * rate);
            mean += chance * detector.update(&constants, &comparison(), &second(), share, &seen);
        }
        assert!(mean <= 1.0 + 1e-12, "{stable} {canary} {rate}: {mean}");
        assert!(mean > 0.5, "and little is given away: {mean}");
    }
}

#[test]
fn where_everybody_is_on_the_canary_failures_say_nothing() {
    let constants = Constants::default();
    let mut detector = RelativeDetector::new(&constants);
    let first = detector.update(&constants, &comparison(), &second(), 1.0, &labels((0.0, 0.0), (50.0, 0.0)));
    for _ in 0..1000 {
        detector.update(&constants, &comparison(), &second(), 1.0, &labels((0.0, 0.0), (50.0, 50.0)));
    }
    assert!(detector.evidence() < first * 1.01, "{}", detector.evidence());
}

#[test]
fn a_burst_however_big_decides_nothing_alone() {
    let guard = Guard::default();
    let mut analysis = Analysis::new(&guard.constants);
    (0..3600).for_each(|_| analysis.tick(&guard, &TENTH, &tick((450.0, 2.0), (50.0, 0.0)), None));
    analysis.tick(&guard, &TENTH, &tick((450.0, 2.0), (5000.0, 5000.0)), None);
    assert!(!analysis.result(&guard, 0).of(Aspect::Failing).is_alarm());
}

#[test]
fn the_budget_of_all_tries_together_is_kept() {
    let guard = Guard::default();
    assert_eq!((0..3).map(|retries| bound(&guard, retries)).collect::<Vec<_>>(), [2000.0, 4000.0, 8000.0]);
    let spent: f64 = (0..40).map(|retries| 1.0 / bound(&guard, retries)).sum();
    assert!(spent <= 0.001, "{spent}");
}

#[test]
fn the_masses_of_a_try_never_sum_to_more_than_one() {
    let constants = Constants::default();
    let mut analysis = Analysis::new(&constants);
    let quiet = tick((9.0, 0.0), (1.0, 0.0));
    let (client_errors, answers) = (OnExcess::Ignore, Answers::all(OnExcess::Ignore));
    let of_failures = Guard { slow: None, client_errors, answers, ..Guard::default() };
    // Without a failure the evidence of each alternative is the mass that was spent.
    for round in 0..100_000_u32 {
        if round % 20 == 0 {
            analysis.expect_change(&constants, &SCHEDULE);
            analysis.expect_confirmation();
        }
        analysis.tick(&of_failures, &TENTH, &quiet, None);
    }
    let spent = analysis.result(&Guard::default(), 0).of(Aspect::Failing).evidence;
    assert!((0.7..=1.0).contains(&spent), "{spent}");
}

#[test]
fn ticks_of_any_length_come_to_the_same_while_nothing_fails() {
    let guard = Guard::default();
    let shown = |length: u32| {
        let mut analysis = Analysis::new(&guard.constants);
        let seconds = f64::from(length);
        let (stable, canary) = (45.0 * seconds, 5.0 * seconds);
        for _ in 0..7200 / length {
            analysis.tick(&guard, &TENTH, &Tick { seconds, ..tick((stable, 0.0), (canary, 0.0)) }, None);
        }
        analysis.result(&guard, 0).of(Aspect::Failing).evidence
    };
    let (short, long) = (shown(1), shown(600));
    assert!((short / long - 1.0).abs() < 1e-9, "{short} {long}");
}

#[test]
fn a_provider_whose_successes_take_long_is_not_down() {
    let constants = Constants::default();
    let mut run = DownDetector::default();
    for _ in 0..60 {
        let seen = DownTick { sent: 50.0, failures: 2.0, other_successes: 40.0, ..DownTick::default() };
        assert!(!run.update(&constants, 1.0, &seen));
    }
    let mut run = DownDetector::default();
    let dead = DownTick { sent: 3.0, failures: 3.0, other_successes: 40.0, ..DownTick::default() };
    let seconds = (1..10).find(|_| run.update(&constants, 1.0, &dead));
    assert_eq!(seconds, Some(3));
}

#[test]
fn an_incident_of_stable_ends_as_it_began_or_becomes_what_is_usual() {
    let guard = Guard::default();
    let mut analysis = Analysis::new(&guard.constants);
    let incident = |analysis: &Analysis| analysis.result(&guard, 0).incident;
    (0..600).for_each(|_| analysis.tick(&guard, &TENTH, &tick((45.0, 0.2), (5.0, 0.0)), None));
    let before = analysis.step.seconds;
    (0..300).for_each(|_| analysis.tick(&guard, &TENTH, &tick((45.0, 15.0), (5.0, 1.7)), None));
    assert!(incident(&analysis) && analysis.step.seconds < before + 5.0, "the step's time stands still");
    (0..60).for_each(|_| analysis.tick(&guard, &TENTH, &tick((45.0, 0.2), (5.0, 0.0)), None));
    assert!(!incident(&analysis));
    let seconds = (1..5000).find(|_| {
        analysis.tick(&guard, &TENTH, &tick((45.0, 15.0), (5.0, 1.7)), None);
        analysis.step.seconds > before + 120.0 && !incident(&analysis)
    });
    assert!(seconds.is_some_and(|seconds| (3600..3800).contains(&seconds)), "{seconds:?}");
}

#[test]
fn numbers_outlive_a_restart_and_those_of_another_version_do_not() {
    use crate::decide::rollout::state::RolloutState;
    use crate::decide::units::UnixMillis;
    let guard = Guard::default();
    let mut state = RolloutState::new(1, UnixMillis(7));
    for second in 0..500 {
        let bad = f64::from(u8::from(second % 40 == 0));
        state.analysis.tick(&guard, &TENTH, &tick((45.0, 0.2), (5.0, bad)), None);
    }
    let text = serde_json::to_string(&state).unwrap();
    let back: RolloutState = serde_json::from_str(&text).unwrap();
    let evidence = |state: &RolloutState| state.analysis.result(&guard, 0).of(Aspect::Failing).evidence;
    assert!((evidence(&back) / evidence(&state) - 1.0).abs() < 1e-12);
    assert_eq!((back.retries, back.analysis.step), (0, state.analysis.step));
    let other = text.replace(r#""judge":{"version":1"#, r#""judge":{"version":2"#);
    assert_ne!(text, other);
    let lost: RolloutState = serde_json::from_str(&other).unwrap();
    assert_eq!(
        (lost.tries(), lost.analysis),
        (1, Analysis::new(&guard.constants)),
        "another try, with what is left of the budget"
    );
    // As the first version wrote it.
    let old = r#"{"phase":{"phase":"ramping"},"percent":1000,"since":7,"attempt":1,"lock":null,"paused":null,"epoch":3,"in_force":1000}"#;
    let old: RolloutState = serde_json::from_str(old).unwrap();
    assert_eq!((old.retries, old.percent.hundredths()), (0, 1000));
}

/// A state as the version before the aspects of answers wrote it: the arrays of the judge have three elements.
#[test]
fn numbers_of_fewer_aspects_are_kept_and_the_others_begin() {
    use crate::decide::rollout::state::RolloutState;
    let guard = Guard::default();
    let text = include_str!("../../../tests/golden/guard/state_of_three_aspects.json");
    let stored: serde_json::Value = serde_json::from_str(text).unwrap();
    let state: RolloutState = serde_json::from_str(text).unwrap();
    assert_eq!((state.tries(), state.percent.hundredths(), state.pauses.len()), (0, 2500, 3));
    let before: f64 = stored["judge"]["detectors"][0]["evidence"]
        .as_array()
        .unwrap()
        .iter()
        .map(|number| number.as_f64().unwrap())
        .sum();
    let evidence = |state: &RolloutState, aspect| state.analysis.result(&guard, 0).of(aspect).evidence;
    assert!(before > 0.0 && (evidence(&state, Aspect::Failing) * 5.0 / before - 1.0).abs() < 1e-12);
    let kept = |list: &str, count: usize| {
        let written = serde_json::to_value(&state.analysis).unwrap();
        let (old, new) = (stored["judge"][list].as_array().unwrap(), written[list].as_array().unwrap());
        assert_eq!((old.len(), new.len(), &new[..3]), (3, count, &old[..]), "{list}");
    };
    ["detectors", "floors", "doubts"].into_iter().for_each(|list| kept(list, ASPECTS));
    for aspect in Aspect::OF_ANSWERS.into_iter().chain([Aspect::Feedback]) {
        assert_eq!(evidence(&state, aspect), 0.0);
        assert_eq!(*state.analysis.detector(aspect), RelativeDetector::new(&guard.constants));
    }
    assert_eq!(state.analysis.pace_threshold.seen(), 0);
    let more = text.replace(
        r#""floors":["#,
        r#""floors":[[0.0,0.0,0.0],[0.0,0.0,0.0],[0.0,0.0,0.0],[0.0,0.0,0.0],[0.0,0.0,0.0],[0.0,0.0,0.0],"#,
    );
    assert_ne!(text, more);
    let lost: RolloutState = serde_json::from_str(&more).unwrap();
    assert_eq!((lost.tries(), &lost.analysis), (1, &Analysis::new(&guard.constants)), "of a later version");
}

/// So many empty answers a second on either arm, with nothing else the matter.
fn empty(stable: f64, canary: f64) -> Tick {
    let mut tick = tick((45.0, 0.0), (5.0, 0.0));
    tick.stable.events[Aspect::Empty as usize] = stable;
    tick.canary.events[Aspect::Empty as usize] = canary;
    tick
}

#[test]
fn the_aspects_of_answers_share_a_budget_and_a_ratio_of_their_own() {
    let guard = Guard::default();
    let analysis = Analysis::new(&guard.constants);
    let bounds = analysis.result(&guard, 0).aspects.map(|finding| finding.bound);
    assert_eq!(bounds, [2000.0, 2000.0, 2000.0, 8000.0, 8000.0, 8000.0, 8000.0, 2000.0]);
    let seconds = |guard: &Guard, stable: f64, canary: f64| {
        let mut analysis = Analysis::new(&guard.constants);
        (1..=7200).find(|_| {
            analysis.tick(guard, &TENTH, &empty(stable, canary), None);
            analysis.result(guard, 0).of(Aspect::Empty).is_alarm()
        })
    };
    assert!(seconds(&guard, 0.225, 1.5).is_some_and(|seconds| seconds < 60), "30% and 0.5%");
    assert_eq!(seconds(&guard, 0.9, 0.14), None, "2% and 2.8%");
    assert_eq!(seconds(&guard, 0.0, 0.009), None, "what is rare on both is tolerated");
    let ignored = Guard { answers: Answers { empty: OnExcess::Ignore, ..Answers::default() }, ..guard };
    let counted = Guard { counting: Counting { empty: true, ..Counting::default() }, ..guard };
    assert_eq!([ignored, counted].map(|guard| seconds(&guard, 0.225, 1.5)), [None, None]);
}

#[test]
fn a_threshold_of_unknown_size_begins_with_what_stable_shows() {
    let rule = crate::decide::policy::SlowRule::default();
    let mut threshold = SlowThreshold::unknown();
    assert!(!threshold.is_slow(&rule, 1e9), "nothing is known yet");
    threshold.learn(&rule, 20.0);
    assert!(threshold.is_slow(&rule, 100.0) && !threshold.is_slow(&rule, 15.0));
    // Of paces around 20 ms a twentieth lies above 24.
    for number in 0..20_000_u32 {
        threshold.learn(&rule, 16.0 + f64::from(number * 7919 % 1000) * 0.008);
    }
    assert!((threshold.log_quantile().exp() - 23.6).abs() < 1.0, "{}", threshold.log_quantile().exp());
}

fn counts() -> impl Strategy<Value = (f64, f64)> {
    (0_u32..200, 0_u32..=100).prop_map(|(requests, part)| (f64::from(requests), f64::from(requests * part / 100)))
}

proptest! {
    #[test]
    fn one_failure_more_never_speaks_for_whom_it_happened_to(
        ticks in prop::collection::vec((counts(), counts()), 1..40),
        last in (counts(), counts()),
        share in 0.01_f64..0.99,
    ) {
        let constants = Constants::default();
        let mut detector = RelativeDetector::new(&constants);
        for (stable, canary) in ticks {
            detector.update(&constants, &comparison(), &second(), share, &labels(stable, canary));
        }
        let after = |stable: f64, canary: f64| {
            let mut detector = detector;
            let seen = labels((last.0.0, last.0.1 + stable), (last.1.0, last.1.1 + canary));
            detector.update(&constants, &comparison(), &second(), share, &seen)
        };
        let plain = after(0.0, 0.0);
        prop_assert!(after(0.0, 1.0) >= plain * (1.0 - 1e-12));
        // Measured by whom requests happen to, one failure of stable takes at most what tokens had held back.
        prop_assert!(after(1.0, 0.0) <= plain * (1.0 + 1e-12));
    }

    #[test]
    fn no_counts_bring_a_number_that_is_none(
        ticks in prop::collection::vec((counts(), counts(), 0.0_f64..700.0, 0.0_f64..=1.0, any::<bool>()), 1..60),
    ) {
        let guard = Guard { ceiling: Percent::from_hundredths(700), ..Guard::default() };
        let mut analysis = Analysis::new(&guard.constants);
        for (stable, canary, seconds, share, confirming) in ticks {
            let now = TickContext { share, schedule: SCHEDULE, confirming, alone: share >= 1.0 };
            analysis.tick(&guard, &now, &Tick { seconds, ..tick(stable, canary) }, None);
            let result = analysis.result(&guard, 0);
            for finding in result.aspects {
                prop_assert!(finding.evidence.is_finite() && finding.evidence >= 0.0 && finding.floor.is_finite());
            }
            prop_assert!(result.suspicion.is_finite());
        }
        let text = serde_json::to_string(&analysis).unwrap();
        prop_assert!(serde_json::from_str::<Analysis>(&text).is_ok(), "{}", text);
    }

    #[test]
    fn a_sum_never_falls_below_nothing_nor_rises_above_its_cap(
        ticks in prop::collection::vec(counts(), 1..60),
        reference in 0.0_f64..0.5,
    ) {
        let constants = Constants::default();
        let mut cusum = Cusum::default();
        for (requests, events) in ticks {
            let largest = cusum.update(&constants, 12.0, reference, requests, events);
            prop_assert!((0.0..=12.0).contains(&largest));
        }
    }
}
