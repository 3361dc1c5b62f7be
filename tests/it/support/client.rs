//! A plain HTTP/1.1 client over one connection: what is sent and what came back are bytes.
//!
//! Not hyper, so that nothing on the two sides of the sidecar is the same code as in it.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// One connection, kept open between requests.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

/// A whole answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// By lower-case name; the last one of a name.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn arm(&self) -> &str {
        self.header("x-serin-arm")
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// An answer that may have broken off.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) answer: Answer,
    /// How the body ended.
    pub(crate) end: io::Result<()>,
}

/// How a request body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length,
    /// In chunks of this size.
    Chunked(usize),
}

impl Client {
    pub(crate) fn connect(addr: SocketAddr) -> io::Result<Client> {
        Client::of(TcpStream::connect(addr)?)
    }

    /// From this address, which is one of this machine's.
    pub(crate) fn connect_from(from: IpAddr, addr: SocketAddr) -> io::Result<Client> {
        let socket = socket2::Socket::new(socket2::Domain::for_address(addr), socket2::Type::STREAM, None)?;
        socket.bind(&SocketAddr::new(from, 0).into())?;
        socket.connect(&addr.into())?;
        Client::of(socket.into())
    }

    fn of(stream: TcpStream) -> io::Result<Client> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Client { stream: BufReader::new(stream) })
    }

    pub(crate) fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.send("GET", path, &[], b"", Framing::Length)
    }

    pub(crate) fn post(&mut self, path: &str, headers: &[(&str, &str)], body: &str) -> io::Result<Answer> {
        let json = [&[("content-type", "application/json")], headers].concat();
        self.send("POST", path, &json, body.as_bytes(), Framing::Length)
    }

    /// A chat request of this user.
    pub(crate) fn chat(&mut self, user: &str) -> io::Result<Answer> {
        let body = serde_json::json!({ "model": "m", "user": user, "messages": [{ "role": "user", "content": "hi" }] });
        self.post("/v1/chat/completions", &[], &body.to_string())
    }

    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        framing: Framing,
    ) -> io::Result<Answer> {
        let host = self.stream.get_ref().peer_addr()?;
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        match framing {
            Framing::Length => head.push_str(&format!("content-length: {}\r\n\r\n", body.len())),
            Framing::Chunked(_) => head.push_str("transfer-encoding: chunked\r\n\r\n"),
        }
        let mut writer = self.stream.get_ref().try_clone()?;
        writer.write_all(head.as_bytes())?;
        // Written beside the reading, so that an echo of a large body cannot block both sides.
        std::thread::scope(|scope| {
            let sending = scope.spawn(move || match framing {
                Framing::Length => writer.write_all(body),
                Framing::Chunked(size) => {
                    for chunk in body.chunks(size.max(1)) {
                        writer.write_all(format!("{:x}\r\n", chunk.len()).as_bytes())?;
                        writer.write_all(chunk)?;
                        writer.write_all(b"\r\n")?;
                    }
                    writer.write_all(b"0\r\n\r\n")
                }
            });
            let answer = self.receive();
            sending.join().unwrap_or_else(|_| Err(io::Error::other("the sending thread panicked")))?;
            answer
        })
    }

    /// A JSON request whose answer may break off: what came of it, and how its body ended.
    pub(crate) fn ask(&mut self, path: &str, headers: &[(&str, &str)], body: &str) -> io::Result<Broken> {
        let host = self.stream.get_ref().peer_addr()?;
        let mut head = format!("POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        let writer = self.stream.get_mut();
        writer.write_all(head.as_bytes())?;
        writer.write_all(body.as_bytes())?;
        let mut answer = self.receive_head()?;
        let end = self.receive_body(&mut answer);
        Ok(Broken { answer, end })
    }

    fn receive(&mut self) -> io::Result<Answer> {
        let mut answer = self.receive_head()?;
        self.receive_body(&mut answer)?;
        Ok(answer)
    }

    /// As much of the body as comes; an error when it does not come to its end.
    fn receive_body(&mut self, answer: &mut Answer) -> io::Result<()> {
        if answer.header("transfer-encoding").eq_ignore_ascii_case("chunked") {
            while let Some(chunk) = self.receive_chunk()? {
                answer.body.extend(chunk);
            }
        } else if let Some(length) = answer.headers.get("content-length") {
            let length = length.parse().map_err(|_| broken("content-length"))?;
            self.stream.by_ref().take(length).read_to_end(&mut answer.body)?;
            if u64::try_from(answer.body.len()).is_ok_and(|came| came < length) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        } else {
            self.stream.read_to_end(&mut answer.body)?;
        }
        Ok(())
    }

    /// The head of the next answer, for those who read its body piece by piece.
    pub(crate) fn receive_head(&mut self) -> io::Result<Answer> {
        let status = self.line()?;
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(|| broken(&status))?;
        let mut answer = Answer { status, ..Answer::default() };
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(answer);
            }
            let (name, value) = line.split_once(':').ok_or_else(|| broken(&line))?;
            answer.headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
    }

    /// The next chunk of a chunked body; `None` after the last.
    pub(crate) fn receive_chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let size = self.line()?;
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default(), 16).map_err(|_| broken(&size))?;
        let mut chunk = vec![0; size];
        self.stream.read_exact(&mut chunk)?;
        let end = self.line()?;
        if end.is_empty() { Ok((size > 0).then_some(chunk)) } else { Err(broken(&end)) }
    }

    /// Bytes as they are, for requests that are none.
    pub(crate) fn raw(&mut self) -> &mut TcpStream {
        self.stream.get_mut()
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        if !line.ends_with(b"\r\n") {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.truncate(line.len() - 2);
        Ok(String::from_utf8_lossy(&line).into_owned())
    }
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("no HTTP: {what}"))
}
