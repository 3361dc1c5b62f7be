//! What travels: pure reading of the bytes that clients and providers send.
//!
//! Nothing here knows of rollouts or policies, and nothing here copies what it can borrow. Input is never trusted:
//! every reader is bounded in time and stack whatever it is given, and says "absent" rather than guessing.

pub mod accept;
pub mod answer;
pub mod balance;
pub mod body;
pub mod certificate;
pub mod certificate_names;
pub mod coding;
pub mod complaint;
pub mod cookie;
pub mod credentials;
mod der;
pub mod dialect;
pub mod finish;
pub mod grpc;
mod json;
pub mod last_resort;
pub mod media;
pub mod model_list;
pub mod moment;
pub mod multipart;
pub mod opening;
pub mod path;
pub mod price_list;
pub mod printable;
pub mod query;
pub mod rate_headers;
pub mod segments;
pub mod shape;
pub mod sse;
pub mod state_ids;
pub mod stream;
pub mod structure;
pub mod trace_context;
pub mod usage;
pub mod websocket;
