//! What a rollout was, second by second, and what is pushed to those who look on: of a real sidecar, over its ends.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::support::embedded::Two;
use crate::support::eventually::{SOON, eventually};
use crate::support::sidecar::Sidecar;

fn series(sidecar: &Sidecar, query: &str) -> Value {
    let answer = sidecar.admin_get(&format!("/api/v1/rollouts/chat/series?{query}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// All requests of stable and of the canary.
fn requests(series: &Value) -> [u64; 2] {
    ["stable", "canary"].map(|arm| {
        let counts = series[arm]["requests"].as_array().unwrap();
        counts.iter().filter_map(Value::as_u64).sum()
    })
}

/// So many requests of different users, by the arm that they took.
fn ask(sidecar: &Sidecar, how_many: u64) -> [u64; 2] {
    let mut client = sidecar.client();
    let arms = (0..how_many).map(|user| client.chat(&format!("user-{user}")).unwrap().arm().to_owned());
    arms.fold([0, 0], |[stable, canary], arm| match arm.as_str() {
        "stable" => [stable + 1, canary],
        "canary" => [stable, canary + 1],
        _ => panic!("{arm}"),
    })
}

fn plus([a, b]: [u64; 2], [c, d]: [u64; 2]) -> [u64; 2] {
    [a + c, b + d]
}

fn shows(sidecar: &Sidecar, expected: [u64; 2]) {
    eventually(&format!("the series show {expected:?}"), SOON, || {
        let seen = requests(&series(sidecar, "step=1s"));
        assert!(seen[0] <= expected[0] && seen[1] <= expected[1], "{seen:?} are more than {expected:?}");
        (seen == expected).then_some(())
    });
}

type Columns = (Option<u64>, Option<f64>, Option<f64>, Option<f64>);

#[test]
fn every_request_is_in_the_series_once_over_an_end_in_order() {
    let providers = Two::start();
    let workspace = providers.workspace("percent: 50%");
    let mut sidecar = workspace.start();
    let asked = ask(&sidecar, 200);
    assert!(asked[0] > 0 && asked[1] > 0, "{asked:?}");
    shows(&sidecar, asked);
    let told = series(&sidecar, "step=1s");
    let columns = |series: &Value| -> Vec<Columns> {
        let at = |column: &Value, place: usize| column[place].as_f64();
        let count = series["at"].as_array().unwrap().len();
        let row = |place| {
            let (stable, percent) = (&series["stable"], at(&series["percent"], place));
            (
                stable["requests"][place].as_u64(),
                percent,
                at(&series["intent"], place),
                at(&stable["duration_p50_ms"], place),
            )
        };
        (0..count).map(row).collect()
    };
    let rows = columns(&told);
    assert_eq!(rows[0], (None, None, None, None), "nothing ran two hours ago, and that is no zero");
    for (requests, percent, intent, duration) in rows.iter().filter(|row| row.0.is_some()) {
        assert_eq!((percent, intent), (&Some(50.0), &Some(50.0)));
        assert_eq!(duration.is_some(), *requests > Some(0));
    }
    assert_eq!((&told["step_seconds"], &told["rollout"]), (&1.into(), &"chat".into()));

    sidecar.terminate();
    assert!(eventually("the sidecar ends", SOON, || sidecar.has_ended()));
    let sidecar = workspace.start();
    assert_eq!(requests(&series(&sidecar, "step=1s")), asked, "all of it was written");
    assert_eq!(requests(&series(&sidecar, "")), asked, "and its sums in steps of ten seconds");
    assert_eq!(requests(&series(&sidecar, "step=10m")), asked);
    shows(&sidecar, plus(asked, ask(&sidecar, 50)));
}

#[test]
fn a_kill_makes_no_jump() {
    let providers = Two::start();
    let workspace = providers.workspace("percent: 50%");
    let sidecar = workspace.start();
    let asked = ask(&sidecar, 100);
    shows(&sidecar, asked);
    sidecar.kill();
    let sidecar = workspace.start();
    let kept = requests(&series(&sidecar, "step=1s"));
    assert!(kept[0] <= asked[0] && kept[1] <= asked[1], "{kept:?} of {asked:?}");
    shows(&sidecar, plus(kept, ask(&sidecar, 100)));
}

#[test]
fn what_cannot_be_told_is_said() {
    let providers = Two::start();
    let workspace = providers.workspace("percent: 50%");
    let sidecar = workspace.start();
    for (path, status, says) in [
        ("chat/series?step=1m", 400, "`step=1m`: the step is 1s, 10s or 10m"),
        ("chat/series?from=soon", 400, "`from=soon` is no time"),
        ("other/series", 404, "there is no rollout named `other`; there are: chat"),
    ] {
        let answer = sidecar.admin_get(&format!("/api/v1/rollouts/{path}"));
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(answer.text().contains(says), "{}", answer.text());
    }
}

/// An event stream, read event by event; HTTP/1.0, so that nothing else is in its body.
struct Listener(BufReader<TcpStream>);

impl Listener {
    fn open(admin: SocketAddr) -> Listener {
        let mut stream = TcpStream::connect(admin).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(b"GET /api/v1/events HTTP/1.0\r\nhost: localhost\r\n\r\n").unwrap();
        Listener(BufReader::new(stream))
    }

    /// The next event of this name; `None`: the stream has ended.
    fn next(&mut self, name: &str) -> Option<Value> {
        let (mut is_it, mut line) = (false, String::new());
        loop {
            line.clear();
            if self.0.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            if let Some(event) = line.strip_prefix("event: ") {
                is_it = event.trim_end() == name;
            } else if let (true, Some(data)) = (is_it, line.strip_prefix("data: ")) {
                return Some(serde_json::from_str(data).unwrap());
            }
        }
    }
}

#[test]
fn a_rollback_is_pushed_and_the_end_of_the_process_ends_the_stream() {
    let providers = Two::start();
    let workspace = providers.workspace("percent: 100%");
    let mut sidecar = workspace.start();
    let mut listener = Listener::open(sidecar.admin);
    let first = listener.next("status").unwrap();
    assert_eq!(first["rollouts"][0]["percent"], 100.0);
    assert_eq!(sidecar.change("rollback").status, 200);
    let entry = listener.next("history").unwrap();
    assert_eq!(
        (&entry["action"], &entry["rollout"], &entry["reason"]),
        (&"rollback".into(), &"chat".into(), &"a test".into())
    );
    assert_eq!(&entry, sidecar.history().last().unwrap());
    let later = std::iter::from_fn(|| listener.next("status")).find(|status| status["rollouts"][0]["percent"] == 0.0);
    assert_eq!(later.unwrap()["rollouts"][0]["phase"], "locked");
    let events = &series(&sidecar, "")["events"];
    assert_eq!(events[0], entry, "the series have it too");

    sidecar.terminate();
    let last = std::iter::from_fn(|| listener.next("status")).last().unwrap();
    assert_eq!(last["process"]["draining"], true);
    assert!(eventually("the sidecar ends", SOON, || sidecar.has_ended()));
}

#[test]
fn hundreds_who_look_on_keep_nobody_from_a_rollback() {
    let providers = Two::start();
    let workspace = providers.workspace("percent: 100%");
    let sidecar = workspace.start();
    let mut listeners: Vec<Listener> = (0..256).map(|_| Listener::open(sidecar.admin)).collect();
    for listener in &mut listeners {
        listener.next("status").unwrap();
    }
    assert_eq!(sidecar.admin_get("/api/v1/events").status, 503);
    assert_eq!(sidecar.change("rollback").status, 200);
    assert!(sidecar.metrics().contains("serin_rollout_percent"));
    for listener in &mut listeners {
        let entry = listener.next("history").unwrap();
        assert_eq!(entry["action"], "rollback", "{entry}");
    }
}
