//! The keys of a target of notifications.
//!
//! Names, kinds, defaults and the sentences that an editor shows. What the values mean is `compile/notify.rs`'.
//! Invariant: every default and every example is a value of its key's kind.

use serde_json::json;

use super::kinds::{Schema, described, key, length, text, texts, word};

/// One target.
pub(super) fn target() -> Schema {
    described(
        "A target of notifications.",
        [
            key("name", text()).required().examples(json!(["ops"])).says("Name in the history and in metrics."),
            key("url", text()).examples(json!(["https://ops.example.com/serin", "${SLACK_WEBHOOK}"])).says(
                "Where notifications are posted. It is never shown, since it may be a secret itself. For \
                 `alertmanager` the address of the server. Default for `pagerduty`: \
                 `https://events.pagerduty.com/v2/enqueue`.",
            ),
            key("secret", text()).examples(json!(["${OPS_SECRET}"])).says(
                "For `standard` the signing secret: `whsec_` and base64 of 24 to 64 bytes. For `pagerduty` the \
                 integration key. The other formats have none.",
            ),
            key("on", texts())
                .default(json!(["promoted", "held", "rolled_back", "resumed", "completed", "attempt_started"]))
                .says(
                    "What is sent: `promoted`, `held`, `rolled_back`, `resumed`, `completed`, `attempt_started`, \
                     `digest` (each Monday at 09:00 UTC), `reload_failed`, `breaker_opened`, \
                     `model_retires` (`standard` and `slack`).",
                ),
            key("format", word(&["standard", "slack", "pagerduty", "alertmanager"])).default("standard").says(
                "`standard`: Standard Webhooks, signed. `slack`: an incoming webhook. `pagerduty`: Events API v2. \
                 `alertmanager`: API v2.",
            ),
            key("min_interval", length()).default("0s").says(
                "Least time between two notifications, up to 1d. Those of a rollout that wait are sent as the newest \
                 one, which says how many others there were. A rollback does not wait. For `standard` and `slack`.",
            ),
        ],
    )
}
