//! One breaker under many threads.

use std::sync::Barrier;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;

use super::*;

const RULE: BreakerRule = BreakerRule { failures: 3, open_for: Millis(1000) };

fn opened() -> ProviderHealth {
    let health = ProviderHealth::new("holysheep".to_owned());
    for _ in 0..3 {
        health.tell(Some(&RULE), None, None, Verdict::Failure, Millis(0));
    }
    health
}

#[test]
fn opens_probes_and_closes() {
    let health = opened();
    assert_eq!(health.admits(Some(&RULE), Millis(999)), Admit::No);
    assert_eq!(health.state(Breaker::Failures, Millis(999)), BreakerState::Open);
    let Admit::Probe(ticket) = health.admits(Some(&RULE), Millis(1000)) else { unreachable!("the probe is due") };
    assert_eq!(health.admits(Some(&RULE), Millis(1000)), Admit::No);
    assert_eq!(health.state(Breaker::Failures, Millis(1000)), BreakerState::HalfOpen);
    health.tell(Some(&RULE), None, Some(ticket), Verdict::Success, Millis(1001));
    assert_eq!(health.admits(Some(&RULE), Millis(1001)), Admit::Yes);
    assert_eq!(health.look(Breaker::Failures), State::CLOSED);
}

#[test]
fn without_a_rule_nothing_is_counted_and_nobody_refused() {
    let health = opened();
    assert_eq!(health.admits(None, Millis(1)), Admit::Yes);
    let before = health.look(Breaker::Failures);
    health.tell(None, None, None, Verdict::Failure, Millis(1));
    assert_eq!(health.look(Breaker::Failures), before);
    health.forget();
    assert_eq!(health.look(Breaker::Failures), State::CLOSED);
}

#[test]
fn every_diverted_request_is_counted() {
    let health = ProviderHealth::new("holysheep".to_owned());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1000).for_each(|_| health.count_diverted(Breaker::Reach)));
        }
    });
    assert_eq!(Breaker::ALL.map(|breaker| health.diverted(breaker)), [0, 4000]);
}

#[test]
fn what_a_stable_answers_never_leaves_it_out() {
    let health = opened();
    assert_eq!(health.admits_to_stable(Some(&RULE)), Admit::Yes, "failures in a row are another matter");
    for now in [0, 500, 999] {
        health.missed(Some(&RULE), Millis(now));
    }
    assert_eq!(health.admits_to_stable(Some(&RULE)), Admit::Yes, "less than a second");
    health.missed(Some(&RULE), Millis(1000));
    assert_eq!(health.admits_to_stable(Some(&RULE)), Admit::No);
    assert_eq!(health.admits_to_stable(None), Admit::Yes);
    health.heard();
    assert_eq!(health.admits_to_stable(Some(&RULE)), Admit::Yes, "one head brings it back");
    // And its row begins anew.
    health.missed(Some(&RULE), Millis(9000));
    assert_eq!(health.admits_to_stable(Some(&RULE)), Admit::Yes);
}

#[test]
fn no_request_finds_out_whether_stable_can_be_reached() {
    let health = ProviderHealth::new("openai".to_owned());
    [0, 500, 1000].into_iter().for_each(|now| health.missed(Some(&RULE), Millis(now)));
    assert_eq!(health.begins_to_connect(Millis(1999)), None);
    let ticket = health.begins_to_connect(Millis(2000)).unwrap();
    assert_eq!(health.begins_to_connect(Millis(2000)), None, "one at a time");
    assert_eq!(health.admits_to_stable(Some(&RULE)), Admit::No);
    health.connected(ticket, false, Millis(2001));
    assert_eq!(health.begins_to_connect(Millis(4000)), None);
    let ticket = health.begins_to_connect(Millis(4001)).unwrap();
    assert_eq!(health.admits_to_stable(Some(&RULE)), Admit::No, "however late it is");
    health.connected(ticket, true, Millis(4002));
    assert_eq!(health.admits_to_stable(Some(&RULE)), Admit::Yes);
    assert!(health.is_well());
}

