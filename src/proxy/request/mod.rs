//! One request, from its head to what a provider is sent.
//!
//! In: a request of a client. Out: a plan, and for each attempt an outbound request. [`pipeline`] shows all eight stops of
//! a request. Its stops meet the other files in this order: [`head`] (what the request says of itself), [`credentials`]
//! (taken off, or recognised), [`memory`] (a body held whole, within bounds), [`scope`] (the core, the snapshot and the plan
//! that an attempt works with), and [`outbound`] (the request for one provider), which is made of [`uri`], [`headers`],
//! [`name_filter`] and [`presentation`]. [`prepared`] is what a core computes once for each generation; [`request_id`]
//! numbers requests. Refuses to choose a provider (`decide` does) and to send anything.

pub(crate) mod body;
mod credentials;
pub(crate) mod head;
pub(crate) mod headers;
pub(crate) mod memory;
mod name_filter;
pub(crate) mod outbound;
pub(crate) mod pipeline;
pub(crate) mod prepared;
pub(crate) mod presentation;
pub(crate) mod request_id;
pub(crate) mod scope;
pub(crate) mod uri;
