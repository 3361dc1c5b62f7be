//! The pair of files of the proxy port over TLS: as errors of the file, and as what is kept.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rcgen::{CertificateParams, KeyPair};

use crate::decide::policy::ListenTls;
use crate::flags::compile::{Compiled, compile};
use crate::flags::{Environment, FlagsError};

/// Writes a new certificate and its key.
fn write_pair(dir: &Path) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    std::fs::write(dir.join("tls.crt"), certificate.pem()).unwrap();
    std::fs::write(dir.join("tls.key"), key.serialize_pem()).unwrap();
    std::fs::set_permissions(dir.join("tls.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn text(dir: &Path, percent: u8) -> String {
    let dir = dir.display();
    format!(
        "providers: {{ a: {{ base_url: 'http://a.test' }}, b: {{ base_url: 'http://b.test' }} }}\n\
         rollouts: [{{ name: r, stable: a, canary: b, percent: {percent} }}]\n\
         listen_tls:\n  listen: 127.0.0.1:8443\n  cert_file: {dir}/tls.crt\n  key_file: {dir}/tls.key\n"
    )
}

fn environment() -> Environment {
    Environment::of(BTreeMap::new())
}

fn tls(compiled: &Compiled) -> &ListenTls {
    compiled.policy.listen_tls.as_ref().unwrap()
}

fn only_error(dir: &Path) -> FlagsError {
    let mut errors = compile(&text(dir, 0), &environment()).unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.remove(0)
}

#[test]
fn a_pair_is_read_and_watched() {
    let dir = tempfile::tempdir().unwrap();
    write_pair(dir.path());
    let compiled = compile(&text(dir.path(), 0), &environment()).unwrap();
    assert_eq!(compiled.policy.fixed.listen_tls, Some("127.0.0.1:8443".parse().unwrap()));
    let certificate = tls(&compiled).certificate.as_ref().unwrap();
    assert!(certificate.not_before < certificate.not_after && tls(&compiled).problem.is_none());
    let mut watched = compiled.secret_files.clone();
    watched.sort();
    assert_eq!(watched, [dir.path().join("tls.crt"), dir.path().join("tls.key")]);
    assert!(compiled.warnings.is_empty() && compiled.notes.is_empty(), "{:?} {:?}", compiled.warnings, compiled.notes);
    std::fs::set_permissions(dir.path().join("tls.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = compile(&text(dir.path(), 0), &environment()).unwrap();
    let note = format!("every user of this machine may read {} (mode 644)", dir.path().join("tls.key").display());
    assert_eq!(open.notes, [format!("line 6: listen_tls.key_file: {note}")]);
    // Without the secrets nothing is read, and nothing is missed.
    let nothing = compile(&text(Path::new("/nowhere"), 0), &Environment::without_secrets()).unwrap();
    assert_eq!(tls(&nothing).certificate, None);
}

#[test]
fn a_pair_that_cannot_be_used_is_an_error_at_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = (dir.path().join("tls.crt"), dir.path().join("tls.key"));
    write_pair(dir.path());
    let of_another = std::fs::read(&key).unwrap();
    write_pair(dir.path());
    std::fs::write(&key, of_another).unwrap();
    let error = only_error(dir.path());
    assert_eq!((error.line, error.column, &*error.path), (6, 13, "listen_tls.key_file"));
    assert_eq!(
        error.problem,
        format!("{}: the key in the file is not that of the first certificate in `cert_file`", key.display())
    );
    std::fs::write(&certificate, "nothing").unwrap();
    let error = only_error(dir.path());
    assert_eq!((error.line, &*error.path), (5, "listen_tls.cert_file"));
    assert_eq!(error.problem, format!("{}: the file holds no certificate in PEM", certificate.display()));
    std::fs::remove_file(&certificate).unwrap();
    let error = only_error(dir.path());
    assert!(error.problem.starts_with(&format!("the file {} cannot be read: ", certificate.display())), "{error}");
}

#[test]
fn while_a_version_is_in_use_its_pair_is_kept_and_no_edit_waits_for_another() {
    let dir = tempfile::tempdir().unwrap();
    write_pair(dir.path());
    let environment = environment();
    let in_use = compile(&text(dir.path(), 0), &environment).unwrap();
    let key = dir.path().join("tls.key");
    std::fs::write(&key, "broken").unwrap();
    let edited = compile(&text(dir.path(), 50), &environment).unwrap();
    assert_eq!(tls(&edited).certificate, tls(&in_use).certificate);
    let said = format!(
        "listen_tls.key_file: {}: the file holds no private key in PEM: the certificate that was read before goes on \
         being used, and is lost at a restart; write the private key of the certificate in PEM, without a passphrase",
        key.display()
    );
    assert_eq!(edited.warnings, [format!("line 6: {said}")]);
    assert_eq!(tls(&edited).problem, Some(said));
    write_pair(dir.path());
    let renewed = compile(&text(dir.path(), 50), &environment).unwrap();
    assert_ne!(tls(&renewed).certificate, tls(&in_use).certificate);
    assert_eq!((tls(&renewed).problem.as_deref(), renewed.warnings.len()), (None, 0));
    // Other files are other files.
    let errors = compile(&text(Path::new("/nowhere"), 50), &environment).unwrap_err();
    assert_eq!(errors[0].path, "listen_tls.cert_file");
    drop((in_use, edited, renewed));
    std::fs::write(&key, "broken").unwrap();
    assert!(compile(&text(dir.path(), 0), &environment).is_err(), "nothing is in use any more");
}
