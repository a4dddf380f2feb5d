//! Owns: `ProjectionStore` on a simulated disk: writes are kept in order up to some point, all those before a sync among
//! them. Never: half a write.

use super::{
    Deed, Disk,
    image::{Place, Projected},
};
use std::sync::Arc;
use tallystick_journal::{Entry, ProjectionStore, StorageFault, VisitEntry, projection::Stored};

fn change(kept: &mut Projected, changes: impl Iterator<Item = (Place, Option<Arc<[u8]>>)>) {
    let mut before = Vec::new();
    for (place, value) in changes {
        let was = match value {
            Some(value) => kept.entries.insert(place.clone(), value),
            None => kept.entries.remove(&place),
        };
        before.push((place, was));
    }
    kept.unsynced.push(before);
}

impl ProjectionStore for Disk {
    fn write(&self, entries: &[Entry]) -> Result<(), StorageFault> {
        let entry = |e: &Entry| ((e.table, e.key.clone()), e.value.as_deref().map(Arc::from));
        self.write(Deed::Derive, |image| change(&mut image.projected, entries.iter().map(entry)))
    }

    fn sync(&self) -> Result<(), StorageFault> {
        self.write(Deed::Sync, |image| image.projected.unsynced.clear())
    }

    fn get(&self, table: u8, key: &[u8]) -> Result<Option<Vec<u8>>, StorageFault> {
        Ok(self.image().projected.entries.get(&(table, key.to_vec())).map(|value| value.to_vec()))
    }

    fn last_through(&self, table: u8, key: &[u8]) -> Result<Option<Stored>, StorageFault> {
        let image = self.image();
        let found = image.projected.entries.range(..=(table, key.to_vec())).next_back();
        Ok(found.filter(|((of, _), _)| *of == table).map(|((_, key), value)| (key.clone(), value.to_vec())))
    }

    fn range(&self, table: u8, from: &[u8], visit: &mut VisitEntry<'_>) -> Result<(), StorageFault> {
        let image = self.image();
        for ((of, key), value) in image.projected.entries.range((table, from.to_vec())..) {
            if *of != table || visit(key, value)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn clear(&self) -> Result<(), StorageFault> {
        self.write(Deed::Derive, |image| {
            let all: Vec<Place> = image.projected.entries.keys().cloned().collect();
            change(&mut image.projected, all.into_iter().map(|place| (place, None)));
        })
    }
}
