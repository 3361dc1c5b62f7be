use std::task::{Context, Waker};

use super::*;

const SECOND: Duration = Duration::from_secs(1);
/// Half of a masked frame, and its rest.
const HALF: &[u8] = &[0x81, 0x84, 0, 0, 0, 0, b'a', b'b'];
const REST: &[u8] = b"cd";

/// A session that is pinged every second, at the time of its begin.
struct Case {
    session: Session,
    up: Pipe,
    down: Pipe,
    began: Instant,
}

impl Case {
    fn new() -> Case {
        let began = crate::clock::instant();
        let session = Session::begin(Some(Millis(1000)), began);
        Case { session, up: Pipe::default(), down: Pipe::default(), began }
    }

    /// So many tenths of a second after the begin.
    fn at(&self, tenths: u32) -> Instant {
        self.began + tenths * SECOND / 10
    }

    /// Looks at the time then, which has to be due, and pings.
    fn look(&mut self, tenths: u32) -> Option<OutOfTime> {
        let now = self.at(tenths);
        assert_eq!(self.session.due(), Some(now), "{tenths}");
        let out = self.session.look(&mut self.up, &mut self.down, now);
        self.ping(tenths);
        out
    }

    fn ping(&mut self, tenths: u32) {
        let now = self.at(tenths);
        self.session.ping(&mut self.up, now, || [7; PAYLOAD + 4]);
    }

    /// What was added for the provider.
    fn pings(&mut self) -> Vec<u8> {
        std::mem::take(self.up.waiting())
    }

    fn client_sends(&mut self, bytes: &[u8]) {
        self.session.client_sent(bytes, self.began);
    }

    fn provider_sends(&mut self, bytes: &[u8], tenths: u32) -> Vec<u8> {
        let (mut out, now) = (Vec::new(), self.at(tenths));
        if self.session.provider_sent(bytes, &mut out, now) { bytes.to_vec() } else { out }
    }
}

/// The other side takes a byte.
fn moves(pipe: &mut Pipe) {
    let (mut to, mut context) = (tokio::io::sink(), Context::from_waker(Waker::noop()));
    pipe.write(b"x", &mut to, &mut context).unwrap();
    assert!(pipe.poll_written(&mut to, &mut context).is_ready());
}

#[test]
fn a_silent_provider_is_pinged_and_its_pong_reaches_nobody() {
    let mut case = Case::new();
    assert_eq!(case.provider_sends(b"\x81\x02hi", 4), b"\x81\x02hi");
    assert_eq!(case.look(10), None);
    assert_eq!(case.pings(), b"", "it was heard 6 tenths ago");
    assert_eq!(case.look(14), None);
    let ping = case.pings();
    assert_eq!(ping[..6], [0x89, 0x8e, 7, 7, 7, 7]);
    let payload: Vec<u8> = ping[6..].iter().map(|byte| byte ^ 7).collect();
    let pong = [&[0x8a, 14], &payload[..]].concat();
    assert_eq!(case.provider_sends(&pong, 20), b"");
    assert_eq!(case.provider_sends(b"\x8a\x04mine", 20), b"\x8a\x04mine");
    assert_eq!(case.look(24), None);
    assert_eq!(case.look(30), None);
    assert_eq!(case.pings(), ping, "it is known by what it carries");
    assert_eq!(case.look(40), Some(OutOfTime::Silent(Millis(2000))));
}

#[test]
fn a_ping_waits_for_the_end_of_the_client_s_frame() {
    let mut case = Case::new();
    case.client_sends(HALF);
    assert_eq!(case.look(10), None);
    assert_eq!(case.pings(), b"");
    case.client_sends(REST);
    case.ping(11);
    assert_eq!(case.pings()[..2], [0x89, 0x8e]);
    assert_eq!(case.look(21), Some(OutOfTime::Silent(Millis(2000))), "its time runs from there");
}

#[test]
fn a_frame_without_its_rest_ends_the_session_as_the_client_s() {
    let mut case = Case::new();
    case.client_sends(HALF);
    assert_eq!(case.look(10), None);
    assert_eq!(case.look(20), Some(OutOfTime::HalfAFrame));

    // One that goes on is waited for, and a provider that does not take it is silent.
    let mut case = Case::new();
    case.client_sends(&[0x82, 0xfe, 0xff, 0xff, 0, 0, 0, 0]);
    assert_eq!(case.look(10), None);
    for tenths in [20, 30, 40] {
        case.client_sends(b"x");
        assert_eq!(case.look(tenths), None);
    }
    case.client_sends(b"x");
    case.up.waiting().extend(b"x");
    assert_eq!(case.look(50), Some(OutOfTime::Silent(Millis(2000))));
}

#[test]
fn who_is_waited_for_while_a_ping_has_no_place() {
    for (blocked, took, sent, by) in [
        (true, false, false, HeldUpBy::Provider),
        (true, false, true, HeldUpBy::Provider),
        (true, true, false, HeldUpBy::Nobody),
        (false, true, false, HeldUpBy::Client),
        (false, false, false, HeldUpBy::Client),
        (false, true, true, HeldUpBy::Nobody),
    ] {
        assert_eq!(HeldUpBy::of(blocked, took, sent), by, "{blocked} {took} {sent}");
    }
}

#[test]
fn a_client_that_takes_nothing_is_not_held_against_the_provider() {
    let mut case = Case::new();
    case.down.waiting().extend(b"x");
    for tenths in [10, 20, 30] {
        assert_eq!(case.look(tenths), None);
        assert_eq!(case.pings(), b"");
    }
}

#[test]
fn both_sides_may_part_for_as_long_as_bytes_move() {
    let mut case = Case::new();
    let minute = 10 * u32::try_from(PARTING.as_secs()).unwrap();
    case.provider_sends(&close(1011, "boom"), 0);
    for minutes in 1..=5 {
        moves(&mut case.up);
        assert_eq!(case.look(minutes * minute), None, "the client goes on");
    }
    assert_eq!(case.look(6 * minute), Some(OutOfTime::Parting));

    // After its own close frame a side is not waited for.
    let mut case = Case::new();
    case.provider_sends(&close(1011, "boom"), 0);
    moves(&mut case.down);
    assert_eq!(case.look(minute), Some(OutOfTime::Parting));
    let mut case = Case::new();
    case.client_sends(&masked_close(1000, "", [0; 4]));
    moves(&mut case.up);
    assert_eq!(case.look(minute), Some(OutOfTime::Parting));
    assert_eq!(case.session.first(), Some((ClosedBy::Client, Some(Close { code: Some(1000), reason: String::new() }))));
}
