//! The sources of requests as cores know them: looked up once per connection or client key, and held there.
//!
//! Assigns each source a group of [`SourceWeights`](crate::decide::guard::sources::SourceWeights): the one with the
//! fewest members, and the same one when the source comes back within a day. An address is one source; of IPv6 its /64
//! network is, since one machine is given that much. Bounded: a source without connections is evicted when its place is
//! needed, and a source without a place is counted as unknown. Invariant: a request takes no lock and allocates
//! nothing.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::limit::LimitState;
use crate::decide::guard::sources::{GROUPS, SourceGroup};
use crate::decide::limit::Rate;
use crate::decide::units::Millis;

/// How many sources are known at most.
pub const MOST: usize = 256;
/// A source without connections for this long no longer counts as using its group,
const IDLE: Millis = Millis(600_000);
/// and is evicted after this long.
const LASTS: Millis = Millis(86_400_000);

/// A source, as long as a connection or key holds it.
#[derive(Debug, Default)]
pub struct SourceHandle {
    /// With whom it is counted.
    pub group: SourceGroup,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Name {
    Client(String),
    Address(IpAddr),
}

#[derive(Debug)]
struct Known {
    source: Arc<SourceHandle>,
    seen: Millis,
}

impl Known {
    fn is_held(&self) -> bool {
        Arc::strong_count(&self.source) > 1
    }
}

#[derive(Debug, Default)]
pub struct SourceTable {
    known: Mutex<HashMap<Name, Known>>,
    /// How full the limits of clients are, by name, with their rates.
    limits: Mutex<BTreeMap<String, (Rate, Arc<LimitState>)>>,
    // The source that stands for all others.
    others: Arc<SourceHandle>,
}

impl SourceTable {
    #[must_use]
    pub fn at(&self, address: IpAddr, now: Millis) -> Arc<SourceHandle> {
        self.of(Name::Address(network(address)), now)
    }

    /// A client of the file.
    #[must_use]
    pub fn client(&self, name: &str, now: Millis) -> Arc<SourceHandle> {
        self.of(Name::Client(name.to_owned()), now)
    }

    /// How full the limit of a client of the file is, which has this rate from now on. Those of clients that have left
    /// the file are forgotten.
    #[must_use]
    pub fn client_limit(&self, name: &str, rate: Rate, now: u64) -> Arc<LimitState> {
        let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((before, state)) = limits.get_mut(name) {
            if *before != rate {
                state.adopt_rate(std::mem::replace(before, rate), rate, now);
            }
            return Arc::clone(state);
        }
        limits.retain(|_, (_, state)| Arc::strong_count(state) > 1);
        let state = Arc::<LimitState>::default();
        limits.insert(name.to_owned(), (rate, Arc::clone(&state)));
        state
    }

    /// All of them, with their rates, by name.
    #[must_use]
    pub fn client_limits(&self) -> Vec<(String, Rate, Arc<LimitState>)> {
        let limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        limits.iter().map(|(name, (rate, state))| (name.clone(), *rate, Arc::clone(state))).collect()
    }

    /// The source that stands for all others.
    #[must_use]
    pub fn unknown(&self) -> Arc<SourceHandle> {
        Arc::clone(&self.others)
    }

    fn of(&self, name: Name, now: Millis) -> Arc<SourceHandle> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get_mut(&name) {
            known.seen = now;
            return Arc::clone(&known.source);
        }
        let mut sizes = [0_usize; GROUPS];
        known.retain(|_, one| {
            if one.is_held() {
                one.seen = now;
            }
            let idle = now.since(one.seen);
            sizes[one.source.group.index()] += usize::from(idle < IDLE);
            idle < LASTS
        });
        if known.len() >= MOST && !make_room(&mut known) {
            return self.unknown();
        }
        // The first source has the second group: the first group is left to unknown sources as long as possible.
        let groups = SourceGroup::ALL.into_iter().cycle().skip(1).take(GROUPS);
        let group = groups.min_by_key(|group| sizes[group.index()]).unwrap_or_default();
        let source = Arc::new(SourceHandle { group });
        known.insert(name, Known { source: Arc::clone(&source), seen: now });
        source
    }
}

/// The source that was seen longest ago is evicted, if nothing holds it.
fn make_room(known: &mut HashMap<Name, Known>) -> bool {
    let left = known.iter().filter(|(_, one)| !one.is_held());
    let oldest = left.min_by_key(|(_, one)| one.seen).map(|(name, _)| name.clone());
    oldest.is_some_and(|name| known.remove(&name).is_some())
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & (u128::MAX << 64)).into()),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(table: &SourceTable, address: &str) -> Arc<SourceHandle> {
        table.at(address.parse().unwrap(), Millis(0))
    }

    #[test]
    fn an_address_is_a_source_however_it_is_written() {
        let table = SourceTable::default();
        let same = |one: &str, other: &str| Arc::ptr_eq(&at(&table, one), &at(&table, other));
        assert!(same("127.0.0.1", "::ffff:127.0.0.1"), "a socket of both families tells it so");
        assert!(!same("127.0.0.1", "127.0.0.2"));
        assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"), "of one network");
        assert!(!same("2001:db8:1:2::1", "2001:db8:1:3::1"));
        assert!(!Arc::ptr_eq(&table.client("127.0.0.1", Millis(0)), &at(&table, "127.0.0.1")), "a name is a name");
    }

    #[test]
    fn the_first_have_a_group_each_and_who_comes_later_shares_one() {
        let table = SourceTable::default();
        let held: Vec<_> = (1..=7).map(|last| at(&table, &format!("10.0.0.{last}"))).collect();
        assert_eq!(held.iter().map(|one| one.group.index()).collect::<Vec<_>>(), [1, 2, 3, 4, 0, 1, 2]);
    }

    #[test]
    fn whoever_comes_back_has_the_same_group_and_the_groups_of_those_who_left_are_free() {
        let table = SourceTable::default();
        let when = |address: &str, now| table.at(address.parse().unwrap(), Millis(now)).group.index();
        let stays = at(&table, "10.0.0.1");
        assert_eq!((stays.group.index(), when("10.0.0.2", 0), when("10.0.0.3", 0)), (1, 2, 3));
        assert_eq!(when("10.0.0.4", IDLE.0), 2);
        assert_eq!(when("10.0.0.3", IDLE.0 + 1), 3);
        assert_eq!(when("10.0.0.5", LASTS.0 * 2), 2, "all but the one that stays are forgotten");
        assert_eq!(table.known.lock().unwrap().len(), 2);
    }

    #[test]
    fn however_many_addresses_come_there_is_a_bound() {
        let table = SourceTable::default();
        let first = at(&table, "10.0.0.1");
        for number in 0..100_000_u32 {
            drop(table.at(IpAddr::V4(number.into()), Millis(u64::from(number))));
        }
        assert_eq!(table.known.lock().unwrap().len(), MOST);
        assert!(Arc::ptr_eq(&first, &at(&table, "10.0.0.1")), "who is connected stays");
        let held: Vec<_> = (0..1000_u32).map(|number| table.at(IpAddr::V4(number.into()), Millis(0))).collect();
        assert_eq!(table.known.lock().unwrap().len(), MOST);
        assert!(Arc::ptr_eq(&held[999], &table.unknown()));
    }
}
