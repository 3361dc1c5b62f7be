//! A rollback says why: thirteen ways in which a canary fails, each of which is named by the log, `serin why` and the
//! API.
//!
//! One sidecar with a rollout for each: half of its users are on a canary that fails in one way, and stable answers in
//! its place.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::support::api::Api;
use crate::support::eventually::{SOON, eventually};
use crate::support::faults::fault::{Cut, Fault, Refusal};
use crate::support::harness::{Flags, Harness};
use crate::support::scripted::Scripted;
use crate::support::scripted::request::Seen;
use crate::support::scripted::step::Step;

/// From the first request to the last rollback.
const ALL: Duration = Duration::from_secs(120);
const PATIENT: &str = "timeouts: { headers: 10s, stream_headers: 10s, first_output: 10s }";
const IN_A_HURRY: &str = "timeouts: { headers: 400ms, stream_headers: 400ms, first_output: 400ms }";

/// Longer than the test.
const ENDLESS: &str = "timeouts: { headers: 10m, stream_headers: 10m, first_output: 10m }";

/// Users of each who ask at one time.
const AT_ONCE: usize = 3;
/// The same of the one that never answers: each asks on under its own name, so that those who are on stable go on
/// asking while the others wait. Of these names sixteen are on the canary.
const WAITING: usize = 24;
/// Between two requests of one of them. Some tens of requests a second are enough, and leave the machine to the others.
const PAUSE: Duration = Duration::from_millis(50);
const LONG_PAUSE: Duration = Duration::from_millis(250);

/// A canary that fails in one way.
struct Canary {
    name: &'static str,
    base_url: String,
    keys: String,
    /// What is said of it.
    says: &'static [&'static str],
    /// Who waits there for ever, where nobody is answered.
    holds: Option<Held>,
    _serves: Option<Scripted>,
}

/// Connections that are kept open and get no answer; `None`: none is kept any more.
#[derive(Clone)]
struct Held(Arc<Mutex<Option<Vec<TcpStream>>>>);

