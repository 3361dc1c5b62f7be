//! The application's verdicts: a canary whose responses are called bad is held or rolled back, and each verdict is
//! charged to its request, once.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::embedded::Two;
use crate::support::eventually::{SOON, eventually};
use crate::support::harness::series;
use crate::support::sidecar::{Sidecar, Workspace};

/// Evidence gathers by the second.
const DECIDED: Duration = Duration::from_secs(90);

const RAMP: &str = "percent: auto\nramp: { start: 50%, hold_start: 1h, step: 25%, every: 1h }";

/// Asks as users who were never seen before, and gives verdicts.
struct Crowd {
    client: Client,
    users: u32,
}

/// The id of an answered request, and its arm.
type Given = (String, String);

impl Crowd {
    fn of(sidecar: &Sidecar) -> Crowd {
        Crowd { client: sidecar.client(), users: 0 }
    }

    fn ask(&mut self, count: u32) -> Vec<Given> {
        let mut ask = |_| {
            self.users += 1;
            let answer = self.client.chat(&format!("user-{}", self.users)).unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
            (answer.header("x-serin-request-id").to_owned(), answer.arm().to_owned())
        };
        (0..count).map(&mut ask).collect()
    }
}

fn verdicts(sidecar: &Sidecar, given: &[Given], good: impl Fn(&str) -> bool) -> Value {
    let list: Vec<Value> = given.iter().map(|(id, arm)| json!({"request_id": id, "good": good(arm)})).collect();
    feedback(sidecar, &json!(list))
}

