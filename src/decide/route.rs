//! Which provider takes a request, on which arm, and for which reason.
//!
//! The first rollout whose match fits takes the request. Then the first of these that applies chooses the arm: the
//! state that it names ([`by_state`](mod@by_state)), no user is on the canary (`closed`), the canary has no such model
//! (`unmapped`), a tester's `force`, a pinned or excluded user, the bucket. Only requests whose arm the bucket chose
//! are counted for the guard, since a human's choice is no evidence. A request whose method is not split goes to the
//! rollout's stable without a user. Per request nothing is compiled, nothing is hashed twice, and nothing is allocated
//! but an id that arrives escaped and a path that has to be normalised.

pub mod by_state;
pub mod facts;
pub mod plan;

use std::collections::BTreeMap;

use http::HeaderMap;
use subtle::ConstantTimeEq;

use super::bucket::{BucketAndSlot, bucket_and_slot, bucket_and_slot_of_conversation, random_bucket};
use super::guard::sources::SourceGroup;
use super::policy::{Anonymous, Canary, KeyOrder, Match, Policy, Rollout, Unmapped, UserSource};
use super::state_at::{Bound, StateAt};
use super::units::{Arm, Bucket, Percent, ProviderId, RolloutId, Slot};
use super::user::user_id;
use crate::wire::body::{Peek, Wanted};
use crate::wire::opening::opening;
use crate::wire::path::{plain, respelled};
pub use facts::{Facts, Purpose};
pub use plan::{Plan, RouteReason};

/// It goes where `messages` go, since each provider counts by its own models.
const COUNT_TOKENS: &str = "messages/count_tokens";

/// How much of a body that is no conversation distinguishes it from others.
const TOLD_APART: usize = 64 * 1024;

/// What is in force for a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteShare {
    /// The share of users on the canary.
    pub percent: Percent,
    /// Whether nothing but the bucket may choose the canary.
    pub buckets_only: bool,
}

/// Why a request goes to no provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// No rollout takes the request, and the file rejects such requests.
    #[error(
        "no rollout takes this request, and flags.yaml has `unmatched: reject`; add a rollout that matches its path, \
         model and headers, or name a provider in `unmatched`"
    )]
    Unmatched,
    /// Without its model, nobody can say which tags it requires of a provider.
    #[error(
        "the model of this request cannot be read (its body is larger than `limits.replay_body`, encoded, or no JSON), \
         and rollouts that differ in `require` may take it; send it smaller and as plain JSON, or let a header tell \
         these rollouts apart"
    )]
    UnreadModel,
}

/// The fields of a JSON body that this policy reads: compiled once for each accepted file.
#[must_use]
pub fn wanted_fields(policy: &Policy) -> Wanted {
    let spreads = |rollout: &Rollout| policy.provider(rollout.stable).keys.order == KeyOrder::Spread;
    let split = || policy.rollouts.iter().filter(|rollout| rollout.canary.is_some() || spreads(rollout));
    let paths = split().flat_map(|rollout| &rollout.user).filter_map(|source| match source {
        UserSource::Body(path) => Some(path.as_slice()),
        _ => None,
    });
    Wanted::new(paths, false)
}

/// Plans a request. `draw` gives a number in 0..=9999 by chance, and is asked only for `anonymous: random`.
///
/// # Errors
/// [`Rejected`] where no rollout fits and the policy refuses such requests, or where it cannot be said which one fits.
pub fn plan(
    policy: &Policy,
    in_force: impl Fn(RolloutId) -> RouteShare,
    facts: &Facts<'_>,
    draw: impl FnOnce() -> u16,
) -> Result<Plan, Rejected> {
    let plan = split(policy, in_force, facts, draw)?;
    if facts.state == StateAt::Nowhere {
        return Ok(plan);
    }
    let plan = by_state::by_state(policy, plan, facts.state);
    let is_for_stable = plan.bound == Bound::Unknown && is_kept_on_stable(policy, &plan, facts);
    Ok(if is_for_stable { Plan { bound: Bound::Stable, ..plan } } else { plan })
}

