//! The TLS session with a provider and its certificate: who it is, who says so, and for how long.
//!
//! A certificate that TLS refuses makes no connection, and its fault is a cause of [`cause`](crate::decide::cause); so
//! what stands here was trusted. Owns from when on the end of a certificate is near.

use serde::Serialize;

use crate::decide::timestamp::Timestamp;
use crate::decide::units::UnixMillis;
use crate::wire::certificate::validity;
use crate::wire::certificate_names::certificate_names;

/// Below so many days a certificate's end is near: by then an automatic renewal has failed.
pub const NEAR: u64 = 14;
const DAY: u64 = 86_400_000;

/// What a handshake showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TlsReport {
    /// `1.3`
    pub version: String,
    /// Whom the certificate was issued to, by its common name.
    pub subject: Option<String>,
    pub issuer: Option<String>,
    /// Its last moment.
    pub not_after: Option<Timestamp>,
    pub days_left: Option<u64>,
}

impl TlsReport {
    /// By the certificate's DER form.
    #[must_use]
    pub fn new(version: &str, certificate: &[u8], now: UnixMillis) -> TlsReport {
        let names = certificate_names(certificate);
        let not_after = validity(certificate).map(|validity| UnixMillis(validity.not_after));
        TlsReport {
            version: version.to_owned(),
            subject: names.subject,
            issuer: names.issuer,
            not_after: not_after.map(Timestamp),
            days_left: not_after.map(|at| at.since(now).0 / DAY),
        }
    }

    /// Whether its end is near.
    #[must_use]
    pub fn is_near_its_end(&self) -> bool {
        self.days_left.is_some_and(|days| days < NEAR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_days_that_are_left_are_counted_whole() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["api.example".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2027, 1, 15);
        let certificate = params.self_signed(&key).unwrap();
        let end = 1_799_971_200_000;
        let report = |before: u64| TlsReport::new("1.3", certificate.der(), UnixMillis(end - before));
        let days = |before| report(before).days_left;
        assert_eq!([days(14 * DAY), days(14 * DAY - 1), days(0)], [Some(14), Some(13), Some(0)]);
        assert!(!report(14 * DAY).is_near_its_end() && report(14 * DAY - 1).is_near_its_end());
        assert_eq!(report(0).not_after, Some(Timestamp(UnixMillis(end))));
        let strange = TlsReport::new("1.2", b"no certificate", UnixMillis(0));
        assert!(strange.not_after.is_none() && !strange.is_near_its_end());
    }
}
