//! The report of a rollback: what happened in the minutes around it, as values.
//!
//! Written when users were moved back, and completed some minutes later. Made of counts and of the guard's decision: it
//! has no user id, no text of a request or response, and no secret. [`describe`](crate::describe) makes it readable.
//! Invariant: a report is never changed once it is complete.

use serde::{Deserialize, Serialize};

use super::cause::CauseCount;
use super::event::Event;
use super::guard::aspect::Aspect;
use super::guard::tick::ArmTick;
use super::guard::trace::TraceLine;
use super::notification::Pair;
use super::units::{Millis, UnixMillis};

/// What is shown before the rollback and after it.
pub const BEFORE: Millis = Millis(15 * 60_000);
pub const AFTER: Millis = Millis(5 * 60_000);
/// The length of a point.
const STEP: u64 = 10_000;
/// Failures that are further apart are not of one run.
const GAP: u64 = 60_000;
/// Reports that are kept.
pub const MOST_INCIDENTS: usize = 500;

/// The report of a rollback.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// The rollout and the moment, for people and paths.
    pub id: String,
    pub pair: Pair,
    /// The rollback, with its reason and numbers.
    pub event: Event,
    /// The first failure of the run that led to it; `None`: the canary had none in these minutes.
    pub began: Option<UnixMillis>,
    /// Why the canary's requests failed, most often first.
    pub causes: Vec<CauseCount>,
    /// Requests that were open on the canary when it was taken back.
    pub open: u64,
    /// The minutes around it, oldest first.
    pub points: Vec<IncidentPoint>,
    /// Whether the minutes after it are in it.
    pub complete: bool,
}

/// Some seconds of both arms.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentPoint {
    /// When they ended.
    pub at: UnixMillis,
    /// The share of users on the canary, in percent.
    pub share: f64,
    pub stable: PointCounts,
    pub canary: PointCounts,
}

/// What was counted of one arm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PointCounts {
    pub requests: u64,
    pub failures: u64,
    pub slow: u64,
}

impl Incident {
    /// The report of a rollback, as far as it can be told at once. `lines`: what the guard saw, oldest first.
    #[must_use]
    pub fn new(event: Event, pair: Pair, causes: Vec<CauseCount>, open: u64, lines: &[TraceLine]) -> Incident {
        let id = id(event.rollout.as_deref().unwrap_or_default(), event.at);
        // The guard's own causes are those that it decided by.
        let decided = event.decision().map(|decision| decision.causes.clone()).filter(|causes| !causes.is_empty());
        let mut incident = Incident {
            id,
            pair,
            began: began(lines, event.at),
            causes: decided.unwrap_or(causes),
            event,
            open,
            points: Vec::new(),
            complete: false,
        };
        incident.see(lines);
        incident
    }

    /// Takes the minutes around it from what the guard saw. What began after the rollback is about another canary, and
    /// what is known already stays.
    pub fn see(&mut self, lines: &[TraceLine]) {
        let at = self.event.at;
        if !self.points.is_empty() && !lines.iter().any(|line| line.at.0 <= at) {
            return;
        }
        let (from, to) = (UnixMillis(at.0.saturating_sub(BEFORE.0)), UnixMillis(at.0 + AFTER.0));
        self.points = points(lines.iter().filter(|line| (from..=to).contains(&line.at.0)));
    }

    /// Whether the minutes after it have passed.
    #[must_use]
    pub fn is_due(&self, now: UnixMillis) -> bool {
        !self.complete && now.0 >= self.event.at.0 + AFTER.0
    }

    /// The canary's requests that failed, and users who saw an error.
    #[must_use]
    pub fn affected(&self) -> (u64, u64) {
        let failed = self.causes.iter().map(|cause| cause.of).max().unwrap_or_default();
        (failed, self.causes.iter().map(|cause| cause.users_failed).sum())
    }
}

/// `chat-20261121T075602.123Z`.
fn id(rollout: &str, at: UnixMillis) -> String {
    let moment: String = super::timestamp::Timestamp(at).to_string().chars().filter(|c| !"-:.".contains(*c)).collect();
    format!("{rollout}-{moment}")
}

