//! Open WebSocket sessions, as the API says them.
//!
//! One entry for each provider and arm where a session is open. Sessions stay where they are when a share changes, so
//! that they are shown apart from requests.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::decide::units::Millis;
use crate::state::counters::{Series, SeriesLabels};

/// Open sessions of one arm at one provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WebSocketSessions {
    /// The rollout; `none`: no rollout took them.
    pub rollout: String,
    /// `stable`, `canary`, or `none`.
    pub arm: String,
    pub provider: String,
    /// How many are open now.
    pub open: u64,
    /// For how long the oldest of them has been.
    pub oldest_seconds: f64,
}

impl WebSocketSessions {
    /// Of all series with an open session.
    pub(super) fn all(series: &[Arc<Series>], now: Millis) -> Vec<WebSocketSessions> {
        let of = |series: &Arc<Series>| {
            let (open, oldest) = series.websockets().open();
            let SeriesLabels { rollout, arm, provider } = &series.labels;
            oldest.map(|began| WebSocketSessions {
                rollout: rollout.clone(),
                arm: (*arm).to_owned(),
                provider: provider.clone(),
                open: open as u64,
                oldest_seconds: now.since(began).duration().as_secs_f64(),
            })
        };
        series.iter().filter_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::websocket_sessions::OpenWebSocket;

    #[test]
    fn only_where_a_session_is_open() {
        let labels = |arm| SeriesLabels { rollout: "voice".to_owned(), arm, provider: "openai".to_owned() };
        let series = ["stable", "canary"].map(|arm| Arc::new(Series::new(labels(arm), 1)));
        assert_eq!(WebSocketSessions::all(&series, Millis(9000)), []);
        let _open = [1000, 5000].map(|began| OpenWebSocket::begin(series[1].websockets(), Millis(began)));
        let shown = WebSocketSessions {
            rollout: "voice".to_owned(),
            arm: "canary".to_owned(),
            provider: "openai".to_owned(),
            open: 2,
            oldest_seconds: 8.0,
        };
        assert_eq!(WebSocketSessions::all(&series, Millis(9000)), [shown]);
    }
}
