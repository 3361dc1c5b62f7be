//! Sentences for a flag: why it has its value for a user, and what it serves to whom.
//!
//! The reply to the application (`metadata.why`), `serin flag` and `serin check` use the same ones. A user id is in
//! none of them; the bucket is.

use crate::decide::flag::{FlagChoice, FlagEvaluation, FlagPart};
use crate::decide::policy::{Flag, FlagValue, Policy, Serve, VariantId};
use crate::decide::route::RouteReason;
use crate::decide::timestamp::Timestamp;
use crate::decide::units::{Arm, Percent, RolloutId};

/// Why a user gets this value.
#[must_use]
pub fn why(policy: &Policy, evaluation: &FlagEvaluation<'_>) -> String {
    let choice = match evaluation.choice {
        FlagChoice::Fixed => String::new(),
        FlagChoice::Split(bucket) => format!("the split has `{}` for bucket {}", evaluation.variant.name, bucket.0),
        FlagChoice::Follow { rollout, arm, reason, percent } => {
            follow(rollout_name(policy, rollout), arm, reason, percent)
        }
    };
    match (evaluation.part, choice.as_str()) {
        (FlagPart::Off, _) => "the flag is off".to_owned(),
        (FlagPart::NotYet(from), _) => format!("the flag is off before {}", Timestamp(from)),
        (FlagPart::Over(until), _) => format!("the flag is off since {}", Timestamp(until)),
        (FlagPart::Rule(index), "") => format!("rule {} holds", index + 1),
        (FlagPart::Rule(index), choice) => format!("rule {} holds; {choice}", index + 1),
        (FlagPart::NoRule, "") => "no rule holds: this is the default".to_owned(),
        (FlagPart::NoRule, choice) => format!("no rule holds; {choice}"),
        (FlagPart::Whole, "") => "all users get the default".to_owned(),
        (FlagPart::Whole, choice) => choice.to_owned(),
    }
}

fn follow(rollout: &str, arm: Arm, reason: RouteReason, percent: Percent) -> String {
    let place = match arm {
        Arm::Stable => "stable",
        Arm::Canary => "the canary",
    };
    match reason {
        RouteReason::Pinned => format!("rollout `{rollout}` pins this user to {place}"),
        RouteReason::Bucket => format!("rollout `{rollout}` is at {percent} and has this user on {place}"),
        _ => format!("rollout `{rollout}` is at {percent}: all users are on {place}"),
    }
}

/// What the flag serves, in one line.
#[must_use]
pub fn summary(policy: &Policy, flag: &Flag) -> String {
    let variant = |id: VariantId| format!("`{}`", flag.variant(id).name);
    let otherwise = match &flag.otherwise {
        Serve::Variant(id) => {
            format!("{} for all {}", variant(*id), if flag.rules.is_empty() { "users" } else { "others" })
        }
        Serve::Split(shares) => split(flag, shares),
        Serve::Follow { rollout, canary, stable } => {
            let rollout = rollout_name(policy, *rollout);
            let is = |id: VariantId, value: bool| flag.variant(id).value == FlagValue::Boolean(value);
            if is(*canary, true) && is(*stable, false) {
                format!("true for the users that `{rollout}` sends to the canary")
            } else {
                let (canary, stable) = (variant(*canary), variant(*stable));
                format!("{canary} for the users that `{rollout}` sends to the canary, {stable} for all others")
            }
        }
    };
    let served = match flag.rules.len() {
        0 => otherwise,
        1 => format!("1 rule, then {otherwise}"),
        rules => format!("{rules} rules, then {otherwise}"),
    };
    let from = flag.from.map(|from| format!("from {}", Timestamp(from)));
    let until = flag.until.map(|until| format!("until {}", Timestamp(until)));
    let time = [from, until].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let served = if time.is_empty() { served } else { format!("{time}: {served}") };
    if flag.off { format!("off: {} for all users (otherwise {served})", variant(flag.off_variant)) } else { served }
}

/// `10% on, 90% off`.
fn split(flag: &Flag, shares: &[(Percent, VariantId)]) -> String {
    let mut below = 0;
    let parts = shares.iter().map(|(end, id)| {
        let share = end.hundredths() - below;
        below = end.hundredths();
        format!("{} {}", Percent::from_hundredths(share).unwrap_or_default(), flag.variant(*id).name)
    });
    parts.collect::<Vec<_>>().join(", ")
}

fn rollout_name(policy: &Policy, id: RolloutId) -> &str {
    policy.rollouts.get(usize::from(id.0)).map_or("?", |rollout| &rollout.name)
}
