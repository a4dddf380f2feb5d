//! Owns: a simulated disk: what its bytes are, which of them a power cut would leave, and the faults it has on order. It
//! stands behind all four storage traits. While it syncs, it lets others go on.
//! Never: forgets what it promised: an append that returned `Ok` stays, and so does a saved checkpoint.

mod image;
mod index;
mod journal;
mod projection;

pub use image::{Image, Kept, Sealed, flip};

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tallystick_journal::StorageFault;

/// Names what the disk is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Append a group to the journal.
    Append,
    /// Give back some of the journal.
    Trim,
    /// Store checkpoints.
    Save,
    /// Move the durable floor.
    Floor,
    /// Write what a projection derives.
    Derive,
    /// Sync what a projection derived.
    Sync,
    /// Look something up in a table.
    Find,
    /// Read the journal.
    Read,
    /// Load checkpoints.
    Load,
}

/// Is what lives around a disk.
pub trait Around: Send + Sync {
    /// Lets others go on: the disk takes its time.
    fn meanwhile(&self, deed: Deed);
    /// Tells that a group is durable.
    fn durable(&self, first_seq: u64, group: &[u8]);
    /// Tells that the power went.
    fn died(&self, deed: Deed);
}

/// Is a fault that is on order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ordered {
    /// At which deed.
    pub deed: Deed,
    /// After how many more of them.
    pub after: u64,
    /// What it says.
    pub text: &'static str,
}

/// Is the power, and the faults on order.
#[derive(Debug, Clone, Default)]
struct Power {
    is_off: bool,
    /// The power goes at the write after so many more.
    writes_left: Option<u64>,
    /// Whether the write at which it goes lands all the same: nobody is told either way.
    last_lands: bool,
    faults: Vec<Ordered>,
    /// How many lookups in tables have failed.
    failed_finds: u64,
}

/// Says what comes of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Gate {
    /// It is done.
    Open,
    /// The power goes now; it may land.
    Dies { lands: bool },
    /// It fails.
    Fails(StorageFault),
}

/// Is a disk with power.
pub struct Disk {
    image: Mutex<Image>,
    power: Mutex<Power>,
    around: Box<dyn Around>,
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").finish_non_exhaustive()
    }
}

/// Is nobody: for disks that are looked at apart from the world.
#[derive(Debug, Clone, Copy)]
pub struct Nobody;

impl Around for Nobody {
    fn meanwhile(&self, _: Deed) {}
    fn durable(&self, _: u64, _: &[u8]) {}
    fn died(&self, _: Deed) {}
}

fn io(text: &str) -> StorageFault {
    StorageFault::Io(text.into())
}

impl Disk {
    /// Gives power to an image.
    pub fn new(image: Image, around: Box<dyn Around>) -> Self {
        Self { image: Mutex::new(image), power: Mutex::default(), around }
    }

    /// Returns the image, to be looked at or changed.
    pub fn image(&self) -> MutexGuard<'_, Image> {
        self.image.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn power(&self) -> MutexGuard<'_, Power> {
        self.power.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the power go at the write after `writes` more.
    pub fn lose_power_after(&self, writes: u64, last_lands: bool) {
        let mut power = self.power();
        (power.writes_left, power.last_lands) = (Some(writes), last_lands);
    }

    /// Takes the power now.
    pub fn cut_power(&self) {
        self.power().is_off = true;
    }

    /// Orders a fault.
    pub fn order(&self, fault: Ordered) {
        self.power().faults.push(fault);
    }

    /// Takes back all that is on order.
    pub fn calm(&self) {
        let mut power = self.power();
        (power.writes_left, power.faults) = (None, Vec::new());
    }

    /// Returns how many lookups in tables have failed.
    pub fn failed_finds(&self) -> u64 {
        self.power().failed_finds
    }

    /// Returns whether nothing is written any more.
    pub fn is_off(&self) -> bool {
        self.power().is_off
    }

    /// Says what comes of a deed; one that reads is no write, and only fails when that is on order.
    fn gate(&self, deed: Deed) -> Gate {
        let mut power = self.power();
        if power.is_off {
            return Gate::Fails(io("the power is off (simulated)"));
        }
        if !matches!(deed, Deed::Find | Deed::Read | Deed::Load) {
            match &mut power.writes_left {
                Some(0) => {
                    power.is_off = true;
                    return Gate::Dies { lands: power.last_lands };
                }
                Some(left) => *left -= 1,
                None => {}
            }
        }
        let mut due = None;
        for (at, fault) in power.faults.iter_mut().enumerate().filter(|(_, fault)| fault.deed == deed) {
            match fault.after.checked_sub(1) {
                Some(left) => fault.after = left,
                None => due = due.or(Some(at)),
            }
        }
        match due {
            Some(at) => {
                power.failed_finds += u64::from(deed == Deed::Find);
                Gate::Fails(io(power.faults.remove(at).text))
            }
            None => Gate::Open,
        }
    }

    /// Does a write that happens at once, or not at all.
    fn write(&self, deed: Deed, change: impl FnOnce(&mut Image)) -> Result<(), StorageFault> {
        match self.gate(deed) {
            Gate::Fails(fault) => return Err(fault),
            Gate::Dies { lands } => {
                if lands {
                    change(&mut self.image());
                }
                self.around.died(deed);
                return Err(io("the power went (simulated)"));
            }
            Gate::Open => change(&mut self.image()),
        }
        self.around.meanwhile(deed);
        // Whoever lost power while it waited for a sync is told of nothing.
        if self.is_off() { Err(io("the power went (simulated)")) } else { Ok(()) }
    }

    /// Passes a read. *Errors*: what is on order, or that there is no power.
    fn pass(&self, deed: Deed) -> Result<(), StorageFault> {
        match self.gate(deed) {
            Gate::Fails(fault) => Err(fault),
            Gate::Open | Gate::Dies { .. } => Ok(()),
        }
    }
}
