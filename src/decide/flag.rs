//! What a flag says to a user.
