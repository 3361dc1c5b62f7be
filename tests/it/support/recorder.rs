//! A provider on raw sockets that writes down what it is asked, and answers, falls silent or waits as it is told.
//!
//! It also stands in for an egress proxy: CONNECT is answered 200, and what follows is served here.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::eventually::{SOON, eventually};

/// An answer in every API.
const ANSWER: &str = r#"{"object":"response","status":"completed","output":[{"type":"message","content":[{"type":
"output_text","text":"Hi"}]}],"type":"message","content":[{"type":"text","text":"Hi"}],"choices":[{"index":0,"message":
{"role":"assistant","content":"Hi"},"text":"Hi","finish_reason":"stop"}]}"#;

/// How it answers what is no GET.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// At once.
    Answers,
    /// With this status and nothing else, GETs too.
    Refuses(u16),
    /// Never.
    Silent,
    /// With a head, and nothing behind it.
    StopsAtHead,
    /// With a head and a first piece of the body.
    StopsInBody,
    /// Once so many requests wait.
    Together(usize),
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Which connection it came on.
    pub(crate) connection: usize,
}

impl Asked {
    /// The header of this name; of several the first.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

#[derive(Default)]
struct Shared {
    asked: Mutex<(Vec<Asked>, usize)>,
    more: Condvar,
}

/// A running provider; it ends with the test process.
pub(crate) struct Recorder {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

impl Recorder {
    pub(crate) fn start(manner: Manner) -> Recorder {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().flatten().enumerate() {
                let shared = Arc::clone(&theirs);
                // A connection that breaks is the sidecar's doing, and often what a test asks for.
                std::thread::spawn(move || drop(serve(stream, number, manner, &shared)));
            }
        });
        Recorder { addr, shared }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.addr)
    }

    /// Everything it was asked, in order.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().0.clone()
    }

    /// The last request that was no probe.
    pub(crate) fn last(&self) -> Asked {
        self.asked().into_iter().rfind(|asked| asked.method != "GET").expect("it was asked")
    }

    /// Waits for a request with this method.
    pub(crate) fn expect(&self, method: &str) -> Asked {
        eventually(&format!("a {method} arrives"), SOON, || {
            self.asked().into_iter().find(|asked| asked.method == method)
        })
    }
}

fn serve(stream: TcpStream, connection: usize, manner: Manner, shared: &Shared) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let first = line(&mut reader)?;
        let mut words = first.split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut asked = Asked { method, target, headers: Vec::new(), body: Vec::new(), connection };
        while let Some((name, value)) = line(&mut reader)?.split_once(':') {
            asked.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let length = asked.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        asked.body.resize(length, 0);
        reader.read_exact(&mut asked.body)?;
        let mut chunked = asked.header("transfer-encoding").is_some();
        while chunked {
            let size = usize::from_str_radix(&line(&mut reader)?, 16).map_err(std::io::Error::other)?;
            let from = asked.body.len();
            asked.body.resize(from + size, 0);
            reader.read_exact(&mut asked.body[from..])?;
            line(&mut reader)?;
            chunked = size > 0;
        }
        let method = asked.method.clone();
        let mut seen = shared.asked.lock().unwrap();
        seen.0.push(asked);
        let probe = method == "GET";
        match manner {
            _ if method == "CONNECT" => {
                drop(seen);
                writer.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
                continue;
            }
            _ if method == "PRI" => return Ok(()),
            Manner::Refuses(status) => {
                drop(seen);
                write!(writer, "HTTP/1.1 {status} No\r\ncontent-length: 2\r\n\r\n{{}}")?;
                continue;
            }
            _ if probe => drop(seen),
            Manner::Answers => drop(seen),
            Manner::Together(all) => {
                seen.1 += 1;
                shared.more.notify_all();
                let waited = shared.more.wait_timeout_while(seen, SOON, |seen| seen.1 < all);
                if waited.unwrap().1.timed_out() {
                    return Ok(());
                }
            }
            Manner::Silent => {
                drop(seen);
                return until_closed(&mut reader);
            }
            Manner::StopsAtHead | Manner::StopsInBody => {
                drop(seen);
                writer.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
                if manner == Manner::StopsInBody {
                    writer.write_all(b"5\r\nhello\r\n")?;
                }
                return until_closed(&mut reader);
            }
        }
        let length = ANSWER.len();
        write!(
            writer,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{ANSWER}"
        )?;
    }
}

fn until_closed(reader: &mut BufReader<TcpStream>) -> std::io::Result<()> {
    reader.get_ref().set_read_timeout(Some(Duration::from_secs(60)))?;
    reader.read_to_end(&mut Vec::new()).map(drop)
}

fn line(reader: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}
