//! Who is let in, and what everybody else is told.

use http::Request;

use super::*;
use crate::decide::policy::Secret;

fn head(headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().uri("/api/v1/status");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn loopback() -> AdminListener {
    AdminListener::Tcp("127.0.0.1:7172".parse().unwrap())
}

fn token(name: &str, text: &str, may: &[Role]) -> Token {
    Token { name: name.into(), token: Secret::new(text.into()), may: may.iter().copied().collect() }
}

fn denial(listener: &AdminListener, headers: &[(&str, &str)], tokens: &[Token]) -> String {
    identify(listener, &head(headers), tokens, false).unwrap_err().to_string()
}

#[test]
fn without_tokens_every_loopback_name_is_served() {
    for host in [
        "127.0.0.1:7172",
        "127.0.0.1",
        "127.9.9.9:1",
        "[::1]:7172",
        "[::1]",
        "localhost",
        "LOCALHOST.:80",
        "a.localhost:1",
    ] {
        let caller = identify(&loopback(), &head(&[("host", host)]), &[], false).unwrap();
        assert_eq!(caller.actor, "loopback");
        assert_eq!(caller.may(Role::Change), Ok(()), "{host}");
    }
}

#[test]
fn without_tokens_a_name_from_elsewhere_is_refused() {
    for host in ["evil.example", "127.0.0.1.evil.example", "10.0.0.1:7172", "localhost@evil.example", "[::1].evil", ""]
    {
        let denied = identify(&loopback(), &head(&[("host", host)]), &[], false).unwrap_err();
        assert_eq!(denied, AccessDenied::ForeignHost(host.into()));
        assert_eq!(denied.status(), StatusCode::FORBIDDEN);
    }
    assert_eq!(
        denial(&loopback(), &[("host", "rebind.example")], &[]),
        "the Host `rebind.example` is not a loopback address: without admin.tokens only 127.0.0.1, [::1] and \
         localhost are accepted, since a web page could reach this port under another name"
    );
    // Absolute form is judged by the name in the request line too.
    let mut absolute = head(&[("host", "localhost")]);
    absolute.uri = "http://evil.example/api/v1/status".parse().unwrap();
    assert_eq!(identify(&loopback(), &absolute, &[], false), Err(AccessDenied::ForeignHost("evil.example".into())));
}

#[test]
fn without_tokens_a_page_from_elsewhere_is_refused() {
    for origin in ["http://localhost:3000", "https://127.0.0.1", "http://[::1]:8080"] {
        let headers = [("host", "localhost"), ("origin", origin)];
        assert!(identify(&loopback(), &head(&headers), &[], false).is_ok(), "{origin}");
    }
    for origin in ["https://evil.example", "null", "file://", "http://localhost.evil.example", ""] {
        let headers = [("host", "localhost"), ("origin", origin)];
        assert_eq!(identify(&loopback(), &head(&headers), &[], false), Err(AccessDenied::ForeignOrigin(origin.into())));
    }
    assert_eq!(
        denial(&loopback(), &[("host", "localhost"), ("origin", "https://evil.example")], &[]),
        "the Origin `https://evil.example` is not on loopback: without admin.tokens requests of other web pages are \
         refused"
    );
}

#[test]
fn off_loopback_without_tokens_nothing_is_served() {
    let listener = AdminListener::Tcp("10.1.2.3:7172".parse().unwrap());
    assert_eq!(
        denial(&listener, &[("host", "localhost")], &[]),
        "this admin port listens on 10.1.2.3, off loopback, and flags.yaml has no admin.tokens: all requests are \
         refused"
    );
}

#[test]
fn with_tokens_the_token_decides_whatever_the_name() {
    let tokens = [token("ops", "s3cret", &[Role::Change]), token("grafana", "r3ad", &[Role::Read])];
    let listener = AdminListener::Tcp("10.1.2.3:7172".parse().unwrap());
    for header in [("authorization", "Bearer s3cret"), ("authorization", "bearer  s3cret"), ("x-api-key", "s3cret")] {
        let caller = identify(&listener, &head(&[("host", "serin.internal"), header]), &tokens, false).unwrap();
        assert_eq!(caller.actor, "ops");
    }
    assert_eq!(
        denial(&listener, &[], &tokens),
        "this admin port needs a token: send `authorization: Bearer TOKEN` (the serin command reads it from SERIN_ADMIN_TOKEN)"
    );
    for wrong in ["Bearer s3cre", "Bearer s3cret2", "Bearer ", "Basic s3cret"] {
        let denied = identify(&listener, &head(&[("authorization", wrong)]), &tokens, false).unwrap_err();
        assert_eq!(denied.status(), StatusCode::UNAUTHORIZED);
        assert!(!denied.to_string().contains("s3cret"));
    }
    assert_eq!(
        denial(&listener, &[("authorization", "Bearer nope")], &tokens),
        "this token is not one of admin.tokens in flags.yaml"
    );
}

#[test]
fn a_role_allows_what_it_implies_and_no_more() {
    let allowed = |held: Role| {
        let caller = AdminCaller { actor: "t".into(), roles: Roles::Of([held].into()) };
        [Role::Read, Role::Flags, Role::Feedback, Role::Rollback, Role::Change].map(|asked| caller.may(asked).is_ok())
    };
    assert_eq!(allowed(Role::Read), [true, false, false, false, false]);
    assert_eq!(allowed(Role::Flags), [false, true, false, false, false]);
    assert_eq!(allowed(Role::Feedback), [false, false, true, false, false]);
    assert_eq!(allowed(Role::Rollback), [true, false, false, true, false]);
    assert_eq!(allowed(Role::Change), [true; 5]);
    let caller = AdminCaller { actor: "grafana".into(), roles: Roles::Of([Role::Read].into()) };
    assert_eq!(
        caller.may(Role::Rollback).unwrap_err().to_string(),
        "the token `grafana` does not allow this: it takes `rollback` in admin.tokens[].may of flags.yaml"
    );
}

#[test]
fn the_socket_needs_no_token_and_names_the_user() {
    let tokens = [token("ops", "s3cret", &[Role::Change])];
    let caller = identify(&AdminListener::Socket(Some(0)), &head(&[]), &tokens, false).unwrap();
    assert_eq!(caller.actor, "root");
    assert_eq!(caller.may(Role::Change), Ok(()));
}

#[test]
fn the_probe_port_only_reads() {
    let caller = identify(&AdminListener::Probe, &head(&[]), &[], false).unwrap();
    assert_eq!(caller.may(Role::Read), Ok(()));
    assert!(caller.may(Role::Rollback).is_err());
}
