//! The proxy port over TLS: its certificate is renewed in place, and nobody notices.

use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;
use serin::decide::units::Millis;
use serin::demo::provider::{Behaviour, Provider};

use crate::support::embedded::{Two, embedded};
use crate::support::eventually::{SOON, eventually};
use crate::support::secure::{Pair, SecureClient};
use crate::support::sidecar::{Sidecar, Workspace, one, spoken};

const CHAT: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
const STREAM: &str = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

/// The key of the file for a pair in this directory.
fn listen_tls(dir: &Path) -> String {
    let dir = dir.display();
    format!("listen_tls: {{ listen: 127.0.0.1:0, cert_file: {dir}/tls.crt, key_file: {dir}/tls.key }}\n")
}

fn workspace(rest: &str, pair: &Pair) -> (Workspace, PathBuf) {
    let workspace = Workspace::new("");
    let dir = workspace.flags().with_file_name("tls");
    std::fs::create_dir(&dir).unwrap();
    pair.write(&dir);
    workspace.write(&format!("{}{rest}", listen_tls(&dir)));
    (workspace, dir)
}

fn address(sidecar: &Sidecar) -> SocketAddr {
    sidecar.status()["process"]["listen_tls"].as_str().unwrap().parse().unwrap()
}

/// Asks on a connection of its own, and says which certificate was shown.
fn ask(address: SocketAddr, config: &Arc<ClientConfig>) -> std::io::Result<Vec<u8>> {
    let mut client = SecureClient::connect(address, config)?;
    client.chat("", CHAT)?;
    let (head, body) = client.answer()?;
    assert!(head.starts_with("HTTP/1.1 200 ") && body.contains("oldcorp"), "{head}{body}");
    Ok(client.shown().to_vec())
}

fn metric(sidecar: &Sidecar, name: &str) -> String {
    let metrics = sidecar.metrics();
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name}")).to_owned()
}

#[test]
fn a_certificate_is_renewed_in_place_and_an_open_connection_goes_on() {
    let (provider, first) = (embedded("oldcorp"), Pair::new());
    let (workspace, dir) = workspace(&one(&provider.base_url()), &first);
    let sidecar = workspace.start();
    let address = address(&sidecar);
    let mut open = SecureClient::connect(address, &first.trusted()).unwrap();
    let chat = |open: &mut SecureClient| {
        open.chat("", CHAT).unwrap();
        open.answer().unwrap().0
    };
    assert!(chat(&mut open).starts_with("HTTP/1.1 200 "));
    let second = Pair::valid_to(8000);
    second.write(&dir);
    let shown = eventually("the new one is shown", SOON, || ask(address, &second.trusted()).ok());
    assert_eq!(shown, second.certificate.to_vec());
    assert!(chat(&mut open).starts_with("HTTP/1.1 200 "));
    let status = sidecar.status();
    assert_eq!(status["certificate"]["expires_at"], "8000-01-01T00:00:00.000Z");
    assert_eq!(metric(&sidecar, "serin_tls_certificate_expiry_timestamp_seconds"), "190288396800");
    let text = spoken(&workspace.run(&["status", "--admin", &format!("http://{}", sidecar.admin)]));
    assert!(
        text.contains(&format!("over TLS {address}")) && text.contains("certificate valid until 8000-01-01"),
        "{text}"
    );
}

#[test]
fn a_certificate_in_a_mounted_secret_is_renewed_by_its_symlink() {
    let (provider, first, second) = (embedded("oldcorp"), Pair::new(), Pair::new());
    let workspace = Workspace::new("");
    let dir = workspace.flags().with_file_name("tls");
    // As kubelet has it: the files are links through `..data`, which is swapped.
    for (name, pair) in [("..1", &first), ("..2", &second)] {
        std::fs::create_dir_all(dir.join(name)).unwrap();
        pair.write(&dir.join(name));
    }
    symlink("..1", dir.join("..data")).unwrap();
    for file in ["tls.crt", "tls.key"] {
        symlink(Path::new("..data").join(file), dir.join(file)).unwrap();
    }
    workspace.write(&format!("{}{}", listen_tls(&dir), one(&provider.base_url())));
    let sidecar = workspace.start();
    let address = address(&sidecar);
    assert_eq!(ask(address, &first.trusted()).unwrap(), first.certificate.to_vec());
    symlink("..2", dir.join("..data_tmp")).unwrap();
    std::fs::rename(dir.join("..data_tmp"), dir.join("..data")).unwrap();
    eventually("the new one is shown", SOON, || ask(address, &second.trusted()).ok());
}

