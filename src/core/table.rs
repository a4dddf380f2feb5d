//! Owns: rows found by slot: generations, the free list, which rows changed, and the consistent cut that a checkpoint
//! copies while the table goes on changing (copy on first touch). Never: what a row means.

mod pages;

use alloc::vec::Vec;
use core::mem;
use pages::Pages;
use serde::{Deserialize, Serialize};

/// Is the end of the free list.
const NONE: u32 = u32::MAX;

/// Is one place of a table, as it is stored in a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Slot<T> {
    /// Nothing lives here.
    Vacant {
        /// What the next row's generation will be.
        generation: u32,
        /// The next free slot.
        next: u32,
    },
    /// A row lives here.
    Taken {
        /// How often the slot was taken before.
        generation: u32,
        /// The row.
        row: T,
    },
}

/// Is what must be kept beside the rows to take a table up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableHead {
    /// The first free slot.
    pub first_free: u32,
    /// How many slots there are, taken or vacant.
    pub len: u32,
    /// How many are taken.
    pub taken: u32,
}

impl TableHead {
    /// Is the head of a table without slots.
    pub const EMPTY: Self = Self { first_free: NONE, len: 0, taken: 0 };
}

/// Marks slots, and lists those that were marked.
#[derive(Debug, Default)]
struct Marks {
    bits: Vec<u64>,
    list: Vec<u32>,
}

impl Marks {
    #[inline]
    fn set(&mut self, slot: u32) {
        let (word, bit) = (slot as usize / 64, 1 << (slot % 64));
        if self.bits.get(word).is_none_or(|bits| bits & bit == 0) {
            self.set_new(slot);
        }
    }

    #[cold]
    fn set_new(&mut self, slot: u32) {
        let (word, bit) = (slot as usize / 64, 1 << (slot % 64));
        if word >= self.bits.len() {
            self.bits.resize(word + 1, 0);
        }
        if let Some(bits) = self.bits.get_mut(word) {
            *bits |= bit;
            self.list.push(slot);
        }
    }

    /// Clears the mark and returns whether there was one. The list keeps the slot.
    fn take(&mut self, slot: u32) -> bool {
        let (word, bit) = (slot as usize / 64, 1 << (slot % 64));
        match self.bits.get_mut(word) {
            Some(bits) if *bits & bit != 0 => {
                *bits &= !bit;
                true
            }
            _ => false,
        }
    }
}

/// Is what a checkpoint has still to copy.
#[derive(Debug)]
struct Cut<T> {
    pending: Marks,
    saved: Vec<(u32, Slot<T>)>,
}

/// Is a slot as it is kept. Its generation is kept apart, for whoever only wants the row.
#[derive(Debug)]
enum Place<T> {
    Vacant { next: u32 },
    Taken(T),
}

/// Keeps rows of one kind by slot.
#[derive(Debug)]
pub struct Table<T> {
    places: Pages<Place<T>>,
    /// One for each place: how often it was taken before, or will have been when it is taken next.
    generations: Vec<u32>,
    head: TableHead,
    dirty: Marks,
    cut: Option<Cut<T>>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            places: Pages::default(),
            generations: Vec::new(),
            head: TableHead::EMPTY,
            dirty: Marks::default(),
            cut: None,
        }
    }
}

impl<T: Clone> Table<T> {
    /// Returns how many rows there are.
    #[expect(clippy::misnamed_getters, reason = "the head's `len` counts vacant slots, too")]
    pub fn len(&self) -> u32 {
        self.head.taken
    }

    /// Returns true without rows.
    pub fn is_empty(&self) -> bool {
        self.head.taken == 0
    }

    /// Returns how many slots there are, taken or vacant: the end of a walk over `get`.
    pub fn slots(&self) -> u32 {
        self.head.len
    }

    /// Returns the row at `slot`.
    pub fn get(&self, slot: u32) -> Option<&T> {
        match self.places.get(slot)? {
            Place::Taken(row) => Some(row),
            Place::Vacant { .. } => None,
        }
    }

