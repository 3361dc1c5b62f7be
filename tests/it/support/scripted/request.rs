//! A request as a provider saw it, byte for byte, and the reading of it.
//!
//! Understands as much of HTTP/1.1 as its peers write, and takes every header as it came. Reading is done here and
//! nowhere else on the providers' side.

use std::io;
use std::time::Instant;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

use crate::support::api::Api;

/// One request, and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    /// In their order, by lower-case name.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Of the body as it was received.
    pub(crate) length: usize,
    /// Which connection brought it; they are counted from 0.
    pub(crate) connection: usize,
    pub(crate) end: Option<End>,
}

/// How the provider's side of a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The provider did what it was told to.
    Played,
    /// Whoever asked closed the connection before that.
    Left(Instant),
}

impl Seen {
    /// The only header of this name; empty when there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut values = self.headers.iter().filter(|(header, _)| header == name).map(|(_, value)| value.as_str());
        let value = values.next().unwrap_or_default();
        assert_eq!(values.next(), None, "{name} came twice: {:?}", self.headers);
        value
    }

    /// The header of this name; of several the first.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// Whether it asks for no answer of a model: a probe, a tunnel, or HTTP/2.
    pub(crate) fn is_aside(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "CONNECT" | "PRI")
    }

    pub(crate) fn api(&self) -> Option<Api> {
        Api::of(&self.path)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn model(&self) -> String {
        // Nothing else is needed of a body that was not kept whole, and our requests tell their model early or late.
        let text = String::from_utf8_lossy(&self.body);
        let after = text.split_once(r#""model":""#).map(|(_, after)| after.to_owned());
        after.and_then(|after| Some(after.split_once('"')?.0.to_owned())).unwrap_or_default()
    }

    pub(crate) fn wants_a_stream(&self) -> bool {
        String::from_utf8_lossy(&self.body).contains(r#""stream":true"#)
    }

    /// Everything but the body, to look for what must not be there.
    pub(crate) fn head(&self) -> String {
        let headers: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        format!("{} {}\n{headers}", self.method, self.path)
    }
}

/// The next request, whole. Errors: the connection ended, or brought something else.
pub(super) async fn read(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Seen> {
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

async fn line_of(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<String> {
    let mut line = Vec::new();
    if reader.read_until(b'\n', &mut line).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}
