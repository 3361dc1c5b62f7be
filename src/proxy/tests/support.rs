//! A sidecar on port 0, providers that do as told, and clients that say exactly what a test wants.
//!
//! Everything blocks with a deadline, on threads of its own: a test that waits for something which never comes fails
//! with what it waited for.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::clock;
use crate::decide::outcome::Outcome;
use crate::decide::policy::*;
use crate::decide::units::{Arm, Millis, Percent, ProviderId};
use crate::proxy::{Running, Setup, start};
use crate::state::counters::{Labels, Series};
use crate::state::evidence::{ArmTotals, Evidence};
use crate::state::inbox::{Input, Refused, inbox};
use crate::state::provider::ProviderState;
use crate::state::retry_budget::RetryBudget;
use crate::state::series_table::SeriesTable;
use crate::state::snapshot::{InForce, Shared, Snapshot};

pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// At this address, without TLS.
pub(in crate::proxy) fn provider(name: &str, address: SocketAddr) -> Provider {
    let base_url =
        BaseUrl { https: false, host: address.ip().to_string(), port: address.port(), path: "/v1".to_owned() };
    let timeouts = Timeouts { connect: Millis(2000), ..plain::waits(Millis(10_000)) };
    Provider { base_url, timeouts, ..plain::provider(name) }
}

/// Two providers, `old` and `new`, and a rollout `chat` between them at the share the snapshot gives it.
pub(super) fn policy(old: SocketAddr, new: SocketAddr) -> Policy {
    let rollout = Rollout {
        matches: Match {
            endpoints: vec!["chat/completions".to_owned(), "messages".to_owned()],
            ..plain::rollout("chat").matches
        },
        canary: Some(plain::canary()),
        user: vec![UserSource::Header("x-user-id".to_owned()), UserSource::Body(vec!["user".to_owned()])],
        pins: BTreeMap::from([("canary-user".to_owned(), Arm::Canary), ("stable-user".to_owned(), Arm::Stable)]),
        force: Some(Force { header: "x-force".to_owned(), token: Secret::new("token".to_owned()) }),
        ..plain::rollout("chat")
    };
    let providers = vec![provider("old", old), provider("new", new)];
    Policy { unmatched: Unmatched::Provider(ProviderId(0)), ..plain::policy(providers, vec![rollout]) }
}

/// Changes one provider of a policy.
pub(super) fn with_provider(policy: &mut Policy, index: usize, change: impl FnOnce(&mut Provider)) {
    change(Arc::make_mut(&mut policy.providers[index]));
}

/// Changes the rollout of a policy.
pub(super) fn with_rollout(policy: &mut Policy, change: impl FnOnce(&mut Rollout)) {
    change(Arc::make_mut(&mut policy.rollouts[0]));
}

/// Two providers that answer for each other.
pub(super) fn both_ways(old: &Scripted, new: &Scripted) -> Policy {
    let mut policy = policy(old.address, new.address);
    with_rollout(&mut policy, |rollout| rollout.fallback = Fallback::OtherArm);
    policy
}

/// A snapshot of this policy with every rollout at this share.
pub(super) fn snapshot(revision: u64, policy: Policy, percent: Percent, cores: usize) -> Snapshot {
    let series = |rollout: &str, arm, provider: &str| {
        let labels = Labels { rollout: rollout.to_owned(), arm, provider: provider.to_owned() };
        Arc::new(Series::new(labels, cores, metrics::Histogram::noop(), metrics::Histogram::noop()))
    };
    let rollouts = policy.rollouts.iter().map(|rollout| InForce {
        percent,
        closed: percent == Percent::ZERO,
        diverts: true,
        several_sources: false,
        evidence: Arc::new(Evidence::alone(1, cores, Counting::default())),
        series: SeriesTable::new(rollout, |arm, provider| {
            series(&rollout.name, arm.as_str(), &policy.provider(provider).name)
        }),
        retry: Arc::new(RetryBudget::full(cores)),
    });
    Snapshot {
        revision,
        generation: 7,
        rollouts: rollouts.collect(),
        unsplit: policy.providers.iter().map(|provider| series("none", "none", &provider.name)).collect(),
        providers: unknown(&policy),
        policy: Arc::new(policy),
        draining: false,
    }
}

fn unknown(policy: &Policy) -> Box<[Arc<ProviderState>]> {
    policy.providers.iter().map(|provider| Arc::new(ProviderState::new(provider.name.clone()))).collect()
}

/// A running data plane.
pub(super) struct Sidecar {
    pub(super) running: Running,
    pub(super) shared: Arc<Shared>,
    wishes: Mutex<tokio::sync::mpsc::Receiver<Input>>,
}

