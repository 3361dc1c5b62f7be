use proptest::prelude::*;

use super::*;
use crate::decide::comparison::digest::{AnswerTimes, Digest, GoodAnswer};
use crate::decide::comparison::request::Expected;
use crate::decide::incompatibility::Incompatibility;
use crate::decide::policy::plain::percent;
use crate::wire::structure::Structure;

const SUBJECT: Subject = Subject { attempt: 1, asked: 7 };

fn good(first_output: u32, total: u32) -> GoodAnswer {
    let structure = Structure { text: "x".to_owned(), calls: Vec::new() };
    let digest = Digest::of(&structure, None, &Expected::default());
    GoodAnswer { digest, times: AnswerTimes { first_output, total }, usage: None }
}

fn begun() -> Rehearsal {
    let mut rehearsal = Rehearsal::default();
    assert!(rehearsal.begin_if_due(SUBJECT, UnixMillis(0)));
    rehearsal
}

fn pairs(rehearsal: &mut Rehearsal, count: usize, stable: u32, canary: u32) {
    for _ in 0..count {
        rehearsal.tally.add_pair(&good(stable, 2 * stable), &good(canary, 2 * canary), [None, None]);
    }
}

#[test]
fn a_round_ends_when_enough_pairs_were_compared_and_a_passed_one_stays_passed() {
    let mut rehearsal = begun();
    pairs(&mut rehearsal, 49, 100, 100);
    assert!(rehearsal.conclude(50, percent(5), UnixMillis(1)).is_none());
    pairs(&mut rehearsal, 1, 100, 100);
    assert!(rehearsal.conclude(50, percent(5), UnixMillis(1)).unwrap().blocking.is_empty());
    assert!(rehearsal.conclude(50, percent(5), UnixMillis(2)).is_none(), "it is told once");
    assert!(!rehearsal.begin_if_due(SUBJECT, UnixMillis(BETWEEN_ROUNDS.0 * 9)) && rehearsal.is_passed());
    assert_eq!(waits_for(&rehearsal, 50, percent(5), UnixMillis(2)), None);
    assert!(rehearsal.begin_if_due(Subject { attempt: 2, ..SUBJECT }, UnixMillis(2)) && !rehearsal.is_passed());
}

#[test]
fn a_failed_round_is_followed_by_another_after_a_while_or_once_the_file_asks_otherwise() {
    let failed = || {
        let mut rehearsal = begun();
        rehearsal.tally.add_defect(Defect::Key { status: 401 });
        let verdict = rehearsal.conclude(1, percent(5), UnixMillis(5)).unwrap();
        assert_eq!(verdict.blocking, [Blocking::Defect { defect: Defect::Key { status: 401 }, count: 1 }]);
        rehearsal
    };
    let mut rehearsal = failed();
    assert!(!rehearsal.begin_if_due(SUBJECT, UnixMillis(4 + BETWEEN_ROUNDS.0)));
    let waits = waits_for(&rehearsal, 1, percent(5), UnixMillis(5)).unwrap();
    assert!(matches!(waits.progress, RehearsalProgress::Failed(_, left) if left == BETWEEN_ROUNDS));
    assert!(rehearsal.begin_if_due(SUBJECT, UnixMillis(5 + BETWEEN_ROUNDS.0)));
    assert_eq!((rehearsal.round, rehearsal.tally.funnel.compared), (2, 0));
    assert!(failed().begin_if_due(Subject { asked: 8, ..SUBJECT }, UnixMillis(6)));
    let mut ahead = failed();
    ahead.verdict.as_mut().unwrap().at = UnixMillis(u64::MAX);
    assert!(ahead.begin_if_due(SUBJECT, UnixMillis(6)), "the clock was far ahead");
}

#[test]
fn what_comes_by_chance_blocks_only_beyond_what_is_tolerated() {
    let blocked = |failures: usize, defect: &Defect| {
        let mut rehearsal = begun();
        pairs(&mut rehearsal, 100 - failures, 100, 100);
        (0..failures).for_each(|_| rehearsal.tally.add_defect(defect.clone()));
        !blocking(&rehearsal.tally, percent(5)).is_empty()
    };
    let server = Defect::Server { status: 503 };
    assert!(!blocked(5, &server) && blocked(6, &server) && blocked(6, &Defect::Malformed));
    let refused = Defect::Refused { finding: Incompatibility::Parameter("logit_bias".to_owned()) };
    assert!(blocked(1, &refused) && blocked(1, &Defect::Key { status: 403 }));
}

#[test]
fn five_times_slower_blocks_and_a_few_milliseconds_do_not() {
    let slow = |stable: u32, canary: u32| {
        let mut rehearsal = begun();
        pairs(&mut rehearsal, 5, stable, canary);
        blocking(&rehearsal.tally, percent(5)).len()
    };
    assert_eq!([slow(100, 499), slow(100, 500), slow(1, 40), slow(10, 200)], [0, 2, 0, 1]);
}

#[test]
fn it_says_that_it_waits_for_traffic() {
    let mut rehearsal = begun();
    let progress = |rehearsal: &Rehearsal| waits_for(rehearsal, 50, percent(5), UnixMillis(0)).unwrap().progress;
    assert_eq!(progress(&rehearsal), RehearsalProgress::NoTraffic);
    rehearsal.seen_at = Some(UnixMillis(0));
    assert_eq!(progress(&rehearsal), RehearsalProgress::UnderWay(Vec::new()));
    rehearsal.tally.funnel.skip(Skip::Cost);
    assert_eq!(progress(&rehearsal), RehearsalProgress::Cost);
    let later = waits_for(&rehearsal, 50, percent(5), UnixMillis(QUIET_AFTER.0)).unwrap().progress;
    assert_eq!(later, RehearsalProgress::NoTraffic, "no request has come for a while");
    (0..5).for_each(|_| rehearsal.tally.funnel.skip(Skip::Rate));
    let waits = waits_for(&rehearsal, 50, percent(5), UnixMillis(0)).unwrap();
    assert_eq!(waits.skipped, Some((Skip::Cost, 1)), "that copies keep a distance is no news");
}

proptest! {
    #[test]
    fn the_first_step_is_held_exactly_until_a_round_is_passed(
        ends in proptest::collection::vec((any::<bool>(), 0_u64..400_000), 1..200),
        requests in 1_u32..20,
    ) {
        let (mut rehearsal, mut now) = (begun(), 0);
        for (fails, passes) in ends {
            now += passes;
            rehearsal.begin_if_due(SUBJECT, UnixMillis(now));
            if rehearsal.is_under_way() {
                if fails { rehearsal.tally.add_defect(Defect::Key { status: 401 }) } else { pairs(&mut rehearsal, 1, 9, 9) }
                rehearsal.conclude(requests, percent(5), UnixMillis(now));
            }
            prop_assert_eq!(waits_for(&rehearsal, requests, percent(5), UnixMillis(now)).is_none(), rehearsal.is_passed());
            prop_assert!(!rehearsal.is_passed() || rehearsal.tally.defects.is_empty());
            prop_assert!(rehearsal.is_under_way() || rehearsal.tally.funnel.compared >= u64::from(requests));
        }
    }
}
