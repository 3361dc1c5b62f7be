//! Sentences for an exposed socket, as an error of the file: the problem and the remedy.
//!
//! Lowercase fragments, like every error of the file. The path of the key is shown next to them. If the socket is not
//! at the address in the file, the sentence contains that as well.

use crate::decide::exposure::{Exposure, Risk};

/// The problem, as a lowercase fragment.
#[must_use]
pub fn problem(exposure: &Exposure) -> String {
    let Exposure { reached, elsewhere, danger, .. } = exposure;
    let place = if *elsewhere { " (the address of the socket, which is not the one in the file)" } else { "" };
    let whoever = format!("everyone who can connect to {reached}{place}");
    match danger {
        Risk::Spend { keys } => {
            let whose: Vec<String> = keys.iter().map(|name| format!("`{name}`")).collect();
            format!("{whoever} could spend the keys that Serin has for {}", whose.join(", "))
        }
        Risk::Move => format!("{whoever} could move the traffic"),
    }
}

/// The remedy, as a lowercase fragment.
#[must_use]
pub const fn remedy(exposure: &Exposure) -> &'static str {
    match exposure.danger {
        Risk::Spend { .. } => {
            "listen on 127.0.0.1, set `clients`, or write `open: true` if access is restricted by other means"
        }
        Risk::Move => "listen on 127.0.0.1, or set `admin.tokens`; for health checks and metrics alone use `probe`",
    }
}
