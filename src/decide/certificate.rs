//! What is to be said of the certificate of the proxy port over TLS: that it expires soon, or is not valid.
//!
//! Owns the days before its end at which it is said. Which certificate is shown is
//! [`ListenTls::shown`](crate::decide::policy::ListenTls::shown)'s. Reads no clock.

use serde::{Deserialize, Serialize};

use super::policy::ListenTls;
use super::units::UnixMillis;

const DAY: u64 = 86_400_000;
/// From so many days before the end on it is shown; it is told anew at each of them.
const NOTICES: [u64; 4] = [1, 3, 7, 14];

/// Something that is wrong, or soon will be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateWarning {
    /// Its file.
    pub file: String,
    pub fault: CertificateFault,
}

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CertificateFault {
    /// It is valid for so many days more.
    Expires { at: UnixMillis, days: u64 },
    /// It is shown although it has expired.
    Expired { at: UnixMillis },
    /// It is shown although it is not valid yet.
    NotYetValid { from: UnixMillis },
    /// The one in the file has expired, or is not valid `yet`: an earlier one is shown, which is valid `until` then.
    EarlierShown { yet: bool, until: UnixMillis },
}

impl CertificateWarning {
    /// Which notice it is: a warning that has another one is told anew.
    #[must_use]
    pub fn notice(&self) -> (u8, u64) {
        match self.fault {
            CertificateFault::Expires { days, .. } => (0, notice(days).unwrap_or_default()),
            CertificateFault::Expired { .. } => (1, 0),
            CertificateFault::NotYetValid { .. } => (2, 0),
            CertificateFault::EarlierShown { .. } => (3, 0),
        }
    }
}

fn notice(days: u64) -> Option<u64> {
    NOTICES.into_iter().find(|notice| days <= *notice)
}

/// What is to be said now; `None`: all is well, or no file was read.
#[must_use]
pub fn warning(tls: &ListenTls, now: UnixMillis) -> Option<CertificateWarning> {
    let (shown, in_file) = (tls.shown(now)?, tls.certificate.as_ref()?);
    let at = shown.not_after;
    let fault = if shown != in_file {
        CertificateFault::EarlierShown { yet: now < in_file.not_before, until: at }
    } else if now < shown.not_before {
        CertificateFault::NotYetValid { from: shown.not_before }
    } else if now > at {
        CertificateFault::Expired { at }
    } else {
        let days = at.since(now).0 / DAY;
        notice(days)?;
        CertificateFault::Expires { at, days }
    };
    Some(CertificateWarning { file: tls.cert_file.display().to_string(), fault })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

    use super::*;
    use crate::decide::policy::ServerCertificate;

    fn valid(from_day: u64, to_day: u64) -> Option<Arc<ServerCertificate>> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(Vec::new()));
        let (not_before, not_after) = (UnixMillis(from_day * DAY), UnixMillis(to_day * DAY));
        Some(Arc::new(ServerCertificate { chain: Vec::new(), key, not_before, not_after }))
    }

    fn said(
        certificate: Option<Arc<ServerCertificate>>,
        earlier: Option<Arc<ServerCertificate>>,
        day: u64,
    ) -> Option<CertificateWarning> {
        let tls = ListenTls { cert_file: "c".into(), key_file: "k".into(), certificate, earlier, problem: None };
        warning(&tls, UnixMillis(day * DAY))
    }

    #[test]
    fn the_end_is_said_from_fourteen_days_before_on_and_told_four_times() {
        let days = |day| match said(valid(0, 100), None, day)?.fault {
            CertificateFault::Expires { days, .. } => Some(days),
            other => panic!("{other:?}"),
        };
        assert_eq!([0, 85, 86, 93, 100].map(days), [None, None, Some(14), Some(7), Some(0)]);
        let mut notices: Vec<_> = (86..=100).map(|day| said(valid(0, 100), None, day).unwrap().notice()).collect();
        notices.dedup();
        assert_eq!(notices, [(0, 14), (0, 7), (0, 3), (0, 1)]);
        let expired = said(valid(0, 100), None, 101).unwrap();
        assert_eq!(expired.fault, CertificateFault::Expired { at: UnixMillis(100 * DAY) });
    }

    #[test]
    fn one_that_is_not_shown_is_said_to_be_so() {
        let early = said(valid(50, 100), None, 40).unwrap();
        assert_eq!(early.fault, CertificateFault::NotYetValid { from: UnixMillis(50 * DAY) });
        let until = UnixMillis(45 * DAY);
        let waits = said(valid(50, 100), valid(0, 45), 40).unwrap();
        assert_eq!(waits.fault, CertificateFault::EarlierShown { yet: true, until });
        let expired = said(valid(0, 30), valid(0, 45), 40).unwrap();
        assert_eq!(expired.fault, CertificateFault::EarlierShown { yet: false, until });
        assert_eq!(said(None, None, 40), None);
    }
}
