//! Every decision that Serin makes, as pure functions over plain values.
//!
//! No I/O, no runtime, no clocks, no randomness, no logging and no globals: time and random numbers are parameters, so
//! the same trace gives the same decisions. Others carry the decisions out: the data plane for a request, the control
//! loop for a rollout.

pub mod breaker;
pub mod bucket;
pub mod cause;
pub mod certificate;
pub mod comparison;
pub mod endpoint;
pub mod ephemeral;
pub mod event;
pub mod exposure;
pub mod fallback;
pub mod file_error;
pub mod finish_kind;
pub mod flag;
pub mod grpc;
pub mod guard;
pub mod incident;
pub mod incompatibility;
pub mod key_rest;
pub mod limit;
pub mod notification;
pub mod outcome;
pub mod pattern;
pub mod plan;
pub mod policy;
pub mod probe;
pub mod reachability;
pub mod reload_refusal;
pub mod retirement;
pub mod retry;
pub mod retry_tokens;
pub mod rollback_ready;
pub mod rollout;
pub mod route;
pub mod series;
pub mod stable_fault;
pub mod state_at;
pub mod suggest;
pub mod timestamp;
pub mod tls_failure;
pub mod trace;
pub mod typed_json;
pub mod units;
pub mod unusable_stable;
pub mod user;
pub mod verdict;
pub mod warning;
pub mod websocket;
pub mod window;

// How foreign text is shown, for those who may not look at the wire.
pub use crate::wire::printable;
