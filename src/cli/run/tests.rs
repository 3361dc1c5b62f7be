//! What `serin run` says at its start.

use super::*;
use crate::decide::file_error::FileError;
use crate::state::status::{FlagsStatus, StoreStatus};

fn status() -> Status {
    let plain = RolloutStatus { canary: None, ..RolloutStatus::sample() };
    Status {
        kept_state: Vec::new(),
        state_ids_lost: [0; 2],
        flags: FlagsStatus { path: "/etc/serin/flags.yaml".into(), ..FlagsStatus::default() },
        store: StoreStatus { dir: "/var/lib/serin".into(), ..StoreStatus::default() },
        rollouts: vec![RolloutStatus::sample(), plain],
        providers: Vec::new(),
        series: Vec::new(),
        samples_lost: 0,
        access_log: (0, [0; 3]),
        notify: Vec::new(),
        spans: [0; 4],
        client_limits: Vec::new(),
        ambiguous_closes: [0; 4],
        tls: None,
        draining: false,
    }
}

fn place() -> ListenAddresses {
    ListenAddresses {
        listen: "127.0.0.1:7171".into(),
        listen_tls: None,
        admin: "127.0.0.1:7172".into(),
        probe: Some("0.0.0.0:7173".into()),
        state: "/var/lib/serin".into(),
    }
}

#[test]
fn the_start_says_where_and_what() {
    let text = render(&place(), &[], &status());
    let (first, rest) = text.split_once('\n').unwrap();
    assert_eq!(first, format!("serin {}, pid {}", env!("CARGO_PKG_VERSION"), std::process::id()));
    assert_eq!(
        rest,
        "  listen   http://127.0.0.1:7171 (the application's base URL, with the path that providers expect, such as /v1)\n  \
           admin    http://127.0.0.1:7172\n  \
           probe    http://0.0.0.0:7173\n  \
           flags    /etc/serin/flags.yaml\n  \
           state    /var/lib/serin\n  \
           rollout  chat: openai -> holysheep, 10% of users on the canary: stage 1 of 7 of the ramp\n  \
           rollout  chat: openai\n"
    );
}

#[test]
fn what_is_wrong_at_the_start_is_said_once() {
    let mut status = status();
    status.flags.from_last_good = true;
    status.flags.errors = vec![FileError {
        line: Some(3),
        column: Some(1),
        problem: "unknown key".into(),
        remedy: "remove it".into(),
        ..FileError::default()
    }];
    status.store.error = Some("read-only file system".into());
    let note = "state in /var/lib/serin cannot be written: read-only file system".to_owned();
    let text = render(&place(), &[note, "admin.sock cannot be made".into()], &status);
    assert!(text.contains("flags    /etc/serin/flags.yaml (broken: the last good copy is in force)\n"), "{text}");
    assert!(
        text.ends_with(
            "  warning  line 3, column 1: unknown key   fix: remove it\n  \
           warning  state in /var/lib/serin cannot be written: read-only file system\n  \
           warning  admin.sock cannot be made\n"
        ),
        "{text}"
    );
}

#[test]
fn a_file_that_is_not_accepted_is_wrong_usage() {
    let failure = failure(StartError::Flags { text: "flags.yaml: 1 error".into() });
    assert_eq!((failure.exit, failure.message.as_str()), (Exit::Usage, "flags.yaml: 1 error"));
    let error = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    let address = "127.0.0.1:80".parse().unwrap();
    let failure = super::failure(StartError::Bind { key: "listen", address, pid: None, error });
    assert_eq!(
        (failure.exit, failure.message.as_str()),
        (Exit::Failed, "listen: 127.0.0.1:80 may not be bound by this user: choose a port above 1023 in flags.yaml")
    );
}
