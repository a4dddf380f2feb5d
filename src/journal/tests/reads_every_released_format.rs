//! Bytes that were ever written are read for ever. Each released format has its files under `fixtures`: the newest must be
//! what is encoded today, to the byte, and every one must decode to what it was made of.
//!
//! A new format gets new files and leaves the old ones as they are. Until its release,
//! `REGENERATE_FIXTURES=1 cargo test -p tallystick-journal --test reads_every_released_format` writes the newest anew.
#![allow(clippy::unwrap_used, reason = "a test")]

mod released;

use released::{
    Cut, FIRST_GROUP, PARTITION, cut, first, fixture, groups, lived, lived_in, newest_fixture, second, stamp,
    third,
};
use std::collections::BTreeSet;
use tallystick_core::{
    Partition, Record,
    cut::{Filing, RowValue},
    partition::CommandKey,
    session::Session,
    table::Slot,
};
use tallystick_journal::{Chain, GroupView, StorageFault, rows};

fn assert_tells(groups: &[Vec<u8>], story: &[Record<'_>]) {
    let (mut chain, mut seqs) = (Chain::default(), 0);
    for (key, bytes) in [1, FIRST_GROUP as u64 + 1].into_iter().zip(groups) {
        let group = GroupView::parse(key, bytes).unwrap();
        chain.accept(&group).unwrap();
        let read = group.records(|seq, read_stamp, record| {
            let at = usize::try_from(seq - 1).unwrap();
            assert_eq!((read_stamp, record), (&stamp(at), &story[at]), "seq {seq}");
            seqs = seq;
        });
        read.unwrap();
    }
    assert_eq!(seqs, story.len() as u64);
}

fn kinds(story: &[Record<'_>]) -> BTreeSet<u8> {
    story.iter().map(Record::kind).collect()
}

#[test]
fn the_first_journal_format_is_read() {
    assert_tells(&fixture("journal-v1.bin"), &first::story());
    let then = [1, 10, 11, 20, 21, 22, 23, 30, 31, 40, 45, 46, 50, 51, 52];
    assert_eq!(kinds(&first::story()), then.into());
}

#[test]
fn the_second_journal_format_is_read() {
    let story = second::story();
    assert_tells(&fixture("journal-v2.bin"), &story);
    let now = [1, 10, 11, 12, 13, 14, 15, 16, 20, 21, 22, 23, 30, 31, 32, 36, 37, 40, 44, 45, 46, 50, 51, 52];
    assert_eq!(kinds(&story), now.into());
}

#[test]
fn the_third_journal_format_is_read_and_written_to_the_byte() {
    let story = [third::story(), third::credentials()].concat();
    let now = groups(&story);
    let then = newest_fixture("journal-v3.bin", &now);
    assert_eq!(now, then, "the bytes of groups or records have changed: that is a new version");
    assert_tells(&then, &story);
    let new = [33, 34, 35, 38, 41, 42, 43, 60, 61, 62, 63, 64, 90, 91];
    assert_eq!(kinds(&story), kinds(&second::story()).into_iter().chain(new).collect());
}

/// Loads a checkpoint and cuts it again.
fn reloaded(number: u16, head: &[u8], rows: impl IntoIterator<Item = (u32, RowValue)>) -> Cut {
    let mut partition = Partition::new(number);
    for (slot, row) in rows {
        partition.load_row(slot, row).unwrap();
    }
    partition.load_head(rows::decode_head(head).unwrap()).unwrap();
    cut(&mut partition)
}

#[test]
fn the_first_checkpoint_format_is_read_as_what_its_journal_comes_to_today() {
    let now = cut(&mut lived(&first::story()));
    let then = fixture("checkpoint-v1.bin");
    let [head, settlement, then @ ..] = then.as_slice() else { panic!("a head, a settlement, rows") };
    assert_eq!([head[0], settlement[0]], [1, 1], "their version");
    assert_eq!(rows::decode_head(head).unwrap().seq, now.head.seq);
    assert_eq!(vec![rows::decode_settlement(settlement).unwrap()], now.filing.settlements);
    let (rows, keys) = then.split_at(now.rows.len());
    let mut read: Vec<_> = now
        .rows
        .iter()
        .zip(rows)
        .map(|((slot, row), bytes)| (*slot, rows::decode_row(rows::table(row), bytes).unwrap()))
        .collect();
    assert_eq!(read, now.rows);
    // Keys of commands were rows, and are read so that the next checkpoint can file them.
    read.extend((0..).zip(keys.iter().map(|bytes| rows::decode_row(6, bytes).unwrap())));
    let again = reloaded(PARTITION, head, read);
    assert_eq!(again.filing.command_keys, now.filing.command_keys);
    assert_eq!(now.filing.command_keys.len(), 7);
    assert_eq!((again.head, again.rows), (now.head, now.rows));
}

fn encoded(cut: &Cut) -> Vec<Vec<u8>> {
    let Filing { settlements, command_keys } = &cut.filing;
    let mut pieces = vec![rows::encode_head(&cut.head)];
    pieces.extend(settlements.iter().map(rows::encode_settlement));
    pieces.extend(command_keys.iter().map(rows::encode_command_key));
    pieces.extend(cut.rows.iter().map(|(_, row)| rows::encode_row(row)));
    pieces
}

#[test]
fn the_second_checkpoint_format_is_read_as_what_its_journal_comes_to_today() {
    let now = cut(&mut lived(&second::story()));
    let then = fixture("checkpoint-v2.bin");
    let [head, settlement, then @ ..] = then.as_slice() else { panic!("a head, a settlement, keys, rows") };
    assert_eq!(vec![rows::decode_settlement(settlement).unwrap()], now.filing.settlements);
    let (keys, rows) = then.split_at(now.filing.command_keys.len());
    let keys: Vec<CommandKey> = keys.iter().map(|bytes| rows::decode_command_key(bytes).unwrap()).collect();
    assert_eq!(keys, now.filing.command_keys);
    let read = now
        .rows
        .iter()
        .zip(rows)
        .map(|((slot, row), bytes)| (*slot, rows::decode_row(rows::table(row), bytes).unwrap()));
    let again = reloaded(PARTITION, head, read);
    assert_eq!((again.head, again.rows), (now.head, now.rows.clone()));
    let tables: BTreeSet<u8> = now.rows.iter().map(|(_, row)| rows::table(row)).collect();
    assert_eq!(tables, [1, 2, 3, 4, 5, 10].into());
}

#[test]
fn the_third_checkpoint_format_is_read_and_written_to_the_byte() {
    let cuts = [
        ("checkpoint-v3.bin", PARTITION, cut(&mut lived(&third::story()))),
        ("checkpoint-v3-home.bin", 0, cut(&mut lived_in(0, &third::credentials()))),
    ];
    let mut tables = BTreeSet::new();
    for (name, number, now) in cuts {
        let then = newest_fixture(name, &encoded(&now));
        assert_eq!(encoded(&now), then, "the bytes of rows have changed: that is a new version");
        let rows = then.split_at(then.len() - now.rows.len()).1;
        let read = now
            .rows
            .iter()
            .zip(rows)
            .map(|((slot, row), bytes)| (*slot, rows::decode_row(rows::table(row), bytes).unwrap()));
        let again = reloaded(number, &then[0], read);
        assert_eq!((&again.head, &again.rows), (&now.head, &now.rows));
        tables.extend(now.rows.iter().map(|(_, row)| rows::table(row)));
    }
    assert_eq!(tables, [1, 2, 3, 4, 5, 10, 11].into());
}

#[test]
fn the_newest_fixtures_hold_what_is_new() {
    let now = cut(&mut lived(&third::story()));
    let sessions: Vec<_> = now
        .rows
        .iter()
        .filter_map(|(_, row)| match row {
            RowValue::Session(Slot::Taken { row, .. }) => Some(row),
            _ => None,
        })
        .collect();
    let any = |holds: fn(&Session) -> bool| sessions.iter().any(|row| holds(row));
    assert!(any(|row| row.parent().is_some() && row.counted_above), "one below another");
    assert!(any(|row| row.open_children() > 0 && row.spent_below().nanos() > 0), "one above another");
    assert!(any(|row| row.closing_at().ns() > 0), "one that is closing");
    assert!(any(|row| row.writer_count() > 0) && any(|row| row.key_count() > 0), "answers");
    let has_holds =
        |row: &Session| row.holds().is_some_and(|holds| holds.open_count() > 0 && holds.ended().count() == 3);
    assert!(any(has_holds), "holds, open and ended");
    assert!(any(|row| !row.velocity().is_empty()), "limits in time");
    assert!(any(|row| row.token().is_some_and(|token| token.family().is_some())), "a standing mandate");
    assert!(any(|row| row.is_period() && row.open_children() == 1), "a period with a carried session");
    assert!(any(|row| row.control().is_some()) && !now.head.front_ends.is_empty(), "control words");
}

/// Tells whether both versions are named.
fn is_newer(fault: &StorageFault, version: u8) -> bool {
    let text = format!("format version {version}, newer than {}", version - 1);
    matches!(fault, StorageFault::Newer { .. }) && fault.to_string().contains(&text)
}

#[test]
fn a_row_of_a_newer_version_or_with_a_piece_missing_is_refused() {
    let Cut { head, filing, rows } = cut(&mut lived(&third::story()));
    for (_, row) in &rows {
        let table = rows::table(row);
        let mut bytes = rows::encode_row(row);
        assert!(rows::decode_row(table, &bytes[..bytes.len() - 1]).is_err(), "{row:?}");
        assert!(rows::decode_row(table, &[bytes.clone(), vec![0]].concat()).is_err(), "{row:?}");
        bytes[0] += 1;
        let fault = rows::decode_row(table, &bytes).unwrap_err();
        assert!(is_newer(&fault, bytes[0]), "{fault:?}");
        bytes[0] = 0;
        let text = rows::decode_row(table, &bytes).unwrap_err().to_string();
        assert!(text.contains("no format version 0"), "{text}");
    }
    let bytes = rows::encode_head(&head);
    (0..bytes.len()).for_each(|len| assert!(rows::decode_head(&bytes[..len]).is_err(), "cut to {len}"));
    assert!([0, 7, 8, 9, 12].iter().all(|table| rows::decode_row(*table, &bytes).is_err()));
    assert!(rows::decode_head(&[bytes.clone(), vec![0]].concat()).is_err(), "bytes after the end");
    let fault = rows::decode_head(&[&[4], &bytes[1..]].concat()).unwrap_err();
    assert!(is_newer(&fault, 4), "{fault:?}");
    for settlement in &filing.settlements {
        let bytes = rows::encode_settlement(settlement);
        let fault = rows::decode_settlement(&[&[3], &bytes[1..]].concat()).unwrap_err();
        assert!(is_newer(&fault, 3), "{fault:?}");
    }
    for key in &filing.command_keys {
        let mut bytes = rows::encode_command_key(key);
        assert_eq!(rows::decode_command_key(&bytes).as_ref(), Ok(key));
        (0..bytes.len()).for_each(|len| assert!(rows::decode_command_key(&bytes[..len]).is_err(), "{len}"));
        bytes[0] = 3;
        let fault = rows::decode_command_key(&bytes).unwrap_err();
        assert!(is_newer(&fault, 3), "{fault:?}");
    }
}
