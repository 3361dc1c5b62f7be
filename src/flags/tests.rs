//! What the whole way from text to policy promises.

mod accepted;
mod api_keys;
mod arbitrary;
mod flag;
mod golden;
mod grpc;
mod kept;
mod listen_tls;
mod notify;
mod one_mistake;
#[cfg(feature = "otlp")]
mod otlp;
mod rate_limit;
mod scalars;
mod schema;
mod second_reader;
mod sent_files;
mod shipped;
mod websocket;
