//! Owns: wiring.
