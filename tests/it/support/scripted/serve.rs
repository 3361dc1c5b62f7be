//! The provider's side of one connection: reads requests, plays the steps of their faults, and notices who leaves.
//!
//! Understands as much of HTTP/1.1 as its peers write. A connection is reset when it is dropped, unless it came to its
//! end in order: what a killed process leaves behind is then the same as what a test asked for.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use super::Shared;
use super::fault::Step;
use super::journal::Seen;

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
    let (read, write) = stream.split();
    // A peer that breaks off is the test's doing.
    let ending = converse(BufReader::new(read), write, &line).await.unwrap_or(Ending::InOrder);
    match (ending, ends) {
        (Ending::Reset, (Ok(peer), Ok(own))) => until_it_is_read(peer, own).await,
        _ => drop(SockRef::from(&stream).set_linger(None)),
    }
    drop(stream);
    drop(line);
}

async fn converse(mut reader: BufReader<ReadHalf<'_>>, mut write: WriteHalf<'_>, line: &Line) -> io::Result<Ending> {
    let shared = &line.shared;
    loop {
        let mut seen = read(&mut reader).await?;
        seen.connection = line.number;
        if seen.method == "GET" {
            write
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")
                .await?;
            continue;
        }
        let steps = shared.steps(&seen);
        let request = shared.journal().begin(seen);
        let played = tokio::select! {
            biased;
            played = play(steps, &mut write) => played,
            () = gone(&mut reader) => Err(io::ErrorKind::ConnectionAborted.into()),
        };
        shared.journal().end(request, played.is_err());
        if let Some(ending) = played? {
            return Ok(ending);
        }
    }
}

async fn play(steps: Vec<Step>, write: &mut WriteHalf<'_>) -> io::Result<Option<Ending>> {
    for step in steps {
        match step {
            Step::Write(bytes) => write.write_all(&bytes).await?,
            Step::Wait(wait) => tokio::time::sleep(wait).await,
            Step::Repeat(bytes, gap) => loop {
                write.write_all(&bytes).await?;
                tokio::time::sleep(gap).await;
            },
            Step::Forever => std::future::pending().await,
            Step::Reset => return Ok(Some(Ending::Reset)),
            Step::Close => return Ok(Some(Ending::InOrder)),
        }
    }
    Ok(None)
}

/// Until the peer has closed its side, or everything.
async fn gone(reader: &mut BufReader<ReadHalf<'_>>) {
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

async fn read(reader: &mut BufReader<ReadHalf<'_>>) -> io::Result<Seen> {
    let request = line_of(reader).await?;
    let mut words = request.split(' ').map(str::to_owned);
    let (Some(method), Some(path), Some(_)) = (words.next(), words.next(), words.next()) else {
        return Err(io::Error::other(format!("no request: {request:?}")));
    };
    let mut seen = Seen { method, path, headers: Vec::new(), body: Vec::new(), length: 0, connection: 0, end: None };
    loop {
        let line = line_of(reader).await?;
        let Some((name, value)) = line.split_once(':') else { break };
        seen.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    if seen.header("transfer-encoding") == "chunked" {
        assert_eq!(seen.header("content-length"), "", "two framings: {}", seen.head());
        loop {
            let size = usize::from_str_radix(&line_of(reader).await?, 16).map_err(io::Error::other)?;
            let from = seen.body.len();
            seen.body.resize(from + size, 0);
            reader.read_exact(&mut seen.body[from..]).await?;
            line_of(reader).await?;
            if size == 0 {
                break;
            }
        }
    } else {
        seen.body.resize(seen.header("content-length").parse().unwrap_or(0), 0);
        reader.read_exact(&mut seen.body).await?;
    }
    Ok(seen)
}

async fn line_of(reader: &mut BufReader<ReadHalf<'_>>) -> io::Result<String> {
    let mut line = Vec::new();
    if reader.read_until(b'\n', &mut line).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}
