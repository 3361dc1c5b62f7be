//! A provider that is a process of its own, so that it can be killed as one.
//!
//! The process is this test binary once more, asked for one test that serves until its standard input ends: nobody has to
//! build it, and none outlives the tests. Threads and raw sockets, since several of them share two cores with what is
//! tested. How it behaves is told over its standard input, a line each time.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serin::clock;

/// The name of the provider that this process is to be.
const NAME: &str = "SERIN_TEST_PROVIDER";

/// How it behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manner {
    /// So many percent of its requests, drawn at random, get a 500.
    pub(super) fails: u32,
    /// From a request's last byte to the answer's first.
    pub(super) latency: Duration,
    /// What everybody gets instead of an answer.
    pub(super) instead: Instead,
    /// So many percent of its answers have no output, stop at a limit, and are filtered.
    pub(super) worse: [u32; 3],
    /// Between the outputs of a stream; none: it comes in one.
    pub(super) gap: Duration,
    /// The requests of users whose names begin so all get a 500.
    pub(super) ill: Option<String>,
}

/// What is neither an answer nor an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Instead {
    /// Nothing: all is well.
    Nothing,
    /// A web page.
    Page,
    /// A redirect.
    Redirect,
    /// `{}`.
    Object,
    /// One whole answer, where a stream was asked for.
    Whole,
}

impl Instead {
    const ALL: [Instead; 5] = [Instead::Nothing, Instead::Page, Instead::Redirect, Instead::Object, Instead::Whole];

    fn answer(self) -> Option<String> {
        let page = "<!doctype html><title>Welcome</title>";
        let length = page.len();
        match self {
            Instead::Nothing | Instead::Whole => None,
            Instead::Page => {
                Some(format!("HTTP/1.1 200 So\r\ncontent-type: text/html\r\ncontent-length: {length}\r\n\r\n{page}"))
            }
            Instead::Redirect => {
                Some("HTTP/1.1 302 So\r\nlocation: https://sso.example/login\r\ncontent-length: 0\r\n\r\n".to_owned())
            }
            Instead::Object => Some(sized(200, "{}")),
        }
    }
}

impl Manner {
    /// Answers everybody.
    pub(super) const WELL: Manner = Manner {
        fails: 0,
        latency: Duration::from_millis(30),
        instead: Instead::Nothing,
        worse: [0; 3],
        gap: Duration::ZERO,
        ill: None,
    };

    pub(super) const fn failing(percent: u32) -> Manner {
        Manner { fails: percent, ..Manner::WELL }
    }

    /// The text of its next answer, and why it ends.
    fn says(&self, name: &str) -> (String, &'static str) {
        let [empty, length, filtered] = self.worse;
        match fastrand::u32(..100) {
            drawn if drawn < empty => (String::new(), "stop"),
            drawn if drawn < empty + length => (format!("{name} says hel"), "length"),
            drawn if drawn < empty + length + filtered => (format!("{name} says"), "content_filter"),
            _ => (format!("{name} says hello"), "stop"),
        }
    }

    fn read(line: &str) -> Option<Manner> {
        let mut words = line.split_whitespace();
        let mut number = || words.next()?.parse::<u32>().ok();
        let (fails, latency) = (number()?, number()?);
        let instead = *Instead::ALL.get(usize::try_from(number()?).ok()?)?;
        let (worse, gap) = ([number()?, number()?, number()?], number()?);
        let [latency, gap] = [latency, gap].map(|millis| Duration::from_millis(millis.into()));
        Some(Manner { fails, latency, instead, worse, gap, ill: words.next().map(str::to_owned) })
    }
}

impl fmt::Display for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ill = self.ill.as_deref().unwrap_or_default();
        let ([empty, length, filtered], instead) = (self.worse, self.instead as usize);
        let (latency, gap) = (self.latency.as_millis(), self.gap.as_millis());
        write!(f, "{} {latency} {instead} {empty} {length} {filtered} {gap} {ill}", self.fails)
    }
}

/// A running provider; it ends when it is dropped.
pub(super) struct Provider {
    child: Child,
    told: ChildStdin,
    // What it says besides, after a minute that its test has not ended, must not meet a closed pipe.
    _says: BufReader<ChildStdout>,
    base_url: String,
}

