//! How much of the answer to a call is seen before any of it goes out: a status, or the first message.
//!
//! A head alone commits nothing, since a server may send one and fail. It is held until a message has begun, for `hold`
//! at most; and where the client could send more and sends nothing, for a moment only, since it may wait for the head.
//! A call that can go nowhere else is not held. Decides nothing about what follows. Invariant: what was held goes out
//! byte for byte and in order, or not at all.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use http_body::Body;

use super::CallAnswer;
use super::evidence::CallEnd;
use crate::clock;
use crate::decide::grpc::GrpcEnd;
use crate::decide::outcome::{BodyEnd, Ending, ErrorClass};
use crate::decide::units::Millis;
use crate::proxy::attempt::deadline::Deadline;
use crate::proxy::request::client_request::ClientRequest;
use crate::proxy::request::recording::Recorder;
use crate::proxy::response::buffered_response::BufferedResponse;
use crate::wire::complaint::Complaint;
use crate::wire::grpc::{MessageReader, is_grpc};
use crate::wire::media;
use crate::wire::printable::printable_start;

/// For how long a head is held from a client that could send more of its request.
const CLIENT_MAY_WAIT: Duration = Duration::from_millis(100);
/// The most characters of a content type that are shown.
const LONGEST_TYPE: usize = 40;

/// How the answer to a call is held. One value, since it is fixed before the answer comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HoldRules<'a> {
    pub(crate) client_request: &'a ClientRequest<'a>,
    /// Whether another candidate could answer, as long as the call can be sent again.
    pub(crate) recoverable: bool,
    /// How long a head is held at most.
    pub(crate) hold: Millis,
    /// Until when the first message must have come, where another candidate is asked after that.
    pub(crate) deadline: Option<Deadline>,
    /// The most bytes that all held bodies may occupy.
    pub(crate) most: u64,
}

impl HoldRules<'_> {
    fn is_recoverable(&self) -> bool {
        self.recoverable && self.client_request.can_be_sent_again()
    }

    /// Whether the client could send more, and has to be heard before the provider can go on.
    fn waits_for_client(&self, context: &Context<'_>) -> bool {
        let call = self.client_request.request.recorder.borrow();
        call.as_ref().is_some_and(|recorder| {
            recorder.register_waker(context);
            recorder.waits_for_client()
        })
    }

    /// When the provider last took a piece of what the client sends.
    fn moved(&self) -> Millis {
        self.client_request.request.recorder.borrow().as_ref().map_or(Millis(0), Recorder::moved)
    }

    /// When another candidate is asked, unless it is for the client to send more.
    fn until(&self, waits_for_client: bool) -> Option<Instant> {
        let deadline = self.deadline.filter(|_| !waits_for_client)?;
        let call = self.client_request.request.recorder.borrow();
        call.as_ref().map_or_else(|| deadline.at(), |recorder| recorder.until(deadline))
    }
}

