//! The sentence for a request that the canary refuses and stable accepts, and the rule of flags.yaml that fixes it.
//!
//! Names in a finding come from a response. They are bounded and quoted before they get here, and quoted again in a
//! rule. Rules are suggestions: Serin never writes flags.yaml.

use crate::decide::incompatibility::Incompatibility;

/// Fields that every request needs: no rule drops them.
const NEEDED: [&str; 6] = ["messages", "input", "prompt", "contents", "stream", "file"];

/// The finding as a sentence: `holysheep refused prompt_cache_key, which openai accepts`.
#[must_use]
pub fn sentence(finding: &Incompatibility, canary: &str, stable: &str) -> String {
    match finding {
        Incompatibility::Parameter(name) => format!("{canary} refused `{name}`, which {stable} accepts"),
        Incompatibility::Model(name) => format!("{canary} does not know the model `{name}`, which {stable} serves"),
        Incompatibility::ContextLength => format!("{canary} refused a request as too long that {stable} accepts"),
        Incompatibility::Endpoint(path) => format!("{canary} has no `{path}`, which {stable} serves"),
        Incompatibility::Other { status, code } if code.is_empty() => {
            format!("{canary} answered {status} to a request that {stable} accepts")
        }
        Incompatibility::Other { status, code } => {
            format!("{canary} answered {status} `{code}` to a request that {stable} accepts")
        }
    }
}

/// The same in a few words, without the names of the providers.
#[must_use]
pub fn refused(finding: &Incompatibility) -> String {
    match finding {
        Incompatibility::Parameter(name) => format!("`{name}` is refused"),
        Incompatibility::Model(name) => format!("the model `{name}` is not known"),
        Incompatibility::ContextLength => "a request is refused as too long".to_owned(),
        Incompatibility::Endpoint(path) => format!("there is no `{path}`"),
        Incompatibility::Other { status, code } if code.is_empty() => format!("a request is refused with {status}"),
        Incompatibility::Other { status, code } => format!("a request is refused with {status} `{code}`"),
    }
}

/// The rule for flags.yaml: the path of the key, and its value; `None`: no rule fixes it.
#[must_use]
pub fn rule(finding: &Incompatibility, provider: &str, rollout: &str) -> Option<String> {
    match finding {
        Incompatibility::Parameter(name) => parameter(name, provider),
        Incompatibility::Model(name) => {
            Some(format!("providers.{provider}.models: {{ {}: ITS_NAME_THERE }}", scalar(name)))
        }
        Incompatibility::ContextLength => Some(format!(
            "rollouts[{rollout}].match.model: only models whose context is as long on {provider}; or, if the response \
             is too long, providers.{provider}.max_fields: {{ max_tokens: N }}"
        )),
        Incompatibility::Endpoint(path) => {
            Some(format!("rollouts[{rollout}].match.endpoints: all but {}, which then stays on stable", scalar(path)))
        }
        Incompatibility::Other { .. } => None,
    }
}

/// The remedy as a sentence.
#[must_use]
pub fn advice(finding: &Incompatibility, provider: &str, rollout: &str) -> String {
    rule(finding, provider, rollout).map_or_else(
        || format!("no rule fixes this; keep such requests on stable with rollouts[{rollout}].match"),
        |rule| format!("write {rule}"),
    )
}

/// The most frequent refusal in short form, with its count and the count of all refusals.
#[must_use]
pub fn commonest(finding: &Incompatibility, status: u16, code: Option<&str>, (count, all): (u64, u64)) -> String {
    let code = code.map(|code| format!(" `{code}`")).unwrap_or_default();
    let about = match finding {
        Incompatibility::Parameter(name) => format!(" ({name})"),
        Incompatibility::Model(name) if name.is_empty() => " (its model)".to_owned(),
        Incompatibility::Model(name) => format!(" (model {name})"),
        Incompatibility::ContextLength => " (too long)".to_owned(),
        Incompatibility::Endpoint(path) => format!(" (no {path})"),
        Incompatibility::Other { .. } => String::new(),
    };
    format!("{status}{code}{about}, {count} of {all}")
}

fn parameter(name: &str, provider: &str) -> Option<String> {
    let renamed = match name {
        "max_tokens" => Some("max_completion_tokens"),
        "max_completion_tokens" => Some("max_tokens"),
        _ => None,
    };
    if let Some(other) = renamed {
        return Some(format!(
            "providers.{provider}.rename_fields: {{ {name}: {other} }}; or, if the number is too large, \
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

/// The YAML scalar for this text in a flow collection.
fn scalar(name: &str) -> String {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-/".contains(&byte));
    let word =
        ["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&name.to_ascii_lowercase().as_str());
    if begins && plain && !word {
        return name.to_owned();
    }
    // Control characters are removed already; a double-quoted scalar treats only these two specially.
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests;
