//! A sidecar that is asked to end lets nobody down who can still be served.

use std::time::Duration;

use serin::demo::provider::{Behaviour, Provider};

use crate::support::embedded::Two;
use crate::support::eventually::{SOON, eventually};
use crate::support::load::{Load, all_well};
use crate::support::sidecar::{Workspace, one};

#[test]
fn under_load_no_request_fails_until_the_load_is_gone() {
    let providers = Two::start();
    let flags = providers.flags("percent: 50%");
    let workspace = Workspace::new(&format!("workers: 3\ndrain: 60s\n{flags}"));
    let mut sidecar = workspace.start();
    let load = Load::start(sidecar.listen, 4, all_well);
    eventually("the load runs", SOON, || (load.answered() > 100).then_some(()));
    sidecar.terminate();
    // There is no second instance: everybody comes back to this one, and is served, and asked to close.
    eventually("answers ask to close", SOON, || {
        let answer = sidecar.client().chat("u").unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.header("connection").eq_ignore_ascii_case("close").then_some(())
    });
    let answered = load.answered();
    eventually("the load goes on", SOON, || (load.answered() > answered + 300).then_some(()));
    assert_eq!(sidecar.has_ended(), None);
    let (_, wrong) = load.stop();
    assert!(wrong.is_empty(), "{wrong:?}");
    let ended = eventually("it ends by itself", SOON, || sidecar.has_ended());
    assert!(ended, "{}", workspace.log());
}

#[test]
fn when_its_time_is_over_those_who_still_wait_are_told_so() {
    let slow = Behaviour { latency: serin::decide::units::Millis(600_000), ..Behaviour::default() };
    let old = Provider::start("oldcorp", slow).unwrap();
    let flags = format!("drain: 1s\n{}", one(&old.base_url()));
    let workspace = Workspace::new(&flags);
    let mut sidecar = workspace.start();
    let waiting: Vec<_> = (0..5)
        .map(|number| {
            let mut client = sidecar.client();
            std::thread::spawn(move || client.chat(&format!("u{number}")).unwrap())
        })
        .collect();
    let open = r#"serin_requests_in_flight{rollout="all",arm="stable",provider="oldcorp"} 5"#;
    eventually("all are in flight", SOON, || {
        let metrics = sidecar.metrics();
        metrics.lines().any(|line| line == open).then_some(())
    });
    sidecar.terminate();
    for client in waiting {
        let answer = client.join().unwrap();
        assert_eq!((answer.status, answer.header("x-serin-error")), (503, "stopping"), "{}", answer.text());
        assert_eq!(answer.header("connection"), "close");
        assert_eq!(answer.header("retry-after"), "1");
    }
    assert!(eventually("it has ended", Duration::from_secs(10), || sidecar.has_ended()), "{}", workspace.log());
}
