//! When a silent provider of a WebSocket is pinged, and when it is given up.
//!
//! A provider from which nothing came for `ping_every` is sent a ping. If nothing comes for as long again, not even the
//! answer, it has fallen silent. A ping that finds no place between two frames of the client waits for as long as
//! either side moves. Time is a parameter. Invariant: the time in which Serin itself waits, for a client that takes
//! nothing or for room to send the ping, is not held against the provider.

use std::time::{Duration, Instant};

/// The times of one session.
#[derive(Debug)]
pub(super) struct Heartbeat {
    every: Duration,
    /// When anything came, or when its time began to run.
    heard: Instant,
    /// When it was pinged, if nothing has come since.
    pinged: Option<Instant>,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing until then.
    Nothing(Instant),
    Ping,
    /// The provider has fallen silent.
    Silent,
}

/// Who keeps a ping from being sent that is due: a frame of the client is half-way through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeldUpBy {
    /// The frame goes on.
    Nobody,
    /// The client does not send its rest.
    Client,
    /// The provider does not take what there is of it.
    Provider,
}

impl HeldUpBy {
    /// By what happened since the ping became due. `blocked`: bytes wait that the provider does not take; `took`: it
    /// took some; `sent`: the client sent some.
    pub(super) const fn of(blocked: bool, took: bool, sent: bool) -> HeldUpBy {
        match (blocked, took, sent) {
            (true, false, _) => HeldUpBy::Provider,
            (false, _, false) => HeldUpBy::Client,
            _ => HeldUpBy::Nobody,
        }
    }
}

impl Heartbeat {
    /// Begins now.
    pub(super) fn new(every: Duration, now: Instant) -> Heartbeat {
        Heartbeat { every, heard: now, pinged: None }
    }

    /// Something came from the provider, or it is not the provider that is waited for.
    pub(super) fn heard(&mut self, now: Instant) {
        (self.heard, self.pinged) = (now, None);
    }

    /// It was sent a ping, or takes bytes that lie before one.
    pub(super) fn pinged(&mut self, now: Instant) {
        self.pinged = Some(now);
    }

    /// Whether a ping is not answered yet.
    pub(super) fn awaits_answer(&self) -> bool {
        self.pinged.is_some()
    }

    pub(super) fn due(&self, now: Instant) -> Due {
        let (since, due) = match self.pinged {
            Some(pinged) => (pinged, Due::Silent),
            None => (self.heard, Due::Ping),
        };
        if now >= since + self.every { due } else { Due::Nothing(since + self.every) }
    }

    /// How long a provider is silent that is given up.
    pub(super) fn patience(&self) -> Duration {
        2 * self.every
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_silent_provider_is_pinged_and_then_given_up() {
        let second = |count| Duration::from_secs(count);
        let began = clock::instant();
        let mut heartbeat = Heartbeat::new(second(25), began);
        assert_eq!(heartbeat.due(began + second(24)), Due::Nothing(began + second(25)));
        heartbeat.heard(began + second(20));
        assert_eq!(heartbeat.due(began + second(25)), Due::Nothing(began + second(45)));
        assert_eq!(heartbeat.due(began + second(45)), Due::Ping);
        heartbeat.pinged(began + second(45));
        assert_eq!(heartbeat.due(began + second(69)), Due::Nothing(began + second(70)));
        assert_eq!(heartbeat.due(began + second(70)), Due::Silent);
        heartbeat.pinged(began + second(60));
        assert_eq!(heartbeat.due(began + second(70)), Due::Nothing(began + second(85)));
        heartbeat.heard(began + second(80));
        assert!(!heartbeat.awaits_answer());
        assert_eq!(heartbeat.due(began + second(104)), Due::Nothing(began + second(105)));
        assert_eq!(heartbeat.patience(), second(50));
    }
}