/// The plan of a request that names no state.
fn split(
    policy: &Policy,
    in_force: impl Fn(RolloutId) -> RouteShare,
    facts: &Facts<'_>,
    draw: impl FnOnce() -> u16,
) -> Result<Plan, Rejected> {
    let unsplit = Plan {
        rollout: None,
        matched: None,
        arm: None,
        provider: ProviderId(0),
        default_provider: ProviderId(0),
        reason: RouteReason::Unmatched,
        counted: false,
        slot: None,
        bucket: None,
        user_hash: None,
        source: SourceGroup::default(),
        anonymous: false,
        bound: Bound::No,
    };
    let rollouts = || (0..=u16::MAX).zip(&policy.rollouts);
    let mut taken = rollouts().find(|(_, rollout)| takes(rollout, facts));
    if taken.is_none() && facts.purpose == Purpose::Options {
        // It speaks of requests to come and has neither their headers nor their model.
        taken = rollouts().find(|(_, rollout)| takes_path(&rollout.matches, facts.path));
    }
    let Some((id, rollout)) = taken else {
        let provider = policy.unmatched.provider().ok_or(Rejected::Unmatched)?;
        return Ok(Plan { provider, default_provider: provider, ..unsplit });
    };
    if !rollout.require.is_empty() && is_ambiguous(policy, usize::from(id), facts) {
        return Err(Rejected::UnreadModel);
    }
    let nobodys = Plan {
        matched: Some(RolloutId(id)),
        provider: rollout.stable,
        default_provider: rollout.stable,
        reason: RouteReason::Method,
        ..unsplit
    };
    let unsplit = Plan { rollout: Some(RolloutId(id)), reason: RouteReason::PlainRoute, ..nobodys };
    let Some(canary) = &rollout.canary else { return Ok(unsplit) };
    if !splits(&rollout.matches, facts.purpose) {
        return Ok(nobodys);
    }
    let share = in_force(RolloutId(id));
    // Looked for even where it decides nothing, so that the ratio of anonymous requests is known before a ramp begins.
    let user = user_id(&rollout.user, facts);
    let Chosen { arm, reason, slot, bucket } = if share.percent == Percent::ZERO {
        Chosen::without_a_hash(Arm::Stable, RouteReason::CanaryOff)
    } else if is_unmapped(policy, canary, facts) {
        Chosen::without_a_hash(Arm::Stable, RouteReason::Unmapped)
    } else if let Some(arm) = forced(rollout, facts.headers).filter(|arm| may_choose(*arm, share)) {
        Chosen::without_a_hash(arm, RouteReason::Forced)
    } else if let Some(chosen) = by_user(&rollout.salt, &rollout.pins, share, user.as_deref()) {
        chosen
    } else {
        by_no_user(rollout, share, facts, draw)
    };
    let provider = match arm {
        Arm::Stable => rollout.stable,
        Arm::Canary => canary.provider,
    };
    // What counts tokens generates nothing.
    let counted = reason.is_counted() && !counts_tokens(facts.path);
    let anonymous = user.is_none();
    // Where no hash decided, the guard still distinguishes conversations: one client must not count as many users.
    let slot = if counted && slot.is_none() { slot_of_nobody(&rollout.salt, facts) } else { slot };
    Ok(Plan { arm: Some(arm), provider, reason, counted, slot, bucket, anonymous, ..unsplit })
}

/// What one user's requests have in common wherever they go: the user's hash, else that of the conversation. Asked only
/// where keys are spread by it.
#[must_use]
pub fn user_hash(policy: &Policy, plan: &Plan, facts: &Facts<'_>) -> Option<u16> {
    if let Some(slot) = plan.slot {
        return Some(u16::from(slot));
    }
    let rollout = policy.rollouts.get(usize::from(plan.rollout?.0))?;
    let user = user_id(&rollout.user, facts).map(|user| bucket_and_slot(&rollout.salt, &user).slot);
    user.or_else(|| slot_of_nobody(&rollout.salt, facts)).map(u16::from)
}

/// An arm, and why.
struct Chosen {
    arm: Arm,
    reason: RouteReason,
    slot: Option<Slot>,
    bucket: Option<Bucket>,
}

