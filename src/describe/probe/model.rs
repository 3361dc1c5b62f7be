//! The sentence for a model that a provider has not, or may not have, with the line that mends it.
//!
//! The line is one of flags.yaml: a mapping of the name that the application writes. A name that may be meant is
//! offered as it stands in the provider's list.

use crate::decide::probe::model::{ModelReport, Presence};
use crate::decide::probe::wanted::WantedModel;

/// What is known of it, and what to write.
pub(super) fn lacks(report: &ModelReport, provider: &str) -> String {
    let ModelReport { wanted: WantedModel { model, written, certain }, presence } = report;
    let (said, near) = match presence {
        Presence::Absent { near } => (format!("does not know the model `{model}`"), near.as_ref()),
        Presence::Unlisted { near } => (format!("does not list the model `{model}`"), near.as_ref()),
        Presence::Listed | Presence::Known | Presence::NotTold => (format!("has `{model}`"), None),
    };
    let asked = if model == written { String::new() } else { format!(", which `{written}` is mapped to") };
    let only = if *certain { "" } else { ", which the canary's `models` name" };
    let name = near.map_or("ITS_NAME_THERE", String::as_str);
    let meant = near.map(|near| format!(" (it lists `{near}`)")).unwrap_or_default();
    format!(
        "{said}{asked}{only}{meant}: write `providers.{provider}.models: {{ \"{}\": \"{}\" }}`",
        quoted(written),
        quoted(name)
    )
}

/// Within double quotes of YAML; what is not printable was taken out before.
fn quoted(name: &str) -> String {
    name.replace('\\', "\\\\").replace('"', "\\\"")
}
