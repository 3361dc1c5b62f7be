//! Order, bounds and what is due.

use super::*;
use crate::decide::notification::{Notification, Subject};

fn queued(number: u64, target: &str, lane: &str) -> QueuedNotification {
    let at = UnixMillis(number);
    let notification = Notification { id: format!("evt_{number}"), at, on: None, subject: Subject::Test, others: 0 };
    QueuedNotification {
        number,
        target: target.to_owned(),
        lane: lane.to_owned(),
        turn: Turn::Opens,
        problem: format!("{lane}/1"),
        queued_at: at,
        attempts: 0,
        due: at,
        stands: false,
        notification,
    }
}

fn due(queue: &NotificationQueue, target: &str) -> Option<u64> {
    queue.due(target, UnixMillis(10_000), |_| true).map(|queued| queued.number)
}

#[test]
fn nothing_goes_before_it_is_written_or_cannot_be() {
    let (mut queue, mut changes) = (NotificationQueue::default(), Changes::new());
    queue.add(queued(1, "ops", "chat"), &mut changes);
    assert_eq!(due(&queue, "ops"), None, "not handed over");
    queue.handed_over(7);
    queue.settled(6);
    assert_eq!(due(&queue, "ops"), None, "being written");
    queue.settled(7);
    assert_eq!((due(&queue, "ops"), due(&queue, "others")), (Some(1), None));
}

#[test]
fn a_row_holds_up_its_lane_and_no_other() {
    let rows =
        [queued(1, "ops", "chat"), queued(2, "ops", "chat"), queued(3, "ops", "search"), queued(4, "dead", "chat")];
    let mut queue = NotificationQueue::restored(rows.into());
    let mut changes = Changes::new();
    queue.change(1, true, &mut changes, |row| row.due = UnixMillis(20_000));
    assert_eq!((due(&queue, "ops"), due(&queue, "dead")), (Some(3), Some(4)));
    queue.remove(1, &mut changes);
    assert_eq!(due(&queue, "ops"), Some(2));
    assert_eq!(changes.keys().copied().collect::<Vec<_>>(), [1]);
}

#[test]
fn a_clock_that_was_set_back_holds_nothing_up_for_ever() {
    let day = 24 * 60 * 60 * 1000;
    let now = UnixMillis(1_795_247_762_123);
    assert!(has_come(now, now) && !has_come(UnixMillis(now.0 + 1), now) && !has_come(UnixMillis(now.0 + day), now));
    assert!(has_come(UnixMillis(now.0 + 400 * day), now) && !has_come(NEVER, now));
}

#[test]
fn what_stands_goes_again_only_while_nothing_of_its_lane_waits() {
    let standing = |number| QueuedNotification { stands: true, ..queued(number, "am", "chat") };
    let mut queue = NotificationQueue::restored(vec![standing(1), queued(2, "am", "chat")]);
    assert_eq!(due(&queue, "am"), Some(2));
    queue.remove(2, &mut Changes::new());
    assert_eq!(due(&queue, "am"), Some(1));
    assert_eq!(queue.open_problem("am", "chat").as_deref(), Some("chat/1"));
    assert_eq!(queue.open_problem("am", "search"), None);
}

#[test]
fn the_oldest_go_first_and_what_stands_last() {
    let rows =
        (1..=MOST as u64).map(|number| QueuedNotification { stands: number == 1, ..queued(number, "ops", "chat") });
    let mut queue = NotificationQueue::restored(rows.collect());
    let mut changes = Changes::new();
    let dropped = queue.add(queued(5000, "ops", "chat"), &mut changes);
    assert_eq!(dropped.iter().map(|row| row.number).collect::<Vec<_>>(), [2]);
    assert_eq!((queue.rows.len(), &changes[&2]), (MOST, &None));
    assert_eq!(queue.number(UnixMillis(3)), 1001.max(queue.last), "never one that was given");
}
