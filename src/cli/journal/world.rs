//! Owns: a world brought back to be audited: partitions from checkpoints or from nothing, each record decided again and then
//! applied, each difference named. Never: goes on after one; what follows a difference means nothing.

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    panic::{self, AssertUnwindSafe},
};
use tallystick_core::{PARTITIONS, Partition, Record, Stamp, verify};
use tallystick_journal::{StorageFault, rows};
use tallystick_store::StoreReader;

/// Decides a record again on the state that it met, and says what the rules see otherwise.
pub(crate) type Judge = fn(&Partition, &Stamp, &Record<'_>) -> Result<(), String>;

/// Judges by the rules of this build.
pub(crate) fn by_the_rules(partition: &Partition, stamp: &Stamp, record: &Record<'_>) -> Result<(), String> {
    verify::decide_again(partition, stamp, record).map_err(|difference| difference.to_string())
}

/// Is every partition.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) partitions: Vec<Partition>,
    /// Up to here, no partition needs the journal.
    pub(crate) covered: u64,
    touched: Vec<bool>,
}

impl World {
    /// Begins with nothing.
    pub(crate) fn empty() -> Self {
        let partitions: Vec<Partition> = (0..PARTITIONS).map(Partition::new).collect();
        let touched = vec![false; partitions.len()];
        Self { partitions, covered: 0, touched }
    }

    /// Begins with the checkpoints. *Errors*: what does not fit, with its place.
    pub(crate) fn of_checkpoints(reader: &StoreReader) -> Result<Self, StorageFault> {
        let mut world = Self::empty();
        let (mut heads, mut covered) = (0_usize, u64::MAX);
        reader.heads(&mut |number, bytes| {
            let head = rows::decode_head(bytes)?;
            let place = format!("checkpoint of partition {number}");
            let unfit =
                |finding: &str| StorageFault::Corrupt { place: place.clone(), finding: finding.into() };
            let nowhere = || unfit("there is no such partition");
            let number = u16::try_from(number).map_err(|_| nowhere())?;
            let partition = world.partitions.get_mut(usize::from(number)).ok_or_else(nowhere)?;
            reader.rows(number, &mut |at, bytes| {
                let (table, slot) = (u8::try_from(at >> 32), u32::try_from(at & 0xffff_ffff));
                let (Ok(table), Ok(slot)) = (table, slot) else { return Err(unfit("there is no such row")) };
                partition.load_row(slot, rows::decode_row(table, bytes)?).map_err(unfit)?;
                Ok(ControlFlow::Continue(()))
            })?;
            (heads, covered) = (heads + 1, covered.min(head.covered));
            partition.load_head(head).map_err(unfit)?;
            Ok(ControlFlow::Continue(()))
        })?;
        // A partition without a checkpoint needs the journal from its beginning.
        world.covered = if heads == world.partitions.len() { covered } else { 0 };
        Ok(world)
    }

    /// Returns a partition.
    pub(crate) fn partition(&mut self, number: u16) -> Option<&mut Partition> {
        self.partitions.get_mut(usize::from(number))
    }

    /// Checks that the books of each currency sum to zero. *Errors*: which do not.
    pub(crate) fn check_books(&self) -> Result<(), String> {
        let mut sums: BTreeMap<u16, i128> = BTreeMap::new();
        for partition in &self.partitions {
            for (currency, books) in partition.books().iter() {
                *sums.entry(currency.number()).or_default() += books.iter().sum::<i128>();
            }
        }
        match sums.iter().find(|(_, sum)| **sum != 0) {
            Some((currency, _)) => Err(format!("the books of currency {currency} do not sum to zero")),
            None => Ok(()),
        }
    }

    /// Judges one record and applies it. *Returns* whether it was new: a checkpoint may contain it already.
    /// *Errors*: what differs, or does not fit.
    pub(crate) fn step(
        &mut self,
        (seq, stamp, record): (u64, &Stamp, &Record<'_>),
        judge: Judge,
    ) -> Result<bool, String> {
        let number = usize::from(stamp.partition);
        let Some(partition) = self.partitions.get_mut(number) else {
            return Err(format!("there is no partition {number}"));
        };
        let is_new = seq > partition.seq();
        if is_new {
            judge(partition, stamp, record)?;
            apply(partition, seq, stamp, record)?;
            if let Some(touched) = self.touched.get_mut(number) {
                *touched = true;
            }
        }
        if let Record::Genesis(genesis) = record {
            self.partitions.iter_mut().for_each(|partition| partition.adopt_seed(genesis.seed));
        }
        Ok(is_new)
    }

    /// Checks the partitions that changed since the last time. *Errors*: which invariant does not hold, and where.
    pub(crate) fn check_touched(&mut self) -> Result<(), String> {
        for (partition, touched) in self.partitions.iter().zip(&mut self.touched) {
            if std::mem::take(touched) {
                check(partition)?;
            }
        }
        Ok(())
    }

    /// Checks every partition. *Errors*: as above.
    pub(crate) fn check_all(&self) -> Result<(), String> {
        self.partitions.iter().try_for_each(check)
    }
}

fn check(partition: &Partition) -> Result<(), String> {
    partition.check_sound().map_err(|finding| format!("partition {}: {finding}", partition.number()))
}

/// Applies a record. One that does not fit the state is a bug in a server, and damage in a journal: what core panics with
/// is what differs.
fn apply(partition: &mut Partition, seq: u64, stamp: &Stamp, record: &Record<'_>) -> Result<(), String> {
    let applied = panic::catch_unwind(AssertUnwindSafe(|| partition.apply(seq, stamp, record)));
    applied.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let text = text.unwrap_or_else(|| "it cannot be applied".to_owned());
        format!("it does not fit the state that it meets: {}", text.trim_start_matches("bug: "))
    })
}

/// Keeps panics quiet as long as it lives: those of `apply` are findings, and told as such.
pub(crate) struct Quiet;

impl Quiet {
    pub(crate) fn begin() -> Self {
        panic::set_hook(Box::new(|_| {}));
        Self
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            drop(panic::take_hook());
        }
    }
}
