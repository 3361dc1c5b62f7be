//! What the file says of the proxy port over TLS, and the pair of files that it names.
//!
//! A pair that cannot be used is an error, unless the same files held one before: then that one goes on being used, and
//! whoever reads the file is told so, since an edit in an emergency must not wait for a certificate. Refuses to judge
//! dates. Invariant: a change of either file is a change of the policy.

use std::path::PathBuf;

use super::findings::Findings;
use super::provider::pem_path;
use crate::decide::policy::ListenTls;
use crate::flags::environment::FileRead;
use crate::flags::key_pair::{PairFault, read_pair};
use crate::flags::place::At;
use crate::flags::scalar::Wrong;

/// Reads it; the address is read with the other ports.
pub(super) fn listen_tls(at: &At, findings: &mut Findings<'_>) -> Option<ListenTls> {
    if !at.fits() {
        return None;
    }
    let [cert_file, key_file] = ["cert_file", "key_file"].map(|key| findings.given(&at.key(key), pem_path));
    let mut tls =
        ListenTls { cert_file: cert_file?, key_file: key_file?, certificate: None, earlier: None, problem: None };
    let readable = |path: &PathBuf| findings.environment.may_look_at(path);
    if findings.resolves() && readable(&tls.cert_file) && readable(&tls.key_file) {
        read(&mut tls, at, findings);
    }
    Some(tls)
}

fn read(tls: &mut ListenTls, at: &At, findings: &mut Findings<'_>) {
    let [(cert_read, certificate), (key_read, key)] = [&tls.cert_file, &tls.key_file].map(|path| FileRead::bytes(path));
    findings.files.extend([cert_read, key_read]);
    let found = read_pair(certificate, key);
    let fault = match found {
        Ok(found) => {
            tls.certificate = findings.read.recent.pair(&tls.cert_file, &tls.key_file, Some(found));
            let key_at = at.key("key_file");
            if let Some(mode) = FileRead::open_to_others(&tls.key_file) {
                let file = tls.key_file.display();
                findings.note(&key_at, format!("every user of this machine may read {file} (mode {mode:o})"));
            }
            return;
        }
        Err(fault) => fault,
    };
    let (key, file, Wrong { problem, remedy }) = match fault {
        PairFault::Certificate(wrong) => ("cert_file", &tls.cert_file, wrong),
        PairFault::Key(wrong) => ("key_file", &tls.key_file, wrong),
    };
    let at = at.key(key);
    let shown = file.display().to_string();
    let problem = if problem.contains(&shown) { problem } else { format!("{shown}: {problem}") };
    tls.certificate = findings.read.recent.pair(&tls.cert_file, &tls.key_file, None);
    if tls.certificate.is_none() {
        findings.error(&at, problem, remedy);
        return;
    }
    let kept = "the certificate that was read before goes on being used, and is lost at a restart";
    let said = format!("{problem}: {kept}; {remedy}");
    findings.warn(&at, &said);
    tls.problem = Some(format!("{}: {said}", at.path));
}
