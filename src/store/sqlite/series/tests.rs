//! What the table keeps: over restarts, over the years, and over damage.

use rusqlite::Connection;

use super::super::connection::open_for_writing;
use super::*;
use crate::decide::series::{ArmPoint, Point};
use crate::decide::units::Percent;

/// A beginning of ten minutes.
const STARTED: u64 = 1_796_000_400_000;

struct Kept {
    dir: tempfile::TempDir,
    connection: Connection,
}

impl Kept {
    fn new() -> Kept {
        let dir = tempfile::tempdir().unwrap();
        let connection = open_for_writing(dir.path(), UnixMillis(1)).unwrap().0;
        Kept { dir, connection }
    }

    fn reopened(self) -> Kept {
        drop(self.connection);
        let connection = open_for_writing(self.dir.path(), UnixMillis(2)).unwrap().0;
        Kept { dir: self.dir, connection }
    }

    fn add(&mut self, blocks: &[SeriesBlock]) {
        record(&mut self.connection, blocks).unwrap();
    }

    fn read(&self, rollout: &str, step: Step, from: u64, to: u64) -> Points {
        let query = SeriesQuery { rollout: rollout.to_owned(), step, from: UnixMillis(from), to: UnixMillis(to) };
        series(&self.connection, &query).unwrap()
    }

    fn lines(&self, condition: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM series WHERE {condition}");
        self.connection.query_row(&sql, [], |row| row.get(0)).unwrap()
    }
}

fn point(requests: u32) -> Point {
    let arm = ArmPoint { requests, ..ArmPoint::default() };
    Point { percent: Percent::from_hundredths(1000).unwrap(), arms: [arm, ArmPoint::default()], ..Point::default() }
}

fn tens(rollout: &str, at: u64, requests: u32) -> SeriesBlock {
    let points = Points::from([(UnixMillis(at), point(requests))]);
    SeriesBlock::new(rollout, Step::TenSeconds, UnixMillis(at), &points)
}

fn requests(points: &Points) -> Vec<(u64, u32)> {
    points.iter().map(|(at, point)| (at.0, point.arms[0].requests)).collect()
}

#[test]
fn points_come_back_after_a_restart_and_a_gap_stays_a_gap() {
    let mut kept = Kept::new();
    let seconds: Points = [0, 1, 7].map(|second| (UnixMillis(STARTED + second * 1000), point(5))).into();
    kept.add(&[SeriesBlock::new("chat", Step::Second, UnixMillis(STARTED), &seconds)]);
    kept.add(&[tens("chat", STARTED, 15), tens("other", STARTED, 99), tens("chat", STARTED + 30_000, 4)]);
    let kept = kept.reopened();
    assert_eq!(kept.read("chat", Step::Second, STARTED, STARTED + 60_000), seconds);
    let within = kept.read("chat", Step::Second, STARTED + 1000, STARTED + 7000);
    assert_eq!(requests(&within), [(STARTED + 1000, 5)], "from is within a block, and to is not among them");
    let read = kept.read("chat", Step::TenSeconds, STARTED, STARTED + 60_000);
    assert_eq!(requests(&read), [(STARTED, 15), (STARTED + 30_000, 4)]);
    assert!(kept.read("none", Step::TenSeconds, 0, u64::MAX).is_empty());
}

#[test]
fn a_restart_within_ten_seconds_adds_to_what_was_written() {
    let mut kept = Kept::new();
    let second = |number: u64, requests| (UnixMillis(STARTED + number * 1000), point(requests));
    for points in [Points::from([second(0, 1), second(1, 2)]), Points::from([second(1, 3), second(5, 4)])] {
        kept.add(&[
            SeriesBlock::new("chat", Step::Second, UnixMillis(STARTED), &points),
            tens("chat", STARTED, points.values().map(|point| point.arms[0].requests).sum()),
        ]);
    }
    let seconds = kept.read("chat", Step::Second, STARTED, STARTED + 10_000);
    assert_eq!(requests(&seconds), [(STARTED, 1), (STARTED + 1000, 5), (STARTED + 5000, 4)]);
    assert_eq!(requests(&kept.read("chat", Step::TenSeconds, STARTED, STARTED + 10_000)), [(STARTED, 10)]);
}

