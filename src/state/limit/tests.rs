//! Limits that several cores share, by a clock that the test turns.

use std::sync::atomic::AtomicUsize;
use std::thread;

use super::queue::MOST_WAITING;
use super::*;
use crate::decide::policy::WhenFull;
use crate::decide::units::Millis;

const NOW: u64 = 5_000_000_000;
const SECOND: u64 = 1_000_000_000;

fn limit() -> RateLimit {
    RateLimit {
        requests: Some(Rate::new(600, 100)),
        tokens: Some(Rate::new(60_000, 60_000)),
        in_flight: Some(150),
        when_full: WhenFull::Fallback,
        wait: Millis(2000),
        follow_headers: true,
    }
}

fn ask(tokens: u64) -> Ask {
    Ask { now: NOW, since: NOW, tokens, yields: false }
}

#[test]
fn what_has_no_room_takes_nothing() {
    let (state, limit) = (LimitState::default(), limit());
    state.take(&limit, ask(60_000)).unwrap();
    let full = state.take(&limit, ask(1)).unwrap_err();
    assert_eq!((full.kind, full.not_before), (LimitKind::Tokens, Some(NOW + SECOND / 1000)));
    assert_eq!((state.left(&limit, NOW), state.in_flight(), state.sent()), ([Some(99), Some(0)], 1, 1));
    // It took less than it had reserved.
    state.settle(&limit, 60_000, 100);
    assert_eq!((state.left(&limit, NOW), state.in_flight()), ([Some(99), Some(59_900)], 0));
    state.take(&limit, ask(10)).unwrap();
    state.settle(&limit, 10, 5010);
    assert_eq!(state.left(&limit, NOW), [Some(98), Some(54_890)]);
    // It was let pass and not sent.
    state.take(&limit, ask(10)).unwrap();
    state.give_back(&limit, 10);
    assert_eq!((state.left(&limit, NOW), state.in_flight(), state.sent()), ([Some(98), Some(54_890)], 0, 2));
}

#[test]
fn requests_under_way_are_bounded_until_they_end() {
    let state = LimitState::default();
    let limit = RateLimit { requests: None, tokens: None, in_flight: Some(2), ..limit() };
    assert!(state.take(&limit, ask(0)).is_ok() && state.take(&limit, ask(0)).is_ok());
    assert_eq!(state.take(&limit, ask(0)), Err(Full { kind: LimitKind::InFlight, not_before: None }));
    state.force(&limit, ask(0));
    state.settle(&limit, 0, 0);
    assert!(state.take(&limit, ask(0)).is_err(), "one too many is under way");
    state.settle(&limit, 0, 0);
    assert!(state.take(&limit, ask(0)).is_ok());
}

#[test]
fn what_gives_way_does_so_while_a_fifth_is_left() {
    let (state, limit) = (LimitState::default(), RateLimit { tokens: None, in_flight: None, ..limit() });
    (0..80).for_each(|_| state.take(&limit, ask(0)).unwrap());
    assert!(!state.is_low(&limit, NOW));
    state.take(&limit, ask(0)).unwrap();
    assert!(state.is_low(&limit, NOW));
    assert!(state.take(&limit, Ask { yields: true, ..ask(0) }).is_err());
    assert!(state.take(&limit, ask(0)).is_ok());
}

#[test]
fn nobody_passes_those_who_wait_and_who_leaves_makes_room() {
    let state = LimitState::default();
    let limit = RateLimit { requests: Some(Rate::new(600, 1)), tokens: None, in_flight: None, ..limit() };
    state.take(&limit, ask(0)).unwrap();
    let (first, second) = (state.queue.join(false).unwrap(), state.queue.join(false).unwrap());
    assert_eq!((first.is_first(), second.is_first(), state.queue.waiting()), (true, false, 2));
    let later = Ask { now: NOW + SECOND, since: NOW + SECOND, ..ask(0) };
    let full = state.take(&limit, later).unwrap_err();
    assert_eq!(full.not_before, Some(later.now + 3 * SECOND / 10), "two come before it");
    assert!(state.take_as_first(&limit, Ask { since: NOW, ..later }).is_ok());
    drop(first);
    assert!(second.is_first());
    drop(second);
    assert_eq!(state.queue.waiting(), 0);
}

#[test]
fn places_are_bounded() {
    let state = LimitState::default();
    let places: Vec<_> = std::iter::from_fn(|| state.queue.join(false)).take(MOST_WAITING + 1).collect();
    assert_eq!(places.len(), MOST_WAITING);
    drop(places);
    assert!(state.queue.join(false).is_some());
}

