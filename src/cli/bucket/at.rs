//! `serin bucket --at`: which arm a user had at a moment, from the history of a running sidecar.
//!
//! The share is that of the newest event of the rollout at that moment. The history keeps no pins and no salt: those of
//! the file are taken, and what is known to have been edited since is said. Invariant: where the history does not reach
//! back far enough no arm is told.

use std::time::Duration;

use http::Method;

use crate::app::api::{HistoryEntry, HistoryReply, Timestamp};
use crate::cli::Failure;
use crate::cli::api_call::by_any;
use crate::cli::locate::LocateArgs;
use crate::cli::output::{moment, one_line};
use crate::cli::past::Past;
use crate::cli::rollback::segment;
use crate::decide::event::Action;
use crate::decide::units::{Percent, UnixMillis};

const PATIENCE: Duration = Duration::from_secs(12);
/// Keys whose edit gives users another arm at the same share.
const ASSIGNS: [&str; 2] = ["salt", "pin_users or exclude"];

/// What is known of a moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Moment {
    pub(super) at: Timestamp,
    /// The share in force.
    pub(super) percent: Percent,
    /// The event that set it.
    pub(super) since: Timestamp,
    /// Whether nothing but the bucket chose the canary.
    pub(super) buckets_only: bool,
    /// What is said besides, one sentence each.
    pub(super) notes: Vec<String>,
}

/// Asks the running sidecar.
pub(super) fn find(reach: &LocateArgs, rollout: &str, at: Past, now: UnixMillis) -> Result<Moment, Failure> {
    let at = at.before(now);
    if at > now {
        return Err(Failure::usage(format!("--at {}: the time is in the future", moment(Timestamp(at)))));
    }
    let target = reach.find_one()?;
    let ask = |query: String| -> Result<Vec<HistoryEntry>, Failure> {
        let path = format!("/api/v1/history?{query}");
        let reply: Result<HistoryReply, _> = by_any(&target.vias, &Method::GET, &path, None, PATIENCE);
        reply.map(|reply| reply.events).map_err(|error| Failure::failed(error.to_string()))
    };
    let before = ask(format!("rollout={}&until={}&limit=1000", segment(rollout), at.0))?;
    // A notification that was sent has the share of what it told of, and sets none.
    let sets_share = |event: &&HistoryEntry| !Action::from(event.action.clone()).decides_nothing();
    let reloads = ask(format!("action=reload&since={}&limit=1000", at.0))?;
    moment_of(rollout, at, before.iter().find(sets_share), &reloads)
}

fn moment_of(
    rollout: &str,
    at: UnixMillis,
    newest: Option<&HistoryEntry>,
    reloads: &[HistoryEntry],
) -> Result<Moment, Failure> {
    let Some(event) = newest else {
        let at = moment(Timestamp(at));
        return Err(Failure::failed(format!("the history has no percent of `{rollout}` at or before {at}")));
    };
    let percent = percent_of(event.to)?;
    let mut notes = vec![format!(
        "{rollout} was at {percent} at {}: {} by {}, {}",
        moment(Timestamp(at)),
        one_line(&event.action),
        one_line(&event.actor),
        moment(event.at)
    )];
    let edits = |reload: &HistoryEntry| {
        let keys = reload.edited.as_ref()?.get(rollout)?;
        let named: Vec<&str> = keys.iter().map(String::as_str).filter(|key| ASSIGNS.contains(key)).collect();
        (!named.is_empty()).then(|| format!("{} (edited {})", named.join(" and "), moment(reload.at)))
    };
    let edited: Vec<String> = reloads.iter().filter_map(edits).collect();
    if !edited.is_empty() {
        notes.push(format!("not known: the {} of that time; those of the present file are used", edited.join(", ")));
    }
    if reloads.iter().any(|reload| reload.edited.is_none()) {
        notes.push("not known: whether salt or pins were edited since, in reloads of an earlier version".to_owned());
    }
    let buckets_only = matches!(event.action.as_str(), "rollback" | "block");
    Ok(Moment { at: Timestamp(at), percent, since: event.at, buckets_only, notes })
}

fn percent_of(number: f64) -> Result<Percent, Failure> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of at most 100")]
    let hundredths = (number.clamp(0.0, 100.0) * 100.0).round() as u16;
    Percent::from_hundredths(hundredths).ok_or_else(|| Failure::failed(format!("{number} is not a share")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at: u64, action: &str, to: f64) -> HistoryEntry {
        HistoryEntry {
            at: Timestamp(UnixMillis(at)),
            rollout: Some("chat".to_owned()),
            actor: "ramp".to_owned(),
            action: action.to_owned(),
            reason: String::new(),
            from: 0.0,
            to,
            numbers: Default::default(),
            causes: Vec::new(),
            generation: 1,
            edited: None,
        }
    }

    #[test]
    fn the_newest_event_gives_the_share_and_edits_since_are_said() {
        let promoted = event(1000, "promote", 25.0);
        let edited = |keys: &[&str]| {
            let keys = keys.iter().map(|key| (*key).to_owned()).collect();
            HistoryEntry { edited: Some([("chat".to_owned(), keys)].into()), ..event(5000, "reload", 0.0) }
        };
        let found = moment_of("chat", UnixMillis(2000), Some(&promoted), &[edited(&["hold"])]).unwrap();
        assert_eq!(
            (found.percent.hundredths(), found.since.0.0, found.buckets_only, found.notes.len()),
            (2500, 1000, false, 1)
        );
        assert!(
            found.notes[0].starts_with("chat was at 25% at 1970-01-01 00:00:02Z: promote by ramp"),
            "{:?}",
            found.notes
        );
        let salted = moment_of("chat", UnixMillis(2000), Some(&promoted), &[edited(&["salt", "hold"])]).unwrap();
        assert!(salted.notes[1].starts_with("not known: the salt (edited 1970-01-01 00:00:05Z)"), "{:?}", salted.notes);
        let old = moment_of("chat", UnixMillis(2000), Some(&promoted), &[event(3000, "reload", 0.0)]).unwrap();
        assert!(old.notes[1].contains("in reloads of an earlier version"));
        let rolled_back = moment_of("chat", UnixMillis(2000), Some(&event(1, "rollback", 5.0)), &[]).unwrap();
        assert!(rolled_back.buckets_only);
    }

    #[test]
    fn before_the_history_nothing_is_claimed() {
        let error = moment_of("chat", UnixMillis(2000), None, &[]).unwrap_err();
        assert_eq!(error.message, "the history has no percent of `chat` at or before 1970-01-01 00:00:02Z");
    }
}
