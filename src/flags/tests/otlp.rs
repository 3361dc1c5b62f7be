//! Where traces go, as files say it.

use crate::decide::policy::{Otlp, Secret};
use crate::decide::units::Percent;
use crate::flags::Environment;
use crate::flags::compile::{Compiled, compile};

fn compiled(keys: &str) -> Compiled {
    let text = format!("providers: {{ a: {{ base_url: http://localhost }} }}\notlp: {{ {keys} }}\n");
    let environment = Environment::of([("TOKEN".to_owned(), "tok-0123456789".to_owned())].into());
    compile(&text, &environment).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn otlp(keys: &str) -> Otlp {
    compiled(keys).policy.otlp.clone().unwrap()
}

#[test]
fn without_the_key_there_are_no_traces() {
    let text = "providers: { a: { base_url: http://localhost } }\n";
    assert!(compile(text, &Environment::of([].into())).unwrap().policy.otlp.is_none());
}

#[test]
fn the_path_of_traces_is_added_once() {
    let endpoint = |written: &str| otlp(&format!("endpoint: '{written}'")).endpoint.to_string();
    for (written, meant) in [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
        ("http://collector:4318/", "http://collector:4318/v1/traces"),
        ("https://otlp.test/v1/traces", "https://otlp.test/v1/traces"),
        ("https://otlp.test/tenant/v1/traces/", "https://otlp.test/tenant/v1/traces"),
        ("https://otlp.test/api/public/otel", "https://otlp.test/api/public/otel/v1/traces"),
    ] {
        assert_eq!(endpoint(written), meant);
    }
    assert_eq!(otlp("endpoint: http://c").sample, Percent::ALL);
    assert_eq!(otlp("endpoint: http://c, sample: 0.5%").sample.hundredths(), 50);
    assert_eq!(otlp("endpoint: http://c, sample: 0").sample, Percent::ZERO);
}

#[test]
fn headers_are_secrets() {
    let keys = "endpoint: https://c.test, headers: { Authorization: 'Bearer ${TOKEN}', x-tenant: red }";
    let values: Vec<(String, String)> =
        otlp(keys).headers.iter().map(|(name, value)| (name.clone(), Secret::reveal(value).to_owned())).collect();
    let expected = [("authorization", "Bearer tok-0123456789"), ("x-tenant", "red")];
    assert_eq!(values, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let compiled = compiled(keys);
    assert!(compiled.shown.contains("${TOKEN}") && !compiled.shown.contains("red"), "{}", compiled.shown);
    assert!(compiled.warnings.is_empty(), "{:?}", compiled.warnings);
    assert!(!format!("{:?}", compiled.policy).contains("tok-"));
}

#[test]
fn a_key_in_clear_text_is_warned_of_off_this_network() {
    let warned = |endpoint: &str| {
        let compiled = compiled(&format!("endpoint: '{endpoint}', headers: {{ authorization: '${{TOKEN}}' }}"));
        compiled.warnings.iter().any(|warning| warning.contains("in clear text"))
    };
    assert!(warned("http://otlp.example.com"));
    assert!(!warned("https://otlp.example.com") && !warned("http://127.0.0.1:4318") && !warned("http://collector"));
}
