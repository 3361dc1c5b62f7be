//! The body of a Slack incoming webhook: a text, and blocks.
//!
//! `text` is what a phone shows, and the fallback where blocks are not. Slack reads `&`, `<` and `>` as markup, so they
//! are escaped in every text. It refuses a header of more than 150 characters and a section of more than 3,000; the
//! texts are cut below that. Invariant: no text from outside mentions a person or a channel.

use serde_json::{Value, json};

use super::{Letter, affected, causes, command, title, why};
use crate::describe::format::shortened;

const LONGEST_HEADER: usize = 150;
const LONGEST_SECTION: usize = 2900;

/// The body.
#[must_use]
pub fn body(letter: &Letter<'_>) -> String {
    let notification = letter.notification;
    let title = title(notification);
    let why = why(notification);
    let mut sections = vec![why.clone()];
    if let Some(transition) = letter.transition() {
        sections.extend(affected(transition));
        sections.extend(causes(transition));
    }
    let section = |text: &str| json!({"type": "section", "text": {"type": "mrkdwn", "text": text}});
    let said = escaped(&sections.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n"));
    let links = letter.links();
    let links: Vec<String> = links.into_iter().map(|(name, url)| format!("<{}|{name}>", escaped(&url))).collect();
    let mut blocks = vec![json!({
        "type": "header", "text": {"type": "plain_text", "text": shortened(&title, LONGEST_HEADER)},
    })];
    if !said.is_empty() {
        blocks.push(section(&cut(&said)));
    }
    blocks.push(section(&format!("`{}`", escaped(&command(notification)))));
    let context: Vec<Value> = vec![json!({"type": "mrkdwn", "text": links.join("  ")})];
    blocks.push(json!({"type": "context", "elements": context}));
    let text = if why.is_empty() { title } else { format!("{title}: {why}") };
    json!({"text": cut(&escaped(&text)), "blocks": blocks}).to_string()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Cut without leaving half an escaped character.
fn cut(escaped: &str) -> String {
    let text = shortened(escaped, LONGEST_SECTION);
    if text.len() == escaped.len() {
        return text;
    }
    let bare = text.trim_end_matches("...");
    match bare.rfind('&') {
        Some(at) if !bare[at..].contains(';') => format!("{}...", &bare[..at]),
        _ => text,
    }
}
