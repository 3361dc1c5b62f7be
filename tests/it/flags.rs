//! Flags over OFREP beside real requests: a flag that follows a rollout agrees with it for every user at every moment.
//!
//! 10,000 users ask both on connections that stay open at three shares, 2,000 while the file changes under them, and 1,000
//! after a rollback. Where the share may have changed between two answers, the flag is asked before and after the request, and
//! only answers that agree with each other are compared.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::embedded::Two;
use crate::support::eventually::{SOON, eventually};
use crate::support::sidecar::{Sidecar, Workspace};

const USERS: usize = 10_000;
const WHILE_EDITED: usize = 2_000;
const AFTERWARDS: usize = 1_000;
const VALUES: &str = "flags:\n  new-prompt: { follows: chat }\n  \
                      prompt: { follows: chat, variants: { canary: v2, stable: v1 } }\n";

struct Both {
    proxy: Client,
    admin: Client,
}

impl Both {
    fn of(sidecar: &Sidecar) -> Both {
        Both { proxy: sidecar.client(), admin: Client::connect(sidecar.admin).unwrap() }
    }

    /// The arm that answers a request of this user.
    fn arm(&mut self, user: &str) -> String {
        let body = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
        let answer = self.proxy.ask("/v1/chat/completions", &[("x-user-id", user)], body).unwrap().answer;
        assert_eq!(answer.status, 200);
        answer.arm().to_owned()
    }

    /// The arm that the flags say, both of them.
    fn flagged(&mut self, user: &str) -> String {
        let body = json!({"context": {"targetingKey": user}}).to_string();
        let bulk: Value = self.admin.ask("/ofrep/v1/evaluate/flags", &[], &body).unwrap().answer.json();
        let (switch, text) = (&bulk["flags"][0], &bulk["flags"][1]);
        assert_eq!((&switch["key"], &text["key"]), (&json!("new-prompt"), &json!("prompt")));
        let canary = switch["value"].as_bool().unwrap();
        assert_eq!(text["value"], json!(if canary { "v2" } else { "v1" }), "one snapshot for both");
        if canary { "canary".to_owned() } else { "stable".to_owned() }
    }
}

/// How many of these users are on the canary; all agree with their flag.
fn agreeing(sidecar: &Sidecar, users: usize) -> usize {
    let mut both = Both::of(sidecar);
    let mut on_canary = |n: usize| {
        let user = format!("user-{n}");
        let (arm, flagged) = (both.arm(&user), both.flagged(&user));
        assert_eq!(arm, flagged, "{user}");
        arm == "canary"
    };
    (0..users).filter(|n| on_canary(*n)).count()
}

#[test]
fn a_flag_agrees_with_the_proxy_for_ten_thousand_users() {
    let providers = Two::start();
    let file = |percent: &str| {
        format!(
            "{}{VALUES}",
            providers.flags(&format!("percent: {percent}\nsalt: s\npin_users: [user-1]\nexclude: [user-2]"))
        )
    };
    let workspace = Workspace::new(&file("3.5%"));
    let sidecar = workspace.start();
    let few = agreeing(&sidecar, USERS);
    assert!((250..450).contains(&few), "{few} of {USERS} at 3.5%");

    // The share only rises here, so a flag that says the same before and after a request said so in between.
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for percent in 4..50 {
                if done.load(Ordering::Relaxed) {
                    return;
                }
                workspace.write(&file(&format!("{percent}%")));
                eventually("a reload", SOON, || (sidecar.percent() == f64::from(percent)).then_some(()));
            }
        });
        let mut both = Both::of(&sidecar);
        let mut compared = 0;
        for n in 0..WHILE_EDITED {
            let user = format!("user-{n}");
            let (before, arm, after) = (both.flagged(&user), both.arm(&user), both.flagged(&user));
            if before == after {
                compared += 1;
                assert_eq!(arm, before, "{user} during reloads");
            }
        }
        done.store(true, Ordering::Relaxed);
        assert!(compared > WHILE_EDITED * 8 / 10, "only {compared} compared");
    });
    workspace.write(&file("50%"));
    eventually("50%", SOON, || (sidecar.percent() == 50.0).then_some(()));
    let half = agreeing(&sidecar, USERS);
    assert!((4700..5300).contains(&half), "{half} of {USERS} at 50%");
    workspace.write(&file("100%"));
    eventually("100%", SOON, || (sidecar.percent() == 100.0).then_some(()));
    assert_eq!(agreeing(&sidecar, USERS), USERS - 1, "all but who is excluded");

    // The very next answer after a rollback has returned is stable's, for every user, pinned ones too.
    assert_eq!(sidecar.change("rollback").status, 200);
    assert_eq!(agreeing(&sidecar, AFTERWARDS), 0);
}