/// The first failure of the last run before this moment.
fn began(lines: &[TraceLine], at: UnixMillis) -> Option<UnixMillis> {
    let mut began: Option<UnixMillis> = None;
    for line in lines.iter().rev().skip_while(|line| line.at.0 > at) {
        let end = began.unwrap_or(at);
        if line.at.0.0 + GAP < end.0 {
            break;
        }
        if line.canary.failures > 0.0 {
            began = Some(line.at.0);
        }
    }
    began
}

fn points<'l>(lines: impl Iterator<Item = &'l TraceLine>) -> Vec<IncidentPoint> {
    let mut points: Vec<IncidentPoint> = Vec::new();
    for line in lines {
        let at = UnixMillis(line.at.0.0.div_ceil(STEP) * STEP);
        let tick = line.tick();
        let (stable, canary) = (counts(&tick.stable), counts(&tick.canary));
        match points.last_mut().filter(|last| last.at == at) {
            Some(last) => {
                last.share = line.share_percent;
                last.stable.add(stable);
                last.canary.add(canary);
            }
            None => points.push(IncidentPoint { at, share: line.share_percent, stable, canary }),
        }
    }
    points
}

impl PointCounts {
    fn add(&mut self, other: PointCounts) {
        self.requests += other.requests;
        self.failures += other.failures;
        self.slow += other.slow;
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, and never negative")]
fn counts(arm: &ArmTick) -> PointCounts {
    let count = |number: f64| number.max(0.0).round() as u64;
    PointCounts {
        requests: count(arm.requests[Aspect::Failing as usize]),
        failures: count(arm.events[Aspect::Failing as usize]),
        slow: count(arm.events[Aspect::Slow as usize]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::event::{Action, Reason};
    use crate::decide::guard::tick::Tick;
    use crate::decide::units::Percent;

    fn line(at: u64, requests: f64, failures: f64) -> TraceLine {
        let tick = Tick {
            seconds: 1.0,
            stable: ArmTick::plain(10.0, 0.0),
            canary: ArmTick::plain(requests, failures),
            ..Tick::default()
        };
        TraceLine::new(UnixMillis(at), 0.1, &tick)
    }

    fn rollback(at: u64) -> Event {
        Event {
            at: UnixMillis(at),
            rollout: Some("chat".to_owned()),
            actor: "ana".into(),
            action: Action::Rollback,
            reason: Reason::from_human("errors"),
            from: Percent::ALL,
            to: Percent::ZERO,
            generation: 1,
        }
    }

    fn pair() -> Pair {
        Pair { stable: "openai".to_owned(), canary: "holysheep".to_owned(), attempt: 1 }
    }

    #[test]
    fn a_run_begins_after_the_last_long_pause_without_failures() {
        let lines: Vec<_> = (0..600)
            .map(|second| {
                let failed = second == 5 || (400..=450).contains(&second) || second >= 500;
                line(1_000_000 + second * 1000, 5.0, if failed { 1.0 } else { 0.0 })
            })
            .collect();
        let incident = Incident::new(rollback(1_520_000), pair(), Vec::new(), 3, &lines);
        assert_eq!(incident.began, Some(UnixMillis(1_400_000)), "a pause of less than a minute does not end a run");
        assert_eq!(incident.id, "chat-19700101T002520000Z");
        let none = Incident::new(rollback(1_300_000), pair(), Vec::new(), 0, &lines);
        assert_eq!(none.began, None);
    }

    #[test]
    fn the_minutes_around_it_are_in_it_in_steps_of_ten_seconds() {
        let lines: Vec<_> = (0..3000).map(|second| line(1_000_000 + second * 1000, 2.0, 1.0)).collect();
        let mut incident = Incident::new(rollback(2_000_000), pair(), Vec::new(), 0, &lines[..=1000]);
        assert_eq!((incident.points.len(), incident.is_due(UnixMillis(2_299_999))), (91, false));
        assert_eq!(incident.points[5].canary, PointCounts { requests: 20, failures: 10, slow: 0 });
        assert!(incident.is_due(UnixMillis(2_300_000)));
        incident.see(&lines);
        assert_eq!(incident.points.len(), 121);
        incident.see(&lines[1001..]);
        assert_eq!(incident.points.len(), 121, "the guard began anew with another canary");
        let text = serde_json::to_string(&incident).unwrap();
        assert_eq!(serde_json::from_str::<Incident>(&text).unwrap(), incident);
    }
}
