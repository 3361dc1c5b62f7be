//! Open WebSocket sessions in the status: how many, where, and for how long.
//!
//! A row for each provider and arm, as they are what a rollback leaves in place. Nothing where none is open. Pure, and
//! decides nothing.

use crate::app::api::WebSocketSessions;
use crate::cli::output::{millis, row, span};

pub(super) fn rows(text: &mut String, sessions: &[WebSocketSessions]) {
    for (index, sessions) in sessions.iter().enumerate() {
        let WebSocketSessions { rollout, arm, provider, open, oldest_seconds } = sessions;
        let noun = if *open == 1 { "session" } else { "sessions" };
        let whose = if arm == "none" { String::new() } else { format!(" ({arm} of {rollout})") };
        let oldest = span(millis(*oldest_seconds));
        let line = format!("{open} {noun} at {provider}{whose}, the oldest for {oldest}");
        row(text, if index == 0 { "websocket" } else { "" }, &line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_for_each_provider_and_arm() {
        let sessions = |arm: &str, provider: &str, open, oldest_seconds| WebSocketSessions {
            rollout: if arm == "none" { "none" } else { "voice" }.to_owned(),
            arm: arm.to_owned(),
            provider: provider.to_owned(),
            open,
            oldest_seconds,
        };
        let all = [sessions("canary", "new", 1, 3700.0), sessions("none", "old", 12, 5.2)];
        let mut text = String::new();
        rows(&mut text, &all);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines[0].contains("1 session at new (canary of voice), the oldest for 1h"), "{text}");
        assert!(lines[1].contains("12 sessions at old, the oldest for 5s"), "{text}");
        assert!(lines[0].contains("websocket") && !lines[1].contains("websocket"), "{text}");
    }
}
