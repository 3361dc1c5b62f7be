//! Copies of stable's requests to the canary, beside the path of requests.
//!
//! A core that serves a request of stable may keep it with its answer ([`sample`]), and hands both over once the client
//! has its answer. A thread of its own takes them ([`sender`]), with its own runtime and connections, sends the copy as
//! an attempt would be sent ([`exchange`]), and counts what the two answers have in common ([`reading`]). Invariants:
//! no request waits for a copy; a copy is sent at most once, and never by what is no longer in force; its answer goes
//! nowhere.

mod exchange;
mod first_output;
mod reading;
pub(crate) mod sample;
pub(crate) mod sender;
