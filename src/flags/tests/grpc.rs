//! Warnings of files whose calls of gRPC could not be carried.

use std::collections::BTreeMap;

use crate::flags::Environment;
use crate::flags::compile::compile;

fn warnings(mount: &str, path: &str, http2: &str) -> Vec<String> {
    let text = format!(
        "mount: {mount}\n\
         providers:\n  a: {{ base_url: 'http://a.test', http2: prior_knowledge, auth: none }}\n  b: {{ base_url: 'https://b.test', auth: none, {http2} }}\n\
         rollouts: [{{ name: r, match: {{ path: '{path}' }}, user: ['header:x-user-id'], stable: a, canary: b, percent: 0 }}]\n"
    );
    let mut warnings = compile(&text, &Environment::of(BTreeMap::new())).unwrap().warnings;
    warnings.retain(|warning| warning.contains("gRPC"));
    warnings
}

#[test]
fn a_provider_of_http_1_and_a_mount_are_warned_of_where_calls_are_meant() {
    assert_eq!(warnings("/", "/pkg.Echo/*", "http2: auto"), Vec::<String>::new());
    let http1 = warnings("/", "/pkg.Echo/*", "http2: never");
    assert!(http1.len() == 1 && http1[0].contains("provider `b` is asked by HTTP/1.1"), "{http1:?}");
    let mounted = warnings("/v1", "/pkg.Echo/*", "http2: auto");
    assert!(mounted.len() == 1 && mounted[0].contains("`mount: /`"), "{mounted:?}");
    assert_eq!(warnings("/v1", "/chat/*", "http2: never"), Vec::<String>::new());
}
