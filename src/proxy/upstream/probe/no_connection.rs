//! Why a probe has no connection, as a sentence for operators.
//!
//! The sentence of the cause, and what to check where that does not say it. Decides nothing by it.

use crate::decide::cause::NoConnection;

/// Why there is no connection, with what to check where the message does not say it.
pub(super) fn unreachable(error: &NoConnection) -> String {
    match error {
        NoConnection::Lookup { .. } | NoConnection::Tcp { .. } | NoConnection::Timeout { .. } => {
            format!("{error}; check its `base_url` (host, port, http or https), DNS and the network")
        }
        NoConnection::Tls { .. } => format!("{error}; check its `base_url` (is it https?) and `tls.ca_file`"),
        _ => error.to_string(),
    }
}
