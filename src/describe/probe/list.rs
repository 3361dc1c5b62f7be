//! Sentences for what came where a list of models was expected.
//!
//! A page of a login or of a gateway is named as what it is. The address to write is said only where a list was found
//! there.

use crate::decide::probe::list::{ListDialect, ListKind, ListReport};
use crate::describe::format::grouped;

/// What came, and the remedy.
pub(super) fn sentence(report: &ListReport) -> String {
    let ListReport { path, kind, base_url } = report;
    let said = said(path, kind);
    match base_url {
        Some(base_url) => format!("{said}; write `base_url: {base_url}`, where there is a list of models"),
        None => format!("{said}{}", remedy(kind)),
    }
}

fn said(path: &str, kind: &ListKind) -> String {
    match kind {
        ListKind::Told { form, models, whole } => {
            let form = match form {
                ListDialect::OpenAi => "in OpenAI's form",
                ListDialect::Anthropic => "in Anthropic's form",
                ListDialect::Other => "in a form of its own",
            };
            let more = if *whole { "" } else { " and more, which were not read" };
            let models = match models {
                0 => "no models".to_owned(),
                1 => "1 model".to_owned(),
                models => format!("{} models", grouped(models)),
            };
            format!("lists {models}{more}, {form}")
        }
        ListKind::WebPage { status } => format!("answers {path} with a web page ({status}): a login, or a site"),
        ListKind::Gateway { status } => {
            format!("answers {path} with an error page ({status}), which a gateway in front of the API has written")
        }
        ListKind::Other { status, what } => format!("answers {path} with {what} ({status}), and no list of models"),
        ListKind::Absent { status } => format!("has no list of models at {path} ({status})"),
        ListKind::Redirected { status, to: Some(to) } => format!("redirects {path} ({status}) to {to}"),
        ListKind::Redirected { status, to: None } => format!("redirects {path} ({status}) without a location"),
        ListKind::NotTold { why } => format!("does not tell its models: {why}"),
    }
}

const fn remedy(kind: &ListKind) -> &'static str {
    match kind {
        ListKind::WebPage { .. } | ListKind::Redirected { .. } => {
            "; check the path of its `base_url`: most APIs have a `/v1` in it"
        }
        ListKind::Gateway { .. } => "; check that this machine is let in, and the gateway's own log",
        ListKind::Other { .. } => "; check its `base_url` and its `probe_path`",
        ListKind::Told { .. } | ListKind::Absent { .. } | ListKind::NotTold { .. } => "",
    }
}
