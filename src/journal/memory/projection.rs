//! Owns: `ProjectionStore` in memory, with what a power cut would leave of it, and faults on demand.
//! Never: used by a server.

use super::held;
use crate::{Entry, ProjectionStore, StorageFault, VisitEntry, projection::Stored, sync::Mutex};
use std::collections::BTreeMap;

type Place = (u8, Vec<u8>);

/// Keeps a projection's entries in memory.
#[derive(Debug, Default)]
pub struct MemoryProjection(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    entries: BTreeMap<Place, Vec<u8>>,
    /// What each write since the last sync changed, as it was before.
    unsynced: Vec<Vec<(Place, Option<Vec<u8>>)>>,
    fails_after: Option<u64>,
}

impl Kept {
    fn change(
        &mut self,
        changes: impl Iterator<Item = (Place, Option<Vec<u8>>)>,
    ) -> Result<(), StorageFault> {
        if let Some(left) = &mut self.fails_after {
            *left =
                left.checked_sub(1).ok_or(StorageFault::Io("No space left on device (planted)".into()))?;
        }
        let mut before = Vec::new();
        for (place, value) in changes {
            let was = match value {
                Some(value) => self.entries.insert(place.clone(), value),
                None => self.entries.remove(&place),
            };
            before.push((place, was));
        }
        self.unsynced.push(before);
        Ok(())
    }
}

impl MemoryProjection {
    /// Lets `writes` more writes succeed and all later ones fail, as a full disk does.
    pub fn fail_after(&self, writes: u64) {
        held(&self.0).fails_after = Some(writes);
    }

    /// Returns how many writes a power cut could take.
    pub fn unsynced(&self) -> usize {
        held(&self.0).unsynced.len()
    }

    /// Returns a copy without the last `lost` writes, or all unsynced ones if that is less: what a power cut leaves.
    pub fn survivors(&self, lost: usize) -> Self {
        let kept = held(&self.0);
        let mut entries = kept.entries.clone();
        for (place, was) in kept.unsynced.iter().rev().take(lost).flat_map(|write| write.iter().rev()) {
            match was {
                Some(value) => entries.insert(place.clone(), value.clone()),
                None => entries.remove(place),
            };
        }
        Self(Mutex::new(Kept { entries, ..Kept::default() }))
    }

    /// Returns everything, in order.
    pub fn dump(&self) -> BTreeMap<(u8, Vec<u8>), Vec<u8>> {
        held(&self.0).entries.clone()
    }

    /// Changes what is stored as a broken disk, or a test, might.
    pub fn tamper(&self, change: impl FnOnce(&mut BTreeMap<(u8, Vec<u8>), Vec<u8>>)) {
        change(&mut held(&self.0).entries);
    }
}

impl ProjectionStore for MemoryProjection {
    fn write(&self, entries: &[Entry]) -> Result<(), StorageFault> {
        held(&self.0).change(entries.iter().map(|e| ((e.table, e.key.clone()), e.value.clone())))
    }

    fn sync(&self) -> Result<(), StorageFault> {
        held(&self.0).unsynced.clear();
        Ok(())
    }

    fn get(&self, table: u8, key: &[u8]) -> Result<Option<Vec<u8>>, StorageFault> {
        Ok(held(&self.0).entries.get(&(table, key.to_vec())).cloned())
    }

    fn last_through(&self, table: u8, key: &[u8]) -> Result<Option<Stored>, StorageFault> {
        let kept = held(&self.0);
        let found = kept.entries.range(..=(table, key.to_vec())).next_back();
        Ok(found.filter(|((of, _), _)| *of == table).map(|((_, key), value)| (key.clone(), value.clone())))
    }

    fn range(&self, table: u8, from: &[u8], visit: &mut VisitEntry<'_>) -> Result<(), StorageFault> {
        let kept = held(&self.0);
        for ((of, key), value) in kept.entries.range((table, from.to_vec())..) {
            if *of != table || visit(key, value)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn clear(&self) -> Result<(), StorageFault> {
        let mut kept = held(&self.0);
        let all: Vec<Place> = kept.entries.keys().cloned().collect();
        kept.change(all.into_iter().map(|place| (place, None)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::ControlFlow;

    fn entry(table: u8, key: &[u8], value: Option<&[u8]>) -> Entry {
        Entry { table, key: key.to_vec(), value: value.map(<[u8]>::to_vec) }
    }

    #[test]
    fn a_power_cut_takes_the_last_writes_and_nothing_synced() {
        let store = MemoryProjection::default();
        store.write(&[entry(1, b"a", Some(b"1")), entry(1, b"b", Some(b"1"))]).unwrap();
        store.sync().unwrap();
        store.write(&[entry(1, b"a", Some(b"2"))]).unwrap();
        store.write(&[entry(1, b"b", None), entry(2, b"c", Some(b"3"))]).unwrap();
        assert_eq!(store.survivors(0).dump(), store.dump());
        assert_eq!(store.survivors(1).get(1, b"b").unwrap().unwrap(), b"1");
        assert_eq!(store.survivors(1).get(1, b"a").unwrap().unwrap(), b"2");
        assert_eq!(store.survivors(9).get(1, b"a").unwrap().unwrap(), b"1");
        store.clear().unwrap();
        assert!(store.dump().is_empty());
    }

    #[test]
    fn tables_do_not_run_into_each_other() {
        let store = MemoryProjection::default();
        store
            .write(&[entry(1, b"z", Some(b"1")), entry(2, b"b", Some(b"2")), entry(3, b"", Some(b"3"))])
            .unwrap();
        assert_eq!(store.last_through(2, b"a").unwrap(), None);
        assert_eq!(store.last_through(2, b"c").unwrap(), Some((b"b".to_vec(), b"2".to_vec())));
        let mut seen = 0;
        store
            .range(1, b"", &mut |_, _| {
                seen += 1;
                Ok(ControlFlow::Continue(()))
            })
            .unwrap();
        assert_eq!(seen, 1);
    }
}
