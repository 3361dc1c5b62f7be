//! Keys that rest, are refused, and come back: one at a time, and under many threads.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use super::*;

const AT: Millis = Millis(1_000_000);
const MODEL: u64 = 7;
const OTHER: u64 = 9;

/// Keys with these accounts, by number.
fn ring<const N: usize>(accounts: [usize; N]) -> KeyRing {
    let all: Vec<Arc<AccountState>> = (0..N).map(|_| Arc::default()).collect();
    KeyRing::new(accounts.map(|account| RingKey { key: Arc::default(), account: Arc::clone(&all[account]) }))
}

fn later(millis: u64) -> Millis {
    AT.plus(Millis(millis))
}

fn chosen(ring: &KeyRing, home: usize, tried: &[usize], now: Millis) -> Option<(usize, bool)> {
    ring.choose(home, MODEL, tried, now).map(|KeyChoice { index, trial, .. }| (index, trial))
}

#[test]
fn the_next_usable_key_is_chosen_from_home_on() {
    let ring = ring([0, 1, 2]);
    assert_eq!(chosen(&ring, 0, &[], AT), Some((0, false)));
    assert_eq!(chosen(&ring, 2, &[2], AT), Some((0, false)), "around the end");
    ring.record(0, MODEL, KeySignal::Refused(401), AT);
    ring.record(1, MODEL, KeySignal::Throttled(None), AT);
    assert_eq!(chosen(&ring, 0, &[], AT), Some((2, false)));
    assert!(ring.has_usable(MODEL, &[], AT) && !ring.has_usable(MODEL, &[2], AT));
    ring.record(2, MODEL, KeySignal::Spent(Millis(60_000)), AT);
    assert_eq!(chosen(&ring, 0, &[], AT), None);
    assert_eq!(ring.soonest(0, MODEL, AT), KeyChoice { index: 1, trial: true, taken: false }, "what lasts least");
}

#[test]
fn a_429_rests_the_account_and_the_model_and_a_refusal_the_key() {
    let ring = ring([0, 0, 2]);
    ring.record(0, MODEL, KeySignal::Throttled(Some(Millis(30_000))), AT);
    let usable = |model| [0, 1, 2].map(|key| ring.choose(key, model, &[], AT).unwrap().index);
    assert_eq!((usable(MODEL), usable(OTHER)), ([2, 2, 2], [0, 1, 2]));
    ring.record(1, OTHER, KeySignal::Refused(401), AT);
    assert_eq!(usable(OTHER), [0, 2, 2], "the account goes on with its other key");
    ring.record(0, OTHER, KeySignal::Spent(Millis(60_000)), AT);
    assert_eq!((usable(MODEL), usable(OTHER)), ([2; 3], [2; 3]), "a quota is that of all models");
}

#[test]
fn one_request_tests_a_key_whose_rest_is_over_and_its_success_frees_it() {
    let ring = ring([0, 1]);
    ring.record(0, MODEL, KeySignal::Throttled(Some(Millis(1000))), AT);
    assert_eq!(chosen(&ring, 0, &[], later(999)), Some((1, false)));
    assert_eq!(chosen(&ring, 0, &[], later(1000)), Some((0, true)));
    assert_eq!(chosen(&ring, 0, &[], later(1001)), Some((1, false)), "the others wait for it");
    assert!(ring.tidy(later(1001)));
    ring.accepted(0, MODEL);
    assert_eq!(chosen(&ring, 0, &[], later(1002)), Some((0, false)));
    assert!(!ring.tidy(later(1002)), "nothing is left to know");
}

#[test]
fn a_refused_key_is_tried_once_in_ten_minutes() {
    let ring = ring([0, 1]);
    ring.record(0, MODEL, KeySignal::Refused(403), AT);
    assert_eq!(ring.keys()[0].key.status(), 403);
    let first =
        [0, 599_999, 600_000, 600_001, 1_199_999, 1_200_000].map(|at| chosen(&ring, 0, &[], later(at)).unwrap().0);
    assert_eq!(first, [1, 1, 0, 1, 1, 0]);
    assert!(ring.tidy(later(10_000_000)), "a refusal is not forgotten by itself");
    ring.accepted(0, MODEL);
    assert_eq!(chosen(&ring, 0, &[], later(600_003)), Some((0, false)));
}

