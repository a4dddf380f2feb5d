//! Owns: the unguessable part of ids: a ChaCha generator seeded once from the operating system.
//! One system call for each id would be made under a shard's lock; this costs a few nanoseconds there instead.
//! Never: a seed that anyone could know.

use rand::{
    Rng as _, SeedableRng as _,
    rngs::{StdRng, SysError, SysRng},
};
use std::{
    fmt,
    sync::{Mutex, PoisonError},
};
use tallystick_core::IdSource;

/// Draws from the operating system's randomness.
pub struct OsIds(Mutex<StdRng>);

impl OsIds {
    /// Seeds the generator. *Errors*: the operating system has no randomness to give.
    pub fn from_os() -> Result<Self, SysError> {
        Ok(Self(Mutex::new(StdRng::try_from_rng(&mut SysRng)?)))
    }
}

impl IdSource for OsIds {
    fn draw(&self) -> u64 {
        // Drawing cannot panic, so the generator behind a poisoned lock is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).next_u64()
    }
}

impl fmt::Debug for OsIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whoever knows the state can guess every later id.
        f.write_str("OsIds")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_draws_are_alike() {
        let (one, other) = (OsIds::from_os().unwrap(), OsIds::from_os().unwrap());
        let drawn: BTreeSet<u64> = (0..10_000).flat_map(|_| [one.draw(), other.draw()]).collect();
        assert_eq!(drawn.len(), 20_000);
    }

    #[test]
    fn the_state_is_not_shown() {
        assert_eq!(format!("{:?}", OsIds::from_os().unwrap()), "OsIds");
    }
}
