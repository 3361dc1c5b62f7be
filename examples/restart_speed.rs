//! How long it takes from a new start after `kill -9` to the first answered request, under load, with a state of no age
//! and with one that many rollouts have written to for 90 days. `cargo build --release --locked`, then `cargo run
//! --locked --example restart_speed -- target/release/serin`, with another number of rounds after it.
//!
//! The load is a new request every few milliseconds, each on a connection of its own and never repeated. What was in
//! flight at a kill may fail, and what comes while nobody listens is refused; anything else that fails is a finding.

#[path = "series_size/aged.rs"]
mod aged;

use std::error::Error;
use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use serin::clock;
use serin::decide::event::{Event, Figure, Reason};
use serin::decide::rollout::state::{Identity, Phase, RolloutState};
use serin::decide::units::{Percent, UnixMillis};
use serin::store::{self, Batch};

/// Where none is given.
const ROUNDS: usize = 100;
const ROLLOUTS: usize = 50;
/// Those of them that have series as well.
const RECORDED: usize = 20;
const DAYS: u64 = 90;
/// Of one rollout, in one day.
const EVENTS: u64 = 20;
const DAY: u64 = 86_400_000;
/// Each thread of the load asks this often; together they make 300 requests in a second.
const PAUSE: Duration = Duration::from_millis(20);
const THREADS: usize = 6;
/// How long the load runs before each kill.
const BETWEEN: Duration = Duration::from_millis(400);
const PATIENCE: Duration = Duration::from_secs(10);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Answers every request with the same few words.
fn play_provider(listener: TcpListener) {
    for stream in listener.incoming().flatten() {
        thread::spawn(move || -> std::io::Result<()> {
            let mut stream = stream;
            let body =
                r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}]}"#;
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            while !read_message(&mut stream)?.is_empty() {
                stream.write_all(answer.as_bytes())?;
            }
            Ok(())
        });
    }
}

/// A head with its body; empty where the other side has closed before one.
fn read_message(stream: &mut TcpStream) -> std::io::Result<String> {
    let (mut read, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&read);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Ok(text.into_owned());
            }
        }
        match stream.read(&mut piece)? {
            0 if read.is_empty() => return Ok(String::new()),
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            count => read.extend_from_slice(&piece[..count]),
        }
    }
}

fn ask(address: SocketAddr, number: usize) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let model = number % ROLLOUTS;
    let body =
        format!(r#"{{"model":"r{model:02}","user":"user-{number}","messages":[{{"role":"user","content":"hi"}}]}}"#);
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close";
    write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len())?;
    let answer = read_message(&mut stream)?;
    let good = answer.starts_with("HTTP/1.1 200") && answer.contains("\"ok\"");
    if good { Ok(()) } else { Err(std::io::Error::other(answer)) }
}

fn flags(listen: SocketAddr, provider: SocketAddr) -> Result<String> {
    let mut text = format!(
        "listen: {listen}\nadmin: {{ listen: 127.0.0.1:0 }}\nproviders:\n  \
         openai: {{ base_url: \"http://{provider}/v1\", api_keys: [sk-old] }}\n  \
         holysheep: {{ base_url: \"http://{provider}/v1/new\", api_keys: [sk-new] }}\nrollouts:\n"
    );
    for number in 0..ROLLOUTS {
        writeln!(
            text,
            "  - {{ name: r{number:02}, match: {{ model: r{number:02} }}, stable: openai, canary: holysheep, percent: auto }}"
        )?;
    }
    Ok(text)
}

/// What so many rollouts leave in so many days, written by the store itself.
fn fill(state: &Path, provider: SocketAddr) -> Result<()> {
    let opened = store::open(state, clock::unix())?;
    let now = clock::unix().0;
    let share = Percent::from_hundredths(2500).ok_or("no share")?;
    for day in 0..DAYS {
        let mut batch = Batch::default();
        for number in 0..ROLLOUTS {
            let rollout = format!("r{number:02}");
            for event in 0..EVENTS {
                let at = UnixMillis(now - (DAYS - day) * DAY + event * DAY / EVENTS);
                let numbers = (0..16).map(|figure| (format!("figure_{figure:02}"), Figure::Number(at.0 as f64 / 7.0)));
                let text = "the canary's requests failed as often as stable's, within what chance allows".to_owned();
                batch.events.push(Event {
                    at,
                    rollout: Some(rollout.clone()),
                    actor: "ramp".into(),
                    action: "promote".to_owned().into(),
                    reason: Reason::Earlier { text, numbers: numbers.collect() },
                    from: Percent::ZERO,
                    to: share,
                    generation: day,
                });
            }
            if day + 1 == DAYS {
                let identity = Identity {
                    rollout,
                    stable: format!("http://{provider}/v1"),
                    canary: format!("http://{provider}/v1/new"),
                    salt: String::new(),
                };
                let new = RolloutState::new(1, UnixMillis(now - DAY / 2));
                batch
                    .states
                    .push((identity, RolloutState { phase: Phase::Ramping, percent: share, in_force: share, ..new }));
            }
        }
        opened.store.save(batch).blocking_recv()??;
    }
    let recorded: Vec<String> = (0..RECORDED).map(|number| format!("r{number:02}")).collect();
    aged::write(opened.store.as_ref(), &recorded, DAYS, now)
}

