use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

const NOW: UnixMillis = UnixMillis(1_000_000_000);

fn after(seconds: u64) -> UnixMillis {
    UnixMillis(NOW.0 + seconds * 1000)
}

/// With two providers.
fn two(most: u32) -> (StateIds, OwnerId, OwnerId) {
    let ids = StateIds::restored(KeptStateIds::default(), most);
    let owner = |name: &str| ids.owner(name, "https://x.test/v1").unwrap();
    let (one, other) = (owner("one"), owner("other"));
    (ids, one, other)
}

fn counts(ids: &StateIds) -> Vec<(String, u64)> {
    ids.report().into_iter().map(|report| (report.owner.name, report.ids)).collect()
}

#[test]
fn an_id_is_kept_where_it_was_made_last() {
    let (ids, one, other) = two(1000);
    let key = ids.key("resp_1");
    assert_eq!((ids.is_empty(), ids.find(key, NOW)), (true, None));
    ids.learn(key, one, NOW);
    ids.learn(key, one, NOW);
    assert_eq!((ids.find(key, NOW), ids.len(), counts(&ids)), (Some(one), 1, vec![("one".into(), 1)]));
    ids.learn(key, other, NOW);
    assert_eq!((ids.find(key, NOW), ids.len(), counts(&ids)), (Some(other), 1, vec![("other".into(), 1)]));
    ids.forget(key);
    ids.forget(key);
    assert_eq!((ids.find(key, NOW), ids.len(), counts(&ids)), (None, 0, vec![]));
}

#[test]
fn a_provider_is_known_by_name_and_address() {
    let (ids, one, _) = two(1000);
    assert_eq!(ids.owner("one", "https://x.test/v1"), Some(one));
    assert!(![Some(one), None].contains(&ids.owner("one", "https://y.test/v1")));
    let (other, _, _) = two(1000);
    assert_ne!(ids.key("resp_1"), other.key("resp_1"), "each state has its own secret");
    assert_ne!(ids.key("resp_1"), ids.key("resp_2"));
}

#[test]
fn nobody_is_asked_again_for_a_while_about_an_id_that_nobody_knew() {
    let (ids, one, _) = two(1000);
    let key = ids.key("resp_1");
    assert!(!ids.is_missed(key, NOW));
    ids.note_miss(key, NOW);
    assert!(ids.is_missed(key, NOW) && ids.is_missed(key, after(1)) && !ids.is_missed(key, after(2)));
    assert!(!ids.is_missed(ids.key("resp_2"), NOW));
    let (mut held, mut at) = (2, 2);
    for _ in 0..12 {
        ids.note_miss(key, after(at));
        // Another one at the same time doubles nothing.
        ids.note_miss(key, after(at));
        held = (held * 2).min(600);
        assert!(ids.is_missed(key, after(at + held - 1)) && !ids.is_missed(key, after(at + held)), "{held} s");
        at += held;
    }
    let failed = ids.key("resp_3");
    for round in 0..5 {
        ids.note_failed_lookup(failed, after(2 * round));
        assert!(ids.is_missed(failed, after(2 * round + 1)) && !ids.is_missed(failed, after(2 * round + 2)));
    }
    ids.learn(key, one, NOW);
    assert!(!ids.is_missed(key, NOW));
}

#[test]
fn lookups_that_found_nothing_have_a_rate_and_are_counted_when_they_begin() {
    let (ids, _, _) = two(1000);
    let begun = |now: u64| (0..1000).filter(|_| ids.begin_lookup(Millis(now))).count();
    assert_eq!((begun(5000), begun(5000), begun(6000)), (200, 0, 20));
    ids.found();
    assert_eq!(begun(6000), 1, "what found something is not counted");
}

