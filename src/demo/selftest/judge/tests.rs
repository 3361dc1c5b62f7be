//! Every way in which an answer can be wrong is called wrong, and nothing else is.

use super::*;
use crate::demo::selftest::fault::Form;

const ENDPOINTS: [Endpoint; 3] = [Endpoint::Chat, Endpoint::Responses, Endpoint::Messages];

fn asked(endpoint: Endpoint, form: Form) -> Expected<'static> {
    Expected {
        question: Question { endpoint, model: "m", text: "question-1" },
        form,
        providers: vec!["failing", "healthy"],
        failing: "failing",
        is_asked: true,
        status: Some(503),
        empty: None,
    }
}

fn sent(provider: &str, keys: &[&str]) -> Sent {
    Sent { provider: provider.to_owned(), keys: keys.iter().map(|key| (*key).to_owned()).collect() }
}

fn in_order() -> Vec<Sent> {
    vec![sent("failing", &["failing"]), sent("healthy", &["healthy"])]
}

fn received(status: u16, provider: &str, body: impl Into<Vec<u8>>) -> Received {
    Received { status: Some(status), provider: provider.to_owned(), body: body.into(), ..Received::default() }
}

fn whole(endpoint: Endpoint, form: Form, provider: &str) -> Vec<u8> {
    let question = asked(endpoint, form).question;
    if form == Form::Stream { question.events(provider).concat().into_bytes() } else { question.whole(provider) }
}

fn error_of(endpoint: Endpoint) -> String {
    endpoint.error("failing", 503).to_string()
}

fn forms() -> impl Iterator<Item = (Endpoint, Form)> {
    ENDPOINTS.into_iter().flat_map(|endpoint| [(endpoint, Form::Whole), (endpoint, Form::Stream)])
}

#[test]
fn a_whole_answer_of_either_is_recovered() {
    for (endpoint, form) in forms() {
        for provider in ["failing", "healthy"] {
            let answer = received(200, provider, whole(endpoint, form, provider));
            let verdict = judge(&asked(endpoint, form), &answer, &in_order());
            assert_eq!(verdict, Verdict::Recovered(provider.to_owned()), "{endpoint:?} {form:?}");
        }
    }
}

#[test]
fn half_an_answer_that_looks_whole_is_wrong_wherever_it_is_cut() {
    for (endpoint, form) in forms() {
        let all = whole(endpoint, form, "healthy");
        for end in 0..all.len() {
            let verdict = judge(&asked(endpoint, form), &received(200, "healthy", &all[..end]), &in_order());
            assert!(matches!(verdict, Verdict::Wrong(Wrong::Half { .. })), "{endpoint:?} {form:?} {end}: {verdict}");
        }
    }
}

#[test]
fn an_answer_that_is_changed_is_wrong() {
    for (endpoint, form) in forms() {
        let all = String::from_utf8(whole(endpoint, form, "healthy")).unwrap();
        let mixed = all.replacen("healthy5 ", "healthy6 ", 1);
        let twice = all.clone() + &all;
        for changed in [mixed, twice, all.replacen("healthy", "failing", 1)] {
            let verdict = judge(&asked(endpoint, form), &received(200, "healthy", changed), &in_order());
            assert!(matches!(verdict, Verdict::Wrong(Wrong::Half { .. })), "{endpoint:?} {form:?}: {verdict}");
        }
    }
}

#[test]
fn a_forged_end_is_wrong() {
    for endpoint in ENDPOINTS {
        let events = asked(endpoint, Form::Stream).question.events("failing");
        let forged = events[..events.len() / 2].concat() + &events[events.len() - 1];
        let verdict = judge(&asked(endpoint, Form::Stream), &received(200, "failing", forged), &in_order());
        assert!(matches!(verdict, Verdict::Wrong(Wrong::Half { .. })), "{endpoint:?}: {verdict}");
        // Going on with another provider is no better.
        let other = asked(endpoint, Form::Stream).question.events("healthy");
        let spliced = events[..events.len() / 2].concat() + &other[other.len() / 2..].concat();
        let verdict = judge(&asked(endpoint, Form::Stream), &received(200, "failing", spliced), &in_order());
        assert!(matches!(verdict, Verdict::Wrong(Wrong::Half { .. })), "{endpoint:?}: {verdict}");
    }
}

