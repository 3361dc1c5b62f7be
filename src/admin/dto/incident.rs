//! Incident reports, as the API has them: a list, and one report with its numbers.
//!
//! The sentences are those of `describe`. Nothing is decided here. Invariant: a report says the same
//! as JSON, Markdown and HTML.

use serde::{Deserialize, Serialize};

use super::cause::CauseReply;
use super::history::HistoryEntry;
use crate::decide::incident::{Incident, PointCounts};
use crate::decide::timestamp::Timestamp;
use crate::decide::units::Arm;
use crate::describe;

/// `GET /api/v1/incidents`, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentsReply {
    pub incidents: Vec<IncidentSummary>,
}

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentSummary {
    pub id: String,
    pub rollout: String,
    /// When users were moved back.
    pub at: Timestamp,
    /// One line.
    pub title: String,
    /// Requests that failed at the canary.
    pub failed: u64,
    /// Users who saw an error.
    pub users: u64,
    /// Whether the minutes after the rollback are in it.
    pub complete: bool,
}

/// `GET /api/v1/incidents/{id}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentReply {
    #[serde(flatten)]
    pub summary: IncidentSummary,
    pub stable: String,
    pub canary: String,
    pub attempt: u32,
    /// The first failure of the run that led to it.
    pub began: Option<Timestamp>,
    /// The entry of the history.
    pub event: HistoryEntry,
    /// Why the canary's requests failed, most often first.
    pub causes: Vec<CauseReply>,
    /// Requests that were open on the canary then.
    pub open: u64,
    /// The minutes around it, in columns of ten seconds.
    pub minutes: IncidentColumns,
    /// The report in sentences, by heading.
    pub sections: Vec<(String, Vec<String>)>,
}

/// The numbers around a rollback. All columns have the same length.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IncidentColumns {
    /// The end of each ten seconds, in milliseconds since the Unix epoch.
    pub at: Vec<u64>,
    /// The share of users on the canary.
    pub percent: Vec<f64>,
    pub stable: ArmColumns,
    pub canary: ArmColumns,
}

/// The counts of an arm.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ArmColumns {
    pub requests: Vec<u64>,
    pub failures: Vec<u64>,
    pub slow: Vec<u64>,
}

impl ArmColumns {
    fn push(&mut self, counts: PointCounts) {
        self.requests.push(counts.requests);
        self.failures.push(counts.failures);
        self.slow.push(counts.slow);
    }
}

impl From<&Incident> for IncidentSummary {
    fn from(incident: &Incident) -> IncidentSummary {
        let (failed, users) = incident.affected();
        IncidentSummary {
            id: incident.id.clone(),
            rollout: incident.event.rollout.clone().unwrap_or_default(),
            at: Timestamp(incident.event.at),
            title: describe::incident::title(incident),
            failed,
            users,
            complete: incident.complete,
        }
    }
}

impl From<&Incident> for IncidentReply {
    fn from(incident: &Incident) -> IncidentReply {
        let mut minutes = IncidentColumns::default();
        for point in &incident.points {
            minutes.at.push(point.at.0);
            minutes.percent.push(point.share);
            minutes.stable.push(point.stable);
            minutes.canary.push(point.canary);
        }
        let sections = describe::incident::sections(incident).into_iter();
        IncidentReply {
            summary: IncidentSummary::from(incident),
            stable: incident.pair.stable.clone(),
            canary: incident.pair.canary.clone(),
            attempt: incident.pair.attempt,
            began: incident.began.map(Timestamp),
            event: HistoryEntry::from(incident.event.clone()),
            causes: incident.causes.iter().map(|cause| CauseReply::of(Arm::Canary, cause)).collect(),
            open: incident.open,
            minutes,
            sections: sections.map(|(heading, said)| (heading.to_owned(), said)).collect(),
        }
    }
}
