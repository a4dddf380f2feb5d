//! Owns: making up requests of the shape of a real trace. Never: holds any line of that trace.
//!
//! The quantiles below were measured on the 8,819 requests of 2023-11-16 to a production LLM service for code, in
//! `data/AzureLLMInferenceTrace_code.csv` of Azure/AzurePublicDataset (commit b469a113), published under CC-BY 4.0.
//! Values between two quantiles are drawn evenly, which keeps the median, the tail and, within a few per cent, the sum.

use super::trace::Request;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// Parts that a whole is cut into: quantiles are in 10,000ths.
const WHOLE: u32 = 10_000;

/// Context tokens: the least, the quantiles in 10,000ths, the greatest.
const CONTEXT: [(u32, u32); 20] = [
    (0, 3),
    (100, 17),
    (500, 75),
    (1_000, 147),
    (1_500, 232),
    (2_000, 385),
    (2_500, 578),
    (3_000, 770),
    (4_000, 1_075),
    (5_000, 1_469),
    (6_000, 1_909),
    (7_000, 2_433),
    (7_500, 2_745),
    (8_000, 3_193),
    (8_500, 3_923),
    (9_000, 5_194),
    (9_250, 6_097),
    (9_500, 7_315),
    (9_800, 7_436),
    (10_000, 7_437),
];

/// Generated tokens, likewise. The median call makes 13; one in a thousand makes more than 831.
const GENERATED: [(u32, u32); 23] = [
    (0, 6),
    (500, 6),
    (1_000, 7),
    (2_000, 8),
    (3_000, 9),
    (4_000, 11),
    (5_000, 13),
    (6_000, 16),
    (7_000, 20),
    (7_500, 24),
    (8_000, 29),
    (8_500, 39),
    (9_000, 55),
    (9_250, 69),
    (9_500, 90),
    (9_650, 115),
    (9_800, 172),
    (9_900, 252),
    (9_950, 361),
    (9_980, 676),
    (9_990, 831),
    (9_995, 895),
    (10_000, 1_899),
];

/// Makes up `count` requests; the same seed makes the same ones.
pub(super) fn requests(count: u32, seed: u64) -> Vec<Request> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut draw = |table: &[(u32, u32)]| value_at(table, rng.random_range(0..WHOLE));
    (0..count)
        .map(|_| Request { context_tokens: draw(&CONTEXT), generated_tokens: draw(&GENERATED) })
        .collect()
}

/// Reads a quantile table, on a straight line between two entries.
fn value_at(table: &[(u32, u32)], part: u32) -> u32 {
    let above = table.partition_point(|(quantile, _)| *quantile <= part).clamp(1, table.len() - 1);
    let ((from, low), (to, high)) = (table[above - 1], table[above]);
    low + (high - low) * (part.min(to) - from) / (to - from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(of: fn(&Request) -> u32) -> Vec<u32> {
        let mut values: Vec<u32> = requests(8_819, 2023).iter().map(of).collect();
        values.sort_unstable();
        values
    }

    fn assert_near(what: &str, measured: u64, expected: u64, percent: u64) {
        let apart = measured.abs_diff(expected) * 100;
        assert!(apart <= expected * percent, "{what}: {measured} is not within {percent} % of {expected}");
    }

    #[test]
    fn median_tail_and_sum_are_those_of_the_trace() {
        for (name, values, median, p99, sum) in [
            ("context", sorted(|request| request.context_tokens), 1_469, 7_436, 18_059_974),
            ("generated", sorted(|request| request.generated_tokens), 13, 252, 245_896),
        ] {
            assert_near(name, values[values.len() / 2].into(), median, 10);
            assert_near(name, values[values.len() * 99 / 100].into(), p99, 15);
            assert_near(name, values.iter().map(|value| u64::from(*value)).sum(), sum, 8);
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_requests() {
        assert_eq!(requests(500, 7), requests(500, 7));
        assert_ne!(requests(500, 7), requests(500, 8));
    }
}
