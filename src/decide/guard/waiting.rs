//! Requests that were sent and have had no output yet, by the second in which they were sent.
//!
//! Requests of the same second are compared with each other: they have the same age and met the same network. Each kind
//! has its own table, since the first output of a whole answer comes at its end. A request is identified by its second
//! and its user, which is enough to count it once. Requests that are older than the table only count towards a total.
//! Seconds and users are bounded; users above the bound are counted without an identity. Decides nothing. The caller
//! gives the time: seconds are numbered by one clock that senders and counters share.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::decide::units::{Arm, Millis, Slot};

/// How many seconds back requests are distinguished.
pub const REACH: u32 = 1024;
/// The ages by which waiting requests are reported.
pub const AGES: [(Millis, &str); 4] =
    [(Millis(5000), "5s"), (Millis(30_000), "30s"), (Millis(120_000), "2m"), (Millis(600_000), "10m")];
/// The label of those who are older.
pub const LONGER: &str = "longer";
/// How many users of waiting requests are remembered.
const MOST_NAMED: u32 = 65_536;
/// A request without a user.
const NOBODY: u16 = u16::MAX;

/// How a request wants its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseKind {
    /// As a stream: its first output comes early.
    Streamed,
    /// Whole: its output comes at its end.
    Whole,
}

impl ResponseKind {
    /// Both.
    pub const ALL: [ResponseKind; 2] = [ResponseKind::Streamed, ResponseKind::Whole];

    /// Of a request that asks for a stream, or does not.
    #[must_use]
    pub const fn of(streams: bool) -> ResponseKind {
        if streams { ResponseKind::Streamed } else { ResponseKind::Whole }
    }
}

/// When a request was sent, and how it wants its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The number of the second.
    pub second: u32,
    /// How it wants its answer.
    pub kind: ResponseKind,
}

/// How a request stopped waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitEnd {
    /// With output, or with another answer that is well.
    Answered,
    /// As a failure of the provider.
    Failed,
    /// As a failure too, after which the same provider is asked again: until then nobody waits for it.
    Paused,
    /// Its client left.
    ClientGone,
    /// In a way that does not count.
    Dropped,
}

/// Whose requests they are, and how many of each: at high rates very many wait at one time, and each is taken out
/// again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct CountByUser {
    by_user: BTreeMap<u16, u32>,
    count: u32,
}

impl CountByUser {
    fn add(&mut self, user: u16) {
        *self.by_user.entry(user).or_default() += 1;
        self.count += 1;
    }

    fn remove(&mut self, user: u16) -> bool {
        match self.by_user.get_mut(&user) {
            None => return false,
            Some(1) => {
                self.by_user.remove(&user);
            }
            Some(requests) => *requests -= 1,
        }
        self.count -= 1;
        true
    }

    fn users(&self) -> impl Iterator<Item = Option<Slot>> + '_ {
        let each = |(user, requests): (&u16, &u32)| std::iter::repeat_n(user_of(*user), *requests as usize);
        self.by_user.iter().flat_map(each)
    }
}

/// Requests of one second, kind and arm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaitingGroup {
    // Whose wait, and how many more do.
    waiting: CountByUser,
    unnamed: u32,
    /// How many had output.
    pub answered: u32,
    // Those that ended late and without output; of stable also those that failed early.
    silent: CountByUser,
    unnamed_silent: u32,
}

impl WaitingGroup {
    /// Requests without output: those that wait, and those that waited in vain.
    #[must_use]
    pub fn unanswered(&self) -> u32 {
        self.waiting() + self.silent.count + self.unnamed_silent
    }

    /// Requests that wait.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        self.waiting.count + self.unnamed
    }

    /// The users of requests without output, as far as they are known; `None`: a request without a user.
    pub fn users(&self) -> impl Iterator<Item = Option<Slot>> + '_ {
        self.waiting.users().chain(self.silent.users())
    }

    /// Whose requests wait, as far as that is known.
    pub fn waiting_users(&self) -> impl Iterator<Item = Option<Slot>> + '_ {
        self.waiting.users()
    }

    /// One of this user's requests waits no more; `None`: none did. Says whether it was known by its user.
    fn end(&mut self, user: u16) -> Option<bool> {
        if self.waiting.remove(user) {
            return Some(true);
        }
        self.unnamed = self.unnamed.checked_sub(1)?;
        Some(false)
    }

    fn forget_silent(&mut self) -> u32 {
        self.unnamed_silent = 0;
        std::mem::take(&mut self.silent).count
    }
}

/// Requests of one second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cohort {
    /// The number of the second.
    pub second: u32,
    groups: [[WaitingGroup; 2]; 2],
}

