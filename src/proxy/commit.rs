//! How much of an answer is seen before any of it goes out: until it is certain enough, everything can be recovered.
//!
//! While somebody else could still answer, frames without output are held, an error's body and a JSON answer are held
//! until they are whole, and anything else until its first byte; within bounds of bytes and time, and out of the one
//! memory for held bodies. One path for every attempt. Refuses to decide what a failure leads to. Invariant: what was
//! held goes out byte for byte and in order, or not at all.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response, StatusCode, response};
use http_body::Body as _;
use tokio::time::Sleep;

use super::body::{AnswerBody, BodyError};
use super::observer::{self, Kind, Observer, Summary};
use super::replay::{Loan, Share};
use crate::decide::outcome::{BodyEnd, Ending, Grounds};
use crate::decide::units::Millis;
use crate::wire::complaint::{Complaint, read_complaint};
use crate::wire::dialect::{Dialect, DoneMarker};

/// Of frames without output.
const MOST_PREAMBLE: u64 = 16 * 1024;
/// Of an error's body.
const MOST_ERROR: u64 = 64 * 1024;
/// Of a JSON answer.
const MOST_JSON: u64 = 1024 * 1024;

/// By what an answer is weighed.
#[derive(Debug)]
pub(crate) struct Scales<'a> {
    /// What the request speaks.
    pub(crate) dialect: Dialect,
    /// What ends a stream.
    pub(crate) done: DoneMarker,
    /// Whether somebody else could still answer.
    pub(crate) recoverable: bool,
    /// Whether a stream is assembled before it goes out.
    pub(crate) buffered: bool,
    /// How long frames without output are held at most.
    pub(crate) hold: Millis,
    /// When the first byte must have come.
    pub(crate) give_up_at: Option<Instant>,
    /// Where memory comes from.
    pub(crate) memory: &'a Rc<Share>,
    /// How much of it one answer may have, and all held bodies together.
    pub(crate) most: (u64, u64),
}

/// What is held of an answer.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    first: Bytes,
    rest: VecDeque<Bytes>,
    /// What came after the last of them.
    pub(crate) trailers: Option<Box<HeaderMap>>,
    length: u64,
}

impl Pieces {
    fn add(&mut self, piece: Bytes) {
        self.length += piece.len() as u64;
        if self.first.is_empty() {
            self.first = piece;
        } else {
            self.rest.push_back(piece);
        }
    }

    /// The next of them.
    pub(crate) fn take(&mut self) -> Option<Bytes> {
        if !self.first.is_empty() {
            return Some(std::mem::take(&mut self.first));
        }
        self.rest.pop_front()
    }

    /// Whether nothing of them is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_empty() && self.rest.is_empty()
    }

    /// Whether one piece is all there is, or nothing.
    pub(crate) fn is_one(&self) -> bool {
        self.rest.is_empty() && self.trailers.is_none()
    }

    /// Takes so many of the last bytes off.
    pub(crate) fn split_off(&mut self, bytes: usize) -> BytesMut {
        let mut all = BytesMut::from(&self.whole()[..]);
        let end = all.split_off(all.len().saturating_sub(bytes));
        self.first = all.freeze();
        end
    }

    fn length(&self) -> u64 {
        self.length
    }

    /// All in one, where that is all there is.
    fn whole(&mut self) -> &Bytes {
        if !self.rest.is_empty() {
            let mut all = BytesMut::with_capacity(usize::try_from(self.length).unwrap_or_default());
            all.extend_from_slice(&self.first);
            self.rest.drain(..).for_each(|piece| all.extend_from_slice(&piece));
            self.first = all.freeze();
        }
        &self.first
    }
}

/// An answer, as far as it was seen.
#[derive(Debug)]
pub(crate) struct Weighed {
    /// Its head.
    pub(crate) head: response::Parts,
    /// What was seen of its body.
    pub(crate) pieces: Pieces,
    /// Its rest; `None` once it ended.
    pub(crate) rest: Option<AnswerBody>,
    /// Why there is no rest, where it broke off.
    pub(crate) broke: Option<BodyError>,
    /// What reads the rest.
    pub(crate) observer: Option<Box<Observer>>,
    /// How the attempt ended; `None`: well so far, and the rest is to come.
    pub(crate) ending: Option<Ending>,
    /// What an error says.
    pub(crate) complaint: Option<Box<Complaint>>,
    /// What a whole answer says of itself.
    pub(crate) summary: Option<Summary>,
    /// How many of the last bytes belong to an event that is not whole.
    pub(crate) unfinished: usize,
    /// The memory that what is held occupies.
    pub(crate) loan: Loan,
}

