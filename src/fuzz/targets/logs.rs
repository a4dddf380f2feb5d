//! Is the look at RocksDB's write-ahead logs before RocksDB opens them: bytes as they are, and records whose checks hold.

use super::nothing;
use crate::{Target, bytes::Choices, forge, scratch, store::log_scan};
use log_scan::Numbers;

pub(super) const TARGET: Target = Target {
    name: "logs",
    // The file is read whole, with a block of zeros now and then; what is wrong with one of its bytes is tried on a copy.
    bytes_most: (4 << 20, 1_024),
    prepare: nothing,
    read,
};

const LOG: u32 = 12;
const FILE_MOST: usize = 96 << 10;

fn read(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let kind = choices.byte();
    let numbers = if kind & 1 == 1 { Numbers::Unbroken } else { Numbers::Gaps };
    let file = if kind & 2 == 2 { forged(choices) } else { choices.rest().to_vec() };
    scratch::with_file("000012.log", &file, |folder, _| {
        let _ = log_scan::check(folder, numbers);
    });
}

/// Puts a log together of whole records, of any type and number, with what is in between.
fn forged(mut choices: Choices<'_>) -> Vec<u8> {
    let mut file = Vec::new();
    while !choices.is_over() && file.len() < FILE_MOST {
        let (op, kind) = (choices.byte(), choices.byte());
        match op % 6 {
            0 => file.extend(forge::log_record(kind % 10, None, choices.piece(255))),
            1 => file.extend(forge::log_record(kind % 10, Some(LOG), choices.piece(255))),
            2 => file.extend(forge::log_record(kind % 10, Some(kind.into()), choices.piece(255))),
            3 => file.extend_from_slice(choices.piece(255)),
            4 => file.resize(file.len() + 128 * usize::from(kind), 0),
            _ => {
                // To the end of the block, or nearly.
                let left = (32 << 10) - file.len() % (32 << 10);
                let long = vec![kind; left.saturating_sub(11 + usize::from(kind % 16))];
                file.extend(forge::log_record(1 + kind % 8, (kind & 16 != 0).then_some(LOG), &long));
            }
        }
    }
    file
}
