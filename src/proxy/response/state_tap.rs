//! Learns from an answer which ids its provider keeps, before a byte of it goes out.
//!
//! Sees each piece as it comes from the provider, whether it is held or relayed at once; a piece that is encoded is
//! decoded for this alone. Only answers of providers other than stable are read so, and of those only what makes state.
//! Changes no byte. Invariant: an id is known before the client can use it.

use std::sync::Arc;

use http::HeaderMap;
use http::header::LOCATION;

use super::declared;
use crate::clock;
use crate::state::state_ids::{OwnerId, StateIds};
use crate::wire::coding::Decoder;
use crate::wire::state_ids::{AnswerScanner, in_location};

/// Reads one answer for ids.
#[derive(Debug)]
pub(crate) struct StateTap {
    scanner: AnswerScanner,
    /// Where it is encoded: its bytes as they are read.
    decoder: Option<(Decoder, Vec<u8>)>,
    ids: Arc<StateIds>,
    owner: OwnerId,
}

impl StateTap {
    /// For an answer of this head. `kept`: whether the provider keeps the answer itself. `None`: it cannot be decoded.
    pub(crate) fn new(headers: &HeaderMap, kept: bool, ids: &Arc<StateIds>, owner: OwnerId) -> Option<Box<StateTap>> {
        // A call has its id nowhere else.
        let location = headers.get(LOCATION).and_then(|location| location.to_str().ok());
        if let Some(id) = location.and_then(in_location) {
            ids.learn(ids.key(id), owner, clock::unix());
        }
        let decoder = match declared::coding(headers) {
            None => None,
            Some(coding) => Some((Decoder::for_coding(coding)?, Vec::new())),
        };
        Some(Box::new(StateTap { scanner: AnswerScanner::new(kept), decoder, ids: Arc::clone(ids), owner }))
    }

    pub(super) fn see(&mut self, piece: &[u8]) {
        let StateTap { scanner, decoder, ids, owner } = self;
        let mut learn = |id: &str| ids.learn(ids.key(id), *owner, clock::unix());
        match decoder {
            None => scanner.feed(piece, learn),
            Some((decoder, plain)) => {
                plain.clear();
                decoder.feed(piece, plain);
                scanner.feed(plain, &mut learn);
            }
        }
    }
}
