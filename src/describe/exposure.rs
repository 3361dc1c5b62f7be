//! What strangers could do through a socket, as an error of the file: what is wrong, and how to mend it.
//!
//! Lowercase fragments, as every error of the file has them. The place is told beside them, by the path of its key; where
//! a socket is not where the file says, that is told as well.

use crate::decide::exposure::{Danger, Exposure};

/// What is wrong, as a lowercase fragment.
#[must_use]
pub fn problem(exposure: &Exposure) -> String {
    let Exposure { reached, elsewhere, danger, .. } = exposure;
    let place = if *elsewhere { " (the address of the socket, which is not the one in the file)" } else { "" };
    let whoever = format!("everyone who can connect to {reached}{place}");
    match danger {
        Danger::Spend { keys } => {
            let whose: Vec<String> = keys.iter().map(|name| format!("`{name}`")).collect();
            format!("{whoever} could spend the keys that Serin has for {}", whose.join(", "))
        }
        Danger::Move => format!("{whoever} could move the traffic"),
    }
}

/// How to mend it, as a lowercase fragment.
#[must_use]
pub const fn remedy(exposure: &Exposure) -> &'static str {
    match exposure.danger {
        Danger::Spend { .. } => {
            "listen on 127.0.0.1, set `clients`, or write `open: true` if access is restricted by other means"
        }
        Danger::Move => "listen on 127.0.0.1, or set `admin.tokens`; for health checks and metrics alone use `probe`",
    }
}