fn feedback(sidecar: &Sidecar, body: &Value) -> Value {
    let answer = send(sidecar, &[], body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn send(sidecar: &Sidecar, headers: &[(&str, &str)], body: &Value) -> Answer {
    Client::connect(sidecar.admin).unwrap().post("/api/v1/feedback", headers, &body.to_string()).unwrap()
}

fn one(sidecar: &Sidecar, body: &Value) -> Value {
    feedback(sidecar, body)["results"][0].clone()
}

/// Verdicts by arm and word, as the metrics have them.
fn counted(sidecar: &Sidecar) -> BTreeMap<(String, String), u64> {
    let all = series(&sidecar.metrics(), "serin_feedback_total");
    all.into_iter().map(|(labels, count)| ((labels["arm"].clone(), labels["verdict"].clone()), count)).collect()
}

fn total(sidecar: &Sidecar) -> u64 {
    counted(sidecar).values().sum()
}

/// The canary's responses are bad and stable's are good until the guard has done something; what it did.
fn until_decided(sidecar: &Sidecar, crowd: &mut Crowd) -> Value {
    eventually("the guard acts on bad verdicts", DECIDED, || {
        let given = crowd.ask(40);
        let reply = verdicts(sidecar, &given, |arm| arm == "stable");
        assert_eq!((&reply["unknown"], &reply["duplicate"]), (&json!(0), &json!(0)), "{reply}");
        sidecar.history().into_iter().find(|event| event["actor"] == "guard")
    })
}

#[test]
fn a_canary_with_bad_verdicts_is_held_and_the_evidence_outlives_a_restart() {
    let providers = Two::start();
    let workspace = providers.workspace(&format!("{RAMP}\nguard: {{ feedback: {{}} }}"));
    let mut sidecar = workspace.start();
    eventually("the ramp begins", SOON, || (sidecar.percent() > 0.0).then_some(()));
    let mut crowd = Crowd::of(&sidecar);
    let before = crowd.ask(1);
    assert_eq!(before[0].0.len(), 32, "{before:?}");
    let held = until_decided(&sidecar, &mut crowd);
    assert_eq!((&held["action"], &held["numbers"]["rule"]), (&json!("hold"), &json!("feedback")), "{held}");
    assert_eq!((&held["to"], &held["numbers"]["counted"]), (&json!(50.0), &json!("bad verdicts")), "{held}");
    let reason = held["reason"].as_str().unwrap();
    assert!(reason.starts_with("feedback: 100% bad on the canary ("), "{reason}");
    assert!(reason.contains(", 0% on stable (0 of "), "{reason}");
    let chat = sidecar.chat();
    assert_eq!((&chat["phase"], &chat["percent"]), (&json!("paused"), &json!(50.0)), "nobody is moved");
    let evidence = chat["guard"]["feedback"]["evidence"].as_f64().unwrap();
    assert!(evidence >= chat["guard"]["bound"].as_f64().unwrap(), "{chat}");
    assert!(sidecar.metrics().contains("\nserin_guard_feedback_evidence{rollout=\"chat\"} "));
    let why = workspace.run(&["why", "chat"]);
    let why = String::from_utf8_lossy(&why.stdout).into_owned();
    assert!(why.contains("feedback: 100% bad on the canary, 0% on stable, evidence "), "{why}");
    eventually("metrics and status agree", SOON, || {
        let (canary, stable) = (sidecar.chat()["guard"]["verdicts"].clone(), counted(&sidecar));
        let of = |arm: &str, word: &str| stable[&(arm.to_owned(), word.to_owned())];
        let same = canary["canary"]["bad"] == of("canary", "bad") && canary["stable"]["good"] == of("stable", "good");
        (same && of("canary", "bad") > 10 && of("canary", "good") == 0).then_some(())
    });

    // What is decided stays, and who asks now is known by another key.
    sidecar.terminate();
    assert!(eventually("it ends", SOON, || sidecar.has_ended()), "{}", workspace.log());
    let sidecar = workspace.start();
    let chat = sidecar.chat();
    assert_eq!(chat["phase"], "paused", "{chat}");
    let kept = chat["guard"]["feedback"]["evidence"].as_f64().unwrap();
    assert!(kept > 1.0, "{kept} of {evidence}");
    let old = one(&sidecar, &json!({"request_id": before[0].0, "good": false}));
    assert_eq!(old["status"], "unknown", "{old}");
    assert!(old["reason"].as_str().unwrap().contains("before the last restart"), "{old}");
}

#[test]
fn a_canary_with_bad_verdicts_is_rolled_back_and_later_ones_are_late() {
    let providers = Two::start();
    let workspace = providers.workspace("percent: 50%\nguard: { feedback: { then: rollback } }");
    let sidecar = workspace.start();
    let mut crowd = Crowd::of(&sidecar);
    let before = crowd.ask(8);
    let event = until_decided(&sidecar, &mut crowd);
    assert_eq!((&event["action"], &event["to"]), (&json!("rollback"), &json!(0.0)), "{event}");
    assert!(event["reason"].as_str().unwrap().starts_with("feedback: "), "{event}");
    assert_eq!(sidecar.phase(), "rolled_back");
    let reply = verdicts(&sidecar, &before, |_| false);
    assert_eq!((&reply["late"], &reply["accepted"]), (&json!(8), &json!(0)), "{reply}");
    let given = crowd.ask(1);
    let after = verdicts(&sidecar, &given, |_| true)["results"][0].clone();
    assert_eq!(
        (&after["status"], &after["evidence"], &after["arm"]),
        (&json!("accepted"), &json!(false), &json!("stable"))
    );
}

#[test]
fn a_verdict_counts_once_and_for_its_own_request() {
    let providers = Two::start();
    let workspace =
        providers.workspace(&format!("{RAMP}\nguard: {{ feedback: {{}} }}\npin_users: {{ tester: canary }}"));
    let sidecar = workspace.start();
    eventually("the ramp begins", SOON, || (sidecar.percent() > 0.0).then_some(()));
    let mut crowd = Crowd::of(&sidecar);
    let given = crowd.ask(20);
    let first = verdicts(&sidecar, &given, |_| true);
    assert_eq!((&first["accepted"], first["results"].as_array().unwrap().len()), (&json!(20), 20), "{first}");
    for ((_, arm), result) in given.iter().zip(first["results"].as_array().unwrap()) {
        assert_eq!(
            (&result["arm"], &result["rollout"], &result["evidence"]),
            (&json!(arm), &json!("chat"), &json!(true))
        );
    }
    assert_eq!(verdicts(&sidecar, &given, |_| false)["duplicate"], 20);
    let unknown = |id: &str, why: &str| {
        let result = one(&sidecar, &json!({"request_id": id, "good": false}));
        let reason = result["reason"].as_str().unwrap_or_default();
        assert!(result["status"] == "unknown" && reason.contains(why), "{id}: {result}");
    };
    let id = &crowd.ask(1)[0].0;
    let flipped = if id.ends_with('0') { "1" } else { "0" };
    unknown(&format!("{}{flipped}", &id[..31]), "did not issue the id");
    unknown(&format!("{}{}", &given[0].0[..16], &id[16..]), "did not issue the id");
    unknown(&id[..16], "only ids of 32 digits");
    unknown("req_123", "not a request id");
    let other = one(&sidecar, &json!({"request_id": id, "rollout": "search", "good": false}));
    assert!(other["reason"].as_str().unwrap().contains("belongs to rollout `chat`"), "{other}");

    // A pinned user is no evidence; nor is a weight of nothing, nor a user who has just given a verdict.
    let of_user = |user: &str, weight: f64| one(&sidecar, &json!({"user": user, "good": false, "weight": weight}));
    let no_evidence = |result: Value, why: &str| {
        assert_eq!((&result["status"], &result["evidence"]), (&json!("accepted"), &json!(false)), "{result}");
        assert!(result["reason"].as_str().unwrap().contains(why), "{result}");
    };
    no_evidence(of_user("tester", 1.0), "no bucket chose the arm");
    no_evidence(of_user("somebody", 0.0), "its weight is 0");
    let somebody = of_user("somebody", 0.5);
    assert_eq!(
        (&somebody["evidence"], &somebody["arm"]),
        (&json!(true), &json!(sidecar.arm("somebody"))),
        "{somebody}"
    );
    no_evidence(of_user("somebody", 1.0), "has given a verdict recently");
    assert_eq!(of_user("anonymous", 1.0)["status"], "unknown");
    eventually("all are counted", SOON, || (total(&sidecar) == 24).then_some(()));

    // At another share a verdict on what was sent before counts in the metrics alone.
    let before = crowd.ask(3);
    assert_eq!(sidecar.change("promote").status, 200);
    assert_eq!(verdicts(&sidecar, &before, |_| false)["late"], 3);
    assert_eq!(verdicts(&sidecar, &before, |_| false)["duplicate"], 3);
    eventually("late ones are counted", SOON, || (total(&sidecar) == 27).then_some(()));
    let now = verdicts(&sidecar, &crowd.ask(1), |_| true);
    assert_eq!(now["results"][0]["evidence"], true, "{now}");
}

#[test]
fn one_user_with_many_verdicts_decides_nothing() {
    let providers = Two::start();
    let workspace = providers.workspace("percent: 100%\nguard: { feedback: { then: rollback } }");
    let sidecar = workspace.start();
    let list: Vec<Value> = (0..1000).map(|_| json!({"user": "one", "good": false})).collect();
    for round in 0..100 {
        let reply = feedback(&sidecar, &json!(list));
        let evidence = reply["results"].as_array().unwrap().iter().filter(|result| result["evidence"] == true).count();
        assert_eq!(evidence, usize::from(round == 0), "round {round}");
    }
    eventually("all are counted", SOON, || (total(&sidecar) == 100_000).then_some(()));
    assert_eq!((sidecar.percent(), sidecar.history().iter().any(|event| event["actor"] == "guard")), (100.0, false));
    let many = send(&sidecar, &[], &json!([list.clone(), list].concat()));
    assert_eq!(many.status, 400, "{}", many.text());
}

#[test]
fn without_the_key_ids_are_as_they_were_and_only_the_role_feedback_may_give_verdicts() {
    let providers = Two::start();
    let workspace = providers.workspace("percent: 50%");
    let tokens = "tokens: [{ name: app, token: 0123456789abcdef, may: [feedback] }, \
                  { name: eye, token: fedcba9876543210, may: [read, flags] }]";
    let text = std::fs::read_to_string(workspace.flags()).unwrap();
    std::fs::write(workspace.flags(), text.replace("127.0.0.1:0 }\nprov", &format!("127.0.0.1:0, {tokens} }}\nprov")))
        .unwrap();
    let sidecar = workspace.start();
    let given = Crowd::of(&sidecar).ask(1);
    assert_eq!(given[0].0.len(), 16, "{given:?}");
    let body = json!([{"request_id": given[0].0, "good": true}, {"user": "u", "good": true}]);
    let by = |token: &str| send(&sidecar, &[("authorization", &format!("Bearer {token}"))], &body);
    assert_eq!((by("fedcba9876543210").status, send(&sidecar, &[], &body).status), (403, 401));
    let reply = by("0123456789abcdef").json();
    assert_eq!((&reply["unknown"], &reply["accepted"]), (&json!(1), &json!(1)), "{reply}");
    let results = reply["results"].as_array().unwrap();
    assert!(
        results[0]["reason"].as_str().unwrap().contains("no rollout of flags.yaml has `guard.feedback`"),
        "{reply}"
    );
    assert!(results[1]["reason"].as_str().unwrap().contains("does not compare verdicts"), "{reply}");
    // An id of the time before the key says nothing, one of the time after it does.
    workspace.write(&format!("{}\n    guard: {{ feedback: {{}} }}\n", without_admin(&workspace).trim_end()));
    let mut crowd = Crowd::of(&sidecar);
    let sealed = eventually("the file is read", SOON, || Some(crowd.ask(1)).filter(|given| given[0].0.len() == 32));
    let reply = verdicts(&sidecar, &[given, sealed].concat(), |_| true);
    assert!(reply["results"][0]["reason"].as_str().unwrap().contains("only ids of 32 digits"), "{reply}");
    assert_eq!(reply["results"][1]["evidence"], true, "{reply}");
}

/// The part of the file that `Workspace::write` does not add itself.
fn without_admin(workspace: &Workspace) -> String {
    let text = std::fs::read_to_string(workspace.flags()).unwrap();
    text[text.find("providers:").unwrap()..].to_owned()
}
