//! Owns: a deterministic world: the real core, journal codec, engine and projection in one thread, under simulated time,
//! disk, ids and clients, from one seed. A model predicts every outcome, an auditor checks what clients saw.
//! Never: a wall clock, a thread of its own, randomness that does not come from the seed, unordered iteration.

pub mod actor;
pub mod asked;
pub mod audit;
pub mod client;
pub mod damage;
pub mod disk;
pub mod lie;
pub mod log;
pub mod mirror;
pub mod model;
pub mod rng;
pub mod roster;
pub mod script;
pub mod seed;
pub mod settings;
pub mod time;
pub mod truth;
pub mod wish;
pub mod world;
