//! The table of outcomes, once more as data, and what must hold for every ending there is.

use super::*;
use crate::wire::grpc::GrpcCode;
use Judged::{Failure, NotCounted, Success};

const SETTINGS: [Counting; 4] = [
    Counting { throttled: false, empty: false },
    Counting { throttled: false, empty: true },
    Counting { throttled: true, empty: false },
    Counting { throttled: true, empty: true },
];

const ENDS: [BodyEnd; 8] = [
    BodyEnd::Complete,
    BodyEnd::Empty,
    BodyEnd::ErrorEvent,
    BodyEnd::Filtered,
    BodyEnd::Malformed(Shape::Html),
    BodyEnd::Early,
    BodyEnd::NoOutput,
    BodyEnd::Silent,
];

const GROUNDS: [ErrorClass; 3] = [ErrorClass::Other, ErrorClass::Quota, ErrorClass::ContentFilter];

fn answered(status: u16, grounds: ErrorClass, body: BodyEnd, own_key: bool) -> Outcome {
    classify(Ending::Answered { status, grounds, body }, own_key)
}

fn every_answer() -> impl Iterator<Item = (u16, ErrorClass, BodyEnd, bool)> {
    (100..=599).flat_map(|status| {
        GROUNDS.into_iter().flat_map(move |grounds| {
            ENDS.into_iter().flat_map(move |body| [true, false].map(|own_key| (status, grounds, body, own_key)))
        })
    })
}

#[test]
fn the_table_of_what_is_judged() {
    // By outcome: the guard, for each of the four settings, and the breaker.
    for (outcome, guard, breaker) in [
        (Outcome::Ok, [Success; 4], Success),
        (Outcome::Connect, [Failure; 4], Failure),
        (Outcome::Reset, [Failure; 4], Failure),
        (Outcome::Timeout, [Failure; 4], Failure),
        (Outcome::ServerError, [Failure; 4], Failure),
        (Outcome::Malformed, [Failure; 4], Failure),
        (Outcome::StreamError, [Failure; 4], Failure),
        (Outcome::Truncated, [Failure; 4], Failure),
        (Outcome::Stalled, [Failure; 4], Failure),
        (Outcome::Throttled, [NotCounted, NotCounted, Failure, Failure], NotCounted),
        (Outcome::Quota, [Failure; 4], NotCounted),
        (Outcome::Auth, [Failure; 4], NotCounted),
        (Outcome::Unsupported, [Failure; 4], NotCounted),
        (Outcome::ClientError, [NotCounted; 4], NotCounted),
        (Outcome::Empty, [NotCounted, Failure, NotCounted, Failure], NotCounted),
        (Outcome::ClientGone, [NotCounted; 4], NotCounted),
        (Outcome::SerinError, [NotCounted; 4], NotCounted),
    ] {
        assert_eq!(SETTINGS.map(|counting| outcome.judged(counting)), guard, "{outcome:?}");
        assert_eq!(outcome.judged_by_breaker(), breaker, "{outcome:?}");
    }
    assert_eq!(
        Counting::default(),
        SETTINGS[2],
        "a 429 counts unless the file says otherwise, an empty answer does not"
    );
}

#[test]
fn what_opens_a_breaker_is_a_failure_for_every_guard() {
    for outcome in Outcome::ALL {
        for counting in SETTINGS {
            let (guard, breaker) = (outcome.judged(counting), outcome.judged_by_breaker());
            assert!(breaker != Failure || guard == Failure, "{outcome:?} {counting:?}");
            assert_eq!(breaker == Success, guard == Success, "{outcome:?} {counting:?}");
        }
    }
}

#[test]
fn every_outcome_has_its_cell_and_its_name() {
    for (cell, outcome) in Outcome::ALL.into_iter().enumerate() {
        assert_eq!(outcome as usize, cell, "{outcome:?}");
        assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.as_str());
        assert_eq!(Outcome::ALL.iter().filter(|other| other.as_str() == outcome.as_str()).count(), 1);
    }
}

#[test]
fn endings_without_an_answer() {
    for own_key in [true, false] {
        for (ending, outcome) in [
            (Ending::NoConnection, Outcome::Connect),
            (Ending::NoHead, Outcome::Reset),
            (Ending::HeadTimeout, Outcome::Timeout),
            (Ending::Expired { fair: true }, Outcome::Timeout),
            (Ending::Expired { fair: false }, Outcome::ClientGone),
            (Ending::ClientLeft, Outcome::ClientGone),
            (Ending::CutBySerin, Outcome::SerinError),
        ] {
            assert_eq!(classify(ending, own_key), outcome);
        }
    }
}

#[test]
fn a_call_is_judged_by_its_own_status_whatever_http_says() {
    for (status, code, outcome) in [
        (200, 0, Outcome::Ok),
        (200, 14, Outcome::ServerError),
        (200, 16, Outcome::Auth),
        (400, 13, Outcome::ServerError),
        (404, 12, Outcome::ClientError),
        (503, 0, Outcome::Ok),
    ] {
        let end = GrpcEnd { code: GrpcCode(code), about: GrpcAbout::Nothing, begun: false };
        assert_eq!(answered(status, ErrorClass::Other, BodyEnd::Grpc(end), true), outcome, "{status} {code}");
    }
}