/// Holds as much of an answer as it takes to be certain. `output` is called when a message is seen in what is held.
pub(crate) async fn hold(
    mut response: Box<BufferedResponse>,
    rules: HoldRules<'_>,
    mut output: impl FnMut(),
) -> Box<BufferedResponse> {
    let (status, headers) = (response.head.status, &response.head.headers);
    let mut answer = Box::new(CallAnswer::default());
    if let Some(call) = rules.client_request.request.grpc {
        answer.expiry = call.expiry;
    }
    // Where more follows, the status is in trailers.
    let is_whole = response.rest.as_ref().is_none_or(Body::is_end_stream);
    if is_whole && let Some(end) = answer.end(headers) {
        response.rest = None;
        response.ends(end);
        response.call = Some(answer);
        return response;
    }
    if status != StatusCode::OK || !headers.get(CONTENT_TYPE).is_some_and(|kind| is_grpc(kind.as_bytes())) {
        response.ends(of_http(status, headers));
        return response;
    }
    if let Some(body) = &mut response.rest {
        body.await_output();
    }
    let began = clock::instant();
    let mut timer = pin!(tokio::time::sleep_until(began.into()));
    poll_fn(|context| {
        loop {
            if !rules.is_recoverable() {
                return Poll::Ready(());
            }
            let waits_for_client = rules.waits_for_client(context);
            match response.poll_call(&mut answer, (waits_for_client, rules.moved()), rules.most, context) {
                Poll::Ready(true) => return Poll::Ready(()),
                Poll::Ready(false) => continue,
                Poll::Pending => {}
            }
            let (at, gives_up) = limit(&rules, began, waits_for_client);
            let Some(at) = at else { return Poll::Pending };
            if timer.deadline() != at.into() {
                timer.as_mut().reset(at.into());
            }
            if clock::instant() >= at || timer.as_mut().poll(context).is_ready() {
                if gives_up {
                    response.rest = None;
                    response.ends(CallEnd { body: BodyEnd::NoOutput, complaint: None });
                }
                return Poll::Ready(());
            }
            return Poll::Pending;
        }
    })
    .await;
    if answer.messages.has_begun() {
        if let Some(body) = &mut response.rest {
            body.output_seen();
        }
        output();
    }
    response.call = Some(answer);
    response
}

/// Until when a head is held, and whether the attempt is given up then.
fn limit(rules: &HoldRules<'_>, began: Instant, waits_for_client: bool) -> (Option<Instant>, bool) {
    let hold = if waits_for_client { rules.hold.duration().min(CLIENT_MAY_WAIT) } else { rules.hold.duration() };
    let held = began.checked_add(hold);
    match rules.until(waits_for_client) {
        Some(at) if held.is_none_or(|held| at < held) => (Some(at), true),
        _ => (held, false),
    }
}

/// An answer that is not gRPC's has the status that clients give it.
fn of_http(status: StatusCode, headers: &HeaderMap) -> CallEnd {
    let end = GrpcEnd::of_http(status.as_u16());
    let message = match headers.get(CONTENT_TYPE) {
        Some(kind) => {
            let kind = String::from_utf8_lossy(media::essence(kind.as_bytes())).into_owned();
            format!("the content type is {}", printable_start(&kind, LONGEST_TYPE))
        }
        None => "there is no content type".to_owned(),
    };
    let code = end.code.name().map(str::to_owned);
    let complaint = Complaint { message, code, ..Complaint::default() };
    CallEnd { body: BodyEnd::Grpc(end), complaint: Some(Box::new(complaint)) }
}

impl BufferedResponse {
    fn ends(&mut self, end: CallEnd) {
        self.complaint = end.complaint;
        let status = self.head.status.as_u16();
        self.ending = Some(Ending::Answered { status, grounds: ErrorClass::default(), body: end.body });
    }

    /// Reads a piece; whether enough was seen.
    fn poll_call(
        &mut self,
        answer: &mut CallAnswer,
        (waits_for_client, moved): (bool, Millis),
        most: u64,
        context: &mut Context<'_>,
    ) -> Poll<bool> {
        let Some(body) = &mut self.rest else { return Poll::Ready(true) };
        body.run_clock(!waits_for_client, moved);
        let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(context) else { return Poll::Pending };
        let end = match frame {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    let fits = self.loan.extend(data.len(), most);
                    answer.messages.see(&data);
                    self.pieces.add(data);
                    return Poll::Ready(!fits || answer.messages.has_begun());
                }
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    let end = answer.end(&trailers);
                    self.pieces.trailers = Some(Box::new(trailers));
                    end
                }
            },
            Some(Err(error)) => {
                let body = error.end();
                self.broke = Some(error);
                Some(CallEnd { body, complaint: None })
            }
            // The end of a head that is all there is may come after it.
            None if answer.messages == MessageReader::default() => answer.end(&self.head.headers),
            None => None,
        };
        self.rest = None;
        self.ends(end.unwrap_or(CallEnd { body: BodyEnd::Early, complaint: None }));
        Poll::Ready(true)
    }
}