#[test]
fn a_broken_pair_is_told_and_the_one_before_goes_on_being_shown() {
    let (providers, first, other) = (Two::start(), Pair::new(), Pair::new());
    let (workspace, dir) = workspace(&providers.flags("percent: 0"), &first);
    let sidecar = workspace.start();
    let address = address(&sidecar);
    assert_eq!(metric(&sidecar, "serin_tls_certificate_in_force"), "1");
    for (what, certificate, key) in [
        ("the file holds no private key in PEM", first.cert_pem.as_str(), "half of a k"),
        ("the file holds no certificate in PEM", "", first.key_pem.as_str()),
        ("not that of the first certificate", first.cert_pem.as_str(), other.key_pem.as_str()),
        ("has expired: the one before it is shown", "expired", "expired"),
    ] {
        let expired = Pair::valid_to(2020);
        let expire = |text: &str, of: &str| if text == "expired" { of.to_owned() } else { text.to_owned() };
        std::fs::write(dir.join("tls.crt"), expire(certificate, &expired.cert_pem)).unwrap();
        std::fs::write(dir.join("tls.key"), expire(key, &expired.key_pem)).unwrap();
        let told = |status: serde_json::Value| status["flags"]["warnings"].to_string().contains(what).then_some(status);
        let status = eventually(what, SOON, || told(sidecar.status()));
        let problem = status["certificate"]["problem"].as_str().unwrap().to_owned();
        assert!(problem.contains(what) && problem.contains(dir.to_str().unwrap()), "{problem}");
        assert_eq!(status["flags"]["errors"].as_array().unwrap().len(), 0);
        assert_eq!(metric(&sidecar, "serin_tls_certificate_in_force"), "0");
        eventually("it is logged", SOON, || workspace.log().contains(what).then_some(()));
        assert_eq!(ask(address, &first.trusted()).unwrap(), first.certificate.to_vec(), "{what}");
    }
    // An edit does not wait for a certificate.
    workspace.write(&format!("{}{}", listen_tls(&dir), providers.flags("percent: 100%")));
    eventually("the edit is in force", SOON, || (sidecar.percent() > 99.0).then_some(()));
    other.write(&dir);
    eventually("the new one is shown", SOON, || SecureClient::connect(address, &other.trusted()).ok());
    eventually("all is well", SOON, || (metric(&sidecar, "serin_tls_certificate_in_force") == "1").then_some(()));
    assert!(sidecar.status()["certificate"]["problem"].is_null());
}

#[test]
fn a_broken_pair_is_an_error_at_the_start_and_an_expired_one_a_warning() {
    let provider = embedded("oldcorp");
    let (workspace, dir) = workspace(&one(&provider.base_url()), &Pair::new());
    let check = || workspace.run(&["check", workspace.flags().to_str().unwrap()]);
    let said = spoken(&check());
    assert!(said.contains("listen_tls 127.0.0.1:0, its certificate is valid until 9000-01-01"), "{said}");
    Pair::valid_to(2020).write(&dir);
    let output = check();
    let warning = "expired on 2020-01-01, and clients refuse it; renew it in place";
    assert!(output.status.success() && spoken(&output).contains(warning), "{}", spoken(&output));
    let sidecar = workspace.start();
    assert!(sidecar.status()["flags"]["warnings"].to_string().contains(warning));
    sidecar.kill();
    std::fs::write(dir.join("tls.crt"), "no certificate").unwrap();
    for arguments in [
        ["check", workspace.flags().to_str().unwrap()].as_slice(),
        &["run", "--strict", "--flags", workspace.flags().to_str().unwrap()],
    ] {
        let output = workspace.run(arguments);
        let said = spoken(&output);
        assert_eq!(output.status.code(), Some(64), "{said}");
        let place = "flags.yaml:3:47: listen_tls.cert_file: ";
        assert!(said.contains(place) && said.contains("the file holds no certificate in PEM"), "{said}");
    }
}

