//! Owns: what can be asked of a server once it has read its past. Never: keeps the engine alive.

use super::money::Money;
use crate::{AnchoredClock, transport::Doors};
use std::{
    fmt,
    sync::{Arc, Weak},
};
use tallystick_engine::{Durability, Engine, Totals};
use tallystick_rpc::{Gate, Usage};

/// Says how many durable records the projection has not taken in yet; nothing when that is not known.
pub(crate) type ProjectionLag = Box<dyn Fn() -> Option<u64> + Send + Sync>;

/// Is a server that has read its past.
pub(crate) struct Live {
    // A connection that an operator keeps open must not keep the data folder open.
    engine: Weak<Engine>,
    gate: Gate,
    doors: Doors,
    clock: Arc<AnchoredClock>,
    projection_lag: Option<ProjectionLag>,
    money: Money,
}

/// Is what was read of a server for one answer.
#[derive(Debug)]
pub(super) struct Sight {
    pub(super) durability: Durability,
    pub(super) durable_seq: u64,
    pub(super) queue_depth: u64,
    pub(super) journal_bytes: u64,
    pub(super) permits: [Usage; 3],
    /// Open, and how many may be.
    pub(super) calls: (usize, usize),
    pub(super) connections: (usize, usize),
    pub(super) clock_divergence_ns: i128,
    pub(super) projection_lag: Option<u64>,
    pub(super) totals: Option<Arc<Totals>>,
}

impl Live {
    /// Reads from these from now on; `projection_lag` is absent where there is no projection.
    pub(crate) fn new(
        engine: &Arc<Engine>,
        (gate, doors): (Gate, Doors),
        clock: Arc<AnchoredClock>,
        projection_lag: Option<ProjectionLag>,
    ) -> Self {
        Self { engine: Arc::downgrade(engine), gate, doors, clock, projection_lag, money: Money::default() }
    }

    /// Reads everything; `None` once the engine is gone.
    pub(super) async fn see(&self) -> Option<Sight> {
        let engine = self.engine.upgrade()?;
        let totals = self.money.read(&engine).await;
        Some(Sight {
            durability: engine.durability(),
            durable_seq: engine.durable_seq(),
            queue_depth: engine.queue_depth(),
            journal_bytes: engine.journal_bytes(),
            permits: self.gate.usage(),
            calls: self.gate.calls(),
            connections: self.doors.usage(),
            clock_divergence_ns: self.clock.divergence_ns(),
            projection_lag: self.projection_lag.as_ref().and_then(|lag| lag()),
            totals,
        })
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Live")
    }
}
