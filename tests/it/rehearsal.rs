//! `rehearse` of a rollout: copies of stable's requests find what is wrong with a canary before its first user, who
//! notices nothing of it.

use std::time::Duration;

use serde_json::Value;
use serin::clock;

use crate::support::eventually::{SOON, eventually};
use crate::support::scripted::Scripted;
use crate::support::scripted::request::Seen;
use crate::support::scripted::step::{CHUNKED, LAST_CHUNK, Step, chunk, head, json};
use crate::support::sidecar::{Sidecar, Workspace, spoken};

const WELL: &str = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"well done"},"finish_reason":"stop"}],
    "usage":{"prompt_tokens":10,"completion_tokens":5}}"#;
const PATH: &str = "/v1/chat/completions";

fn well(_: &Seen) -> Vec<Step> {
    vec![Step::Write(json(200, WELL))]
}

fn refused(status: u16, error: &str) -> Vec<Step> {
    vec![Step::Write(json(status, &format!(r#"{{"error":{error}}}"#)))]
}

/// Probes are answered well, and requests so.
fn canary(answer: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static) -> Scripted {
    Scripted::start("new", move |seen| if seen.is_aside() { well(seen) } else { answer(seen) })
}

struct Stage {
    old: Scripted,
    new: Scripted,
    workspace: Workspace,
}

impl Stage {
    fn with(new: Scripted, provider: &str, rollout: &str) -> Stage {
        let stage = Stage { old: Scripted::start("old", well), new, workspace: Workspace::new("") };
        stage.write(provider, rollout);
        stage
    }

    fn write(&self, provider: &str, rollout: &str) {
        self.workspace.write(&format!(
            "providers:\n  old: {{ base_url: \"{}\", auth: none }}\n  \
             new: {{ base_url: \"{}\", api_keys: [sk-of-the-canary], {provider} }}\n\
             rollouts:\n  - {{ name: chat, stable: old, canary: new, percent: auto, ramp: {{ every: 1h }}, {rollout} }}\n",
            self.old.base_url(),
            self.new.base_url()
        ));
    }
}

const SHORT: &str = "rehearse: { requests: 5, per_minute: 600 }";

/// A request of this user, answered by stable.
fn ask(sidecar: &Sidecar, user: &str, body: &str) {
    let answer = sidecar.client().post(PATH, &[("x-user-id", user), ("authorization", "Bearer of-the-app")], body);
    let answer = answer.unwrap();
    assert_eq!((answer.status, answer.header("x-serin-provider")), (200, "old"), "{}", answer.text());
    assert!(answer.text().contains("well done"));
}

fn comparison(sidecar: &Sidecar) -> Value {
    let answer = sidecar.admin_get("/api/v1/rollouts/chat/comparison");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// Sends requests until the round has ended.
fn rehearse(sidecar: &Sidecar, body: &str) -> Value {
    let mut user = 0;
    eventually("the round has ended", SOON, || {
        user += 1;
        if comparison(sidecar)["rehearsal"].get("passed").is_none() && sidecar.percent() < 1.0 {
            ask(sidecar, &format!("user-{user}"), body);
        }
        let comparison = comparison(sidecar);
        comparison["rehearsal"].get("passed").is_some().then_some(comparison)
    })
}

const BODY: &str = r#"{"model":"gpt-4","logit_bias":{},"messages":[{"role":"user","content":"hi"}]}"#;

#[test]
fn each_defect_of_a_canary_is_found_with_what_to_write_and_no_user_meets_it() {
    type Answer = Box<dyn Fn(&Seen) -> Vec<Step> + Send + Sync>;
    let cases: Vec<(&str, Answer, &str, &str)> = vec![
        (
            "a wrong key",
            Box::new(|_| refused(401, r#"{"message":"Incorrect API key provided","code":"invalid_api_key"}"#)),
            "the key is not accepted (401)",
            "write a valid key to providers.new.api_keys",
        ),
        (
            "an unknown model",
            Box::new(|_| refused(404, r#"{"message":"The model `gpt-4` does not exist","code":"model_not_found"}"#)),
            "the model `gpt-4` is not known",
            "write providers.new.models: { gpt-4: ITS_NAME_THERE }",
        ),
        (
            "a refused parameter",
            Box::new(|_| refused(400, r#"{"message":"Unsupported parameter: 'logit_bias'","param":"logit_bias"}"#)),
            "`logit_bias` is refused",
            "write providers.new.drop_fields: [logit_bias]",
        ),
        (
            "a short context",
            Box::new(|_| refused(400, r#"{"message":"too long","code":"context_length_exceeded"}"#)),
            "a request is refused as too long",
            "only models whose context is as long on new",
        ),
        (
            "a malformed answer",
            Box::new(|_| vec![Step::Write(json(200, r#"{"status":"queued"}"#))]),
            "the response is malformed or empty",
            "",
        ),
        (
            "a slow answer",
            Box::new(|seen| [vec![Step::Wait(Duration::from_millis(400))], well(seen)].concat()),
            "(at most 5 times as long)",
            "",
        ),
    ];
    for (what, answer, sentence, advice) in cases {
        let stage = Stage::with(canary(answer), "timeouts: { first_output: 5s }", SHORT);
        let sidecar = stage.workspace.start();
        let found = rehearse(&sidecar, BODY);
        let rehearsal = &found["rehearsal"];
        assert_eq!((&rehearsal["passed"], &found["mode"]), (&false.into(), &"rehearsal_failed".into()), "{what}");
        let blocking = &rehearsal["blocking"][0];
        assert!(blocking["sentence"].as_str().unwrap().contains(sentence), "{what}: {blocking}");
        assert!(blocking["advice"].as_str().unwrap_or_default().contains(advice), "{what}: {blocking}");
        assert!(sidecar.percent() < 1e-9, "{what}: no user is moved");
        let waits = sidecar.chat()["waiting_for"].as_str().unwrap().to_owned();
        assert!(waits.contains("a rehearsal that passes: ") && waits.contains(sentence), "{what}: {waits}");
        let event = sidecar.history().into_iter().find(|event| event["action"] == "rehearsal_failed").unwrap();
        assert!(event["reason"].as_str().unwrap().contains(sentence), "{what}: {event}");
        for command in [["compare", "chat"].as_slice(), &["why"], &["status"]] {
            let shown = spoken(&stage.workspace.run(command));
            assert!(shown.contains(sentence), "{what}: {command:?}: {shown}");
        }
        // The guard and the metrics of requests know nothing of it.
        let metrics = sidecar.metrics();
        assert!(
            !metrics
                .contains("serin_attempts_total{rollout=\"chat\",arm=\"canary\",provider=\"new\",outcome=\"ok\"} 5")
        );
        let touched = metrics.lines().filter(|line| {
            line.starts_with("serin_attempts_total{") && line.contains("provider=\"new\"") && !line.ends_with(" 0")
        });
        assert_eq!(touched.count(), 0, "{what}");
        assert!(metrics.contains("serin_compare_rehearsal_passed{rollout=\"chat\"} 0"));
        assert!(metrics.contains("serin_key_state{provider=\"new\",key=\"1\"} 0"), "{what}: a copy judges no key");
        assert!(stage.new.count() >= 5 && stage.new.count() <= 9, "{what}: {} copies", stage.new.count());
    }
}

#[test]
fn a_canary_that_passes_gets_its_first_users_and_a_copy_is_what_an_attempt_would_be() {
    let stage = Stage::with(canary(well), "models: { gpt-4: other }, drop_fields: [logit_bias]", SHORT);
    let sidecar = stage.workspace.start();
    let waits = |part: &str| {
        eventually("what it waits for", SOON, || {
            sidecar.chat()["waiting_for"].as_str().unwrap().contains(part).then_some(())
        });
    };
    waits("traffic to rehearse with");
    let shown = rehearse(&sidecar, BODY);
    let counts = &shown["rehearsal"]["counts"];
    assert_eq!((&shown["rehearsal"]["passed"], &counts["funnel"]["compared"]), (&true.into(), &5.into()), "{shown}");
    assert_eq!(counts["aspects"]["finish"]["alike"], 5, "{counts}");
    eventually("the first users", SOON, || (sidecar.percent() >= 10.0).then_some(()));
    let actions: Vec<String> =
        sidecar.history().iter().map(|event| event["action"].as_str().unwrap().to_owned()).collect();
    let place = |action: &str| actions.iter().rposition(|known| known == action);
    assert!(place("rehearsed").is_some() && place("rehearsed") < place("start"), "{actions:?}");
    let copy = stage.new.requests().into_iter().next().unwrap();
    assert_eq!((&copy.json()["model"], copy.json().get("logit_bias")), (&"other".into(), None));
    assert_eq!(copy.header("authorization"), "Bearer sk-of-the-canary", "the client's key stays with stable");
    assert!(!copy.head().contains("x-serin") && !copy.head().contains("user-1"), "{}", copy.head());
}

#[test]
fn a_rehearsal_is_repeated_once_the_file_asks_the_canary_otherwise_and_a_human_overrides_it() {
    let picky = |seen: &Seen| match seen.json().get("logit_bias") {
        Some(_) => refused(400, r#"{"message":"Unsupported parameter: 'logit_bias'","param":"logit_bias"}"#),
        None => well(seen),
    };
    let stage = Stage::with(canary(picky), "", SHORT);
    let sidecar = stage.workspace.start();
    assert_eq!(rehearse(&sidecar, BODY)["rehearsal"]["passed"], false);
    let sent = stage.new.count();
    ask(&sidecar, "user-x", BODY);
    assert_eq!(comparison(&sidecar)["rehearsal"]["round"], 1, "the next round comes later");
    stage.write("drop_fields: [logit_bias]", SHORT);
    eventually("another round", SOON, || (comparison(&sidecar)["rehearsal"]["round"] == 2).then_some(()));
    assert_eq!(stage.new.count(), sent, "nothing was copied in between");
    assert_eq!(rehearse(&sidecar, BODY)["rehearsal"]["passed"], true);
    eventually("the first users", SOON, || (sidecar.percent() >= 10.0).then_some(()));

    let stage = Stage::with(canary(picky), "", "rehearse: { requests: 1000, per_minute: 600 }");
    let sidecar = stage.workspace.start();
    ask(&sidecar, "user-x", BODY);
    assert_eq!(sidecar.change("promote").status, 200);
    assert!(sidecar.percent() >= 10.0, "a human's promotion waits for no rehearsal");
}

#[test]
fn counts_outlive_a_restart_and_a_kill() {
    let stage = Stage::with(canary(well), "", "rehearse: { requests: 6, per_minute: 600 }");
    let mut sidecar = stage.workspace.start();
    let compared =
        |sidecar: &Sidecar| comparison(sidecar)["rehearsal"]["counts"]["funnel"]["compared"].as_u64().unwrap();
    let mut user = 0;
    let mut until = |sidecar: &Sidecar, least: u64| {
        eventually("copies are compared", SOON, || {
            user += 1;
            if compared(sidecar) < least {
                ask(sidecar, &format!("user-{user}"), BODY);
            }
            (compared(sidecar) >= least).then_some(())
        });
    };
    until(&sidecar, 2);
    sidecar.terminate();
    eventually("it ends", SOON, || sidecar.has_ended());
    let sidecar = stage.workspace.start();
    let kept = compared(&sidecar);
    assert!(kept >= 2, "{kept}");
    until(&sidecar, 6);
    eventually("the first users", SOON, || (sidecar.percent() >= 10.0).then_some(()));
    drop(sidecar);
    let sidecar = stage.workspace.start();
    assert_eq!((comparison(&sidecar)["rehearsal"]["passed"].clone(), sidecar.percent() >= 10.0), (true.into(), true));
}

#[test]
fn no_more_is_sent_than_a_minute_allows_and_nothing_once_it_is_taken_back() {
    let stage = Stage::with(canary(well), "", "rehearse: { requests: 50, per_minute: 3 }");
    let sidecar = stage.workspace.start();
    let began = clock::instant();
    for user in 0..60 {
        ask(&sidecar, &format!("user-{user}"), BODY);
    }
    let minutes = began.elapsed().as_secs() / 60 + 1;
    eventually("a copy is sent", SOON, || (stage.new.count() > 0).then_some(()));
    assert!(stage.new.count() as u64 <= 3 * minutes, "{} copies in {:?}", stage.new.count(), began.elapsed());
    let funnel = eventually("all are counted", SOON, || {
        let funnel = comparison(&sidecar)["rehearsal"]["counts"]["funnel"].clone();
        (funnel["seen"] == 60).then_some(funnel)
    });
    assert!(funnel["skipped"]["rate"].as_u64().unwrap() >= 57, "{funnel}");

    stage.write("", SHORT);
    assert_eq!(sidecar.change("rollback").status, 200);
    eventually("nothing is copied", SOON, || (comparison(&sidecar)["mode"] == "taken_back").then_some(()));
    let before = stage.new.count();
    for user in 0..20 {
        ask(&sidecar, &format!("user-{user}"), BODY);
    }
    assert_eq!((stage.new.count(), comparison(&sidecar)["mode"].clone()), (before, "taken_back".into()));
}

#[test]
fn an_event_that_only_opens_a_stream_is_no_output_of_either_arm() {
    let slowly = |seen: &Seen| {
        if seen.is_aside() {
            return well(seen);
        }
        let head = head(200, "content-type: text/event-stream\r\n") + CHUNKED + "\r\n";
        let opened = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n";
        let rest = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"well done\"}}]}\n\n\
                    data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
        vec![
            Step::Write([head.as_bytes(), &chunk(opened.as_bytes())].concat()),
            Step::Wait(Duration::from_millis(400)),
            Step::Write([&chunk(rest.as_bytes()), LAST_CHUNK].concat()),
        ]
    };
    let (old, new) = (Scripted::start("old", slowly), Scripted::start("new", slowly));
    let stage = Stage { old, new, workspace: Workspace::new("") };
    stage.write("", &format!("fallback: false, {SHORT}"));
    let sidecar = stage.workspace.start();
    let body = r#"{"model":"gpt-4","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
    let found = rehearse(&sidecar, body);
    assert_eq!(found["rehearsal"]["passed"], true, "{found}");
    let first = &found["rehearsal"]["counts"]["first_output_ms"];
    let is_late = |arm: &str| first[arm].as_u64().unwrap() >= 400;
    assert!(is_late("stable") && is_late("canary"), "{first}");
}
