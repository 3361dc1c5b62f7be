//! Serin moves an application's traffic from one provider to another without anybody noticing.
//!
//! It is a proxy that runs beside the application. A hash of the user id decides who is sent to the new provider (the
//! canary), a guard watches what became of every attempt, and a ramp raises the share while all is well. Operators own
//! one file, `flags.yaml`, and one command, `serin rollback`. This page is the map; each module's header says the rest.
//!
//! # Layers
//!
//! An arrow reads "may use". There are no others, and `tests/house_rules.rs` holds the code to it.
//!
//! ```text
//! main -> cli -> demo -> app -> { proxy | control | admin } -> state, telemetry, clock -> decide -> wire
//!          |              |           |      |         |
//!          |              |           |      +---------+-> describe -> decide    (cli, demo, app and flags too)
//!          |              |           +-> store        (control and app only)
//!          |              +-> flags -> decide
//!          +-> simulate -> decide
//! ```
//!
//! * [`decide`] and [`wire`] are pure: every decision, and every reading of bytes that leads to one. Time, chance and
//!   counts come in as parameters, so the same trace in gives the same decisions out.
//! * [`describe`] is pure as well: it turns what was decided into sentences, for whoever shows them. Nothing is decided from
//!   a sentence. A few are kept as they were said (why a canary is blocked, what a file is warned of), and compared with
//!   the one before at most, so that nothing is logged twice.
//! * [`flags`] turns flags.yaml into a [`decide::policy::Policy`], with every error at its place.
//! * [`state`] is all that requests, control and the surfaces share. Each cell has one writer, or one word.
//! * [`proxy`] is the data plane: one thread a core, each with its own connections, none of them waiting for another.
//! * [`control`] is the only writer of what is in force: it takes wishes from an inbox, asks [`decide::rollout`] what
//!   follows, and publishes a [`state::snapshot::Snapshot`].
//! * [`store`] keeps what must last, away from every request.
//! * [`admin`] answers operators and scrapers; [`telemetry`] names every metric.
//! * [`app`] builds all this, binds the ports and ends it in order; [`cli`] is what a person types; [`demo`] is a whole
//!   rollout in one process, and [`simulate`] thousands of them without any.
//!
//! # The life of a request
//!
//! 1. A connection is accepted and given to the core with the least to do.
//! 2. The core takes its snapshot, once.
//! 3. The facts are read: path, user, model. A body that the split has to read is held whole; no other is.
//! 4. [`decide::route`] plans: which rollout, which bucket, which arm, and why, and whose slot in the guard's tables it
//!    is; [`decide::fallback`] says who else may answer.
//! 5. An attempt: the breaker is asked, a connection taken, percent and lock read once more, then the request is made in
//!    the provider's words and sent. Where a bucket chose, the guard is told that it was.
//! 6. The provider answers, each clock running only while it is waited for. As much of the answer is seen as it takes to
//!    be certain; until then nothing has gone out, and after a failure [`decide::retry`] says who is asked next. The
//!    guard is told of the failure then, and not when a slow rescue has ended; and of how long the first output took when
//!    it is seen, and not when it goes out.
//! 7. The answer streams on as it comes. One that breaks off is ended so that the client notices.
//! 8. It is counted, exactly once, by what was seen: [`decide::outcome`] is the only place that says what that means.
//!
//! # Invariants
//!
//! * After a rollback has returned, no core dispatches to the canary: control waits until each has acknowledged.
//! * An attempt has one outcome, charged to the arm that the split chose and to the epoch it was dispatched in.
//! * The guard counts a request when it is sent and its outcome once: only where a bucket chose, and only what the
//!   provider did that it chose.
//! * Until a byte of an answer has gone out, a failure can be recovered; after that nothing is tried again, and half an
//!   answer never looks like a whole one.
//! * What one provider is sent (its key, its headers, its names for models) never reaches another.
//! * Whatever a rollout's stable answers to one user sends no other to the canary.
//! * Raising a percent only adds users to the canary; lowering it takes back those added last.
//! * Serin never writes flags.yaml, and a file that does not hold changes nothing.
//! * Nothing but a human, `try_again_after` or a higher `attempt:` reopens a canary that was rolled back.
//! * Every queue, pool, window and buffer has a bound.

// The crate by its own name, for the files that tests inside and outside of it share.
#[cfg(test)]
extern crate self as serin;

pub mod admin;
pub mod app;
pub mod cli;
pub mod clock;
pub mod control;
pub mod decide;
pub mod demo;
pub mod describe;
pub mod flags;
pub mod proxy;
pub mod simulate;
pub mod state;
pub mod store;
pub mod telemetry;
pub mod wire;
