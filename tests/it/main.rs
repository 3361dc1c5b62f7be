//! Everything that needs real sockets, in one binary.
