//! One request on a kept connection, and what came of it.

use std::io;
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::accounting;
use crate::message::{PROVIDER, find, header, number, whole};

/// How an event begins that says when it was made, and the digits of that, until the year 2286.
const MADE: &[u8] = b"{\"t\":";
const DIGITS: usize = 19;

/// A connection to a proxy or a provider.
pub struct Caller {
    stream: TcpStream,
    bytes: Vec<u8>,
}

/// A whole response.
pub struct Called {
    pub status: u64,
    /// The port of the provider that answered.
    pub provider: u64,
    /// From the request to the first event, or to the end of a whole answer.
    pub first: u64,
    /// How old each event was when it came, in nanoseconds.
    pub ages: Vec<u64>,
}

impl Caller {
    /// # Errors
    /// Nobody listens there.
    pub async fn connect(port: u16) -> io::Result<Caller> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Caller { stream, bytes: Vec::with_capacity(2048) })
    }

    /// Sends it and waits for the whole response. `since`: from when its time counts.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn call(&mut self, request: &[u8], since: Instant) -> io::Result<Called> {
        self.stream.write_all(request).await?;
        self.bytes.clear();
        let (mut first, mut ages, mut read_to) = (None, Vec::new(), 0);
        loop {
            self.receive().await?;
            let now = accounting::now();
            while let Some(made) = self.next_event(&mut read_to) {
                first.get_or_insert_with(|| since.elapsed());
                ages.push(now.saturating_sub(made));
            }
            if let Some((head, _)) = whole(&self.bytes) {
                let first = first.unwrap_or_else(|| since.elapsed());
                let head = &self.bytes[..head];
                return Ok(Called {
                    status: head.get(9..).map_or(0, number),
                    provider: header(head, PROVIDER).map_or(0, number),
                    first: u64::try_from(first.as_nanos()).unwrap_or(u64::MAX),
                    ages,
                });
            }
        }
    }

    /// Sends it and waits until one event, or the whole answer, is here.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn begin(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.write_all(request).await?;
        self.bytes.clear();
        while find(&self.bytes, MADE).is_none() && whole(&self.bytes).is_none() {
            self.receive().await?;
        }
        self.bytes = Vec::new();
        Ok(())
    }

    async fn receive(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.bytes).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// When the next event was made, if all of that is here.
    fn next_event(&self, read_to: &mut usize) -> Option<u64> {
        let rest = self.bytes.get(*read_to..)?;
        let digits = find(rest, MADE)? + MADE.len();
        let made = number(rest.get(digits..digits + DIGITS)?);
        *read_to += digits + DIGITS;
        Some(made)
    }
}
