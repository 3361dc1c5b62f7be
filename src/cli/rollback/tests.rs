//! Rollbacks, with a process that the test plays over its socket and its state directory.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;

use super::*;
use crate::cli::api_call::Transport;

fn args(rollout: Option<&str>) -> RollbackArgs {
    RollbackArgs {
        hard: false,
        rollout: rollout.map(str::to_owned),
        to: Percent::ZERO,
        reason: "errors".into(),
        dry_run: false,
        json: false,
        reach: LocateArgs::default(),
    }
}

#[test]
fn a_dry_run_asks_once_writes_no_lock_and_tells_what_it_was_told() {
    let process = Process::new();
    let would = "10% of users (buckets 0 to 999) go from b to a for new requests.";
    let asked = process.answers("200 OK", &json!({"would": would, "from": 10.0, "to": 0.0, "rollouts": []}));
    let dry = RollbackArgs { dry_run: true, ..args(Some("chat")) };
    let (path, body) = request(&dry);
    assert_eq!(dry_run::of_all(&[process.target()], &path, &body, false).unwrap(), Exit::Done);
    let asked = asked.join().unwrap();
    assert!(asked.starts_with("POST /api/v1/rollouts/chat/rollback "), "{asked}");
    assert!(asked.contains("\"dry_run\":true"), "{asked}");
    assert_eq!(offline::locks_in(&process.state()), []);
    let nothing = dry_run::at_rest(dry.to, &process.state(), "nothing is running here").unwrap_err();
    assert!(nothing.message.contains("a lock at 0% would be written to"), "{}", nothing.message);
}

struct Process {
    dir: tempfile::TempDir,
}

impl Process {
    fn new() -> Process {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("state")).unwrap();
        Process { dir }
    }

    fn state(&self) -> std::path::PathBuf {
        self.dir.path().join("state")
    }

    fn target(&self) -> AdminEndpoint {
        let vias = vec![Transport::Socket(self.state().join("admin.sock"))];
        AdminEndpoint { name: "pid 7".into(), vias, state: Some(self.state()) }
    }

    /// Answers one request over the socket, as the admin port would.
    fn answers(&self, status: &str, body: &serde_json::Value) -> std::thread::JoinHandle<String> {
        let listener = UnixListener::bind(self.state().join("admin.sock")).unwrap();
        let body = body.to_string();
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 4096];
            let mut length = 0;
            while !asked[..length].ends_with(b"}") {
                length += stream.read(&mut asked[length..]).unwrap();
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&asked[..length]).into_owned()
        })
    }

    /// Shows a revision and the share of `chat`.
    fn shows(&self, revision: u64, share: u16) {
        let unfinished = self.state().join("in-force.tmp");
        std::fs::write(&unfinished, json!({"revision": revision, "rollouts": {"chat": share}}).to_string()).unwrap();
        std::fs::rename(unfinished, self.state().join("in-force.json")).unwrap();
    }

    fn locks(&self) -> Vec<(Option<String>, Lock)> {
        offline::locks_in(&self.state())
    }
}

fn reply(durable: bool) -> serde_json::Value {
    json!({
        "rollouts": [{"name": "chat", "percent": 0.0}],
        "in_force": true,
        "durable": durable,
        "durability_error": if durable { None } else { Some("no space left on device") },
        "open_on_canary": 3,
        "websockets_on_canary": 2,
        "notes": [],
    })
}

#[test]
fn the_api_acknowledges_and_the_sentence_says_so() {
    let process = Process::new();
    let heard = process.answers("200 OK", &reply(true));
    let mut report = roll_back(&args(Some("chat")), &[process.target()], PATIENCE);
    let asked = heard.join().unwrap();
    assert!(asked.starts_with("POST /api/v1/rollouts/chat/rollback HTTP/1.1\r\n"), "{asked}");
    assert!(asked.ends_with(r#"{"reason":"errors","to":"0%"}"#), "{asked}");
    assert_eq!((report.exit(), report.durable), (Exit::Done, true));
    report.milliseconds = 8;
    assert_eq!(
        render(&report, &args(Some("chat")), Style::PLAIN),
        "in force in 1 of 1 processes, 8 ms\n\
         chat: 0% of users on the canary, locked until `serin resume chat`\n\
         3 earlier requests are still open on the canary, and finish there\n\
         2 of them WebSocket sessions, which may stay for long; `serin rollback --hard` closes them\n"
    );
}

#[test]
fn the_file_alone_does_it_when_the_socket_is_dead() {
    let process = Process::new();
    process.shows(4, 1000);
    // The played process obeys as soon as it sees the lock.
    let state = process.state();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while offline::locks_in(&state).is_empty() {
                std::thread::yield_now();
            }
            process.shows(5, 0);
        });
        let report = roll_back(&args(None), &[process.target()], PATIENCE);
        assert_eq!((report.exit(), report.confirmed), (Exit::Done, 1));
        assert_eq!(report.rollouts, [Changed { name: "chat".into(), percent: 0.0 }]);
    });
    let locks = process.locks();
    assert_eq!((locks.len(), locks[0].0.as_ref(), locks[0].1.reason.as_str()), (1, None, "errors"));
    assert_eq!(locks[0].1.actor, current_user());
}