#[tokio::test]
async fn whoever_is_woken_before_it_sleeps_does_not_sleep() {
    let state = LimitState::default();
    let limit = RateLimit { requests: None, tokens: None, in_flight: Some(1), ..limit() };
    state.take(&limit, ask(0)).unwrap();
    let (first, second) = (state.queue.join(false).unwrap(), state.queue.join(false).unwrap());
    assert!(state.take_as_first(&limit, ask(0)).is_err());
    state.settle(&limit, 0, 0);
    first.woken().await;
    assert!(state.take_as_first(&limit, ask(0)).is_ok());
    drop(first);
    second.woken().await;
    assert!(second.is_first());
}

#[test]
fn what_the_provider_says_is_followed() {
    let (state, limit) = (LimitState::default(), limit());
    state.follow(&limit, NOW, [Some(7), None]);
    assert_eq!(state.left(&limit, NOW), [Some(7), Some(60_000)]);
    state.close_until(&limit, NOW + 3 * SECOND);
    assert_eq!(state.take(&limit, ask(1)).unwrap_err().not_before, Some(NOW + 3 * SECOND));
}

#[test]
fn a_reload_changes_a_rate_and_not_what_was_used() {
    let (state, before) = (LimitState::default(), limit());
    (0..100).for_each(|_| state.take(&before, ask(300)).unwrap());
    let after = RateLimit { requests: Some(Rate::new(6000, 110)), tokens: Some(Rate::new(40_000, 40_000)), ..limit() };
    state.adopt(&before, &after, NOW);
    assert_eq!(state.left(&after, NOW), [Some(10), Some(10_000)]);
}

/// Eight cores ask for one bucket: it gives what it has, to nobody twice.
#[test]
fn cores_share_one_bucket() {
    let (state, limit, passed) = (LimitState::default(), limit(), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    if state.take(&limit, ask(10)).is_ok() {
                        passed.fetch_add(1, Relaxed);
                        state.settle(&limit, 10, 0);
                    }
                }
            });
        }
    });
    assert_eq!((passed.into_inner(), state.in_flight()), (100, 0));
    assert_eq!(state.left(&limit, NOW), [Some(0), Some(60_000)]);
}

#[test]
fn a_client_has_a_bucket_of_its_own() {
    let (state, rate) = (LimitState::default(), Rate::new(60, 2));
    assert!(take_of_client(&state, rate, NOW).is_ok() && take_of_client(&state, rate, NOW).is_ok());
    assert_eq!(take_of_client(&state, rate, NOW), Err(NOW + SECOND));
    assert!(take_of_client(&state, rate, NOW + SECOND).is_ok());
    assert_eq!(state.sent(), 3);
}

#[test]
fn who_gives_way_waits_behind_all_others_and_holds_up_none_of_them() {
    let state = LimitState::default();
    let limit = RateLimit { tokens: None, in_flight: Some(10), ..limit() };
    let low = Ask { yields: true, ..ask(0) };
    (0..8).for_each(|_| state.take(&limit, low).unwrap());
    assert_eq!(state.take(&limit, low), Err(Full { kind: LimitKind::InFlight, not_before: None }), "a fifth is left");
    let waits = state.queue.join(true).unwrap();
    assert!(waits.is_first());
    assert_eq!([false, true].map(|yields| state.queue.ahead(yields)), [0, 1]);
    assert!(state.take(&limit, ask(0)).is_ok(), "others do not wait for it");
    let usual = state.queue.join(false).unwrap();
    assert!(usual.is_first() && !waits.is_first() && state.queue.waiting() == 2);
    assert_eq!(state.take(&limit, ask(0)).unwrap_err().kind, LimitKind::InFlight, "what those wait for who came first");
    drop(usual);
    assert!(waits.is_first());
}

#[test]
fn what_was_reserved_by_an_earlier_file_is_given_back_by_the_one_in_force() {
    let tokens = |most| RateLimit { tokens: Some(Rate::new(most, most)), ..limit() };
    for (before, after, left) in [(6_000, 60_000, 60_000 - 924 + 900), (60_000, 6_000, 6_000 - 924 + 900)] {
        let (state, before, after) = (LimitState::default(), tokens(before), tokens(after));
        state.put_in_force(&before);
        state.take(&before, ask(924)).unwrap();
        state.adopt(&before, &after, NOW);
        state.settle(&before, 924, 24);
        assert_eq!(state.left(&after, NOW)[1], Some(left));
    }
}
