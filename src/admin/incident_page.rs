//! An incident report as one HTML page, which needs nothing but itself.
//!
//! The page can be saved and sent. Its texts are escaped; its only script draws the charts, and the policy allows
//! exactly that script and that style by their hashes. Without scripts the table has the numbers. Invariant: nothing of
//! a report is executed, whatever a reason or a cause says.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};

use crate::decide::incident::Incident;
use crate::decide::printable::html;
use crate::describe::incident::{clock, failures, minutes, outlook, sections, title};

const STYLE: &str = "
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
    body.push_str(&table(incident));
    if !outlook(incident).is_empty() {
        let _ = writeln!(body, "<p>{}</p>", outlook(incident));
    }
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    );
    let policy = format!(
        "default-src 'none'; style-src '{}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(STYLE)
    );
    (page, policy)
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
