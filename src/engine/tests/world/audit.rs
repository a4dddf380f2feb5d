//! Reads a journal or an index without an engine, and adds it up.

use super::USD;
use std::{collections::BTreeMap, ops::ControlFlow};
use tallystick_core::{PARTITIONS, Partition, Record, books::Book, cut::RowValue, partition::Head};
use tallystick_journal::{
    Checkpoints as _, GroupView, Journal as _,
    memory::{MemoryIndex, MemoryJournal},
    rows,
};

/// Applies every group of a journal to an empty world, without an engine.
pub(crate) fn replayed(journal: &MemoryJournal) -> Vec<Partition> {
    let mut partitions: Vec<Partition> = (0..PARTITIONS).map(Partition::new).collect();
    let read = journal.read(1, &mut |key, bytes| {
        GroupView::parse(key, bytes)?.records(|seq, stamp, record| {
            partitions[usize::from(stamp.partition)].apply(seq, stamp, record);
            if let Record::Genesis(genesis) = record {
                partitions.iter_mut().for_each(|partition| partition.adopt_seed(genesis.seed));
            }
        })?;
        Ok(ControlFlow::Continue(()))
    });
    read.unwrap();
    partitions
}

/// Is a partition as values that can be compared.
pub(crate) type Values = (Head, BTreeMap<(u8, u32), RowValue>);

/// Returns a partition's values; what a checkpoint covers is no part of the world.
pub(crate) fn values(partition: &mut Partition) -> Values {
    let (head, _) = partition.cut(partition.seq());
    let mut all = BTreeMap::new();
    loop {
        let copied = partition.copy(1_000);
        if copied.is_empty() {
            return (Head { covered: 0, ..head }, all);
        }
        all.extend(copied.into_iter().map(|(slot, row)| ((rows::table(&row), slot), row)));
    }
}

/// Returns the values of every partition as an index has them.
pub(crate) fn stored(index: &MemoryIndex) -> Vec<Values> {
    let mut all = Vec::new();
    let read = index.heads(&mut |number, bytes| {
        let mut values = BTreeMap::new();
        index.rows(u16::try_from(number).unwrap(), &mut |at, bytes| {
            let (table, slot) = (u8::try_from(at >> 32).unwrap(), u32::try_from(at & 0xffff_ffff).unwrap());
            values.insert((table, slot), rows::decode_row(table, bytes)?);
            Ok(ControlFlow::Continue(()))
        })?;
        all.push((Head { covered: 0, ..rows::decode_head(bytes)? }, values));
        Ok(ControlFlow::Continue(()))
    });
    read.unwrap();
    all
}

/// Adds up the whole journal: every partition is sound, and together nothing was made or lost on the way.
pub(crate) fn audit(journal: &MemoryJournal) {
    let partitions = replayed(journal);
    let (mut in_transit, mut on_the_way, mut all) = (0, 0, 0);
    for partition in &partitions {
        assert_eq!(partition.check_sound(), Ok(()), "partition {}", partition.number());
        in_transit += partition.books().get(USD, Book::InTransit);
        all += partition.books().iter().flat_map(|(_, books)| books).sum::<i128>();
        for line in partition.outgoing() {
            let home = &partitions[usize::from(line.line.payee.partition())];
            if !home.has_arrived(partition.number(), line.no) {
                on_the_way += i128::from(line.line.amount.nanos());
            }
        }
    }
    assert_eq!(all, 0, "all books sum to zero");
    assert_eq!(in_transit, on_the_way, "in transit is what has left and not arrived");
}

/// Applies a journal record by record; before each, the rules must say again what it says, and after each, everything must
/// be sound and each currency must sum to zero. Returns how many records there were.
pub(crate) fn audit_every_seq(journal: &MemoryJournal) -> u64 {
    let mut partitions: Vec<Partition> = (0..PARTITIONS).map(Partition::new).collect();
    let mut records = 0;
    let read = journal.read(1, &mut |key, bytes| {
        GroupView::parse(key, bytes)?.records(|seq, stamp, record| {
            let partition = &mut partitions[usize::from(stamp.partition)];
            assert_eq!(
                tallystick_core::verify::decide_again(partition, stamp, record),
                Ok(()),
                "seq {seq}: {record:?}"
            );
            partition.apply(seq, stamp, record);
            assert_eq!(partition.check_sound(), Ok(()), "after seq {seq}: {record:?}");
            let books = partitions.iter().flat_map(|partition| partition.books().iter());
            assert_eq!(books.flat_map(|(_, books)| books).sum::<i128>(), 0, "after seq {seq}");
            if let Record::Genesis(genesis) = record {
                partitions.iter_mut().for_each(|partition| partition.adopt_seed(genesis.seed));
            }
            records += 1;
        })?;
        Ok(ControlFlow::Continue(()))
    });
    read.unwrap();
    records
}