impl Chosen {
    const fn without_a_hash(arm: Arm, reason: RouteReason) -> Chosen {
        Chosen { arm, reason, slot: None, bucket: None }
    }

    fn by_hash(place: BucketAndSlot, share: RouteShare, reason: RouteReason) -> Chosen {
        Chosen { arm: arm_at(place.bucket, share), reason, slot: Some(place.slot), bucket: Some(place.bucket) }
    }
}

/// The arm of a user, or of everybody; `None` where it takes an id and there is none. `force` and `unmapped`, which
/// belong to a request and not to a user, are not in it.
#[must_use]
pub fn arm_of_user(
    salt: &str,
    pins: &BTreeMap<String, Arm>,
    share: RouteShare,
    user: Option<&[u8]>,
) -> Option<(Arm, RouteReason)> {
    by_user(salt, pins, share, user).map(|chosen| (chosen.arm, chosen.reason))
}

/// Whether a hand keeps the request from the canaries of its stable: what it names is not looked up there either.
fn is_kept_on_stable(policy: &Policy, plan: &Plan, facts: &Facts<'_>) -> bool {
    let mut rollouts = (0..=u16::MAX).zip(&policy.rollouts).filter(|(id, rollout)| {
        rollout.moves_from(plan.default_provider) && plan.matched.is_none_or(|matched| matched == RolloutId(*id))
    });
    rollouts.any(|(_, rollout)| {
        let by_pin = || pinned(&rollout.pins, &user_id(&rollout.user, facts)?);
        forced(rollout, facts.headers).or_else(by_pin) == Some(Arm::Stable)
    })
}

fn by_user(salt: &str, pins: &BTreeMap<String, Arm>, share: RouteShare, user: Option<&[u8]>) -> Option<Chosen> {
    if share.percent == Percent::ZERO {
        return Some(Chosen::without_a_hash(Arm::Stable, RouteReason::CanaryOff));
    }
    if let Some(arm) = user.and_then(|user| pinned(pins, user)).filter(|arm| may_choose(*arm, share)) {
        return Some(Chosen::without_a_hash(arm, RouteReason::Pinned));
    }
    let place = user.map(|user| bucket_and_slot(salt, user));
    if share.percent == Percent::ALL {
        // The hash decides nothing, but the guard distinguishes users here too.
        let (slot, bucket) = place.map(|place| (place.slot, place.bucket)).unzip();
        return Some(Chosen { slot, bucket, ..Chosen::without_a_hash(Arm::Canary, RouteReason::Everybody) });
    }
    place.map(|place| Chosen::by_hash(place, share, RouteReason::Bucket))
}

fn by_no_user(rollout: &Rollout, share: RouteShare, facts: &Facts<'_>, draw: impl FnOnce() -> u16) -> Chosen {
    match rollout.anonymous {
        Anonymous::Conversation => match facts.body.and_then(opening) {
            Some(opening) => Chosen::by_hash(
                bucket_and_slot_of_conversation(&rollout.salt, &opening),
                share,
                RouteReason::Conversation,
            ),
            None => Chosen::without_a_hash(Arm::Stable, RouteReason::Anonymous),
        },
        Anonymous::Random => {
            let bucket = random_bucket(draw());
            Chosen { bucket: Some(bucket), ..Chosen::without_a_hash(arm_at(bucket, share), RouteReason::Drawn) }
        }
        Anonymous::Stable => Chosen::without_a_hash(Arm::Stable, RouteReason::Anonymous),
    }
}

/// The slot of a conversation whose user is not known; of a body without one: its own.
fn slot_of_nobody(salt: &str, facts: &Facts<'_>) -> Option<Slot> {
    let place = match facts.body.and_then(opening) {
        Some(opening) => bucket_and_slot_of_conversation(salt, &opening),
        None => facts.bytes.map(|bytes| bucket_and_slot(salt, bytes.get(..TOLD_APART).unwrap_or(bytes)))?,
    };
    Some(place.slot)
}

fn arm_at(bucket: Bucket, share: RouteShare) -> Arm {
    if bucket.is_below(share.percent) { Arm::Canary } else { Arm::Stable }
}