impl Sidecar {
    pub(super) fn start(policy: Policy, percent: Percent) -> Sidecar {
        Sidecar::with_cores(policy, percent, 1)
    }

    pub(super) fn with_cores(policy: Policy, percent: Percent, cores: usize) -> Sidecar {
        let shared = Arc::new(Shared::new(snapshot(1, policy, percent, cores), cores));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (inbox, wishes) = inbox();
        let running =
            start(Setup { listener, shared: Arc::clone(&shared), inbox, cores, most_connections: u32::MAX }).unwrap();
        Sidecar { running, shared, wishes: Mutex::new(wishes) }
    }

    /// Puts another share in force and waits until every core has seen it.
    pub(super) fn set_percent(&self, percent: Percent) {
        let now = self.shared.load();
        let mut next = snapshot(now.revision + 1, (*now.policy).clone(), percent, 1);
        // Control keeps the series of a rollout over publications, and who is withdrawn from its canary.
        next.policy = Arc::clone(&now.policy);
        next.providers.clone_from(&now.providers);
        for (next, now) in next.rollouts.iter_mut().zip(&now.rollouts) {
            next.series = now.series.clone();
            next.retry = Arc::clone(&now.retry);
            let mut evidence = Evidence::alone(1, 1, Counting::default());
            evidence.withdrawal = Arc::clone(&now.evidence.withdrawal);
            next.evidence = Arc::new(evidence);
        }
        let revision = next.revision;
        self.shared.publish(next);
        until("every core has acknowledged", || self.shared.seen_by_all(revision));
    }

    /// Whoever was sent to the canary in this epoch, or earlier, waits no more.
    pub(super) fn withdraw(&self, evidence: &Evidence) {
        evidence.withdrawal.raise(evidence.samples.second() + 1);
        self.set_percent(self.shared.load().rollouts[0].percent);
    }

    /// Puts another version of the file in force, with the same names in it, and waits until every core has seen it.
    pub(super) fn reload(&self, change: impl FnOnce(&mut Policy)) {
        let now = self.shared.load();
        let mut policy = (*now.policy).clone();
        change(&mut policy);
        let mut next = snapshot(now.revision + 1, policy, now.rollouts[0].percent, 1);
        next.generation = now.generation + 1;
        next.providers.clone_from(&now.providers);
        next.unsplit.clone_from(&now.unsplit);
        next.rollouts.clone_from(&now.rollouts);
        let revision = next.revision;
        self.shared.publish(next);
        until("every core has acknowledged", || self.shared.seen_by_all(revision));
    }

    pub(super) fn client(&self) -> Client {
        Client::connect(self.running.local_addr())
    }

    /// One request on a connection of its own, and everything that comes back.
    pub(super) fn ask(&self, request: &str) -> Reply {
        let mut client = self.client();
        client.send(request);
        client.reply()
    }

    /// How often a request of this arm ended so.
    pub(super) fn ended(&self, arm: Arm, outcome: Outcome) -> u64 {
        self.shared.load().rollouts[0].series.own(arm).requests(outcome)
    }

    pub(super) fn unsplit_ended(&self, outcome: Outcome) -> u64 {
        self.shared.load().unsplit[0].requests(outcome)
    }

    pub(super) fn evidence(&self, arm: Arm) -> ArmTotals {
        self.shared.load().rollouts[0].evidence.totals(arm)
    }

    /// The refusals that control was told of since the last time.
    pub(super) fn refusals(&self) -> Vec<Refused> {
        let mut wishes = self.wishes.lock().unwrap();
        let told = std::iter::from_fn(|| wishes.try_recv().ok());
        told.map(|wish| if let Input::Refused(refused) = wish { refused } else { panic!("{wish:?}") }).collect()
    }

    /// All attempts of an arm's requests at a provider, by outcome.
    pub(super) fn attempts(&self, arm: Arm, provider: ProviderId) -> Vec<(Outcome, u64)> {
        let snapshot = self.shared.load();
        let series = snapshot.rollouts[0].series(arm, provider);
        let counted = Outcome::ALL.iter().map(|outcome| (*outcome, series.attempts(*outcome)));
        counted.filter(|(_, count)| *count > 0).collect()
    }

    /// The evidence of an arm: dispatched, succeeded, failed, not judged.
    pub(super) fn judged(&self, arm: Arm) -> (u64, u64, u64, u64) {
        let ArmTotals { dispatched, succeeded, failed, not_judged, .. } = self.evidence(arm);
        (dispatched, succeeded, failed, not_judged)
    }

