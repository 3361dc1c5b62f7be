//! One copy: the request for the canary, made as an attempt's is, sent once, and its answer held whole.
//!
//! Uses what attempts use: the outbound request, the time limits, the reading of an answer. Differs in that nothing of
//! the answer goes out, and that nothing is told to breakers, keys or the guard; the provider's limit follows its
//! headers. A connection that turns out to be dead says nothing about the canary, and the copy is given up. Invariant:
//! a copy carries no credentials of its client.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use http::Request;

use super::reading;
use crate::clock;
use crate::decide::comparison::defect::{CopyEnd, judge};
use crate::decide::comparison::digest::AnswerTimes;
use crate::decide::outcome::{BodyEnd, Ending, Outcome, classify};
use crate::decide::policy::Secret;
use crate::decide::units::{Millis, ProviderId};
use crate::proxy::attempt::failover::room::follow;
use crate::proxy::attempt::open::answered;
use crate::proxy::attempt::send::ending_of;
use crate::proxy::core::InUse;
use crate::proxy::request::body::RequestBody;
use crate::proxy::request::client_request::ClientRequest;
use crate::proxy::request::outbound::build;
use crate::proxy::request::reservation::CoreShare;
use crate::proxy::response::body::BodyClocks;
use crate::proxy::response::buffer::{BufferRules, buffer};
use crate::proxy::response::buffered_response::BufferedResponse;
use crate::proxy::response::declared;
use crate::proxy::response::observe::ReadAs;
use crate::proxy::upstream::deadline::SendLimits;
use crate::proxy::upstream::send_error::SendError;
use crate::proxy::upstream::upstreams::Upstreams;
use crate::wire::rate_headers::{Pause, read_rate_report};

/// The longest answer that is held, and all of them together.
const MOST_HELD: (u64, u64) = (1 << 20, 16 << 20);

/// What came of a copy.
#[derive(Debug)]
pub(super) struct CopyAnswer {
    pub(super) end: CopyEnd,
    /// What that is for the provider's limit; `None`: not known.
    pub(super) outcome: Option<Outcome>,
    /// Whether there was a response.
    pub(super) answered: bool,
    /// A good answer without its encoding; `None`: there is none, or it was too long to be held.
    pub(super) body: Option<Vec<u8>>,
    pub(super) times: AnswerTimes,
    /// For how long it asks not to be asked again.
    pub(super) pause: Option<Millis>,
}

impl CopyAnswer {
    /// There is none.
    pub(super) fn without(end: CopyEnd) -> CopyAnswer {
        CopyAnswer { end, outcome: None, answered: false, body: None, times: AnswerTimes::default(), pause: None }
    }
}

/// Who is asked, with which key, and through what.
pub(super) struct Target<'a> {
    pub(super) in_use: &'a InUse,
    pub(super) canary: ProviderId,
    /// Its position, from 1 on; 0: none.
    pub(super) key: usize,
    pub(super) upstreams: &'a Upstreams,
    pub(super) memory: &'a Rc<CoreShare>,
}

impl Target<'_> {
    /// Sends the copy and waits for all of its answer. `stands`: whether it may still be sent; `sent`: it is.
    pub(super) async fn ask(&self, copy: &ClientRequest<'_>, stands: impl Fn() -> bool, sent: impl Fn()) -> CopyAnswer {
        let policy = &self.in_use.snapshot.policy;
        let to = self.in_use.prepared.provider(self.canary);
        let egress = policy.egress.as_ref().map(Secret::reveal);
        let judged = |ending: Ending| judge((ending, classify(ending, true)), None, copy.model(), copy.request.below());
        let connection = match self.upstreams.acquire(&to.provider, egress).await {
            Ok(connection) => connection,
            Err(error) if error.is_ours() => return CopyAnswer::without(CopyEnd::Unsent),
            Err(_) => return CopyAnswer::without(judged(Ending::NoConnection)),
        };
        if !stands() {
            return CopyAnswer::without(CopyEnd::Ended);
        }
        let request = match self.request(copy) {
            Some(request) => request,
            None => return CopyAnswer::without(CopyEnd::Unsent),
        };
        let timeouts = &to.provider.timeouts;
        let limits = SendLimits {
            head: if copy.streaming { timeouts.stream_headers } else { timeouts.headers },
            deadline: None,
            client: policy.limits.idle,
            body: BodyClocks { first_output: timeouts.first_output, idle: timeouts.idle },
        };
        sent();
        let (reused, sent) = (connection.is_reused(), clock::instant());
        let response = match connection.send(request, limits).await {
            Ok(response) => response,
            Err(SendError::Unsent(..)) => return CopyAnswer::without(CopyEnd::Unsent),
            Err(SendError::Lost(_) | SendError::Unprocessed(_)) if reused => {
                return CopyAnswer::without(CopyEnd::Unsent);
            }
            Err(error) => return CopyAnswer::without(judged(ending_of(&error))),
        };
        if let Some(limit) = to.provider.rate_limit.as_ref().filter(|_| to.follows_headers) {
            let state = self.in_use.snapshot.provider(self.canary).limit();
            follow(state, limit, response.status().as_u16(), response.headers());
        }
        let report = read_rate_report(response.headers(), clock::unix().0);
        let read_as = ReadAs {
            dialect: copy.request.dialect,
            done: to.provider.done_marker,
            stream: Some(copy.streaming),
            strict: true,
            thorough: true,
        };
        let rules = BufferRules {
            read_as,
            recoverable: true,
            buffered: true,
            hold: Millis(0),
            deadline: None,
            most: MOST_HELD,
            websocket: false,
        };
        let first_output = Cell::new(None);
        let output = || {
            if first_output.get().is_none() {
                first_output.set(Some(clock::instant()));
            }
        };
        let mut held = buffer(BufferedResponse::unseen(response, self.memory, true), rules, output).await;
        let now = clock::instant();
        let after =
            |moment: Instant| u32::try_from(moment.saturating_duration_since(sent).as_millis()).unwrap_or(u32::MAX);
        let times = AnswerTimes { first_output: after(first_output.get().unwrap_or(now)), total: after(now) };
        let Some(ending) = held.ending.or_else(|| after_terminal(&mut held)) else {
            return CopyAnswer { answered: true, times, ..CopyAnswer::without(CopyEnd::TooLong) };
        };
        let said = held.complaint.as_deref();
        let end = judge((ending, classify(ending, true)), said, copy.model(), copy.request.below());
        let pause = match report.pause(said.and_then(|said| said.asked_wait())) {
            Some(Pause::For(millis) | Pause::Long(Some(millis))) => Some(Millis(millis)),
            _ => None,
        };
        let coding = declared::coding(&held.head.headers).map(str::to_owned);
        let body = match end {
            CopyEnd::Good => reading::decoded(held.pieces.whole().to_vec(), coding.as_deref()),
            _ => None,
        };
        CopyAnswer { end, outcome: Some(classify(ending, true)), answered: true, body, times, pause }
    }

    fn request(&self, copy: &ClientRequest<'_>) -> Option<Request<RequestBody>> {
        let (prepared, to) = (&self.in_use.prepared, self.in_use.prepared.provider(self.canary));
        build(copy, prepared, to, to.key(self.key), (false, None)).ok().flatten()
    }
}

/// How a stream ended whose last event has come: its body may end later, or never.
fn after_terminal(held: &mut BufferedResponse) -> Option<Ending> {
    let observer = held.observer.as_mut().filter(|observer| observer.is_decided())?;
    Some(answered(held.head.status.as_u16(), observer.end(BodyEnd::Early)))
}
