//! flags.yaml at the edge.