/// Threads ask for the same moment over and over; of each round's askers one gets the probe.
#[test]
fn of_all_who_ask_at_once_one_probes() {
    const THREADS: usize = 8;
    const ROUNDS: u64 = 500;
    let health = opened();
    let (begins, ends) = (Barrier::new(THREADS), Barrier::new(THREADS));
    let probes = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for round in 1..=ROUNDS {
                    // Past the longest that it stays open.
                    let now = Millis(round * 200_000);
                    begins.wait();
                    let admitted = health.admits(Some(&RULE), now);
                    ends.wait();
                    // Its failure makes the next probe due by the next round, whatever the others tell.
                    match admitted {
                        Admit::Probe(ticket) => {
                            probes.fetch_add(1, SeqCst);
                            health.tell(Some(&RULE), None, Some(ticket), Verdict::Failure, now);
                        }
                        Admit::No => health.tell(Some(&RULE), None, None, Verdict::Success, now),
                        Admit::Yes => unreachable!("it is open all the time"),
                    }
                }
            });
        }
    });
    assert_eq!(probes.load(SeqCst) as u64, ROUNDS);
}

/// Threads run freely through everything that can happen; whoever probes is alone.
#[test]
fn never_two_probes_at_a_time() {
    // Soon due, never given up.
    let soon = BreakerRule { open_for: Millis(1), ..RULE };
    let patient = BreakerRule { open_for: Millis(1 << 40), ..RULE };
    let health = opened();
    let (probing, clock, probes) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for thread in 0..8_u64 {
            let (health, probing, clock, probes) = (&health, &probing, &clock, &probes);
            let (soon, patient) = (&soon, &patient);
            scope.spawn(move || {
                for step in 0..10_000_u64 {
                    let now = Millis(clock.fetch_add(1, SeqCst));
                    let verdict = match (step * 31 + thread * 17) % 11 {
                        0 => Verdict::Success,
                        1 => Verdict::None,
                        _ => Verdict::Failure,
                    };
                    match health.admits(Some(patient), now) {
                        Admit::Yes | Admit::No => health.tell(Some(soon), None, None, verdict, now),
                        Admit::Probe(ticket) => {
                            assert_eq!(probing.fetch_add(1, SeqCst), 0, "two probes");
                            probes.fetch_add(1, SeqCst);
                            thread::yield_now();
                            probing.fetch_sub(1, SeqCst);
                            health.tell(Some(soon), None, Some(ticket), verdict, now);
                        }
                    }
                }
            });
        }
    });
    assert!(probes.load(SeqCst) > 1, "nobody ever probed");
}

/// While nothing succeeds the deadline only moves on, even where one thread's clock is behind another's.
#[test]
fn no_deadline_is_shortened() {
    let health = opened();
    let probes = AtomicUsize::new(0);
    thread::scope(|scope| {
        for thread in 0..8_u64 {
            let (health, probes) = (&health, &probes);
            scope.spawn(move || {
                let mut latest = Millis(0);
                for step in 0..20_000_u64 {
                    let now = Millis(step * 7 + thread * 900);
                    let shorter = BreakerRule { open_for: Millis(1 + step % 1000), ..RULE };
                    let verdict = if step % 5 == 0 { Verdict::None } else { Verdict::Failure };
                    let ticket = match health.admits(Some(&shorter), now) {
                        Admit::Probe(ticket) => {
                            probes.fetch_add(1, SeqCst);
                            Some(ticket)
                        }
                        _ => None,
                    };
                    health.tell(Some(&shorter), None, ticket, verdict, Millis(now.0 / 2));
                    if let State::Open { until, .. } = health.look(Breaker::Failures) {
                        assert!(until >= latest, "{until:?} after {latest:?}");
                        latest = until;
                    }
                }
            });
        }
    });
    assert!(probes.load(SeqCst) > 1, "nobody ever probed");
}
