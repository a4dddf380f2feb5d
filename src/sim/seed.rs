//! Owns: one seed, lived from its first to its last step, and what came of it. Never: prints more than its log.

use crate::{
    log::Trace,
    rng::Rng,
    settings::Settings,
    world::{Counts, World},
};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Is what came of a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Which seed.
    pub seed: u64,
    /// What happened, counted.
    pub counts: Counts,
    /// A hash of every event.
    pub hash: u64,
    /// How many events there were.
    pub events: u64,
    /// What was wrong; `None` when nothing was.
    pub failure: Option<String>,
}

/// Returns what is drawn for a seed.
pub fn settings(seed: u64) -> Settings {
    Settings::draw(&mut Rng::new(seed))
}

/// Lives one seed. A panic of what is tested is a failure of the seed.
pub fn live(seed: u64, steps: u64, trace: Trace) -> Outcome {
    let mut rng = Rng::new(seed);
    let settings = Settings::draw(&mut rng);
    let world = World::new(settings, rng, trace);
    let lived = catch_unwind(AssertUnwindSafe(|| world.live(steps)));
    let panicked = lived.err().map(|panicked| {
        let text = panicked.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panicked.downcast_ref::<&str>().map(ToString::to_string));
        format!("panicked: {}", text.unwrap_or_default())
    });
    let (counts, hash, events) = world.counts();
    let failure = world.failure().or(panicked);
    if failure.is_some() {
        // What a failed world holds may be in any state; dropping it could panic again.
        drop(catch_unwind(AssertUnwindSafe(|| drop(world))));
    }
    Outcome { seed, counts, hash, events, failure }
}
