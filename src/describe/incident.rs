//! The text of an incident report: what happened, when, why, who noticed, and what to do next.
//!
//! Written from the values of an [`Incident`], as Markdown that is read without being rendered, too. A text from outside
//! (an operator's reason, the code of a provider's error) stands on one line and is escaped. Invariant: the same report
//! gives the same text, whenever it is read.

use std::fmt::Write as _;

use super::cause::in_short;
use super::decision::would_change;
use super::event::reason;
use super::format::{grouped, percent, time};
use crate::decide::incident::{Incident, IncidentPoint, PointCounts};
use crate::decide::printable::printable;
use crate::decide::timestamp::Timestamp;
use crate::decide::units::UnixMillis;

/// A section of the report: its heading and its sentences.
pub type Section = (&'static str, Vec<String>);

/// One line.
#[must_use]
pub fn title(incident: &Incident) -> String {
    let event = &incident.event;
    let rollout = event.rollout.as_deref().unwrap_or_default();
    format!("{rollout}: rolled back from {} to {} by {}", event.from, event.to, event.actor)
}

/// What the report says, apart from its numbers by the minute.
#[must_use]
pub fn sections(incident: &Incident) -> Vec<Section> {
    let event = &incident.event;
    let name = event.rollout.as_deref().unwrap_or_default();
    let why = match reason(event) {
        reason if reason.is_empty() => "No reason was given.".to_owned(),
        reason => reason,
    };
    let would = event.decision().and_then(would_change).map(|text| format!("{text}."));
    let causes: Vec<String> = incident.causes.iter().map(in_short).collect();
    vec![
        ("What happened", vec![happened(incident)]),
        ("When", when(incident)),
        ("Why", std::iter::once(why).chain(would).collect()),
        ("Causes", if causes.is_empty() { vec!["No request of the canary failed.".to_owned()] } else { causes }),
        ("Who noticed", noticed(incident)),
        (
            "What to do next",
            vec![
                format!("See the present state: `serin why {name}`"),
                format!("Ask both providers: `serin check --probe`"),
                format!("Start the next attempt once the cause is removed: `serin resume {name}`"),
            ],
        ),
    ]
}

fn happened(incident: &Incident) -> String {
    let event = &incident.event;
    format!(
        "{} by {}: users of {} went back to {}, and the share of {} went from {} to {}. It was attempt {}, with version \
         {} of flags.yaml.",
        event.action,
        event.actor,
        incident.pair.canary,
        incident.pair.stable,
        incident.pair.canary,
        event.from,
        event.to,
        incident.pair.attempt,
        event.generation
    )
}

fn when(incident: &Incident) -> Vec<String> {
    let at = incident.event.at;
    let mut said = Vec::new();
    if let Some(began) = incident.began {
        said.push(format!("{}: the first failure of the run", Timestamp(began)));
    }
    let after = incident.began.map_or_else(String::new, |began| format!(", {} after it", seconds(began, at)));
    said.push(format!("{}: rolled back{after}", Timestamp(at)));
    said
}

#[expect(clippy::cast_precision_loss, reason = "a time that is shown")]
fn seconds(from: UnixMillis, to: UnixMillis) -> String {
    time(to.0.saturating_sub(from.0) as f64 / 1000.0)
}

fn noticed(incident: &Incident) -> Vec<String> {
    let (failed, users) = incident.affected();
    let answered: u64 = incident.causes.iter().flat_map(|cause| &cause.answered).map(|(_, count)| count).sum();
    let requests = if failed == 1 { "1 request".to_owned() } else { format!("{} requests", grouped(failed)) };
    let users = match users {
        0 => "no user saw an error".to_owned(),
        1 => "1 user saw an error".to_owned(),
        users => format!("{} users saw an error", grouped(users)),
    };
    let mut said = vec![format!("{requests} failed at {}; {users}.", incident.pair.canary)];
    if answered > 0 {
        said.push(format!("{} were answered by another provider.", grouped(answered)));
    }
    if incident.open > 0 {
        said.push(format!("{} requests were open on {} then.", grouped(incident.open), incident.pair.canary));
    }
    said
}

/// The numbers of a minute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Minute {
    /// When it began.
    pub at: UnixMillis,
    pub share: f64,
    pub stable: PointCounts,
    pub canary: PointCounts,
}

/// The points of a report by the minute.
#[must_use]
pub fn minutes(points: &[IncidentPoint]) -> Vec<Minute> {
    let mut minutes: Vec<Minute> = Vec::new();
    for point in points {
        let at = UnixMillis((point.at.0 - 1) / 60_000 * 60_000);
        let add = |sum: &mut PointCounts, counts: PointCounts| {
            sum.requests += counts.requests;
            sum.failures += counts.failures;
            sum.slow += counts.slow;
        };
        match minutes.last_mut().filter(|last| last.at == at) {
            Some(last) => {
                last.share = point.share;
                add(&mut last.stable, point.stable);
                add(&mut last.canary, point.canary);
            }
            None => minutes.push(Minute { at, share: point.share, stable: point.stable, canary: point.canary }),
        }
    }
    minutes
}

