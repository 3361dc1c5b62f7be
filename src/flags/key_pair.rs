//! A server's certificate and its private key, as two PEM files hold them, and why a pair cannot be used.
//!
//! Works on bytes that were read already, and reads no clock: whether a certificate has expired is another's question.
//! Tells which of the two files is to be mended, and never what is in it. Invariant: a pair that is given out makes a
//! TLS server.

use rustls::InconsistentKeys;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{Error as PemError, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::scalar::{Wrong, wrong};
use crate::decide::policy::ServerCertificate;

/// What is wrong with a pair, and in which of its files.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PairFault {
    Certificate(Wrong),
    Key(Wrong),
}

/// The pair of these two files; `Err` within: one that cannot be read.
pub(super) fn read_pair(
    certificate: Result<Vec<u8>, String>,
    key: Result<Vec<u8>, String>,
) -> Result<ServerCertificate, PairFault> {
    const READABLE: &str = "write the path of a PEM file that this user may read";
    let readable =
        |bytes: Result<Vec<u8>, String>| bytes.map_err(|problem| Wrong { problem, remedy: READABLE.to_owned() });
    let chain = readable(certificate).and_then(|bytes| chain(&bytes)).map_err(PairFault::Certificate)?;
    let key = readable(key).and_then(|bytes| private_key(&bytes)).map_err(PairFault::Key)?;
    check(&chain, &key)?;
    ServerCertificate::new(chain, key).ok_or_else(|| {
        PairFault::Certificate(Wrong {
            problem: "the first certificate in the file does not say how long it is valid".to_owned(),
            remedy: CHAIN.to_owned(),
        })
    })
}

const CHAIN: &str = "write the server's own certificate in PEM, and behind it those of its issuers";

fn chain(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, Wrong> {
    match CertificateDer::pem_slice_iter(bytes).collect::<Result<Vec<_>, _>>() {
        Ok(chain) if chain.is_empty() => wrong("the file holds no certificate in PEM", CHAIN),
        Ok(chain) => Ok(chain),
        Err(_) => wrong("the file is not PEM", CHAIN),
    }
}

fn private_key(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, Wrong> {
    const REMEDY: &str = "write the private key of the certificate in PEM, without a passphrase";
    match PrivateKeyDer::from_pem_slice(bytes) {
        Ok(key) => Ok(key),
        Err(PemError::NoItemsFound) if memchr::memmem::find(bytes, b"BEGIN ENCRYPTED PRIVATE KEY").is_some() => {
            wrong("the private key in the file is encrypted", REMEDY)
        }
        Err(PemError::NoItemsFound) => wrong("the file holds no private key in PEM", REMEDY),
        Err(_) => wrong("the file is not PEM", REMEDY),
    }
}

/// What keeps a TLS server from being made of them.
fn check(chain: &[CertificateDer<'static>], key: &PrivateKeyDer<'static>) -> Result<(), PairFault> {
    let provider = rustls::crypto::ring::default_provider();
    let Ok(signing) = provider.key_provider.load_private_key(key.clone_key()) else {
        let problem = "the private key in the file cannot be used".to_owned();
        let remedy =
            "use an RSA key of 2048 to 4096 bits, an ECDSA key of P-256 or P-384, or an Ed25519 key".to_owned();
        return Err(PairFault::Key(Wrong { problem, remedy }));
    };
    match CertifiedKey::new(chain.to_vec(), signing).keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(()),
        Err(rustls::Error::InconsistentKeys(_)) => Err(PairFault::Key(Wrong {
            problem: "the key in the file is not that of the first certificate in `cert_file`".to_owned(),
            remedy: "write the files that belong together; the server's own certificate comes first".to_owned(),
        })),
        Err(error) => Err(PairFault::Certificate(Wrong {
            problem: format!("the first certificate in the file cannot be used: {error}"),
            remedy: CHAIN.to_owned(),
        })),
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn pair() -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    fn read(certificate: &str, key: &str) -> Result<ServerCertificate, PairFault> {
        read_pair(Ok(certificate.as_bytes().to_vec()), Ok(key.as_bytes().to_vec()))
    }

    fn of_certificate(found: Result<ServerCertificate, PairFault>) -> String {
        match found {
            Err(PairFault::Certificate(wrong)) => wrong.problem,
            other => panic!("{other:?}"),
        }
    }

    fn of_key(found: Result<ServerCertificate, PairFault>) -> String {
        match found {
            Err(PairFault::Key(wrong)) => wrong.problem,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_pair_is_read_with_its_chain() {
        let ((certificate, key), (other, _)) = (pair(), pair());
        assert_eq!(read(&certificate, &key).unwrap().chain.len(), 1);
        let both = read(&format!("{certificate}{other}"), &key).unwrap();
        assert_eq!(both.chain.len(), 2);
        assert!(both.not_before < both.not_after);
    }

    #[test]
    fn what_is_wrong_is_said_of_the_file_that_it_is_in() {
        let ((certificate, key), (other, _)) = (pair(), pair());
        assert_eq!(of_certificate(read("", &key)), "the file holds no certificate in PEM");
        assert_eq!(of_certificate(read(&key, &key)), "the file holds no certificate in PEM");
        let cut = certificate.replace("-----END CERTIFICATE-----", "");
        assert_eq!(of_certificate(read(&cut, &key)), "the file is not PEM");
        let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let said = of_certificate(read(no_certificate, &key));
        assert!(said.starts_with("the first certificate in the file cannot be used: "), "{said}");
        assert_eq!(of_key(read(&certificate, "")), "the file holds no private key in PEM");
        let sealed = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        assert_eq!(of_key(read(&certificate, sealed)), "the private key in the file is encrypted");
        let no_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert_eq!(of_key(read(&certificate, no_key)), "the private key in the file cannot be used");
        // Another's key, and a chain that begins with its issuer.
        for chain in [other.clone(), format!("{other}{certificate}")] {
            let said = of_key(read(&chain, &key));
            assert_eq!(said, "the key in the file is not that of the first certificate in `cert_file`");
        }
        assert_eq!(of_key(read_pair(Ok(certificate.into_bytes()), Err("gone".to_owned()))), "gone");
    }
}
