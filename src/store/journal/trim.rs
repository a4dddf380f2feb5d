//! Owns: how old groups leave: the oldest file as a whole, one for each step.
//! Never: deletes a key (a tombstone takes space and gives back none before a rewrite); flushes anything; rewrites.

use rocksdb::{DB, LiveFile};
use tallystick_journal::{StorageFault, TrimStep};

use super::{PLACE, key};
use crate::fault;

/// Removes the oldest file if all of its groups lie below `before_seq`.
///
/// What is still in memory, or in a file that has not yet been moved to level 1, stays for a later call.
///
/// *Cost*: a look at the list of files, one block read, one synced manifest entry and the deletion of about
/// `StoreOptions::journal_file_bytes` (deleting 1 GiB at once was seen to stall other files' syncs for 60-93 ms).
pub(super) fn step(db: &DB, before_seq: u64) -> Result<TrimStep, StorageFault> {
    let failed = |error| fault::from_rocks(PLACE, error);
    let files = db.live_files().map_err(failed)?;
    let Some(oldest) = files.iter().min_by(|a, b| a.start_key.cmp(&b.start_key)) else {
        return Ok(TrimStep::Done);
    };
    let Some((first, last)) = span(oldest)? else { return Ok(TrimStep::Done) };
    if oldest.level == 0 || !lies_below(db, last, before_seq)? {
        return Ok(TrimStep::Done);
    }
    assert!(first <= last, "file {} spans seqs {first} to {last}", oldest.name);
    assert!(last < before_seq, "file {} reaches seq {last}, to be kept from {before_seq}", oldest.name);
    db.delete_file_in_range(key::encode(first), key::encode(last)).map_err(failed)?;
    Ok(TrimStep::More)
}

/// Tells whether the group that starts at `first_seq` ends below `before_seq`. A key names only where a group starts; it
/// ends just below the next group, and the last group of all ends nobody knows where.
fn lies_below(db: &DB, first_seq: u64, before_seq: u64) -> Result<bool, StorageFault> {
    if first_seq >= before_seq {
        return Ok(false);
    }
    Ok(key::next(db, first_seq)?.is_some_and(|next| next <= before_seq))
}

fn span(file: &LiveFile) -> Result<Option<(u64, u64)>, StorageFault> {
    match (&file.start_key, &file.end_key) {
        (Some(first), Some(last)) => Ok(Some((key::decode(first)?, key::decode(last)?))),
        _ => Ok(None),
    }
}
