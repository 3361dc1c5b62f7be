//! The proxy port over TLS: the files that it is set up with, and the certificates that were in them.
//!
//! Owns which certificate is shown to a client. Reads no file and no clock. Invariant: a certificate that is not valid
//! is never shown while an earlier one still is.

use std::path::PathBuf;
use std::sync::Arc;

use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::decide::units::UnixMillis;
use crate::wire::certificate::validity;

/// The proxy port over TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenTls {
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
    /// What was in the files when they were last good; `None`: they were not read.
    pub certificate: Option<Arc<ServerCertificate>>,
    /// The one that was shown before, where the one in the files is not valid at the time of the reload.
    pub earlier: Option<Arc<ServerCertificate>>,
    /// Why the files cannot be used as they are now; `None`: they can.
    pub problem: Option<String>,
}

impl ListenTls {
    /// The certificate that clients are shown.
    #[must_use]
    pub fn shown(&self, now: UnixMillis) -> Option<&Arc<ServerCertificate>> {
        let valid = |found: &&Arc<ServerCertificate>| found.is_valid(now);
        let certificate = self.certificate.as_ref();
        certificate.filter(valid).or_else(|| self.earlier.as_ref().filter(valid)).or(certificate)
    }

    /// These settings in the place of `old`, whose certificate goes on being shown while the one in the files is not
    /// valid.
    #[must_use]
    pub fn in_place_of(mut self, old: &ListenTls, now: UnixMillis) -> ListenTls {
        let is_valid = self.certificate.as_ref().is_some_and(|certificate| certificate.is_valid(now));
        self.earlier = old.shown(now).filter(|shown| !is_valid && shown.is_valid(now)).cloned();
        self
    }
}

/// A server's certificate with those that vouch for it, and its key.
#[derive(Debug, PartialEq, Eq)]
pub struct ServerCertificate {
    /// Its own first.
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
    /// The first moment at which it is valid.
    pub not_before: UnixMillis,
    /// The last one.
    pub not_after: UnixMillis,
}

impl ServerCertificate {
    /// `None`: there is no certificate.
    #[must_use]
    pub fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Option<ServerCertificate> {
        let validity = validity(chain.first()?)?;
        let (not_before, not_after) = (UnixMillis(validity.not_before), UnixMillis(validity.not_after));
        Some(ServerCertificate { chain, key, not_before, not_after })
    }

    #[must_use]
    pub fn is_valid(&self, now: UnixMillis) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::PrivatePkcs8KeyDer;

    use super::*;

    fn certificate(not_before: u64, not_after: u64) -> Option<Arc<ServerCertificate>> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(Vec::new()));
        let (not_before, not_after) = (UnixMillis(not_before), UnixMillis(not_after));
        Some(Arc::new(ServerCertificate { chain: Vec::new(), key, not_before, not_after }))
    }

    fn of(certificate: Option<Arc<ServerCertificate>>) -> ListenTls {
        ListenTls { cert_file: "c".into(), key_file: "k".into(), certificate, earlier: None, problem: None }
    }

    fn shown_until(tls: &ListenTls, now: u64) -> u64 {
        tls.shown(UnixMillis(now)).unwrap().not_after.0
    }

    #[test]
    fn one_that_has_expired_or_is_not_valid_yet_does_not_replace_one_that_is_valid() {
        let old = of(certificate(0, 100));
        let fresh = of(certificate(40, 200)).in_place_of(&old, UnixMillis(50));
        assert_eq!((fresh.earlier.clone(), shown_until(&fresh, 50)), (None, 200));
        let expired = of(certificate(0, 40)).in_place_of(&old, UnixMillis(50));
        assert_eq!([50, 100, 101].map(|now| shown_until(&expired, now)), [100, 100, 40]);
        let early = of(certificate(80, 200)).in_place_of(&old, UnixMillis(50));
        assert_eq!([50, 79, 80, 101, 201].map(|now| shown_until(&early, now)), [100, 100, 200, 200, 200]);
    }

    #[test]
    fn the_one_that_is_shown_lasts_over_several_bad_reloads() {
        let bad = || of(certificate(0, 40));
        let first = bad().in_place_of(&of(certificate(0, 100)), UnixMillis(50));
        assert_eq!(shown_until(&bad().in_place_of(&first, UnixMillis(60)), 61), 100);
    }

    #[test]
    fn a_key_is_not_told() {
        let told = format!("{:?}", certificate(0, 1));
        assert!(told.contains("elided"), "{told}");
    }
}
