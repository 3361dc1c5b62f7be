//! The sidecar as its users meet it: the real binary between real sockets, in one test binary.
//!
//! Each file is one promise. Ports are free ones, waiting is for a condition with a deadline, and every sidecar has a
//! directory, a state and a registry of its own, so that tests run side by side.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test whose stage cannot be built has failed")]

mod support;

mod access;
mod access_log;
mod attacks;
mod bodies;
mod bounds;
mod cancel;
mod check_probe;
mod compare;
mod connections;
mod demo;
mod drain;
mod faults;
mod feedback;
mod file_owners;
mod first_start;
mod flags;
mod grpc;
mod guard;
mod hard_rollback;
mod health;
mod inject;
mod key_states;
mod kill;
mod last_resort;
mod limits;
mod matching;
mod process;
mod provider_keys;
mod ramp;
mod rehearsal;
mod reload;
mod restart;
mod retires;
mod rewrite;
mod rollback;
mod rollback_ready;
mod schedule;
mod selftest;
mod series;
mod simulate;
mod split;
mod state;
mod stream;
mod tags;
mod tls;
#[cfg(feature = "otlp")]
mod traces;
mod unusable_stable;
mod upgrade;
