//! The breaker step by step, and against a model that keeps everything it was told.

use proptest::prelude::*;

use super::*;

const RULE: BreakerRule = BreakerRule { failures: 5, open_for: Millis(60_000) };
/// On a canary, by nobody who is known.
const SOMEBODY: Option<Caller> = Some(Caller::UNKNOWN);

fn fail(state: CircuitState, canary: Option<Caller>, now: u64) -> CircuitState {
    after(state, AttemptSignal::Failure, &RULE, canary, None, Millis(now))
}

/// Failures at these moments, in a row.
fn row(canary: Option<Caller>, moments: impl IntoIterator<Item = u64>) -> CircuitState {
    moments.into_iter().fold(CircuitState::CLOSED, |state, now| fail(state, canary, now))
}

#[test]
fn opens_after_so_many_failures_in_a_row() {
    assert_eq!(row(None, [7; 4]), CircuitState::Closed { failures: 4, first: Millis(7), last: Caller::UNKNOWN });
    assert_eq!(row(None, [7; 5]), CircuitState::Open { failures: 5, until: Millis(60_007), tries: 0 });
    let interrupted = after(row(None, [7; 4]), AttemptSignal::Success, &RULE, None, None, Millis(8));
    assert_eq!(interrupted, CircuitState::CLOSED);
    assert_eq!(after(row(None, [7; 4]), AttemptSignal::None, &RULE, None, None, Millis(8)), row(None, [7; 4]));
}

#[test]
fn on_a_canary_it_waits_until_the_guard_has_seen_enough() {
    assert!(matches!(row(SOMEBODY, [100; 500]), CircuitState::Closed { failures: 500, .. }), "all in one moment");
    assert!(
        matches!(row(SOMEBODY, (0..9).map(|step| step * 1000)), CircuitState::Closed { failures: 9, .. }),
        "too few"
    );
    let ten_in_three_seconds = [0, 0, 0, 0, 0, 0, 0, 0, 0, 2999];
    assert!(matches!(row(SOMEBODY, ten_in_three_seconds), CircuitState::Closed { .. }));
    let opened = CircuitState::Open { failures: 11, until: Millis(63_000), tries: 0 };
    assert_eq!(fail(row(SOMEBODY, ten_in_three_seconds), SOMEBODY, 3000), opened);
    let patient = BreakerRule { failures: 12, ..RULE };
    let after_failure = |state, now| after(state, AttemptSignal::Failure, &patient, SOMEBODY, None, Millis(now));
    let eleven = (0..11).fold(CircuitState::CLOSED, |state, step| after_failure(state, step * 1000));
    assert!(matches!(eleven, CircuitState::Closed { failures: 11, .. }));
    assert!(matches!(after_failure(eleven, 11_000), CircuitState::Open { failures: 12, .. }));
}

#[test]
fn of_a_canary_one_callers_failures_count_once_until_anothers_come() {
    let (one, other) = (Some(Caller::user(Slot::of(7))), Some(Caller::user(Slot::of(8))));
    let alone = (0..1000).fold(CircuitState::CLOSED, |state, step| fail(state, one, step * 100));
    assert!(matches!(alone, CircuitState::Closed { failures: 1, .. }), "{alone:?}");
    let turns = [one, other].into_iter().cycle().zip((0..10).map(|step| step * 400));
    let by_turns = turns.fold(CircuitState::CLOSED, |state, (by, now)| fail(state, by, now));
    assert!(matches!(by_turns, CircuitState::Open { failures: 10, .. }), "{by_turns:?}");
    // A source is told apart from a user only where there are several; of one source all users are one.
    let sources = SourceGroup::ALL.map(|group| Some(Caller::source(group)));
    assert!(sources.iter().all(|source| *source != SOMEBODY));
    let forged = (0..1000).fold(CircuitState::CLOSED, |state, step| fail(state, sources[3], step * 100));
    assert!(matches!(forged, CircuitState::Closed { failures: 1, .. }), "{forged:?}");
}

#[test]
fn one_request_finds_out() {
    let open = row(None, [0; 5]);
    assert_eq!(admits(open, &RULE, Millis(59_999)), Admission::No { until: Millis(60_000) });
    let probing = CircuitState::HalfOpen { failures: 5, began: Millis(60_000), tries: 0 };
    assert_eq!(admits(open, &RULE, Millis(60_000)), Admission::Probe(probing));
    assert_eq!(admits(probing, &RULE, Millis(60_001)), Admission::No { until: Millis(120_000) });
    let after_probe = |verdict| after(probing, verdict, &RULE, SOMEBODY, Some(Millis(60_000)), Millis(61_000));
    assert_eq!(after_probe(AttemptSignal::Success), CircuitState::CLOSED);
    let again = CircuitState::Open { failures: 6, until: Millis(181_000), tries: 1 };
    assert_eq!(after_probe(AttemptSignal::Failure), again, "for twice as long");
    // One without a verdict leaves its place to the next.
    let released = after_probe(AttemptSignal::None);
    assert!(matches!(admits(released, &RULE, Millis(61_000)), Admission::Probe(_)));
}

