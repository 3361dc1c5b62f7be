//! The report of one provider: each part of what asking it showed.
//!
//! Shapes only; each part's own file says what it means. A part that could not be asked for is absent, and absent is
//! never taken for bad.

use serde::Serialize;

use super::key::KeyReport;
use super::latency::Latency;
use super::list::ListReport;
use super::model::ModelReport;
use super::tls::TlsReport;

/// What asking one provider showed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ProviderReport {
    pub provider: String,
    /// Each of its own keys; where it has none, what a request without one showed.
    pub keys: Vec<KeyReport>,
    /// `None`: it was not asked.
    pub list: Option<ListReport>,
    /// Models that it would be asked for.
    pub models: Vec<ModelReport>,
    /// `None`: no TLS, or no connection.
    pub tls: Option<TlsReport>,
    /// `None`: no connection.
    pub latency: Option<Latency>,
}

impl ProviderReport {
    /// Of a provider that was not asked.
    #[must_use]
    pub fn unasked(provider: &str) -> ProviderReport {
        ProviderReport { provider: provider.to_owned(), ..ProviderReport::default() }
    }
}
