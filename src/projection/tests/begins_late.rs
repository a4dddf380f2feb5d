//! An index that is derived anew after the journal was trimmed has what the journal still had, and says what it lacks.
#![allow(clippy::unwrap_used, reason = "a test")]

mod past;

use past::{Past, SEED, ask, follow, page, small};
use std::{ops::ControlFlow, sync::Arc};
use tallystick_core::{Partition, Record, Time};
use tallystick_journal::{
    Checkpoint, Checkpoints as _, GroupView, Journal as _, Row, StorageFault,
    memory::{MemoryIndex, MemoryProjection},
    rows,
};
use tallystick_projection::{Follower, Lookup, Options, Parts};

/// Keeps what a checkpoint has of payees and of the seed; the rest of it is nothing to a projection.
fn checkpointed(past: &Past) -> MemoryIndex {
    let mut partitions: Vec<Partition> = (0..256).map(Partition::new).collect();
    let read = past.journal.read(1, &mut |key, bytes| {
        GroupView::parse(key, bytes)?.records(|seq, stamp, record| {
            let partition = &mut partitions[usize::from(stamp.partition)];
            match record {
                Record::Genesis(_) | Record::PayeeNoticed(_) => partition.apply(seq, stamp, record),
                _ => {}
            }
        })?;
        Ok(ControlFlow::Continue(()))
    });
    read.unwrap();
    let index = MemoryIndex::default();
    for partition in &mut partitions {
        partition.adopt_seed(SEED);
        let (head, _) = partition.cut(partition.seq());
        let copied = partition.copy(1_000);
        let row = |(slot, row)| Row { table: rows::table(&row), slot, value: Some(rows::encode_row(&row)) };
        let checkpoint = Checkpoint {
            partition: partition.number(),
            head: rows::encode_head(&head),
            rows: copied.into_iter().map(row).collect(),
            settlements: Vec::new(),
            command_keys: Vec::new(),
        };
        index.save(&[checkpoint]).unwrap();
    }
    index
}

fn trimmed(past: &Past, before: u64) {
    past.journal.tamper(|groups| groups.retain(|first, _| *first >= before));
}

#[test]
fn what_is_lacking_is_said_and_never_called_unseen() {
    let mut past = Past::new(51);
    past.live(60);
    let begins = past.ends[30] + 1;
    let index = checkpointed(&past);
    trimmed(&past, begins);
    let store: Arc<MemoryProjection> = Arc::default();
    let parts = Parts { checkpoints: Arc::new(index), ..past.parts(&store) };
    let needed = Arc::clone(&parts.needed_from);
    let mut follower = Follower::open(parts.clone(), small(40)).unwrap();
    follow(&mut follower, past.last_seq()).unwrap();
    let lookups = follower.lookups();
    assert_eq!(lookups.complete_from(), begins);
    follower.sync().unwrap();
    assert_eq!(needed.get(), past.last_seq() + 1);
    for debit in &past.debits {
        for (form, found) in ask(&lookups, debit, 0) {
            match found {
                Lookup::Found { debit: found, .. } if debit.info.seq >= begins => {
                    assert_eq!(*found, debit.info, "{form}");
                }
                Lookup::Incomplete { complete_from } if debit.info.seq < begins => {
                    assert_eq!(complete_from, begins);
                }
                other => panic!("{form} of seq {}, from {begins}: {other:?}", debit.info.seq),
            }
        }
    }
    // A session that was opened since lacks nothing.
    let old = past.debits.iter().find(|debit| debit.info.seq < begins).unwrap().info.session;
    past.open_one();
    let fresh = past.open.last().unwrap().id;
    past.commit();
    follow(&mut follower, past.last_seq()).unwrap();
    assert_eq!(page(&lookups, fresh, 0, 10).missing_before, None);
    assert_eq!(page(&lookups, old, 0, 10).missing_before, Some(begins));
    let as_of_seq = past.last_seq();
    assert_eq!(lookups.by_key(fresh, b"never", 0).unwrap(), Lookup::NeverSeen { as_of_seq });
    // It takes that up again after a restart.
    follower.sync().unwrap();
    let again = Follower::open(parts, small(40)).unwrap();
    assert_eq!(again.lookups().complete_from(), begins);
    assert_eq!(again.cursor(), as_of_seq);
}

#[test]
fn an_index_that_would_lose_something_is_not_thrown_away() {
    let (mut past, mut other) = (Past::new(52), Past::new(53));
    past.live(20);
    other.live(40);
    let (store, _) = past.followed(Options::default());
    let before = store.dump();
    let index = checkpointed(&other);
    trimmed(&other, other.ends[10] + 1);
    let parts = Parts { checkpoints: Arc::new(index), ..other.parts(&store) };
    let Err(StorageFault::Corrupt { place, .. }) = Follower::open(parts.clone(), Options::default()) else {
        panic!("opened")
    };
    assert_eq!(place, "projection head");
    assert_eq!(store.dump(), before);
    // An operator may say so.
    let mut follower = Follower::rebuild(parts, Options::default()).unwrap();
    follow(&mut follower, other.last_seq()).unwrap();
    assert_eq!(follower.lookups().complete_from(), other.ends[10] + 1);
}

#[test]
fn a_trimmed_journal_without_checkpoints_is_refused() {
    let mut past = Past::new(54);
    past.live(10);
    trimmed(&past, past.ends[4] + 1);
    let mut follower = past.follower(&Arc::default(), Options::default());
    let text = follow(&mut follower, past.last_seq()).unwrap_err().to_string();
    assert!(text.contains("there is no checkpoint"), "{text}");
}

#[test]
fn an_empty_journal_is_waited_for() {
    let past = Past::new(55);
    let store: Arc<MemoryProjection> = Arc::default();
    let groups = past.journal.survivors();
    past.journal.tamper(std::collections::BTreeMap::clear);
    let mut follower = past.follower(&store, Options::default());
    follow(&mut follower, 0).unwrap();
    assert_eq!((follower.cursor(), store.dump().len()), (0, 0));
    groups.tamper(|from| past.journal.tamper(|to| to.clone_from(from)));
    follow(&mut follower, past.last_seq()).unwrap();
    assert_eq!(follower.cursor(), past.last_seq());
    assert!(Time::ZERO < Time::from_ns(past.now));
}
