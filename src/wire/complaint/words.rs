//! The words by which providers say that money has run out, that a key is not taken, or that a filter has refused.
//!
//! Owns the lists of codes and phrases. Codes are compared whole; phrases are looked for in the message whatever their
//! case, and are long enough that a prompt's topic, quoted in a message, is not taken for one.

use super::parts::{Complaint, LONGEST_NAME, bounded};

const QUOTA_NAMES: [&str; 9] = [
    "insufficient_quota",
    "insufficient_user_quota",
    "insufficient_balance",
    "insufficient_credits",
    "quota_exceeded",
    "exceeded_current_quota_error",
    "credits_exhausted",
    "payment_required",
    "out_of_credits",
];

const QUOTA_PHRASES: [&str; 12] = [
    "credit balance",
    "exceeded your current quota",
    "insufficient balance",
    "insufficient credits",
    "insufficient quota",
    "payment required",
    "billing hard limit",
    "api usage limits",
    "spending limit",
    "spend limit",
    "requires more credits",
    "out of credits",
];

const OVERSIZED_PHRASES: [&str; 2] = ["request too large for", "request is too large for"];

const KEY_NAMES: [&str; 10] = [
    "invalid_api_key",
    "API_KEY_INVALID",
    "api_key_invalid",
    "authentication_error",
    "invalid_authentication_error",
    "AuthenticationError",
    "account_deactivated",
    "account_suspended",
    "organization_deactivated",
    "UNAUTHENTICATED",
];

const KEY_PHRASES: [&str; 18] = [
    "invalid api key",
    "invalid api-key",
    "invalid x-api-key",
    "incorrect api key",
    "api key not valid",
    "api key is not valid",
    "api key is invalid",
    "api key expired",
    "api key has expired",
    "api key has been",
    "api key was reported as leaked",
    "api key is disabled",
    "key has been disabled",
    "key has been revoked",
    "account has been suspended",
    "account has been deactivated",
    "account is suspended",
    "account is deactivated",
];

const FILTER_NAMES: [&str; 7] = [
    "content_filter",
    "content_policy_violation",
    "moderation_blocked",
    "ResponsibleAIPolicyViolation",
    "data_inspection_failed",
    "DataInspectionFailed",
    "content_filter_error",
];

const FILTER_PHRASES: [&str; 8] = [
    "content exists risk",
    "content management policy",
    "content filtering policy",
    "content policy violation",
    "rejected as a result of our safety system",
    "violating our usage policy",
    "may contain inappropriate content",
    "your input was flagged",
];

pub(super) fn is_quota(complaint: &Complaint) -> bool {
    let billing = |name: &Option<String>| name.as_deref().is_some_and(|name| name.starts_with("billing_"));
    complaint.is_named(&QUOTA_NAMES)
        || billing(&complaint.code)
        || billing(&complaint.kind)
        || says(complaint, &QUOTA_PHRASES)
}

pub(super) fn is_oversized(complaint: &Complaint) -> bool {
    says(complaint, &OVERSIZED_PHRASES)
}

pub(super) fn is_about_key(complaint: &Complaint) -> bool {
    complaint.is_named(&KEY_NAMES) || says(complaint, &KEY_PHRASES)
}

pub(super) fn is_content_filter(complaint: &Complaint) -> bool {
    complaint.is_named(&FILTER_NAMES) || says(complaint, &FILTER_PHRASES)
}

fn says(complaint: &Complaint, phrases: &[&str]) -> bool {
    let message = complaint.message.to_ascii_lowercase();
    phrases.iter().any(|phrase| message.contains(phrase))
}

/// The words of a text that may be an error page: its title, or everything outside its tags.
pub(super) fn of_page(text: &str) -> String {
    if !text.starts_with('<') {
        return text.to_owned();
    }
    let lower = text.to_ascii_lowercase();
    let title = lower.find("<title").and_then(|at| {
        let from = at + lower[at..].find('>')? + 1;
        let to = from + lower[from..].find('<')?;
        Some(text[from..to].trim()).filter(|title| !title.is_empty())
    });
    if let Some(title) = title {
        return title.to_owned();
    }
    let outside = text.split('<').map(|tag| tag.split_once('>').map_or("", |(_, outside)| outside));
    outside.collect::<Vec<&str>>().join(" ")
}

/// The parameter at a place as pydantic writes it: `["body", "messages", 0, "content"]` is `messages[0].content`.
pub(super) fn place(raw: &str) -> Option<String> {
    let parts: Vec<serde_json::Value> = serde_json::from_slice(raw.get(..raw.len().min(512))?.as_bytes()).ok()?;
    let mut path = String::new();
    for (at, part) in parts.iter().enumerate() {
        match part {
            serde_json::Value::String(part) if at == 0 && part == "body" => {}
            serde_json::Value::String(part) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(part);
            }
            part => path.push_str(&format!("[{part}]")),
        }
    }
    (!path.is_empty()).then(|| bounded(&path, LONGEST_NAME))
}
