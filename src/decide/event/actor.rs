//! The actor of an event: a part of Serin, or a human.
//!
//! Stored and shown as one word. A human whose name is that of a part of Serin cannot be told from it, since only the
//! word is stored. Invariant: an actor that is read from the disk equals the actor that was written.

use serde::{Deserialize, Serialize};

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Actor {
    /// By evidence.
    Guard,
    /// By time.
    Ramp,
    /// By an edit of flags.yaml.
    Flags,
    /// A provider's breaker.
    Breaker,
    /// The process itself.
    Serin,
    /// A human, by the token's name or the user's.
    Human(String),
}

impl Actor {
    const PARTS: [Actor; 5] = [Actor::Guard, Actor::Ramp, Actor::Flags, Actor::Breaker, Actor::Serin];

    /// The word in history and JSON.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Actor::Guard => "guard",
            Actor::Ramp => "ramp",
            Actor::Flags => "flags",
            Actor::Breaker => "breaker",
            Actor::Serin => "serin",
            Actor::Human(name) => name,
        }
    }
}

impl From<String> for Actor {
    fn from(word: String) -> Actor {
        let part = Actor::PARTS.into_iter().find(|part| part.as_str() == word);
        part.unwrap_or(Actor::Human(word))
    }
}

impl From<&str> for Actor {
    fn from(word: &str) -> Actor {
        Actor::from(word.to_owned())
    }
}

impl From<Actor> for String {
    fn from(actor: Actor) -> String {
        actor.as_str().to_owned()
    }
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_comes_back_as_it_was_written() {
        for actor in Actor::PARTS.into_iter().chain([Actor::Human("ana".to_owned())]) {
            let text = serde_json::to_string(&actor).unwrap();
            assert_eq!(text, format!("\"{actor}\""));
            assert_eq!(serde_json::from_str::<Actor>(&text).unwrap(), actor);
        }
    }
}
