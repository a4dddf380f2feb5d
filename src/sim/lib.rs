//! Owns: a deterministic world: the real core, journal codec, engine and projection in one thread, under simulated time,
//! disk, ids and clients, from one seed. A model predicts every outcome, an auditor checks what clients saw.
//! Never: a wall clock, a thread of its own, randomness that does not come from the seed, unordered iteration.

pub mod asked;
pub mod audit;
pub mod model;
