//! Is a journal in memory behind a gate: appends wait while it is shut, and fail once it is broken.

use super::held;
use std::sync::{
    Condvar, Mutex,
    atomic::{AtomicU64, Ordering},
};
use tallystick_journal::{Durability, Journal, StorageFault, TrimStep, Visit, memory::MemoryJournal};

/// Says what becomes of an append.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Gate {
    Open,
    /// Lets one append through, and is shut again.
    Once,
    Shut,
    Broken,
}

/// Lets appends wait until its gate is opened, or fails them.
#[derive(Debug)]
pub(crate) struct Gated {
    pub(crate) gate: Mutex<Gate>,
    pub(crate) bell: Condvar,
    /// Appends that were tried.
    pub(crate) knocks: AtomicU64,
    pub(crate) below: MemoryJournal,
}

impl Gated {
    pub(crate) fn set(&self, gate: Gate) {
        *held(&self.gate) = gate;
        self.bell.notify_all();
    }
}

impl Journal for Gated {
    fn append(&self, first_seq: u64, group: &[u8]) -> Result<(), StorageFault> {
        self.knocks.fetch_add(1, Ordering::SeqCst);
        let mut gate = self.bell.wait_while(held(&self.gate), |gate| *gate == Gate::Shut).unwrap();
        if *gate == Gate::Once {
            *gate = Gate::Shut;
        }
        if *gate == Gate::Broken {
            return Err(StorageFault::Io("fsync: Input/output error (planted)".into()));
        }
        self.below.append(first_seq, group)
    }
    fn read(&self, from_seq: u64, visit: &mut Visit<'_>) -> Result<(), StorageFault> {
        self.below.read(from_seq, visit)
    }
    fn trim(&self, before_seq: u64) -> Result<TrimStep, StorageFault> {
        self.below.trim(before_seq)
    }
    fn durability(&self) -> Durability {
        Durability::Fsync
    }
    fn size_bytes(&self) -> u64 {
        self.below.size_bytes()
    }
}