#[test]
fn a_rest_that_is_long_over_is_forgotten() {
    let ring = ring([0]);
    ring.record(0, MODEL, KeySignal::Throttled(None), AT);
    assert!(ring.tidy(later(605_000)));
    assert!(!ring.tidy(later(605_001)));
    assert!(ring.keys()[0].account.throttled(MODEL).is_none());
}

#[test]
fn more_models_than_there_is_room_for_cost_a_request_and_no_memory() {
    let ring = ring([0]);
    for model in 1..1000 {
        ring.record(0, model, KeySignal::Throttled(None), AT);
        assert!(ring.choose(0, model, &[], AT).is_none(), "{model}");
    }
    let account = &ring.keys()[0].account;
    assert_eq!(account.models().count(), 16);
    assert!(ring.choose(0, 1, &[], AT).is_some(), "the first is forgotten");
}

#[test]
fn a_ring_without_keys_has_none() {
    let ring = KeyRing::default();
    assert_eq!((chosen(&ring, 0, &[], AT), ring.has_usable(MODEL, &[], AT)), (None, false));
    assert_eq!(ring.soonest(3, MODEL, AT), KeyChoice { index: 0, trial: true, taken: false });
    ring.record(0, MODEL, KeySignal::Refused(401), AT);
    ring.accepted(0, MODEL);
}

#[test]
fn a_model_is_known_by_its_name_and_none_is_nothing() {
    let all = [None, Some("gpt-4o"), Some("gpt-4o-mini"), Some("deepseek-chat")].map(model_hash);
    assert!(all.iter().all(|hash| *hash != 0));
    assert!((1..all.len()).all(|index| !all[..index].contains(&all[index])), "{all:?}");
    assert_eq!(model_hash(Some("gpt-4o")), all[1]);
}

/// Of each round's threads one is given the test of the key.
#[test]
fn of_all_who_ask_at_once_one_tests_a_key() {
    const THREADS: usize = 8;
    for round in 0..200 {
        let ring = ring([0, 1]);
        ring.record(0, MODEL, KeySignal::Throttled(Some(Millis(10))), AT);
        let tests = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    let choice = ring.choose(0, MODEL, &[], later(10)).unwrap();
                    assert_eq!(choice.trial, choice.index == 0);
                    tests.fetch_add(usize::from(choice.trial), SeqCst);
                });
            }
        });
        assert_eq!(tests.load(SeqCst), 1, "round {round}");
    }
}

#[test]
fn a_refused_key_is_tested_though_another_is_usable_and_one_that_was_not_asked_is_tested_by_the_next() {
    let keys = ring([0, 1]);
    keys.record(1, MODEL, KeySignal::Refused(401), later(0));
    assert_eq!(chosen(&keys, 0, &[], later(1)), Some((0, false)));
    let due = later(600_000);
    let tested = || keys.choose_refused(0, MODEL, &[], due).map(|choice| (choice.index, choice.taken));
    assert_eq!((tested(), tested()), (Some((1, true)), None), "one request tests it");
    assert_eq!(chosen(&keys, 0, &[], due), Some((0, false)));
    keys.give_up_trial(1, MODEL, due);
    assert_eq!(tested(), Some((1, true)));
    assert_eq!(keys.choose_refused(0, MODEL, &[1], later(1_200_000)), None, "it was tried");
}

#[test]
fn the_soonest_is_the_one_that_rests_the_shortest_and_a_refused_one_comes_last() {
    let keys = ring([0, 1, 2]);
    keys.record(0, 1, KeySignal::Throttled(Some(Millis(86_400_000))), later(0));
    keys.record(1, 1, KeySignal::Spent(Millis(3000)), later(0));
    keys.record(2, 1, KeySignal::Refused(401), later(0));
    assert_eq!(keys.soonest(0, 1, later(1)).index, 1);
    keys.record(1, 1, KeySignal::Refused(401), later(0));
    assert_eq!(keys.soonest(1, 1, later(1)).index, 0);
}
