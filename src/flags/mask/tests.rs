//! What is hidden of a text, and what is not.

use super::*;

#[test]
fn what_looks_like_a_key_is_hidden_wherever_it_stands() {
    assert_eq!(short("sk-proj-abcdefghijkl"), "*".repeat(20));
    assert_eq!(line("apikey: abcdef123\n", 1), "apikey: *********");
    assert_eq!(line("api_keys:\n  # old\n  - hunter2-hunter2\n", 3), "  - ***************");
    assert_eq!(line("{ token: hunter22, may: [read] }", 1), "{ token: ********, may: [read] }");
    assert_eq!(line("{ key: hunter22, name: somebody }", 1), "{ key: ********, name: somebody }");
    assert_eq!(line("x: http://me:hunter2@proxy:1", 1), "x: http://**********@proxy:1");
    for password in ["p/w", "p,w", "p'w", "p}w", "p]w", "p@w", "${A}w", "p${A}"] {
        assert_eq!(stars(&format!("x: http://me:{password}@proxy:1")).matches(password).count(), 0, "{password}");
    }
    assert_eq!(stars("x: http://${USER}:${PASSWORD}@proxy:1"), "x: http://${USER}:${PASSWORD}@proxy:1");
    assert_eq!(stars("{ a: http://h/v1, b: me@x }"), "{ a: http://h/v1, b: me@x }");
    assert_eq!(line("x: Zm9vYmFyMTIzNDU2Nzg5MGFi", 1), "x: ************************");
}

#[test]
fn every_value_of_a_query_and_of_set_headers_is_hidden() {
    assert_eq!(line("query: { sig: abc, v: 1 } }, x: [y]", 1), "query: { sig: ***, v: * } }, x: [y]");
    assert_eq!(
        line("a: { set_headers: { x-team: red }, models: { a: b } }", 1),
        "a: { set_headers: { x-team: *** }, models: { a: b } }"
    );
    assert_eq!(
        line("otlp: { headers: { x-team: red }, sample: 5% }, timeouts: { headers: 600s }", 1),
        "otlp: { headers: { x-team: *** }, sample: 5% }, timeouts: { headers: 600s }"
    );
    assert_eq!(line("otlp:\n  headers:\n    x-team: red\n  sample: 5%\n", 3), "    x-team: ***");
    assert_eq!(line("otlp:\n  headers:\n    x-team: red\n  sample: 5%\n", 4), "  sample: 5%");
    let text = "p:\n  query:\n    sig: abc\n\n    v: ${V}\n  models:\n    a: b\n";
    assert_eq!(line(text, 3), "    sig: ***");
    assert_eq!(line(text, 5), "    v: ${V}");
    assert_eq!(line(text, 7), "    a: b");
    assert_eq!(
        line("base_url: https://a.test/v1?key=short&b=c # x", 1),
        "base_url: https://a.test/v1?key=*****&b=* # x"
    );
    assert_eq!(short("https://a.test/v1?key=short"), "https://a.test/v1?key=*****");
    assert_eq!(line("probe_path: \"/models?token=ab\"", 1), "probe_path: \"/models?token=**\"");
    assert_eq!(line("x: is it? y=z", 1), "x: is it? y=z");
    assert_eq!(line("query: { sig: abc: def }", 1), "query: { sig: ***: *** }");
    assert_eq!(line("# the key: hunter22", 1), "# the key: ********");
    assert_eq!(line("key: hunter22: hunter22", 1), "key: ********: ********");
}

#[test]
fn a_value_is_hidden_over_all_its_lines() {
    let values = [
        "|\n      zq: 7x\n      zq7x\n",
        "|-\n      zq: 7x\n\n      zq7x\n",
        ">2\n      zq: 7x\n      zq7x\n",
        "zq7x\n      zq7x\n      zq7x\n",
        "\n      zq7x\n      zq7x\n",
        "\"zq7x\n      zq: 7x \\\"\n      zq7x\"\n",
        "\"zq7x\n  zq: 7x \\\"\nzq7x\"\n",
        "'zq7x ''\n      zq: 7x\n zq7x'\n",
    ];
    for value in values {
        for key in ["key", "token", "api_keys", "authorization", "\"x-api-key\""] {
            for above in ["", "clients:\n  - "] {
                let text = format!("{above}{}{key}: {value}name: public\n", if above.is_empty() { "    " } else { "" });
                let count = text.lines().count();
                let shown = lines(&text, 1..=count).join("\n");
                assert!(!shown.contains("zq") && !shown.contains("7x"), "{text}{shown}");
                assert!(shown.ends_with("name: public"), "{text}{shown}");
            }
        }
        let text = format!("a:\n  query:\n    sig: {value}  models:\n    a: b\n");
        let shown = lines(&text, 1..=text.lines().count()).join("\n");
        assert!(!shown.contains("zq") && !shown.contains("7x") && shown.ends_with("    a: b"), "{text}{shown}");
    }
    let list = "api_keys:\n- |\n  zq: 7x\n- ${A}\nname: public\n";
    assert_eq!(lines(list, 3..=5), ["  *** **", "- ${A}", "name: public"]);
}

#[test]
fn references_and_names_stay_readable() {
    assert_eq!(line("api_keys: [\"${OPENAI_API_KEY}\"]", 1), "api_keys: [\"${OPENAI_API_KEY}\"]");
    assert_eq!(line("key: ${file:/run/secrets/key}", 1), "key: ${file:/run/secrets/key}");
    assert_eq!(
        line("models: { gpt-4: claude-3-5-sonnet-20241022 }", 1),
        "models: { gpt-4: claude-3-5-sonnet-20241022 }"
    );
}

#[test]
fn letters_of_several_bytes_do_not_cut_a_key_in_two() {
    assert_eq!(line("caf\u{e9}: x", 1), "caf\u{e9}: x");
    assert_eq!(line("\u{feff}\u{e9}key: hunter22", 1), "\u{feff}\u{e9}key: ********");
}

#[test]
fn known_secrets_are_replaced_and_the_rest_is_kept() {
    assert_eq!(shown("a: [x, yz]\nb: c\n", &[4..5, 7..9]), "a: [(secret), (secret)]\nb: c\n");
    assert_eq!(starred("a: xy\nb: z", &[3..6, 9..10]), "a: **\nb: *");
}
