//! The limits of the clients that the file names.
//!
//! Asked once a request, when its client is known and before its body is read. How full they are is kept by name, over
//! reloads. Invariant: a request that is too many is answered with 429 and the time after which it has room.

use std::sync::Arc;

use crate::clock;
use crate::decide::policy::{Client, ClientLimit};
use crate::decide::units::Millis;
use crate::proxy::response::error::ProxyError;
use crate::state::limit::{LimitKind, LimitState, Turned, take_of_client};
use crate::state::source_table::SourceTable;

/// A client's limit, and how full it is.
#[derive(Debug)]
pub(super) struct PreparedLimit {
    limit: ClientLimit,
    state: Arc<LimitState>,
}

impl PreparedLimit {
    /// `None`: the client has none.
    pub(super) fn of(client: &Client, sources: &SourceTable) -> Option<PreparedLimit> {
        let limit = client.rate_limit?;
        let state = sources.client_limit(&client.name, limit.requests, clock::nanos());
        Some(PreparedLimit { limit, state })
    }

    /// Takes room for one request.
    pub(super) fn admit(&self, client: &Client) -> Result<(), ProxyError> {
        let now = clock::nanos();
        let Err(not_before) = take_of_client(&self.state, self.limit.requests, now) else { return Ok(()) };
        if self.limit.observe {
            self.state.count(LimitKind::Requests, Turned::Observed);
            return Ok(());
        }
        self.state.count(LimitKind::Requests, Turned::Refused);
        let wait = Millis(not_before.saturating_sub(now).div_ceil(1_000_000).max(1));
        Err(ProxyError::ClientLimited { client: client.name.clone(), wait })
    }
}
