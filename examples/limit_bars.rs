//! What limits and the retry budget come to over real sockets: `cargo build --locked`, then `cargo run --locked --example
//! limit_bars -- target/debug/serin`, with another number of seconds than 60 after it.
//!
//! * A provider that is limited to 600 requests a minute with a burst of 100, and 64 clients that ask as fast as they are
//!   answered: how many requests it sees.
//! * A stable that answers 429 to 200 requests a second: how many attempts it sees for each request, from clients that
//!   retry nothing, and from clients that retry as the official SDKs do, through Serin and directly.
//! * What a limit costs a request, without a socket.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use serin::clock;
use serin::decide::limit::Rate;
use serin::decide::policy::{RateLimit, WhenFull};
use serin::decide::units::Millis;
use serin::state::limit::{Ask, LimitState};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const PATIENCE: Duration = Duration::from_secs(120);
const CLIENTS: usize = 64;
const PER_SECOND: u32 = 200;
/// Enough that none of the requests of a second waits for a thread.
const THREADS: usize = 400;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let binary = PathBuf::from(arguments.next().ok_or("name the binary: target/debug/serin")?);
    let seconds = arguments.next().map_or(Ok(60), |seconds| seconds.parse())?;
    cost();
    waiting(&binary, seconds)?;
    storm(&binary, seconds)
}

/// A provider that counts what it sees.
struct Provider {
    address: SocketAddr,
    seen: Arc<AtomicUsize>,
}

impl Provider {
    fn start(answer: String) -> Result<Provider> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (address, seen) = (listener.local_addr()?, Arc::new(AtomicUsize::new(0)));
        let counter = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (counter, answer) = (Arc::clone(&counter), answer.clone());
                thread::spawn(move || -> std::io::Result<()> {
                    let mut stream = stream;
                    stream.set_nodelay(true)?;
                    while let Some(head) = read_message(&mut stream)? {
                        if head.starts_with("POST") {
                            counter.fetch_add(1, SeqCst);
                        }
                        stream.write_all(answer.as_bytes())?;
                    }
                    Ok(())
                });
            }
        });
        Ok(Provider { address, seen })
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A head and its body; `None` where the other side has closed.
fn read_message(stream: &mut TcpStream) -> std::io::Result<Option<String>> {
    let (mut read, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = header(head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            if body.len() >= length {
                return Ok(Some(head.to_owned()));
            }
        }
        match stream.read(&mut piece)? {
            0 => return Ok(None),
            count => read.extend_from_slice(&piece[..count]),
        }
    }
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// A connection that is kept.
struct Connection(TcpStream);

impl Connection {
    fn to(address: SocketAddr) -> Result<Connection> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Connection(stream))
    }

    /// Asks once; the head of the answer.
    fn ask(&mut self, number: usize) -> Result<String> {
        let body = format!(r#"{{"model":"m","user":"user-{number}","messages":[{{"role":"user","content":"hi"}}]}}"#);
        let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json";
        write!(self.0, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len())?;
        read_message(&mut self.0)?.ok_or_else(|| "the connection ended".into())
    }
}

/// Killed when dropped, with its directory.
struct Sidecar {
    child: Child,
    folder: PathBuf,
    listen: SocketAddr,
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn sidecar(binary: &Path, provider: &Provider, limit: &str) -> Result<Sidecar> {
    let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let folder = std::env::temp_dir().join(format!("serin-limit-bars-{}-{}", std::process::id(), listen.port()));
    std::fs::create_dir_all(&folder)?;
    // A rollout with a canary, whose bodies are buffered: what streams is never retried.
    let text = format!(
        "listen: {listen}\nadmin: {{ listen: 127.0.0.1:0 }}\nworkers: 2\nproviders:\n  stable: {{ base_url: \"http://{}/v1\", \
         api_keys: [sk-x]{limit} }}\n  other: {{ base_url: \"http://localhost:1/v1\", api_keys: [sk-y] }}\nrollouts: [{{ name: \
         chat, stable: stable, canary: other, percent: 0, fallback: false }}]\n",
        provider.address
    );
    std::fs::write(folder.join("flags.yaml"), text)?;
    let child = Command::new(binary.canonicalize()?)
        .args(["run", "--flags", "flags.yaml", "--state", "state"])
        .current_dir(&folder)
        .env_clear()
        .envs([("XDG_RUNTIME_DIR", folder.as_os_str()), ("SERIN_LOG", "warn".as_ref())])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    let sidecar = Sidecar { child, folder, listen };
    let began = clock::instant();
    // It answers this by itself, so that no limit is asked.
    while !serves(listen) {
        if began.elapsed() > PATIENCE {
            return Err("the sidecar does not listen".into());
        }
        thread::park_timeout(Duration::from_millis(5));
    }
    Ok(sidecar)
}

fn serves(listen: SocketAddr) -> bool {
    let answered = || -> Result<bool> {
        let mut stream = TcpStream::connect(listen)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /outside HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
        Ok(read_message(&mut stream)?.is_some())
    };
    answered().unwrap_or(false)
}

/// Sixty-four clients that wait for their turn.
fn waiting(binary: &Path, seconds: u64) -> Result<()> {
    let body = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}]}"#;
    let provider = Provider::start(answer("200 OK", "", body))?;
    let limit = ", rate_limit: { requests_per_minute: 600, burst: 100, when_full: wait, wait: 1m }";
    let sidecar = sidecar(binary, &provider, limit)?;
    let (over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let before = provider.seen.load(SeqCst);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (over, answered, listen) = (Arc::clone(&over), Arc::clone(&answered), sidecar.listen);
            thread::spawn(move || {
                let Ok(mut connection) = Connection::to(listen) else { return };
                while !over.load(SeqCst) {
                    match connection.ask(number) {
                        Ok(head) if head.starts_with("HTTP/1.1 200") => drop(answered.fetch_add(1, SeqCst)),
                        _ => return,
                    }
                }
            })
        })
        .collect();
    wait(Duration::from_secs(seconds));
    let seen = provider.seen.load(SeqCst) - before;
    over.store(true, SeqCst);
    println!(
        "waiting: {CLIENTS} clients, {seconds} s: the provider saw {seen} requests, {} were answered",
        answered.load(SeqCst)
    );
    drop(sidecar);
    clients.into_iter().for_each(|client| drop(client.join()));
    Ok(())
}

