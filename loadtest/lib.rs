//! Measures; never ships.
