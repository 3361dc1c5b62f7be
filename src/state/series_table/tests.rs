//! Who is counted where.

use super::*;
use crate::decide::policy::{Canary, Rollout, plain};
use crate::state::counters::{Core, SeriesLabels};

const OLD: ProviderId = ProviderId(3);
const NEW: ProviderId = ProviderId(1);
const THIRD: ProviderId = ProviderId(7);

fn table(canary: bool, fallback: Fallback) -> SeriesTable {
    let canary = canary.then(|| Canary { provider: NEW, ..plain::canary() });
    let rollout = Rollout { stable: OLD, canary, fallback, ..plain::rollout("chat") };
    SeriesTable::new(&rollout, |arm, ProviderId(provider)| {
        let labels = SeriesLabels { rollout: "chat".to_owned(), arm: arm.as_str(), provider: provider.to_string() };
        Arc::new(Series::new(labels, 1))
    })
}

fn pairs(table: &SeriesTable) -> Vec<(Arm, ProviderId)> {
    table.0.iter().map(|entry| (entry.arm, entry.provider)).collect()
}

#[test]
fn everybody_who_may_answer_is_counted_by_arm_and_provider() {
    use Arm::{Canary, Stable};
    let both = [(Stable, OLD), (Canary, NEW), (Stable, NEW), (Canary, OLD)];
    assert_eq!(pairs(&table(true, Fallback::OtherArm)), both);
    // Stable is asked what it makes of a refusal, even where there is no fallback.
    assert_eq!(pairs(&table(true, Fallback::Nobody)), both);
    let listed = [(Stable, OLD), (Canary, NEW), (Stable, NEW), (Stable, THIRD), (Canary, OLD), (Canary, THIRD)];
    assert_eq!(pairs(&table(true, Fallback::List(vec![THIRD, OLD, THIRD]))), listed);
    assert_eq!(pairs(&table(false, Fallback::Nobody)), [(Stable, OLD)]);
    assert_eq!(pairs(&table(false, Fallback::List(vec![THIRD]))), [(Stable, OLD), (Stable, THIRD)]);
}

#[test]
fn a_pair_is_found_and_one_that_cannot_be_is_the_arms_own() {
    let table = table(true, Fallback::OtherArm);
    let labels = |series: &Series| (series.labels.arm, series.labels.provider.clone());
    assert_eq!(labels(table.of(Arm::Canary, OLD)), ("canary", "3".to_owned()));
    assert_eq!(labels(table.own(Arm::Canary)), ("canary", "1".to_owned()));
    assert_eq!(labels(table.of(Arm::Canary, THIRD)), ("canary", "1".to_owned()));
    let plain = self::table(false, Fallback::Nobody);
    assert_eq!(labels(plain.of(Arm::Canary, NEW)), ("stable", "3".to_owned()));
}

#[test]
fn a_request_is_in_flight_where_it_is() {
    let table = table(true, Fallback::OtherArm);
    let at = |provider| table.in_flight_at(provider);
    let (first, second) = (table.own(Arm::Canary), table.of(Arm::Canary, OLD));
    first.begin(Core(0));
    table.own(Arm::Stable).begin(Core(0));
    assert_eq!((at(OLD), at(NEW)), (1, 1));
    first.leave(Core(0));
    second.enter(Core(0));
    assert_eq!((at(OLD), at(NEW)), (2, 0));
    second.end(Core(0), crate::decide::outcome::Outcome::Ok);
    second.count_fallback(Core(0));
    second.count_tokens(Core(0), 70, 3, 60);
    second.count_tokens(Core(0), 0, 4, 0);
    assert_eq!((at(OLD), at(NEW)), (1, 0));
    assert_eq!((second.fallbacks(), second.tokens(), second.dispatched()), (1, (70, 7), (0, 0)));
    assert_eq!(first.dispatched(), (1, 0), "it was dispatched once");
}