/// What one call of a client comes to: it is sent so often.
#[derive(Clone, Copy)]
enum Kind {
    Once,
    /// As the official SDKs do: three times, unless `x-should-retry` says otherwise.
    Sdk,
}

/// A stable that answers 429.
fn storm(binary: &Path, seconds: u64) -> Result<()> {
    let body = r#"{"error":{"message":"slow down","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#;
    for headers in ["retry-after: 1\r\n", ""] {
        let provider = Provider::start(answer("429 Too Many Requests", headers, body))?;
        let shown = headers.trim_end();
        let sidecar = sidecar(binary, &provider, "")?;
        let (received, seen) = load(sidecar.listen, &provider, seconds, Kind::Once)?;
        println!(
            "storm [{shown}], no retries: {received} requests, {seen} attempts: {:.4} for each",
            seen as f64 / received as f64
        );
        let (_, through) = load(sidecar.listen, &provider, seconds, Kind::Sdk)?;
        let (_, direct) = load(provider.address, &provider, seconds, Kind::Sdk)?;
        println!(
            "storm [{shown}], SDKs: {through} attempts through Serin, {direct} directly: {:.4}",
            through as f64 / direct as f64
        );
    }
    Ok(())
}

/// How many requests were sent by clients in all, and how many the provider saw.
fn load(to: SocketAddr, provider: &Provider, seconds: u64, kind: Kind) -> Result<(usize, usize)> {
    let before = provider.seen.load(SeqCst);
    let calls = usize::try_from(u64::from(PER_SECOND) * seconds)?;
    let (next, sent, began) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), clock::instant());
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (next, sent) = (Arc::clone(&next), Arc::clone(&sent));
            thread::spawn(move || {
                let Ok(mut connection) = Connection::to(to) else { return };
                loop {
                    let number = next.fetch_add(1, SeqCst);
                    if number >= calls {
                        return;
                    }
                    let due = Duration::from_secs(1) * u32::try_from(number).unwrap_or(u32::MAX) / PER_SECOND;
                    wait(due.saturating_sub(began.elapsed()));
                    for attempt in 0.. {
                        sent.fetch_add(1, SeqCst);
                        let Ok(head) = connection.ask(number) else { return };
                        let stops = header(&head, "x-should-retry") == Some("false");
                        if matches!(kind, Kind::Once) || attempt == 2 || stops {
                            break;
                        }
                        let asked = header(&head, "retry-after").and_then(|after| after.parse().ok());
                        let usual = 0.5 * f64::from(1 << attempt);
                        wait(Duration::from_secs_f64(asked.unwrap_or(usual)));
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| drop(thread.join()));
    Ok((sent.load(SeqCst), provider.seen.load(SeqCst) - before))
}

fn wait(length: Duration) {
    let until = clock::instant() + length;
    loop {
        let left = until.saturating_duration_since(clock::instant());
        if left.is_zero() {
            return;
        }
        thread::park_timeout(left);
    }
}

fn cost() {
    const TIMES: u64 = 5_000_000;
    let limit = RateLimit {
        requests: Some(Rate::new(1_000_000_000, 1_000_000_000)),
        tokens: None,
        in_flight: Some(64),
        when_full: WhenFull::Fallback,
        wait: Millis(2000),
        follow_headers: false,
    };
    let state = LimitState::default();
    let began = clock::instant();
    for _ in 0..TIMES {
        let now = clock::nanos();
        let low = state.is_low(&limit, now);
        let passed = state.take(&limit, Ask { now, since: now, tokens: 0, yields: low });
        assert!(passed.is_ok(), "there is room");
        state.settle(&limit, 0, 0);
    }
    let each = began.elapsed().as_nanos() as f64 / TIMES as f64;
    println!("cost: {each:.1} ns for each request, on one core, its clock included");
}
