//! An incident report as one HTML page, which needs nothing but itself.
//!
//! The page can be saved and sent. Its texts are escaped; its only script draws the charts, and the policy allows
//! exactly that script and that style by their hashes. Without scripts the table has the numbers. Invariant: nothing of
//! a report is executed, whatever a reason or a cause says.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::dto::{ArmColumns, IncidentReply};
use crate::decide::incident::Incident;
use crate::decide::printable::html;
use crate::describe::incident::{clock, failures, minutes, outlook, sections, title};

/// Draws the pictures of the dashboard as well.
const CHART: &str = include_str!("dashboard/chart.js");
const DRAW: &str = r#"
const data = JSON.parse(document.getElementById("data").textContent);
for (const spec of data) {
  const figure = document.createElement("figure");
  figure.innerHTML = chart({ ...spec, width: 900, height: 240 });
  document.getElementById("charts").append(figure);
}
"#;
const CHART_STYLE: &str = include_str!("dashboard/chart.css");
const STYLE: &str = "
figure { margin: 1rem 0; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.15rem 1rem 0.15rem 0; text-align: left; border-bottom: 1px solid #8884; }
.id { color: #777; }
";

/// The page, and the policy that it is served with.
pub(super) fn page(incident: &Incident) -> (String, String) {
    let title = html(&title(incident));
    let mut body = format!("<h1>{title}</h1>\n<p class=\"id\">Incident report {}</p>\n", html(&incident.id));
    for (heading, said) in sections(incident) {
        let _ = write!(body, "<h2>{heading}</h2>\n<ul>\n");
        for sentence in said {
            let _ = writeln!(body, "<li>{}</li>", html(&sentence));
        }
        body.push_str("</ul>\n");
    }
    body.push_str("<div id=\"charts\"></div>\n");
    body.push_str(&table(incident));
    if !outlook(incident).is_empty() {
        let _ = writeln!(body, "<p>{}</p>", outlook(incident));
    }
    let (style, script) = (format!("{CHART_STYLE}{STYLE}"), format!("{CHART}{DRAW}"));
    let policy = format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'",
        hash(&style),
        hash(&script)
    );
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"content-security-policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>{style}</style>\n</head>\n<body>\n{body}\
         <script type=\"application/json\" id=\"data\">{}</script>\n<script type=\"module\">{script}</script>\n\
         </body>\n</html>\n",
        data(incident)
    );
    // A page that was saved has its policy in itself; only a header can forbid frames.
    (page, format!("{policy}; frame-ancestors 'none'"))
}

/// What the charts show, as JSON that ends no script.
fn data(incident: &Incident) -> String {
    let minutes = IncidentReply::from(incident).minutes;
    let mark = json!([{"at": incident.event.at.0, "label": "rolled back", "class": "down"}]);
    let picture = |title: &str, unit: &str, lines: Value| json!({"title": title, "unit": unit, "x": minutes.at, "lines": lines, "bounds": [], "marks": mark});
    let arms = |of: fn(&ArmColumns) -> Vec<Option<f64>>| {
        let line = |name: &str, class: &str, arm| json!({"name": name, "class": class, "values": of(arm)});
        let (stable, canary) = (&incident.pair.stable, &incident.pair.canary);
        json!([line(stable, "stable", &minutes.stable), line(canary, "canary", &minutes.canary)])
    };
    let share = json!([{"name": "share", "class": "canary", "values": minutes.percent, "steps": true}]);
    let sent = arms(|arm| arm.requests.iter().map(|count| Some(number(*count))).collect());
    let pictures = json!([
        picture("Failed requests", "%", arms(rates)),
        picture("Requests in ten seconds", "", sent),
        picture("Share of users on the canary", "%", share),
    ]);
    pictures.to_string().replace('<', "\\u003c")
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

/// `sha256-...`, as a policy names a script or a style.
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(digest(&SHA256, text.as_bytes())))
}
