//! The text that a client gets where every candidate failed, if the file has one for that.
//!
//! Decides only whether it may stand in for this failure: never for what the client itself got wrong, left, or asked in
//! a way that a text is no answer to. The bytes are [`wire::last_resort`](crate::wire::last_resort)'s. Invariant: the
//! request keeps its outcome, so that it is nobody's success.

use bytes::Bytes;

use super::{Failover, FailureResponse};
use crate::clock;
use crate::decide::outcome::Outcome;
use crate::proxy::response::error::{LastResortReply, ProxyError, Side};
use crate::wire::last_resort::LastResort;

impl Failover<'_> {
    /// What the client gets in place of a failure; `None`: the failure. `outcomes`: of the chosen provider, and of the
    /// one that was asked last.
    pub(super) fn last_resort(&self, outcomes: [Outcome; 2], response: &FailureResponse) -> Option<ProxyError> {
        let text = self.rollout?.last_resort.as_deref()?;
        let of_client = |outcome| matches!(outcome, Outcome::ClientError | Outcome::Unsupported | Outcome::ClientGone);
        // A limit that refuses is to be told to the client, as the file says.
        let refused =
            |problem: &ProxyError| problem.side() == Side::Client || matches!(problem, ProxyError::Limited { .. });
        let faulty = matches!(response, FailureResponse::Error(problem) if refused(problem));
        let request = self.client_request.request;
        if faulty || request.upgrade || request.grpc.is_some() || outcomes.into_iter().any(of_client) {
            return None;
        }
        // Of a body that was not read nobody knows how it is to be answered.
        let (read, _) = self.client_request.read?;
        let last_resort = LastResort {
            dialect: request.dialect,
            text,
            model: self.client_request.model().unwrap_or_default(),
            id: &request.id.get().to_string(),
            created: clock::unix().0 / 1000,
            stream: self.client_request.streaming,
        };
        let (body, media_type) = last_resort.body(read)?;
        let [outcome, _] = outcomes;
        Some(ProxyError::LastResort(Box::new(LastResortReply { outcome, media_type, body: Bytes::from(body) })))
    }
}