#[test]
fn every_answer_is_in_its_row() {
    for (status, grounds, body, own_key) in every_answer() {
        let row = match (status / 100, status, grounds) {
            (5, ..) => Outcome::ServerError,
            (4, _, ErrorClass::ContentFilter) => Outcome::ClientError,
            (4, _, ErrorClass::Quota) | (_, 402, _) if own_key => Outcome::Quota,
            (_, 401 | 403, _) if own_key => Outcome::Auth,
            (_, 429, _) => Outcome::Throttled,
            (_, 408, _) => Outcome::Timeout,
            (4, ..) => Outcome::ClientError,
            _ => match body {
                BodyEnd::Complete => Outcome::Ok,
                BodyEnd::Empty => Outcome::Empty,
                BodyEnd::ErrorEvent => Outcome::StreamError,
                BodyEnd::Filtered => Outcome::ClientError,
                BodyEnd::Malformed(_) => Outcome::Malformed,
                BodyEnd::Early => Outcome::Truncated,
                BodyEnd::NoOutput => Outcome::Timeout,
                BodyEnd::Silent => Outcome::Stalled,
                BodyEnd::Closed(_) => unreachable!("it has rows of its own"),
                BodyEnd::Grpc(end) => classify_call(end, own_key),
            },
        };
        let outcome = answered(status, grounds, body, own_key);
        assert_eq!(outcome, row, "{status} {grounds:?} {body:?} own_key={own_key}");
    }
}

#[test]
fn a_websocket_that_its_provider_closed() {
    for (meaning, with_own_key, with_the_clients) in [
        (CloseMeaning::Done, Outcome::Ok, Outcome::Ok),
        (CloseMeaning::Fault, Outcome::StreamError, Outcome::StreamError),
        (CloseMeaning::Busy, Outcome::Throttled, Outcome::Throttled),
        (CloseMeaning::Key, Outcome::Auth, Outcome::ClientError),
        (CloseMeaning::Quota, Outcome::Quota, Outcome::ClientError),
        (CloseMeaning::Request, Outcome::ClientError, Outcome::ClientError),
    ] {
        let outcomes = [true, false].map(|own_key| answered(101, ErrorClass::Other, BodyEnd::Closed(meaning), own_key));
        assert_eq!(outcomes, [with_own_key, with_the_clients], "{meaning:?}");
    }
}

#[test]
fn answers_lead_to_all_outcomes_but_those_that_take_no_answer() {
    let met = |outcome| {
        every_answer().any(|(status, grounds, body, own_key)| answered(status, grounds, body, own_key) == outcome)
    };
    let never: Vec<Outcome> = Outcome::ALL.into_iter().filter(|outcome| !met(*outcome)).collect();
    // `Unsupported` is what a `ClientError` becomes once stable has accepted the same request.
    let expected = [Outcome::Connect, Outcome::Reset, Outcome::Unsupported, Outcome::ClientGone, Outcome::SerinError];
    assert_eq!(never, expected);
}

#[test]
fn no_complaint_about_a_request_reaches_the_breaker() {
    for (status, grounds, body, own_key) in every_answer().filter(|(status, ..)| matches!(status, 400..=499)) {
        let signal = answered(status, grounds, body, own_key).judged_by_breaker();
        // A 408 complains of time: whoever sends it did not get to the answer.
        let timed_out =
            status == 408 && !(grounds == ErrorClass::Quota && own_key) && grounds != ErrorClass::ContentFilter;
        assert_eq!(signal, if timed_out { Failure } else { NotCounted }, "{status} {grounds:?} own_key={own_key}");
    }
}

#[test]
fn the_clients_own_key_is_never_held_against_a_provider() {
    for (status, grounds, body, _) in every_answer() {
        let (own, clients) = (answered(status, grounds, body, true), answered(status, grounds, body, false));
        assert!(!matches!(clients, Outcome::Auth | Outcome::Quota), "{status} {grounds:?}");
        assert!(own == clients || matches!(own, Outcome::Auth | Outcome::Quota), "{status} {grounds:?}");
    }
}

#[test]
fn an_error_is_what_its_status_and_its_words_say_however_its_body_ends() {
    for (status, grounds, body, own_key) in every_answer() {
        let outcome = answered(status, grounds, body, own_key);
        if status >= 400 {
            assert_eq!(outcome, answered(status, grounds, BodyEnd::Complete, own_key), "{status} {body:?}");
            assert!(!matches!(outcome.judged(SETTINGS[3]), Success) && outcome != Outcome::Empty, "{status}");
        } else {
            assert_eq!(outcome, answered(status, ErrorClass::Other, body, !own_key), "{status} {body:?}");
        }
    }
}

#[test]
fn what_is_about_the_request_is_asked_of_stable_and_nothing_else() {
    for status in 0..=999 {
        let asks = is_about_the_request(status);
        assert!(!asks || matches!(status, 400..=499), "{status}");
        if asks {
            for own_key in [true, false] {
                let outcome = answered(status, ErrorClass::Other, BodyEnd::Complete, own_key);
                assert_eq!(outcome, Outcome::ClientError, "{status}");
            }
        }
    }
    assert!([400, 404, 413, 422].into_iter().all(is_about_the_request));
    assert!(![401, 402, 403, 408, 409, 423, 429].into_iter().any(is_about_the_request));
}