impl Held {
    fn keep(&self, stream: TcpStream) {
        if let Some(kept) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            kept.push(stream);
        }
    }

    /// Closes them all, and whatever comes.
    fn let_go(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Canary {
    fn at(name: &'static str, base_url: String, says: &'static [&'static str]) -> Canary {
        Canary { name, base_url, keys: PATIENT.to_owned(), says, holds: None, _serves: None }
    }

    /// Accepts requests and never answers.
    fn silent(name: &'static str, says: &'static [&'static str]) -> Canary {
        let (listener, held) =
            (TcpListener::bind("127.0.0.1:0").unwrap(), Held(Arc::new(Mutex::new(Some(Vec::new())))));
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let keeps = held.clone();
        std::thread::spawn(move || listener.incoming().flatten().for_each(|stream| keeps.keep(stream)));
        Canary { keys: ENDLESS.to_owned(), holds: Some(held), ..Canary::at(name, base_url, says) }
    }

    fn served(name: &'static str, serves: Scripted, says: &'static [&'static str]) -> Canary {
        let base_url = serves.base_url();
        Canary { _serves: Some(serves), ..Canary::at(name, base_url, says) }
    }

    fn with(name: &'static str, fault: Fault, says: &'static [&'static str]) -> Canary {
        Canary::served(name, Scripted::start("newcorp", move |_| fault.clone()), says)
    }

    /// Answers whatever it is asked with these bytes.
    fn saying(name: &'static str, answer: &'static str, says: &'static [&'static str]) -> Canary {
        let answers = move |_: &Seen| vec![Step::Write(answer.as_bytes().to_vec()), Step::Close];
        Canary::served(name, Scripted::start("newcorp", answers), says)
    }

    /// Shows a certificate that nobody should trust.
    fn showing(
        name: &'static str,
        authority: &CertifiedIssuer<'static, KeyPair>,
        params: CertificateParams,
        ca_file: &Path,
        says: &'static [&'static str],
    ) -> Canary {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateDer::from(params.signed_by(&key, authority).unwrap());
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
        // The other side breaks it off.
        let serves = Scripted::start_tls("newcorp", Arc::new(config), |_| Fault::Healthy);
        let keys = format!("{PATIENT}, tls: {{ ca_file: \"{}\" }}", ca_file.display());
        Canary { keys, ..Canary::served(name, serves, says) }
    }
}

fn canaries(dir: &Path) -> Vec<Canary> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let ca_file = dir.join("ca.pem");
    std::fs::write(&ca_file, authority.pem()).unwrap();
    let mut expired = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    expired.not_after = rcgen::date_time_ymd(2001, 1, 1);
    let elsewhere = CertificateParams::new(vec!["api.example".to_owned()]).unwrap();
    let page =
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 15\r\nconnection: close\r\n\r\n<!doctype html>";
    let moved =
        "HTTP/1.1 302 Found\r\nlocation: https://sso.example/in?k=v\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let broken = "HTTP/1.1 500 X\r\ncontent-type: application/json\r\nx-request-id: req_77\r\nconnection: close\r\n\
                  content-length: 66\r\n\r\n{\"error\":{\"message\":\"no\",\"type\":\"server_error\",\"code\":\"gpu_lost\"}}\n";
    vec![
        Canary::at("refused", "http://127.0.0.1:9/v1".to_owned(), &["cannot connect to 127.0.0.1:", "refused"]),
        Canary::at("dns", "http://nowhere.invalid/v1".to_owned(), &["cannot look up nowhere.invalid"]),
        Canary::showing(
            "expired",
            &authority,
            expired,
            &ca_file,
            &["TLS handshake with 127.0.0.1 failed: certificate has expired"],
        ),
        Canary::showing(
            "wrong-host",
            &authority,
            elsewhere,
            &ca_file,
            &["TLS handshake with 127.0.0.1 failed: certificate is for another name: ", "api.example"],
        ),
        Canary {
            keys: IN_A_HURRY.to_owned(),
            ..Canary::with("timeout", Fault::Silence, &["no response within 400ms"])
        },
        Canary::with("reset", Fault::ResetBeforeHeaders, &["the connection ended before a response"]),
        Canary::saying("broken", broken, &["status 500 (type server_error, code gpu_lost)", "request req_77"]),
        Canary::with(
            "throttled",
            Fault::Refuses(Refusal::Throttled { retry_after: None }),
            &["status 429 (type requests, code rate_limit_exceeded)"],
        ),
        Canary::with("error-event", Fault::ErrorAfterPreamble, &["an error in the response (type "]),
        Canary::with("truncated", Fault::CutAfterPreamble(Cut::Close), &["the response ended before its end"]),
        Canary::saying("page", page, &["text/html, `<!doctype html>`"]),
        Canary::saying("redirect", moved, &["redirects to sso.example"]),
        Canary::silent("silent", &["have had no output for"]),
    ]
}

/// Ends what users do when it is dropped, and what they wait for.
struct Stop<'a>(&'a [AtomicBool], &'a [Canary]);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.iter().for_each(|over| over.store(true, SeqCst));
        self.1.iter().filter_map(|canary| canary.holds.as_ref()).for_each(Held::let_go);
    }
}

/// One after another's requests, until it is over.
fn ask_on(stage: &Harness, canary: &Canary, over: &AtomicBool, thread: usize) {
    for number in (0..).take_while(|_| !over.load(SeqCst)) {
        let waits = canary.holds.is_some();
        let user = if waits { format!("user-{thread}") } else { format!("user-{thread}-{}", number % 50) };
        let body = Api::Chat.ask_at_length(canary.name, true, "hi", Some(&user));
        match stage.ask(Api::Chat.path(), &[], &body) {
            Ok(answer) => assert_eq!((answer.answer.status, answer.end.is_ok()), (200, true), "{}", canary.name),
            // Whoever has had enough asks again.
            Err(why) => assert!(waits, "{}: {why}", canary.name),
        }
        std::thread::park_timeout(if waits { LONG_PAUSE } else { PAUSE });
    }
}

/// What is told of the canary's commonest cause once stable has answered all of its requests: what it was, and how
/// many.
fn all_answered(status: &serde_json::Value, rollout: &str) -> Option<(String, u64)> {
    let rollout = status["rollouts"].as_array()?.iter().find(|known| known["name"] == rollout)?;
    let seen = rollout["seen"].as_array()?.iter().find(|seen| seen["arm"] == "canary")?;
    let (what, count) = (seen["what"].as_str()?, seen["count"].as_u64()?);
    let all = seen["answered"] == serde_json::json!({ "oldcorp": count }) && seen["users_failed"] == 0;
    all.then(|| (what.to_owned(), count))
}

/// How it is told who answered the requests of a decision's cause: at that time some may have been on their way to
/// stable.
fn answers_text(cause: &serde_json::Value) -> String {
    let (count, answered) = (cause["count"].as_u64().unwrap(), cause["answered"].as_object().unwrap());
    let by_stable = answered["oldcorp"].as_u64().unwrap();
    assert!(answered.len() == 1 && usize::try_from(count - by_stable).unwrap() <= AT_ONCE, "{cause}");
    if by_stable == count {
        "all answered by oldcorp".to_owned()
    } else {
        format!("answered by others: {by_stable} by oldcorp")
    }
}

#[test]
fn a_rollback_says_why_the_canary_failed() {
    let dir = tempfile::tempdir().unwrap();
    let (stable, canaries) = (Scripted::healthy("oldcorp"), canaries(dir.path()));
    assert_eq!(canaries.len(), 13);
    let mut flags = Flags::new().provider("oldcorp", &stable.base_url(), "");
    for Canary { name, base_url, keys, .. } in &canaries {
        flags = flags.provider(name, base_url, keys).plainly(&format!(
            "name: {name}, match: {{ model: {name} }}, stable: oldcorp, canary: {name}, percent: 50%, give_up_after: 10m, \
             fallback_4xx: false"
        ));
    }
    let stage = Harness::start(&flags);
    let over: Vec<AtomicBool> = canaries.iter().map(|_| AtomicBool::new(false)).collect();
    std::thread::scope(|scope| {
        // Also where the test fails: nobody goes on then.
        let _stop = Stop(&over, &canaries);
        for (canary, over) in canaries.iter().zip(&over) {
            for thread in 0..if canary.holds.is_some() { WAITING } else { AT_ONCE } {
                let stage = &stage;
                scope.spawn(move || ask_on(stage, canary, over, thread));
            }
        }
        let rolled_back = |history: &[serde_json::Value], name: &str| {
            history.iter().find(|event| event["rollout"] == name && event["action"] == "rollback").cloned()
        };
        let history = eventually("each of them was rolled back", ALL, || {
            let history = stage.history();
            for (canary, over) in canaries.iter().zip(&over) {
                over.fetch_or(rolled_back(&history, canary.name).is_some(), SeqCst);
            }
            over.iter().all(|over| over.load(SeqCst)).then_some(history)
        });
        let log = stage.workspace().log();
        for Canary { name, says, holds, .. } in &canaries {
            let event = rolled_back(&history, name).unwrap();
            let why = String::from_utf8(stage.workspace().run(&["why", name]).stdout).unwrap();
            let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
            let logged =
                log.lines().find(|line| line.contains("rollback: ") && line.contains(&format!("rollout=\"{name}\"")));
            let logged = logged.unwrap_or_else(|| panic!("{name} is not in the log:\n{log}"));
            for said in *says {
                assert!(event["reason"].as_str().unwrap().contains(said), "{name}: {event}");
                assert!(why.contains(said), "{name}: {why}");
                assert!(logged.contains(said), "{name}: {logged}");
            }
            if holds.is_some() {
                // Nothing had failed by then. Whoever waited was answered by stable afterwards.
                eventually("those who waited are told of", SOON, || {
                    let (what, count) = all_answered(&stage.status(), name)?;
                    (what == "no output before the guard found the provider down" && count >= 8).then_some(())
                });
                continue;
            }
            let cause = &event["causes"][0];
            assert!(cause["count"].as_u64().unwrap() >= 5 && cause["cause"] != serde_json::Value::Null, "{event}");
            let text = format!("{}; users who saw an error: 0", answers_text(cause));
            assert!(why.contains(&text), "{name}: not `{text}` in {why}");
            eventually("stable has answered them all", SOON, || {
                all_answered(&stage.status(), name).filter(|(_, count)| *count >= cause["count"].as_u64().unwrap())
            });
        }
    });
}
