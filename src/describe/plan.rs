//! Sentences for the plan of an edit: who moves, what begins anew, what is blocked, refused, or waits for a restart.
//!
//! Used by `serin plan`, the API, the log and the history, so that an edit reads the same before and after it. One line
//! for each fact. No line shows a value of the file but names, shares and addresses. Decides nothing.

use super::dry_run::buckets;
use super::format::percent;
use super::{in_force, unusable_stable, warning};
use crate::decide::plan::{Begins, BucketMove, Flow, PinnedMove, Plan, RequestClass, RolloutPlan, TakerPlan};
use crate::decide::policy::Intent;
use crate::decide::reload_refusal::ReloadRefusal;
use crate::decide::units::Percent;

/// So many kinds of requests are named.
const NAMED: usize = 4;

/// One line for each fact; none: the edit changes nothing.
#[must_use]
pub fn lines(plan: &Plan) -> Vec<String> {
    if let Some(refused) = &plan.refused {
        return vec![refusal(refused)];
    }
    let mut lines: Vec<String> = plan.rollouts.iter().flat_map(rollout).collect();
    if plan.more > 0 {
        lines.push(format!("{} more rollouts change; they are not compared here", plan.more));
    }
    for edit in &plan.providers {
        lines.push(format!("provider {}: {} edited; it applies to new requests", edit.provider, edit.keys.join(", ")));
    }
    if !plan.settings.is_empty() {
        lines.push(format!("{} edited; it takes effect at once", plan.settings.join(", ")));
    }
    lines.extend(plan.restart.iter().map(warning::sentence));
    lines
}

/// The whole plan on one line, for the log and the history.
#[must_use]
pub fn sentence(plan: &Plan) -> String {
    let lines = lines(plan);
    if lines.is_empty() { nothing() } else { lines.join("; ") }
}

/// Of an edit that changes nothing.
#[must_use]
pub fn nothing() -> String {
    "nothing changes".to_owned()
}

/// Why the file would be refused.
#[must_use]
pub fn refusal(refused: &ReloadRefusal) -> String {
    match refused {
        ReloadRefusal::RolledBackStable(found) => warning::refusal(found),
        ReloadRefusal::UnusableStable(found) => {
            format!("{}; {}", unusable_stable::problem(found), unusable_stable::remedy(found))
        }
    }
}

fn rollout(plan: &RolloutPlan) -> Vec<String> {
    let RolloutPlan { before, after, users, begins, blocked, edited, .. } = plan;
    let subject = subject(plan);
    let mut facts: Vec<String> = Vec::new();
    facts.extend(taker(plan));
    facts.extend(begins.iter().map(|begins| beginning(*begins, after)));
    let assumed = plan
        .assumed
        .map_or_else(String::new, |share| format!("the share in force is not known here; if it is {share}, "));
    facts.extend(users.buckets.iter().map(|range| format!("{assumed}{}", of_buckets(range))));
    if !users.rehashed.is_empty() {
        facts.push("the salt changes, so every user gets another bucket".to_owned());
        facts.extend(users.rehashed.iter().map(|flow| format!("{assumed}{}", of_flow(flow))));
    }
    facts.extend(users.pinned.iter().map(of_pinned));
    if let Some(blocked) = blocked {
        facts.push(format!("it would be blocked at 0%: {}", in_force::blocked(blocked.as_blocked())));
    }
    facts.extend(share_stays(before, after));
    if !edited.is_empty() {
        let how = if users.is_nobody() { "; no user moves by it" } else { "" };
        facts.push(format!("{} edited{how}", edited.join(", ")));
    }
    facts.into_iter().map(|fact| format!("{subject}: {fact}")).collect()
}

/// The rollout, and which of its requests where it is not all of them.
fn subject(plan: &RolloutPlan) -> String {
    let name = match (&plan.before.rollout, &plan.after.rollout) {
        (Some(before), Some(after)) if before != after => format!("{before} -> {after}"),
        (_, Some(name)) | (Some(name), None) => name.clone(),
        (None, None) => "unmatched requests".to_owned(),
    };
    if plan.requests.is_empty() {
        return name;
    }
    let named = plan.requests.iter().take(NAMED).map(request).collect::<Vec<_>>().join(", ");
    let more = plan.requests.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{name} (requests to {named}{more})")
}

/// A kind of request.
#[must_use]
pub fn request(class: &RequestClass) -> String {
    let model = class.model.as_ref().map_or_else(String::new, |model| format!(" with model {model}"));
    let headers: String = class.headers.iter().map(|(name, pattern)| format!(" with {name}: {pattern}")).collect();
    format!("{}{model}{headers}", class.path)
}

/// Another rollout takes these requests, or none.
fn taker(plan: &RolloutPlan) -> Option<String> {
    let unmatched = |side: &TakerPlan| match &side.stable {
        Some(provider) => format!("{provider} answers them, since no rollout takes them"),
        None => "they are refused, since no rollout takes them".to_owned(),
    };
    match (&plan.before.rollout, &plan.after.rollout) {
        (None, Some(_)) => Some("a new rollout takes these requests".to_owned()),
        (Some(_), None) => Some(format!("it no longer takes these requests: {}", unmatched(&plan.after))),
        (Some(before), Some(after)) if before != after => {
            Some(format!("{after} takes these requests instead of {before}"))
        }
        _ => None,
    }
}

