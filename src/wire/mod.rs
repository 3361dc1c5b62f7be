//! What travels: pure reading of bytes.