impl Cohort {
    #[must_use]
    pub const fn group(&self, kind: ResponseKind, arm: Arm) -> &WaitingGroup {
        &self.groups[kind as usize][arm as usize]
    }
}

#[derive(Clone, Debug, Default)]
pub struct WaitingRequests {
    // In order; seconds without waiting requests are left out.
    cohorts: VecDeque<Cohort>,
    named: u32,
    // By arm: of seconds further back than the table reaches, and which the last of them is.
    older: [u32; 2],
    older_until: u32,
    // What was sent before is not known.
    since: u32,
}

impl WaitingRequests {
    /// A request was sent.
    pub fn sent(&mut self, wait: Wait, arm: Arm, user: Option<Slot>) {
        if wait.second < self.since || self.is_older(wait.second) {
            return;
        }
        let place = match self.cohorts.binary_search_by_key(&wait.second, |cohort| cohort.second) {
            Ok(place) => place,
            Err(place) => {
                self.cohorts.insert(place, Cohort { second: wait.second, groups: Default::default() });
                place
            }
        };
        let group = &mut self.cohorts[place].groups[wait.kind as usize][arm as usize];
        if self.named < MOST_NAMED {
            self.named += 1;
            group.waiting.add(number_of(user));
        } else {
            group.unnamed += 1;
        }
    }

    /// A request stopped waiting; `counts`: whether one that failed, or whose client left, was without output for long
    /// enough. Says whether it was known.
    pub fn end_wait(&mut self, wait: Wait, arm: Arm, user: Option<Slot>, how: WaitEnd, counts: bool) -> bool {
        if wait.second < self.since {
            return false;
        }
        if self.is_older(wait.second) {
            let older = &mut self.older[arm as usize];
            let known = *older > 0;
            *older = older.saturating_sub(1);
            return known;
        }
        let Ok(place) = self.cohorts.binary_search_by_key(&wait.second, |cohort| cohort.second) else { return false };
        let user = number_of(user);
        let group = &mut self.cohorts[place].groups[wait.kind as usize][arm as usize];
        let Some(named) = group.end(user) else { return false };
        match how {
            WaitEnd::Answered => group.answered += 1,
            WaitEnd::Failed | WaitEnd::Paused | WaitEnd::ClientGone if counts && named => {
                // It keeps its place.
                group.silent.add(user);
                return true;
            }
            WaitEnd::Failed | WaitEnd::Paused | WaitEnd::ClientGone if counts => group.unnamed_silent += 1,
            WaitEnd::Failed | WaitEnd::Paused | WaitEnd::ClientGone | WaitEnd::Dropped => {}
        }
        self.named -= u32::from(named);
        true
    }

    const fn is_older(&self, second: u32) -> bool {
        second < self.older_until
    }

    /// Time has passed: what is over is forgotten, and what is very old is counted and no more. Whoever waited in vain
    /// is remembered as long as the requests of that second may be compared: not before `compared`, by kind.
    pub fn pass(&mut self, second: u32, compared: [u32; 2]) {
        self.older_until = self.older_until.max(second.saturating_sub(REACH));
        let (older, named, until) = (&mut self.older, &mut self.named, self.older_until);
        self.cohorts.retain_mut(|cohort| {
            if cohort.second >= second {
                return true;
            }
            let reached = cohort.second >= until;
            for (arms, compared) in cohort.groups.iter_mut().zip(compared) {
                let comparable = reached && cohort.second >= compared && arms[Arm::Canary as usize].unanswered() > 0;
                if !comparable {
                    arms.iter_mut().for_each(|group| *named -= group.forget_silent());
                }
                if !reached {
                    for (group, sum) in arms.iter().zip(&mut *older) {
                        *sum = sum.saturating_add(group.waiting());
                        *named -= group.waiting.count;
                    }
                }
            }
            reached && !cohort.groups.iter().flatten().all(|group| group.unanswered() == 0)
        });
    }

    /// Nothing is known of what was sent before this second.
    pub fn forget(&mut self, second: u32) {
        *self = WaitingRequests { since: second, older_until: self.older_until, ..WaitingRequests::default() };
    }

    /// The seconds with requests that wait, or waited in vain, from this one on.
    pub fn from(&self, second: u32) -> impl DoubleEndedIterator<Item = &Cohort> {
        let first = self.cohorts.partition_point(|cohort| cohort.second < second);
        self.cohorts.range(first..)
    }

