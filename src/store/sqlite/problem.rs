//! Why a database cannot be used: because of what it holds, or because of the disk.
//!
//! Owns the distinction. A database of the first kind is set aside, and one of the second kind is tried again later.
//! Invariant: an error of SQLite without a code is one of the content.

use std::io;

use rusqlite::ErrorCode;

/// Why a database could not be used.
#[derive(Debug)]
pub(in crate::store) enum DatabaseError {
    /// Its content makes no sense to this version.
    Unreadable(String),
    /// The disk refuses.
    Refused(String),
}

impl From<rusqlite::Error> for DatabaseError {
    fn from(error: rusqlite::Error) -> DatabaseError {
        let text = error.to_string();
        match error.sqlite_error_code() {
            // No code: the content is not what this version writes (a missing column, another type).
            None | Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt | ErrorCode::Unknown) => {
                DatabaseError::Unreadable(text)
            }
            Some(_) => DatabaseError::Refused(text),
        }
    }
}

impl From<io::Error> for DatabaseError {
    fn from(error: io::Error) -> DatabaseError {
        DatabaseError::Refused(error.to_string())
    }
}
