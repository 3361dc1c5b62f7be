//! The providers of a selftest, all on one thread: each fails in its own way, below a path of its own.
//!
//! Owns the sockets: one that serves, one that hangs up, one that refuses and, where the system makes it possible, one
//! that never answers a connection. Writes down every key that it is sent. Invariant: loopback only, and nothing is
//! left once it is dropped.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::case::{Addresses, Case, HEALTHY};
use super::fault::Form;
use super::judge::{KEY, QUESTION, Sent, greeting, marked};
use super::question::Question;
use super::script::{self, Step};

const LARGEST_REQUEST: usize = 256 * 1024;
const SIGN: Duration = Duration::from_millis(250);
/// Connections that are tried until a port takes no more of them.
const FILL: usize = 8;

type Journal = Arc<Mutex<BTreeMap<String, Vec<Sent>>>>;

/// Running providers.
pub(super) struct Providers {
    serves: SocketAddr,
    hangs_up: SocketAddr,
    refuses: Socket,
    blackhole: Option<Blackhole>,
    journal: Journal,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Providers {
    /// Starts them for these requests. Errors: no port, no thread.
    pub(super) fn start(cases: Vec<Case>) -> io::Result<Providers> {
        let (serving, closing) = (bound()?, bound()?);
        let (serves, hangs_up) = (serving.local_addr()?, closing.local_addr()?);
        let refuses = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        refuses.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        let journal = Journal::default();
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let theirs = Arc::clone(&journal);
        let cases: BTreeMap<String, Case> = cases.into_iter().map(|case| (case.name.clone(), case)).collect();
        let thread = std::thread::Builder::new().name("selftest-providers".to_owned()).spawn(move || {
            tokio::task::LocalSet::new().block_on(&runtime, async move {
                tokio::select! {
                    () = serve(serving, Arc::new(cases), theirs) => {}
                    () = hang_up(closing) => {}
                    _ = stopped => {}
                }
            });
        })?;
        let (stop, thread) = (Some(stop), Some(thread));
        Ok(Providers { serves, hangs_up, refuses, blackhole: Blackhole::made(), journal, stop, thread })
    }

    /// Where they are.
    pub(super) fn addresses(&self, quick: [String; 2]) -> io::Result<Addresses> {
        let refuses = self.refuses.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let blackhole = self.blackhole.as_ref().map(|hole| hole.at);
        Ok(Addresses { serves: self.serves, hangs_up: self.hangs_up, refuses, blackhole, quick })
    }

    /// What they were sent with this question.
    pub(super) fn sent(&self, question: &str) -> Vec<Sent> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner).get(question).cloned().unwrap_or_default()
    }
}

impl Drop for Providers {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The thread may have ended by itself: then there is nobody to tell.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn bound() -> io::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// A port whose queue is full, so that the system drops what comes.
struct Blackhole {
    at: SocketAddr,
    _listener: Socket,
    _queued: Vec<Socket>,
}

impl Blackhole {
    /// `None` where the system refuses instead, or takes any number of connections.
    fn made() -> Option<Blackhole> {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).ok()?;
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).ok()?;
        listener.listen(0).ok()?;
        let at = listener.local_addr().ok()?.as_socket()?;
        let mut queued = Vec::new();
        for _ in 0..FILL {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).ok()?;
            match socket.connect_timeout(&at.into(), Duration::from_millis(150)) {
                Ok(()) => queued.push(socket),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    return Some(Blackhole { at, _listener: listener, _queued: queued });
                }
                Err(_) => return None,
            }
        }
        None
    }
}

async fn accept(listener: &tokio::net::TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // Out of descriptors: accepting goes on as soon as some connection has ended.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn hang_up(listener: TcpListener) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    loop {
        drop(accept(&listener).await);
    }
}

async fn serve(listener: TcpListener, cases: Arc<BTreeMap<String, Case>>, journal: Journal) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    loop {
        let stream = accept(&listener).await;
        let _ = stream.set_nodelay(true);
        let (cases, journal) = (Arc::clone(&cases), Arc::clone(&journal));
        tokio::task::spawn_local(async move {
            // How a connection ends is the sidecar's business, or what the fault asked for.
            let _ = converse(stream, &cases, &journal).await;
        });
    }
}

