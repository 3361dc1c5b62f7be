//! What strangers could do through a socket, as an error of the file: what is wrong, and how to mend it.
//!
//! Lowercase fragments, as every error of the file has them. The place is told beside them, by the path of its key. Never
//! quotes a token that is too short.

use crate::decide::exposure::{Danger, SHORTEST_TOKEN};

/// What is wrong, as a lowercase fragment.
#[must_use]
pub fn problem(danger: &Danger) -> String {
    match danger {
        Danger::Spend { reached, keys } => {
            let whose: Vec<String> = keys.iter().map(|name| format!("`{name}`")).collect();
            format!("everybody who reaches {reached} could spend the keys that Serin has for {}", whose.join(", "))
        }
        Danger::Move { reached } => format!("everybody who reaches {reached} could move the traffic"),
        Danger::Guess { reached } => format!(
            "a token of fewer than {SHORTEST_TOKEN} characters can be guessed by everybody who reaches {reached}"
        ),
    }
}

/// How to mend it, as a lowercase fragment.
#[must_use]
pub const fn remedy(danger: &Danger) -> &'static str {
    match danger {
        Danger::Spend { .. } => {
            "listen on 127.0.0.1, name the `clients`, or write `open: true` if something else keeps strangers out"
        }
        Danger::Move { .. } => {
            "listen on 127.0.0.1, or name `admin.tokens`; for health checks and metrics alone there is `probe`"
        }
        Danger::Guess { .. } => "write one from chance, such as `openssl rand -hex 16` gives",
    }
}
