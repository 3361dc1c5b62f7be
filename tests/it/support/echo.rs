//! A provider on raw sockets that sends back what it was sent, or what a test says, piece by piece.
//!
//! It frames its answers as the request asks (`x-echo: chunked`), repeats the request's content-encoding, and
//! understands no more of HTTP than that. A probe (GET) is answered at once.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

/// A running provider; it ends with the test process.
pub(crate) struct Echo {
    addr: SocketAddr,
    pieces: Sender<Option<Vec<u8>>>,
}

impl Echo {
    pub(crate) fn start() -> Echo {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (pieces, told) = channel();
        let told = Arc::new(Mutex::new(told));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let told = Arc::clone(&told);
                // A connection that breaks is the test's doing.
                std::thread::spawn(move || drop(serve(stream, &told)));
            }
        });
        Echo { addr, pieces }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.addr)
    }

    /// The next piece of a `x-echo: held` answer; `None` ends it.
    pub(crate) fn send(&self, piece: Option<&[u8]>) {
        self.pieces.send(piece.map(<[u8]>::to_vec)).unwrap();
    }
}

fn serve(stream: TcpStream, told: &Mutex<Receiver<Option<Vec<u8>>>>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let (mut length, mut chunked, mut echo, mut encoding) = (0, false, String::new(), String::new());
        let request = line(&mut reader)?;
        loop {
            let line = line(&mut reader)?;
            let Some((name, value)) = line.split_once(':') else { break };
            let value = value.trim().to_owned();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap_or(0),
                "transfer-encoding" => chunked = true,
                "x-echo" => echo = value,
                "content-encoding" => encoding = format!("content-encoding: {value}\r\n"),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        while chunked {
            let size = usize::from_str_radix(&line(&mut reader)?, 16).map_err(std::io::Error::other)?;
            let from = body.len();
            body.resize(from + size, 0);
            reader.read_exact(&mut body[from..])?;
            line(&mut reader)?;
            chunked = size > 0;
        }
        if request.starts_with("GET") {
            writer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")?;
            continue;
        }
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\n{encoding}");
        if echo.is_empty() {
            write!(writer, "{head}content-length: {}\r\n\r\n", body.len())?;
            writer.write_all(&body)?;
            continue;
        }
        write!(writer, "{head}transfer-encoding: chunked\r\n\r\n")?;
        if echo == "held" {
            while let Some(piece) = told.lock().ok().and_then(|told| told.recv().ok()).flatten() {
                chunk(&mut writer, &piece)?;
            }
        } else {
            for piece in body.chunks(10_007) {
                chunk(&mut writer, piece)?;
            }
        }
        writer.write_all(b"0\r\n\r\n")?;
    }
}

fn chunk(writer: &mut TcpStream, piece: &[u8]) -> std::io::Result<()> {
    writer.write_all(&[format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat())
}

fn line(reader: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}
