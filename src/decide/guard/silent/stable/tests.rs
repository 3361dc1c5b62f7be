//! When requests stop waiting for stable, and that nothing which one user can do brings it about.

use super::*;
use crate::decide::guard::silent::Measure;
use crate::decide::units::Slot;

const LIMIT: Millis = Millis(6000);

struct Bench {
    silent: Silent,
    constants: Constants,
    second: u32,
}

impl Bench {
    fn new() -> Bench {
        Bench { silent: Silent::default(), constants: Constants::default(), second: 1000 }
    }

    fn now(&self) -> Millis {
        Millis(u64::from(self.second) * 1000)
    }

    fn sent(&mut self, kind: Kind, arm: Arm, user: u16) -> Wait {
        let wait = Wait { second: self.second, kind };
        self.silent.sent(wait, arm, Some(Slot::of(user)), &self.constants);
        wait
    }

    fn over(&mut self, wait: Wait, arm: Arm, user: u16, how: Over) {
        self.silent.over(wait, arm, Some(Slot::of(user)), how, self.now());
    }

    fn ended(&mut self, kind: Kind, arm: Arm, user: u16, how: Over) {
        let wait = self.sent(kind, arm, user);
        self.over(wait, arm, user, how);
    }

    fn pass(&mut self, seconds: u32) -> [Option<Millis>; 2] {
        let mut last = [None; 2];
        for _ in 0..seconds {
            self.second += 1;
            let (measure, now) = (Measure { limits: [Some(LIMIT); 2], alone: false, probes: (0, 0) }, self.now());
            let _ = self.silent.look(&self.constants, &measure, now);
            last = self.silent.stable_waits(&self.constants, now);
        }
        last
    }

    /// A second in which stable takes a request of each of these users, and the canary ends as many so.
    fn silent_second(&mut self, users: std::ops::Range<u16>, canary: Over) -> [Option<Millis>; 2] {
        for user in users {
            self.sent(Kind::Streamed, Arm::Stable, user);
            self.ended(Kind::Streamed, Arm::Canary, 4000 + user, canary);
        }
        self.pass(1)
    }
}

#[test]
fn a_run_of_waits_that_the_canary_does_not_share_is_a_silent_stable() {
    let mut bench = Bench::new();
    bench.silent_second(0..10, Over::Answered);
    assert_eq!(bench.pass(8), [None; 2], "as long as slow answers take, and three seconds more");
    assert_eq!(bench.pass(1), [Some(LIMIT), Some(LIMIT)], "alone they are all that there is");
    // Those who gave up meanwhile do not end it: nobody waits for as long as it took to find it.
    for user in 0..10 {
        let wait = Wait { second: 1000, kind: Kind::Streamed };
        bench.over(wait, Arm::Stable, user, Over::Failed);
    }
    assert_eq!(bench.pass(60), [Some(LIMIT), Some(LIMIT)]);
    bench.ended(Kind::Streamed, Arm::Stable, 77, Over::Answered);
    assert_eq!(bench.pass(1), [None, Some(LIMIT)], "one answer to a request of that kind does");
    bench.ended(Kind::Whole, Arm::Stable, 77, Over::Answered);
    assert_eq!(bench.pass(60), [None; 2]);
}

#[test]
fn one_user_is_not_the_users_and_what_fails_is_not_silent() {
    // One user, and another one.
    let mut bench = Bench::new();
    for _ in 0..30 {
        bench.silent_second(0..2, Over::Answered);
        bench.silent_second(0..1, Over::Answered);
    }
    assert_eq!(bench.pass(60), [None; 2]);
    // Many whom stable fails at once, or who leave early.
    for how in [Over::Failed, Over::Left, Over::Dropped] {
        let mut bench = Bench::new();
        for second in 0..30_u16 {
            for user in 0..10 {
                bench.ended(Kind::Streamed, Arm::Stable, second * 10 + user, how);
                bench.ended(Kind::Streamed, Arm::Canary, 4000 + user, Over::Answered);
            }
            assert_eq!(bench.pass(1), [None; 2], "{how:?}");
        }
        assert_eq!(bench.pass(20), [None; 2], "{how:?}");
    }
    // Many, and others of the same kind whom stable answers.
    let mut bench = Bench::new();
    for second in 0..40 {
        bench.ended(Kind::Streamed, Arm::Stable, 9, Over::Answered);
        assert_eq!(bench.silent_second(100..104, Over::Answered), [None; 2], "second {second}");
    }
}

#[test]
fn while_the_canary_answers_nobody_either_nobody_is_told_anything() {
    for canary in [Over::Failed, Over::Left] {
        let mut bench = Bench::new();
        for _ in 0..30 {
            assert_eq!(bench.silent_second(0..10, canary), [None; 2], "{canary:?}");
        }
    }
    let mut bench = Bench::new();
    for user in 0..40 {
        bench.sent(Kind::Streamed, Arm::Stable, user);
        bench.sent(Kind::Streamed, Arm::Canary, 100 + user);
        assert_eq!(bench.pass(1), [None; 2]);
    }
    // And nothing is known where the canary has no traffic.
    let mut bench = Bench::new();
    for user in 0..40 {
        bench.sent(Kind::Streamed, Arm::Stable, user);
    }
    assert_eq!(bench.pass(60), [None; 2]);
}

#[test]
fn another_share_begins_anew() {
    let mut bench = Bench::new();
    bench.silent_second(0..10, Over::Answered);
    assert_eq!(bench.pass(9), [Some(LIMIT); 2]);
    let now = bench.now();
    bench.silent.begin(now);
    assert_eq!(bench.pass(9), [None; 2]);
}
