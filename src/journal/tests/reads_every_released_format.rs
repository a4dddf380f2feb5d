//! Bytes that were ever written are read for ever. Each released format has a file under `fixtures`: what is encoded
//! today must be that file to the byte, and the file must decode to what it was made of.
//!
//! A new format gets a new file and leaves the old ones as they are. Until the first release,
//! `REGENERATE_FIXTURES=1 cargo test -p tallystick-journal --test reads_every_released_format` writes them anew.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{env, fs, path::PathBuf};
use tallystick_core::{
    AccountId, Amount, Cap, Currency, Decline, DeclineCode, Level, Next, Partition, PayeeId, Record,
    SessionId, Stamp, Time, Total, WriterId,
    account::Funding,
    cut::RowValue,
    hash::{FieldHash, KeyHash, Seed},
    id::Place,
    partition::Head,
    payee::PayeeStatus,
    record::*,
    session::Bounds,
    settlement::{Line, Outgoing, Reason, Settlement},
    writer::Numbered,
};
use tallystick_journal::{Chain, GroupView, GroupWriter, codec, rows};

const PARTITION: u16 = 200;
const FIRST_GROUP: usize = 9;

fn place(slot: u32) -> Place {
    Place { partition: PARTITION, slot, generation: 0 }
}

fn account() -> AccountId {
    AccountId::new(place(0), 0x00a1)
}

fn payee() -> PayeeId {
    PayeeId::new(place(0), 0x00b2)
}

fn session(slot: u32) -> SessionId {
    SessionId::new(place(slot), 0x00c3)
}

fn writer() -> WriterId {
    WriterId::new(place(0), 0x00d4)
}

fn keyed(key: u128) -> Keyed {
    Keyed { key: KeyHash(key << 64 | 7), content: vec![FieldHash(0xdead_beef), FieldHash(0)] }
}

fn nanos(nanos: u64) -> Amount {
    Amount::from_nanos(nanos)
}

fn opened(slot: u32, full: bool) -> Record<'static> {
    let bounds = Bounds {
        cap: nanos(5_000_000_000),
        not_before: Time::from_ns(if full { 1_799_999_999_000_000_000 } else { 0 }),
        ends_at: Time::from_ns(1_800_000_600_000_000_000),
        default_payee_cap: if full { Cap::of(nanos(4_000_000_000)) } else { Cap::NONE },
        debit_min: nanos(u64::from(full)),
        debit_max: if full { Cap::of(nanos(1_000_000_000)) } else { Cap::NONE },
        payees_restricted: full,
    };
    Record::SessionOpened(SessionOpened {
        id: session(slot),
        account: account(),
        bounds,
        payees: if full { vec![(0, Cap::of(nanos(3_000_000_000)))] } else { Vec::new() },
        principal: if full { "cfo@example.com" } else { "" },
        method: if full { "passkey" } else { "" },
        evidence_hash: full.then_some([0xe5; 32]),
        approved_at: Time::from_ns(if full { 1_799_999_000_000_000_000 } else { 0 }),
        reference: if full { "Auftrag Nº 7" } else { "" },
        keyed: keyed(40 + u128::from(slot)),
    })
}

fn debited(slot: u32, amount: u64, verdict: bool, intent: StoredIntent) -> Record<'static> {
    Record::Debited(Debited {
        session: session(slot),
        payee: 0,
        amount: nanos(amount),
        currency: Currency::from_number(if verdict { 0 } else { 840 }),
        verdict: verdict.then_some((DeclineCode::Cap, Level::Session)),
        intent,
        reference: if verdict { "" } else { "call-1" },
        evidence: (!verdict).then_some([0x0e; 32]),
    })
}