#[test]
fn a_stream_that_says_that_it_broke_is_honest() {
    for endpoint in ENDPOINTS {
        let expected = asked(endpoint, Form::Stream);
        let events = expected.question.events("failing");
        for taken in [0, 1, events.len() / 2] {
            let told = events[..taken].concat() + &endpoint.error_event("failing");
            let verdict = judge(&expected, &received(200, "failing", told.clone()), &in_order());
            assert_eq!(verdict, Verdict::Honest(Honest::ErrorEvent), "{endpoint:?} {taken}");
            // More behind the error hides it.
            let hidden = told + &events[events.len() - 1];
            let verdict = judge(&expected, &received(200, "failing", hidden), &in_order());
            assert!(matches!(verdict, Verdict::Wrong(Wrong::Half { .. })), "{endpoint:?} {taken}: {verdict}");
        }
        let half = events.concat().into_bytes();
        let mut broken = received(200, "failing", &half[..half.len() / 2]);
        broken.end = End::Broken("reset".to_owned());
        assert_eq!(judge(&expected, &broken, &in_order()), Verdict::Honest(Honest::BrokenOff));
        // Signs of life are no output.
        broken.body = b"\n\n: keep-alive\n\n: keep".to_vec();
        assert_eq!(judge(&expected, &broken, &in_order()), Verdict::Honest(Honest::BrokenOff));
        let late = format!(": keep-alive\n\n{}", endpoint.error_event("failing"));
        let verdict = judge(&expected, &received(200, "failing", late), &in_order());
        assert_eq!(verdict, Verdict::Honest(Honest::ErrorEvent));
        let silent = received(200, "failing", ": keep-alive\n\n");
        assert!(matches!(judge(&expected, &silent, &in_order()), Verdict::Wrong(Wrong::Half { .. })));
        broken.body = b"data: something else".to_vec();
        assert!(matches!(judge(&expected, &broken, &in_order()), Verdict::Wrong(Wrong::Half { .. })));
    }
}

#[test]
fn an_error_event_of_another_api_is_wrong() {
    for (endpoint, other) in [(Endpoint::Messages, Endpoint::Chat), (Endpoint::Responses, Endpoint::Chat)] {
        let expected = asked(endpoint, Form::Stream);
        let told = expected.question.events("failing")[..2].concat() + &other.error_event("failing");
        let verdict = judge(&expected, &received(200, "failing", told), &in_order());
        assert!(matches!(verdict, Verdict::Wrong(Wrong::Half { .. })), "{endpoint:?}: {verdict}");
    }
}

#[test]
fn an_error_is_honest_in_its_apis_shape_and_with_a_status_that_somebody_gave() {
    for (endpoint, form) in forms() {
        let expected = asked(endpoint, form);
        let error = error_of(endpoint);
        let passed = received(503, "failing", error.clone());
        let honest = |own| Verdict::Honest(Honest::Error { status: 503, own });
        assert_eq!(judge(&expected, &passed, &in_order()), honest(false));
        assert_eq!(judge(&expected, &Received { own_error: true, ..passed.clone() }, &in_order()), honest(true));
        let own_fault = Received { own_error: true, ..received(400, "", error.clone()) };
        for lie in [
            received(500, "failing", error.clone()),
            received(404, "failing", error.clone()),
            received(302, "failing", error.clone()),
            received(204, "failing", ""),
            received(503, "failing", "<html>"),
            received(503, "failing", "{}"),
            received(503, "failing", ""),
            own_fault,
            Received { end: End::Broken("reset".to_owned()), ..passed },
        ] {
            let verdict = judge(&expected, &lie, &in_order());
            assert!(matches!(verdict, Verdict::Wrong(Wrong::Status { .. })), "{lie:?}: {verdict}");
        }
        let in_200 = judge(&expected, &received(200, "failing", error), &in_order());
        assert!(matches!(in_200, Verdict::Wrong(Wrong::Half { .. })), "an error that says 200: {in_200}");
    }
    let shape = received(503, "failing", error_of(Endpoint::Chat));
    let verdict = judge(&asked(Endpoint::Messages, Form::Whole), &shape, &in_order());
    assert!(matches!(verdict, Verdict::Wrong(Wrong::Status { .. })), "{verdict}");
}

#[test]
fn another_requests_answer_is_wrong() {
    for (endpoint, form) in forms() {
        let other = String::from_utf8(whole(endpoint, form, "healthy")).unwrap().replace("question-1", "question-2");
        let verdict = judge(&asked(endpoint, form), &received(200, "healthy", other), &in_order());
        assert_eq!(verdict, Verdict::Wrong(Wrong::Foreign("question-2".to_owned())));
    }
}

