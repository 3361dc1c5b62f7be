//! What is wanted of every workload, as the command line says it.
//!
//! The sidecar, the port that the application connects to, and the variables and containers that get the base URL.
//! Decides nothing: `plan` compares it with what a workload has, and `fits` with what a pod allows. Invariant: no
//! variable is named twice.

use super::sidecar::Sidecar;

/// What is wanted of every workload.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// The container and its volumes.
    pub(super) sidecar: Sidecar,
    /// The port that the application connects to.
    pub(super) port: u16,
    /// Variables with the base URL, and what follows the port in each.
    pub(super) variables: Vec<(String, String)>,
    /// The containers that get them; none: all but init containers.
    pub(super) containers: Vec<String>,
}
