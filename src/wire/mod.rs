//! What travels: pure reading of the bytes that clients and providers send.
//!
//! Nothing here knows of rollouts or policies, and nothing here copies what it can borrow. Input is never trusted:
//! every reader is bounded in time and stack whatever it is given, and says "absent" rather than guessing.

pub mod accept;
pub mod answer;
pub mod body;
pub mod certificate;
pub mod coding;
pub mod complaint;
pub mod cookie;
pub mod credentials;
pub mod dialect;
pub mod finish;
mod json;
pub mod last_resort;
pub mod media;
pub mod moment;
pub mod multipart;
pub mod opening;
pub mod path;
pub mod printable;
pub mod query;
pub mod rate_headers;
pub mod segments;
pub mod shape;
pub mod sse;
pub mod stream;
pub mod trace_context;
pub mod usage;
pub mod websocket;
