//! A provider that is a process of its own, so that it can be killed as one.
//!
//! The process is this test binary once more, asked for one test that serves until its standard input ends: nobody has
//! to build it, and none outlives the tests. How it behaves is told over its standard input, a line each time.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::support::closed_port::ClosedPort;
use crate::support::scripted::Scripted;
use crate::support::scripted::request::Seen;
use crate::support::scripted::step::{CHUNKED, LAST_CHUNK, Script, Step, chunk, head, json, sized};

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

    fn answer(self) -> Option<Vec<u8>> {
        let strange = |status: u16, headers: &str, body: &str| Some(sized(&head(status, headers), body.as_bytes()));
        match self {
            Instead::Nothing | Instead::Whole => None,
            Instead::Page => strange(200, "content-type: text/html\r\n", "<!doctype html><title>Welcome</title>"),
            Instead::Redirect => strange(302, "location: https://sso.example/login\r\n", ""),
            Instead::Object => Some(json(200, "{}")),
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

    /// A stream that says this at once; or twelve times, with the gap after each.
    fn stream(&self, text: &str, finish: &str) -> Vec<Step> {
        let head = head(200, &format!("content-type: text/event-stream\r\n{CHUNKED}\r\n"));
        if self.gap.is_zero() || text.is_empty() {
            let events: String = events(text, finish, 1).concat();
            return vec![Step::Write([head.as_bytes(), &chunk(events.as_bytes()), LAST_CHUNK].concat())];
        }
        let mut steps = vec![Step::Write(head.into_bytes())];
        for event in events(text, finish, 12) {
            steps.push(Step::Write(chunk(event.as_bytes())));
            if event.contains(text) {
                steps.push(Step::Wait(self.gap));
            }
        }
        steps.push(Step::Write(LAST_CHUNK.to_vec()));
        steps
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
    stdin: ChildStdin,
    // What it says besides, after a minute that its test has not ended, must not meet a closed pipe.
    _says: BufReader<ChildStdout>,
    base_url: String,
    /// Once it was killed.
    port: Option<ClosedPort>,
}

impl Provider {
    pub(super) fn start(name: &str) -> Provider {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "guard::provider::a_process_that_serves", "--nocapture"]).env(NAME, name);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, out) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut says = BufReader::new(out);
        let base_url =
            says.by_ref().lines().map_while(Result::ok).find_map(|line| Some(line[line.find("http://")?..].to_owned()));
        let base_url = base_url.unwrap_or_else(|| panic!("the provider {name} does not run"));
        Provider { child, stdin, _says: says, base_url, port: None }
    }

    pub(super) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// From the next request on.
    pub(super) fn set(&mut self, manner: &Manner) {
        writeln!(self.stdin, "{manner}").unwrap();
    }

    /// As `kill -9` does.
    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let addr = self.base_url.trim_start_matches("http://").trim_end_matches("/v1");
        self.port = Some(ClosedPort::at(addr.parse().unwrap()));
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
    let provider = Scripted::start(&name, |_| Manner::WELL);
    // Hundreds of requests a second, for minutes.
    provider.forget();
    println!("{}", provider.base_url());
    for line in io::stdin().lines().map_while(Result::ok) {
        let manner = Manner::read(&line).unwrap();
        provider.choose(move |_| manner.clone());
    }
    // Whoever started it is gone.
    #[expect(
        clippy::disallowed_methods,
        reason = "the harness would go on with what it says of this test, and nobody listens"
    )]
    std::process::exit(0);
}

impl Script for Manner {
    fn steps(&self, seen: &Seen, name: &str) -> Vec<Step> {
        if seen.method == "GET" {
            return vec![Step::Write(json(200, r#"{"object":"list","data":[]}"#))];
        }
        let (text, finish) = self.says(name);
        let ill = self
            .ill
            .as_ref()
            .is_some_and(|user| String::from_utf8_lossy(&seen.body).contains(&format!("\"user\":\"{user}")));
        let mut steps = vec![Step::Wait(self.latency)];
        if ill || fastrand::u32(..100) < self.fails {
            let error = r#"{"error":{"message":"out of order","type":"server_error","param":null,"code":null}}"#;
            steps.push(Step::Write(json(500, error)));
        } else if let Some(strange) = self.instead.answer() {
            steps.push(Step::Write(strange));
        } else if self.instead != Instead::Whole && seen.wants_a_stream() {
            steps.extend(self.stream(&text, finish));
        } else {
            steps.push(Step::Write(json(200, &completion(&text, finish))));
        }
        steps
    }
}

fn completion(text: &str, finish: &str) -> String {
    format!(
        r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"m","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}"}},"finish_reason":"{finish}"}}],"usage":{{"prompt_tokens":1,"completion_tokens":3,"total_tokens":4}}}}"#
    )
}

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
