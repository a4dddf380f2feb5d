//! Draws the same numbers for the same seed, everywhere.

/// Is a SplitMix64 generator.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Draws at least `from` and less than `to`.
    pub(crate) fn within(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from)
    }

    /// Draws a place in a list of `len`; `None` in an empty one.
    pub(crate) fn place(&mut self, len: usize) -> Option<usize> {
        let len = u64::try_from(len).unwrap();
        (len > 0).then(|| usize::try_from(self.within(0, len)).unwrap())
    }

    /// Says yes once in `n`.
    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.within(0, n) == 0
    }
}