#[test]
fn what_is_written_can_be_read_again_and_a_use_is_written_once_an_hour() {
    let (ids, one, other) = two(1000);
    ids.learn(ids.key("a"), one, NOW);
    ids.learn(ids.key("b"), other, NOW);
    let first = ids.take_changes(1);
    assert_eq!((first.secret.is_some(), first.owners.len(), first.changes.len()), (true, 2, 1));
    ids.give_back(first);
    let all = ids.take_changes(10);
    assert_eq!(
        (all.secret.is_some(), all.owners.len(), all.changes.len()),
        (true, 2, 2),
        "it failed, and is tried again"
    );
    assert_eq!(ids.find(ids.key("a"), after(3599)), Some(one));
    assert_eq!(ids.take_changes(10), StateChanges::default());
    assert_eq!(ids.find(ids.key("a"), after(3600)), Some(one));
    assert_eq!(ids.find(ids.key("a"), after(3601)), Some(one));
    let used = vec![StateChange::Keep { key: ids.key("a"), owner: one, used: 1_003_600 }];
    assert_eq!(ids.take_changes(10), StateChanges { changes: used, ..StateChanges::default() });
    let kept = KeptStateIds {
        secret: all.secret,
        owners: all.owners,
        ids: vec![(ids.key("a"), one, 5), (ids.key("b"), other, 7), (ids.key("c"), OwnerId(9), 7)],
    };
    let again = StateIds::restored(kept, 1000);
    assert_eq!((again.key("a"), again.len()), (ids.key("a"), 2), "one of a provider that is not known is left out");
    assert_eq!((again.find(ids.key("a"), NOW), again.find(ids.key("b"), NOW)), (Some(one), Some(other)));
    assert_eq!(again.owner("other", "https://x.test/v1"), Some(other));
}

#[test]
fn what_waits_to_be_written_is_bounded() {
    let (ids, one, _) = two(200_000);
    (0..60_000).for_each(|number| ids.learn(ids.key(&number.to_string()), one, NOW));
    assert_eq!((ids.waiting(), ids.unwritten(), ids.len()), (50_000, 10_000, 60_000));
    let some = ids.take_changes(500);
    assert_eq!((some.changes.len(), ids.waiting()), (500, 49_500));
}

#[test]
fn there_are_never_more_than_may_be_and_what_was_used_last_stays() {
    let (ids, one, _) = two(1000);
    let favourite = ids.key("favourite");
    ids.learn(favourite, one, NOW);
    for number in 0..10_000 {
        ids.learn(ids.key(&number.to_string()), one, NOW);
        assert!(ids.find(favourite, NOW).is_some() && ids.len() <= 1000 + SHARDS);
    }
    assert!(ids.find(ids.key("9999"), NOW).is_some() && ids.find(ids.key("0"), NOW).is_none());
    assert_eq!(ids.evicted(), 10_001 - ids.len() as u64);
    assert_eq!(counts(&ids), [("one".to_owned(), ids.len() as u64)]);
    let before: Vec<usize> = ids.shards.iter().map(|shard| lock(shard).len()).collect();
    ids.set_most(100);
    let now: Vec<usize> = ids.shards.iter().map(|shard| lock(shard).len()).collect();
    assert_eq!(now, before.iter().map(|len| *len.min(&7)).collect::<Vec<_>>(), "each shard keeps its share");
    assert!(ids.find(favourite, NOW).is_some(), "what was used last stays");
    (0..3000).for_each(|number| ids.learn(ids.key(&format!("x{number}")), one, NOW));
    assert!(ids.len() <= 100 + SHARDS, "a lower limit holds for what comes: {}", ids.len());
}

/// A shard as it should be: in the order of use.
#[derive(Debug, Default)]
struct Model(VecDeque<u128>);

proptest! {
    #[test]
    fn a_shard_is_in_the_order_of_use(steps in prop::collection::vec((0..4_u8, 0..12_u128), 0..200)) {
        let (mut shard, mut model) = (Shard::default(), Model::default());
        for (step, key) in steps {
            let known = model.0.iter().position(|known| *known == key);
            match step {
                0 | 1 => {
                    let used = shard.use_now(StateKey(key)).is_some();
                    prop_assert_eq!(used, known.is_some());
                    if let Some(at) = known {
                        model.0.remove(at);
                        model.0.push_back(key);
                    } else if step == 0 {
                        shard.insert(StateKey(key), OwnerId(0), 0);
                        model.0.push_back(key);
                    }
                }
                2 => {
                    prop_assert_eq!(shard.remove(StateKey(key)).is_some(), known.is_some());
                    known.map(|at| model.0.remove(at));
                }
                _ => {
                    let oldest = shard.remove_oldest(None).map(|(key, _)| key.0);
                    prop_assert_eq!(oldest, model.0.pop_front());
                }
            }
        }
    }
}
