//! What a canary refuses although stable accepts it, and the rule of flags.yaml that mends it.
//!
//! A finding is one thing that has a name: a parameter, a model, an endpoint. What it is called came over the wire, so
//! names are bounded and quoted before they are shown, kept or put into a rule. Only suggests: Serin never writes
//! flags.yaml. Invariant: two refusals of the same thing are the same finding.

use crate::decide::printable::printable;
use crate::wire::complaint::{About, Complaint};
use crate::wire::path;

/// The longest name that is kept, in characters.
const LONGEST_NAME: usize = 96;

/// Fields without which a request is none: no rule takes them out.
const NEEDED: [&str; 6] = ["messages", "input", "prompt", "contents", "stream", "file"];

/// What a canary refused although stable accepted it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Finding {
    /// A field of the request, as the provider named it: `prompt_cache_key`, `response_format.type`.
    Parameter(String),
    /// A model, as the application wrote it.
    Model(String),
    /// More input than the canary's context holds.
    ContextLength,
    /// A path below the mount: `embeddings`.
    Endpoint(String),
    /// Something that the answer does not name.
    Other {
        /// The answer's status.
        status: u16,
        /// The error's code, type or first words; empty: none.
        code: String,
    },
}

impl Finding {
    /// What a refusal is about, by the words of its error. `model` as the application wrote it, `path` below the mount.
    #[must_use]
    pub fn of(status: u16, complaint: Option<&Complaint>, model: Option<&str>, path: &str) -> Finding {
        let finding = match complaint.and_then(Complaint::about) {
            Some(About::Parameter(name)) => Finding::Parameter(name),
            Some(About::Model) => Finding::Model(model.unwrap_or_default().to_owned()),
            Some(About::ContextLength) => Finding::ContextLength,
            None if matches!(status, 404 | 405) => Finding::Endpoint(path::plain(path).into_owned()),
            None => {
                let code = complaint.and_then(|said| said.code.clone().or_else(|| said.kind.clone()));
                Finding::Other { status, code: code.unwrap_or_default() }
            }
        };
        finding.bounded()
    }

    /// The same with names of a bounded length on one line. To be called before a finding is kept.
    #[must_use]
    pub fn bounded(self) -> Finding {
        match self {
            Finding::Parameter(name) => Finding::Parameter(bounded(&name)),
            Finding::Model(name) => Finding::Model(bounded(&name)),
            Finding::ContextLength => Finding::ContextLength,
            Finding::Endpoint(path) => Finding::Endpoint(bounded(path.trim_matches('/'))),
            Finding::Other { status, code } => Finding::Other { status, code: bounded(&code) },
        }
    }

    /// The word for programs.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Finding::Parameter(_) => "parameter",
            Finding::Model(_) => "model",
            Finding::ContextLength => "context_length",
            Finding::Endpoint(_) => "endpoint",
            Finding::Other { .. } => "other",
        }
    }

    /// What is refused, by its name; empty where it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Finding::Parameter(name) | Finding::Model(name) | Finding::Endpoint(name) => name,
            Finding::Other { code, .. } => code,
            Finding::ContextLength => "",
        }
    }

    /// What happened, for people: `holysheep refused prompt_cache_key, which openai accepts`.
    #[must_use]
    pub fn sentence(&self, canary: &str, stable: &str) -> String {
        match self {
            Finding::Parameter(name) => format!("{canary} refused `{name}`, which {stable} accepts"),
            Finding::Model(name) => format!("{canary} does not know the model `{name}`, which {stable} serves"),
            Finding::ContextLength => format!("{canary} refused as too long what {stable} accepts"),
            Finding::Endpoint(path) => format!("{canary} has no `{path}`, which {stable} serves"),
            Finding::Other { status, code } if code.is_empty() => {
                format!("{canary} answered {status} to what {stable} accepts")
            }
            Finding::Other { status, code } => format!("{canary} answered {status} `{code}` to what {stable} accepts"),
        }
    }

    /// What to write in flags.yaml: the key by its path, and its value; `None`: no rule mends it.
    #[must_use]
    pub fn rule(&self, provider: &str, rollout: &str) -> Option<String> {
        match self {
            Finding::Parameter(name) => parameter(name, provider),
            Finding::Model(name) => {
                Some(format!("providers.{provider}.models: {{ {}: ITS_NAME_THERE }}", scalar(name)))
            }
            Finding::ContextLength => Some(format!(
                "rollouts[{rollout}].match.model: only models whose context is as long on {provider}; or, where the \
                 answer's length is what is too much, providers.{provider}.max_fields: {{ max_tokens: N }}"
            )),
            Finding::Endpoint(path) => Some(format!(
                "rollouts[{rollout}].match.endpoints: all but {}, which then stays on stable",
                scalar(path)
            )),
            Finding::Other { .. } => None,
        }
    }

    /// What to do about it, for people.
    #[must_use]
    pub fn advice(&self, provider: &str, rollout: &str) -> String {
        self.rule(provider, rollout).map_or_else(
            || format!("no rule mends this; keep such requests on stable with rollouts[{rollout}].match"),
            |rule| format!("write {rule}"),
        )
    }
}

fn parameter(name: &str, provider: &str) -> Option<String> {
    let renamed = match name {
        "max_tokens" => Some("max_completion_tokens"),
        "max_completion_tokens" => Some("max_tokens"),
        _ => None,
    };
    if let Some(other) = renamed {
        return Some(format!(
            "providers.{provider}.rename_fields: {{ {name}: {other} }}; or, where the number is too large, \
             providers.{provider}.max_fields: {{ {name}: N }}"
        ));
    }
    match name {
        "max_output_tokens" => Some(format!("providers.{provider}.max_fields: {{ {name}: N }}")),
        "model" => Some(format!("providers.{provider}.models: {{ THE_MODEL: ITS_NAME_THERE }}")),
        needed if NEEDED.contains(&needed) => None,
        // Field rules reach into objects, not into lists.
        listed if listed.split('.').any(is_in_a_list) => None,
        other => Some(format!("providers.{provider}.drop_fields: [{}]", scalar(other))),
    }
}

fn is_in_a_list(part: &str) -> bool {
    part.contains('[') || part.bytes().all(|byte| byte.is_ascii_digit())
}

/// As YAML takes it for this text in a flow collection.
fn scalar(name: &str) -> String {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-/".contains(&byte));
    let word =
        ["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&name.to_ascii_lowercase().as_str());
    if begins && plain && !word {
        return name.to_owned();
    }
    // Control characters were taken out; these two are what else a double-quoted scalar reads in its own way.
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}

fn bounded(name: &str) -> String {
    let mut kept = printable(&name.chars().take(LONGEST_NAME).collect::<String>());
    if name.chars().nth(LONGEST_NAME).is_some() {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests;