/// What an answer is held for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    /// It goes at once.
    Nothing,
    /// Until its first byte.
    FirstByte,
    /// Until there is output.
    Output,
    /// Until it is whole, up to so many bytes.
    Whole(u64),
}

impl Hold {
    /// `announced`: how long the body is at least. What is longer than may be held is not held in part: its first byte
    /// commits it.
    fn of(status: StatusCode, kind: Kind, announced: u64, scales: &Scales<'_>) -> Hold {
        if status.is_client_error() || status.is_server_error() {
            return Hold::Whole(MOST_ERROR);
        }
        let generates = scales.dialect.generates();
        let wanted = match kind {
            _ if !status.is_success() => Hold::Nothing,
            Kind::Json if scales.dialect != Dialect::Plain || scales.recoverable => Hold::Whole(MOST_JSON),
            _ if !scales.recoverable => Hold::Nothing,
            Kind::Events if scales.buffered => Hold::Whole(scales.most.0),
            Kind::Events if generates => Hold::Output,
            Kind::Json | Kind::Events | Kind::Opaque => Hold::FirstByte,
        };
        match wanted {
            Hold::Whole(most) if announced > most && scales.recoverable => Hold::FirstByte,
            Hold::Whole(most) if announced > most => Hold::Nothing,
            wanted => wanted,
        }
    }
}

/// Sees as much of an answer as it takes to be certain. It lies in one place from here on, since it is large. `output` is
/// called as soon as output is seen in what is held.
pub(crate) async fn weigh(
    response: Response<AnswerBody>,
    scales: Scales<'_>,
    mut output: impl FnMut(),
) -> Box<Weighed> {
    let (head, mut body) = response.into_parts();
    let kind = Kind::of(&head.headers);
    let hold = Hold::of(head.status, kind, body.size_hint().lower(), &scales);
    let reads = head.status.is_success() && kind == Kind::Events && scales.dialect.generates();
    let observer = if reads { Observer::of(scales.dialect, scales.done, &head.headers) } else { None };
    if observer.is_some() {
        body.await_output();
    }
    // As where nothing is held: an answer that is read whole has its output then, any other that cannot be read at once.
    let whole = kind == Kind::Json && scales.dialect != Dialect::Plain;
    let blind = observer.is_none() && !whole;
    let loan = Loan::of(scales.memory);
    let mut weighed = Box::new(Weighed {
        head,
        pieces: Pieces::default(),
        rest: Some(body),
        broke: None,
        observer,
        ending: None,
        complaint: None,
        summary: None,
        unfinished: 0,
        loan,
    });
    let seen = match hold {
        Hold::Nothing => return weighed,
        _ => {
            let mut clock = Clock::new(hold, &scales);
            let mut came = |seen: bool| {
                if seen || blind {
                    output();
                }
            };
            poll_fn(|context| weighed.poll(hold, &scales, &mut clock, &mut came, context)).await
        }
    };
    weighed.conclude(seen, kind, scales.dialect);
    weighed
}

/// How the looking ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// Enough of it, or more than may be held.
    Enough,
    /// Its end.
    End(BodyEnd),
}

impl Weighed {
    fn poll(
        &mut self,
        hold: Hold,
        scales: &Scales<'_>,
        clock: &mut Clock,
        came: &mut impl FnMut(bool),
        context: &mut Context<'_>,
    ) -> Poll<Seen> {
        loop {
            let Some(body) = &mut self.rest else { return Poll::Ready(Seen::End(BodyEnd::Complete)) };
            let frame = match Pin::new(&mut *body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => frame,
                Poll::Ready(Some(Err(error))) => {
                    let end = error.end();
                    self.rest = None;
                    self.broke = Some(error);
                    return Poll::Ready(Seen::End(end));
                }
                Poll::Ready(None) => {
                    self.rest = None;
                    return Poll::Ready(Seen::End(BodyEnd::Complete));
                }
                Poll::Pending => {
                    return clock.poll(self.pieces.length() > 0, context).map(|rings| match rings {
                        Rings::Commit => Seen::Enough,
                        Rings::GiveUp => Seen::End(BodyEnd::NoOutput),
                    });
                }
            };
            let last = body.is_end_stream();
            let data = match frame.into_data() {
                Ok(data) => data,
                Err(frame) => {
                    self.pieces.trailers = frame.into_trailers().ok().map(Box::new);
                    self.rest = None;
                    return Poll::Ready(Seen::End(BodyEnd::Complete));
                }
            };
            let fits = self.loan.extend(size_of::<Bytes>() + data.len(), scales.most.1);
            if let Some(observer) = &mut self.observer {
                self.unfinished = match observer.see(&data) {
                    0 => self.unfinished + data.len(),
                    whole => data.len() - whole,
                };
                if observer.has_output() {
                    body.output_seen();
                }
            }
            if !data.is_empty() {
                came(self.observer.as_deref().is_some_and(Observer::has_output));
            }
            self.pieces.add(data);
            if last {
                self.rest = None;
                return Poll::Ready(Seen::End(BodyEnd::Complete));
            }
            if !fits || self.is_enough(hold) {
                return Poll::Ready(Seen::Enough);
            }
        }
    }

