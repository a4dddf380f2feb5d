//! Owns: the RocksDB options that both instances share, and the thread pools they share.
//! Never: an option that only one of them wants.

use std::path::Path;

use rocksdb::{DBCompressionType, DBRecoveryMode, Env, LogLevel, Options, ReadOptions};
use tallystick_journal::StorageFault;

use crate::{fault, folder};

const RATE_REFILL_US: i64 = 1_000;
const RATE_FAIRNESS: i32 = 10;
const LOG_FILE_BYTES: usize = 4 << 20;
const LOG_FILES_KEPT: usize = 4;
const OPEN_FILES_MAX: i32 = 512;
const MANIFEST_BYTES_MAX: usize = 16 << 20;

/// Says what an instance is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// To serve.
    Write,
    /// To look at it, and leave it as it is.
    Read,
}

/// Gives the options both instances start from.
pub(crate) fn options(
    path: &Path,
    flush_bytes_per_second: u64,
    access: Access,
) -> Result<Options, StorageFault> {
    let mut options = Options::default();
    options.create_if_missing(access == Access::Write);
    options.set_env(&env(path)?);
    set_integrity(&mut options);

    // What is written out competes with the syncs that callers wait for: it bypasses the page cache (a flush of the
    // cache would be a burst) and trickles, refilled every millisecond instead of RocksDB's hundred.
    // (Whoever only reads writes nothing out, and finding out whether the disk takes it would write a file.)
    let direct = access == Access::Write && folder::has_direct_io(path);
    options.set_use_direct_io_for_flush_and_compaction(direct);
    let rate = i64::try_from(flush_bytes_per_second).unwrap_or(i64::MAX);
    options.set_ratelimiter(rate, RATE_REFILL_US, RATE_FAIRNESS);
    options.set_max_background_jobs(2);

    // Values are dense encodings and hashes, and the processor is scarcer than the disk.
    options.set_compression_type(DBCompressionType::None);
    // The default keeps every file open: a long retention would then run out of file descriptors.
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_max_manifest_file_size(MANIFEST_BYTES_MAX);
    options.set_log_level(LogLevel::Info);
    options.set_max_log_file_size(LOG_FILE_BYTES);
    options.set_keep_log_file_num(LOG_FILES_KEPT);
    Ok(options)
}

/// Sets what makes damage visible.
fn set_integrity(options: &mut Options) {
    // Point-in-time recovery stops at the first damaged record and opens with what came before, so one flipped bit would
    // silently drop everything acknowledged after it (measured: 200 of 400 groups): that `log_scan` has refused damage
    // before is what makes it safe. Tolerating a corrupted *tail* is no way out: after a power cut some pages of the last
    // batch may be there and others not, in any order, and it refuses that.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options.set_recycle_log_file_num(0);
    // Several log files can be alive at once, and a torn tail is one only in the last of them: the manifest
    // remembers the closed, synced ones and their sizes, so that one cut short or missing is refused.
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_paranoid_checks(true);
}

/// Gives RocksDB's environment with a flush thread and a compaction thread for each instance. All instances in one
/// process share these pools; with RocksDB's usual single flush thread, a flush of the index would hold up the journal's.
fn env(path: &Path) -> Result<Env, StorageFault> {
    let mut env = Env::new().map_err(|e| fault::from_rocks(&path.display().to_string(), e))?;
    env.set_high_priority_background_threads(2);
    env.set_background_threads(2);
    Ok(env)
}

/// Gives read options that verify every block's checksum.
pub(crate) fn read_options() -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_verify_checksums(true);
    options
}

/// Gives read options for a short walk from a place that was looked for: checksums verified, the cache used, nothing read
/// ahead.
pub(crate) fn seek_options() -> ReadOptions {
    let mut options = read_options();
    options.set_total_order_seek(true);
    options
}

/// Gives read options for a walk through many values: checksums verified, read ahead, and the cache left to those who
/// come back to the same place.
pub(crate) fn walk_options() -> ReadOptions {
    const READAHEAD_BYTES: usize = 2 << 20;
    let mut options = read_options();
    options.fill_cache(false);
    options.set_readahead_size(READAHEAD_BYTES);
    options.set_total_order_seek(true);
    options
}