    /// How many wait on this arm for less than each of these times, and how many for longer; the times rise. The age of
    /// a second is that of its youngest request.
    #[must_use]
    pub fn by_age<const AGES: usize>(&self, arm: Arm, ages: &[Millis; AGES], now: Millis) -> ([u32; AGES], u32) {
        let (mut counts, mut longer) = ([0; AGES], self.older[arm as usize]);
        for cohort in &self.cohorts {
            let age = age(cohort.second, now);
            let count = match ages.iter().position(|limit| age < *limit) {
                Some(place) => &mut counts[place],
                None => &mut longer,
            };
            *count += ResponseKind::ALL.iter().map(|kind| cohort.group(*kind, arm).waiting()).sum::<u32>();
        }
        (counts, longer)
    }
}

/// For how long the youngest request of a second has waited.
#[must_use]
pub fn age(second: u32, now: Millis) -> Millis {
    Millis(now.0.saturating_sub((u64::from(second) + 1) * 1000))
}

/// The number of the second that this moment lies in.
#[must_use]
pub fn second_of(now: Millis) -> u32 {
    u32::try_from(now.0 / 1000).unwrap_or(u32::MAX)
}

fn number_of(user: Option<Slot>) -> u16 {
    user.map_or(NOBODY, u16::from)
}

fn user_of(number: u16) -> Option<Slot> {
    (number != NOBODY).then(|| Slot::of(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(second: u32) -> Wait {
        Wait { second, kind: ResponseKind::Whole }
    }

    fn user(number: u16) -> Option<Slot> {
        Some(Slot::of(number))
    }

    #[test]
    fn the_table_is_bounded_and_counts_go_on() {
        let mut waiting = WaitingRequests::default();
        for second in 0..4000 {
            for number in 0..20 {
                waiting.sent(wait(second), Arm::Canary, user(number));
            }
            waiting.pass(second, [0; 2]);
        }
        let reach = REACH as usize;
        assert!(waiting.cohorts.len() <= reach + 1 && waiting.named <= MOST_NAMED);
        let (young, longer) = waiting.by_age(Arm::Canary, &[Millis(60_000)], Millis(4_000_000));
        assert_eq!((young[0], young[0] + longer), (60 * 20, 80_000));
        // Those who are long forgotten are counted down as they end.
        assert!(waiting.end_wait(wait(7), Arm::Canary, user(3), WaitEnd::Answered, false));
        assert!(waiting.end_wait(wait(3999), Arm::Canary, user(3), WaitEnd::Dropped, false));
        let (young, longer) = waiting.by_age(Arm::Canary, &[Millis(60_000)], Millis(4_000_000));
        assert_eq!(young[0] + longer, 79_998);
    }

    #[test]
    fn more_than_can_be_named_are_counted() {
        let mut waiting = WaitingRequests::default();
        let all = MOST_NAMED + 500;
        (0..all).for_each(|_| waiting.sent(wait(9), Arm::Stable, user(1)));
        (0..all).for_each(|_| assert!(waiting.end_wait(wait(9), Arm::Stable, user(1), WaitEnd::Answered, false)));
        assert!(!waiting.end_wait(wait(9), Arm::Stable, user(1), WaitEnd::Answered, false), "no more than were sent");
        waiting.pass(10, [0; 2]);
        assert_eq!((waiting.cohorts.len(), waiting.named), (0, 0));
    }

    #[test]
    fn what_was_thrown_away_is_not_counted_down() {
        let mut waiting = WaitingRequests::default();
        waiting.sent(wait(5), Arm::Canary, user(1));
        waiting.forget(6);
        waiting.sent(wait(5), Arm::Canary, user(2));
        waiting.sent(wait(6), Arm::Canary, user(3));
        assert!(!waiting.end_wait(wait(5), Arm::Canary, user(1), WaitEnd::Answered, false));
        assert_eq!(waiting.by_age(Arm::Canary, &[], Millis(9000)), ([], 1));
    }

    #[test]
    fn whoever_waited_in_vain_is_remembered_while_it_matters() {
        let mut waiting = WaitingRequests::default();
        for (second, arm) in [(5, Arm::Canary), (5, Arm::Stable), (7, Arm::Stable)] {
            waiting.sent(wait(second), arm, user(1));
            waiting.end_wait(wait(second), arm, user(1), WaitEnd::ClientGone, true);
        }
        waiting.pass(9, [5; 2]);
        let seconds = |waiting: &WaitingRequests| waiting.from(0).map(|cohort| cohort.second).collect::<Vec<_>>();
        assert_eq!(seconds(&waiting), [5], "stable's alone are compared with nobody's");
        waiting.pass(9, [6; 2]);
        assert_eq!((seconds(&waiting), waiting.named), (vec![], 0));
    }
}
