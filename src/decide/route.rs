//! Which arm takes a request.