    /// Returns the row at `slot` to be changed, and marks it as changed.
    ///
    /// *Ordering*: a row that a checkpoint has still to copy is copied first, as it was at the cut.
    pub fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.touch(slot);
        match self.places.get_mut(slot)? {
            Place::Taken(row) => Some(row),
            Place::Vacant { .. } => None,
        }
    }

    /// Copies a slot as it is stored.
    fn slot(&self, slot: u32) -> Option<Slot<T>> {
        let generation = *self.generations.get(slot as usize)?;
        Some(match self.places.get(slot)? {
            Place::Vacant { next } => Slot::Vacant { generation, next: *next },
            Place::Taken(row) => Slot::Taken { generation, row: row.clone() },
        })
    }

    /// Returns every row with its slot, in slot order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..).zip(self.places.iter()).filter_map(|(slot, place)| match place {
            Place::Taken(row) => Some((slot, row)),
            Place::Vacant { .. } => None,
        })
    }

    /// Returns the slot and generation the next row must take.
    pub fn next_place(&self) -> (u32, u32) {
        match self.generations.get(self.head.first_free as usize) {
            Some(generation) => (self.head.first_free, *generation),
            None => (self.head.len, 0),
        }
    }

    /// Puts a row into the next place. *Panics*: if `slot` is not `next_place`; a record says where its row went, and
    /// another place now means that this is not the table the record was written for.
    pub fn insert(&mut self, slot: u32, row: T) {
        let (next, generation) = self.next_place();
        assert_eq!(slot, next, "bug: a row must take the next free slot");
        self.touch(slot);
        match self.places.get_mut(slot) {
            Some(place) => {
                if let Place::Vacant { next } = mem::replace(place, Place::Taken(row)) {
                    self.head.first_free = next;
                }
            }
            None => {
                self.places.push(Place::Taken(row));
                self.generations.push(generation);
                self.head.len += 1;
            }
        }
        self.head.taken += 1;
    }

    /// Takes a row out; its slot is free for the next generation.
    pub fn remove(&mut self, slot: u32) -> Option<T> {
        self.touch(slot);
        let (place, generation) = (self.places.get_mut(slot)?, self.generations.get_mut(slot as usize)?);
        match mem::replace(place, Place::Vacant { next: self.head.first_free }) {
            Place::Taken(row) => {
                *generation = generation.wrapping_add(1) & 0x00ff_ffff;
                self.head.first_free = slot;
                self.head.taken -= 1;
                Some(row)
            }
            vacant @ Place::Vacant { .. } => {
                *place = vacant;
                None
            }
        }
    }

    #[inline]
    fn touch(&mut self, slot: u32) {
        if self.cut.is_some() {
            self.save(slot);
        }
        self.dirty.set(slot);
    }

    /// Copies a slot that the cut has still to copy, before it changes.
    #[inline(never)]
    fn save(&mut self, slot: u32) {
        if self.cut.as_mut().is_some_and(|cut| cut.pending.take(slot))
            && let Some(entry) = self.slot(slot)
            && let Some(cut) = &mut self.cut
        {
            cut.saved.push((slot, entry));
        }
    }

    /// Begins a cut: from here on, `copy` returns what changed since the last one, as it is now.
    /// *Panics*: if the cut before was not copied to its end.
    pub fn cut(&mut self) -> TableHead {
        assert!(self.cut.is_none(), "bug: two cuts of one table at a time");
        let pending = mem::take(&mut self.dirty);
        self.cut = Some(Cut { pending, saved: Vec::new() });
        self.head
    }

    /// Copies at most `limit` rows of the cut. Returns an empty list once all are copied, and ends the cut.
    pub fn copy(&mut self, limit: usize) -> Vec<(u32, Slot<T>)> {
        let Some(mut cut) = self.cut.take() else { return Vec::new() };
        let mut out = mem::take(&mut cut.saved);
        while out.len() < limit {
            let Some(slot) = cut.pending.list.pop() else { break };
            if cut.pending.take(slot)
                && let Some(entry) = self.slot(slot)
            {
                out.push((slot, entry));
            }
        }
        if !out.is_empty() {
            self.cut = Some(cut);
        }
        out
    }

    /// Marks every slot as changed: the next cut copies the whole table.
    pub fn mark_all(&mut self) {
        (0..self.head.len).for_each(|slot| self.dirty.set(slot));
    }

    /// Puts back a slot from a checkpoint. Slots come in ascending order, without gaps.
    pub fn load(&mut self, slot: u32, entry: Slot<T>) -> Result<(), &'static str> {
        if slot as usize != self.generations.len() {
            return Err("slots must come in order, without gaps");
        }
        let (generation, place) = match entry {
            Slot::Vacant { generation, next } => (generation, Place::Vacant { next }),
            Slot::Taken { generation, row } => (generation, Place::Taken(row)),
        };
        self.generations.push(generation);
        self.places.push(place);
        Ok(())
    }

    /// Ends loading: the head must describe the slots that came.
    pub fn load_head(&mut self, head: TableHead) -> Result<(), &'static str> {
        let taken = self.places.iter().filter(|place| matches!(place, Place::Taken(_))).count();
        let len = self.generations.len();
        if len != head.len as usize || taken != head.taken as usize {
            return Err("the head counts other slots than there are");
        }
        let (mut free, mut seen) = (head.first_free, 0);
        while let Some(Place::Vacant { next }) = self.places.get(free) {
            (free, seen) = (*next, seen + 1);
            if seen > len {
                return Err("the free list runs in a circle");
            }
        }
        if free != NONE || seen + taken != len {
            return Err("the free list does not name every vacant slot");
        }
        self.head = head;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{collections::BTreeMap, vec};
    use proptest::prelude::*;

    fn drain(table: &mut Table<u64>, chunk: usize) -> BTreeMap<u32, Slot<u64>> {
        let mut rows = BTreeMap::new();
        loop {
            let part = table.copy(chunk);
            if part.is_empty() {
                return rows;
            }
            for (slot, entry) in part {
                assert!(rows.insert(slot, entry).is_none(), "a slot is copied once");
            }
        }
    }

    fn all(table: &Table<u64>) -> Vec<Slot<u64>> {
        (0..table.slots()).filter_map(|slot| table.slot(slot)).collect()
    }

    proptest! {
        /// Whatever happens while a cut is copied, the copies put onto the checkpoint before make the table at the cut.
        #[test]
        fn a_cut_is_the_table_at_that_moment(ops in prop::collection::vec((0..4u8, 0..24u32, any::<u64>()), 1..200)) {
            let mut table = Table::default();
            let mut stored: BTreeMap<u32, Slot<u64>> = BTreeMap::new();
            let mut expected: Option<(TableHead, Vec<Slot<u64>>)> = None;
            for (op, slot, value) in ops {
                match op {
                    0 => { let (next, _) = table.next_place(); table.insert(next, value); }
                    1 => { if let Some(row) = table.get_mut(slot) { *row = value; } }
                    2 => { table.remove(slot); }
                    _ => {
                        if let Some((head, slots)) = expected.take() {
                            stored.extend(drain(&mut table, 3));
                            let mut again = Table::default();
                            for (slot, entry) in &stored { again.load(*slot, entry.clone()).unwrap(); }
                            again.load_head(head).unwrap();
                            prop_assert_eq!(&all(&again), &slots);
                        }
                        let head = table.cut();
                        expected = Some((head, all(&table)));
                        stored.extend(table.copy(2));
                        if table.cut.is_none() { expected = None; }
                    }
                }
            }
        }
    }

    #[test]
    fn a_slot_comes_back_with_its_next_generation() {
        let mut table = Table::default();
        table.insert(0, 'a');
        table.insert(1, 'b');
        assert_eq!(table.remove(0), Some('a'));
        assert_eq!(table.remove(0), None);
        assert_eq!(table.next_place(), (0, 1));
        table.insert(0, 'c');
        assert_eq!(table.iter().collect::<Vec<_>>(), vec![(0, &'c'), (1, &'b')]);
    }

    #[test]
    fn loading_refuses_what_is_not_whole() {
        let mut table = Table::default();
        assert!(table.load(1, Slot::Taken { generation: 0, row: 1u64 }).is_err());
        table.load(0, Slot::Vacant { generation: 1, next: 0 }).unwrap();
        assert!(table.load_head(TableHead { first_free: 0, len: 1, taken: 0 }).is_err(), "a circle");
        assert!(table.load_head(TableHead { first_free: NONE, len: 2, taken: 0 }).is_err(), "a slot short");
    }
}
