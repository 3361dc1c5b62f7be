//! When a wait is a canary that never answers, and when it is not.

use proptest::prelude::*;

use super::*;

pub(super) const LIMIT: Millis = Millis(6000);

pub(super) struct Bench {
    pub(super) silent: SilentDetector,
    pub(super) constants: Constants,
    pub(super) second: u32,
    limits: [Option<Millis>; 2],
    alone: bool,
    probes: (u32, u32),
}

fn bench() -> Bench {
    let mut bench = Bench::new();
    // Others were on the canary lately.
    for user in 8000..8003 {
        let wait = bench.sent(ResponseKind::Whole, Arm::Canary, user);
        bench.over(wait, Arm::Canary, user, WaitEnd::Answered);
    }
    bench.pass(1);
    bench
}

impl Bench {
    pub(super) fn new() -> Bench {
        Bench {
            silent: SilentDetector::default(),
            constants: Constants::default(),
            second: 1000,
            limits: [Some(LIMIT); 2],
            alone: false,
            probes: (0, 0),
        }
    }

    pub(super) fn sent(&mut self, kind: ResponseKind, arm: Arm, user: u16) -> Wait {
        let wait = Wait { second: self.second, kind };
        self.silent.sent(wait, arm, Some(Slot::of(user)), &self.constants);
        wait
    }

    pub(super) fn over(&mut self, wait: Wait, arm: Arm, user: u16, how: WaitEnd) {
        self.silent.end_wait(wait, arm, Some(Slot::of(user)), how, self.now());
    }

    /// Answered as soon as it was sent.
    fn answered(&mut self, kind: ResponseKind, arm: Arm, user: u16) {
        let wait = self.sent(kind, arm, user);
        self.over(wait, arm, user, WaitEnd::Answered);
    }

    pub(super) fn now(&self) -> Millis {
        Millis(u64::from(self.second) * 1000)
    }

    pub(super) fn pass(&mut self, seconds: u32) -> SilentRun {
        let mut last = SilentRun::default();
        for _ in 0..seconds {
            self.second += 1;
            let measure = SilentInputs { limits: self.limits, alone: self.alone, probes: self.probes };
            let now = self.now();
            last = self.silent.evaluate(&self.constants, &measure, now);
        }
        last
    }

    /// A second in which the canary takes a request of each of these users, and stable answers as many.
    fn silent_second(&mut self, users: std::ops::Range<u16>) -> SilentRun {
        for user in users {
            self.sent(ResponseKind::Streamed, Arm::Canary, user);
            self.answered(ResponseKind::Streamed, Arm::Stable, 4000 + user);
        }
        self.pass(1)
    }
}

#[test]
fn a_run_of_waits_that_stable_does_not_share_is_a_silent_canary() {
    let mut bench = bench();
    bench.silent_second(0..10);
    // It lasts as long as slow answers do, and three seconds more.
    assert!(!bench.pass(8).down);
    let seen = bench.pass(1);
    assert!(seen.down, "{seen:?}");
    assert_eq!((seen.unanswered, seen.stable_answered, seen.stable_unanswered), (10.0, 10.0, 0.0));
    assert_eq!((seen.kind, seen.longest, seen.shortest), (Some(ResponseKind::Streamed), 10.0, 9.0));
}

#[test]
fn one_answer_to_what_was_sent_in_the_run_ends_it() {
    let mut bench = bench();
    bench.silent_second(0..10);
    let second = bench.second;
    bench.answered(ResponseKind::Streamed, Arm::Canary, 20);
    bench.pass(1);
    bench.silent_second(30..37);
    assert_eq!(bench.pass(20).unanswered, 7.0, "what was sent before the answered request was is forgotten");
    let wait = Wait { second: second - 1, kind: ResponseKind::Streamed };
    bench.over(wait, Arm::Canary, 3, WaitEnd::Answered);
    assert_eq!(bench.pass(1).unanswered, 7.0, "an answer to what was sent before the run says nothing of it");
}

#[test]
fn each_kind_has_a_run_of_its_own_and_both_have_one() {
    let mut bench = bench();
    for _ in 0..12 {
        bench.answered(ResponseKind::Whole, Arm::Canary, 100);
        bench.silent_second(0..3);
    }
    let seen = bench.pass(10);
    assert_eq!((seen.kind, seen.down), (Some(ResponseKind::Streamed), true), "{seen:?}");

    let mut bench = self::bench();
    for user in 0..5 {
        bench.sent(ResponseKind::Whole, Arm::Canary, user);
        bench.answered(ResponseKind::Whole, Arm::Stable, user);
        bench.sent(ResponseKind::Streamed, Arm::Canary, 50 + user);
        bench.answered(ResponseKind::Streamed, Arm::Stable, user);
        bench.pass(1);
    }
    let seen = bench.pass(10);
    assert_eq!((seen.kind, seen.unanswered, seen.down), (None, 10.0, true), "{seen:?}");
}

#[test]
fn nobody_is_judged_while_nothing_is_known_of_stable() {
    let mut bench = bench();
    bench.limits = [None; 2];
    bench.silent_second(0..50);
    assert_eq!(bench.pass(300), SilentRun::default());
}

