//! A provider's answer, as far as it was seen before any of it goes out.
//!
//! Made when the head has come, filled while the answer is [buffered](super::buffer), read where the attempt's result
//! is decided, and taken apart where the answer is [relayed](super::respond) or dropped. One value for all of that,
//! since it is large: it is boxed, and never copied. Decides nothing. Invariant: the pieces are all bytes that were
//! taken from the body.

use std::rc::Rc;

use http::{Response, response};

use super::body::{BodyError, ProviderBody};
use super::grpc::CallAnswer;
use super::observe::{ResponseObserver, Summary};
use super::pieces::Pieces;
use crate::decide::outcome::Ending;
use crate::proxy::request::reservation::{CoreShare, Reservation};
use crate::wire::complaint::Complaint;

/// An answer, as far as it was seen.
#[derive(Debug)]
pub(crate) struct BufferedResponse {
    pub(crate) head: response::Parts,
    /// What was seen of its body.
    pub(crate) pieces: Pieces,
    /// Its rest; `None` once it ended.
    pub(crate) rest: Option<ProviderBody>,
    /// Why there is no rest, where it broke off.
    pub(crate) broke: Option<BodyError>,
    /// What reads the rest.
    pub(crate) observer: Option<Box<ResponseObserver>>,
    /// How the attempt ended; `None`: well so far, and the rest is to come.
    pub(crate) ending: Option<Ending>,
    /// What an error says.
    pub(crate) complaint: Option<Box<Complaint>>,
    /// What a whole answer says of itself.
    pub(crate) summary: Option<Summary>,
    /// How many of the last bytes belong to an event that is not whole.
    pub(crate) unfinished: usize,
    /// What was seen of the answer to a call of gRPC.
    pub(crate) call: Option<Box<CallAnswer>>,
    /// Whether another candidate could still answer.
    pub(crate) recoverable: bool,
    /// The memory that what is held occupies.
    pub(super) loan: Reservation,
}

impl BufferedResponse {
    /// Of which nothing was seen but its head.
    pub(crate) fn unseen(
        response: Response<ProviderBody>,
        memory: &Rc<CoreShare>,
        recoverable: bool,
    ) -> Box<BufferedResponse> {
        let place = Box::new_uninit();
        let (head, body) = response.into_parts();
        Box::write(
            place,
            BufferedResponse {
                head,
                pieces: Pieces::default(),
                rest: Some(body),
                broke: None,
                observer: None,
                ending: None,
                complaint: None,
                summary: None,
                unfinished: 0,
                call: None,
                recoverable,
                loan: Reservation::of(memory),
            },
        )
    }
}
