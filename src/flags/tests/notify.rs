//! Targets of notifications: what is taken, what is refused and where, and that nothing of them is shown.

use crate::decide::policy::{NotifyEvent, NotifyFormat, NotifyTarget};
use crate::decide::units::Millis;
use crate::flags::compile::{Compiled, compile};
use crate::flags::{Environment, render};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn environment() -> Environment {
    let set =
        [("SIGN", SECRET), ("PD", "0123456789abcdef0123456789abcdef"), ("HOOK", "https://hooks.test/services/T0/B0/x")];
    Environment::of(set.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
}

fn file(notify: &str) -> String {
    format!("providers: {{ a: {{ base_url: http://localhost }} }}\nnotify:\n{notify}")
}

fn compiled(notify: &str) -> Compiled {
    compile(&file(notify), &environment()).unwrap_or_else(|errors| panic!("{}", render(&errors, "flags.yaml")))
}

fn target(notify: &str) -> NotifyTarget {
    compiled(notify).policy.notify[0].clone()
}

fn errors(notify: &str) -> Vec<String> {
    let errors = compile(&file(notify), &environment()).err().unwrap_or_default();
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn a_file_without_targets_has_none() {
    let policy = compile("providers: { a: { base_url: http://localhost } }\n", &environment()).unwrap().policy;
    assert!(policy.notify.is_empty() && policy.admin_url.is_none());
}

#[test]
fn each_format_has_what_it_needs() {
    let ops = target("  - { name: ops, url: 'http://10.0.0.5:8080/in?team=1', secret: '${SIGN}' }\n");
    assert_eq!((ops.url.host.as_str(), ops.url.port, ops.url.path.reveal()), ("10.0.0.5", 8080, "/in?team=1"));
    assert_eq!((ops.format, ops.min_interval, ops.on.len()), (NotifyFormat::Standard, Millis(0), 6));
    let slack = target("  - { name: s, format: slack, url: '${HOOK}', on: [rolled_back, digest], min_interval: 1m }\n");
    assert_eq!((slack.url.path.reveal(), slack.secret), ("/services/T0/B0/x", None));
    assert_eq!(slack.on.into_iter().collect::<Vec<_>>(), [NotifyEvent::RolledBack, NotifyEvent::Digest]);
    let pagerduty = target("  - { name: p, format: pagerduty, secret: '${PD}', on: rolled_back }\n");
    assert_eq!((pagerduty.url.host.as_str(), pagerduty.url.path.reveal()), ("events.pagerduty.com", "/v2/enqueue"));
    for (url, path) in [("http://am:9093", "/api/v2/alerts"), ("http://am:9093/x/", "/x/api/v2/alerts")] {
        let alertmanager = target(&format!("  - {{ name: a, format: alertmanager, url: '{url}' }}\n"));
        assert_eq!(alertmanager.url.path.reveal(), path);
    }
    let with_password = target("  - { name: a, format: alertmanager, url: 'http://u:p%40ss@am:9093' }\n");
    assert_eq!(with_password.url.credentials.unwrap().reveal(), "u:p@ss");
}

#[test]
fn what_cannot_be_used_is_an_error_with_its_remedy() {
    let ops = |rest: &str| format!("  - {{ name: ops, {rest} }}\n");
    for (notify, problem) in [
        (ops("secret: '${SIGN}'"), "this target has no `url`"),
        (ops("url: http://a.test"), "this target has no `secret`: the signing secret"),
        (ops("url: ftp://a.test, secret: '${SIGN}'"), "the value has a scheme other than http and https"),
        (ops("url: 'http:///x', secret: '${SIGN}'"), "the value has no valid host"),
        (ops("url: http://a.test, secret: '${PD}'"), "the secret does not begin with `whsec_`"),
        (ops("url: http://a.test, secret: whsec_AAAA"), "the secret has 3 bytes, not 24 to 64"),
        (ops("url: http://a.test, secret: 'whsec_*'"), "the secret is not base64 after `whsec_`"),
        (ops("url: http://a.test, secret: '${SIGN}', on: [budget]"), "`budget` is not in this version"),
        (ops("url: http://a.test, secret: '${SIGN}', on: [rollback]"), "`rollback` is not an event"),
        (ops("url: http://a.test, secret: '${SIGN}', on: []"), "this target is notified of nothing"),
        (ops("url: http://a.test, secret: '${SIGN}', min_interval: 2d"), "`2d` is more than 1d"),
        (ops("url: http://a.test, secret: '${SIGN}', format: slack"), "a target with `format: slack` has no secret"),
        (ops("url: http://a.test, format: alertmanager, min_interval: 1m"), "groups notifications by itself"),
        (ops("url: http://a.test, format: alertmanager, on: [digest]"), "is no problem"),
        (ops("url: http://a.test, format: teams"), "`teams` is not a format of notifications"),
        (ops("url: http://a.test/x, secret: '${PD}', format: pagerduty"), "does not end with `/v2/enqueue`"),
    ] {
        let errors = errors(&notify);
        assert_eq!(errors.len(), 1, "{notify}: {errors:?}");
        assert!(errors[0].contains(problem), "{problem}: {}", errors[0]);
    }
    let twice = format!("{0}{0}", ops("url: http://a.test, secret: '${SIGN}'"));
    assert!(errors(&twice)[0].contains("a second target named `ops`"));
    let many: String =
        (0..17).map(|n| format!("  - {{ name: t{n}, url: http://a.test, secret: '${{SIGN}}' }}\n")).collect();
    assert_eq!(errors(&many).len(), 1);
}

#[test]
fn an_address_and_a_secret_are_never_shown() {
    let literal = "  - { name: s, format: slack, url: https://hooks.test/services/T1/B1/abc }\n";
    let all = compiled(literal);
    assert!(!all.shown.contains("T1") && !all.shown.contains("abc"), "{}", all.shown);
    assert!(all.warnings.iter().any(|warning| warning.contains("the file contains a secret")), "{:?}", all.warnings);
    assert!(!format!("{:?}", all.policy.notify).contains("T1"));
    // In a file with another mistake, and one whose address is wrong.
    for broken in [
        "  - name: s\n    format: slack\n    url: https://hooks.test/services/T1/B1/abc\n    formt: x\n",
        "  - { name: s, format: slack, url: 'https://hooks.test/services/T1/B1/abc def' }\n",
        "  - { name: s, url: 'https://u:T1@hooks.test/', secret: 'whsec_T1' }\n",
    ] {
        let rendered = render(&compile(&file(broken), &environment()).unwrap_err(), "flags.yaml");
        assert!(!rendered.contains("T1"), "{rendered}");
    }
}
