//! What limits mean.

use std::sync::Arc;

use crate::decide::limit::Rate;
use crate::decide::policy::{ClientLimit, Policy, RateLimit, WhenFull};
use crate::decide::units::Millis;
use crate::flags::compile::compile;
use crate::flags::{Environment, render};

fn policy(text: &str) -> Arc<Policy> {
    let environment = Environment::of([("ONE".to_owned(), "key-one".to_owned())].into());
    compile(text, &environment).unwrap_or_else(|errors| panic!("{}", render(&errors, "flags.yaml"))).policy
}

#[test]
fn a_limit_has_usual_values_for_what_it_does_not_say() {
    let policy = policy(
        "providers:\n  a: { base_url: http://localhost, rate_limit: { requests_per_minute: 600 } }\n  b:\n    base_url: \
         http://localhost\n    rate_limit: { requests_per_minute: 5, burst: 7, tokens_per_minute: 200000, in_flight: 64, \
         when_full: wait, wait: 1m, follow_headers: true }\nclients: [{ name: one, key: \"${ONE}\", rate_limit: { \
         requests_per_minute: 3, when_full: observe } }]\nunmatched: a\n",
    );
    let usual = RateLimit {
        requests: Some(Rate::new(600, 100)),
        tokens: None,
        in_flight: None,
        when_full: WhenFull::Fallback,
        wait: Millis(2000),
        follow_headers: false,
    };
    assert_eq!(policy.providers[0].rate_limit, Some(usual));
    let whole = RateLimit {
        requests: Some(Rate::new(5, 7)),
        tokens: Some(Rate::new(200_000, 200_000)),
        in_flight: Some(64),
        when_full: WhenFull::Wait,
        wait: Millis(60_000),
        follow_headers: true,
    };
    assert_eq!(policy.providers[1].rate_limit, Some(whole));
    assert_eq!(policy.clients[0].rate_limit, Some(ClientLimit { requests: Rate::new(3, 1), observe: true }));
}
