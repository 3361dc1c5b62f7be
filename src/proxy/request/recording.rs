//! What a client sends in a call, kept while it is forwarded, so that it can be sent to another provider.
//!
//! A request body that is held is read before it goes anywhere. The messages of a call cannot be: a client may wait for
//! an answer before it sends the next. So each piece goes on as it comes, and a copy stays until the first message of
//! an answer has come, within `limits.replay_body` and the one memory for held bodies. Beyond that it is given up, and
//! the call with it if its provider fails. Several attempts read one recording in turn. Invariants: only the attempt
//! that began last gets anything; one that is given up, or whose call is over, resets its stream and never ends it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body as _, Frame};
use hyper::body::Incoming;

use super::headers;
use super::reservation::Reservation;
use super::upload::{Upload, UploadError};
use crate::clock;
use crate::decide::units::Millis;
use crate::proxy::attempt::deadline::Deadline;
use crate::wire::grpc::MessageReader;

/// Pieces below this are copied: each would hold a connection's whole read buffer.
const SMALL: usize = 4 * 1024;
/// Of how many bytes the places are into which they are copied: the first, and the largest.
const PLACES: (usize, usize) = (512, 16 * 1024);

/// What the client sends, and how much of it is kept.
#[derive(Debug)]
struct Recording {
    tape: RefCell<Tape>,
    /// The attempt that reads.
    turn: Cell<u32>,
    over: Cell<bool>,
    upload: Rc<Upload>,
}

#[derive(Debug)]
struct Tape {
    /// `None`: it has ended.
    incoming: Option<Incoming>,
    kept: VecDeque<Bytes>,
    bytes: u64,
    trailers: Option<HeaderMap>,
    /// What of it the present attempt has had.
    next: usize,
    /// The messages in that.
    messages: MessageReader,
    /// Where small pieces are copied to.
    place: BytesMut,
    next_place: usize,
    trailers_sent: bool,
    /// Whether what passes is kept.
    keeps: bool,
    /// Whether something passed that is kept no more.
    lost: bool,
    waiting: Option<Waker>,
    memory: Option<Reservation>,
    /// The most bytes of this one, and of all.
    most: (u64, u64),
}

type Polled = Poll<Option<Result<Frame<Bytes>, UploadError>>>;

impl Tape {
    fn poll(&mut self, upload: &Upload, context: &mut Context<'_>) -> Polled {
        let polled = self.poll_piece(upload, context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(piece) = frame.data_ref()
        {
            let before = self.messages.ended();
            self.messages.see(piece);
            upload.note_piece(self.messages.ended() > before);
        }
        upload.note_side(self.incoming.is_some(), self.lost);
        polled
    }

    fn poll_piece(&mut self, upload: &Upload, context: &mut Context<'_>) -> Polled {
        if let Some(piece) = self.kept.get(self.next) {
            let piece = piece.clone();
            if self.keeps {
                self.next += 1;
            } else {
                self.kept.pop_front();
                self.lost = true;
                if self.kept.is_empty() {
                    self.memory = None;
                }
            }
            upload.note(false);
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        let Some(incoming) = &mut self.incoming else {
            upload.note(false);
            let trailers = self.trailers.as_ref().filter(|_| !self.trailers_sent).cloned();
            self.trailers_sent = true;
            return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
        };
        let polled = Pin::new(&mut *incoming).poll_frame(context);
        upload.note(polled.is_pending());
        match polled {
            Poll::Pending => {
                self.waiting = Some(context.waker().clone());
                Poll::Pending
            }
            Poll::Ready(None) => {
                self.incoming = None;
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                upload.note_broken();
                Poll::Ready(Some(Err(UploadError::Client(error))))
            }
            Poll::Ready(Some(Ok(frame))) => {
                if incoming.is_end_stream() {
                    self.incoming = None;
                }
                Poll::Ready(Some(Ok(self.pass(frame))))
            }
        }
    }

    /// Keeps what passes, if there is room.
    fn pass(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(mut frame) => {
                headers::strip_frame(&mut frame, true);
                self.incoming = None;
                self.trailers = frame.trailers_ref().cloned();
                self.trailers_sent = true;
                return frame;
            }
        };
        if !self.keeps {
            self.lost = true;
            return Frame::data(data);
        }
        match self.copy(&data) {
            Some(copy) => {
                self.kept.push_back(copy);
                self.next += 1;
            }
            None => {
                self.keep_no_more();
                self.lost = true;
            }
        }
        Frame::data(data)
    }

    /// What is kept of a piece; `None`: there is no room for it. What it occupies is counted, and not what it holds.
    fn copy(&mut self, data: &Bytes) -> Option<Bytes> {
        let is_small = data.len() < SMALL;
        let place = if is_small && self.place.capacity() < data.len() { self.next_place.max(data.len()) } else { 0 };
        let length = size_of::<Bytes>() + if is_small { place } else { data.len() };
        let fits = self.bytes + length as u64 <= self.most.0;
        if !fits || !self.memory.as_mut()?.extend(length, self.most.1) {
            return None;
        }
        self.bytes += length as u64;
        if !is_small {
            return Some(data.clone());
        }
        if place > 0 {
            self.place = BytesMut::with_capacity(place);
            self.next_place = (2 * place).min(PLACES.1);
        }
        self.place.extend_from_slice(data);
        Some(self.place.split().freeze())
    }

    /// What the present attempt has had is forgotten, and so is the rest once it has had that.
    fn keep_no_more(&mut self) {
        self.keeps = false;
        self.lost |= self.next > 0;
        self.kept.drain(..self.next);
        self.next = 0;
        if self.kept.is_empty() {
            self.memory = None;
        }
    }

    fn is_at_end(&self) -> bool {
        let trailers = self.trailers_sent || self.trailers.is_none();
        self.incoming.is_none() && self.next == self.kept.len() && trailers
    }
}

/// The recording of one call. Dropped, it ends the call's request, if that has not ended by then.
#[derive(Debug)]
pub(crate) struct Recorder(Rc<Recording>);

impl Recorder {
    /// Of a body that has not been read. `most`: bytes that may be kept of it, and of all bodies together.
    pub(crate) fn of(incoming: Incoming, memory: Reservation, most: (u64, u64)) -> Recorder {
        let tape = Tape {
            incoming: Some(incoming),
            kept: VecDeque::new(),
            bytes: 0,
            trailers: None,
            next: 0,
            messages: MessageReader::default(),
            place: BytesMut::new(),
            next_place: PLACES.0,
            trailers_sent: false,
            keeps: true,
            lost: false,
            waiting: None,
            memory: Some(memory),
            most,
        };
        let upload = Rc::default();
        Recorder(Rc::new(Recording { tape: RefCell::new(tape), turn: Cell::new(0), over: Cell::new(false), upload }))
    }

