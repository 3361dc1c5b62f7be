//! When requests stop waiting for stable, and that nothing which one user can do brings it about.

use super::*;
use crate::decide::guard::silent::tests::{Bench, LIMIT};

impl Bench {
    fn ended(&mut self, kind: ResponseKind, arm: Arm, user: u16, how: WaitEnd) {
        let wait = self.sent(kind, arm, user);
        self.over(wait, arm, user, how);
    }

    /// How long a request of each kind waits for stable once these seconds have passed.
    fn waits(&mut self, seconds: u32) -> [Option<Millis>; 2] {
        let mut last = [None; 2];
        for _ in 0..seconds {
            self.pass(1);
            let now = self.now();
            last = self.silent.stable_waits(&self.constants, now);
        }
        last
    }

    /// A second in which stable takes a request of each of these users, and the canary ends as many so.
    fn silent_stable(&mut self, users: std::ops::Range<u16>, canary: WaitEnd) -> [Option<Millis>; 2] {
        for user in users {
            self.sent(ResponseKind::Streamed, Arm::Stable, user);
            self.ended(ResponseKind::Streamed, Arm::Canary, 4000 + user, canary);
        }
        self.waits(1)
    }
}

#[test]
fn a_run_of_waits_that_the_canary_does_not_share_is_a_silent_stable() {
    let mut bench = Bench::new();
    bench.silent_stable(0..10, WaitEnd::Answered);
    assert_eq!(bench.waits(8), [None; 2], "as long as slow answers take, and three seconds more");
    assert_eq!(bench.waits(1), [Some(LIMIT), Some(LIMIT)], "alone they are all that there is");
    // Those who gave up meanwhile do not end it: nobody waits for as long as it took to find it.
    for user in 0..10 {
        let wait = Wait { second: 1000, kind: ResponseKind::Streamed };
        bench.over(wait, Arm::Stable, user, WaitEnd::Failed);
    }
    assert_eq!(bench.waits(60), [Some(LIMIT), Some(LIMIT)]);
    bench.ended(ResponseKind::Streamed, Arm::Stable, 77, WaitEnd::Answered);
    assert_eq!(bench.waits(1), [None, Some(LIMIT)], "one answer to a request of that kind does");
    bench.ended(ResponseKind::Whole, Arm::Stable, 77, WaitEnd::Answered);
    assert_eq!(bench.waits(60), [None; 2]);
}

#[test]
fn one_user_is_not_the_users_and_what_fails_is_not_silent() {
    // One user, and another one.
    let mut bench = Bench::new();
    for _ in 0..30 {
        bench.silent_stable(0..2, WaitEnd::Answered);
        bench.silent_stable(0..1, WaitEnd::Answered);
    }
    assert_eq!(bench.waits(60), [None; 2]);
    // Many whom stable fails at once, or who leave early.
    for how in [WaitEnd::Failed, WaitEnd::ClientGone, WaitEnd::Dropped] {
        let mut bench = Bench::new();
        for second in 0..30_u16 {
            for user in 0..10 {
                bench.ended(ResponseKind::Streamed, Arm::Stable, second * 10 + user, how);
                bench.ended(ResponseKind::Streamed, Arm::Canary, 4000 + user, WaitEnd::Answered);
            }
            assert_eq!(bench.waits(1), [None; 2], "{how:?}");
        }
        assert_eq!(bench.waits(20), [None; 2], "{how:?}");
    }
    // Many, and others of the same kind whom stable answers.
    let mut bench = Bench::new();
    for second in 0..40 {
        bench.ended(ResponseKind::Streamed, Arm::Stable, 9, WaitEnd::Answered);
        assert_eq!(bench.silent_stable(100..104, WaitEnd::Answered), [None; 2], "second {second}");
    }
}

#[test]
fn while_the_canary_answers_nobody_either_nobody_is_told_anything() {
    for canary in [WaitEnd::Failed, WaitEnd::ClientGone] {
        let mut bench = Bench::new();
        for _ in 0..30 {
            assert_eq!(bench.silent_stable(0..10, canary), [None; 2], "{canary:?}");
        }
    }
    let mut bench = Bench::new();
    for user in 0..40 {
        bench.sent(ResponseKind::Streamed, Arm::Stable, user);
        bench.sent(ResponseKind::Streamed, Arm::Canary, 100 + user);
        assert_eq!(bench.waits(1), [None; 2]);
    }
    // And nothing is known where the canary has no traffic.
    let mut bench = Bench::new();
    for user in 0..40 {
        bench.sent(ResponseKind::Streamed, Arm::Stable, user);
    }
    assert_eq!(bench.waits(60), [None; 2]);
}

#[test]
fn another_share_begins_anew() {
    let mut bench = Bench::new();
    bench.silent_stable(0..10, WaitEnd::Answered);
    assert_eq!(bench.waits(9), [Some(LIMIT); 2]);
    let now = bench.now();
    bench.silent.begin(now);
    assert_eq!(bench.waits(9), [None; 2]);
}
