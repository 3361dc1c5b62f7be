//! The table of gRPC's codes, once more as data.

use proptest::prelude::*;

use super::*;
use crate::wire::grpc::GrpcCode;

fn end(code: u16, begun: bool) -> GrpcEnd {
    GrpcEnd { code: GrpcCode(code), about: GrpcAbout::Nothing, begun }
}

#[test]
fn the_table_of_codes() {
    use Outcome::*;
    for (code, before, after) in [
        (0, Ok, Ok),
        (1, ServerError, StreamError),
        (2, ServerError, StreamError),
        (3, ClientError, ClientError),
        (4, Timeout, Timeout),
        (5, ClientError, ClientError),
        (6, ClientError, ClientError),
        (7, Auth, Auth),
        (8, Throttled, Throttled),
        (9, ClientError, ClientError),
        (10, ClientError, ClientError),
        (11, ClientError, ClientError),
        (12, ClientError, ClientError),
        (13, ServerError, StreamError),
        (14, ServerError, StreamError),
        (15, ServerError, StreamError),
        (16, Auth, Auth),
        (17, ServerError, StreamError),
        (999, ServerError, StreamError),
    ] {
        assert_eq!(
            (classify_call(end(code, false), true), classify_call(end(code, true), true)),
            (before, after),
            "{code}"
        );
    }
}

#[test]
fn a_refused_key_of_the_client_s_own_is_the_client_s_error() {
    for code in [7, 16] {
        assert_eq!(classify_call(end(code, false), false), Outcome::ClientError);
    }
    let quota = GrpcEnd { about: GrpcAbout::Quota, ..end(8, false) };
    assert_eq!((classify_call(quota, true), classify_call(quota, false)), (Outcome::Quota, Outcome::Throttled));
}

#[test]
fn an_answer_of_http_alone_is_read_as_clients_do_and_a_429_is_a_limit() {
    for (status, outcome) in [
        (200, Outcome::ServerError),
        (302, Outcome::ServerError),
        (400, Outcome::ClientError),
        (401, Outcome::Auth),
        (403, Outcome::Auth),
        (404, Outcome::ClientError),
        (402, Outcome::Quota),
        (405, Outcome::ClientError),
        (408, Outcome::ServerError),
        (409, Outcome::ClientError),
        (415, Outcome::ClientError),
        (422, Outcome::ClientError),
        (431, Outcome::ClientError),
        (429, Outcome::Throttled),
        (500, Outcome::ServerError),
        (503, Outcome::ServerError),
    ] {
        assert_eq!(classify_call(GrpcEnd::of_http(status), true), outcome, "{status}");
    }
}

proptest! {
    #[test]
    fn only_ok_is_a_success(code: u16, begun: bool, own_key: bool) {
        let judged = classify_call(end(code, begun), own_key).judged(Counting { throttled: true, empty: true });
        prop_assert_eq!(judged == Judged::Success, code == 0);
    }

    #[test]
    fn what_may_be_asked_elsewhere_is_no_fault_of_the_provider(code: u16) {
        if end(code, false).is_about_the_request() {
            prop_assert_eq!(classify_call(end(code, false), true), Outcome::ClientError);
        }
        prop_assert!(!end(code, true).is_about_the_request());
    }
}
