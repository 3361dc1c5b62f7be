//! One request, from its head to what a provider is sent.
//!
//! In: a request of a client. Out: a plan, and for each attempt a request to a provider. [`pipeline`] shows all eight
//! stops of a request. They meet the other files in this order: [`progress`], [`read`] (what it says), [`credentials`]
//! (found, or taken off), [`body`] (with its [`upload`]) and [`memory`] (held whole, within [`reservation`]s) or
//! [`call`] and [`recording`] (a call of gRPC, kept while it is forwarded), [`client_request`] (as attempts see it),
//! [`scope`] (core, snapshot and plan of a request), and [`outbound`] (the request to one provider), which is made of
//! [`uri`], [`headers`], [`name_filter`] and [`presentation`]. [`prepared`] is what a core computes once for each
//! generation; [`request_id`] numbers requests, and [`trace`] is a request's place in a distributed trace. Refuses to
//! choose a provider (`decide` does) and to send anything.

pub(crate) mod body;
pub(crate) mod call;
mod client_limit;
pub(crate) mod client_request;
mod credentials;
pub(crate) mod handshake;
pub(crate) mod headers;
pub(crate) mod memory;
mod name_filter;
pub(crate) mod named_state;
pub(crate) mod outbound;
pub(crate) mod pipeline;
pub(crate) mod prepared;
pub(crate) mod prepared_state;
pub(crate) mod presentation;
mod progress;
pub(crate) mod read;
pub(crate) mod recording;
pub(crate) mod request_id;
pub(crate) mod reservation;
pub(crate) mod scope;
pub(crate) mod trace;
pub(crate) mod upload;
pub(crate) mod uri;
