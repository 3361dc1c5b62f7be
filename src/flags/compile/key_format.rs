//! Whether a key is of the kind that a host gives out, by how it begins.
//!
//! Most providers mark their keys, so that a key at the wrong provider is seen before it is sent there. Hosts that are
//! not known take any key: a gateway has keys of its own kind, or those of whoever stands behind it. Invariant: what is
//! said of a key never contains it.

/// How the keys of a host begin; any of them.
const KINDS: [(&str, &[&str]); 13] = [
    ("api.openai.com", &["sk-"]),
    ("api.anthropic.com", &["sk-ant-"]),
    ("openrouter.ai", &["sk-or-"]),
    ("api.deepseek.com", &["sk-"]),
    ("api.groq.com", &["gsk_"]),
    ("api.x.ai", &["xai-"]),
    ("api.perplexity.ai", &["pplx-"]),
    ("api.fireworks.ai", &["fw_"]),
    ("api.cerebras.ai", &["csk-"]),
    ("integrate.api.nvidia.com", &["nvapi-"]),
    ("router.huggingface.co", &["hf_"]),
    ("api.replicate.com", &["r8_"]),
    ("generativelanguage.googleapis.com", &["AIza", "AQ.", "ya29."]),
];

/// What the keys of several hosts begin with.
const SHARED: &str = "sk-";

/// What people write before they have a key.
const PLACEHOLDERS: [&str; 5] = ["your-api-key", "your_api_key", "changeme", "replace-me", "xxxx"];

/// What is wrong with a key for this host, as the rest of a sentence about it.
pub(super) fn problem(host: &str, key: &str) -> Option<String> {
    let lower = key.to_ascii_lowercase();
    if lower.starts_with("bearer ") {
        return Some("begins with `Bearer`, which is sent before it anyway: write the key alone".to_owned());
    }
    if key.starts_with(['"', '\'']) {
        return Some("begins with a quotation mark: quotes in a variable or a file are part of the key".to_owned());
    }
    if PLACEHOLDERS.iter().any(|text| lower.contains(text)) {
        return Some("looks like a placeholder: put the real one there".to_owned());
    }
    let (_, own) = KINDS.iter().find(|(known, _)| host.eq_ignore_ascii_case(known))?;
    let begins = |starts: &[&'static str]| {
        starts.iter().copied().filter(|start| key.starts_with(start)).max_by_key(|it| it.len())
    };
    let marks = KINDS.iter().filter_map(|(other, starts)| Some((*other, begins(starts)?)));
    let closest = marks.max_by_key(|(_, start)| start.len());
    match (begins(own), closest) {
        (Some(start), Some((_, longest))) if start.len() >= longest.len() => None,
        (_, Some((other, start))) if start != SHARED && !own.contains(&start) => {
            Some(format!("begins with `{start}`, as keys of {other} do, and is sent to {host}"))
        }
        _ => {
            let own = own.iter().map(|start| format!("`{start}`")).collect::<Vec<_>>().join(" or ");
            Some(format!("does not begin with {own}, as keys of {host} do"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_how_it_begins() {
        for (host, key, wrong) in [
            ("api.openai.com", "sk-proj-0123456789", None),
            ("api.deepseek.com", "sk-0123456789", None),
            ("api.anthropic.com", "sk-ant-0123456789", None),
            ("gateway.internal", "anything at all", None),
            ("generativelanguage.googleapis.com", "AQ.0123456789", None),
            (
                "api.openai.com",
                "sk-ant-0123456789",
                Some("begins with `sk-ant-`, as keys of api.anthropic.com do, and is sent to api.openai.com"),
            ),
            ("api.anthropic.com", "sk-0123456789", Some("does not begin with `sk-ant-`")),
            ("API.groq.com", "0123456789", Some("does not begin with `gsk_`, as keys of API.groq.com do")),
            ("api.groq.com", "xai-0123456789", Some("begins with `xai-`, as keys of api.x.ai do")),
            ("gateway.internal", "Bearer sk-0123456789", Some("begins with `Bearer`")),
            ("gateway.internal", "\"sk-0123456789\"", Some("begins with a quotation mark")),
            ("api.openai.com", "sk-YOUR-API-KEY", Some("looks like a placeholder")),
        ] {
            let found = problem(host, key);
            match wrong {
                None => assert_eq!(found, None, "{host} {key}"),
                Some(words) => assert!(found.as_ref().is_some_and(|it| it.contains(words)), "{host} {key}: {found:?}"),
            }
            assert!(!found.unwrap_or_default().contains("0123456789"));
        }
    }
}
