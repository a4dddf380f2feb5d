//! Logs are made here as RocksDB writes them; `tests/recycled_logs.rs` has RocksDB write them.

use super::record::{crc32c, mask};
use super::*;

const PAGE_BYTES: usize = 4 << 10;
const GROWN: Framing = Framing::Grown;
const LOG: u64 = 9;
const RECYCLED: Framing = Framing::Recycled { log: 9 };
const EARLIER: Framing = Framing::Recycled { log: 5 };

/// Is a log as it is written, and where each batch begins.
#[derive(Debug, Clone)]
struct Log {
    framing: Framing,
    bytes: Vec<u8>,
    starts: Vec<usize>,
    next: u64,
}

impl Log {
    fn new(framing: Framing, first: u64, lengths: &[usize]) -> Self {
        let mut log = Self { framing, bytes: Vec::new(), starts: Vec::new(), next: first };
        lengths.iter().for_each(|length| log.put(*length));
        log
    }

    fn put(&mut self, length: usize) {
        let mut batch = [&self.next.to_le_bytes()[..], &1_u32.to_le_bytes()].concat();
        let mut state = self.next.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        batch.extend((0..length).map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        }));
        self.next += 1;
        self.pad();
        self.starts.push(self.bytes.len());
        let (mut rest, mut begins) = (&batch[..], true);
        loop {
            self.pad();
            let room = BLOCK_BYTES - self.bytes.len() % BLOCK_BYTES - self.framing.header_bytes();
            let (piece, after) = rest.split_at(rest.len().min(room));
            self.record(begins, after.is_empty(), piece);
            (rest, begins) = (after, false);
            if rest.is_empty() {
                return;
            }
        }
    }

    fn pad(&mut self) {
        let left = BLOCK_BYTES - self.bytes.len() % BLOCK_BYTES;
        if left < self.framing.header_bytes() {
            self.bytes.resize(self.bytes.len() + left, 0);
        }
    }

    fn record(&mut self, begins: bool, ends: bool, payload: &[u8]) {
        let piece = match (begins, ends) {
            (true, true) => 1,
            (true, false) => 2,
            (false, false) => 3,
            (false, true) => 4,
        };
        let mut covered = match self.framing {
            Framing::Grown => vec![piece],
            Framing::Recycled { log } => [&[piece + 4][..], &log.to_le_bytes()].concat(),
        };
        covered.extend_from_slice(payload);
        self.bytes.extend_from_slice(&mask(crc32c(&covered)).to_le_bytes());
        self.bytes.extend_from_slice(&u16::try_from(payload.len()).unwrap().to_le_bytes());
        self.bytes.extend_from_slice(&covered);
    }

    /// Writes this log over the file of an earlier one.
    fn over(&self, earlier: &Self) -> Vec<u8> {
        let behind = earlier.bytes.get(self.bytes.len()..).unwrap_or_default();
        [&self.bytes[..], behind].concat()
    }
}

fn earlier() -> Log {
    Log::new(EARLIER, 1, &[700; 150])
}

fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

#[test]
fn finds_what_whole_logs_hold() {
    for framing in [GROWN, RECYCLED] {
        let log = Log::new(framing, 40, &[0, 9, 40_000, 32_000, 100_000, 1]);
        let found = extent(&log.bytes, LOG).unwrap();
        assert_eq!(found, Extent { end: log.bytes.len(), is_tidy: true, first: Some(40), next: Some(46) });
    }
    assert!(extent(&[], LOG).unwrap().is_tidy);
}

#[test]
fn takes_what_a_recycled_file_held_before_for_its_end() {
    for length in [1, 10, 699, 700, 30_000, 33_000] {
        let log = Log::new(RECYCLED, 40, &[length, length]);
        let found = extent(&log.over(&earlier()), LOG).unwrap();
        assert_eq!((found.end, found.next, found.is_tidy), (log.bytes.len(), Some(42), false), "{length}");
    }
    let untouched = extent(&earlier().bytes, LOG).unwrap();
    assert_eq!((untouched.end, untouched.first, untouched.is_tidy), (0, None, false));
}

/// Found by cutting the power between the sync of a log that was written over and that of its folder.
#[test]
fn takes_a_log_that_has_become_a_later_one_for_empty() {
    for length in [1, 700, 40_000] {
        let later = Log::new(RECYCLED, 151, &[length]);
        let found = extent(&later.over(&earlier()), 5).unwrap();
        assert_eq!((found.end, found.first, found.is_tidy), (0, None, true), "{length}");
        let next = Log::new(Framing::Recycled { log: 7 }, 151 - 20, &[300; 20]);
        let logs = folder(&[(5, &later.over(&earlier())), (7, &next.bytes)]);
        assert_eq!(check(logs.path(), Numbers::Unbroken), Ok(()), "{length}");
    }
    // The other way round it is what a file held before; and a number that is wrong by itself is damage.
    assert_eq!(extent(&earlier().bytes, LOG).unwrap().first, None);
    let mut damaged = earlier().bytes;
    damaged[7] = 9;
    assert!(extent(&damaged, 5).is_err());
}

