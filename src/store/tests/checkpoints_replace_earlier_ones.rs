//! The newest checkpoint of each partition is what comes back, whole.
#![allow(clippy::unwrap_used, reason = "a fixture that fails fails its test")]

mod fixture;

use std::ops::ControlFlow;

use fixture::{checkpoint, copy, cut, files, open, rows, small};
use tallystick_journal::{Checkpoint, Checkpoints, Floor, Tables};
use tallystick_store::RocksIndex;

fn heads(index: &RocksIndex) -> Vec<(u64, Vec<u8>)> {
    let mut found = Vec::new();
    index
        .heads(&mut |partition, head| {
            found.push((partition, head.to_vec()));
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    found
}

fn settlements_after(index: &RocksIndex, seq: u64) -> Vec<(u64, Vec<u8>)> {
    let mut found = Vec::new();
    index
        .settlements_after(seq, &mut |seq, bytes| {
            found.push((seq, bytes.to_vec()));
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    found
}

#[test]
fn later_rows_replace_earlier_ones_and_absent_values_delete() {
    let root = tempfile::tempdir().unwrap();
    {
        let index = open(root.path(), small()).index();
        index
            .save(&[
                checkpoint(1, b"one", &[(2, 7, Some(b"b")), (1, 9, Some(b"a")), (1, u32::MAX, Some(b"c"))]),
                checkpoint(u16::MAX, b"last", &[(255, 0, Some(b"z"))]),
            ])
            .unwrap();
        index
            .save(&[checkpoint(1, b"two", &[(1, 9, Some(b"aa")), (2, 7, None), (2, 8, Some(b""))])])
            .unwrap();
    }
    let index = open(root.path(), small()).index();
    assert_eq!(heads(&index), [(1, b"two".to_vec()), (65_535, b"last".to_vec())]);
    let table = |table: u64, slot: u64| table << 32 | slot;
    assert_eq!(
        rows(&*index, 1).unwrap(),
        [(table(1, 9), b"aa".to_vec()), (table(1, 0xffff_ffff), b"c".to_vec()), (table(2, 8), vec![])]
    );
    assert_eq!(rows(&*index, u16::MAX).unwrap(), [(table(255, 0), b"z".to_vec())]);
    assert_eq!(rows(&*index, 2).unwrap(), []);
}

#[test]
fn a_save_torn_off_by_a_crash_leaves_the_one_before_whole() {
    let root = tempfile::tempdir().unwrap();
    {
        let index = open(root.path(), small()).index();
        let settled = |id: u8, seq| Checkpoint {
            settlements: vec![([id; 16], seq, vec![id; 100])],
            ..checkpoint(
                1,
                &[id; 10],
                &[(1, 1, Some(&[id; 2_000][..])), (1, u32::from(id) + 2, Some(b"new"))],
            )
        };
        index.save(&[settled(1, 10)]).unwrap();
        index.save(&[settled(2, 20)]).unwrap();
    }
    for lost in [1, 100, 1_000, 2_000] {
        let torn = tempfile::tempdir().unwrap();
        copy(root.path(), torn.path());
        cut(files(&torn.path().join("index"), "log").last().unwrap(), lost);
        let index = open(torn.path(), small()).index();
        assert_eq!(heads(&index), [(1, vec![1; 10])]);
        let found = rows(&*index, 1).unwrap();
        assert_eq!(
            found,
            [(1 << 32 | 1, vec![1; 2_000]), (1 << 32 | 3, b"new".to_vec())],
            "{lost} bytes lost"
        );
        assert_eq!(settlements_after(&index, 0), [(10, vec![1; 100])]);
        assert_eq!(index.settlement([2; 16]).unwrap(), None);
    }
}

#[test]
fn settlements_are_found_by_id_and_by_seq() {
    let root = tempfile::tempdir().unwrap();
    let index = open(root.path(), small()).index();
    let settlements = vec![
        ([9; 16], 10, b"ten".to_vec()),
        ([3; 16], 300, b"later".to_vec()),
        ([5; 16], 10, b"ten, cascaded".to_vec()),
    ];
    index.save(&[Checkpoint { settlements, ..checkpoint(1, b"", &[]) }]).unwrap();
    assert_eq!(index.settlement([9; 16]).unwrap().unwrap(), b"ten");
    assert_eq!(index.settlement([8; 16]).unwrap(), None);
    let all = [(10, b"ten, cascaded".to_vec()), (10, b"ten".to_vec()), (300, b"later".to_vec())];
    assert_eq!(settlements_after(&index, 0), all);
    assert_eq!(settlements_after(&index, 9), all);
    assert_eq!(settlements_after(&index, 10), all[2..]);
    assert_eq!(settlements_after(&index, 300), []);
    assert_eq!(settlements_after(&index, u64::MAX), []);
}

#[test]
fn keys_of_commands_are_found_in_their_partition_and_kept_for_good() {
    let root = tempfile::tempdir().unwrap();
    {
        let index = open(root.path(), small()).index();
        let keyed = |partition, hash: u8, made: &[u8]| Checkpoint {
            command_keys: vec![([hash; 16], made.to_vec())],
            ..checkpoint(partition, b"", &[])
        };
        index.save(&[keyed(1, 7, b"account"), keyed(2, 7, b"payee")]).unwrap();
        index.save(&[checkpoint(1, b"later", &[])]).unwrap();
    }
    let index = open(root.path(), small()).index();
    assert_eq!(index.command_key(1, [7; 16]).unwrap().unwrap(), b"account");
    assert_eq!(index.command_key(2, [7; 16]).unwrap().unwrap(), b"payee");
    assert_eq!(index.command_key(1, [8; 16]).unwrap(), None);
    assert_eq!(index.command_key(3, [7; 16]).unwrap(), None);
}

#[test]
fn the_floor_comes_back() {
    let root = tempfile::tempdir().unwrap();
    {
        let index = open(root.path(), small()).index();
        assert_eq!(index.floor().unwrap(), None);
        index.set_floor(Floor { seq: 5, check: 6 }).unwrap();
        index.set_floor(Floor { seq: 70, check: u64::MAX }).unwrap();
    }
    let floor = open(root.path(), small()).index().floor().unwrap();
    assert_eq!(floor, Some(Floor { seq: 70, check: u64::MAX }));
}
