//! The ids of what a provider keeps: responses, conversations, threads, files, batches, containers and the like.
//!
//! Owns where such ids stand: in a [path](path), in the body of a request, and in an answer that makes one or speaks of
//! one. Bodies are read by a [`Scanner`], piece by piece, whatever is around the ids. Says nothing about who keeps
//! what. Invariant: what an id is taken from was written by the client or the provider as structure; texts, schemas,
//! metadata and the arguments of tools name nothing.

mod answer;
mod id;
mod lexer;
mod path;
mod request;
mod rules;

pub use answer::AnswerScanner;
pub use path::{PathId, answer_makes, body_names, counts_tokens, in_location, in_path, in_query};
pub use request::{MOST_NAMED, Needles, in_request};

#[cfg(test)]
mod tests;
