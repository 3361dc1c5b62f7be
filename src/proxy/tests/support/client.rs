//! Either end of a connection, on a blocking socket: what it says is bytes, what it hears are messages.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::PATIENCE;

/// A client's end of a connection, or a provider's.
pub(crate) struct Client<S = TcpStream> {
    pub(crate) stream: S,
    read: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Client {
        Client::of(TcpStream::connect(address).unwrap())
    }

    pub(crate) fn of(stream: TcpStream) -> Client {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client::over(stream)
    }
}

impl<S: Read + Write> Client<S> {
    pub(crate) fn over(stream: S) -> Client<S> {
        Client { stream, read: Vec::new() }
    }

    pub(crate) fn send(&mut self, text: impl AsRef<[u8]>) {
        self.stream.write_all(text.as_ref()).unwrap();
    }

    fn more(&mut self) -> usize {
        let mut piece = [0; 65536];
        match self.stream.read(&mut piece) {
            Ok(read) => {
                self.read.extend_from_slice(&piece[..read]);
                read
            }
            // Over TLS, an end that was not announced.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof) => 0,
            Err(error) => panic!("nothing came ({error}) after {:?}", String::from_utf8_lossy(&self.read)),
        }
    }

    /// Everything up to and including `end`.
    pub(crate) fn read_to(&mut self, end: &str) -> String {
        loop {
            let found = self.read.windows(end.len()).position(|window| window == end.as_bytes());
            if let Some(at) = found {
                let rest = self.read.split_off(at + end.len());
                return String::from_utf8(std::mem::replace(&mut self.read, rest)).unwrap();
            }
            assert!(self.more() > 0, "the connection ended before {end:?}: {:?}", String::from_utf8_lossy(&self.read));
        }
    }

    pub(crate) fn read_exact(&mut self, length: usize) -> Vec<u8> {
        while self.read.len() < length {
            assert!(self.more() > 0, "the connection ended after {} of {length} bytes", self.read.len());
        }
        let rest = self.read.split_off(length);
        std::mem::replace(&mut self.read, rest)
    }

    /// Everything until the connection ends.
    pub(crate) fn read_to_end(&mut self) -> Vec<u8> {
        while self.more() > 0 {}
        std::mem::take(&mut self.read)
    }

    /// A head, and its body by content-length or chunks.
    pub(crate) fn message(&mut self) -> Message {
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
    pub(crate) fn reply(&mut self) -> Reply {
        let message = self.message();
        let status = message.head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply { status, message }
    }
}

/// A request or an answer as it was on the wire.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: String,
}

impl Message {
    pub(crate) fn first_line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    /// The values of this name, in their order, joined with a bar.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let values = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let values: Vec<&str> =
            values.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect();
        (!values.is_empty()).then(|| values.join("|"))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) message: Message,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.message.header(name)
    }

    pub(crate) fn text(&self) -> &str {
        self.message.text()
    }
}