#[test]
fn ten_minutes_are_the_sum_of_their_tens_of_seconds() {
    let mut kept = Kept::new();
    let all = STARTED..STARTED + 1_500_000;
    for at in all.clone().step_by(10_000) {
        kept.add(&[tens("chat", at, 2)]);
    }
    // Two that are over have lines of their own; of the third there is half.
    assert_eq!(kept.lines("step = 600"), 2);
    let expected = [(STARTED, 120), (STARTED + 600_000, 120), (STARTED + 1_200_000, 60)];
    assert_eq!(requests(&kept.read("chat", Step::TenMinutes, STARTED, all.end)), expected);
    // A restart in the middle, and an hour in which nothing ran.
    let mut kept = kept.reopened();
    kept.add(&[tens("chat", all.end + 3_600_000, 7)]);
    assert_eq!(kept.lines("step = 600"), 3);
    let read = kept.read("chat", Step::TenMinutes, STARTED, all.end + 7_200_000);
    assert_eq!(requests(&read), [&expected[..], &[(STARTED + 4_800_000, 7)]].concat());
}

#[test]
fn what_is_too_old_goes_and_no_step_before_its_time() {
    let mut kept = Kept::new();
    let (day, hour) = (86_400_000, 3_600_000);
    let mut at = STARTED;
    for _ in 0..400 {
        let block = SeriesBlock::new("chat", Step::Second, UnixMillis(at), &[(UnixMillis(at), point(1))].into());
        kept.add(&[block, tens("chat", at, 1)]);
        if at <= STARTED + day {
            kept.add(&[tens("gone", at, 1)]);
            assert!(kept.lines("rollout = 'gone'") > 0);
        }
        at += 6 * hour;
    }
    let newest = at - 6 * hour;
    let oldest = |step: i64| -> u64 {
        let sql = "SELECT min(at) FROM series WHERE rollout = 'chat' AND step = ?1";
        u64::try_from(kept.connection.query_row(sql, [step], |row| row.get::<_, i64>(0)).unwrap()).unwrap()
    };
    assert!(newest - oldest(1) <= hour, "{}", newest - oldest(1));
    assert!(newest - oldest(10) <= 2 * day && newest - oldest(10) > day, "{}", newest - oldest(10));
    assert!(newest - oldest(600) <= 90 * day && newest - oldest(600) > 89 * day, "{}", newest - oldest(600));
    assert_eq!(kept.lines("rollout = 'gone'"), 0, "nobody has asked for it, and its time is over");
}

#[test]
fn of_too_many_rollouts_those_stay_that_were_seen_last() {
    let mut kept = Kept::new();
    for number in 0..MOST_ROLLOUTS as u64 + 50 {
        kept.add(&[tens(&format!("rollout-{number:04}"), STARTED + number * 10_000, 1)]);
    }
    for round in 0..3 {
        kept.add(&[tens("rollout-0249", STARTED + 6_000_000 + round * 600_000, 1)]);
    }
    let names: i64 =
        kept.connection.query_row("SELECT count(DISTINCT rollout) FROM series", [], |row| row.get(0)).unwrap();
    assert_eq!(usize::try_from(names).unwrap(), MOST_ROLLOUTS);
    assert!(kept.read("rollout-0000", Step::TenSeconds, 0, u64::MAX).is_empty());
    assert!(!kept.read("rollout-0050", Step::TenSeconds, 0, u64::MAX).is_empty());
}

#[test]
fn much_that_is_too_old_goes_little_by_little() {
    let mut kept = Kept::new();
    let old: Vec<_> = (0..1000).map(|number| tens("chat", STARTED + number * 10_000, 1)).collect();
    kept.add(&old);
    let later = STARTED + 30 * 86_400_000;
    let mut left = vec![kept.lines("step = 10")];
    for number in 0..15 {
        kept.add(&[tens("chat", later + number * 10_000, 1)]);
        left.push(kept.lines("step = 10"));
    }
    assert!(left.windows(2).all(|pair| pair[0] - pair[1] <= 2 * i64::from(REMOVED_AT_A_TIME)), "{left:?}");
    assert_eq!(left.last(), Some(&15));
}

#[test]
fn a_line_that_makes_no_sense_takes_no_other_with_it() {
    let mut kept = Kept::new();
    kept.add(&[tens("chat", STARTED, 1), tens("chat", STARTED + 10_000, 2)]);
    kept.connection.execute("UPDATE series SET points = x'01ff' WHERE at = ?1", [stamp(UnixMillis(STARTED))]).unwrap();
    kept.connection
        .execute("INSERT INTO series VALUES ('chat', 10, ?1, 7)", [stamp(UnixMillis(STARTED + 20_000))])
        .unwrap();
    let read = || requests(&kept.read("chat", Step::TenSeconds, STARTED, STARTED + 60_000));
    assert_eq!(read(), [(STARTED + 10_000, 2)]);
    kept.add(&[tens("chat", STARTED, 3)]);
    assert_eq!(
        requests(&kept.read("chat", Step::TenSeconds, STARTED, STARTED + 15_000)),
        [(STARTED, 3), (STARTED + 10_000, 2)]
    );
}