/// Tells a small story in which every kind of record has its part, in an order that applies.
fn story() -> Vec<Record<'static>> {
    let number = |number, acked_through| {
        StoredIntent::Number(Numbered { writer: writer(), epoch: 2, number, acked_through })
    };
    let line = Line { payee: payee(), amount: nanos(600_000_300), debit_count: 2 };
    let settlement = session(0).settlement();
    vec![
        Record::Genesis(Genesis { seed: Seed(*b"sixteen bytes ok"), partitions: 256 }),
        Record::AccountCreated(AccountCreated {
            id: account(),
            currency: Currency::from_number(840),
            funding: Funding::Prepaid,
            reference: "Kasse Zürich",
            keyed: keyed(1),
        }),
        Record::Deposited(Deposited {
            account: account(),
            amount: Amount::MAX,
            deposited_after: Total::from(Amount::MAX),
            keyed: keyed(2),
        }),
        Record::PayeeCreated(PayeeCreated {
            id: payee(),
            status: PayeeStatus::Active,
            name: "Émile & fils",
            keyed: keyed(3),
        }),
        Record::PayeeShared(PayeeShared { id: payee(), with: PARTITION }),
        Record::PayeeNoticed(PayeeNoticed { id: payee(), slot: 0, status: PayeeStatus::Active, version: 1 }),
        opened(0, true),
        Record::OpenDeclined(OpenDeclined {
            account: account(),
            decline: Decline {
                code: DeclineCode::Cap,
                level: Level::Account,
                next: Next::SmallerAmount(nanos(17)),
            },
            keyed: keyed(4),
        }),
        Record::WriterOpened(WriterOpened { id: writer(), epoch: 1 }),
        Record::WriterOpened(WriterOpened { id: writer(), epoch: 2 }),
        Record::WriterPositioned(WriterPositioned { session: session(0), writer: writer(), epoch: 2 }),
        debited(0, 300, false, number(1, 0)),
        debited(0, 600_000_000, false, StoredIntent::Key(KeyHash(0xfeed << 100))),
        Record::SessionSettled(SessionSettled {
            session: session(0),
            reason: Reason::Closed,
            lines: vec![line],
            total: line.amount,
            released: nanos(4_399_999_700),
        }),
        Record::SettlementPosted(SettlementPosted {
            source: PARTITION,
            outgoing: Outgoing { no: 1, settlement, currency: Currency::from_number(840), line },
        }),
        Record::OutboxDelivered(OutboxDelivered { through: 1 }),
        Record::PayeeStatusSet(PayeeStatusSet { id: payee(), status: PayeeStatus::Blocked, version: 2 }),
        Record::PayeeNoticed(PayeeNoticed { id: payee(), slot: 0, status: PayeeStatus::Blocked, version: 2 }),
        {
            let Record::SessionOpened(mut again) = opened(0, false) else { unreachable!("an opening") };
            again.id = SessionId::new(Place { generation: 1, ..place(0) }, 0x00c4);
            again.keyed = keyed(5);
            Record::SessionOpened(again)
        },
        opened(1, true),
        debited(1, 7, false, number(1, 0)),
        debited(1, 7, true, number(2, 1)),
        debited(1, 9, true, StoredIntent::Key(KeyHash(u128::MAX))),
    ]
}

fn stamp(at: usize) -> Stamp {
    let at = u64::try_from(at).unwrap();
    Stamp { partition: PARTITION, at: Time::from_ns(1_800_000_000_000_000_000 + at * 1_000), actor: 0 }
}

