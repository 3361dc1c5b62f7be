//! What is known of a WebSocket session while its frames pass: who closed it, and whether its provider is alive.
//!
//! Watches both directions. Owns what is written into them besides: pings to a silent provider, whose answers it takes
//! out again. Refuses to read or write itself. Invariant: a frame of Serin's own stands between two others, and none
//! follows a close frame.

use std::future::Future as _;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use super::heartbeat::{Due, Heartbeat};
use super::pipe::Pipe;
use crate::clock;
use crate::decide::units::Millis;
use crate::decide::websocket::ClosedBy;
use crate::proxy::core::Core;
use crate::wire::websocket::{Close, Frames, close, masked_close, masked_ping};

/// How long both sides may take to part once one of them has closed or ended.
const PARTING: Duration = Duration::from_secs(60);
/// By which a pong that answers a ping of Serin's own is known, before some bytes by chance.
const NAME: &[u8; 6] = b"serin-";
/// How long such a payload is.
const PAYLOAD: usize = NAME.len() + 8;

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    from_client: Frames,
    from_provider: Frames,
    /// Who closed first, and how; `None` for how: it ended without a close frame.
    first: Option<(ClosedBy, Option<Close>)>,
    /// Whether each has sent a close frame.
    client_closed: bool,
    provider_closed: bool,
    /// `None`: the provider is never pinged.
    heartbeat: Option<Heartbeat>,
    /// Whether a ping waits for the end of a frame.
    ping_is_due: bool,
    /// What pings of Serin's own carry, once there was one.
    payload: Option<[u8; PAYLOAD]>,
    timer: Option<Pin<Box<Sleep>>>,
}

/// Why a session is ended by its clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutOfTime {
    /// The provider was silent for so long.
    Silent(Millis),
    /// One side closed, and they did not part.
    Parting,
}

impl Session {
    /// Begins now. `ping_every`: after which silence the provider is pinged.
    pub(super) fn begin(ping_every: Option<Millis>) -> Session {
        let heartbeat = ping_every.map(|every| Heartbeat::new(every.duration(), clock::instant()));
        Session {
            from_client: Frames::default(),
            from_provider: Frames::default(),
            first: None,
            client_closed: false,
            provider_closed: false,
            timer: ping_every.map(|every| Box::pin(sleep(every.duration()))),
            heartbeat,
            ping_is_due: false,
            payload: None,
        }
    }

    /// Who closed first, and how.
    pub(super) fn first(self) -> Option<(ClosedBy, Option<Close>)> {
        self.first
    }

    /// Whether the client has sent a close frame.
    pub(super) fn is_closed_by_client(&self) -> bool {
        self.client_closed
    }

    /// These bytes came from the client.
    pub(super) fn client_sent(&mut self, bytes: &[u8]) {
        if let Some(close) = self.from_client.read(bytes) {
            self.client_closed = true;
            self.parts(ClosedBy::Client, Some(close));
        }
    }

    /// These bytes came from the provider. Returns whether they pass as they are; else what passes was added to `down`.
    pub(super) fn provider_sent(&mut self, bytes: &[u8], down: &mut Vec<u8>) -> bool {
        if let Some(heartbeat) = &mut self.heartbeat {
            heartbeat.heard(clock::instant());
            self.ping_is_due = false;
        }
        let close = match &self.payload {
            None => self.from_provider.read(bytes),
            Some(own) => self.from_provider.read_without_pongs(bytes, own, down),
        };
        if let Some(close) = close {
            self.provider_closed = true;
            self.parts(ClosedBy::Provider, Some(close));
        }
        self.payload.is_none()
    }

    /// This side ended.
    pub(super) fn ended(&mut self, by: ClosedBy) {
        self.parts(by, None);
    }

    fn parts(&mut self, by: ClosedBy, close: Option<Close>) {
        if self.first.is_none() {
            self.first = Some((by, close));
            (self.heartbeat, self.ping_is_due) = (None, false);
            self.timer = Some(Box::pin(sleep(PARTING)));
        }
    }

    /// Looks at the time, and adds a ping to `up` where one is due. Asked after all that may be carried was.
    pub(super) fn poll_clock(
        &mut self,
        up: &mut Pipe,
        down: &Pipe,
        core: &Core,
        context: &mut Context<'_>,
    ) -> Option<OutOfTime> {
        while self.timer.as_mut()?.as_mut().poll(context).is_ready() {
            let Some(heartbeat) = &mut self.heartbeat else { return Some(OutOfTime::Parting) };
            let now = clock::instant();
            if down.is_blocked() {
                heartbeat.heard(now);
            } else if up.has_moved() && up.is_blocked() && heartbeat.awaits_answer() {
                heartbeat.pinged(now);
            }
            let next = match heartbeat.due(now) {
                Due::Silent => {
                    let silent = u64::try_from(heartbeat.patience().as_millis()).unwrap_or(u64::MAX);
                    return Some(OutOfTime::Silent(Millis(silent)));
                }
                Due::Ping => {
                    self.ping_is_due = true;
                    // It is sent by then, or its time begins anew.
                    now + heartbeat.patience() / 2
                }
                Due::Nothing(until) => until,
            };
            if let Some(timer) = &mut self.timer {
                timer.as_mut().reset(next.into());
            }
        }
        self.ping(up, core);
        None
    }

    /// Adds a ping that is due to what goes to the provider, if no frame is half-way through.
    pub(super) fn ping(&mut self, up: &mut Pipe, core: &Core) {
        if !self.ping_is_due || !self.from_client.are_between() {
            return;
        }
        let Some(heartbeat) = &mut self.heartbeat else { return };
        let payload = self.payload.get_or_insert_with(|| {
            let mut payload = core.random_bytes();
            payload[..NAME.len()].copy_from_slice(NAME);
            payload
        });
        up.waiting().extend(masked_ping(payload, core.random_bytes()));
        up.has_moved();
        self.ping_is_due = false;
        let now = clock::instant();
        heartbeat.pinged(now);
        if let Some(timer) = &mut self.timer {
            timer.as_mut().reset((now + heartbeat.patience() / 2).into());
        }
    }

    /// Adds Serin's close frame to what goes to each side, and ends both. `false`: a frame is half-way to the client,
    /// and it can only be broken off.
    pub(super) fn close(&mut self, (code, reason): (u16, &str), up: &mut Pipe, down: &mut Pipe, core: &Core) -> bool {
        // What the client answers to it is not what closed the session.
        self.parts(ClosedBy::Serin, None);
        if !self.from_provider.are_between() {
            return false;
        }
        if !self.provider_closed {
            down.waiting().extend(close(code, reason));
        }
        if !self.client_closed && self.from_client.are_between() {
            up.waiting().extend(masked_close(code, reason, core.random_bytes()));
        }
        down.end();
        up.end();
        true
    }
}
