//! Which members of an object name an id, and what lies below them.
//!
//! Owns the table of keys, for requests and answers of all APIs. Below a key whose value is the application's or the
//! model's own (a schema, metadata, a tool's arguments) nothing is read: a model could write any id there.

use super::id::IdKind;

/// What a key says about its value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum KeyRole {
    /// Nothing; what is below it is read.
    #[default]
    Other,
    /// An id, or a list of ids.
    Reference(IdKind),
    /// An id, or an object with one.
    Holder(IdKind),
    /// The id of the object that it stands in.
    Id,
    /// What the object is.
    Type,
    /// A list of objects, or one, each kept by its id.
    Items,
    /// Nothing below it is read.
    Opaque,
    /// The same, where it is an object.
    OpaqueObject,
}

/// The longest key of the table.
pub(super) const LONGEST_KEY: usize = 20;

pub(super) fn role(key: &[u8]) -> KeyRole {
    match key {
        b"id" => KeyRole::Id,
        b"object" | b"type" => KeyRole::Type,
        b"previous_response_id" => KeyRole::Reference(IdKind::Response),
        b"conversation" => KeyRole::Holder(IdKind::Conversation),
        b"thread_id" => KeyRole::Reference(IdKind::Thread),
        b"container" => KeyRole::Holder(IdKind::Container),
        b"container_id" => KeyRole::Reference(IdKind::Container),
        b"assistant_id" => KeyRole::Reference(IdKind::Assistant),
        b"vector_store_id" | b"vector_store_ids" => KeyRole::Reference(IdKind::VectorStore),
        b"file_id" | b"file_ids" | b"input_file_id" | b"output_file_id" | b"error_file_id" | b"training_file"
        | b"validation_file" | b"result_files" => KeyRole::Reference(IdKind::File),
        b"output" | b"item" | b"items" | b"data" => KeyRole::Items,
        b"metadata" | b"parameters" | b"input_schema" | b"json_schema" | b"schema" | b"properties" | b"arguments" => {
            KeyRole::Opaque
        }
        b"input" => KeyRole::OpaqueObject,
        _ => KeyRole::Other,
    }
}

/// What the type of an object says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ObjectType {
    /// Nothing.
    #[default]
    Other,
    /// An answer, which is not kept where it was asked not to be.
    Response,
    /// The provider keeps it.
    Kept,
    /// A reference to an item that is kept.
    ItemReference,
}

pub(super) fn object_type(name: &[u8]) -> ObjectType {
    match name {
        b"response" => ObjectType::Response,
        b"conversation"
        | b"thread"
        | b"thread.run"
        | b"file"
        | b"vector_store.file"
        | b"container.file"
        | b"batch"
        | b"message_batch"
        | b"vector_store"
        | b"assistant"
        | b"container"
        | b"upload"
        | b"fine_tuning.job"
        | b"realtime.session"
        | b"realtime.transcription_session"
        | b"realtime.call"
        | b"video" => ObjectType::Kept,
        b"item_reference" => ObjectType::ItemReference,
        _ => ObjectType::Other,
    }
}
