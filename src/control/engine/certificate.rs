//! The certificate of the proxy port over TLS: which one a reload puts in force, and what is told of it.
//!
//! A file without the port changes nothing of it, since the port needs a restart. What is to be said is decided by
//! [`decide::certificate`](crate::decide::certificate), and told once for each of its notices. Invariant: a reload never
//! leaves a bound port without a certificate.

use super::dispatch::Engine;
use crate::control::now::Now;
use crate::control::report;
use crate::decide::event::Alert;
use crate::decide::policy::{ListenTls, Policy};

impl Engine {
    /// What a new policy shows over TLS.
    pub(super) fn listen_tls_after(&self, policy: &Policy, now: Now) -> Option<ListenTls> {
        match (&self.policy.listen_tls, &policy.listen_tls) {
            (Some(old), Some(new)) => Some(new.clone().in_place_of(old, now.unix)),
            (Some(old), None) if self.policy.fixed.listen_tls.is_some() => Some(old.clone()),
            (_, new) => new.clone(),
        }
    }

    /// Tells what is new.
    pub(super) fn watch_certificate(&mut self, now: Now) {
        let warning = report::certificate(&self.policy, now);
        let notice = warning.as_ref().map(|warning| (warning.file.clone(), warning.notice()));
        if std::mem::replace(&mut self.certificate_notice, notice.clone()) == notice {
            return;
        }
        self.emit_alerts(warning.map(|warning| Alert::Certificate { warning }), now);
    }
}
