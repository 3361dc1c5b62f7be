//! Operators' port.
