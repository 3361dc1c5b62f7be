//! The answer to a gRPC call: head, messages, and a status in trailers, or in the head where that is all there is.
//!
//! [`hold`] sees as much of it as it takes to be certain, [`relay`] passes it on, and [`own_status`] is what Serin says
//! where the provider says nothing. Refuses to read a message. Invariant: a call ends with the provider's own status or
//! with one of Serin's that is no success; it never ends without one.

mod evidence;
pub(crate) mod hold;
pub(crate) mod own_status;
pub(crate) mod relay;

pub(crate) use evidence::CallAnswer;
