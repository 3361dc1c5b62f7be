//! What the history gives of a filter, and how long it takes.

use super::*;

#[test]
fn the_history_is_filtered_and_a_damaged_line_takes_no_other_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path(), UnixMillis(0));
    let at = |millis: u64, rollout: Option<&str>, action: &str, actor: &str| Event {
        at: UnixMillis(millis),
        actor: actor.into(),
        ..event(rollout, action)
    };
    let mut events = vec![
        at(1000, Some("chat"), "start", "ramp"),
        at(2000, Some("chat"), "rollback", "ana \"a\" b"),
        at(3000, Some("embed"), "rollback", "guard"),
        at(4000, None, "reload", "flags"),
        // Its reason has the words of another event.
        Event {
            reason: Reason::from_human("\"action\":\"rollback\" \"actor\":\"guard\""),
            ..at(5000, Some("chat"), "pause", "bob")
        },
    ];
    // The clock was set back.
    events.push(at(1500, Some("chat"), "resume", "ana \"a\" b"));
    saved(&opened, Batch { events, ..Batch::default() }).unwrap();
    let connection = rusqlite::Connection::open(dir.path().join(FILE)).unwrap();
    connection.execute("INSERT INTO history (rollout, event) VALUES ('chat', '{\"at\":3, half')", []).unwrap();
    connection.execute("INSERT INTO history (rollout, event) VALUES ('chat', x'ff')", []).unwrap();
    let found = |filter: HistoryFilter, limit: u32| {
        let events = opened.store.history(filter, limit).blocking_recv().unwrap().unwrap();
        events.iter().map(|event| event.action.to_string()).collect::<Vec<_>>()
    };
    let all = HistoryFilter::default();
    assert_eq!(found(all.clone(), 9), ["resume", "pause", "reload", "rollback", "rollback", "start"]);
    let since = HistoryFilter { since: Some(UnixMillis(2000)), ..all.clone() };
    assert_eq!(found(since.clone(), 9), ["pause", "reload", "rollback", "rollback"]);
    let until = HistoryFilter { until: Some(UnixMillis(1500)), ..all.clone() };
    assert_eq!(found(until, 9), ["resume", "start"]);
    assert_eq!(found(since, 2), ["pause", "reload"]);
    let rollbacks = HistoryFilter { actions: vec!["rollback".to_owned().into()], ..all.clone() };
    assert_eq!(found(rollbacks.clone(), 9), ["rollback", "rollback"]);
    assert_eq!(found(HistoryFilter { actors: vec!["guard".into()], ..rollbacks.clone() }, 9), ["rollback"]);
    assert_eq!(found(HistoryFilter { rollout: Some("chat".to_owned()), ..rollbacks }, 9), ["rollback"]);
    assert_eq!(found(HistoryFilter { actors: vec!["ana \"a\" b".into()], ..all.clone() }, 9), ["resume", "rollback"]);
    let several = ["guard", "bob"].map(Into::into).to_vec();
    assert_eq!(found(HistoryFilter { actors: several, ..all }, 9), ["pause", "rollback"]);
}

#[test]
fn a_history_of_100_000_events_is_searched_in_a_moment() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path(), UnixMillis(0));
    let at = |millis: u64| Event { at: UnixMillis(millis), ..event(Some("chat"), "promote") };
    let oldest = Event { actor: "ana".into(), ..at(1) };
    saved(
        &opened,
        Batch { events: std::iter::once(oldest).chain((2..=100_000).map(at)).collect(), ..Batch::default() },
    )
    .unwrap();
    let all = HistoryFilter::default();
    let searches = [
        ("one actor", HistoryFilter { actors: vec!["ana".into()], ..all.clone() }, 1),
        ("several actors", HistoryFilter { actors: ["ana", "bob"].map(Into::into).to_vec(), ..all.clone() }, 1),
        ("an action", HistoryFilter { actions: vec!["hold".to_owned().into()], ..all.clone() }, 0),
        ("until", HistoryFilter { until: Some(UnixMillis(1)), ..all.clone() }, 1),
        ("since", HistoryFilter { since: Some(UnixMillis(100_001)), ..all }, 0),
    ];
    for (what, filter, expected) in searches {
        let began = crate::clock::now();
        assert_eq!(opened.store.history(filter, 1000).blocking_recv().unwrap().unwrap().len(), expected, "{what}");
        let took = crate::clock::now().since(began);
        println!("{what}: {took}");
        assert!(took < Millis(3000), "{what} took {took}");
    }
}
