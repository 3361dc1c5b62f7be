//! What the whole way from text to policy promises.

mod accepted;
mod arbitrary;
mod golden;
mod kept;
mod notify;
mod one_mistake;
mod scalars;
mod schema;
mod second_reader;
mod shipped;
