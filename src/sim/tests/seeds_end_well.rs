//! A few seeds of each kind, as an ordinary test. Many more: `make sim SEEDS=n`.

use tallystick_sim::{log::Trace, seed};

/// How many seeds; `SIM_SEEDS` says otherwise.
const SEEDS: u64 = 40;

#[test]
fn seeds_end_well() {
    let count = std::env::var("SIM_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS);
    let (mut restarts, mut records) = (0, 0);
    for seed in 1..=count {
        let outcome = seed::live(seed, 1_500, Trace::Off);
        assert_eq!(outcome.failure, None, "live it again: make sim SEED={seed}");
        restarts += outcome.counts.restarts;
        records += outcome.counts.records;
    }
    assert!(restarts > count && records > 50 * count, "{restarts} restarts, {records} records: too tame");
}
