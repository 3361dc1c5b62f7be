//! An incident report as one HTML page, which needs nothing but itself.
//!
//! The page can be saved and sent. Its texts are escaped, and its only script draws the charts. Without scripts the
//! table has the numbers. Invariant: nothing of a report is executed, whatever a reason or a cause says.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::dto::{ArmColumns, IncidentReply};
use crate::decide::incident::Incident;
use crate::decide::printable::html;
use crate::describe::incident::{clock, failures, minutes, outlook, sections, title};
use crate::describe::page::{self, Page};

const STYLE: &str = include_str!("incident_page.css");

/// The page, and the policy that it is served with.
pub(super) fn page(incident: &Incident) -> (String, String) {
    let title = title(incident);
    let mut body =
        format!("<main>\n<h1>{}</h1>\n<p class=\"id\">Incident report {}</p>\n", html(&title), html(&incident.id));
    for (heading, said) in sections(incident) {
        let _ = write!(body, "<h2>{heading}</h2>\n<ul>\n");
        for sentence in said {
            let _ = writeln!(body, "<li>{}</li>", page::prose(&sentence));
        }
        body.push_str("</ul>\n");
    }
    let charts = charts(incident);
    for (number, chart) in charts.iter().enumerate() {
        let title = html(chart["title"].as_str().unwrap_or_default());
        let _ = writeln!(body, "<figure><figcaption>{title}</figcaption>{}</figure>", page::place(number));
    }
    body.push_str(&table(incident));
    if !outlook(incident).is_empty() {
        let _ = writeln!(body, "<p>{}</p>", outlook(incident));
    }
    body.push_str("</main>\n");
    let (page, policy) = Page { title: &title, style: STYLE, body: &body, charts: &charts }.write();
    // A page that was saved has its policy in itself; only a header can forbid frames.
    (page, format!("{policy}; frame-ancestors 'none'"))
}

/// What the charts show.
fn charts(incident: &Incident) -> [Value; 3] {
    let minutes = IncidentReply::from(incident).minutes;
    let mark = json!([{"at": incident.event.at.0, "label": "rolled back", "class": "down"}]);
    let picture = |title: &str, unit: &str, lines: Value| json!({"title": title, "unit": unit, "x": minutes.at, "lines": lines, "marks": mark, "height": 240});
    let arms = |of: fn(&ArmColumns) -> Vec<Option<f64>>| {
        let line = |name: &str, class: &str, arm| json!({"name": name, "class": class, "values": of(arm)});
        let (stable, canary) = (&incident.pair.stable, &incident.pair.canary);
        json!([line(stable, "stable", &minutes.stable), line(canary, "canary", &minutes.canary)])
    };
    let share = json!([{"name": "share", "class": "canary", "values": minutes.percent, "steps": true}]);
    let sent = arms(|arm| arm.requests.iter().map(|count| Some(number(*count))).collect());
    [
        picture("Failed requests", "%", arms(rates)),
        picture("Requests in ten seconds", "", sent),
        picture("Share of users on the canary", "%", share),
    ]
}

fn rates(arm: &ArmColumns) -> Vec<Option<f64>> {
    let rate = |(requests, failures): (&u64, &u64)| {
        let all = *requests.max(failures);
        (all > 0).then(|| number(*failures) / number(all) * 100.0)
    };
    arm.requests.iter().zip(&arm.failures).map(rate).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a count that is drawn")]
const fn number(count: u64) -> f64 {
    count as f64
}

fn table(incident: &Incident) -> String {
    let minutes = minutes(&incident.points);
    if minutes.is_empty() {
        return String::new();
    }
    let mut table = "<h2>Minute by minute</h2>\n<table>\n<caption>Failures of all requests</caption>\n<thead><tr>\
                     <th>Time (UTC)</th><th>Share</th><th>Stable</th><th>Canary</th></tr></thead>\n<tbody>\n"
        .to_owned();
    for minute in &minutes {
        let (stable, canary) = (failures(minute.stable), failures(minute.canary));
        let _ = writeln!(
            table,
            "<tr><td>{}</td><td>{}%</td><td>{stable}</td><td>{canary}</td></tr>",
            clock(minute.at),
            minute.share
        );
    }
    table + "</tbody>\n</table>\n"
}