#[test]
fn one_user_among_several_makes_nobody_silent() {
    let mut bench = bench();
    for _ in 0..20 {
        bench.sent(ResponseKind::Streamed, Arm::Canary, 1);
        bench.sent(ResponseKind::Streamed, Arm::Canary, 1);
        bench.answered(ResponseKind::Streamed, Arm::Stable, 2);
        bench.pass(1);
    }
    let seen = bench.pass(10);
    assert_eq!((seen.down, seen.unanswered, seen.weighed), (false, 40.0, 3.0));
    // Nor with one slow answer of each of two others.
    bench.silent_second(7..9);
    assert!(!bench.pass(10).down);
}

#[test]
fn where_there_are_few_users_it_takes_longer() {
    let mut bench = bench();
    bench.pass(bench.constants.silent_lately + 5);
    let mut down_after = None;
    for second in 0..120 {
        let seen = bench.silent_second(1..2);
        if seen.down {
            down_after.get_or_insert(second);
        }
    }
    // Sent over thirty seconds, and each waited for twice as long as slow answers last.
    assert_eq!(down_after, Some(42));
}

#[test]
fn with_everybody_on_the_canary_stables_probes_stand_in() {
    for (probes, down) in [((1, 0), true), ((0, 1), false)] {
        let mut bench = bench();
        (bench.alone, bench.probes) = (true, probes);
        for user in 0..20 {
            bench.sent(ResponseKind::Whole, Arm::Canary, user);
        }
        assert!(!bench.pass(60).down);
        let seen = (0..6).map(|_| bench.pass(1)).find(|seen| seen.down || seen.shared).unwrap();
        assert_eq!((seen.down, seen.shared, seen.probed), (down, !down, true));
    }
}

#[test]
fn what_ends_late_without_output_counts_and_early_does_not() {
    for (after, how, down) in [
        (8, WaitEnd::ClientGone, true),
        (2, WaitEnd::ClientGone, false),
        (8, WaitEnd::Paused, true),
        (2, WaitEnd::Paused, false),
    ] {
        let mut bench = bench();
        let waits: Vec<Wait> = (0..10).map(|user| bench.sent(ResponseKind::Whole, Arm::Canary, user)).collect();
        for user in 0..10 {
            bench.answered(ResponseKind::Whole, Arm::Stable, user);
        }
        bench.pass(after);
        for (wait, user) in waits.into_iter().zip(0..) {
            bench.over(wait, Arm::Canary, user, how);
        }
        assert_eq!(bench.pass(10).down, down, "{after} {how:?}");
    }
}

#[test]
fn what_passes_the_limit_is_told_once() {
    let mut bench = bench();
    let wait = bench.sent(ResponseKind::Whole, Arm::Canary, 5);
    bench.sent(ResponseKind::Streamed, Arm::Stable, 6);
    bench.answered(ResponseKind::Whole, Arm::Stable, 7);
    let mut lines = Vec::new();
    for second in 0..20 {
        bench.pass(1);
        let now = bench.now();
        bench.silent.take_late(ResponseKind::Whole, LIMIT, now, |arm, user| lines.push((second, arm, user)));
    }
    assert_eq!(lines, [(6, Arm::Canary, Some(Slot::of(5)))]);
    assert!(bench.silent.was_late(wait));
    let later = bench.sent(ResponseKind::Whole, Arm::Canary, 5);
    assert!(!bench.silent.was_late(later));
}

#[test]
fn whoever_is_found_slow_can_be_told_to_answer_nothing() {
    let mut bench = bench();
    bench.limits = [Some(Millis(50)); 2];
    for _ in 0..3 {
        bench.silent_second(0..4);
    }
    let seen = bench.pass(1);
    assert_eq!((seen.down, seen.early, seen.unanswered), (false, true, 12.0), "{seen:?}");
    bench.answered(ResponseKind::Streamed, Arm::Canary, 9);
    assert!(!bench.pass(1).early);
}

#[derive(Clone, Copy, Debug)]
struct Fate {
    kind: ResponseKind,
    user: u16,
    // After so many seconds; `None`: never.
    answered: Option<u32>,
}

fn fates() -> impl Strategy<Value = Vec<Vec<Fate>>> {
    let fate = (any::<bool>(), 0_u16..50, proptest::option::of(0_u32..20)).prop_map(|(streams, user, answered)| Fate {
        kind: ResponseKind::of(streams),
        user,
        answered,
    });
    proptest::collection::vec(proptest::collection::vec(fate, 0..12), 1..60)
}

/// What the run comes to, second by second, where the canary's requests have these fates and stable's those.
fn played(canary: &[Vec<Fate>], stable: &[Vec<Fate>]) -> Vec<SilentRun> {
    let mut bench = bench();
    let mut due: Vec<(u32, Wait, Arm, u16)> = Vec::new();
    let mut seen = Vec::new();
    for second in 0..canary.len().max(stable.len()) + 30 {
        for (arm, fates) in [(Arm::Canary, canary), (Arm::Stable, stable)] {
            for Fate { kind, user, answered } in fates.get(second).into_iter().flatten() {
                let wait = bench.sent(*kind, arm, *user);
                due.extend(answered.map(|after| (bench.second + after, wait, arm, *user)));
            }
        }
        let now = bench.second;
        for (_, wait, arm, user) in due.extract_if(.., |(at, ..)| *at == now) {
            bench.over(wait, arm, user, WaitEnd::Answered);
        }
        seen.push(bench.pass(1));
    }
    seen
}