fn beginning(begins: Begins, after: &TakerPlan) -> String {
    match (begins, after.intent) {
        (Begins::Rollout, Some(Intent::Auto)) => {
            "it is a new rollout (another name, address or salt): it begins at 0%, and the ramp starts once the canary has \
             answered a probe"
                .to_owned()
        }
        (Begins::Rollout, _) => "it is a new rollout (another name, address or salt), without evidence".to_owned(),
        (Begins::KnownRollout, _) => "it is known from before and continues where it was".to_owned(),
        (Begins::Evidence, _) => "guard or ramp are edited: the guard's evidence begins anew".to_owned(),
        (Begins::Attempt, _) => "a new attempt begins: 0% until the canary has answered a probe".to_owned(),
        (Begins::LockKept, _) => format!(
            "the lock stays: only `serin resume {}` lifts it",
            after.rollout.as_deref().unwrap_or_default()
        ),
    }
}

fn provider(name: Option<&String>) -> &str {
    name.map_or("being refused", String::as_str)
}

fn of_buckets(range: &BucketMove) -> String {
    let (share, users) = (range.share(), buckets(range.first, range.last));
    let whom = if share == Percent::ALL { "all users".to_owned() } else { format!("{share} of users ({users})") };
    match &range.to {
        Some(to) => format!("{whom} go from {} to {to} for new requests", provider(range.from.as_ref())),
        None => format!("new requests of {whom} are refused, now answered by {}", provider(range.from.as_ref())),
    }
}

fn of_flow(flow: &Flow) -> String {
    let to = flow.to.as_deref().unwrap_or("being refused");
    format!("about {} of users go from {} to {to}", percent(flow.share), provider(flow.from.as_ref()))
}

fn of_pinned(moved: &PinnedMove) -> String {
    let PinnedMove { from, to, users } = moved;
    let users = if *users == 1 {
        "1 pinned or excluded user goes".to_owned()
    } else {
        format!("{users} pinned or excluded users go")
    };
    format!("{users} from {} to {}", provider(from.as_ref()), to.as_deref().unwrap_or("being refused"))
}

/// The file has another percent, and it is not in force.
fn share_stays(before: &TakerPlan, after: &TakerPlan) -> Option<String> {
    let (Some(was), Some(intent)) = (before.intent, after.intent) else { return None };
    let phase = after.phase?;
    let percent = after.percent?;
    let edited = was != intent && before.percent == after.percent;
    match intent {
        Intent::Pinned(asked) if edited && asked != percent => {
            Some(format!("percent: {asked} is not in force, the share stays at {percent} ({})", phase.as_str()))
        }
        Intent::Auto if edited => Some(format!("percent: auto; the share stays at {percent} ({})", phase.as_str())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::plan::UserMoves;
    use crate::decide::rollout::state::OverallPhase;

    fn side(rollout: Option<&str>, share: u16) -> TakerPlan {
        TakerPlan {
            rollout: rollout.map(str::to_owned),
            stable: Some("openai".to_owned()),
            canary: Some("holysheep".to_owned()),
            percent: Percent::from_hundredths(share),
            intent: Percent::from_hundredths(share).map(Intent::Pinned),
            phase: Some(OverallPhase::Pinned),
        }
    }

    fn plan(before: TakerPlan, after: TakerPlan) -> RolloutPlan {
        RolloutPlan {
            before,
            after,
            requests: Vec::new(),
            users: UserMoves::default(),
            assumed: None,
            begins: Vec::new(),
            blocked: None,
            edited: Vec::new(),
        }
    }

    fn of(rollout: RolloutPlan) -> Vec<String> {
        lines(&Plan { rollouts: vec![rollout], ..Plan::default() })
    }

    #[test]
    fn a_raised_share_names_its_buckets() {
        let moved = BucketMove { first: 1000, last: 2499, from: Some("openai".into()), to: Some("holysheep".into()) };
        let users = UserMoves { buckets: vec![moved], ..UserMoves::default() };
        let entry = RolloutPlan {
            users: users.clone(),
            edited: vec!["percent".to_owned()],
            ..plan(side(Some("chat"), 1000), side(Some("chat"), 2500))
        };
        assert_eq!(
            of(entry.clone()),
            [
                "chat: 15% of users (buckets 1000 to 2499) go from openai to holysheep for new requests",
                "chat: percent edited"
            ]
        );
        let assumed = RolloutPlan { assumed: Percent::from_hundredths(1000), ..entry };
        assert!(of(assumed)[0].contains("the share in force is not known here; if it is 10%, 15% of users"));
    }

    #[test]
    fn a_rollout_that_is_gone_says_who_answers() {
        let gone = TakerPlan { rollout: None, canary: None, intent: None, phase: None, ..side(None, 0) };
        let class = RequestClass { path: "messages".into(), pattern: false, model: None, headers: Default::default() };
        let entry = RolloutPlan { requests: vec![class], ..plan(side(Some("chat"), 1000), gone) };
        assert_eq!(
            of(entry),
            ["chat (requests to messages): it no longer takes these requests: openai answers them, since no rollout \
                 takes them"]
        );
    }

    #[test]
    fn a_locked_rollout_says_that_the_edit_lifts_nothing() {
        let after =
            TakerPlan { percent: Some(Percent::ZERO), phase: Some(OverallPhase::Locked), ..side(Some("chat"), 5000) };
        let before = TakerPlan { percent: Some(Percent::ZERO), ..side(Some("chat"), 1000) };
        assert_eq!(of(plan(before, after)), ["chat: percent: 50% is not in force, the share stays at 0% (locked)"]);
        assert_eq!(sentence(&Plan::default()), "nothing changes");
    }
}
