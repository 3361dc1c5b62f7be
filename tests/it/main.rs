//! The sidecar as its users meet it: the real binary between real sockets, in one test binary.
//!
//! Each file is one promise. Ports are free ones, waiting is for a condition with a deadline, and every sidecar has a
//! directory, a state and a registry of its own, so that tests run side by side.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test whose stage cannot be built has failed")]

mod support;

mod access_log;
mod asking;
mod attacks;
mod bodies;
mod bounds;
mod cancel;
mod connections;
mod demo;
mod doors;
mod drain;
mod earlier;
mod faults;
mod guard;
mod health;
mod kill;
mod newcomer;
mod owners;
mod people;
mod process;
mod ramp;
mod reload;
mod restart;
mod rewrite;
mod rollback;
mod schedule;
mod simulate;
mod split;
mod stream;
mod unserved;