impl Provider {
    pub(super) fn start(name: &str) -> Provider {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "guard::provider::a_process_that_serves", "--nocapture"]).env(NAME, name);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (told, out) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut says = BufReader::new(out);
        let base_url =
            says.by_ref().lines().map_while(Result::ok).find_map(|line| Some(line[line.find("http://")?..].to_owned()));
        let base_url = base_url.unwrap_or_else(|| panic!("the provider {name} does not run"));
        Provider { child, told, _says: says, base_url }
    }

    pub(super) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// From the next request on.
    pub(super) fn set(&mut self, manner: &Manner) {
        writeln!(self.told, "{manner}").unwrap();
    }

    /// As `kill -9` does.
    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_process_that_serves() {
    let Ok(name) = std::env::var(NAME) else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("http://{}/v1", listener.local_addr().unwrap());
    let manner = Arc::new(Mutex::new(Manner::WELL));
    let heard = Arc::clone(&manner);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (name, manner) = (name.clone(), Arc::clone(&manner));
            // A connection ends when its peer has had enough of it.
            std::thread::spawn(move || drop(serve(stream, &name, &manner)));
        }
    });
    for line in io::stdin().lines().map_while(Result::ok) {
        *heard.lock().unwrap_or_else(PoisonError::into_inner) = Manner::read(&line).unwrap();
    }
    // Whoever started it is gone.
    #[expect(
        clippy::disallowed_methods,
        reason = "the threads that serve have no other end, and nothing is left behind"
    )]
    std::process::exit(0);
}

fn serve(stream: TcpStream, name: &str, manner: &Mutex<Manner>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let (first, body) = read(&mut reader)?;
        if first.starts_with("GET") {
            writer.write_all(sized(200, "{\"object\":\"list\",\"data\":[]}").as_bytes())?;
            continue;
        }
        let manner = manner.lock().unwrap_or_else(PoisonError::into_inner).clone();
        wait(manner.latency);
        let ill = manner.ill.as_ref().is_some_and(|user| body.contains(&format!("\"user\":\"{user}")));
        let (text, finish) = manner.says(name);
        let answer = if ill || fastrand::u32(..100) < manner.fails {
            sized(500, r#"{"error":{"message":"out of order","type":"server_error","param":null,"code":null}}"#)
        } else if let Some(strange) = manner.instead.answer() {
            strange
        } else if manner.instead != Instead::Whole && body.contains("\"stream\":true") {
            if !manner.gap.is_zero() && !text.is_empty() {
                stream_slowly(&mut writer, &text, finish, manner.gap)?;
                continue;
            }
            let events: String = events(&text, finish, 1).concat();
            format!("{STREAM}{:x}\r\n{events}\r\n0\r\n\r\n", events.len())
        } else {
            sized(200, &completion(&text, finish))
        };
        writer.write_all(answer.as_bytes())?;
    }
}

/// The request line and the body of the next request.
fn read(reader: &mut BufReader<TcpStream>) -> io::Result<(String, String)> {
    let (first, mut length, mut chunked) = (line(reader)?, 0, false);
    loop {
        let header = line(reader)?.to_ascii_lowercase();
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
        chunked |= header.starts_with("transfer-encoding:") && header.ends_with("chunked");
        if header.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    while chunked {
        let size = usize::from_str_radix(&line(reader)?, 16).map_err(io::Error::other)?;
        let from = body.len();
        body.resize(from + size, 0);
        reader.read_exact(&mut body[from..])?;
        line(reader)?;
        chunked = size > 0;
    }
    Ok((first, String::from_utf8_lossy(&body).into_owned()))
}

fn line(reader: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

fn wait(length: Duration) {
    let began = clock::instant();
    while let Some(left) = length.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) {
        std::thread::park_timeout(left);
    }
}

fn sized(status: u16, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} So\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
}

fn completion(text: &str, finish: &str) -> String {
    format!(
        r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"m","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}"}},"finish_reason":"{finish}"}}],"usage":{{"prompt_tokens":1,"completion_tokens":3,"total_tokens":4}}}}"#
    )
}

const STREAM: &str = "HTTP/1.1 200 So\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// The events of a stream that says this so many times.
fn events(text: &str, finish: &str, times: usize) -> Vec<String> {
    let chunk = |delta: &str, finish: &str| {
        format!(
            r#"{{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{{"index":0,"delta":{delta},"finish_reason":{finish}}}]}}"#
        )
    };
    let words = format!(r#"{{"content":"{text}"}}"#);
    let words = (0..times).filter(|_| !text.is_empty()).map(|_| chunk(&words, "null"));
    let first = chunk(r#"{"role":"assistant","content":""}"#, "null");
    let last = [chunk("{}", &format!("\"{finish}\"")), "[DONE]".to_owned()];
    std::iter::once(first).chain(words).chain(last).map(|event| format!("data: {event}\n\n")).collect()
}

/// Twelve outputs, with this time between one and the next.
fn stream_slowly(writer: &mut TcpStream, text: &str, finish: &str, gap: Duration) -> io::Result<()> {
    writer.write_all(STREAM.as_bytes())?;
    for event in events(text, finish, 12) {
        writer.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes())?;
        if event.contains(text) {
            wait(gap);
        }
    }
    writer.write_all(b"0\r\n\r\n")
}
