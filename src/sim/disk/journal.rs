//! Owns: `Journal` on a simulated disk. An append takes its time: others go on before it returns.
//! Never: loses a group whose append returned `Ok`.

use super::{Deed, Disk, Gate, Image, io};
use std::{
    ops::{Bound, ControlFlow},
    sync::Arc,
};
use tallystick_journal::{Durability, Journal, StorageFault, TrimStep, Visit};

impl Image {
    /// Returns the first group from a place on. One that is being appended can be read before it is durable, as from a real
    /// store: the watermark alone says how far it is.
    fn readable(&self, from: Bound<u64>) -> Option<(u64, Arc<[u8]>)> {
        let is_there = |seq: u64| match from {
            Bound::Included(least) => seq >= least,
            Bound::Excluded(last) => seq > last,
            Bound::Unbounded => true,
        };
        let stored = self.groups.range((from, Bound::Unbounded)).next();
        let stored = stored.map(|(seq, group)| (*seq, Arc::clone(group)));
        stored.or_else(|| self.appending.clone().filter(|(seq, _)| is_there(*seq)))
    }
}

impl Journal for Disk {
    fn append(&self, first_seq: u64, group: &[u8]) -> Result<(), StorageFault> {
        let bytes: Arc<[u8]> = group.into();
        let gate = self.gate(Deed::Append);
        if !self.is_off() || matches!(gate, Gate::Dies { .. }) {
            // Whether it fails or is cut short: nobody knows what of it is there.
            self.image().appending = Some((first_seq, Arc::clone(&bytes)));
        }
        match gate {
            Gate::Fails(fault) => return Err(fault),
            Gate::Dies { .. } => {
                self.around.died(Deed::Append);
                return Err(io("the power went (simulated)"));
            }
            Gate::Open => {}
        }
        self.around.meanwhile(Deed::Append);
        if self.is_off() {
            return Err(io("the power went (simulated)"));
        }
        {
            let mut image = self.image();
            image.appending = None;
            image.groups.insert(first_seq, bytes);
        }
        self.around.durable(first_seq, group);
        Ok(())
    }

    fn read(&self, from_seq: u64, visit: &mut Visit<'_>) -> Result<(), StorageFault> {
        let start = self.image().groups.range(..=from_seq).next_back().map_or(0, |(seq, _)| *seq);
        let mut from = Bound::Included(start);
        loop {
            self.pass(Deed::Read)?;
            self.around.meanwhile(Deed::Read);
            // The image is free while a visitor works.
            let next = self.image().readable(from);
            let Some((seq, group)) = next else { return Ok(()) };
            if visit(seq, &group)? == ControlFlow::Break(()) {
                return Ok(());
            }
            from = Bound::Excluded(seq);
        }
    }

    fn trim(&self, before_seq: u64) -> Result<TrimStep, StorageFault> {
        let second = self.image().groups.keys().nth(1).copied();
        if second.is_none_or(|second| second > before_seq) {
            return Ok(TrimStep::Done);
        }
        self.write(Deed::Trim, |image| drop(image.groups.pop_first()))?;
        Ok(TrimStep::More)
    }

    fn durability(&self) -> Durability {
        Durability::Fsync
    }

    fn size_bytes(&self) -> u64 {
        self.image().groups.values().map(|group| group.len() as u64).sum()
    }
}
