//! Until when an answer is held, by what it is.
//!
//! While another candidate could still answer, frames without output, an error's body and a JSON answer are held, and
//! anything else until its first byte. Owns these rules and their bounds; reads no byte. Invariant: what cannot be held
//! whole is not held beyond its first byte.

use http::StatusCode;

use crate::decide::units::Millis;
use crate::proxy::attempt::deadline::Deadline;
use crate::proxy::response::declared::DeclaredKind;
use crate::proxy::response::observe::ReadAs;
use crate::wire::dialect::Dialect;

/// The most bytes of frames without output that are held.
pub(super) const MOST_PREAMBLE: u64 = 16 * 1024;
/// The most bytes of an error's body.
const MOST_ERROR: u64 = 64 * 1024;
/// The most bytes of a JSON answer.
pub(super) const MOST_JSON: u64 = 1024 * 1024;

/// How a response is buffered. One value, since it is fixed before the response comes and read at each of its pieces.
#[derive(Debug)]
pub(crate) struct BufferRules {
    pub(crate) read_as: ReadAs,
    /// Whether it answers a WebSocket's handshake.
    pub(crate) websocket: bool,
    /// Whether another candidate could still answer.
    pub(crate) recoverable: bool,
    /// Whether a stream is assembled before it goes out.
    pub(crate) buffered: bool,
    /// How long frames without output are held at most, and white space that no deadline limits.
    pub(crate) hold: Millis,
    /// Until when more than white space and comments must have come.
    pub(crate) deadline: Option<Deadline>,
    /// The most bytes that one answer may occupy, and all held bodies together.
    pub(crate) most: (u64, u64),
}

/// Until when an answer is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HoldUntil {
    /// It goes out at once.
    Nothing,
    /// Until its first byte.
    FirstByte,
    /// Until there is more than white space.
    Beginning,
    /// Until there is output.
    Output,
    /// Until it is whole, up to so many bytes.
    Whole(u64),
}

impl HoldUntil {
    /// By its content type, where its bytes are not read. `announced`: how long the body is at least.
    pub(super) fn by_label(status: StatusCode, kind: DeclaredKind, announced: u64, rules: &BufferRules) -> HoldUntil {
        if status.is_client_error() || status.is_server_error() {
            return HoldUntil::whole(MOST_ERROR, announced, rules);
        }
        match kind {
            _ if !status.is_success() => HoldUntil::Nothing,
            DeclaredKind::Json if rules.read_as.dialect != Dialect::Plain || rules.recoverable => {
                HoldUntil::whole(MOST_JSON, announced, rules)
            }
            _ if !rules.recoverable => HoldUntil::Nothing,
            DeclaredKind::Json | DeclaredKind::Events | DeclaredKind::Opaque => HoldUntil::FirstByte,
        }
    }

    pub(super) fn of_stream(announced: u64, rules: &BufferRules) -> HoldUntil {
        match rules {
            BufferRules { recoverable: false, .. } => HoldUntil::Nothing,
            BufferRules { buffered: true, .. } => HoldUntil::whole(rules.most.0, announced, rules),
            _ => HoldUntil::Output,
        }
    }

    /// A body that is longer than may be held is not held in part: its first byte commits it.
    pub(super) fn whole(most: u64, announced: u64, rules: &BufferRules) -> HoldUntil {
        match announced > most {
            false => HoldUntil::Whole(most),
            true if rules.recoverable => HoldUntil::FirstByte,
            true => HoldUntil::Nothing,
        }
    }
}
