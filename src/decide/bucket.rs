//! Where a user falls.
