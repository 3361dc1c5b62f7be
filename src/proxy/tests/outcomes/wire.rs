//! Both ends of a case: a provider that sends the bytes it was given and ends as it was asked to, and an answer taken
//! apart.
//!
//! A provider's thread ends with the provider, so that hundreds of them can come and go. Reading an answer never fails:
//! it says what came and whether that was all of it, for the bytes of a provider and for those that a client got alike.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::super::support::{Client, Scripted};
use super::table::{Answer, End};

/// A provider on a port of its own.
pub(super) struct Source {
    pub(super) address: SocketAddr,
    script: Arc<Script>,
    provider: Option<Scripted>,
}

struct Script {
    answers: Vec<Answer>,
    /// Whether requests can be read: not where a TLS handshake comes instead.
    reads: bool,
    /// The credentials of each request.
    asked: Mutex<Vec<String>>,
}

impl Source {
    /// Sends these in turn, the last of them again and again.
    pub(super) fn sending(answers: Vec<Answer>, reads: bool) -> Source {
        let script = Arc::new(Script { answers, reads, asked: Mutex::default() });
        let theirs = Arc::clone(&script);
        let provider = Scripted::new(move |client| theirs.serve(client));
        Source { address: provider.address, script, provider: Some(provider) }
    }

    /// With which credentials it was asked, each time.
    pub(super) fn asked(&self) -> Vec<String> {
        self.script.asked.lock().unwrap().clone()
    }

    /// What it sent last.
    pub(super) fn sent(&self) -> Parsed {
        let turn = self.asked().len().max(1) - 1;
        parse(&self.script.answer(turn).sends)
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Some(provider) = self.provider.take() {
            provider.end();
        }
    }
}

impl Script {
    fn answer(&self, turn: usize) -> &Answer {
        &self.answers[turn.min(self.answers.len() - 1)]
    }

    fn serve(&self, mut client: Client) {
        while client.stream.peek(&mut [0]).is_ok_and(|peeked| peeked > 0) {
            let mut turn = 0;
            if self.reads {
                let request = client.message();
                let mut asked = self.asked.lock().unwrap();
                turn = asked.len();
                asked.push(request.header("authorization").unwrap_or_default());
            }
            let Answer { sends, end } = self.answer(turn);
            if client.stream.write_all(sends).is_err() {
                return;
            }
            match end {
                End::Keep => {}
                End::Fin if self.reads => return,
                // What was not read would turn the end into a reset.
                End::Fin => {
                    let _ = client.stream.shutdown(std::net::Shutdown::Write);
                    client.read_to_end();
                }
                End::Rst => return socket2::SockRef::from(&client.stream).set_linger(Some(Duration::ZERO)).unwrap(),
                End::Silent => {
                    client.read_to_end();
                }
            }
        }
    }
}

/// An answer, as far as it came.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) status: u16,
    head: String,
    pub(super) body: Vec<u8>,
    /// Whether it came to the end that its framing announces.
    pub(super) whole: bool,
}

impl Parsed {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        fields.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Takes an answer apart; interim ones before it are passed over.
pub(super) fn parse(bytes: &[u8]) -> Parsed {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Parsed::default() };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    let rest = &bytes[end + 4..];
    if (100..200).contains(&status) {
        return parse(rest);
    }
    let parsed = Parsed { status, head, body: rest.to_vec(), whole: true };
    if parsed.header("transfer-encoding").is_some() {
        let (body, whole) = joined(rest);
        return Parsed { body, whole, ..parsed };
    }
    let announced = parsed.header("content-length").and_then(|length| length.parse().ok());
    Parsed { whole: announced.is_none_or(|length: usize| rest.len() == length), ..parsed }
}

/// What lies in chunks, as far as they came, and whether the last of them did.
fn joined(mut chunks: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(line) = chunks.windows(2).position(|window| window == b"\r\n") else { return (body, false) };
        let size = str::from_utf8(&chunks[..line]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        let Some(size) = size else { return (body, false) };
        let rest = &chunks[line + 2..];
        if size == 0 {
            return (body, rest == b"\r\n");
        }
        body.extend_from_slice(&rest[..size.min(rest.len())]);
        match rest.get(size + 2..) {
            Some(next) => chunks = next,
            None => return (body, false),
        }
    }
}
