//! Owns: how long a follower that has caught up lets records gather: long while little comes, shorter while much does.
//! Never: a clock. How much came in the pause before says how much will come in the next one.

use crate::follower::Options;
use std::time::Duration;

/// Bounds how often a pause is halved.
const HALVED_MOST: u32 = 4;

/// Is how long to pause.
#[derive(Debug)]
pub(crate) struct Pace {
    longest: Duration,
    gather_bytes: usize,
    halved: u32,
}

impl Pace {
    /// Begins with the longest pause.
    pub(crate) fn new(options: &Options) -> Self {
        Self { longest: options.pause, gather_bytes: options.gather_bytes, halved: 0 }
    }

    /// Returns the pause after a step that took so many bytes of the journal.
    ///
    /// A pause is halved when it brought too much, and doubled when twice as long a one would not have.
    pub(crate) fn after(&mut self, bytes: usize) -> Duration {
        if bytes > self.gather_bytes {
            self.halved = (self.halved + 1).min(HALVED_MOST);
        } else if bytes < self.gather_bytes / 2 {
            self.halved = self.halved.saturating_sub(1);
        }
        self.longest / (1 << self.halved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(pace: &mut Pace, bytes: &[usize]) -> Vec<u128> {
        bytes.iter().map(|bytes| pace.after(*bytes).as_millis()).collect()
    }

    #[test]
    fn much_makes_pauses_shorter_and_little_longer() {
        let options = Options { pause: Duration::from_millis(160), gather_bytes: 100, ..Options::default() };
        let mut pace = Pace::new(&options);
        assert_eq!(pauses(&mut pace, &[0, 100, 101, 100, 50, 101]), [160, 160, 80, 80, 80, 40]);
        assert_eq!(pauses(&mut pace, &[500; 4]), [20, 10, 10, 10]);
        assert_eq!(pauses(&mut pace, &[49, 0, 0, 0, 0]), [20, 40, 80, 160, 160]);
    }

    #[test]
    fn whatever_rate_comes_it_settles_between_half_and_all_of_what_should_gather() {
        let options =
            Options { pause: Duration::from_millis(160), gather_bytes: 1_000, ..Options::default() };
        for bytes_per_ms in [7, 20, 45, 99] {
            let mut pace = Pace::new(&options);
            let mut came = 0;
            for _ in 0..20 {
                let pause = pace.after(came).as_millis();
                came = usize::try_from(pause).unwrap() * bytes_per_ms;
            }
            assert!((500..=1_000).contains(&came), "{came} bytes at {bytes_per_ms} a millisecond");
        }
    }
}