#[test]
fn clients_are_known_by_their_keys_and_requests_are_logged_as_on_the_plain_port() {
    let (provider, pair) = (embedded("oldcorp"), Pair::new());
    let rest = format!(
        "clients: [{{ name: shop, key: key-of-the-shop-1 }}]\naccess_log: {{ to: stdout }}\n{}",
        one(&provider.base_url())
    );
    let (workspace, _dir) = workspace(&rest, &pair);
    let sidecar = workspace.start();
    for (key, status) in [("another", "401"), ("key-of-the-shop-1", "200")] {
        let mut client = SecureClient::connect(address(&sidecar), &pair.trusted()).unwrap();
        client.chat(&format!("authorization: Bearer {key}\r\n"), CHAT).unwrap();
        assert!(client.answer().unwrap().0.starts_with(&format!("HTTP/1.1 {status} ")));
    }
    eventually("both are logged", SOON, || {
        let log = workspace.log();
        let lines = || log.lines().filter(|line| line.contains(r#""path":"/v1/chat/completions""#));
        let statuses = ["401", "200"].map(|status| lines().any(|line| line.contains(&format!("\"status\":{status}"))));
        (statuses == [true; 2]).then_some(())
    });
}

#[test]
fn a_drain_lets_a_stream_over_tls_end() {
    let behaviour = Behaviour { gap: Millis(20), words: 60, ..Behaviour::default() };
    let (provider, pair) = (Provider::start("oldcorp", behaviour).unwrap(), Pair::new());
    let (workspace, _dir) = workspace(&format!("drain: 30s\nworkers: 2\n{}", one(&provider.base_url())), &pair);
    let mut sidecar = workspace.start();
    let mut client = SecureClient::connect(address(&sidecar), &pair.trusted()).unwrap();
    client.chat("", STREAM).unwrap();
    assert!(client.read_to("\r\n\r\n").unwrap().starts_with("HTTP/1.1 200 "));
    client.read_to("\n\n").unwrap();
    sidecar.terminate();
    let rest = client.read_to("0\r\n\r\n").unwrap();
    assert!(rest.contains("data: [DONE]"), "{rest}");
    // Its end is announced, so that it cannot be one that was cut.
    assert_eq!(std::io::Read::read(&mut client.stream, &mut [0]).unwrap(), 0);
    assert!(eventually("it has ended", SOON, || sidecar.has_ended()), "{}", workspace.log());
}

#[test]
fn plain_http_on_the_port_is_told_seldom() {
    let (provider, pair) = (embedded("oldcorp"), Pair::new());
    let (workspace, _dir) = workspace(&one(&provider.base_url()), &pair);
    let sidecar = workspace.start();
    let address = address(&sidecar);
    for _ in 0..20 {
        let answer = crate::support::client::Client::connect(address).unwrap().get("/v1/models").unwrap();
        assert_eq!((answer.status, answer.header("x-serin-error")), (400, "without_tls"));
    }
    eventually("they are counted", SOON, || {
        (metric(&sidecar, r#"serin_tls_handshake_failures_total{reason="plain_http"}"#) == "20").then_some(())
    });
    let log = workspace.log();
    assert_eq!(log.matches("a client sent HTTP without TLS").count(), 1, "{log}");
    ask(address, &pair.trusted()).unwrap();
}

#[cfg(feature = "otlp")]
#[test]
fn a_trace_tells_the_scheme_that_a_request_came_by() {
    use crate::support::collector::{Collector, attribute};
    let (provider, pair, collector) = (embedded("oldcorp"), Pair::new(), Collector::start());
    let rest = format!("otlp: {{ endpoint: \"{}\" }}\n{}", collector.endpoint(), one(&provider.base_url()));
    let (workspace, _dir) = workspace(&rest, &pair);
    let sidecar = workspace.start();
    ask(address(&sidecar), &pair.trusted()).unwrap();
    assert_eq!(sidecar.client().chat("u").unwrap().status, 200);
    let schemes: Vec<String> = collector.expect(4).iter().map(|span| attribute(span, "url.scheme")).collect();
    let count = |scheme: &str| schemes.iter().filter(|found| *found == scheme).count();
    assert_eq!((count("https"), count("http")), (1, 1), "{schemes:?}");
}
