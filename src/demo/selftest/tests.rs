//! A selftest as a whole: nothing is wrong with Serin, and a proxy that lies is found out by each of its lies.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use tokio::task::LocalSet;

use super::case::{self, Case, HEALTHY};
use super::fault::Fault;
use super::providers::Providers;
use super::run::{ask_all, run_below};
use super::*;
use crate::demo::provider::Endpoint;

fn look(report: &Report) {
    let short: Vec<_> = report.cases.iter().filter(|case| case.score < case.promised).collect();
    assert!(short.is_empty(), "{short:#?}");
    assert_eq!((report.not_run, &report.latency.wrong), (0, &Vec::new()));
    let of = |score| report.cases.iter().filter(|case| case.score == score).count();
    assert!(of(Score::Recovered) > 150 && of(Score::Honest) > 100, "{} {}", of(Score::Recovered), of(Score::Honest));
    assert!(report.latency.whole.is_some_and(|paired| paired.pairs > 0));
    assert!(report.latency.first.is_some_and(|paired| paired.pairs > 0));
}

#[test]
fn serin_keeps_its_promises_with_a_directory_and_without() {
    let dir = tempfile::tempdir().unwrap();
    look(&run_below(&[dir.path().to_owned()], |_| ()).unwrap());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "it leaves nothing behind");
    look(&run_below(&[PathBuf::from("/proc")], |_| ()).unwrap());
}

/// In the place of Serin: what it answers to a request, whole; `None`: nothing, ever.
type Lie = fn(request: &str, case: &Case, providers: SocketAddr) -> Option<Vec<u8>>;

fn liar(lie: Lie, case: Case, providers: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let request = read(&mut stream);
        match lie(&request, &case, providers) {
            Some(bytes) => stream.write_all(&bytes).unwrap(),
            None => drop(stream.read(&mut [0])),
        }
    });
    at
}

fn read(stream: &mut TcpStream) -> String {
    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
    while !request.ends_with(b"}") {
        let read = stream.read(&mut buffer).unwrap();
        request.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8(request).unwrap()
}

fn sized(status: u16, body: &[u8]) -> Option<Vec<u8>> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\nx-serin-provider: {HEALTHY}\r\ncontent-length: {length}\r\n\r\n");
    Some([head.as_bytes(), body].concat())
}

#[test]
fn a_proxy_that_lies_is_found_out() {
    let lies: [(&str, Form, Lie); 9] = [
        ("no whole answer", Form::Whole, |_, case, _| {
            let body = case.question().whole(HEALTHY);
            sized(200, &body[..body.len() / 2])
        }),
        ("no whole answer", Form::Stream, |_, case, _| {
            let events = case.question().events(HEALTHY);
            sized(200, events[..events.len() / 2].concat().as_bytes())
        }),
        ("no whole answer", Form::Stream, |_, case, _| {
            // A forged end.
            let events = case.question().events(HEALTHY);
            sized(200, (events[..events.len() / 2].concat() + "data: [DONE]\n\n").as_bytes())
        }),
        ("the answer to another request", Form::Whole, |_, case, _| {
            let body = String::from_utf8(case.question().whole(HEALTHY)).unwrap();
            sized(200, body.replace(&case.question, "question-another").as_bytes())
        }),
        ("no whole answer", Form::Whole, |_, case, _| {
            sized(200, case.endpoint.error("somebody", 500).to_string().as_bytes())
        }),
        ("status 404, which is no clear error", Form::Whole, |_, case, _| {
            sized(404, case.endpoint.error("somebody", 404).to_string().as_bytes())
        }),
        ("no response", Form::Whole, |_, _, _| Some(Vec::new())),
        ("no end after", Form::Whole, |_, _, _| None),
        ("the key of `client` was sent to `healthy`", Form::Whole, |request, case, providers| {
            // Passed on as it came, with whatever is in it.
            let mut provider = TcpStream::connect(providers).unwrap();
            provider.write_all(request.replacen("/v1", "/healthy/v1", 1).as_bytes()).unwrap();
            let mut head = [0; 12];
            provider.read_exact(&mut head).unwrap();
            sized(200, &case.question().whole(HEALTHY))
        }),
    ];
    let mut number = 0;
    let cases = case::cases(|| {
        number += 1;
        number
    });
    let fits = |case: &Case, form: Form| {
        case.fault == Fault::Refused && !case.alone && case.endpoint == Endpoint::Chat && case.form == form
    };
    let providers = Providers::start(cases.clone()).unwrap();
    let at = providers.addresses(["http://a/v1".to_owned(), "http://b/v1".to_owned()]).unwrap().serves;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (expected, form, lie) in lies {
        let case = cases.iter().find(|case| fits(case, form)).unwrap().clone();
        let liar = liar(lie, case.clone(), at);
        // Only the lie that waits has to wait for this.
        let patience = Duration::from_millis(if expected.starts_with("no end") { 300 } else { 30_000 });
        let asked = ask_all(liar, vec![case], &providers, patience, |_| ());
        let results = LocalSet::new().block_on(&runtime, asked);
        let result = results.into_iter().flatten().next().unwrap();
        assert!(result.score == Score::Wrong && result.seen.contains(expected), "{expected}: {result:?}");
    }
}
