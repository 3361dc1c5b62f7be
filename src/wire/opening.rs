//! How a conversation begins: its first system and its first user message, as sent.
//!
//! What a conversation is known by when nobody says whose it is: later turns send the same beginning again. The slices
//! are JSON text of the body, so finding them changes nothing and hashing them needs no agreement about whitespace.
//! Three dialects are understood: `messages` with a system or developer message among them (chat completions),
//! `messages` beside `system` (Anthropic), and `input` beside `instructions` (responses).

use std::sync::LazyLock;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::body::{self, Peek, Wanted};

/// The beginning of a conversation, as JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening<'a> {
    /// The first system or developer message, or the top-level instructions.
    pub system: Option<&'a str>,
    /// The first user message, or the whole `input` where that is a text.
    pub user: &'a str,
}

/// The fields that it is read from.
static OPENING: LazyLock<Wanted> = LazyLock::new(|| Wanted::new([], true));

/// The beginning of the conversation in a body. `None` without a user message: what many conversations share (a system
/// prompt alone) would send them all to one arm.
#[must_use]
pub fn opening<'a>(peek: &Peek<'a>) -> Option<Opening<'a>> {
    // Read anew: few requests are nobody's, and the others need not pay for it.
    let peek = body::peek(peek.body(), &OPENING).ok()?;
    let turns = peek.messages().or_else(|| peek.input())?;
    let top = peek.system().or_else(|| peek.instructions()).filter(|raw| *raw != "null");
    if turns.starts_with('"') {
        return Some(Opening { system: top, user: turns });
    }
    let mut first = First { system: None, user: None, wants_system: top.is_none() };
    // It stops early once both are found, which the reader reports as an error of its own.
    let _ = serde_json::Deserializer::from_str(turns).deserialize_seq(Turns(&mut first));
    Some(Opening { system: top.or(first.system), user: first.user? })
}

struct First<'a> {
    system: Option<&'a str>,
    user: Option<&'a str>,
    wants_system: bool,
}

struct Turns<'f, 'a>(&'f mut First<'a>);

impl<'a> Visitor<'a> for Turns<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of messages")
    }

    fn visit_seq<S: SeqAccess<'a>>(self, mut turns: S) -> Result<(), S::Error> {
        let Turns(first) = self;
        while let Some(raw) = turns.next_element::<&'a RawValue>()? {
            let raw = raw.get();
            match role(raw) {
                Some(Role::System) => first.system = first.system.or(Some(raw)),
                Some(Role::User) => first.user = first.user.or(Some(raw)),
                None => {}
            }
            if first.user.is_some() && (first.system.is_some() || !first.wants_system) {
                break;
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Role {
    System,
    User,
}

/// The role of a message; `None` for every other role and for what is no message.
fn role(message: &str) -> Option<Role> {
    if !message.starts_with('{') {
        return None;
    }
    let raw = serde_json::Deserializer::from_str(message).deserialize_map(RoleOf).ok()??;
    match body::string(raw)?.as_ref() {
        "system" | "developer" => Some(Role::System),
        "user" => Some(Role::User),
        _ => None,
    }
}

struct RoleOf;

impl<'a> Visitor<'a> for RoleOf {
    type Value = Option<&'a str>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a message")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut message: M) -> Result<Option<&'a str>, M::Error> {
        let mut role = None;
        while let Some(is_role) = message.next_key_seed(IsRole)? {
            if is_role {
                role = Some(message.next_value::<&'a RawValue>()?.get());
            } else {
                message.next_value::<IgnoredAny>()?;
            }
        }
        Ok(role)
    }
}

/// Whether a key is `role`, as bytes: a key that is no valid text must not hide the others.
struct IsRole;

impl<'de> DeserializeSeed<'de> for IsRole {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<bool, D::Error> {
        key.deserialize_bytes(self)
    }
}

impl Visitor<'_> for IsRole {
    type Value = bool;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a key")
    }

    fn visit_bytes<E: Error>(self, key: &[u8]) -> Result<bool, E> {
        Ok(key == b"role")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::body::peek;

    fn found(body: &str) -> Option<(Option<String>, String)> {
        let wanted = Wanted::new([], false);
        let peek = peek(body.as_bytes(), &wanted).unwrap();
        opening(&peek).map(|opening| (opening.system.map(str::to_owned), opening.user.to_owned()))
    }

    #[test]
    fn chat_completions_have_it_among_the_messages() {
        let (system, user) = (r#"{"role": "system", "content": "be brief"}"#, r#"{"content":"hi","role":"us\u0065r"}"#);
        let body = format!(r#"{{"messages": [ {system} , {user}, {{"role":"user","content":"later"}}]}}"#);
        assert_eq!(found(&body), Some((Some(system.to_owned()), user.to_owned())));
        let developer = r#"{"role":"developer","content":"be brief"}"#;
        let body = format!(r#"{{"messages":[{user},{{"role":"assistant"}},{developer}]}}"#);
        assert_eq!(found(&body), Some((Some(developer.to_owned()), user.to_owned())));
        assert_eq!(found(&format!(r#"{{"messages":[{user}]}}"#)), Some((None, user.to_owned())));
    }

    #[test]
    fn anthropic_has_the_system_prompt_at_the_top() {
        let user = r#"{"role":"user","content":[{"type":"text","text":"hi"}]}"#;
        let system = r#"[{"type":"text","text":"be brief"}]"#;
        let body = format!(r#"{{"messages":[{user}],"system":{system}}}"#);
        assert_eq!(found(&body), Some((Some(system.to_owned()), user.to_owned())));
        assert_eq!(found(&format!(r#"{{"system":null,"messages":[{user}]}}"#)), Some((None, user.to_owned())));
    }

    #[test]
    fn responses_have_instructions_and_input() {
        let expected = Some((Some(r#""be brief""#.to_owned()), r#""hi""#.to_owned()));
        assert_eq!(found(r#"{"input":"hi","instructions":"be brief"}"#), expected);
        let user = r#"{"type":"message","role":"user","content":"hi"}"#;
        let body = format!(r#"{{"input":[{{"type":"function_call_output"}},{user}]}}"#);
        assert_eq!(found(&body), Some((None, user.to_owned())));
    }

    #[test]
    fn what_many_conversations_share_is_no_opening() {
        assert_eq!(found(r#"{"messages":[{"role":"system","content":"be brief"}]}"#), None);
        assert_eq!(found(r#"{"system":"be brief","messages":[]}"#), None);
        assert_eq!(found(r#"{"messages":{"role":"user"}}"#), None);
        assert_eq!(found(r#"{"messages":[1,"user",null,{"role":["user"]},{"roles":"user"}]}"#), None);
        assert_eq!(found(r#"{"prompt":"hi"}"#), None);
    }

    #[test]
    fn a_message_is_found_behind_keys_that_are_no_text() {
        let user = r#"{"\ud800":1,"role":"user"}"#;
        assert_eq!(found(&format!(r#"{{"messages":[{user}]}}"#)), Some((None, user.to_owned())));
    }
}