proptest! {
    #[test]
    fn a_canary_that_shares_stables_fate_is_never_silent(fates in fates()) {
        let seen = played(&fates, &fates);
        prop_assert!(seen.iter().all(|seen| !seen.down));
    }

    #[test]
    fn a_canary_is_never_silent_while_stable_answers_nothing(canary in fates(), stable in fates()) {
        let mute = |fates: Vec<Vec<Fate>>| -> Vec<Vec<Fate>> {
            let second = |fates: Vec<Fate>| fates.into_iter().map(|fate| Fate { answered: None, ..fate }).collect();
            fates.into_iter().map(second).collect()
        };
        prop_assert!(played(&canary, &mute(stable)).iter().all(|seen| !seen.down));
    }

    #[test]
    fn a_canary_that_answers_the_last_that_it_was_sent_is_not_silent(canary in fates(), stable in fates()) {
        let mut canary = canary;
        for second in &mut canary {
            for streams in [true, false] {
                second.push(Fate { kind: ResponseKind::of(streams), user: 77, answered: Some(3) });
            }
        }
        let seen = played(&canary, &stable);
        prop_assert!(seen.iter().all(|seen| !seen.down));
    }

    #[test]
    fn who_waits_is_counted_as_long_as_they_wait(fates in fates()) {
        let mut bench = bench();
        let (mut waiting, mut due) = (0_usize, Vec::new());
        for second in fates.iter().map(Vec::as_slice).chain([[].as_slice(); 30]) {
            for Fate { kind, user, answered } in second {
                let wait = bench.sent(*kind, Arm::Canary, *user);
                waiting += 1;
                due.extend(answered.map(|after| (bench.second + after, wait, *user)));
            }
            let now = bench.second;
            for (_, wait, user) in due.extract_if(.., |(at, ..)| *at == now) {
                bench.over(wait, Arm::Canary, user, WaitEnd::Answered);
                waiting -= 1;
            }
            bench.pass(1);
            let (counts, longer) = bench.silent.waiting().by_age(Arm::Canary, &[Millis(5000)], bench.now());
            prop_assert_eq!((counts[0] + longer) as usize, waiting);
        }
    }
}

#[test]
fn where_one_kind_is_all_there_is_it_waits_for_as_long() {
    let mut bench = bench();
    bench.limits = [Some(LIMIT), None];
    bench.silent_second(0..10);
    assert!(!bench.pass(8).down, "as long as slow answers last, and three seconds more");
    assert!(bench.pass(1).down);
}

// Every answer takes longer than stable's slowest: it is slow, and answers.
#[test]
fn a_canary_that_answers_late_is_not_silent() {
    for (late, a_second) in [(9, 10), (12, 5), (30, 3), (9, 2)] {
        let mut bench = bench();
        let mut due = std::collections::VecDeque::new();
        for second in 0..200_u16 {
            for user in 0..a_second {
                let user = second % 50 * 20 + user;
                due.push_back((bench.sent(ResponseKind::Streamed, Arm::Canary, user), user));
                bench.answered(ResponseKind::Streamed, Arm::Stable, 4000 + user);
            }
            while let Some((wait, user)) = due.pop_front_if(|(wait, _)| wait.second + late <= bench.second) {
                bench.over(wait, Arm::Canary, user, WaitEnd::Answered);
            }
            let seen = bench.pass(1);
            // Until the first answer is due nobody can know.
            let judged = second > u16::try_from(late).unwrap();
            assert!(!judged || !(seen.down || seen.early), "{late} s, {a_second} a second, second {second}: {seen:?}");
        }
    }
}

#[test]
fn with_everybody_on_the_canary_clients_that_give_up_sooner_count_too() {
    let mut bench = bench();
    (bench.alone, bench.probes) = (true, (1, 0));
    let mut down = false;
    for second in 0..120_u16 {
        let waits: Vec<(Wait, u16)> = (0..3)
            .map(|user| second * 3 + user)
            .map(|user| (bench.sent(ResponseKind::Whole, Arm::Canary, user), user))
            .collect();
        bench.pass(20);
        for (wait, user) in waits {
            bench.over(wait, Arm::Canary, user, WaitEnd::ClientGone);
        }
        down |= bench.pass(1).down;
    }
    assert!(down, "nobody waits for a minute");
}

#[test]
fn a_stall_of_both_is_over_when_stable_answers_a_probe() {
    let mut bench = bench();
    (bench.alone, bench.probes) = (true, (0, 1));
    for user in 0..20 {
        bench.sent(ResponseKind::Whole, Arm::Canary, user);
    }
    assert!(bench.pass(70).shared);
    bench.probes = (1, 0);
    assert!(!bench.pass(1).shared);
}
