//! Owns: what RocksDB's list of files says of the logs: the least number one must have, and so whether the newest are gone.
//! A log that is missing altogether looks to RocksDB like one that never was.
//! Never: reads what else the list holds; judges a list whose end is torn.
//!
//! *Source*: RocksDB's `db/version_edit.cc`: the list is framed as a log is; a record is `tag, value` in turn, both varints
//! in what comes first, the number of the log among it.

use std::{fs, path::Path};

use tallystick_journal::StorageFault;

use crate::log_scan;

/// Tags that come before the number of the log, and what follows them.
const COMPARATOR: u64 = 1;
const LOG_NUMBER: u64 = 2;
const DB_ID: u64 = 1 << 13 | 1;

/// Refuses a folder whose newest logs are gone: RocksDB has noted a number, and made a log with it or a later one, before
/// that note. *Errors*: `Corrupt`; the operating system's. Whatever else is wrong with the list is RocksDB's to find.
pub(crate) fn check(folder: &Path) -> Result<(), StorageFault> {
    let Ok(current) = fs::read_to_string(folder.join("CURRENT")) else { return Ok(()) };
    let path = folder.join(current.trim_end());
    let Ok(bytes) = fs::read(&path) else { return Ok(()) };
    let needed = log_scan::payloads(&bytes).iter().filter_map(|edit| log_number(edit)).max();
    let newest = log_scan::newest(folder)?;
    match needed {
        // A list that was just begun notes none.
        Some(needed @ 1..) if newest.is_none_or(|newest| newest < needed) => {
            let finding = format!("expected a log with the number {needed} or a later one, found none");
            Err(StorageFault::Corrupt { place: folder.display().to_string(), finding })
        }
        _ => Ok(()),
    }
}

/// Returns the number of the log that an edit notes, if it does.
fn log_number(mut edit: &[u8]) -> Option<u64> {
    loop {
        match varint(&mut edit)? {
            LOG_NUMBER => return varint(&mut edit),
            DB_ID | COMPARATOR => {
                let length = usize::try_from(varint(&mut edit)?).ok()?;
                edit = edit.get(length..)?;
            }
            _ => return None,
        }
    }
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_number_behind_what_may_come_before_it() {
        let mut edit = vec![0x81, 0x40, 3, b'a', b'b', b'c', 1, 2, b'x', b'y', 2, 0xac, 0x02, 9];
        assert_eq!(log_number(&edit), Some(300));
        edit.truncate(11);
        assert_eq!(log_number(&edit), None, "torn");
        assert_eq!(log_number(&[3, 7]), None, "an edit about something else");
        assert_eq!(log_number(&[0xff; 30]), None, "no varint");
    }
}