#[test]
fn each_failed_probe_doubles_how_long_it_stays_open_up_to_two_minutes() {
    let lengths = |open_for: u64, times: usize| {
        let rule = BreakerRule { failures: 1, open_for: Millis(open_for) };
        let mut state = after(CircuitState::CLOSED, AttemptSignal::Failure, &rule, None, None, Millis(0));
        let (mut now, mut lengths) = (Millis(0), Vec::new());
        for _ in 0..times {
            let CircuitState::Open { until, .. } = state else { unreachable!("{state:?}") };
            lengths.push(until.since(now).0 / 1000);
            now = until;
            let Admission::Probe(probing) = admits(state, &rule, now) else { unreachable!("it is due") };
            state = after(probing, AttemptSignal::Failure, &rule, None, Some(now), now);
        }
        lengths
    };
    assert_eq!(lengths(15_000, 6), [15, 30, 60, 120, 120, 120]);
    assert_eq!(lengths(300_000, 3), [300, 300, 300], "what the file asks for is never cut");
    assert_eq!(lengths(1000, 40).last(), Some(&120));
    // Closed and opened anew, it begins again.
    let rule = BreakerRule { failures: 1, open_for: Millis(15_000) };
    let often = CircuitState::HalfOpen { failures: 9, began: Millis(7), tries: 9 };
    let closed = after(often, AttemptSignal::Success, &rule, None, Some(Millis(7)), Millis(8));
    let opened = after(closed, AttemptSignal::Failure, &rule, None, None, Millis(9));
    assert_eq!(opened, CircuitState::Open { failures: 1, until: Millis(15_009), tries: 0 });
}

#[test]
fn only_the_probe_decides() {
    let open = row(None, [0; 5]);
    let probing = CircuitState::HalfOpen { failures: 5, began: Millis(60_000), tries: 0 };
    for verdict in [AttemptSignal::Success, AttemptSignal::Failure, AttemptSignal::None] {
        assert_eq!(after(open, verdict, &RULE, None, None, Millis(10)), open, "one that was on its way: {verdict:?}");
        assert_eq!(after(probing, verdict, &RULE, None, None, Millis(60_001)), probing, "{verdict:?}");
        let given_up = Some(Millis(59_000));
        assert_eq!(after(probing, verdict, &RULE, None, given_up, Millis(60_001)), probing, "{verdict:?}");
    }
}

#[test]
fn a_probe_that_is_never_heard_of_is_given_up() {
    let lost = CircuitState::HalfOpen { failures: 5, began: Millis(60_000), tries: 0 };
    let Admission::Probe(next) = admits(lost, &RULE, Millis(120_000)) else { unreachable!("it is given up") };
    assert_eq!(next, CircuitState::HalfOpen { failures: 5, began: Millis(120_000), tries: 0 });
    // Even where a breaker is open for no time at all, two probes never go by the same moment.
    let none = BreakerRule { open_for: Millis(0), ..RULE };
    assert_eq!(admits(lost, &none, Millis(60_000)), Admission::No { until: Millis(60_001) });
}

#[test]
fn surfaces_are_told_when_a_probe_is_due() {
    let open = row(None, [0; 5]);
    assert_eq!([59_999, 60_000].map(|now| open.phase(Millis(now))), [BreakerPhase::Open, BreakerPhase::HalfOpen]);
    assert_eq!(row(None, [0; 4]).phase(Millis(0)), BreakerPhase::Closed);
}

#[test]
fn what_a_word_cannot_hold_is_cut_and_not_mixed_up() {
    let huge = CircuitState::Open { failures: u32::MAX, until: Millis(u64::MAX), tries: u32::MAX };
    let held = CircuitState::Open { failures: MOST_COUNTED, until: Millis(LATEST), tries: MOST_TRIES };
    assert_eq!(CircuitState::unpack(huge.pack()), held);
    assert_eq!(CircuitState::CLOSED.pack(), 0);
    // A rule that asks for more than is counted can still be met.
    let rule = BreakerRule { failures: u32::MAX, ..RULE };
    let full = CircuitState::Closed { failures: MOST_COUNTED - 1, first: Millis(0), last: Caller::UNKNOWN };
    assert!(matches!(after(full, AttemptSignal::Failure, &rule, None, None, Millis(1)), CircuitState::Open { .. }));
}

/// The same rules over plain lists.
#[derive(Debug, Default)]
struct Model {
    row: Vec<(u64, Option<Caller>)>,
    deadline: Option<u64>,
    probe: Option<u64>,
    failed_probes: u32,
}

