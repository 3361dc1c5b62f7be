//! Which users go to another provider when a split is replaced by another.
//!
//! Where both splits use the same salt, or one of them sends everybody to one provider, whole ranges of buckets move.
//! Where the salt changes every user gets another bucket, and only shares can be named. Pinned and excluded users are
//! counted one by one by the function that routes them. Invariant: the ranges ascend, do not overlap, and are as few as
//! possible.

use std::collections::{BTreeMap, BTreeSet};

use super::{BucketMove, Flow, PinnedMove, UserMoves};
use crate::decide::policy::Provider;
use crate::decide::route::{RouteShare, arm_of_user};
use crate::decide::units::{Arm, Percent};

/// How the users of one kind of request are split.
#[derive(Clone, Copy, Debug)]
pub(super) struct Split<'p> {
    pub(super) salt: &'p str,
    pub(super) pins: &'p BTreeMap<String, Arm>,
    pub(super) share: RouteShare,
    /// `None`: requests are refused.
    pub(super) stable: Option<&'p Provider>,
    /// `None`: everything goes to stable.
    pub(super) canary: Option<&'p Provider>,
}

impl<'p> Split<'p> {
    fn percent(&self) -> Percent {
        if self.canary.is_some() { self.share.percent } else { Percent::ZERO }
    }

    fn at(&self, arm: Arm) -> Option<&'p Provider> {
        if arm == Arm::Canary { self.canary.or(self.stable) } else { self.stable }
    }

    fn at_bucket(&self, bucket: u16) -> Option<&'p Provider> {
        self.at(if bucket < self.percent().hundredths() { Arm::Canary } else { Arm::Stable })
    }

    fn of_user(&self, user: &str) -> Option<&'p Provider> {
        if self.canary.is_none() {
            return self.stable;
        }
        let arm = arm_of_user(self.salt, self.pins, self.share, Some(user.as_bytes())).map(|(arm, _)| arm);
        self.at(arm.unwrap_or(Arm::Stable))
    }

    /// Whether all users are at one provider.
    fn is_whole(&self) -> bool {
        matches!(self.percent(), Percent::ZERO | Percent::ALL) || same(self.stable, self.canary.or(self.stable))
    }
}

/// Whether two providers are at the same address.
fn same(one: Option<&Provider>, other: Option<&Provider>) -> bool {
    one.map(|provider| &provider.base_url) == other.map(|provider| &provider.base_url)
}

fn name(provider: Option<&Provider>) -> Option<String> {
    provider.map(|provider| provider.name.clone())
}

pub(super) fn moves(before: &Split<'_>, after: &Split<'_>) -> UserMoves {
    let ranges = before.salt == after.salt || before.is_whole() || after.is_whole();
    UserMoves {
        buckets: if ranges { bucket_moves(before, after) } else { Vec::new() },
        rehashed: if ranges { Vec::new() } else { flows(before, after) },
        pinned: pinned_moves(before, after),
    }
}

fn bucket_moves(before: &Split<'_>, after: &Split<'_>) -> Vec<BucketMove> {
    let ends: BTreeSet<u16> =
        [0, 10_000].into_iter().chain([before.percent().hundredths(), after.percent().hundredths()]).collect();
    let mut moves: Vec<BucketMove> = Vec::new();
    for (first, end) in ends.iter().zip(ends.iter().skip(1)) {
        let (from, to) = (before.at_bucket(*first), after.at_bucket(*first));
        if same(from, to) {
            continue;
        }
        let (from, to) = (name(from), name(to));
        match moves.last_mut().filter(|last| last.last + 1 == *first && last.from == from && last.to == to) {
            Some(last) => last.last = end - 1,
            None => moves.push(BucketMove { first: *first, last: end - 1, from, to }),
        }
    }
    moves
}

fn flows(before: &Split<'_>, after: &Split<'_>) -> Vec<Flow> {
    let parts = |split: &Split<'_>| {
        let canary = split.percent().as_f64() / 100.0;
        [(Arm::Canary, canary), (Arm::Stable, 1.0 - canary)]
    };
    let mut flows = Vec::new();
    for (arm, share) in parts(before) {
        for (next_arm, next_share) in parts(after) {
            let (from, to) = (before.at(arm), after.at(next_arm));
            if !same(from, to) && share * next_share > 0.0 {
                flows.push(Flow { from: name(from), to: name(to), share: share * next_share });
            }
        }
    }
    flows
}

fn pinned_moves(before: &Split<'_>, after: &Split<'_>) -> Vec<PinnedMove> {
    let mut counts: BTreeMap<(Option<String>, Option<String>), usize> = BTreeMap::new();
    let pinned =
        |split: &Split<'_>| if split.canary.is_some() { split.pins.keys().cloned().collect() } else { BTreeSet::new() };
    let users: BTreeSet<String> = pinned(before).union(&pinned(after)).cloned().collect();
    for user in users {
        let (from, to) = (before.of_user(&user), after.of_user(&user));
        if !same(from, to) {
            *counts.entry((name(from), name(to))).or_default() += 1;
        }
    }
    counts.into_iter().map(|((from, to), users)| PinnedMove { from, to, users }).collect()
}
