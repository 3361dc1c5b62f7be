//! What providers other than stable keep, a row for each.
//!
//! It says for whom traffic stays on a provider although no user is sent there any more. Pure: a reply in, rows out.

use crate::app::api::KeptState;
use crate::cli::output::{distance, one_line, row};
use crate::decide::units::UnixMillis;
use crate::describe::kept_state::ids;

pub(super) fn rows(text: &mut String, kept: &[KeptState], now: UnixMillis) {
    for KeptState { provider, ids: count, last_used_at, .. } in kept {
        let used = distance(*last_used_at, now);
        row(text, "kept", &format!("{} on {}, last used {used}", ids(*count), one_line(provider)));
    }
}