impl Model {
    fn asked(&mut self, rule: &BreakerRule, now: u64) -> &'static str {
        let Some(deadline) = self.deadline else { return "yes" };
        if now < self.probe.map_or(deadline, |began| began + rule.open_for.0) {
            return "no";
        }
        self.probe = Some(now);
        "probe"
    }

    fn apply(&mut self, verdict: AttemptSignal, rule: &BreakerRule, by: Option<Caller>, probe: Option<u64>, now: u64) {
        if self.deadline.is_none() {
            let known = by.filter(|caller| *caller != Caller::UNKNOWN);
            match verdict {
                AttemptSignal::Success => self.row.clear(),
                AttemptSignal::Failure
                    if known.is_some() && self.row.last().is_some_and(|(_, last)| *last == known) =>
                {
                    return;
                }
                AttemptSignal::Failure => self.row.push((now, known)),
                AttemptSignal::None => {}
            }
            let enough = match self.row.first() {
                Some((first, _)) if by.is_some() => {
                    self.row.len() >= rule.failures.max(10) as usize && now - first >= 3000
                }
                Some(_) => self.row.len() >= rule.failures as usize,
                None => false,
            };
            if enough && verdict == AttemptSignal::Failure {
                self.deadline = Some(now + rule.open_for.0);
            }
            return;
        }
        if probe.is_none() || probe != self.probe {
            return;
        }
        let began = self.probe.take();
        match verdict {
            AttemptSignal::Success => *self = Model::default(),
            AttemptSignal::Failure => {
                self.failed_probes += 1;
                let twice = (0..self.failed_probes).fold(rule.open_for.0, |length, _| (length * 2).min(120_000));
                self.deadline = Some(now + twice);
            }
            AttemptSignal::None => self.deadline = began,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Wait(u64),
    Ask,
    /// By a request that was admitted as this one of those that are open.
    Tell(AttemptSignal, Option<Caller>, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let verdict = prop_oneof![2 => Just(AttemptSignal::Success), 6 => Just(AttemptSignal::Failure), 1 => Just(AttemptSignal::None)];
    let caller = prop_oneof![7 => Just(None), 3 => (0..4_u8).prop_map(|number| Some(Caller(number)))];
    let step = prop_oneof![
        2 => prop_oneof![0_u64..300, 0_u64..5000].prop_map(Step::Wait),
        4 => Just(Step::Ask),
        4 => (verdict, caller, any::<usize>()).prop_map(|(verdict, by, which)| Step::Tell(verdict, by, which)),
    ];
    prop::collection::vec(step, 1..300)
}

proptest! {
    #[test]
    fn a_word_gives_back_what_was_put_in(
        failures in 0..=MOST_COUNTED,
        at in 0..=LATEST,
        tries in 0..=MOST_TRIES,
        last in 0..=MOST_CALLERS,
        tag in 0..3,
    ) {
        let at = Millis(at);
        let state = match tag {
            0 => CircuitState::Closed { failures, first: at, last: Caller(last) },
            1 => CircuitState::Open { failures, until: at, tries },
            _ => CircuitState::HalfOpen { failures, began: at, tries },
        };
        prop_assert_eq!(CircuitState::unpack(state.pack()), state);
    }

    #[test]
    fn agrees_with_the_model_and_never_probes_twice(
        failures in 1_u32..14,
        open_for in 1_u64..8000,
        steps in steps(),
    ) {
        let rule = BreakerRule { failures, open_for: Millis(open_for) };
        let (mut word, mut model) = (0_u64, Model::default());
        let mut now = 0_u64;
        let mut open: Vec<Option<u64>> = Vec::new();
        let mut latest = 0;
        for step in steps {
            match step {
                Step::Wait(length) => now += length,
                Step::Ask => {
                    let state = CircuitState::unpack(word);
                    let (said, ticket) = match admits(state, &rule, Millis(now)) {
                        Admission::Yes => ("yes", None),
                        Admission::No { until } => {
                            prop_assert!(until.0 > now);
                            ("no", None)
                        }
                        Admission::Probe(next) => {
                            let running = open.iter().flatten().filter(|began| now - **began < open_for);
                            prop_assert_eq!(running.count(), 0, "a probe is on its way");
                            word = next.pack();
                            ("probe", Some(now))
                        }
                    };
                    prop_assert_eq!(said, model.asked(&rule, now));
                    // One that the breaker refuses is sent all the same where nobody else is left.
                    open.push(ticket);
                }
                Step::Tell(verdict, by, which) if !open.is_empty() => {
                    let probe = open.swap_remove(which % open.len());
                    let ticket = probe.map(Millis);
                    word = after(CircuitState::unpack(word), verdict, &rule, by, ticket, Millis(now)).pack();
                    model.apply(verdict, &rule, by, probe, now);
                }
                Step::Tell(..) => {}
            }
            match CircuitState::unpack(word) {
                CircuitState::Closed { failures, .. } => {
                    prop_assert_eq!(model.deadline, None);
                    prop_assert_eq!(failures as usize, model.row.len());
                }
                CircuitState::Open { until, .. } => {
                    prop_assert_eq!((model.deadline, model.probe), (Some(until.0), None));
                    prop_assert!(until.0 >= latest, "the deadline was shortened");
                    latest = until.0;
                }
                CircuitState::HalfOpen { began, .. } => prop_assert_eq!(model.probe, Some(began.0)),
            }
        }
    }
}