/// `12 of 340 (3.53%)`.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a rate that is shown")]
pub fn failures(counts: PointCounts) -> String {
    match counts.requests.max(counts.failures) {
        0 => "-".to_owned(),
        all => format!("{} of {} ({})", counts.failures, all, percent(counts.failures as f64 / all as f64)),
    }
}

/// What is left to come; empty: it is complete.
#[must_use]
pub const fn outlook(incident: &Incident) -> &'static str {
    if incident.complete { "" } else { "The minutes after the rollback are not all in this report." }
}

/// The whole report.
#[must_use]
pub fn markdown(incident: &Incident) -> String {
    let mut text = format!("# {}\n\nIncident report {}\n", escaped(&title(incident)), incident.id);
    for (heading, said) in sections(incident) {
        let _ = write!(text, "\n## {heading}\n\n");
        for sentence in said {
            let _ = writeln!(text, "- {}", escaped(&sentence));
        }
    }
    let minutes = minutes(&incident.points);
    if !minutes.is_empty() {
        text.push_str("\n## Minute by minute\n\nFailures of all requests.\n\n| Time (UTC) | Share | Stable | Canary |\n|---|---|---|---|\n");
        for minute in &minutes {
            let (stable, canary) = (failures(minute.stable), failures(minute.canary));
            let _ = writeln!(text, "| {} | {}% | {stable} | {canary} |", clock(minute.at), minute.share);
        }
    }
    if !outlook(incident).is_empty() {
        let _ = write!(text, "\n{}\n", outlook(incident));
    }
    text
}

/// `07:56`.
#[must_use]
pub fn clock(at: UnixMillis) -> String {
    Timestamp(at).to_string()[11..16].to_owned()
}

/// A text of others on one line, without what Markdown would make a link or a picture of.
fn escaped(text: &str) -> String {
    let line = printable(text);
    line.chars().fold(String::with_capacity(line.len()), |mut out, c| {
        if "[]<>|*#!".contains(c) {
            out.push('\\');
        }
        out.push(c);
        out
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::decide::event::{Action, Event, Reason};
    use crate::decide::notification::Pair;
    use crate::decide::units::Percent;

    /// A report of a rollback of `chat` by a human.
    pub(crate) fn incident(reason: &str) -> Incident {
        let event = Event {
            at: UnixMillis(1_795_247_762_123),
            rollout: Some("chat".to_owned()),
            actor: "ana".into(),
            action: Action::Rollback,
            reason: Reason::from_human(reason),
            from: Percent::from_hundredths(1000).unwrap(),
            to: Percent::ZERO,
            generation: 3,
        };
        let pair = Pair { stable: "openai".to_owned(), canary: "holysheep".to_owned(), attempt: 2 };
        let mut incident = Incident::new(event, pair, Vec::new(), 2, &[]);
        let counts = |requests, failures| PointCounts { requests, failures, slow: 0 };
        incident.began = Some(UnixMillis(1_795_247_750_123));
        let point = |at| IncidentPoint { at: UnixMillis(at), share: 10.0, stable: counts(60, 0), canary: counts(6, 3) };
        incident.points = vec![point(1_795_247_750_000), point(1_795_247_760_000), point(1_795_247_770_000)];
        incident
    }

    #[test]
    fn the_report_reads_from_top_to_bottom() {
        let text = markdown(&incident("errors"));
        for part in [
            "# chat: rolled back from 10% to 0% by ana\n\nIncident report chat-20261121T075602123Z\n",
            "- rollback by ana: users of holysheep went back to openai, and the share of holysheep went from 10% to 0%. It \
             was attempt 2, with version 3 of flags.yaml.\n",
            "- 2026-11-21T07:55:50.123Z: the first failure of the run\n- 2026-11-21T07:56:02.123Z: rolled back, 12s after it\n",
            "- 2 requests were open on holysheep then.\n",
            "- Start the next attempt once the cause is removed: `serin resume chat`\n",
            "| 07:55 | 10% | 0 of 120 (0%) | 6 of 12 (50%) |\n| 07:56 | 10% | 0 of 60 (0%) | 3 of 6 (50%) |\n",
        ] {
            assert!(text.contains(part), "no `{part}` in {text}");
        }
    }

    #[test]
    fn what_others_wrote_is_no_markup() {
        let text = markdown(&incident("![x](https://evil.test/) <b>\n# big"));
        assert!(text.contains("\\!\\[x\\](https://evil.test/) \\<b\\>"), "{text}");
        assert!(!text.contains("\n# big"), "{text}");
    }
}