/// A hand may always choose stable; the canary only while nothing closes it.
fn may_choose(arm: Arm, share: RouteShare) -> bool {
    arm == Arm::Stable || !share.buckets_only
}

fn pinned(pins: &BTreeMap<String, Arm>, user: &[u8]) -> Option<Arm> {
    if pins.is_empty() {
        return None;
    }
    pins.get(str::from_utf8(user).ok()?).copied()
}

/// The arm that a tester's header asks for: `TOKEN` and `TOKEN:canary`, or `TOKEN:stable`.
fn forced(rollout: &Rollout, headers: &HeaderMap) -> Option<Arm> {
    let force = rollout.force.as_ref()?;
    let value = headers.get(force.header.as_str())?.as_bytes();
    let token = force.token.reveal().as_bytes();
    let is_token = |given: &[u8]| !token.is_empty() && bool::from(given.ct_eq(token));
    let asks = |suffix: &[u8]| value.strip_suffix(suffix).is_some_and(is_token);
    if is_token(value) || asks(b":canary") {
        return Some(Arm::Canary);
    }
    asks(b":stable").then_some(Arm::Stable)
}

/// Whether the canary translates models, and this request's is not among them. A request whose model cannot be read
/// has none that is.
fn is_unmapped(policy: &Policy, canary: &Canary, facts: &Facts<'_>) -> bool {
    let provider = policy.provider(canary.provider);
    if provider.unmapped == Unmapped::Pass || provider.models.is_empty() {
        return false;
    }
    !facts.body.and_then(Peek::model).is_some_and(|model| provider.models.contains_key(model))
}

/// Whether a path below the mount (with its leading slash) may be taken, as far as the path alone tells.
#[must_use]
pub fn takes_path(matches: &Match, path: &str) -> bool {
    match &matches.path {
        Some(pattern) => {
            let fits = |path: &str| pattern.fits(path.as_bytes());
            fits(path) || respelled(path).is_some_and(|path| fits(&path))
        }
        None => {
            let named = |path: &str| {
                let path = path.strip_prefix('/').unwrap_or(path);
                let endpoint = if path == COUNT_TOKENS { "messages" } else { path };
                matches.endpoints.iter().any(|known| known == endpoint || known == path)
            };
            named(path) || respelled(path).is_some_and(|path| named(&path))
        }
    }
}

fn counts_tokens(path: &str) -> bool {
    path.ends_with("count_tokens") && plain(path).strip_prefix('/') == Some(COUNT_TOKENS)
}

/// Whether requests with this purpose are split. By endpoint only POST is split, since only that generates; a pattern
/// of paths takes every method but OPTIONS.
fn splits(matches: &Match, purpose: Purpose) -> bool {
    match purpose {
        Purpose::Generate => true,
        Purpose::Options => false,
        Purpose::Other => matches.path.is_some(),
    }
}

/// Whether every part of a match that is present fits. A rollout that requires tags takes what may be its own: a
/// request whose body cannot be read could be of a user whose requests must not go elsewhere.
fn takes(rollout: &Rollout, facts: &Facts<'_>) -> bool {
    let matches = &rollout.matches;
    takes_path(matches, facts.path)
        && matches.model.as_ref().is_none_or(|pattern| match facts.body {
            Some(body) => body.model().is_some_and(|model| pattern.fits(model.as_bytes())),
            None => facts.purpose == Purpose::Generate && !rollout.require.is_empty(),
        })
        && matches.headers.iter().all(|(name, pattern)| {
            facts.headers.get_all(name.as_str()).iter().any(|value| pattern.fits(value.as_bytes()))
        })
}

/// Whether a request that a rollout takes unread may as well be of a later one, which requires other tags.
fn is_ambiguous(policy: &Policy, index: usize, facts: &Facts<'_>) -> bool {
    let taken = &policy.rollouts[index];
    let unread = taken.matches.model.is_some() && facts.body.is_none();
    let mut later = policy.rollouts[index + 1..].iter();
    unread && later.any(|later| !later.require.is_subset(&taken.require) && takes(later, facts))
}

#[cfg(test)]
mod tests;
