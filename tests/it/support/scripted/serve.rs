//! The provider's side of one connection: reads requests, plays the steps of their faults, and notices who leaves.
//!
//! Understands as much of HTTP/1.1 as its peers write. A connection is reset when it is dropped, unless it came to its
//! end in order: what a killed process leaves behind is then the same as what a test asked for.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::Shared;
use super::request::read;
use super::step::{Step, chunk};

/// A connection, as long as it is open.
pub(super) struct Line {
    shared: Arc<Shared>,
    number: usize,
}

impl Line {
    pub(super) fn open(shared: &Arc<Shared>) -> Line {
        let mut journal = shared.journal();
        let number = journal.connections;
        journal.connections += 1;
        journal.open.insert(number, false);
        drop(journal);
        Line { shared: Arc::clone(shared), number }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.shared.journal().open.remove(&self.number);
    }
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    InOrder,
    Reset,
}

pub(super) async fn serve(mut stream: TcpStream, line: Line) {
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    let ends = (stream.peer_addr(), stream.local_addr());
    // A peer that breaks off is the test's doing.
    let ending = match &line.shared.tls {
        None => converse(&mut stream, &line).await,
        Some(tls) => match tls.accept(&mut stream).await {
            Ok(stream) => converse(stream, &line).await,
            Err(error) => Err(error),
        },
    };
    let ending = ending.unwrap_or(Ending::InOrder);
    match (ending, ends) {
        (Ending::Reset, (Ok(peer), Ok(own))) => until_it_is_read(peer, own).await,
        _ => drop(SockRef::from(&stream).set_linger(None)),
    }
    drop(stream);
    drop(line);
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, line: &Line) -> io::Result<Ending> {
    let shared = &line.shared;
    let (reader, mut write) = tokio::io::split(stream);
    let mut reader = BufReader::new(reader);
    loop {
        let mut seen = read(&mut reader).await?;
        seen.connection = line.number;
        let steps = shared.steps(&seen);
        let request = (!shared.forgets.load(Relaxed)).then(|| shared.journal().begin(seen));
        let played = tokio::select! {
            biased;
            played = play(steps, &mut write) => played,
            () = gone(&mut reader) => Err(io::ErrorKind::ConnectionAborted.into()),
        };
        if let Some(request) = request {
            shared.journal().end(request, played.is_err());
        }
        if let Some(ending) = played? {
            return Ok(ending);
        }
    }
}

async fn play(steps: Vec<Step>, write: &mut (impl AsyncWrite + Unpin)) -> io::Result<Option<Ending>> {
    for step in steps {
        match step {
            Step::Write(bytes) => write.write_all(&bytes).await?,
            Step::Wait(wait) => tokio::time::sleep(wait).await,
            Step::Repeat(bytes, gap) => loop {
                write.write_all(&bytes).await?;
                tokio::time::sleep(gap).await;
            },
            Step::Meet(barrier) => {
                barrier.wait().await;
            }
            Step::Dictated(pieces) => {
                while let Some(piece) = pieces.next().await {
                    write.write_all(&chunk(&piece)).await?;
                }
            }
            Step::Forever => std::future::pending().await,
            Step::Reset => return Ok(Some(Ending::Reset)),
            Step::Close => return Ok(Some(Ending::InOrder)),
        }
    }
    Ok(None)
}

/// Until the peer has closed its side, or everything.
async fn gone(reader: &mut (impl AsyncBufRead + Unpin)) {
    if reader.fill_buf().await.is_ok_and(|next| !next.is_empty()) {
        std::future::pending().await
    }
}

/// A reset throws away what the peer has not read yet; so that a test knows what came, it waits for that, for a while.
async fn until_it_is_read(peer: SocketAddr, own: SocketAddr) {
    let ports = [peer, own].map(|addr| format!(":{:04X}", addr.port()));
    // The table may lack a row while others come and go: only a row that is there tells something.
    let is_read = || {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
        table.lines().any(|row| {
            let columns: Vec<&str> = row.split_whitespace().take(5).collect();
            let [_, local, remote, _, queues] = columns[..] else { return false };
            local.ends_with(&ports[0]) && remote.ends_with(&ports[1]) && queues.ends_with(":00000000")
        })
    };
    for _ in 0..500 {
        if is_read() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
