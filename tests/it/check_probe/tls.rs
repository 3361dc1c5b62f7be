//! The certificates of providers: one that is good, one that ends soon, and those that nobody should trust.

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::*;

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: tempfile::TempDir,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Example Trust");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), issuer.pem()).unwrap();
        Authority { issuer, dir }
    }

    /// A provider with a certificate for this name.
    fn provider(&self, name: &str, edit: impl FnOnce(&mut CertificateParams)) -> Scripted {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        edit(&mut params);
        let certificate = CertificateDer::from(params.signed_by(&key, &self.issuer).unwrap());
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
        Scripted::start_tls("corp", Arc::new(config), |seen| by_path(seen, &["gpt-4o"]))
    }

    fn shown(&self, provider: &Scripted, ca_file: Option<&Path>) -> Shown {
        let tls = ca_file.map(|file| format!(", tls: {{ ca_file: \"{}\" }}", file.display())).unwrap_or_default();
        Shown::of(&alone(&provider.base_url(), &format!("api_keys: [sk-good-1]{tls}")), &[])
    }
}

/// So many days from now on, and half a day.
fn in_days(days: u64) -> std::time::SystemTime {
    std::time::UNIX_EPOCH + serin::clock::wall() + std::time::Duration::from_secs(days * 86_400 + 43_200)
}

#[test]
fn a_trusted_certificate_is_shown_with_its_end_and_warned_of_when_that_is_near() {
    let authority = Authority::new();
    let ca = authority.dir.path().join("ca.pem");
    for (days, near) in [(100, false), (14, false), (13, true), (0, true)] {
        let provider = authority.provider("127.0.0.1", |params| params.not_after = in_days(days).into());
        let shown = authority.shown(&provider, Some(&ca));
        assert_eq!(shown.code, Some(0), "{}", shown.text);
        let warning = if near { "warning: " } else { "" };
        shown.says(&format!(
            "probe: corp: {warning}TLS 1.3, certificate of 127.0.0.1 issued by Example Trust, valid until 20"
        ));
        shown.says(&format!(", for {days} day"));
        let report = shown.provider("corp");
        assert_eq!((&report["tls"]["days_left"], &report["tls"]["version"]), (&days.into(), &"1.3".into()));
        assert!(report["latency"]["tls_ms"].is_f64(), "{report}");
    }
}

#[test]
fn a_certificate_that_nobody_should_trust_fails_with_the_reason() {
    let authority = Authority::new();
    let ca = authority.dir.path().join("ca.pem");
    let good = authority.provider("127.0.0.1", |_| {});
    let elsewhere = authority.provider("api.example", |_| {});
    let expired = authority.provider("127.0.0.1", |params| params.not_after = rcgen::date_time_ymd(2001, 1, 1));
    let early = authority.provider("127.0.0.1", |params| params.not_before = rcgen::date_time_ymd(2090, 1, 1));
    for (provider, ca_file, words) in [
        (&good, None, "certificate has an untrusted issuer; if it is your own authority, set tls.ca_file"),
        (&elsewhere, Some(&ca), "certificate is for another name: "),
        (&expired, Some(&ca), "certificate has expired (or this machine's clock is wrong)"),
        (&early, Some(&ca), "certificate is not valid yet (or this machine's clock is wrong)"),
    ] {
        let shown = authority.shown(provider, ca_file.map(|file| file.as_path()));
        assert_eq!(shown.code, Some(1), "{words}: {}", shown.text);
        shown.says(&format!("probe: corp FAILS: TLS handshake with 127.0.0.1 failed: {words}"));
        assert_eq!(shown.provider("corp")["tls"], Value::Null);
    }
}
