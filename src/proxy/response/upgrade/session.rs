//! What is known of a WebSocket session while its frames pass: who closed it, and whether its provider is alive.
//!
//! Watches both directions. Owns what is written into them besides: pings to a silent provider, whose answers it takes
//! out again, and close frames of Serin's own. Refuses to read or write itself. Time and chance are parameters.
//! Invariant: a frame of Serin's own stands between two others, and none follows a close frame.

use std::time::{Duration, Instant};

use super::heartbeat::{Due, Heartbeat, HeldUpBy};
use super::pipe::Pipe;
use crate::decide::units::Millis;
use crate::decide::websocket::ClosedBy;
use crate::wire::websocket::{Close, Frames, close, masked_close, masked_ping};

/// For how long nothing may move once one side has closed, ended or broken.
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
    /// Whether the client sent anything since the time was last looked at.
    client_sends: bool,
    /// When the time is to be looked at.
    due: Option<Instant>,
}

/// Why a session is ended by its clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutOfTime {
    /// The provider was silent for so long.
    Silent(Millis),
    /// The client left a frame half-way through.
    HalfAFrame,
    /// One side closed, and they did not part.
    Parting,
}

impl Session {
    /// Begins now. `ping_every`: after which silence the provider is pinged.
    pub(super) fn begin(ping_every: Option<Millis>, now: Instant) -> Session {
        Session {
            from_client: Frames::default(),
            from_provider: Frames::default(),
            first: None,
            client_closed: false,
            provider_closed: false,
            heartbeat: ping_every.map(|every| Heartbeat::new(every.duration(), now)),
            ping_is_due: false,
            payload: None,
            client_sends: false,
            due: ping_every.map(|every| now + every.duration()),
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

    /// How many of these bytes of the client belong to its frame that is half-way through; `None`: none is.
    pub(super) fn client_is_within(&self, bytes: &[u8]) -> Option<usize> {
        (!self.from_client.are_between()).then(|| self.from_client.rest_of_frame(bytes))
    }

    /// The same of the provider.
    pub(super) fn provider_is_within(&self, bytes: &[u8]) -> Option<usize> {
        (!self.from_provider.are_between()).then(|| self.from_provider.rest_of_frame(bytes))
    }

    /// These bytes came from the client.
    pub(super) fn client_sent(&mut self, bytes: &[u8], now: Instant) {
        self.client_sends = true;
        if let Some(close) = self.from_client.read(bytes) {
            self.client_closed = true;
            self.closes(ClosedBy::Client, Some(close), now);
        }
    }

    /// These bytes came from the provider. Returns whether they pass as they are; else what passes was added to `down`.
    pub(super) fn provider_sent(&mut self, bytes: &[u8], down: &mut Vec<u8>, now: Instant) -> bool {
        if let Some(heartbeat) = &mut self.heartbeat {
            heartbeat.heard(now);
            self.ping_is_due = false;
        }
        let close = match &self.payload {
            None => self.from_provider.read(bytes),
            Some(own) => self.from_provider.read_without_pongs(bytes, own, down),
        };
        if let Some(close) = close {
            self.provider_closed = true;
            self.closes(ClosedBy::Provider, Some(close), now);
        }
        self.payload.is_none()
    }

    /// This side ended.
    pub(super) fn ended(&mut self, by: ClosedBy, now: Instant) {
        self.closes(by, None, now);
    }

    fn closes(&mut self, by: ClosedBy, close: Option<Close>, now: Instant) {
        if self.first.is_none() {
            self.first = Some((by, close));
            self.parts(now);
        }
    }

    /// From now on what is still on its way is carried, and no more.
    pub(super) fn parts(&mut self, now: Instant) {
        (self.heartbeat, self.ping_is_due) = (None, false);
        self.due = Some(now + PARTING);
    }

    /// When the time is to be looked at.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Looks at the time, once it is due. Asked after all that may be carried was.
    pub(super) fn look(&mut self, up: &mut Pipe, down: &mut Pipe, now: Instant) -> Option<OutOfTime> {
        let (took, passed, sent) = (up.has_moved(), down.has_moved(), std::mem::take(&mut self.client_sends));
        let Some(heartbeat) = &mut self.heartbeat else {
            // After its own close frame a side has nothing more to say.
            let moves = (took && !self.client_closed) || (passed && !self.provider_closed);
            self.due = Some(now + PARTING);
            return (!moves).then_some(OutOfTime::Parting);
        };
        if down.is_blocked() {
            heartbeat.heard(now);
        } else if took && up.is_blocked() && heartbeat.awaits_answer() {
            heartbeat.pinged(now);
        }
        let silent = OutOfTime::Silent(Millis(u64::try_from(heartbeat.patience().as_millis()).unwrap_or(u64::MAX)));
        let next = match heartbeat.due(now) {
            Due::Silent => return Some(silent),
            Due::Ping if self.ping_is_due => match HeldUpBy::of(up.is_blocked(), took, sent) {
                HeldUpBy::Provider => return Some(silent),
                HeldUpBy::Client => return Some(OutOfTime::HalfAFrame),
                HeldUpBy::Nobody => now + heartbeat.patience() / 2,
            },
            Due::Ping => {
                self.ping_is_due = true;
                // It is sent by then, or somebody holds it up.
                now + heartbeat.patience() / 2
            }
            Due::Nothing(until) => until,
        };
        self.due = Some(next);
        None
    }

    /// Adds a ping that is due to what goes to the provider, if no frame is half-way through.
    pub(super) fn ping(&mut self, up: &mut Pipe, now: Instant, chance: impl FnOnce() -> [u8; PAYLOAD + 4]) {
        if !self.ping_is_due || !self.from_client.are_between() {
            return;
        }
        let Some(heartbeat) = &mut self.heartbeat else { return };
        let chance = chance();
        let [m0, m1, m2, m3, payload @ ..] = chance;
        let payload = self.payload.get_or_insert_with(|| {
            let mut payload = payload;
            payload[..NAME.len()].copy_from_slice(NAME);
            payload
        });
        up.waiting().extend(masked_ping(payload, [m0, m1, m2, m3]));
        up.has_moved();
        self.ping_is_due = false;
        heartbeat.pinged(now);
        self.due = Some(now + heartbeat.patience() / 2);
    }

    /// Adds Serin's close frame to what goes to the provider, unless its client has said the same or a frame is
    /// half-way through.
    pub(super) fn close_provider(&self, (code, reason): (u16, &str), up: &mut Pipe, mask: [u8; 4]) {
        if !self.client_closed && self.from_client.are_between() {
            up.waiting().extend(masked_close(code, reason, mask));
        }
    }

    /// The same to the client. Returns whether the frame was added.
    pub(super) fn close_client(&mut self, (code, reason): (u16, &str), down: &mut Pipe, now: Instant) -> bool {
        // What the client answers to it is not what closed the session.
        self.closes(ClosedBy::Serin, None, now);
        let says = !self.provider_closed && self.from_provider.are_between();
        if says {
            down.waiting().extend(close(code, reason));
        }
        says
    }
}

#[cfg(test)]
mod tests;
