//! One breaker and one turn under many threads.

use std::sync::Barrier;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;

use super::*;

const RULE: BreakerRule = BreakerRule { failures: 3, open_for: Millis(1000) };

fn opened() -> ProviderState {
    let provider = ProviderState::new("holysheep".to_owned());
    for _ in 0..3 {
        provider.end_attempt(Some(&RULE), None, None, AttemptSignal::Failure, Millis(0));
    }
    provider
}

#[test]
fn opens_probes_and_closes() {
    let provider = opened();
    assert_eq!(provider.admits(Some(&RULE), Millis(999)), ProviderAdmission::No);
    assert_eq!(provider.phase(BreakerKind::Failures, Millis(999)), BreakerPhase::Open);
    let ProviderAdmission::Probe(ticket) = provider.admits(Some(&RULE), Millis(1000)) else {
        unreachable!("the probe is due")
    };
    assert_eq!(provider.admits(Some(&RULE), Millis(1000)), ProviderAdmission::No);
    assert_eq!(provider.phase(BreakerKind::Failures, Millis(1000)), BreakerPhase::HalfOpen);
    provider.end_attempt(Some(&RULE), None, Some(ticket), AttemptSignal::Success, Millis(1001));
    assert_eq!(provider.admits(Some(&RULE), Millis(1001)), ProviderAdmission::Yes);
    assert_eq!(provider.circuit(BreakerKind::Failures), CircuitState::CLOSED);
}

#[test]
fn without_a_rule_nothing_is_counted_and_nobody_refused() {
    let provider = opened();
    assert_eq!(provider.admits(None, Millis(1)), ProviderAdmission::Yes);
    let before = provider.circuit(BreakerKind::Failures);
    provider.end_attempt(None, None, None, AttemptSignal::Failure, Millis(1));
    assert_eq!(provider.circuit(BreakerKind::Failures), before);
    provider.forget_failures();
    assert_eq!(provider.circuit(BreakerKind::Failures), CircuitState::CLOSED);
}

#[test]
fn every_diverted_request_is_counted() {
    let provider = ProviderState::new("holysheep".to_owned());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1000).for_each(|_| provider.count_diverted(BreakerKind::Reach)));
            scope.spawn(|| (0..500).for_each(|_| provider.count_bypass(BreakerKind::Reach)));
        }
    });
    assert_eq!(BreakerKind::ALL.map(|breaker| provider.diverted(breaker)), [0, 4000]);
    assert_eq!(BreakerKind::ALL.map(|breaker| provider.bypassed(breaker)), [0, 2000]);
}

#[test]
fn what_a_stable_answers_never_leaves_it_out() {
    let provider = opened();
    assert_eq!(provider.admits_to_stable(Some(&RULE)), ProviderAdmission::Yes, "failures in a row are another matter");
    for now in [0, 500, 999] {
        provider.record_connect_failure(Some(&RULE), Millis(now));
    }
    assert_eq!(provider.admits_to_stable(Some(&RULE)), ProviderAdmission::Yes, "less than a second");
    provider.record_connect_failure(Some(&RULE), Millis(1000));
    assert_eq!(provider.admits_to_stable(Some(&RULE)), ProviderAdmission::No);
    assert_eq!(provider.admits_to_stable(None), ProviderAdmission::Yes);
    provider.record_response_head();
    assert_eq!(provider.admits_to_stable(Some(&RULE)), ProviderAdmission::Yes, "one head brings it back");
    // And its row begins anew.
    provider.record_connect_failure(Some(&RULE), Millis(9000));
    assert_eq!(provider.admits_to_stable(Some(&RULE)), ProviderAdmission::Yes);
}

#[test]
fn no_request_finds_out_whether_stable_can_be_reached() {
    let provider = ProviderState::new("openai".to_owned());
    [0, 500, 1000].into_iter().for_each(|now| provider.record_connect_failure(Some(&RULE), Millis(now)));
    assert_eq!(provider.begin_connect_probe(Millis(1999)), None);
    let ticket = provider.begin_connect_probe(Millis(2000)).unwrap();
    assert_eq!(provider.begin_connect_probe(Millis(2000)), None, "one at a time");
    assert_eq!(provider.admits_to_stable(Some(&RULE)), ProviderAdmission::No);
    provider.end_connect_probe(ticket, false, Millis(2001));
    assert_eq!(provider.begin_connect_probe(Millis(4000)), None);
    let ticket = provider.begin_connect_probe(Millis(4001)).unwrap();
    assert_eq!(provider.admits_to_stable(Some(&RULE)), ProviderAdmission::No, "however late it is");
    provider.end_connect_probe(ticket, true, Millis(4002));
    assert_eq!(provider.admits_to_stable(Some(&RULE)), ProviderAdmission::Yes);
    assert!(provider.is_healthy());
}

