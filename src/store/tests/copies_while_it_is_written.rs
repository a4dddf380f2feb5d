//! A copy is the folder as of one moment, whatever is written, replaced and given back while it goes on.
#![allow(clippy::unwrap_used, reason = "a test")]

mod fixture;

use std::{cell::Cell, ops::ControlFlow};

use fixture::{checkpoint, open, small};
use tallystick_core::{Record, Stamp, Time, record::OutboxDelivered};
use tallystick_journal::{
    Checkpoints as _, Entry, Floor, GroupWriter, Journal as _, ProjectionStore as _, StorageFault, TrimStep,
    codec,
};
use tallystick_store::{
    Store, StoreOptions,
    backup::{CopyFault, Piece},
};

/// Appends groups of ten records, chained. Returns the last check.
fn append(store: &Store, groups: impl IntoIterator<Item = u64>, mut previous: u64) -> u64 {
    for nth in groups {
        let mut writer = GroupWriter::default();
        writer.begin(nth * 10 + 1);
        for through in 0..10 {
            let stamp = Stamp { partition: 0, at: Time::from_ns(1 + nth), actor: 0 };
            let mut bytes = Vec::new();
            codec::encode(&stamp, &Record::OutboxDelivered(OutboxDelivered { through }), &mut bytes);
            writer.push(&bytes, 1);
        }
        let (bytes, check) = writer.finish(previous);
        store.journal().append(nth * 10 + 1, bytes).unwrap();
        previous = check;
    }
    previous
}

/// Gives options with files that some hundred groups fill.
fn tiny() -> StoreOptions {
    StoreOptions { journal_file_bytes: 128 << 10, ..small() }
}

fn head(seq: u64) -> Vec<u8> {
    seq.to_le_bytes().to_vec()
}

/// Is what a copy showed.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    rows: Vec<(u16, Vec<u8>)>,
    projected: Vec<Vec<u8>>,
    first_seqs: Vec<u64>,
}

impl Seen {
    fn take(&mut self, piece: &Piece<'_>) {
        match *piece {
            Piece::Row { partition, value, .. } => self.rows.push((partition, value.to_vec())),
            Piece::Projected { value, .. } => self.projected.push(value.to_vec()),
            Piece::Group { first_seq, .. } => self.first_seqs.push(first_seq),
            _ => {}
        }
    }
}

fn entry(value: &str) -> Entry {
    Entry { table: 4, key: b"key".to_vec(), value: Some(value.into()) }
}

/// Lets a journal's beginning go, and leaves a state for it.
fn trimmed() -> (tempfile::TempDir, Store, u64) {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path(), tiny());
    let check = append(&store, 0..3_000, 0);
    store.journal().wait_background().unwrap();
    let row = |partition| checkpoint(partition, &head(29_000), &[(2, 7, Some(b"before"))]);
    store.index().save(&[row(0), row(1)]).unwrap();
    store.index().write(&[entry("before")]).unwrap();
    store.index().set_floor(Floor { seq: 30_000, check }).unwrap();
    assert_eq!(store.journal().trim(29_000).unwrap(), TrimStep::More);
    (root, store, check)
}

#[test]
fn what_comes_while_it_goes_on_is_not_in_it_and_what_goes_is() {
    let (_root, store, check) = trimmed();
    let (mut seen, began, asked) = (Seen::default(), Cell::new(false), Cell::new(0));
    let durable = || {
        asked.set(asked.get() + 1);
        30_000
    };
    let copied = store.copy(None, &durable, &mut |piece| {
        if !began.replace(true) {
            append(&store, 3_000..3_300, check);
            store.journal().wait_background().unwrap();
            let row = |partition| checkpoint(partition, &head(32_000), &[(2, 7, Some(b"after"))]);
            store.index().save(&[row(0), row(1)]).unwrap();
            store.index().write(&[entry("after")]).unwrap();
            assert_eq!(store.journal().trim(30_000).unwrap(), TrimStep::Done, "nothing goes meanwhile");
        }
        seen.take(piece);
        Ok(ControlFlow::Continue(()))
    });
    let copied = copied.unwrap();
    assert!(copied.is_whole && copied.last == Floor { seq: 30_000, check });
    assert_eq!(asked.get(), 1);
    assert_eq!(seen.rows, [(0, b"before".to_vec()), (1, b"before".to_vec())]);
    assert_eq!(seen.projected, [b"before".to_vec()]);
    assert!(seen.first_seqs[0] > 1 && seen.first_seqs[0] <= 29_001, "{}", seen.first_seqs[0]);
    assert!(seen.first_seqs.iter().copied().eq((seen.first_seqs[0]..=29_991).step_by(10)));
    // And afterwards it goes.
    assert_eq!(store.journal().trim(30_000).unwrap(), TrimStep::More);
}

#[test]
fn a_copy_goes_on_from_where_one_ended_or_says_why_not() {
    let (_root, store, check) = trimmed();
    let copy = |after| {
        let mut seen = Seen::default();
        let copied = store.copy(after, &|| u64::MAX, &mut |piece| {
            seen.take(piece);
            Ok(ControlFlow::Continue(()))
        });
        copied.map(|_| seen)
    };
    let whole = copy(None).unwrap();
    append(&store, 3_000..3_005, check);
    let more = copy(Some(Floor { seq: 30_000, check })).unwrap();
    assert_eq!(more.first_seqs, [30_001, 30_011, 30_021, 30_031, 30_041]);
    assert!(more.rows.is_empty() && more.projected.is_empty());
    let first = whole.first_seqs[0];
    assert_eq!(
        copy(Some(Floor { seq: 10, check: 7 })),
        Err(CopyFault::GivenBack { after_seq: 10, first_seq: first })
    );
    for other in
        [Floor { seq: 30_000, check: check ^ 1 }, Floor { seq: 30_005, check }, Floor { seq: 99_999, check }]
    {
        let wanted = CopyFault::OtherHistory { after_seq: other.seq, last_seq: 30_050 };
        assert_eq!(copy(Some(other)), Err(wanted), "{other:?}");
    }
}

#[test]
fn a_journal_that_lost_its_end_is_not_copied() {
    let (_root, store, _) = trimmed();
    store.index().set_floor(Floor { seq: 30_010, check: 1 }).unwrap();
    let lost = store.copy(None, &|| u64::MAX, &mut |_| Ok(ControlFlow::Continue(())));
    assert!(
        matches!(&lost, Err(CopyFault::Storage(StorageFault::Corrupt { finding, .. })) if finding.contains("30010")),
        "{lost:?}"
    );
    store.index().set_floor(Floor { seq: 30_000, check: 1 }).unwrap();
    let other = store.copy(None, &|| u64::MAX, &mut |_| Ok(ControlFlow::Continue(())));
    assert!(matches!(&other, Err(CopyFault::Storage(StorageFault::Corrupt { .. }))), "{other:?}");
    let root = tempfile::tempdir().unwrap();
    let empty = open(root.path(), tiny()).copy(None, &|| u64::MAX, &mut |_| Ok(ControlFlow::Continue(())));
    assert_eq!(empty, Err(CopyFault::Empty));
}
