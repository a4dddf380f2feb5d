//! One seed is one history, to the last byte: what else a simulation finds can be found again.

use tallystick_sim::{log::Trace, seed};

/// Steps of the first phase.
const STEPS: u64 = 600;

#[test]
fn the_same_seed_twice_is_byte_equal() {
    for seed in 100..110 {
        let (once, again) = (seed::live(seed, STEPS, Trace::Off), seed::live(seed, STEPS, Trace::Off));
        assert!(once.events > 50, "seed {seed} did nothing: {once:?}");
        assert_eq!(once, again);
    }
}

#[test]
fn another_seed_is_another_world() {
    let hashes: std::collections::BTreeSet<u64> =
        (200..210).map(|seed| seed::live(seed, STEPS, Trace::Off).hash).collect();
    assert_eq!(hashes.len(), 10);
}
