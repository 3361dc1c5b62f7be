//! What a newcomer runs first: providers, users and a sidecar in one process, without a key and without a network.
//!
//! The providers are also what tests stand in front of. The sidecar is the one that `serin run` starts, reached over
//! its ports and through `sidecar` only. Nothing of this is on the path of anybody's traffic but the demo's own.

mod dir;
mod error;
mod flags_file;
pub mod provider;
pub mod run;
mod screen;
mod script;
pub mod selftest;
mod sidecar;
mod signals;
mod speed;
mod traffic;
mod view;

pub use run::{Options, run};
