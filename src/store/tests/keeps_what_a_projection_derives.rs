//! A projection's entries come back as they would from memory, all or none of a write, and in order of the writes.
#![allow(clippy::unwrap_used, reason = "a fixture that fails fails its test")]

mod fixture;

use std::ops::ControlFlow;

use fixture::{checkpoint, copy, files, flip_bit_in, open, small};
use proptest::prelude::*;
use tallystick_journal::{Checkpoints as _, Entry, ProjectionStore, StorageFault, memory::MemoryProjection};

fn put(table: u8, key: &[u8], value: &[u8]) -> Entry {
    Entry { table, key: key.to_vec(), value: Some(value.to_vec()) }
}

fn gone(table: u8, key: &[u8]) -> Entry {
    Entry { table, key: key.to_vec(), value: None }
}

type Found = Vec<(Vec<u8>, Vec<u8>)>;

fn range(store: &dyn ProjectionStore, table: u8, from: &[u8], most: usize) -> Result<Found, StorageFault> {
    let mut found = Vec::new();
    store.range(table, from, &mut |key, value| {
        found.push((key.to_vec(), value.to_vec()));
        Ok(if found.len() == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(found)
}

fn all(store: &dyn ProjectionStore) -> Vec<Found> {
    (0..4).map(|table| range(store, table, b"", usize::MAX).unwrap()).collect()
}

fn entries() -> impl Strategy<Value = Vec<Vec<Entry>>> {
    let key = prop::collection::vec(0..4u8, 0..4);
    let one = (0..4u8, key, prop::option::of(prop::collection::vec(any::<u8>(), 0..9)));
    let one = one.prop_map(|(table, key, value)| Entry { table, key, value });
    prop::collection::vec(prop::collection::vec(one, 1..12), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn the_disk_answers_as_memory_does(writes in entries(), asked: [(u8, Vec<u8>); 12]) {
        let root = tempfile::tempdir().unwrap();
        let memory = MemoryProjection::default();
        {
            let disk = open(root.path(), small()).index();
            for write in &writes {
                disk.write(write).unwrap();
                memory.write(write).unwrap();
            }
            prop_assert_eq!(all(&*disk), all(&memory));
            disk.sync().unwrap();
        }
        let disk = open(root.path(), small()).index();
        prop_assert_eq!(all(&*disk), all(&memory));
        for (table, key) in asked {
            let (table, key) = (table % 4, key.iter().take(4).map(|byte| byte % 4).collect::<Vec<_>>());
            prop_assert_eq!(ProjectionStore::get(&*disk, table, &key).unwrap(), memory.get(table, &key).unwrap());
            prop_assert_eq!(disk.last_through(table, &key).unwrap(), memory.last_through(table, &key).unwrap());
            prop_assert_eq!(range(&*disk, table, &key, 3).unwrap(), range(&memory, table, &key, 3).unwrap());
        }
        disk.clear().unwrap();
        prop_assert_eq!(all(&*disk), vec![Vec::new(); 4]);
    }
}

/// The power goes while writes are in memory: what was synced is there, and of the rest no write without the one before.
#[test]
fn a_power_cut_leaves_all_writes_up_to_some_point() {
    let root = tempfile::tempdir().unwrap();
    let index = open(root.path(), small()).index();
    let write = |nth: u32| {
        let (key, value) = (nth.to_be_bytes(), vec![u8::try_from(nth % 251).unwrap(); 2_000]);
        index.write(&[put(2, &key, &value), put(1, b"", &key)]).unwrap();
    };
    (0..500).for_each(write);
    index.sync().unwrap();
    (500..1_000).for_each(write);
    // Checkpoints of the same instance go through its log meanwhile: they must not take half of a projection along.
    index.save(&[checkpoint(1, b"head", &[])]).unwrap();
    let torn = tempfile::tempdir().unwrap();
    copy(root.path(), torn.path());
    let left = open(torn.path(), small()).index();
    let cursor = ProjectionStore::get(&*left, 1, b"").unwrap().unwrap();
    let cursor = u32::from_be_bytes(cursor.try_into().unwrap());
    assert!((499..1_000).contains(&cursor), "{cursor}");
    let keys: Vec<_> = range(&*left, 2, b"", usize::MAX).unwrap().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, (0..=cursor).map(|nth| nth.to_be_bytes().to_vec()).collect::<Vec<_>>());
}

#[test]
fn an_orderly_end_keeps_what_was_not_synced_or_less() {
    let root = tempfile::tempdir().unwrap();
    {
        let index = open(root.path(), small()).index();
        index.write(&[put(1, b"", b"1"), put(2, b"a", b"one")]).unwrap();
        index.write(&[put(1, b"", b"2"), gone(2, b"a"), put(2, b"b", b"two")]).unwrap();
    }
    let index = open(root.path(), small()).index();
    let expected = match ProjectionStore::get(&*index, 1, b"").unwrap().as_deref() {
        Some(b"2") => vec![(b"b".to_vec(), b"two".to_vec())],
        Some(b"1") => vec![(b"a".to_vec(), b"one".to_vec())],
        _ => Vec::new(),
    };
    assert_eq!(range(&*index, 2, b"", 9).unwrap(), expected);
}

#[test]
fn a_flipped_bit_is_named() {
    let root = tempfile::tempdir().unwrap();
    {
        let index = open(root.path(), small()).index();
        let value: Vec<u8> = (0..200u8).collect();
        index.write(&[put(4, &[0xab; 14], &value)]).unwrap();
        index.sync().unwrap();
    }
    let needle: Vec<u8> = (90..120u8).collect();
    for file in files(&root.path().join("index"), "sst") {
        if fixture::contains(&file, &needle) {
            flip_bit_in(&file, &needle);
        }
    }
    let index = open(root.path(), small()).index();
    let fault = ProjectionStore::get(&*index, 4, &[0xab; 14]).unwrap_err();
    assert!(matches!(fault, StorageFault::Corrupt { .. }), "{fault:?}");
    assert!(range(&*index, 4, b"", 9).is_err());
    assert!(index.last_through(4, &[0xff]).is_err());
}