#[test]
fn refuses_every_flipped_bit_in_the_last_batch_too() {
    for (framing, behind) in [(GROWN, Vec::new()), (RECYCLED, Vec::new()), (RECYCLED, earlier().bytes)] {
        let log = Log::new(framing, 40, &[30, 50, 20]);
        let whole = [&log.bytes[..], behind.get(log.bytes.len()..).unwrap_or_default()].concat();
        for bit in 0..log.bytes.len() * 8 {
            let (at, finding) = extent(&flipped(&whole, bit), LOG).unwrap_err();
            let start = log.starts.iter().rfind(|start| **start <= bit / 8).unwrap();
            assert_eq!(at, *start, "{framing:?}, bit {bit}: {finding}");
        }
    }
}

#[test]
fn refuses_flipped_bits_in_batches_of_many_blocks() {
    let log = Log::new(RECYCLED, 40, &[50_000, 70_000]);
    let whole = log.over(&Log::new(EARLIER, 1, &[200_000]));
    for bit in (0..log.bytes.len() * 8).step_by(4_001) {
        assert!(extent(&flipped(&whole, bit), LOG).is_err(), "bit {bit}");
    }
}

#[test]
fn takes_every_cut_for_a_torn_tail() {
    for framing in [GROWN, RECYCLED] {
        let log = Log::new(framing, 40, &[9, 20, 30]);
        for length in 0..log.bytes.len() {
            let found = extent(&log.bytes[..length], LOG).unwrap();
            let ends = log.starts.iter().filter(|start| **start <= length);
            assert_eq!(found.end, *ends.max().unwrap(), "{framing:?}, {length}");
        }
    }
}

/// A power cut leaves some of the last batch's pages, in any order, and the others as they were.
#[test]
fn takes_every_torn_write_for_a_torn_tail() {
    for length in [10_000, 36_000] {
        let behind = Log::new(EARLIER, 1, &[50_000, 50_000]);
        let mut log = Log::new(RECYCLED, 40, &[2_000, 5_000]);
        let (before, end) = (log.over(&behind), log.bytes.len());
        log.put(length);
        let after = log.over(&behind);
        let pages: Vec<_> = (0..after.len())
            .step_by(PAGE_BYTES)
            .filter(|page| {
                let page = *page..after.len().min(page + PAGE_BYTES);
                before[page.clone()] != after[page]
            })
            .collect();
        assert!(pages.len() >= 3);
        // All of them for the short one; every 31st for the other.
        let step = if pages.len() < 6 { 1 } else { 31 };
        for written in (0..(1_u32 << pages.len()) - 1).step_by(step) {
            let mut torn = before.clone();
            for (_, page) in pages.iter().enumerate().filter(|(nth, _)| written >> nth & 1 == 1) {
                let page = *page..after.len().min(page + PAGE_BYTES);
                torn[page.clone()].copy_from_slice(&after[page]);
            }
            let found = extent(&torn, LOG).unwrap();
            assert_eq!((found.end, found.next), (end, Some(42)), "pages {written:b} of {length}");
        }
    }
}

#[test]
fn refuses_lost_pages_when_a_later_batch_was_begun() {
    let log = Log::new(RECYCLED, 40, &[30_000, 30_000, 30_000, 30_000]);
    let whole = log.over(&Log::new(EARLIER, 1, &[60_000, 60_000, 60_000]));
    let last = *log.starts.last().unwrap();
    for page in (0..last).step_by(PAGE_BYTES) {
        let mut damaged = whole.clone();
        damaged[page..page + PAGE_BYTES.min(last - page)].fill(0);
        let (at, finding) = extent(&damaged, LOG).unwrap_err();
        assert!(at < page + 2 * PAGE_BYTES, "page at {page}: {finding} at {at}");
    }
}

#[test]
fn refuses_a_log_that_loses_what_makes_it_recycled_or_not() {
    for framing in [GROWN, RECYCLED] {
        let log = Log::new(framing, 40, &[30, 50, 60_000]);
        for kind in 0..=u8::MAX {
            let mut damaged = log.bytes.clone();
            damaged[6] = kind;
            assert_eq!(extent(&damaged, LOG).is_err(), kind != log.bytes[6], "{framing:?}, type {kind}");
        }
    }
}

/// Callers choose bytes that are stored, and RocksDB would take up a log that is none.
#[test]
fn refuses_a_record_in_a_files_past_that_looks_like_the_next_one() {
    let log = Log::new(RECYCLED, 40, &[100]);
    let forged = [&log.bytes[..], &Log::new(GROWN, 41, &[10]).bytes, &[7; 100]].concat();
    let (at, finding) = extent(&forged, LOG).unwrap_err();
    assert!(at == log.bytes.len() && finding.contains("not"), "{finding}");
}