async fn converse(mut stream: TcpStream, cases: &BTreeMap<String, Case>, journal: &Journal) -> io::Result<()> {
    while let Some(request) = read(&mut stream).await? {
        let text = String::from_utf8_lossy(&request).into_owned();
        // `POST /NAME/v1/... HTTP/1.1`
        let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
        let provider = path.split('/').nth(1).unwrap_or_default().to_owned();
        let by_question = |question: &String| cases.values().find(|case| case.question == *question);
        let asked = marked(&text, QUESTION).into_iter().map(|word| format!("{QUESTION}{word}")).next();
        let Some(case) = asked.as_ref().and_then(by_question).or_else(|| cases.get(&provider)) else {
            stream.write_all(b"HTTP/1.1 404 X\r\ncontent-length: 0\r\n\r\n").await?;
            continue;
        };
        let sent = Sent { provider: provider.clone(), keys: marked(&text, KEY) };
        journal.lock().unwrap_or_else(PoisonError::into_inner).entry(case.question.clone()).or_default().push(sent);
        let steps = answer(case, &provider, &text);
        if !play(&mut stream, steps).await? {
            return Ok(());
        }
    }
    Ok(())
}

fn answer(case: &Case, provider: &str, request: &str) -> Vec<Step> {
    let question: Question<'_> = case.question();
    match case.form {
        _ if provider != HEALTHY => script::steps(case.fault, provider, question, case.form),
        Form::WebSocket => switched(provider, request, question.text),
        form => script::healthy(provider, question, form),
    }
}

/// The handshake of a WebSocket, and one message.
fn switched(provider: &str, request: &str, question: &str) -> Vec<Step> {
    use base64::Engine as _;
    let key = request.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key").then_some(value.trim())
    });
    let proof = format!("{}258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key.unwrap_or_default());
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, proof.as_bytes());
    let accept = base64::engine::general_purpose::STANDARD.encode(digest);
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: {accept}\r\n\r\n"
    );
    let text = greeting(provider, question);
    let length = u8::try_from(text.len()).unwrap_or(125).min(125);
    let frame = [&[0x81, length], &text.as_bytes()[..usize::from(length)]].concat();
    vec![Step::Write([head.into_bytes(), frame].concat()), Step::Close]
}

/// One request: head and body. `None`: the other side has left.
async fn read(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut request = Vec::new();
    let mut wanted = None;
    while wanted.is_none_or(|wanted| request.len() < wanted) {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(None);
        }
        // A TLS handshake.
        if request.first() == Some(&0x16) {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n").await?;
            return Ok(None);
        }
        if request.len() > LARGEST_REQUEST {
            return Ok(None);
        }
        if wanted.is_none() {
            wanted = memchr::memmem::find(&request, b"\r\n\r\n").map(|end| end + 4 + length(&request[..end]));
        }
    }
    Ok(Some(request))
}

fn length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head);
    let mut lengths = head.lines().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        if name.eq_ignore_ascii_case("content-length") { value.trim().parse().ok() } else { None }
    });
    lengths.next_back().unwrap_or(0)
}

/// Plays the steps; whether the connection is good for another request.
async fn play(stream: &mut TcpStream, steps: Vec<Step>) -> io::Result<bool> {
    for step in steps {
        match step {
            Step::Write(bytes) => stream.write_all(&bytes).await?,
            Step::Wait(pause) => tokio::time::sleep(pause).await,
            Step::Repeat(bytes) => loop {
                stream.write_all(bytes).await?;
                tokio::select! {
                    () = tokio::time::sleep(SIGN) => {}
                    () = left(stream) => return Ok(false),
                }
            },
            Step::Silence => {
                left(stream).await;
                return Ok(false);
            }
            Step::Close => return Ok(false),
            Step::Reset => {
                SockRef::from(&*stream).set_linger(Some(Duration::ZERO))?;
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Until the other side has left.
async fn left(stream: &TcpStream) {
    let mut ignored = [0; 512];
    loop {
        if stream.readable().await.is_err() {
            return;
        }
        match stream.try_read(&mut ignored) {
            Ok(0) => return,
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
            Ok(_) | Err(_) => {}
        }
    }
}
