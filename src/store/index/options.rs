//! Owns: RocksDB's options for the index and its column families, each with its reason.
//! Never: options that the journal wants too; those are in `instance`.

use std::path::Path;

use rocksdb::{BlockBasedOptions, Options};
use tallystick_journal::StorageFault;

use super::Family;
use crate::{StoreOptions, instance, instance::Access};

const MIB: usize = 1 << 20;
const CHECKPOINT_MEMTABLE_BYTES: usize = 32 * MIB;
const SETTLEMENT_MEMTABLE_BYTES: usize = 8 * MIB;
const PROJECTION_MEMTABLE_BYTES: usize = 64 * MIB;
const META_MEMTABLE_BYTES: usize = MIB;
const LOGS_BYTES_MAX: u64 = 128 << 20;
const FILE_BYTES: u64 = 16 << 20;
const BLOOM_BITS_PER_KEY: f64 = 10.0;

/// Gives the options of the index's instance.
pub(super) fn index(path: &Path, chosen: &StoreOptions, access: Access) -> Result<Options, StorageFault> {
    let mut options = instance::options(path, chosen.index_flush_bytes_per_second, access)?;
    options.create_missing_column_families(access == Access::Write);
    // A log lives until every family that wrote to it has flushed, and `meta` hardly ever fills a memtable by itself.
    options.set_max_total_wal_size(LOGS_BYTES_MAX);
    // Files of the size the journal has, so that a compaction deletes in small pieces too.
    options.set_target_file_size_base(FILE_BYTES);
    options.set_level_compaction_dynamic_level_bytes(true);
    Ok(options)
}

/// Gives the options of one family.
pub(super) fn family(shared: &Options, family: Family) -> Options {
    let mut options = shared.clone();
    let mut blocks = BlockBasedOptions::default();
    let memtable_bytes = match family {
        // Read only at start, from end to end.
        Family::Checkpoint => CHECKPOINT_MEMTABLE_BYTES,
        // Looked up by random id or hash: a filter spares the files that do not have it. Nearly every command is new, so
        // that nearly every look for its key is for one that is nowhere.
        Family::Settlement | Family::CommandKey => {
            blocks.set_bloom_filter(BLOOM_BITS_PER_KEY, false);
            SETTLEMENT_MEMTABLE_BYTES
        }
        Family::SettlementSeq => SETTLEMENT_MEMTABLE_BYTES,
        // Written at the rate of the journal. The projection flushes it itself, before it is full; a second one waits
        // for that flush. Most looks are for what is there, but for a session's row and for debits taken back.
        Family::Projection => {
            blocks.set_bloom_filter(BLOOM_BITS_PER_KEY, false);
            PROJECTION_MEMTABLE_BYTES
        }
        Family::Meta => META_MEMTABLE_BYTES,
    };
    options.set_write_buffer_size(memtable_bytes);
    options.set_block_based_table_factory(&blocks);
    options
}
