//! A flipped bit is refused, never skipped, wherever it is.

mod fixture;

use std::{fs, ops::ControlFlow};

use fixture::{
    append_all, checkpoint, contains, copy, files, flip_bit_in, group, open, read_from, rows, seqs, small,
};
use tallystick_journal::{Checkpoint, Checkpoints, Durability, Floor, StorageFault, Tables};
use tallystick_store::{Store, StoreOptions};

#[test]
fn refuses_a_flipped_bit_in_the_middle_of_the_log() {
    for durability in [Durability::Fsync, Durability::Os] {
        let root = tempfile::tempdir().unwrap();
        let options = StoreOptions::new(durability);
        append_all(&*open(root.path(), options).journal(), 1..=40, 5_000);
        let log = files(&root.path().join("journal"), "log").pop().unwrap();
        // A piece that does not straddle a block of the log.
        let needle = (1..=40).map(|seq| group(seq, 5_000)[..64].to_vec()).nth(19).unwrap();
        flip_bit_in(&log, &needle);
        let fault = Store::open(root.path(), options).unwrap_err();
        assert!(
            matches!(&fault, StorageFault::Corrupt { finding, .. } if finding.contains("checksum")),
            "{fault}"
        );
    }
}

/// RocksDB by itself spins for ever on some of these and silently cuts the groups after others: see `log_scan`.
#[test]
fn refuses_every_flipped_bit_in_the_header_of_a_log_record_in_the_middle() {
    const HEADER_AND_A_LITTLE: usize = 9;
    let root = tempfile::tempdir().unwrap();
    append_all(&*open(root.path(), small()).journal(), 1..=5, 400);
    let log = files(&root.path().join("journal"), "log").pop().unwrap();
    let clean = fs::read(&log).unwrap();
    let record_at = clean.len() / 5 * 2;
    assert_eq!(clean[record_at + 6], 1, "a whole record starts at a fifth of five equal ones");
    for bit in record_at * 8..(record_at + HEADER_AND_A_LITTLE) * 8 {
        let mut damaged = clean.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(&log, damaged).unwrap();
        let fault = Store::open(root.path(), small()).unwrap_err();
        let StorageFault::Corrupt { place, .. } = &fault else { panic!("bit {bit}: {fault}") };
        assert!(place.ends_with(&format!(".log at byte {record_at}")), "bit {bit}: {fault}");
    }
    fs::write(&log, clean).unwrap();
    assert_eq!(seqs(&*open(root.path(), small()).journal()), [1, 2, 3, 4, 5]);
}

#[test]
fn refuses_a_flipped_bit_in_the_last_group_of_the_log() {
    let root = tempfile::tempdir().unwrap();
    append_all(&*open(root.path(), small()).journal(), 1..=4, 5_000);
    let log = files(&root.path().join("journal"), "log").pop().unwrap();
    flip_bit_in(&log, &group(4, 5_000)[..64]);
    assert!(matches!(Store::open(root.path(), small()), Err(StorageFault::Corrupt { .. })));
}

#[test]
fn refuses_a_flipped_bit_in_a_file_of_groups() {
    let root = tempfile::tempdir().unwrap();
    {
        let journal = open(root.path(), small()).journal();
        append_all(&*journal, 1..=60, 50_000);
        journal.wait_background().unwrap();
    }
    let needle = &group(5, 50_000)[1_000..1_064];
    let file = files(&root.path().join("journal"), "sst").into_iter().find(|f| contains(f, needle)).unwrap();
    flip_bit_in(&file, needle);
    let journal = open(root.path(), small()).journal();
    let fault = read_from(&*journal, 0).unwrap_err();
    let StorageFault::Corrupt { place, finding } = &fault else { panic!("{fault}") };
    assert_eq!(place, "journal");
    assert!(finding.contains("checksum") && finding.contains(".sst"), "{fault}");
}

#[test]
fn refuses_a_lost_file_of_groups() {
    let root = tempfile::tempdir().unwrap();
    {
        let journal = open(root.path(), small()).journal();
        append_all(&*journal, 1..=60, 50_000);
        journal.wait_background().unwrap();
    }
    let lost = tempfile::tempdir().unwrap();
    copy(root.path(), lost.path());
    fs::remove_file(&files(&lost.path().join("journal"), "sst")[0]).unwrap();
    let outcome = Store::open(lost.path(), small()).map(|store| read_from(&*store.journal(), 0));
    assert!(matches!(outcome, Err(_) | Ok(Err(_))), "a lost file went unnoticed");
}

#[test]
fn refuses_a_flipped_bit_in_a_checkpoint_file() {
    let root = tempfile::tempdir().unwrap();
    let value = group(77, 3_000);
    open(root.path(), small()).index().save(&[checkpoint(3, b"head", &[(1, 9, Some(&value[..]))])]).unwrap();
    // The first reopen writes the log's content out as a file, which stays if anything is written afterwards.
    open(root.path(), small()).index().set_floor(Floor { seq: 1, check: 1 }).unwrap();
    let needle = &value[100..164];
    let file = files(&root.path().join("index"), "sst").into_iter().find(|f| contains(f, needle)).unwrap();
    flip_bit_in(&file, needle);
    let fault = rows(&*open(root.path(), small()).index(), 3).unwrap_err();
    let StorageFault::Corrupt { place, finding } = &fault else { panic!("{fault}") };
    assert!(place.contains("checkpoint") && finding.contains(".sst"), "{fault}");
}

/// What RocksDB's checksums cannot see: bytes that went wrong before it got them or after it checked them.
#[test]
fn names_the_place_of_a_flipped_bit_that_rocksdb_does_not_see() {
    let root = tempfile::tempdir().unwrap();
    {
        let index = open(root.path(), small()).index();
        let settlements = vec![([0xab; 16], 12, b"settled".to_vec())];
        index.save(&[Checkpoint { settlements, ..checkpoint(3, b"head", &[(1, 9, Some(b"row"))]) }]).unwrap();
        index.set_floor(Floor { seq: 5, check: 6 }).unwrap();
    }
    let families = ["checkpoint", "settlement", "settlement_seq", "meta", "command_key", "projection"];
    {
        let db =
            rocksdb::DB::open_cf(&rocksdb::Options::default(), root.path().join("index"), families).unwrap();
        for name in families {
            let family = db.cf_handle(name).unwrap();
            for item in db.iterator_cf(family, rocksdb::IteratorMode::Start) {
                let (key, mut value) = item.unwrap();
                *value.last_mut().unwrap() ^= 1;
                db.put_cf(family, key, value).unwrap();
            }
        }
    }
    let index = open(root.path(), small()).index();
    let nothing = &mut |_: u64, _: &[u8]| Ok(ControlFlow::Continue(()));
    for (fault, place) in [
        (index.rows(3, nothing).unwrap_err(), "checkpoint row at partition 3, table 1, slot 9"),
        (index.heads(nothing).unwrap_err(), "checkpoint head of partition 3"),
        (index.floor().unwrap_err(), "durable floor in meta"),
        (index.settlement([0xab; 16]).unwrap_err(), "settlement abababababababababababababababab"),
        (index.settlements_after(0, nothing).unwrap_err(), "settlement by seq 12"),
    ] {
        let text = fault.to_string();
        assert!(text.starts_with(&format!("corrupt data at {place}: expected checksum 0x")), "{text}");
    }
}
