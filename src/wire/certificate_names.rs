//! Whom a certificate was issued to and by whom, from its DER form (RFC 5280).
//!
//! Of each name the common name is taken, else the organization: what people know a certificate by. For display only:
//! which host a certificate is good for is the business of TLS. Invariant: a name is short, on one line and printable.

use super::der::{Element, OBJECT_IDENTIFIER, SEQUENCE, SET, expect, from_issuer, read};
use super::printable::printable_start;

/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// 2.5.4.10
const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];
/// The most characters of a name that are shown.
const LONGEST: usize = 64;

/// What a certificate says of both; `None`: no name that is read here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateNames {
    pub subject: Option<String>,
    pub issuer: Option<String>,
}

/// Reads both.
#[must_use]
pub fn certificate_names(der: &[u8]) -> CertificateNames {
    let Some((issuer, rest)) = from_issuer(der).and_then(|fields| expect(fields, SEQUENCE)) else {
        return CertificateNames::default();
    };
    let subject = read(rest).and_then(|(_validity, rest)| expect(rest, SEQUENCE));
    CertificateNames { subject: subject.and_then(|(subject, _)| name(subject)), issuer: name(issuer) }
}

fn name(sets: &[u8]) -> Option<String> {
    attribute(sets, COMMON_NAME).or_else(|| attribute(sets, ORGANIZATION))
}

/// The first attribute of this type that is a text.
fn attribute(mut sets: &[u8], wanted: &[u8]) -> Option<String> {
    while let Some((set, rest)) = expect(sets, SET) {
        sets = rest;
        let mut pairs = set;
        while let Some((pair, rest)) = expect(pairs, SEQUENCE) {
            pairs = rest;
            let text = expect(pair, OBJECT_IDENTIFIER).filter(|(kind, _)| *kind == wanted);
            if let Some(text) = text.and_then(|(_, value)| read(value)).and_then(|(value, _)| text_of(value)) {
                return Some(text);
            }
        }
    }
    None
}

/// UTF8String, PrintableString or IA5String.
fn text_of(value: Element<'_>) -> Option<String> {
    let text = matches!(value.tag, 0x0c | 0x13 | 0x16).then(|| str::from_utf8(value.content).ok())??;
    Some(printable_start(text, LONGEST)).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, Issuer, KeyPair};

    use super::*;

    fn params(kind: DnType, name: &str) -> CertificateParams {
        let mut params = CertificateParams::new(vec!["api.example".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CountryName, "DE");
        params.distinguished_name.push(kind, name);
        params
    }

    #[test]
    fn the_common_name_or_the_organization_is_shown_harmlessly() {
        let key = KeyPair::generate().unwrap();
        let issuer =
            Issuer::new(params(DnType::OrganizationName, "Example\u{1b}[2J Trust"), KeyPair::generate().unwrap());
        let certificate = params(DnType::CommonName, "api.example").signed_by(&key, &issuer).unwrap();
        assert_eq!(
            certificate_names(certificate.der()),
            CertificateNames {
                subject: Some("api.example".to_owned()),
                issuer: Some("Example\\u001b[2J Trust".to_owned())
            }
        );
        assert_eq!(certificate_names(b"\x30\x03abc"), CertificateNames::default());
        let bare = params(DnType::LocalityName, "Berlin").self_signed(&key).unwrap();
        assert_eq!(certificate_names(bare.der()), CertificateNames::default());
    }
}
