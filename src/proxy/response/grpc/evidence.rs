//! What was seen of the answer to a call, and what its end amounts to.
//!
//! Follows the messages by their prefixes, and reads the status where it stands. Owns the rule that an OK within a
//! message is no success. Keeps no byte of a message. Invariant: an answer without a status has not ended well.

use http::HeaderMap;

use crate::decide::grpc::{GrpcAbout, GrpcEnd};
use crate::decide::outcome::BodyEnd;
use crate::proxy::request::call::Expiry;
use crate::proxy::request::recording::Recorder;
use crate::wire::complaint::Complaint;
use crate::wire::grpc::{GrpcCode, GrpcStatus, MessageReader, read_details};
use crate::wire::rate_headers::Pause;

/// Who asks for longer means a quota: nobody waits for that.
const HOUR: u64 = 3_600_000;

/// What was seen of an answer to a call.
#[derive(Debug, Default)]
pub(crate) struct CallAnswer {
    pub(super) messages: MessageReader,
    /// For how long the provider asks not to be asked again.
    pub(crate) pause: Option<Pause>,
    /// When the client stops waiting.
    pub(crate) expiry: Option<Expiry>,
    /// What the client sends; dropped when the call is over.
    pub(crate) recorder: Option<Recorder>,
}

/// How a call ended, and what its provider said to it.
#[derive(Debug)]
pub(super) struct CallEnd {
    pub(super) body: BodyEnd,
    pub(super) complaint: Option<Box<Complaint>>,
}

impl CallAnswer {
    /// What a head that is all, or trailers, say. `None`: there is no status in them.
    pub(super) fn end(&mut self, headers: &HeaderMap) -> Option<CallEnd> {
        let GrpcStatus { code, message } = GrpcStatus::read(headers)?;
        let begun = self.messages.has_begun();
        if code == GrpcCode::OK {
            let body = if self.messages.is_within() {
                BodyEnd::Early
            } else {
                BodyEnd::Grpc(GrpcEnd { code, about: GrpcAbout::Nothing, begun })
            };
            return Some(CallEnd { body, complaint: None });
        }
        let details = read_details(headers);
        let is_quota = details.quota && code == GrpcCode::RESOURCE_EXHAUSTED;
        let about = if is_quota { GrpcAbout::Quota } else { GrpcAbout::Nothing };
        self.pause = details.pause.map(|pause| if pause > HOUR { Pause::Long(Some(pause)) } else { Pause::For(pause) });
        let named = code.name().map(str::to_owned);
        let complaint = Complaint { message, code: named, retry_after: details.pause, ..Complaint::default() };
        Some(CallEnd { body: BodyEnd::Grpc(GrpcEnd { code, about, begun }), complaint: Some(Box::new(complaint)) })
    }
}