#[test]
fn a_wait_without_end_and_silence_are_wrong() {
    let expected = asked(Endpoint::Chat, Form::Whole);
    let late = Received { end: End::TooLate, took: Millis(15_000), ..Received::default() };
    assert_eq!(judge(&expected, &late, &in_order()), Verdict::Wrong(Wrong::Hang(Millis(15_000))));
    let closed = Received { end: End::Broken("closed".to_owned()), ..Received::default() };
    assert_eq!(judge(&expected, &closed, &in_order()), Verdict::Wrong(Wrong::NoResponse("closed".to_owned())));
}

#[test]
fn a_key_at_the_wrong_place_is_wrong_however_good_the_answer() {
    let expected = asked(Endpoint::Chat, Form::Whole);
    let good = received(200, "healthy", whole(Endpoint::Chat, Form::Whole, "healthy"));
    for owner in ["failing", "client"] {
        let leaks = [sent("failing", &["failing"]), sent("healthy", &["healthy", owner])];
        let (owner, provider) = (owner.to_owned(), "healthy".to_owned());
        assert_eq!(judge(&expected, &good, &leaks), Verdict::Wrong(Wrong::Credential { owner, provider }));
    }
    let none = [sent("failing", &["failing"]), sent("healthy", &[])];
    assert_eq!(judge(&expected, &good, &none), Verdict::Wrong(Wrong::NoKey("healthy".to_owned())));
    let shown = received(503, "failing", format!(r#"{{"error":{{"message":"no such key: {KEY}failing"}}}}"#));
    assert_eq!(judge(&expected, &shown, &in_order()), Verdict::Wrong(Wrong::KeyShown("failing".to_owned())));
}

#[test]
fn the_wrong_providers_name_is_wrong() {
    let (by, named) = ("healthy".to_owned(), "failing".to_owned());
    let answer = received(200, &named, whole(Endpoint::Chat, Form::Whole, &by));
    let verdict = judge(&asked(Endpoint::Chat, Form::Whole), &answer, &in_order());
    assert_eq!(verdict, Verdict::Wrong(Wrong::Misnamed { named, by }));
}

#[test]
fn a_fault_that_was_not_met_proves_nothing() {
    let good = received(200, "healthy", whole(Endpoint::Chat, Form::Whole, "healthy"));
    let sent = [sent("healthy", &["healthy"])];
    let mut expected = asked(Endpoint::Chat, Form::Whole);
    assert_eq!(judge(&expected, &good, &sent), Verdict::Wrong(Wrong::NotAsked));
    expected.is_asked = false;
    assert_eq!(judge(&expected, &good, &sent), Verdict::Recovered("healthy".to_owned()));
}

#[test]
fn an_empty_answer_is_honest_only_where_the_provider_gave_it() {
    for (endpoint, form) in forms() {
        let mut expected = asked(endpoint, form);
        let question = expected.question;
        let nothing = if form == Form::Stream {
            question.empty_events("failing").concat().into_bytes()
        } else {
            question.empty("failing")
        };
        let answer = received(200, "failing", nothing);
        assert!(matches!(judge(&expected, &answer, &in_order()), Verdict::Wrong(Wrong::Half { .. })));
        expected.empty = Some(Empty::WellFormed);
        assert_eq!(judge(&expected, &answer, &in_order()), Verdict::Honest(Honest::Empty));
        expected.empty = Some(Empty::NoBytes);
        assert!(matches!(judge(&expected, &answer, &in_order()), Verdict::Wrong(Wrong::Half { .. })));
        let no_bytes = received(200, "failing", "");
        assert_eq!(judge(&expected, &no_bytes, &in_order()), Verdict::Honest(Honest::Empty));
    }
}

#[test]
fn a_websocket_is_judged_by_what_it_hears() {
    let expected = asked(Endpoint::Chat, Form::WebSocket);
    let good = received(101, "healthy", greeting("healthy", "question-1"));
    assert_eq!(judge(&expected, &good, &in_order()), Verdict::Recovered("healthy".to_owned()));
    let other = received(101, "healthy", greeting("nobody", "question-1"));
    assert!(matches!(judge(&expected, &other, &in_order()), Verdict::Wrong(Wrong::Half { .. })));
    let plain = received(200, "healthy", greeting("healthy", "question-1"));
    assert!(matches!(judge(&expected, &plain, &in_order()), Verdict::Wrong(Wrong::Status { .. })));
}
