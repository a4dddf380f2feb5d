//! The model against the real engine, in memory, with random calls of every kind: what it predicts of each answer and each
//! record is what comes, over restarts, checkpoints and sweeps.
#![allow(clippy::unwrap_used, reason = "a test")]

mod drive;

use drive::Driver;
use std::collections::BTreeMap;

/// How many worlds. *Environment*: `TALLYSTICK_SIM_MODEL_SEEDS` asks for more, from the seed `TALLYSTICK_SIM_MODEL_FROM` on.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn every_answer_is_as_predicted() {
    let (from, seeds) = (number("TALLYSTICK_SIM_MODEL_FROM", 1), number("TALLYSTICK_SIM_MODEL_SEEDS", 40));
    let steps = number("TALLYSTICK_SIM_MODEL_STEPS", 400);
    let (mut heard, mut wrongs) = (BTreeMap::new(), Vec::new());
    for seed in from..from + seeds {
        let mut driver = Driver::new(seed);
        let wrong = (0..steps).find_map(|step| Some((step, driver.step().err()?)));
        wrongs.extend(wrong.map(|(step, wrong)| format!("seed {seed}, step {step}: {wrong}")));
        for (what, count) in driver.heard {
            *heard.entry(what).or_insert(0_u64) += count;
        }
    }
    println!("{heard:#?}");
    assert!(wrongs.is_empty(), "{} of {seeds} worlds: {}", wrongs.len(), wrongs.join("\n\n"));
}