    fn is_enough(&self, hold: Hold) -> bool {
        let length = self.pieces.length();
        match hold {
            Hold::Nothing => true,
            Hold::FirstByte => length > 0,
            // The connection may end long after the last event.
            Hold::Whole(most) => length >= most || self.observer.as_deref().is_some_and(Observer::is_decided),
            Hold::Output => {
                let settled = |observer: &Observer| observer.has_output() || observer.is_decided();
                length > MOST_PREAMBLE || self.observer.as_deref().is_none_or(settled)
            }
        }
    }

    fn conclude(&mut self, seen: Seen, kind: Kind, dialect: Dialect) {
        let status = self.head.status;
        if status.is_client_error() || status.is_server_error() {
            let body = observer::plain_error(&self.head.headers, self.pieces.whole().to_vec());
            let complaint = read_complaint(&body);
            let grounds = if complaint.is_content_filter() {
                Grounds::ContentFilter
            } else if complaint.is_quota() {
                Grounds::Quota
            } else {
                Grounds::Other
            };
            self.complaint = Some(Box::new(complaint));
            let body = if let Seen::End(end) = seen { end } else { BodyEnd::Complete };
            self.ending = Some(Ending::Answered { status: status.as_u16(), grounds, body });
            return;
        }
        let end = match (seen, &self.observer) {
            (Seen::Enough, Some(observer)) if observer.failure().is_some() => {
                self.summary = Some(observer.summary());
                self.complaint = observer.failure().cloned().map(Box::new);
                Some(observer.end(BodyEnd::Early))
            }
            (Seen::Enough, _) => None,
            (Seen::End(BodyEnd::NoOutput), _) if self.rest.is_some() => {
                self.rest = None;
                Some(BodyEnd::NoOutput)
            }
            (Seen::End(end), Some(observer)) => {
                self.summary = Some(observer.summary());
                self.complaint = observer.failure().cloned().map(Box::new);
                Some(observer.end(end))
            }
            (Seen::End(BodyEnd::Complete), None)
                if kind == Kind::Json && (dialect.generates() || self.pieces.length() > 0) =>
            {
                let whole = observer::read_whole(dialect, &self.head.headers, self.pieces.whole());
                self.summary = Some(whole.summary);
                self.complaint = whole.complaint.map(Box::new);
                Some(whole.end)
            }
            (Seen::End(end), None) => Some(end),
        };
        self.ending = end.map(|body| Ending::Answered { status: status.as_u16(), grounds: Grounds::default(), body });
    }
}

/// What the clock says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rings {
    /// What is held has been held for long enough.
    Commit,
    /// The first byte does not come.
    GiveUp,
}

/// How long is looked at most. Its timer is made when it is first waited for.
struct Clock {
    hold: Option<Millis>,
    give_up_at: Option<Instant>,
    timer: Option<(Rings, Pin<Box<Sleep>>)>,
}

impl Clock {
    fn new(hold: Hold, scales: &Scales<'_>) -> Clock {
        let preamble = (hold == Hold::Output).then_some(scales.hold);
        Clock { hold: preamble, give_up_at: scales.give_up_at, timer: None }
    }

    // Until something came, giving up is what there is to wait for; after that, the end of holding.
    fn poll(&mut self, begun: bool, context: &mut Context<'_>) -> Poll<Rings> {
        let wanted = if begun { Rings::Commit } else { Rings::GiveUp };
        if self.timer.as_ref().is_none_or(|(set, _)| *set != wanted) {
            let timer = match wanted {
                Rings::Commit => self.hold.map(|hold| tokio::time::sleep(hold.duration())),
                Rings::GiveUp => self.give_up_at.map(|at| tokio::time::sleep_until(at.into())),
            };
            self.timer = timer.map(|timer| (wanted, Box::pin(timer)));
        }
        match &mut self.timer {
            Some((rings, timer)) => {
                let rings = *rings;
                timer.as_mut().poll(context).map(|()| rings)
            }
            None => Poll::Pending,
        }
    }
}