#[test]
fn who_ends_requests_waits_for_the_api_and_a_lock_in_force_is_enough_else() {
    let shown = InForce { revision: 5, rollouts: [("chat".to_owned(), Percent::ZERO)].into() };
    let by_file = ProcessAnswers {
        has_state: true,
        written: Some(Ok(())),
        shown: Some(Some(shown)),
        ..ProcessAnswers::default()
    };
    assert!(by_file.confirmed());
    assert_eq!([false, true].map(|hard| by_file.settled(hard)), [true, false]);
    assert!(!by_file.complete());
    let reply = serde_json::from_value(reply(true)).unwrap();
    let both = ProcessAnswers { api: Some(Ok(reply)), ..by_file };
    assert!(both.settled(true) && both.complete());
}

#[test]
fn an_older_revision_is_no_acknowledgement() {
    let shown = |revision, share| InForce {
        revision,
        rollouts: [("chat".to_owned(), Percent::from_hundredths(share).unwrap())].into(),
    };
    assert!(is_lock_in_force(&shown(5, 0), 4, Some("chat"), Percent::ZERO));
    assert!(!is_lock_in_force(&shown(4, 0), 4, Some("chat"), Percent::ZERO));
    assert!(!is_lock_in_force(&shown(5, 1), 4, None, Percent::ZERO));
    assert!(!is_lock_in_force(&shown(5, 0), 4, Some("other"), Percent::ZERO));
}

#[test]
fn in_force_and_not_durable_is_done_with_a_warning() {
    let process = Process::new();
    let heard = process.answers("200 OK", &reply(false));
    // The state directory takes no files: its folder of locks is a file.
    std::fs::write(process.state().join("locks"), "").unwrap();
    let report = roll_back(&args(None), &[process.target()], PATIENCE);
    heard.join().unwrap();
    assert_eq!((report.exit(), report.durable), (Exit::Done, false));
    let text = render(&report, &args(None), Style::PLAIN);
    assert!(text.contains("warning: in force, but not durable\n"), "{text}");
    assert!(text.ends_with("note: it would be lost at a restart of pid 7: no space left on device\n"), "{text}");
}

#[test]
fn our_own_file_makes_it_durable_where_the_process_cannot() {
    let process = Process::new();
    let heard = process.answers("200 OK", &reply(false));
    let report = roll_back(&args(None), &[process.target()], PATIENCE);
    heard.join().unwrap();
    assert_eq!((report.exit(), report.durable), (Exit::Done, true));
}

#[test]
fn an_unknown_rollout_is_refused_and_leaves_no_lock() {
    let process = Process::new();
    let message = "there is no rollout named `chta`; there are: chat";
    let heard = process.answers("404 Not Found", &json!({"error": {"code": "unknown_rollout", "message": message}}));
    let report = roll_back(&args(Some("chta")), &[process.target()], PATIENCE);
    heard.join().unwrap();
    assert_eq!((report.exit(), report.errors), (Exit::Failed, vec![message.to_owned()]));
    assert_eq!(process.locks(), []);
}

#[test]
fn what_nobody_acknowledges_is_not_claimed() {
    let process = Process::new();
    let report = roll_back(&args(None), &[process.target()], Duration::from_millis(100));
    assert_eq!(report.exit(), Exit::NotConfirmed);
    let error = &report.errors[0];
    assert!(error.starts_with("not confirmed by pid 7: "), "{error}");
    assert!(error.contains("admin.sock is not reachable: "), "{error}");
    assert!(error.ends_with("; the lock is written and takes effect at its next check or start"), "{error}");
    assert!(render(&report, &args(None), Style::PLAIN).starts_with("in force in 0 of 1 processes, "));
}

#[test]
fn where_nothing_runs_the_next_start_is_locked() {
    let process = Process::new();
    let flags = process.dir.path().join("flags.yaml");
    let failure = at_rest(&args(None), &process.state(), &flags, "nothing is running here").unwrap_err();
    assert_eq!(failure.exit, Exit::Failed);
    let state = process.state();
    assert_eq!(
        failure.message,
        format!(
            "nothing is running here\na lock at 0% was written to {}, and the next start with this directory uses it",
            state.display()
        )
    );
    assert_eq!(process.locks().len(), 1);

    let blocked = process.dir.path().join("file");
    std::fs::write(&blocked, "").unwrap();
    let failure = at_rest(&args(None), &blocked.join("state"), &flags, "nothing is running here").unwrap_err();
    let start = "nothing is running here\nno lock can be written for the next start: ";
    assert!(failure.message.starts_with(start), "{failure}");
}

#[test]
fn a_name_is_one_segment_of_a_path() {
    assert_eq!(segment("chat-1.x_y"), "chat-1.x_y");
    assert_eq!(segment("a/b ü"), "a%2Fb%20%C3%BC");
}
