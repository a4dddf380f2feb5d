//! Owns: that the first logs of a process are files that were written before, as the recycled ones after them are.
//! Never: leaves anything in the journal.

use std::path::Path;

use rocksdb::{DB, WriteBatch, WriteOptions};
use tallystick_journal::StorageFault;

use super::PLACE;
use crate::{StoreOptions, fault, folder};

/// One to write to, and one to go on with while that one is written out.
const LOGS: u64 = 2;
const LOG_BYTES_MAX: u64 = 64 << 20;
/// Is no length, type or number of a record.
const FILLER: u8 = 0xff;

/// Fills logs and gives them up, so that RocksDB recycles them. RocksDB recycles only what it has written itself since it
/// was opened: without this, the appends of the first minutes, or hours, would go to a file that grows.
///
/// Where there is no room for it, nothing is done, and those appends take longer.
///
/// *Cost*: about a tenth of a second for logs of 16 MiB.
pub(super) fn prepare(db: &DB, path: &Path, options: &StoreOptions) -> Result<(), StorageFault> {
    // RocksDB allots as much to a log: a memtable's size and a tenth.
    let bytes = options.journal_file_bytes.saturating_add(options.journal_file_bytes / 10).min(LOG_BYTES_MAX);
    if !folder::has_room(path, LOGS * bytes) {
        return Ok(());
    }
    let failed = |error| fault::from_rocks(PLACE, error);
    for _ in 0..LOGS {
        db.write_opt(filling(bytes), &synced()).map_err(failed)?;
        db.flush().map_err(failed)?;
    }
    Ok(())
}

/// Returns a batch that fills a log and leaves nothing: what is for the log alone, and a key that is put and deleted at
/// once. RocksDB gives up a log only when it has a memtable to write out, and writes no file of what is deleted in it.
///
/// One batch, since a torn one is cut: a crash on the way leaves nothing to decide about.
fn filling(bytes: u64) -> WriteBatch {
    let filler = vec![FILLER; usize::try_from(bytes).unwrap_or_default()];
    let mut batch = WriteBatch::with_capacity_bytes(filler.len() + 64);
    batch.put_log_data(&filler);
    batch.put(b"", b"");
    batch.single_delete(b"");
    batch
}

fn synced() -> WriteOptions {
    let mut write = WriteOptions::default();
    write.set_sync(true);
    write
}