/// Killed when dropped.
struct Sidecar(Child);

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A sidecar, once it has answered, and how long that took from its start.
fn start(binary: &Path, folder: &Path, listen: SocketAddr, number: usize) -> Result<(Sidecar, Duration)> {
    let log = std::fs::File::create(folder.join("log"))?;
    let began = clock::instant();
    let child = Command::new(binary)
        .args(["run", "--flags", "flags.yaml", "--state", "state"])
        .current_dir(folder)
        .env_clear()
        .envs([("XDG_RUNTIME_DIR", folder.as_os_str()), ("SERIN_LOG", "warn".as_ref())])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()?;
    let sidecar = Sidecar(child);
    loop {
        match ask(listen, number) {
            Ok(()) => return Ok((sidecar, began.elapsed())),
            Err(_) if began.elapsed() < PATIENCE => thread::park_timeout(Duration::from_micros(200)),
            Err(error) => {
                let log = std::fs::read_to_string(folder.join("log"))?;
                return Err(format!("no answer: {error}; the sidecar's log: {log}").into());
            }
        }
    }
}

/// What became of the load.
#[derive(Default)]
struct Load {
    answered: usize,
    refused: usize,
    /// When each began and ended that failed otherwise, and how.
    failed: Vec<(Instant, Instant, String)>,
}

fn measure(name: &str, binary: &Path, provider: SocketAddr, full: bool, rounds: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    std::fs::write(folder.path().join("flags.yaml"), flags(listen, provider)?)?;
    let state = folder.path().join("state");
    if full {
        fill(&state, provider)?;
    }
    let (over, load) = (AtomicBool::new(false), Mutex::new(Load::default()));
    let mut sidecar = Some(start(binary, folder.path(), listen, 0)?.0);
    let (mut took, mut kills) = (Vec::new(), Vec::new());
    thread::scope(|scope| -> Result<()> {
        for thread in 0..THREADS {
            let (over, load) = (&over, &load);
            scope.spawn(move || {
                for number in (thread..).step_by(THREADS) {
                    if over.load(SeqCst) {
                        return;
                    }
                    let began = clock::instant();
                    let answer = ask(listen, number);
                    if let Ok(mut load) = load.lock() {
                        match answer {
                            Ok(()) => load.answered += 1,
                            Err(error) if error.kind() == ErrorKind::ConnectionRefused => load.refused += 1,
                            Err(error) => load.failed.push((began, clock::instant(), error.to_string())),
                        }
                    }
                    thread::park_timeout(PAUSE.saturating_sub(began.elapsed()));
                }
            });
        }
        let result = (0..rounds).try_for_each(|round| {
            thread::park_timeout(BETWEEN);
            let sent = clock::instant();
            drop(sidecar.take());
            kills.push((sent, clock::instant()));
            let (next, time) = start(binary, folder.path(), listen, round)?;
            sidecar = Some(next);
            took.push(time);
            Ok(())
        });
        thread::park_timeout(BETWEEN);
        over.store(true, SeqCst);
        result
    })?;
    let load = load.into_inner()?;
    let in_flight = |began, ended| kills.iter().any(|(sent, dead)| began <= dead && ended >= sent);
    let others: Vec<_> = load.failed.iter().filter(|(began, ended, _)| !in_flight(began, ended)).collect();
    took.sort();
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let size = std::fs::metadata(state_file(&state)?)?.len() as f64 / f64::from(1 << 20);
    println!(
        "{name} ({size:.1} MiB): min {:.1} ms, median {:.1} ms, 95% {:.1} ms, max {:.1} ms over {rounds} rounds; {} answered, {} refused \
         while nobody listened, {} in flight at a kill, {} failed otherwise",
        millis(took[0]),
        millis(took[rounds / 2]),
        millis(took[rounds * 95 / 100]),
        millis(took[rounds - 1]),
        load.answered,
        load.refused,
        load.failed.len() - others.len(),
        others.len(),
    );
    for (.., error) in others {
        println!("  {error}");
    }
    Ok(())
}

fn state_file(state: &Path) -> Result<PathBuf> {
    Ok(store::dir::state_dir_in(state).join(store::sqlite::FILE))
}

fn main() -> Result<()> {
    let binary = std::env::args_os().nth(1).ok_or("say which binary: target/release/serin")?;
    let binary = std::path::absolute(binary)?;
    let rounds = std::env::args().nth(2).map_or(Ok(ROUNDS), |rounds| rounds.parse())?;
    if rounds == 0 {
        return Err("at least one round".into());
    }
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let provider = listener.local_addr()?;
    thread::spawn(move || play_provider(listener));
    measure("a new state", &binary, provider, false, rounds)?;
    measure("a state of 90 days and 50 rollouts", &binary, provider, true, rounds)
}
