//! Owns: all chance in a world: xoshiro256** begun by splitmix64, written out so that a seed means the same for ever.
//! Never: entropy.

/// Draws the same numbers for the same seed.
#[derive(Debug, Clone)]
pub struct Rng([u64; 4]);

/// Steps splitmix64.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Rng {
    /// Begins with a seed.
    pub fn new(seed: u64) -> Self {
        let mut state = seed;
        Self([0; 4].map(|_: u64| split_mix(&mut state)))
    }

    /// Begins another that draws numbers of its own: who draws more here does not change what is drawn there.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self::new(self.draw())
    }

    /// Draws 64 bits.
    pub fn draw(&mut self) -> u64 {
        let s = &mut self.0;
        let drawn = s[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= shifted;
        s[3] = s[3].rotate_left(45);
        drawn
    }

    /// Draws a number below `end`; zero when `end` is.
    pub fn below(&mut self, end: u64) -> u64 {
        // The bias of a remainder is below one in 2^32 for what is drawn here, and the same in every run.
        self.draw().checked_rem(end).unwrap_or(0)
    }

    /// Draws a number from `least` to `most`, both included.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most.saturating_sub(least).saturating_add(1))
    }

    /// Draws an index below `len`; zero when `len` is.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// Says yes `yes` times out of `of`, about.
    pub fn chance(&mut self, yes: u64, of: u64) -> bool {
        self.below(of) < yes
    }

    /// Picks one; `None` of none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        let at = self.index(of.len());
        of.get(at)
    }

    /// Picks a place by weight; `None` when all weights are zero.
    pub fn weighed(&mut self, weights: &[u32]) -> Option<usize> {
        let sum: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
        let mut at = self.below(sum);
        weights.iter().position(|weight| match at.checked_sub(u64::from(*weight)) {
            Some(left) => {
                at = left;
                false
            }
            None => true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_and_another_does_not() {
        let three = |seed| {
            let mut rng = Rng::new(seed);
            [rng.draw(), rng.draw(), rng.draw()]
        };
        assert_eq!(three(7), three(7));
        assert_ne!(three(7), three(8));
    }

    #[test]
    fn weights_are_kept() {
        let mut rng = Rng::new(1);
        let mut counts = [0u32; 3];
        for _ in 0..3_000 {
            counts[rng.weighed(&[1, 0, 2]).unwrap()] += 1;
        }
        assert!(counts[1] == 0 && counts[0] > 800 && counts[2] > 1_700, "{counts:?}");
        assert_eq!(rng.weighed(&[0, 0]), None);
    }
}
