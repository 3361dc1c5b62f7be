//! Sentences for the certificate of the proxy port over TLS, and for clients that fail to connect there.
//!
//! Used by `serin check`, the status, the history and the log. When a sentence is due is decided by
//! [`certificate`](crate::decide::certificate). Each one says what to do.

use crate::decide::certificate::{CertificateFault, CertificateWarning};
use crate::decide::timestamp::Timestamp;
use crate::decide::tls_failure::TlsFailure;
use crate::decide::units::UnixMillis;

/// What is wrong, and what to do about it.
#[must_use]
pub fn sentence(CertificateWarning { file, fault }: &CertificateWarning) -> String {
    const RENEW: &str = "renew it in place: the new files are read without a restart";
    match fault {
        CertificateFault::Expires { at, days } => {
            let left = match days {
                0 => "in less than a day".to_owned(),
                1 => "in 1 day".to_owned(),
                days => format!("in {days} days"),
            };
            format!("listen_tls: the certificate in {file} expires on {}, {left}; {RENEW}", date(*at))
        }
        CertificateFault::Expired { at } => {
            format!("listen_tls: the certificate in {file} expired on {}, and clients refuse it; {RENEW}", date(*at))
        }
        CertificateFault::NotYetValid { from } => format!(
            "listen_tls: the certificate in {file} is not valid before {}, and clients refuse it until then; check the \
             clock of this machine, or write a certificate that is valid now",
            Timestamp(*from)
        ),
        CertificateFault::EarlierShown { yet, until } => {
            let why = if *yet { "is not valid yet" } else { "has expired" };
            format!(
                "listen_tls: the certificate in {file} {why}: the one before it is shown, which is valid until {} and \
                 lost at a restart; write a certificate that is valid now",
                date(*until)
            )
        }
    }
}

/// Why clients did not get a connection, and what to do about it.
#[must_use]
pub const fn handshake_failure(why: TlsFailure) -> &'static str {
    match why {
        TlsFailure::PlainHttp => {
            "a client sent HTTP without TLS: give it a base URL with `https://`, or with the port of `listen`"
        }
        TlsFailure::NotTls => "a client sent neither TLS nor HTTP",
        TlsFailure::Refused => {
            "a client did not accept the certificate: give it the authority that issued the certificate, and check the \
             name that it connects to and the dates of the certificate"
        }
        TlsFailure::NothingInCommon => {
            "a client has no version, cipher or protocol in common: it must speak TLS 1.2 or 1.3, and HTTP/1.1 or HTTP/2"
        }
        TlsFailure::BrokenOff => "a client ended its connection in the handshake",
        TlsFailure::Unfinished => "a client did not finish the handshake within `limits.header_time`",
    }
}

/// A day in UTC.
#[must_use]
pub fn date(at: UnixMillis) -> String {
    let text = Timestamp(at).to_string();
    text.get(..10).unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentences_say_when_and_what_to_do() {
        let at = UnixMillis(1_799_884_800_000);
        let said = |fault| sentence(&CertificateWarning { file: "/tls.crt".to_owned(), fault });
        assert_eq!(
            said(CertificateFault::Expires { at, days: 3 }),
            "listen_tls: the certificate in /tls.crt expires on 2027-01-14, in 3 days; renew it in place: the new files \
             are read without a restart"
        );
        assert!(said(CertificateFault::Expires { at, days: 0 }).contains("2027-01-14, in less than a day;"));
        assert!(said(CertificateFault::Expired { at }).contains("expired on 2027-01-14, and clients refuse it;"));
        assert!(said(CertificateFault::NotYetValid { from: at }).contains("before 2027-01-14T00:00:00.000Z"));
        assert!(said(CertificateFault::EarlierShown { yet: false, until: at }).contains("has expired: the one before"));
    }
}
