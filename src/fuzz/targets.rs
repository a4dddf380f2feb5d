//! Owns: the list of targets, one file each. Never: a bound without its reason beside it.

mod batch_results;
mod checkpoints;
mod config;
mod groups;
mod index;
mod logs;
mod payments;
mod records;
mod requests;
mod rows;
mod texts;
mod traces;
mod world;

pub(crate) use world::{Op, act};

use crate::Target;

/// Lists every target.
pub static TARGETS: &[Target] = &[
    records::TARGET,
    groups::TARGET,
    rows::TARGET,
    checkpoints::TARGET,
    index::TARGET,
    requests::TARGET,
    batch_results::TARGET,
    texts::TARGET,
    config::TARGET,
    traces::TARGET,
    payments::TARGET,
    logs::TARGET,
    world::TARGET,
];

fn nothing() {}

/// Lists the tables of a checkpoint, as `rows` numbers them.
pub(crate) fn tables() -> [u8; 8] {
    rows::TABLES
}