    /// Waits until nothing is open or in flight any more, and holds the accounts to their sums.
    pub(super) fn settle(&self) {
        until("no request is open", || self.running.open_requests() == 0);
        let snapshot = self.shared.load();
        let providers = || (0..).map(ProviderId).take(snapshot.policy.providers.len());
        let split = || providers().map(|id| snapshot.rollouts[0].series.in_flight_at(id)).sum::<u64>();
        let unsplit = || snapshot.unsplit.iter().map(|series| series.in_flight()).sum::<u64>();
        until("nothing is in flight", || split() + unsplit() == 0);
        for arm in [Arm::Stable, Arm::Canary] {
            let (dispatched, succeeded, failed, not_judged) = self.judged(arm);
            assert_eq!(dispatched, succeeded + failed + not_judged, "evidence of {arm:?}");
            let (began, ended) = self.evidence(arm).waits;
            assert_eq!(began, ended, "nobody of {arm:?} waits for output");
        }
    }

    pub(super) fn until_ended(&self, arm: Arm, outcome: Outcome, count: u64) {
        until(&format!("{count} {arm:?} requests ended as {outcome:?}"), || self.ended(arm, outcome) == count);
    }
}

/// Waits for what other threads bring about.
pub(super) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = clock::instant();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::yield_now();
    }
}

/// A client's end of a connection, or a provider's.
pub(super) struct Client {
    pub(super) stream: TcpStream,
    read: Vec<u8>,
}

impl Client {
    pub(super) fn connect(address: SocketAddr) -> Client {
        Client::of(TcpStream::connect(address).unwrap())
    }

    pub(super) fn of(stream: TcpStream) -> Client {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client { stream, read: Vec::new() }
    }

    pub(super) fn send(&mut self, text: impl AsRef<[u8]>) {
        self.stream.write_all(text.as_ref()).unwrap();
    }

    fn more(&mut self) -> usize {
        let mut piece = [0; 65536];
        match self.stream.read(&mut piece) {
            Ok(read) => {
                self.read.extend_from_slice(&piece[..read]);
                read
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
            Err(error) => panic!("nothing came ({error}) after {:?}", String::from_utf8_lossy(&self.read)),
        }
    }

    /// Everything up to and including `end`.
    pub(super) fn read_to(&mut self, end: &str) -> String {
        loop {
            let found = self.read.windows(end.len()).position(|window| window == end.as_bytes());
            if let Some(at) = found {
                let rest = self.read.split_off(at + end.len());
                return String::from_utf8(std::mem::replace(&mut self.read, rest)).unwrap();
            }
            assert!(self.more() > 0, "the connection ended before {end:?}: {:?}", String::from_utf8_lossy(&self.read));
        }
    }

    pub(super) fn read_exact(&mut self, length: usize) -> Vec<u8> {
        while self.read.len() < length {
            assert!(self.more() > 0, "the connection ended after {} of {length} bytes", self.read.len());
        }
        let rest = self.read.split_off(length);
        std::mem::replace(&mut self.read, rest)
    }

    /// Everything until the connection ends.
    pub(super) fn read_to_end(&mut self) -> Vec<u8> {
        while self.more() > 0 {}
        std::mem::take(&mut self.read)
    }

    /// A head, and its body by content-length or chunks.
    pub(super) fn message(&mut self) -> Message {
        let head = self.read_to("\r\n\r\n");
        let mut message = Message { head, body: Vec::new(), trailers: String::new() };
        if message.header("transfer-encoding").as_deref() == Some("chunked") {
            loop {
                let size = self.read_to("\r\n");
                let size = usize::from_str_radix(size.trim(), 16).unwrap();
                if size == 0 {
                    break;
                }
                message.body.extend(self.read_exact(size));
                self.read_to("\r\n");
            }
            loop {
                let line = self.read_to("\r\n");
                if line == "\r\n" {
                    break;
                }
                message.trailers.push_str(&line);
            }
        } else if let Some(length) = message.header("content-length") {
            message.body = self.read_exact(length.parse().unwrap());
        }
        message
    }

    /// The answer to a request on this connection.
    pub(super) fn reply(&mut self) -> Reply {
        let message = self.message();
        let status = message.head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply { status, message }
    }
}

/// A request or an answer as it was on the wire.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) head: String,
    pub(super) body: Vec<u8>,
    pub(super) trailers: String,
}

impl Message {
    pub(super) fn first_line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    /// The values of this name, in their order, joined with a bar.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        let values = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let values: Vec<&str> =
            values.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect();
        (!values.is_empty()).then(|| values.join("|"))
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) message: Message,
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> Option<String> {
        self.message.header(name)
    }

    pub(super) fn text(&self) -> &str {
        self.message.text()
    }
}

