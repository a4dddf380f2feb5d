//! Owns: RocksDB's options for the journal, each with its reason.
//! Never: options that the index wants too; those are in `instance`.

use std::path::Path;

use rocksdb::{BlockBasedOptions, Cache, Options};
use tallystick_journal::{Durability, StorageFault};

use crate::{StoreOptions, instance, instance::Access};

const BLOCK_BYTES: usize = 32 << 10;
const CACHE_BYTES: usize = 4 << 20;
const MEMTABLES_MAX: i32 = 4;
// As many as memtables can be waiting for, each with its log.
const LOGS_RECYCLED: usize = 4;
const NO_LIMIT: i32 = i32::MAX;

/// Gives the options of the journal's instance.
pub(super) fn journal(path: &Path, chosen: &StoreOptions, access: Access) -> Result<Options, StorageFault> {
    let mut options = instance::options(path, chosen.journal_flush_bytes_per_second, access)?;

    // Small memtables make small files and small logs: a flush disturbs the syncs beside it briefly, and so does each
    // delete. Four let a burst run ahead of the limited flush; they also bound one flush, which writes all that wait.
    options.set_write_buffer_size(usize::try_from(chosen.journal_file_bytes).unwrap_or(usize::MAX));
    options.set_max_write_buffer_number(MEMTABLES_MAX);
    // No archive of old logs: each is as small as a memtable and deleted as it ends, whereas RocksDB purges an archive
    // at intervals, many files at once.
    options.set_wal_ttl_seconds(0);
    options.set_wal_size_limit_mb(0);
    if chosen.durability == Durability::Fsync {
        set_recycled_logs(&mut options);
    }
    // There is one writer.
    options.set_allow_concurrent_memtable_write(false);

    set_never_rewrite(&mut options);

    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_size(BLOCK_BYTES);
    // Groups are read once, in order, at recovery and by projections: a cache has nothing to keep.
    blocks.set_block_cache(&Cache::new_lru_cache(CACHE_BYTES));
    options.set_block_based_table_factory(&blocks);
    Ok(options)
}

/// Sets logs to be written over instead of deleted. Syncing a file that grows also makes the file system commit its own
/// journal: with a file that was written before, a lone append took 130 us instead of 172 at the median, one of 50 records
/// 114 instead of 200, one of 1,000 304 instead of 391.
///
/// RocksDB then takes whatever is wrong in a log for its end, and drops what follows. That `log_scan` has refused damage
/// before is what makes it safe; and the logs are the last batches alone, so that the engine's chain of groups tells
/// any hole, and the durable floor tells a missing end.
fn set_recycled_logs(options: &mut Options) {
    options.set_recycle_log_file_num(LOGS_RECYCLED);
    // While a full log waits for its memtable to be written out, RocksDB would note it in the manifest, synced, with every
    // append and not once: 511 instead of 243 us at the 99th percentile of groups of 50 records. What the note tells, that
    // a log before the newest is cut short or missing, `log_scan` and the chain of groups tell, too.
    options.set_track_and_verify_wals_in_manifest(false);
}

/// Sets levels so that a file is written once and later only *moved*, by an entry in the manifest, from level 0 to
/// level 1. Keys ascend, so files never overlap, and RocksDB moves a file that overlaps nothing. It must leave level 0
/// since `DeleteFilesInRange`, which `trim` uses, does not look there.
fn set_never_rewrite(options: &mut Options) {
    options.set_num_levels(2);
    options.set_level_compaction_dynamic_level_bytes(false);
    options.set_level_zero_file_num_compaction_trigger(1);
    // Level 1 is the last: its size and age are no reason to compact. (The default would rewrite 30-day-old files.)
    options.set_max_bytes_for_level_base(1 << 50);
    options.set_ttl(0);
    options.set_periodic_compaction_seconds(0);
    // A move costs nothing, so neither waiting files nor the bytes that RocksDB *estimates* a compaction of level 0 into
    // all of level 1 to cost are a reason to slow appends down.
    options.set_level_zero_slowdown_writes_trigger(NO_LIMIT);
    options.set_level_zero_stop_writes_trigger(NO_LIMIT);
    options.set_soft_pending_compaction_bytes_limit(0);
    options.set_hard_pending_compaction_bytes_limit(0);
}
