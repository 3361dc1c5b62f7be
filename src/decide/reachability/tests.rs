//! What leaves a stable out and what brings it back, step by step and under anything at all.

use proptest::prelude::*;

use super::*;
use crate::decide::breaker::BreakerPhase;

const RULE: BreakerRule = BreakerRule { failures: 5, open_for: Millis(60_000) };

fn missed_at(moments: impl IntoIterator<Item = u64>) -> CircuitState {
    moments.into_iter().fold(CircuitState::CLOSED, |state, now| after_connect_failure(state, &RULE, Millis(now)))
}

#[test]
fn it_takes_so_many_failures_to_connect_over_a_second() {
    assert!(matches!(missed_at([7; 500]), CircuitState::Closed { failures: 500, first: Millis(7), .. }), "a burst");
    assert!(matches!(missed_at([0, 400, 800, 2000]), CircuitState::Closed { failures: 4, .. }), "too few");
    assert!(matches!(missed_at([0, 1, 2, 3, 999]), CircuitState::Closed { failures: 5, .. }), "too soon");
    assert_eq!(missed_at([0, 1, 2, 3, 1000]), CircuitState::Open { failures: 5, until: Millis(2000), tries: 0 });
    // Where there is little traffic the row is as long as it takes.
    let hour = 3_600_000;
    let rare = missed_at((0..5).map(|step| step * hour));
    assert_eq!(rare, CircuitState::Open { failures: 5, until: Millis(4 * hour + 1000), tries: 0 });
    // Those that were under way do not move the deadline.
    assert_eq!(after_connect_failure(rare, &RULE, Millis(4 * hour + 900)), rare);
}

#[test]
fn serin_tries_after_1_2_4_seconds_up_to_15() {
    let (mut state, mut now, mut pauses) = (missed_at([0, 1, 2, 3, 1000]), Millis(1000), Vec::new());
    for _ in 0..7 {
        let CircuitState::Open { until, .. } = state else { unreachable!("{state:?}") };
        assert_eq!(begin_probe(state, Millis(until.0 - 1)), None);
        assert_eq!(state.phase(Millis(until.0 - 1)), BreakerPhase::Open);
        let trying = begin_probe(state, until).unwrap();
        assert_eq!(trying.phase(until), BreakerPhase::HalfOpen);
        assert_eq!(begin_probe(trying, Millis(until.0 + 1)), None, "one at a time");
        pauses.push(until.since(now).0 / 1000);
        now = until;
        state = after_probe(trying, until, false, until);
    }
    assert_eq!(pauses, [1, 2, 4, 8, 15, 15, 15]);
    let trying = begin_probe(state, Millis(now.0 + 15_000)).unwrap();
    assert_eq!(after_probe(trying, Millis(now.0 + 15_000), true, Millis(now.0 + 15_001)), CircuitState::CLOSED);
}

#[test]
fn a_probe_that_is_lost_is_begun_anew_and_then_says_nothing() {
    let trying = begin_probe(missed_at([0, 1, 2, 3, 1000]), Millis(2000)).unwrap();
    assert_eq!(begin_probe(trying, Millis(31_999)), None);
    let anew = begin_probe(trying, Millis(32_000)).unwrap();
    for connected in [true, false] {
        assert_eq!(after_probe(anew, Millis(2000), connected, Millis(32_001)), anew);
        // Something else was quicker.
        assert_eq!(after_probe(CircuitState::CLOSED, Millis(2000), connected, Millis(32_001)), CircuitState::CLOSED);
    }
}

#[derive(Clone, Copy, Debug)]
enum Seen {
    Wait(u64),
    Missed,
    Head,
    Probe(bool),
}

proptest! {
    // A row is made of failures to connect and of nothing else, and any head ends it.
    #[test]
    fn it_is_left_out_for_nothing_else(
        failures in 1_u32..8,
        seen in prop::collection::vec(
            prop_oneof![
                3 => (0_u64..700).prop_map(Seen::Wait),
                5 => Just(Seen::Missed),
                1 => Just(Seen::Head),
                2 => any::<bool>().prop_map(Seen::Probe),
            ],
            1..200,
        ),
    ) {
        let rule = BreakerRule { failures, ..RULE };
        let (mut state, mut now, mut row) = (CircuitState::CLOSED, 0, Vec::new());
        let mut out = false;
        for step in seen {
            match step {
                Seen::Wait(length) => now += length,
                Seen::Missed => {
                    state = CircuitState::unpack(after_connect_failure(state, &rule, Millis(now)).pack());
                    row.push(now);
                    out |= row.len() >= failures as usize && now - row[0] >= 1000;
                }
                Seen::Head => (state, row, out) = (CircuitState::CLOSED, Vec::new(), false),
                Seen::Probe(connected) => {
                    let begun = begin_probe(state, Millis(now));
                    prop_assert!(begun.is_none() || out, "a stable that is not left out is probed");
                    if let Some(trying) = begun {
                        state = after_probe(trying, Millis(now), connected, Millis(now));
                        if connected {
                            (row, out) = (Vec::new(), false);
                        }
                    }
                }
            }
            prop_assert_eq!(!matches!(state, CircuitState::Closed { .. }), out);
            // It is never longer until the next probe than it may be.
            if let CircuitState::Open { until, .. } = state {
                prop_assert!(until.0 <= now + LONGEST_PAUSE.0);
            }
        }
    }
}