#[test]
fn takes_zeros_for_a_tail_that_was_never_written_but_no_batch_after_them() {
    let log = Log::new(GROWN, 40, &[9]);
    let zeros = [log.bytes.clone(), vec![0; 100_000]].concat();
    assert_eq!(extent(&zeros, LOG).unwrap().end, log.bytes.len());
    for length in [10, 20_000, 70_000] {
        let whole = Log::new(GROWN, 40, &[9, length, 10]);
        let mut damaged = whole.bytes.clone();
        damaged[whole.starts[1]..whole.starts[2]].fill(0);
        let (at, finding) = extent(&damaged, LOG).unwrap_err();
        assert!(at == whole.starts[1] && finding.contains("after it"), "{length}: {finding} at {at}");
    }
}

/// A checkpoint of half a megabyte was being written when the power went: some of its pages were there, the first was not,
/// and the folder was refused (found by `server/tests/loses_nothing_when_the_disk_forgets.rs`).
#[test]
fn takes_every_torn_write_to_a_growing_file_for_a_torn_tail() {
    for length in [1_000, 10_000, 36_000, 90_000] {
        let mut log = Log::new(GROWN, 40, &[2_000, 5_000]);
        let end = log.bytes.len();
        log.put(length);
        let sectors: Vec<usize> = (end - end % 512..log.bytes.len()).step_by(512).collect();
        for seed in 1..400_u64 {
            let mut torn = log.bytes.clone();
            let mut dice = seed;
            for from in &sectors {
                dice = dice.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(1);
                if dice >> 63 == 0 {
                    continue;
                }
                torn[end.max(*from)..log.bytes.len().min(from + 512)].fill(0);
            }
            if torn == log.bytes {
                continue;
            }
            let found = extent(&torn, LOG);
            assert_eq!(found.map(|found| (found.end, found.next)), Ok((end, Some(42))), "{length}, {seed}");
        }
    }
}

#[test]
fn refuses_other_bytes_in_the_last_batch_of_a_growing_file() {
    let log = Log::new(GROWN, 40, &[2_000, 5_000]);
    let start = log.starts[1];
    for from in (start..log.bytes.len() - 3).step_by(97) {
        let mut damaged = log.bytes.clone();
        damaged[from..from + 3].iter_mut().for_each(|byte| *byte ^= 0x5a);
        assert!(extent(&damaged, LOG).is_err(), "bytes at {from}");
    }
}

/// The first log of a process is filled with one batch; a power cut meanwhile may leave its end without its beginning.
#[test]
fn takes_a_first_batch_without_its_first_pages_for_a_torn_tail() {
    let log = Log::new(RECYCLED, 40, &[200_000]);
    for pages in 1..40 {
        let mut torn = log.bytes.clone();
        torn[..pages * PAGE_BYTES].fill(0);
        assert_eq!(extent(&torn, LOG).map(|found| found.end), Ok(0), "{pages} pages");
    }
    let followed = Log::new(RECYCLED, 40, &[200_000, 10, 70_000, 10]);
    for pages in 1..40 {
        let mut damaged = followed.bytes.clone();
        damaged[..pages * PAGE_BYTES].fill(0);
        assert_eq!(extent(&damaged, LOG).map_err(|(at, _)| at), Err(0), "{pages} pages");
    }
}

fn folder(logs: &[(u64, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (number, bytes) in logs {
        fs::write(folder.path().join(format!("{number:06}.log")), bytes).unwrap();
    }
    folder
}

#[test]
fn refuses_an_earlier_log_whose_last_batch_is_gone() {
    let earlier_life = Log::new(Framing::Recycled { log: 2 }, 1, &[700; 150]);
    let first = Log::new(EARLIER, 40, &[300, 300]);
    let second = Log::new(RECYCLED, first.next, &[300]);
    let lost = Log::new(EARLIER, 40, &[300]);
    let (whole, next) = (first.over(&earlier_life), second.over(&earlier_life));
    let without = lost.over(&earlier_life);
    assert_eq!(check(folder(&[(5, &whole), (9, &next)]).path(), Numbers::Unbroken), Ok(()));
    let damaged = folder(&[(5, &without), (9, &next)]);
    let fault = check(damaged.path(), Numbers::Unbroken).unwrap_err().to_string();
    assert!(fault.contains(&format!("000005.log at byte {}", lost.bytes.len())), "{fault}");
    assert_eq!(check(damaged.path(), Numbers::Gaps), Ok(()));
    // A log that has nothing of its own yet takes up nothing.
    assert_eq!(check(folder(&[(5, &without), (9, &whole)]).path(), Numbers::Unbroken), Ok(()));
    // Nor does one that loses its only batch hide the gap.
    let third = Log::new(Framing::Recycled { log: 12 }, second.next, &[300]);
    let fault =
        check(folder(&[(5, &whole), (9, &earlier_life.bytes), (12, &third.bytes)]).path(), Numbers::Unbroken);
    assert!(fault.unwrap_err().to_string().contains("000009.log at byte 0"));
}