/// Returns the story as a chain of two groups.
fn groups() -> Vec<Vec<u8>> {
    let (mut writer, mut groups, mut previous) = (GroupWriter::default(), Vec::new(), 0);
    let story: Vec<_> = story().into_iter().enumerate().collect();
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

/// Returns the checkpoint that the story comes to.
fn checkpoint() -> (Head, Vec<(u32, RowValue)>, Vec<Settlement>) {
    let mut partition = Partition::new(PARTITION);
    for (seq, (at, record)) in (1..).zip(story().iter().enumerate()) {
        partition.apply(seq, &stamp(at), record);
    }
    partition.check_sound().unwrap();
    let (head, settlements) = partition.cut(30);
    let mut all = Vec::new();
    loop {
        let mut copied = partition.copy(1);
        if copied.is_empty() {
            all.sort_by_key(|(slot, row)| (rows::table(row), *slot));
            return (head, all, settlements);
        }
        all.append(&mut copied);
    }
}

/// Puts pieces into one file: the length of each, then its bytes.
fn in_one(pieces: &[Vec<u8>]) -> Vec<u8> {
    let length = |piece: &[u8]| u32::try_from(piece.len()).unwrap().to_le_bytes();
    pieces.iter().flat_map(|piece| length(piece).into_iter().chain(piece.iter().copied())).collect()
}

fn apart(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let (piece, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        pieces.push(piece.to_vec());
        bytes = rest;
    }
    pieces
}

/// Reads a fixture; writes it first when told to.
fn fixture(name: &str, now: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    if env::var_os("REGENERATE_FIXTURES").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, in_one(now)).unwrap();
    }
    apart(&fs::read(path).unwrap())
}

#[test]
fn the_first_journal_format_is_read_and_written_to_the_byte() {
    let (now, then) = (groups(), fixture("journal-v1.bin", &groups()));
    assert_eq!(now, then, "the bytes of groups or records have changed: that is a new version");
    let (mut chain, mut seqs, story) = (Chain::default(), 0, story());
    for (key, bytes) in [1, FIRST_GROUP as u64 + 1].into_iter().zip(&then) {
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

#[test]
fn every_kind_of_record_has_its_part_in_the_fixture() {
    let mut kinds: Vec<u8> = story().iter().map(Record::kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, [1, 10, 11, 20, 21, 22, 23, 30, 31, 40, 45, 46, 50, 51, 52]);
}

#[test]
fn the_first_checkpoint_format_is_read_and_written_to_the_byte() {
    let (head, all, settlements) = checkpoint();
    let mut now = vec![rows::encode_head(&head)];
    now.extend(settlements.iter().map(rows::encode_settlement));
    now.extend(all.iter().map(|(_, row)| rows::encode_row(row)));
    let then = fixture("checkpoint-v1.bin", &now);
    assert_eq!(now, then, "the bytes of rows have changed: that is a new version");
    assert_eq!(rows::decode_head(&then[0]), Ok(head.clone()));
    assert_eq!(rows::decode_settlement(&then[1]).as_ref(), Ok(&settlements[0]));
    assert_eq!(settlements.len(), 1);
    let mut again = Partition::new(PARTITION);
    for ((slot, row), bytes) in all.iter().zip(&then[2..]) {
        let read = rows::decode_row(rows::table(row), bytes).unwrap();
        assert_eq!(read, *row);
        again.load_row(*slot, read).unwrap();
    }
    again.load_head(head).unwrap();
    let tables: Vec<u8> = all.iter().map(|(_, row)| rows::table(row)).collect();
    assert!([1, 2, 3, 4, 5, 6].iter().all(|table| tables.contains(table)), "{tables:?}");
}

#[test]
fn a_row_of_a_newer_version_or_with_a_piece_missing_is_refused() {
    let (head, all, _) = checkpoint();
    for (_, row) in &all {
        let mut bytes = rows::encode_row(row);
        assert!(rows::decode_row(rows::table(row), &bytes[..bytes.len() - 1]).is_err(), "{row:?}");
        bytes[0] = 2;
        let text = rows::decode_row(rows::table(row), &bytes).unwrap_err().to_string();
        assert!(text.contains("newer"), "{text}");
    }
    let bytes = rows::encode_head(&head);
    (0..bytes.len()).for_each(|len| assert!(rows::decode_head(&bytes[..len]).is_err(), "cut to {len}"));
    assert!(rows::decode_row(7, &bytes).is_err());
    assert!(rows::decode_head(&[bytes, vec![0]].concat()).is_err(), "bytes after the end");
}
