//! Owns: what the fixtures are made of: names, a story told as groups and as a checkpoint, and their files.
#![allow(unreachable_pub, reason = "shared by the tests of one file")]

pub mod first;
pub mod second;
pub mod third;

use std::{env, fs, path::PathBuf};
use tallystick_core::{
    AccountId, Amount, Cap, Partition, PayeeId, Record, SessionId, Stamp, Time, WriterId,
    cut::{Filing, RowValue},
    hash::{FieldHash, KeyHash},
    id::Place,
    partition::Head,
    record::{Keyed, SessionOpened},
    session::{Bounds, Mode},
    settlement::Line,
};
use tallystick_journal::{GroupWriter, codec, rows};

pub const PARTITION: u16 = 200;
/// How many records the first of a story's two groups has.
pub const FIRST_GROUP: usize = 9;
/// Is at or after the last seq of each story.
const COVERED: u64 = 90;

pub fn place(slot: u32) -> Place {
    Place { partition: PARTITION, slot, generation: 0 }
}

pub fn account(slot: u32) -> AccountId {
    AccountId::new(place(slot), 0x00a1)
}

pub fn payee() -> PayeeId {
    PayeeId::new(place(0), 0x00b2)
}

pub fn session(slot: u32) -> SessionId {
    SessionId::new(place(slot), 0x00c3)
}

pub fn writer() -> WriterId {
    WriterId::new(place(0), 0x00d4)
}

pub fn keyed(key: u128) -> Keyed {
    Keyed { key: KeyHash(key << 64 | 7), content: vec![FieldHash(0xdead_beef), FieldHash(0)] }
}

pub fn nanos(nanos: u64) -> Amount {
    Amount::from_nanos(nanos)
}

pub fn line(nanos: u64, debit_count: u64) -> Line {
    Line { payee: payee(), amount: Amount::from_nanos(nanos), debit_count }
}

/// Returns the opening of a session straight on the first account, with everything said of it or nothing.
pub fn opened(slot: u32, full: bool) -> SessionOpened<'static> {
    let bounds = Bounds {
        cap: nanos(5_000_000_000),
        not_before: Time::from_ns(if full { 1_799_999_999_000_000_000 } else { 0 }),
        ends_at: Time::from_ns(1_800_000_600_000_000_000),
        default_payee_cap: if full { Cap::of(nanos(4_000_000_000)) } else { Cap::NONE },
        debit_min: nanos(u64::from(full)),
        debit_max: if full { Cap::of(nanos(1_000_000_000)) } else { Cap::NONE },
        payees_restricted: full,
    };
    SessionOpened {
        clauses: tallystick_core::session::Clauses::default(),
        token: None,
        id: session(slot),
        account: account(0),
        parent: None,
        mode: Mode::Reserved,
        bounds,
        payees: if full { vec![(0, Cap::of(nanos(3_000_000_000)))] } else { Vec::new() },
        principal: if full { "cfo@example.com" } else { "" },
        method: if full { "passkey" } else { "" },
        evidence_hash: full.then_some([0xe5; 32]),
        approved_at: Time::from_ns(if full { 1_799_999_000_000_000_000 } else { 0 }),
        reference: if full { "Auftrag Nº 7" } else { "" },
        keyed: keyed(40 + u128::from(slot)),
    }
}

pub fn stamp(at: usize) -> Stamp {
    let at = u64::try_from(at).unwrap();
    Stamp { partition: PARTITION, at: Time::from_ns(1_800_000_000_000_000_000 + at * 1_000), actor: 0 }
}

/// Returns a story as a chain of two groups.
pub fn groups(story: &[Record<'_>]) -> Vec<Vec<u8>> {
    let (mut writer, mut groups, mut previous) = (GroupWriter::default(), Vec::new(), 0);
    let story: Vec<_> = story.iter().enumerate().collect();
    for part in [&story[..FIRST_GROUP], &story[FIRST_GROUP..]] {
        writer.begin(1 + u64::try_from(part[0].0).unwrap());
        for (at, record) in part {
            let mut bytes = Vec::new();
            codec::encode(&stamp(*at), record, &mut bytes);
            writer.push(&bytes, 1);
        }
        let (bytes, check) = writer.finish(previous);
        groups.push(bytes.to_vec());
        previous = check;
    }
    groups
}

/// Is a checkpoint as values, its rows in order of table and slot.
#[derive(Debug, PartialEq)]
pub struct Cut {
    pub head: Head,
    pub filing: Filing,
    pub rows: Vec<(u32, RowValue)>,
}

/// Cuts all of a partition.
pub fn cut(partition: &mut Partition) -> Cut {
    partition.check_sound().unwrap();
    partition.copy_all_again();
    let (head, filing) = partition.cut(COVERED);
    let mut all = Vec::new();
    loop {
        let mut copied = partition.copy(1);
        if copied.is_empty() {
            all.sort_by_key(|(slot, row)| (rows::table(row), *slot));
            return Cut { head, filing, rows: all };
        }
        all.append(&mut copied);
    }
}

/// Returns the partition that a story comes to.
pub fn lived(story: &[Record<'_>]) -> Partition {
    lived_in(PARTITION, story)
}

/// As `lived`, in another partition.
pub fn lived_in(number: u16, story: &[Record<'_>]) -> Partition {
    let mut partition = Partition::new(number);
    for (seq, (at, record)) in (1..).zip(story.iter().enumerate()) {
        partition.apply(seq, &Stamp { partition: number, ..stamp(at) }, record);
    }
    partition
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Reads a fixture: the length of each piece, then its bytes.
pub fn fixture(name: &str) -> Vec<Vec<u8>> {
    let (mut pieces, file) = (Vec::new(), fs::read(path(name)).unwrap());
    let mut bytes = &file[..];
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let (piece, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        pieces.push(piece.to_vec());
        bytes = rest;
    }
    pieces
}

/// Reads the fixture of what is written now; writes it first when told to.
pub fn newest_fixture(name: &str, now: &[Vec<u8>]) -> Vec<Vec<u8>> {
    if env::var_os("REGENERATE_FIXTURES").is_some() {
        let length = |piece: &[u8]| u32::try_from(piece.len()).unwrap().to_le_bytes();
        let bytes = now.iter().flat_map(|piece| length(piece).into_iter().chain(piece.iter().copied()));
        fs::write(path(name), bytes.collect::<Vec<u8>>()).unwrap();
    }
    fixture(name)
}
