//! What a collector's answer means for a batch.
//!
//! Follows the specification of OTLP over HTTP: some statuses ask for another try, any other that is no success ends
//! the batch, and a success may still refuse some spans. Decides nothing about pauses. Invariant: a text of a
//! collector's is short and printable before it reaches the log.

use bytes::Bytes;
use http::Response;
use http::header::RETRY_AFTER;
use prost::Message as _;

use super::proto::{ErrorStatus, ExportResponse};
use crate::decide::printable::printable_start;
use crate::decide::units::Millis;

/// Characters of a collector's text that are shown.
const LONGEST: usize = 200;

/// What became of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// The collector has it, but for so many spans, and said this about them.
    Taken { rejected: u64, said: String },
    /// It does not want it.
    Refused(String),
    /// It may take it later; `after`: when it says so.
    Later { why: String, after: Option<Millis> },
}

/// What an answer means, or why there is none.
pub(super) fn delivery(answer: Result<Response<Bytes>, String>) -> Delivery {
    let answer = match answer {
        Ok(answer) => answer,
        Err(why) => return Delivery::Later { why, after: None },
    };
    match answer.status().as_u16() {
        200..=299 => {
            // What cannot be read says nothing against the batch.
            let partial = ExportResponse::decode(answer.body().clone()).ok().and_then(|told| told.partial_success);
            let partial = partial.unwrap_or_default();
            Delivery::Taken {
                rejected: u64::try_from(partial.rejected_spans).unwrap_or_default(),
                said: printable_start(&partial.error_message, LONGEST),
            }
        }
        status @ (429 | 502 | 503 | 504) => {
            let after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
            let after = after.map(|seconds: u32| Millis(u64::from(seconds) * 1000));
            Delivery::Later { why: told(status, answer.body()), after }
        }
        status => Delivery::Refused(told(status, answer.body())),
    }
}

fn told(status: u16, body: &Bytes) -> String {
    let message = ErrorStatus::decode(body.clone()).map(|status| status.message).unwrap_or_default();
    if message.is_empty() {
        format!("the collector answered {status}")
    } else {
        format!("the collector answered {status}: {}", printable_start(&message, LONGEST))
    }
}

#[cfg(test)]
mod tests {
    use super::super::proto::PartialSuccess;
    use super::*;

    fn answer(status: u16, body: impl Into<Bytes>) -> Result<Response<Bytes>, String> {
        Ok(Response::builder().status(status).body(body.into()).unwrap())
    }

    #[test]
    fn a_success_may_refuse_some() {
        let taken = |rejected, said: &str| Delivery::Taken { rejected, said: said.to_owned() };
        assert_eq!(delivery(answer(200, "")), taken(0, ""));
        assert_eq!(delivery(answer(202, "not protobuf")), taken(0, ""));
        let partial = PartialSuccess { rejected_spans: 3, error_message: "too\nold".to_owned() };
        let body = ExportResponse { partial_success: Some(partial) }.encode_to_vec();
        assert_eq!(delivery(answer(200, body)), taken(3, "too old"));
    }

    #[test]
    fn some_statuses_ask_for_another_try() {
        for status in [429, 502, 503, 504] {
            let Delivery::Later { why, after: None } = delivery(answer(status, "")) else { panic!("{status}") };
            assert_eq!(why, format!("the collector answered {status}"));
        }
        let late = Response::builder().status(503).header("retry-after", "7").body(Bytes::new()).unwrap();
        assert!(matches!(delivery(Ok(late)), Delivery::Later { after: Some(Millis(7000)), .. }));
        assert!(matches!(delivery(Err("refused".to_owned())), Delivery::Later { after: None, .. }));
    }

    #[test]
    fn any_other_status_ends_the_batch_and_its_text_is_shown() {
        let body = ErrorStatus { message: "no such tenant".to_owned() }.encode_to_vec();
        assert_eq!(
            delivery(answer(401, body)),
            Delivery::Refused("the collector answered 401: no such tenant".to_owned())
        );
        for status in [301, 400, 404, 500] {
            assert!(matches!(delivery(answer(status, "")), Delivery::Refused(_)), "{status}");
        }
    }
}
