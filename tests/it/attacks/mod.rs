//! Attacks on a running sidecar: each file is one way in, tried over real sockets, and what must come of it.
//!
//! The attacker is whoever can send what the test sends: a client of the proxy port, a page in a browser, a provider,
//! or another user of the machine. A test says what the attacker gained before, and that nobody does now.

mod breaker;
mod credentials;
mod exposure;
mod paths;
mod shown;
