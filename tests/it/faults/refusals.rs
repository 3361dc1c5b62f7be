//! Refusals: which of them are asked of stable, which are the client's own, and whose words the client reads.
//!
//! A 4xx of the canary about the request is asked once of stable; a content filter's never is; and when both refuse,
//! it was the client's error, told in the words of the arm that the split chose.

use crate::support::api::Api;
use crate::support::client::Answer;
use crate::support::faults::answer;
use crate::support::faults::fault::{Fault, Refusal};
use crate::support::harness::{Harness, RESCUED, between};
use crate::support::scripted::Scripted;

const ABOUT_THE_REQUEST: [(&str, Refusal); 3] = [
    ("context-length", Refusal::ContextLength),
    ("parameter", Refusal::UnsupportedParameter),
    ("no-model", Refusal::ModelNotFound),
];

/// The canary's refusal as it was written, and nobody else asked.
#[track_caller]
fn expect_verbatim(answer: &Answer, api: Api, refusal: Refusal, provider: &str) {
    let seen = (answer.status, answer.header("x-serin-provider"), answer.text());
    assert_eq!(seen, (refusal.status(), provider, refusal.body(api, provider)));
    assert_eq!(answer.header("x-serin-error"), "", "this is no error of the sidecar's own");
    assert_eq!((answer.header("x-request-id"), answer.header("content-type")), ("req-1", "application/json"));
}

#[test]
fn a_content_filter_is_not_routed_around() {
    let stable = Scripted::healthy("oldcorp");
    let canary = Scripted::start("newcorp", |_| Fault::Refuses(Refusal::ContentFilter));
    let stage = Harness::start(&between(&stable, &canary).chat(RESCUED));
    for (api, stream) in Api::ALL.into_iter().flat_map(|api| [(api, false), (api, true)]) {
        let answer = stage.whole(api.path(), &[], &api.ask("m", stream));
        expect_verbatim(&answer, api, Refusal::ContentFilter, "newcorp");
        assert_eq!(answer.header("x-serin-attempts"), "");
    }
    stage.expect_attempts("chat", &[("newcorp", "client_error", 6)]).unwrap();
    assert_eq!(stable.count(), 0, "stable was asked to route around a content filter");
}

#[test]
fn what_both_refuse_is_the_clients_error_in_the_canarys_words() {
    let table = ABOUT_THE_REQUEST.map(|(model, refusal)| (model, Fault::Refuses(refusal)));
    let stable = Scripted::by_model("oldcorp", table.clone());
    let canary = Scripted::by_model("newcorp", table);
    let flags =
        ABOUT_THE_REQUEST.iter().fold(between(&stable, &canary), |flags, (model, _)| flags.rollout(model, RESCUED));
    let stage = Harness::start(&flags);
    for (model, refusal) in ABOUT_THE_REQUEST {
        for api in Api::ALL {
            let answer = stage.whole(api.path(), &[], &api.ask(model, true));
            expect_verbatim(&answer, api, refusal, "newcorp");
        }
        stage.expect_attempts(model, &[("newcorp", "client_error", 3), ("oldcorp", "client_error", 3)]).unwrap();
    }
}

#[test]
fn stable_is_not_asked_where_the_file_says_so() {
    let table = ABOUT_THE_REQUEST.map(|(model, refusal)| (model, Fault::Refuses(refusal)));
    let stable = Scripted::healthy("oldcorp");
    let canary = Scripted::by_model("newcorp", table);
    let stage = Harness::start(&between(&stable, &canary).chat(&format!("{RESCUED}, fallback_4xx: false")));
    for (model, refusal) in ABOUT_THE_REQUEST {
        let answer = stage.whole(Api::Chat.path(), &[], &Api::Chat.ask(model, false));
        expect_verbatim(&answer, Api::Chat, refusal, "newcorp");
    }
    stage.expect_attempts("chat", &[("newcorp", "client_error", 3)]).unwrap();
    assert_eq!(stable.count(), 0);
}

#[test]
fn stables_own_refusals_are_final() {
    let stable =
        Scripted::by_model("oldcorp", ABOUT_THE_REQUEST.map(|(model, refusal)| (model, Fault::Refuses(refusal))));
    let canary = Scripted::healthy("newcorp");
    let keys = "percent: 50%, pin_users: { new: canary, old: stable }";
    let stage = Harness::start(&between(&stable, &canary).chat(keys));
    for (model, refusal) in ABOUT_THE_REQUEST {
        let body = Api::Chat.ask_at_length(model, false, "hi", Some("old"));
        let answer = stage.whole(Api::Chat.path(), &[], &body);
        expect_verbatim(&answer, Api::Chat, refusal, "oldcorp");
    }
    assert_eq!(canary.count(), 0, "what stable refuses is the client's error");
}

#[test]
fn history_names_what_the_canary_does_not_accept() {
    let stable = Scripted::healthy("oldcorp");
    let canary = Scripted::start("newcorp", |_| Fault::Refuses(Refusal::UnsupportedParameter));
    let stage = Harness::start(&between(&stable, &canary).chat(RESCUED));
    for _ in 0..3 {
        let answer = stage.whole(Api::Chat.path(), &[], &Api::Chat.ask("m", false));
        assert_eq!((answer.status, answer.text()), (200, answer::whole(Api::Chat, "oldcorp")));
    }
    stage.expect_attempts("chat", &[("newcorp", "unsupported", 3), ("oldcorp", "ok", 3)]).unwrap();
    crate::support::eventually::eventually("history names the parameter", crate::support::eventually::SOON, || {
        let history = stage.history().iter().map(ToString::to_string).collect::<String>();
        (history.contains("logit_bias") && history.contains("drop_fields")).then_some(())
    });
    crate::support::eventually::eventually("status names it too", crate::support::eventually::SOON, || {
        let status = stage.workspace().run(&["status"]);
        String::from_utf8_lossy(&status.stdout).contains("logit_bias").then_some(())
    });
}