    /// All of it from its beginning, for one attempt. Whoever read before gets no more.
    pub(crate) fn read(&self) -> RecordedBody {
        self.0.turn.set(self.0.turn.get() + 1);
        let mut tape = self.0.tape.borrow_mut();
        (tape.next, tape.trailers_sent, tape.messages) = (0, false, MessageReader::default());
        self.0.upload.begin_anew();
        wake(&mut tape);
        RecordedBody { recording: Rc::clone(&self.0), turn: self.0.turn.get() }
    }

    /// Whether all that has come is there, so that it can be sent.
    pub(crate) fn is_complete(&self) -> bool {
        !self.0.over.get() && !self.0.tape.borrow().lost
    }

    /// Nothing more is kept: an answer has begun, or nobody else can be asked.
    pub(crate) fn keep_no_more(&self) {
        self.0.tape.borrow_mut().keep_no_more();
    }

    /// Whether it is for the client to send more, before the provider can go on.
    pub(crate) fn waits_for_client(&self) -> bool {
        self.0.upload.waits_for_client()
    }

    /// The provider sent a message: it owes none until it has taken another of the client's.
    pub(crate) fn answered(&self) {
        self.0.upload.note_answered();
    }

    /// When the provider last took a piece.
    pub(crate) fn moved(&self) -> Millis {
        self.0.upload.moved()
    }

    /// When another candidate is asked.
    pub(crate) fn until(&self, deadline: Deadline) -> Option<Instant> {
        self.0.upload.until(deadline, clock::instant())
    }

    /// Wakes this task when the client has sent more.
    pub(crate) fn register_waker(&self, context: &Context<'_>) {
        self.0.upload.register_waker(context);
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let mut tape = self.0.tape.borrow_mut();
        // What was sent whole stays so.
        self.0.over.set(!tape.is_at_end());
        tape.kept.clear();
        tape.next = 0;
        tape.memory = None;
        wake(&mut tape);
    }
}

fn wake(tape: &mut Tape) {
    if let Some(waiting) = tape.waiting.take() {
        waiting.wake();
    }
}

/// A recording, as one attempt sends it.
#[derive(Debug)]
pub(crate) struct RecordedBody {
    recording: Rc<Recording>,
    turn: u32,
}

impl RecordedBody {
    /// For which side it waits.
    pub(super) fn upload(&self) -> &Rc<Upload> {
        &self.recording.upload
    }

    pub(super) fn poll(&self, context: &mut Context<'_>) -> Polled {
        let mut tape = self.recording.tape.borrow_mut();
        let is_last = self.turn == self.recording.turn.get();
        if !is_last || self.recording.over.get() {
            return Poll::Ready(Some(Err(UploadError::over())));
        }
        tape.poll(&self.recording.upload, context)
    }

    pub(super) fn is_end_stream(&self) -> bool {
        let current = self.turn == self.recording.turn.get() && !self.recording.over.get();
        current && self.recording.tape.borrow().is_at_end()
    }
}