#[test]
fn what_is_learnt_of_a_key_while_keys_are_reviewed_stays_known() {
    let provider = ProviderState::new("holysheep".to_owned());
    provider.review_keys(|| unreachable!("nothing was learnt"));
    provider.note_key_trouble();
    provider.review_keys(|| true);
    assert!(provider.has_key_trouble());
    provider.review_keys(|| {
        provider.note_key_trouble();
        false
    });
    assert!(provider.has_key_trouble());
    provider.review_keys(|| false);
    assert!(!provider.has_key_trouble());
}

/// Threads ask for the same moment over and over; of each round's askers one gets the probe.
#[test]
fn of_all_who_ask_at_once_one_probes() {
    const THREADS: usize = 8;
    const ROUNDS: u64 = 500;
    let provider = opened();
    let (begins, ends) = (Barrier::new(THREADS), Barrier::new(THREADS));
    let probes = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for round in 1..=ROUNDS {
                    // Past the longest that it stays open.
                    let now = Millis(round * 200_000);
                    begins.wait();
                    let admitted = provider.admits(Some(&RULE), now);
                    ends.wait();
                    // Its failure makes the next probe due by the next round, whatever the others tell.
                    match admitted {
                        ProviderAdmission::Probe(ticket) => {
                            probes.fetch_add(1, SeqCst);
                            provider.end_attempt(Some(&RULE), None, Some(ticket), AttemptSignal::Failure, now);
                        }
                        ProviderAdmission::No => {
                            provider.end_attempt(Some(&RULE), None, None, AttemptSignal::Success, now)
                        }
                        ProviderAdmission::Yes => unreachable!("it is open all the time"),
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
    let provider = opened();
    let (probing, clock, probes) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for thread in 0..8_u64 {
            let (provider, probing, clock, probes) = (&provider, &probing, &clock, &probes);
            let (soon, patient) = (&soon, &patient);
            scope.spawn(move || {
                for step in 0..10_000_u64 {
                    let now = Millis(clock.fetch_add(1, SeqCst));
                    let verdict = match (step * 31 + thread * 17) % 11 {
                        0 => AttemptSignal::Success,
                        1 => AttemptSignal::None,
                        _ => AttemptSignal::Failure,
                    };
                    match provider.admits(Some(patient), now) {
                        ProviderAdmission::Yes | ProviderAdmission::No => {
                            provider.end_attempt(Some(soon), None, None, verdict, now)
                        }
                        ProviderAdmission::Probe(ticket) => {
                            assert_eq!(probing.fetch_add(1, SeqCst), 0, "two probes");
                            probes.fetch_add(1, SeqCst);
                            thread::yield_now();
                            probing.fetch_sub(1, SeqCst);
                            provider.end_attempt(Some(soon), None, Some(ticket), verdict, now);
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
    let provider = opened();
    let probes = AtomicUsize::new(0);
    thread::scope(|scope| {
        for thread in 0..8_u64 {
            let (provider, probes) = (&provider, &probes);
            scope.spawn(move || {
                let mut latest = Millis(0);
                for step in 0..20_000_u64 {
                    let now = Millis(step * 7 + thread * 900);
                    let shorter = BreakerRule { open_for: Millis(1 + step % 1000), ..RULE };
                    let verdict = if step % 5 == 0 { AttemptSignal::None } else { AttemptSignal::Failure };
                    let ticket = match provider.admits(Some(&shorter), now) {
                        ProviderAdmission::Probe(ticket) => {
                            probes.fetch_add(1, SeqCst);
                            Some(ticket)
                        }
                        _ => None,
                    };
                    provider.end_attempt(Some(&shorter), None, ticket, verdict, Millis(now.0 / 2));
                    if let CircuitState::Open { until, .. } = provider.circuit(BreakerKind::Failures) {
                        assert!(until >= latest, "{until:?} after {latest:?}");
                        latest = until;
                    }
                }
            });
        }
    });
    assert!(probes.load(SeqCst) > 1, "nobody ever probed");
}