/// A provider whose connections are scripted, each on a thread of its own.
pub(super) struct Scripted {
    pub(super) address: SocketAddr,
}

impl Scripted {
    pub(super) fn new(script: impl Fn(Client) + Send + Sync + 'static) -> Scripted {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(script);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let script = Arc::clone(&script);
                std::thread::spawn(move || script(Client::of(stream.unwrap())));
            }
        });
        Scripted { address }
    }

    /// Answers every request with these bytes, and tells what it got.
    pub(super) fn answering(answer: impl Into<String>) -> (Scripted, Receiver<Message>) {
        let (sender, receiver) = channel();
        let answer = answer.into();
        let provider = Scripted::new(move |mut client| {
            while client.stream.peek(&mut [0]).is_ok_and(|peeked| peeked > 0) {
                let message = client.message();
                let _ = sender.send(message);
                client.send(&answer);
            }
        });
        (provider, receiver)
    }
}

impl Scripted {
    /// Answers each request with the next of these bytes, whatever connection it comes by, and tells what it got. An
    /// answer that ends in [`BREAK`] ends its connection as well.
    pub(super) fn in_turn(answers: impl IntoIterator<Item = impl Into<String>>) -> (Scripted, Receiver<Message>) {
        let answers: Vec<String> = answers.into_iter().map(Into::into).collect();
        let answers = Mutex::new(std::collections::VecDeque::from(answers));
        let (sender, receiver) = channel();
        let provider = Scripted::new(move |mut client| {
            while client.stream.peek(&mut [0]).is_ok_and(|peeked| peeked > 0) {
                let _ = sender.send(client.message());
                let answer = answers.lock().unwrap().pop_front().unwrap();
                client.send(answer.trim_end_matches(BREAK));
                if answer.ends_with(BREAK) {
                    return;
                }
            }
        });
        (provider, receiver)
    }
}

/// A provider that tells when a request has come, and answers with the next of these when told to.
pub(super) fn when_told(answers: impl IntoIterator<Item = String>) -> (Scripted, Receiver<Message>, Sender<()>) {
    let answers = Mutex::new(answers.into_iter().collect::<std::collections::VecDeque<_>>());
    let (sender, receiver) = channel();
    let (go, wait) = channel();
    let wait = Mutex::new(wait);
    let provider = Scripted::new(move |mut client| {
        while client.stream.peek(&mut [0]).is_ok_and(|peeked| peeked > 0) {
            let _ = sender.send(client.message());
            if wait.lock().unwrap().recv().is_err() {
                return;
            }
            let answer = answers.lock().unwrap().pop_front().unwrap();
            client.send(answer);
        }
    });
    (provider, receiver, go)
}

/// Ends the connection: see [`Scripted::in_turn`].
pub(super) const BREAK: char = '\u{17}';

/// A whole answer of JSON.
pub(super) fn json(status: u16, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A completion that says these words.
pub(super) fn completion(words: &str) -> String {
    json(200, "", &format!(r#"{{"choices":[{{"index":0,"message":{{"content":"{words}"}},"finish_reason":"stop"}}]}}"#))
}

/// One chunk.
pub(super) fn chunk(data: &str) -> String {
    format!("{:x}\r\n{data}\r\n", data.len())
}

/// The head of a stream of events in chunks, and these chunks.
pub(super) fn stream(chunks: &[&str]) -> String {
    let mut all = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
    for data in chunks {
        all.push_str(&chunk(data));
    }
    all
}

/// The end of a body in chunks.
pub(super) const LAST: &str = "0\r\n\r\n";
/// Events of a chat.
pub(super) const ROLE: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n";
pub(super) const WORD: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"}}]}\n\n";
pub(super) const STOP: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// What a provider got, within the deadline.
pub(super) fn got<T>(receiver: &Receiver<T>) -> T {
    receiver.recv_timeout(PATIENCE).unwrap()
}

pub(super) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 75\r\n\r\n\
    {\"choices\":[{\"index\":0,\"message\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}";

/// Its body.
pub(super) fn body_of(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

/// An address that nobody listens on, and that nobody else is given: it is bound, and connections to it are refused.
pub(super) fn nobody() -> SocketAddr {
    static BOUND: LazyLock<Socket> = LazyLock::new(|| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket
    });
    BOUND.local_addr().unwrap().as_socket().unwrap()
}

/// A POST of JSON.
pub(super) fn post(path: &str, headers: &str, json: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: sidecar\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{json}",
        json.len()
    )
}
