//! Sentences for the reasons in the history and the log.
//!
//! A reason that a human gave, and a text of an earlier version, is returned unchanged. A sentence may contain line
//! breaks of such a text.

use super::decision::sentence;
use super::{alert, comparison, in_force, incompatibility, key, plan, retirement};
use crate::decide::event::{BreakerChange, Event, Reason};
use crate::decide::policy::NotifyEvent;

/// The reason; empty: none was given.
#[must_use]
pub fn reason(event: &Event) -> String {
    let name = event.rollout.as_deref().unwrap_or_default();
    match &event.reason {
        Reason::Said { text } | Reason::Earlier { text, .. } => text.clone(),
        Reason::Decided(decision) => sentence(decision),
        Reason::Answered => "the canary answered a probe".to_owned(),
        Reason::Clock => "by ramp.from and the clock".to_owned(),
        Reason::Waited { pause, after, retry, most } => {
            format!("{pause} have passed since the rollback (try_again_after {after}, retry {retry} of {most})")
        }
        Reason::Attempt { attempt } => format!("`attempt: {attempt}` begins a new attempt"),
        Reason::StageAbove { percent } => format!("the edited ramp has a stage above {percent}"),
        Reason::InForce { by } => in_force::reason(name, by),
        Reason::Unblocked { by } => format!("no longer blocked: {}", in_force::reason(name, by)),
        Reason::Refuses { finding, canary, stable, .. } => {
            format!(
                "{}; {}",
                incompatibility::sentence(finding, canary, stable),
                incompatibility::advice(finding, canary, name)
            )
        }
        Reason::Breaker { provider, turn } => breaker(provider, *turn),
        Reason::Key { provider, key, turn } => key::change(provider, key, *turn),
        Reason::NeverInForce { action } => {
            format!("the {action} was never in force: another change came while it was being written")
        }
        Reason::Began { version, dir, rollouts, more } => {
            let shares = rollouts.iter().map(|(name, share, phase)| format!("{name} at {share} ({})", phase.as_str()));
            let parts = shares.collect::<Vec<_>>().join(", ");
            let rollouts = match (rollouts.len(), more) {
                (0, _) => "no rollout has a canary".to_owned(),
                (_, 0) => parts,
                (_, more) => format!("{parts} and {more} more"),
            };
            format!("version {version} started, with state in {dir}: {rollouts}")
        }
        Reason::Accepted { generation, plan: effect } => {
            let effect = effect.as_ref().map_or_else(String::new, |effect| format!(": {}", plan::sentence(effect)));
            format!("the file is in force as generation {generation}{effect}")
        }
        Reason::Refused { count, first } => {
            let first = first.as_ref().map_or_else(|| "it could not be read".to_owned(), ToString::to_string);
            match count {
                0 | 1 => format!("the file was refused: {first}"),
                count => format!("the file was refused for {count} errors; the first: {first}"),
            }
        }
        Reason::Ended { canary, open, without_output, text } => {
            let requests = if *open == 1 { "1 request".to_owned() } else { format!("{open} requests") };
            let why = if text.is_empty() { String::new() } else { format!(" ({text})") };
            format!(
                "{requests} on {canary} ended{why}; {without_output} of them had no output: what can be sent again goes to \
                 stable, and other clients get an error"
            )
        }
        Reason::Retires { retirement } => retirement::sentence(retirement),
        Reason::Rehearsed { canary, stable, compared, blocking } => {
            comparison::verdict((canary, stable), name, *compared, blocking)
        }
        Reason::Noticed(noticed) => alert::sentence(noticed),
        Reason::Notification { target, on, id, tries, error } => {
            let of = on.map_or("the end of a problem", NotifyEvent::as_str);
            let tries = if *tries == 1 { "one try".to_owned() } else { format!("{tries} tries") };
            match error {
                None => format!("{target} was notified of {of} ({id}) after {tries}"),
                Some(error) => format!("{target} was not notified of {of} ({id}), {tries}: {error}"),
            }
        }
    }
}

/// A change of a provider's breaker.
#[must_use]
pub fn breaker(provider: &str, turn: BreakerChange) -> String {
    match turn {
        BreakerChange::Closed => format!("the breaker of {provider} is closed: it answers again"),
        BreakerChange::Reached => format!("the breaker of {provider} is closed: it is reachable again"),
        BreakerChange::Opened { failures, open_for } => format!(
            "the breaker of {provider} is open after {failures} failures in a row: for {open_for} its requests go to \
             another candidate where one is left"
        ),
        BreakerChange::OutOfReach { failures } => format!(
            "the breaker of {provider} is open: {failures} connections in a row failed; until it answers or a test \
             connection succeeds, its rollouts use another candidate first"
        ),
    }
}
