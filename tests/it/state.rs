//! Responses, conversations and files stay with the provider that made them: over 10%, 50% and 0%, over a kill in
//! between, and with two sidecars that share nothing. No client is ever told that something is not found.

use serde_json::json;

use crate::support::embedded::Two;
use crate::support::eventually::{SOON, eventually};
use crate::support::sidecar::{Sidecar, Workspace, spoken};

/// A conversation of one user: the id that it goes on from, and who served its last turn.
struct Conversation {
    user: String,
    last: String,
    provider: String,
}

fn turn(sidecar: &Sidecar, user: &str, previous: Option<&str>, stream: bool) -> Conversation {
    let mut body = json!({ "model": "m", "input": "go on", "user": user, "stream": stream });
    if let Some(previous) = previous {
        body["previous_response_id"] = previous.into();
    }
    let mut client = sidecar.client();
    let answer = client.post("/v1/responses", &[], &body.to_string()).unwrap();
    assert_eq!(answer.status, 200, "{user} goes on from {previous:?}: {}", answer.text());
    let text = answer.text();
    let id = text[text.find("resp_").unwrap()..].split('"').next().unwrap().to_owned();
    Conversation { user: user.to_owned(), last: id, provider: answer.header("x-serin-provider").to_owned() }
}

fn go_on(sidecar: &Sidecar, conversations: &mut [Conversation], stream: bool) {
    for conversation in conversations {
        let next = turn(sidecar, &conversation.user, Some(&conversation.last), stream);
        assert_eq!(next.provider, conversation.provider, "{} stays where it began", conversation.user);
        let mut client = sidecar.client();
        let answer = client.get(&format!("/v1/responses/{}", next.last)).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        conversation.last = next.last;
    }
}

fn begin(sidecar: &Sidecar, from: usize, to: usize) -> Vec<Conversation> {
    (from..to).map(|number| turn(sidecar, &format!("user-{number}"), None, number % 2 == 0)).collect()
}

fn on_canary(conversations: &[Conversation]) -> usize {
    conversations.iter().filter(|conversation| conversation.provider != "oldcorp").count()
}

fn set(providers: &Two, workspaces: [&Workspace; 2], sidecars: [&Sidecar; 2], percent: u8) {
    for (workspace, sidecar) in workspaces.into_iter().zip(sidecars) {
        workspace.write(&providers.flags(&format!("percent: {percent}%")));
        eventually("the share is in force", SOON, || (sidecar.percent() == f64::from(percent)).then_some(()));
    }
}

/// How many ids the canary keeps, as the status has it.
fn kept(sidecar: &Sidecar) -> u64 {
    let status = sidecar.status();
    let kept = status["kept_state"].as_array().cloned().unwrap_or_default();
    kept.iter().filter(|kept| kept["provider"] == "newcorp").filter_map(|kept| kept["ids"].as_u64()).sum()
}

#[test]
fn nobody_is_told_that_a_response_is_not_found() {
    let providers = Two::start();
    let [one, other] = [providers.workspace("percent: 10%"), providers.workspace("percent: 10%")];
    let (first, second) = (one.start(), other.start());
    let mut conversations = begin(&first, 0, 60);
    assert!((1..30).contains(&on_canary(&conversations)));
    go_on(&first, &mut conversations, false);
    go_on(&second, &mut conversations, true);
    set(&providers, [&one, &other], [&first, &second], 50);
    conversations.extend(begin(&second, 60, 100));
    let on_canary = on_canary(&conversations);
    assert!(on_canary > 10, "{on_canary}");
    go_on(&first, &mut conversations, true);
    // What was learned in the last second may not be written: it is found again.
    first.kill();
    let first = one.start();
    eventually("what was written is known again", SOON, || (kept(&first) > 0).then_some(()));
    go_on(&first, &mut conversations, false);
    set(&providers, [&one, &other], [&first, &second], 0);
    for sidecar in [&first, &second] {
        go_on(sidecar, &mut conversations, false);
        go_on(sidecar, &mut conversations, true);
    }
    assert!(turn(&first, "user-0", None, false).provider == "oldcorp", "what begins now begins at stable");
}

#[test]
fn a_process_that_ends_in_order_forgets_nothing() {
    let providers = Two::start();
    let workspace = providers.workspace("percent: 100%");
    let mut sidecar = workspace.start();
    let conversations = begin(&sidecar, 0, 700);
    let before = eventually("the status has them", SOON, || Some(kept(&sidecar)).filter(|ids| *ids >= 1400));
    sidecar.terminate();
    eventually("it has ended", SOON, || sidecar.has_ended());
    let sidecar = workspace.start();
    assert_eq!(kept(&sidecar), before);
    let asked = || providers.old.requests().requests;
    let until_now = asked();
    let mut some: Vec<Conversation> = conversations.into_iter().step_by(50).collect();
    go_on(&sidecar, &mut some, false);
    assert_eq!(asked(), until_now, "stable was never asked for them");
}

#[test]
fn a_rollback_says_what_stays_and_a_hard_one_moves_it() {
    let providers = Two::start();
    let workspace = providers.workspace("percent: 100%");
    let sidecar = workspace.start();
    let mut conversations = begin(&sidecar, 0, 3);
    eventually("the status has them", SOON, || (kept(&sidecar) == 6).then_some(()));
    let said = spoken(&workspace.run(&["rollback", "chat"]));
    assert!(said.contains("6 ids of responses, files and the like stay on `newcorp`"), "{said}");
    go_on(&sidecar, &mut conversations, false);
    let said = spoken(&workspace.run(&["status"]));
    assert!(said.contains("ids of responses, files and the like on newcorp, last used"), "{said}");
    let shown = "serin_state_ids{provider=\"newcorp\"} 12\n";
    eventually("the metrics have the new ones", SOON, || sidecar.metrics().contains(shown).then_some(()));
    let said = spoken(&workspace.run(&["rollback", "chat", "--hard"]));
    assert!(said.contains("go to stable now, which may not know them"), "{said}");
    let gone = |sidecar: &Sidecar| {
        let body = json!({ "model": "m", "input": "go on", "previous_response_id": conversations[0].last });
        sidecar.client().post("/v1/responses", &[], &body.to_string()).unwrap()
    };
    let answer = gone(&sidecar);
    assert_eq!((answer.status, answer.header("x-serin-provider")), (400, "oldcorp"), "{}", answer.text());
    assert_eq!(answer.json()["error"]["code"], "previous_response_not_found");
    sidecar.kill();
    let sidecar = workspace.start();
    assert_eq!(gone(&sidecar).header("x-serin-provider"), "oldcorp", "a restart changes nothing of it");
    assert_eq!(workspace.run(&["resume", "chat"]).status.code(), Some(0));
    eventually("users are on the canary again", SOON, || (sidecar.percent() == 100.0).then_some(()));
    assert_eq!(gone(&sidecar).status, 200, "and their state is where it was");
}
