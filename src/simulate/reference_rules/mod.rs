//! The rules that others use, each as its makers describe it.

pub mod argo;
pub mod flagger;
mod interval;
pub mod naive;

pub use argo::Argo;
pub use flagger::Flagger;
pub use naive::Naive;
