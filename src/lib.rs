//! Serin moves an application's traffic from one provider to another without anybody noticing.
//!
//! It is a proxy that runs beside the application. A hash of the user id decides which users go to the new provider
//! (the canary). A guard judges what became of every attempt, and a ramp raises the share while all is well. Operators
//! own one file, `flags.yaml`, and one command, `serin rollback`. This page is the map. Each module's header has the
//! rest.
//!
//! # Layers
//!
//! An arrow means "may use". There are no other uses, and `tests/house_rules.rs` checks it.
//!
//! ```text
//! main -> cli -> demo -> app -> { proxy | control | admin } -> state, telemetry, clock -> decide -> wire
//!          |              |           |      |         |
//!          |              |           |      +---------+-> describe -> decide, wire    (cli, demo, app and flags too)
//!          |              |           +-> store        (control and app only)
//!          |              +-> flags -> decide
//!          +-> simulate -> decide
//! ```
//!
//! * [`decide`] and [`wire`] are pure: every decision, and every reading of bytes that leads to one. Time, chance and
//!   counts are parameters, so the same trace gives the same decisions.
//! * [`describe`] is pure as well. It makes sentences of decisions for the log, the API and the command line. Nothing
//!   is decided by a sentence. A few sentences are kept (why a canary is blocked, the warnings of a file), so that none
//!   is logged twice.
//! * [`flags`] reads flags.yaml into a [`decide::policy::Policy`], with every error at its place.
//! * [`state`] is all that requests, control and the surfaces share. Each cell has one writer, or is one word.
//! * [`proxy`] is the data plane: one thread a core, each with its own connections. No core waits for another.
//! * [`control`] is the only writer of what is in force. It takes inputs from an inbox, asks [`decide::rollout`] for
//!   the next state, and publishes a [`state::snapshot::Snapshot`].
//! * [`store`] keeps what must last. No request waits for it.
//! * [`admin`] answers operators and scrapers. [`telemetry`] names every metric.
//! * [`app`] builds all this, binds the ports, and stops it in order. [`cli`] has a file for each command. [`demo`] is
//!   a whole rollout in one process, and the providers and faults of the selftest. [`simulate`] runs thousands of
//!   rollouts without any.
//!
//! # The life of a request
//!
//! `proxy/request/pipeline.rs` shows these eight stops.
//!
//! 1. Accept. A connection goes to the core with the fewest open requests (`proxy/downstream`).
//! 2. Take the snapshot, once for all that is decided together.
//! 3. Read the facts: path, user, model. A body that the split has to read is held whole. No other body is.
//! 4. Plan. [`decide::route`] gives the rollout, the bucket, the arm and the reason. [`decide::fallback`] gives the
//!    other candidates.
//! 5. Attempt (`proxy/attempt`). The breaker admits it, a connection is taken, percent and lock are read once more, and
//!    the outbound request is made in the provider's terms (`proxy/request/outbound.rs`) and sent. Where a bucket chose
//!    the provider, the guard counts the request now.
//! 6. Upstream (`proxy/upstream`). The provider answers within its deadlines. The response is buffered until it is
//!    certain that it can go out (`proxy/response/buffer.rs`).
//! 7. Relay. The response streams on as it comes. One that breaks off is ended so that the client notices.
//! 8. Finish. It is counted, exactly once, by what was seen. [`decide::outcome`] alone says what that means.
//!
//! # The life of an edit
//!
//! 1. The watcher sees a new version of flags.yaml (`flags/watch.rs`), and [`flags`] compiles it. An error changes
//!    nothing but the status.
//! 2. The policy goes to control's inbox ([`state::inbox`]).
//! 3. The engine checks it against what is known (`control/engine/reload.rs`) and puts it in force
//!    (`control/engine/apply_policy.rs`): rollouts go on, start or end, and records of providers are kept.
//! 4. Each rollout takes its step ([`decide::rollout`]). A step that moves users to stable is published at once. A step
//!    that sends more users to the canary is written to the store first.
//! 5. Control publishes the snapshot. Each core uses it from its next request on, and acknowledges it.
//! 6. The event is written to the history and logged (`control/events.rs`).
//!
//! # The life of a failure
//!
//! 1. An attempt fails. Its end is classified by [`decide::outcome`], and its cause by `proxy/attempt/cause.rs`.
//! 2. [`decide::retry`] says which candidate is asked next, if any, while no byte has gone out.
//! 3. The attempt becomes one record, and `proxy/attempt/sinks.rs` alone hands it on: counters, causes, breaker, log.
//!    The guard's evidence is counted at the same time, not when the next candidate has answered.
//! 4. Once a second control takes the differences of the counters and the samples of all cores (`control/evidence`).
//! 5. [`decide::guard`] compares canary and stable. [`decide::rollout`] turns its finding into a step: nothing, a
//!    pause, or a rollback.
//! 6. A rollback is published, every core acknowledges it, and then it is written. [`describe`] makes the sentence that
//!    `serin why`, the history and the log show.
//!
//! # Where to find
//!
//! * the retry decision: `decide/retry.rs`, asked by `proxy/attempt/failover.rs`
//! * a key chosen: `proxy/attempt/key_choice.rs`; how long it rests: `decide/key_rest.rs`; kept by `control/engine/keys.rs`
//! * an idle connection without its parser: `proxy/downstream/parking.rs`; copies of requests, on a thread of their own:
//!   `proxy/copies/sender.rs`
//! * a header stripped: `proxy/request/headers.rs`; a client's credentials: `proxy/request/credentials.rs`
//! * the percent changed: `decide/rollout/step.rs`; published by `control/engine/dispatch.rs`
//! * SQLite written: `store/sqlite/contents.rs`, in batches from `control/persist/write_queue.rs`
//! * a cause recorded: `proxy/attempt/sinks.rs`, into `state/causes.rs`
//! * an event made a sentence: `describe/event.rs`; a notification: `decide/notification.rs`, queued by
//!   `control/notify`; the report of a rollback: `decide/incident.rs`
//! * a tag required: `flags/compile/tags.rs`, which refuses files that could break it; a text of last resort:
//!   `wire/last_resort.rs`; a model taken away: `decide/retirement.rs`
//! * who keeps what a request names: `decide/route/by_state.rs`, found by `proxy/request/named_state.rs` in `state/state_ids.rs`,
//!   learned by `proxy/response/state_tap.rs`; ids in bodies and paths: `wire/state_ids`; written by `control/state_writer.rs`
//! * whether stable could take everybody back: `decide/rollback_ready.rs`, looked at by
//!   `control/engine/stable_readiness.rs`
//! * a WebSocket carried: `proxy/response/upgrade.rs`; its handshake: `proxy/request/handshake.rs`; what its close code
//!   means: `decide/websocket.rs`; its frames: `wire/websocket`
//! * what is under way ended: `control/engine/hard.rs`, seen by `proxy/attempt/withdrawal.rs`
//! * a request copied to the canary: `proxy/copies` keeps and sends it, `decide/comparison` says what is compared and
//!   what blocks the first step, `control/engine/rollout/copies.rs` begins and ends rounds
//! * a question of `check --probe`: `app/probing` asks it, `decide/probe` says what the answer means; a list of models:
//!   `wire/model_list.rs`; the end of a certificate: `wire/certificate.rs`; a price list: `wire/price_list.rs`
//! * a call of gRPC: `proxy/response/grpc` holds, relays and ends it; `proxy/request/recording.rs` keeps what its client
//!   sends; `wire/grpc` reads its status, `decide/outcome.rs` says what that means
//! * a metric named: `telemetry/metrics.rs`
//! * a key of flags.yaml: `flags/keys.rs` describes it, `flags/compile.rs` gives it its meaning
//! * a reference page of the book (`docs/configuration`, commands, metrics): `examples/reference_pages` writes it
//! * a point of the series: `control/recorder.rs` takes it, `decide/series` adds points up
//! * what an edit would do: `decide/plan.rs`; the application's verdict on an answer: `control/engine/feedback.rs`
//! * a fault of the selftest: `demo/selftest/fault.rs` names it, `script.rs` causes it, `judge.rs` judges the answer
//! * a screen of the dashboard: `admin/dashboard`, a file each; a span: `proxy/request/trace.rs`
//! * the charts, of the dashboard and of pages that are one file (an incident's, a simulation's): `describe/page`
//! * an error's text: `proxy/response/error.rs` for clients, `describe` for operators
//!
//! # Invariants
//!
//! * After a rollback has returned, no core dispatches to the canary: control waits until each has acknowledged.
//! * An attempt has one outcome, charged to the arm that the split chose and to the epoch in which it was dispatched.
//! * The guard counts a request when it is sent, and its outcome once: only where a bucket chose, and only for the
//!   provider that it chose.
//! * Until a byte of a response has gone out, a failure can be recovered. After that nothing is retried, and half a
//!   response never looks like a whole one.
//! * What one provider is sent (its key, its headers, its names for models) never reaches another.
//! * What a rollout's stable answers to one user sends no other user to the canary.
//! * Raising a percent only adds users to the canary. Lowering it removes those who were added last.
//! * Serin never writes flags.yaml, and an invalid file changes nothing.
//! * A request that names what one provider keeps goes there or to stable, and is no evidence.
//! * Only a human, `try_again_after` or a higher `attempt:` reopens a canary that was rolled back.
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
