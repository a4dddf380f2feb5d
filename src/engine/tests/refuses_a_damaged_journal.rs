//! A journal that lost or changed anything that was acknowledged is refused, and the text says where. A group beyond the
//! durable floor that never came to the disk is no damage: nobody heard of it.
#![allow(clippy::unwrap_used, reason = "a test")]

mod world;

use std::{collections::BTreeMap, time::Duration};
use tallystick_core::{
    Record, Stamp, Time,
    hash::Seed,
    record::{Genesis, OutboxDelivered},
};
use tallystick_engine::{Options, StartFault};
use tallystick_journal::{Checkpoints as _, GroupView, GroupWriter, StorageFault, codec};
use world::{CountedIds, Disk, HandClock, MORNING, SECOND, World, opening, quiet};

type Groups = BTreeMap<u64, Vec<u8>>;

/// Fills a disk with a few dozen groups. `first_id` makes another journal of it.
fn filled(first_id: u64) -> World {
    let ids = std::sync::Arc::new(CountedIds::default());
    (0..first_id).for_each(|_| {
        tallystick_core::IdSource::draw(&*ids);
    });
    let world = World::start(Disk::new(), &HandClock::at(MORNING), &ids, quiet(4)).unwrap();
    let (account, payee) = (world.account("a", 10_000), world.payee("p"));
    let session = world.open(&opening(account, "s", 1_000));
    (0..20).for_each(|n| assert!(world.debit(session, payee, 10, &format!("k{n}")).decline.is_none()));
    world.engine().settle(session, false).wait().unwrap();
    world
}

/// Returns a whole disk whose floor is at the journal's end.
fn whole() -> Disk {
    filled(0).restart(4).disk.survivors()
}

fn start(disk: Disk) -> Result<World, StartFault> {
    World::start(disk, &HandClock::at(MORNING + SECOND), &Default::default(), quiet(4))
}

/// Damages a copy of `disk`, and returns what a start says to it.
fn refusal(disk: &Disk, damage: impl FnOnce(&mut Groups)) -> String {
    let copy = disk.copy();
    copy.journal.tamper(damage);
    match start(copy) {
        Ok(_) => panic!("a damaged journal was accepted"),
        Err(StartFault::Storage(fault @ StorageFault::Corrupt { .. })) => fault.to_string(),
        Err(other) => panic!("another fault: {other}"),
    }
}

fn keys(disk: &Disk) -> Vec<u64> {
    let mut keys = Vec::new();
    disk.copy().journal.tamper(|groups| keys.extend(groups.keys()));
    keys
}

fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}

#[test]
fn an_undamaged_one_starts() {
    start(whole()).unwrap();
}

#[test]
fn a_missing_group_is_named() {
    let disk = whole();
    let keys = keys(&disk);
    assert!(keys.len() > 20, "{} groups", keys.len());
    for (place, key) in keys.iter().enumerate() {
        let text = refusal(&disk, |groups| drop(groups.remove(key)));
        match (place, keys.get(place + 1)) {
            (0, Some(next)) => {
                assert_says(
                    &text,
                    &["journal", &format!("records {key} to {} are missing", next - 1), "beginning"],
                );
            }
            (_, Some(next)) => {
                let gap = format!("records {key} to {} are missing", next - 1);
                assert_says(&text, &[&format!("seq {next}"), &gap]);
            }
            (_, None) => assert_says(&text, &[&format!("ends at seq {}", key - 1), "was durable"]),
        }
    }
}

#[test]
fn a_journal_that_is_gone_is_named() {
    assert_says(&refusal(&whole(), BTreeMap::clear), &["ends at seq 0", "was durable"]);
}

#[test]
fn a_flipped_bit_is_named_wherever_it_is() {
    let disk = whole();
    for (place, key) in keys(&disk).into_iter().enumerate() {
        let mut len = 0;
        disk.copy().journal.tamper(|groups| len = groups[&key].len());
        // Every byte of the header, and a body's bytes at a stride that meets every kind of place in some group.
        let header = (0..40).filter(|at| at % 5 == place % 5);
        for at in header.chain((40 + place % 11..len).step_by(11)) {
            let text = refusal(&disk, |groups| groups.get_mut(&key).unwrap()[at] ^= 1 << (at % 8));
            assert_says(&text, &[&format!("seq {key}")]);
        }
        let text = refusal(&disk, |groups| groups.get_mut(&key).unwrap().truncate(len / 2));
        assert_says(&text, &[&format!("seq {key}")]);
        let text = refusal(&disk, |groups| groups.get_mut(&key).unwrap().push(0));
        assert_says(&text, &[&format!("seq {key}")]);
    }
}

#[test]
fn swapped_groups_are_named() {
    let disk = whole();
    let keys = keys(&disk);
    let text = refusal(&disk, |groups| {
        let (a, b) = (groups[&keys[4]].clone(), groups[&keys[5]].clone());
        groups.insert(keys[4], b);
        groups.insert(keys[5], a);
    });
    assert_says(&text, &[&format!("seq {}", keys[4]), &format!("begins at seq {}", keys[5])]);
}

#[test]
fn a_group_of_another_journal_is_named() {
    let (disk, other) = (whole(), filled(1_000).disk.survivors());
    let mut foreign = Groups::new();
    other.journal.tamper(|groups| foreign = groups.clone());
    let shared: Vec<u64> = keys(&disk).into_iter().filter(|key| foreign.contains_key(key)).collect();
    assert!(shared.len() > 10, "the two were built alike");
    for key in &shared {
        let text = refusal(&disk, |groups| drop(groups.insert(*key, foreign[key].clone())));
        // The one that does not follow is the foreign one, or the next: it follows what is no longer there.
        assert_says(&text, &["seq "]);
        assert!(text.contains("group before") || text.contains("durable floor"), "{text}");
    }
    let text = refusal(&disk, |groups| *groups = foreign.clone());
    assert_says(&text, &["floor"]);
}

/// Adds a group whose checks all hold, with these records.
fn add_group(disk: &Disk, records: &[(u16, Record<'_>)]) -> u64 {
    let last = *keys(disk).last().unwrap();
    let mut next = 0;
    disk.journal.tamper(|groups| {
        let before = GroupView::parse(last, &groups[&last]).unwrap();
        let (mut writer, mut bytes) = (GroupWriter::default(), Vec::new());
        next = before.last_seq() + 1;
        writer.begin(next);
        for (partition, record) in records {
            let stamp = Stamp { partition: *partition, at: Time::from_ns(MORNING + SECOND), actor: 0 };
            bytes.clear();
            codec::encode(&stamp, record, &mut bytes);
            writer.push(&bytes, 1);
        }
        let group = writer.finish(before.check).0.to_vec();
        groups.insert(next, group);
    });
    next
}

/// Partitions are applied side by side: whichever of them comes upon its damage first, the first by seq is told.
#[test]
fn of_two_damaged_records_the_first_is_named() {
    let nothing = || Record::OutboxDelivered(OutboxDelivered { through: 0 });
    let genesis = || Record::Genesis(Genesis { seed: Seed([1; 16]), partitions: 256 });
    for shards in 1..6 {
        let disk = whole();
        // Partition 0's worker sees to records that have no partition.
        let records = [
            (5, nothing()),
            (7, nothing()),
            (3, genesis()),
            (300, nothing()),
            (8, nothing()),
            (1, genesis()),
        ];
        let seq = add_group(&disk, &records);
        let fault =
            World::start(disk, &HandClock::at(MORNING + SECOND), &std::sync::Arc::default(), quiet(shards));
        let Err(StartFault::Storage(fault)) = fault else { panic!("a damaged journal was accepted") };
        assert_says(&fault.to_string(), &[&format!("journal record {}", seq + 2), "begins in the middle"]);
    }
    let disk = whole();
    let seq = add_group(&disk, &[(255, nothing()), (300, nothing()), (301, nothing())]);
    assert_says(&refusal(&disk, |_| ()), &[&format!("journal record {}", seq + 1), "no such partition"]);
}

#[test]
fn a_checkpoint_ahead_of_the_journal_is_refused() {
    let world = filled(0);
    world.running.checkpoint().unwrap();
    let disk = world.disk.survivors();
    drop(world);
    let last = *keys(&disk).last().unwrap();
    // The floor says so, and without a floor that reaches so far, the checkpoint does.
    assert_says(
        &refusal(&disk, |groups| drop(groups.remove(&last))),
        &[&format!("ends at seq {}", last - 1)],
    );
    let mut group = Vec::new();
    let before = *keys(&disk).iter().rev().nth(1).unwrap();
    disk.journal.tamper(|groups| group = groups[&before].clone());
    let view = GroupView::parse(before, &group).unwrap();
    disk.set_floor(tallystick_journal::Floor { seq: view.last_seq(), check: view.check }).unwrap();
    let text = refusal(&disk, |groups| drop(groups.remove(&last)));
    assert_says(&text, &[&format!("ends at seq {}", last - 1), "was durable"]);
}

#[test]
fn a_tail_that_never_came_beyond_the_floor_is_simply_absent() {
    // The floor is where the start left it, at the very beginning: the disk lost the last groups with its power.
    let disk = filled(0).disk.survivors();
    let keys = keys(&disk);
    for kept in [2, keys.len() / 2, keys.len() - 1] {
        let copy = disk.copy();
        copy.journal.tamper(|groups| groups.retain(|key, _| *key < keys[kept]));
        let world = start(copy).unwrap();
        assert_eq!(world.engine().check_sound(), Ok(()));
        assert_eq!(world.engine().stats().durable_seq, keys[kept] - 1);
    }
}

#[test]
fn once_the_journal_has_rested_its_last_group_is_missed() {
    let options = Options { floor_idle: Duration::from_millis(1), ..quiet(2) };
    let world =
        World::start(Disk::new(), &HandClock::at(MORNING), &std::sync::Arc::default(), options).unwrap();
    world.account("a", 100);
    let durable = world.engine().stats().durable_seq;
    let is_behind = || world.disk.floor().unwrap().is_none_or(|floor| floor.seq < durable);
    for _ in 0..6_000 {
        if is_behind() {
            // Nothing more comes: this only passes the time.
            let _ = world.engine().watermark().wait_timeout(u64::MAX, Duration::from_millis(10));
        }
    }
    assert!(!is_behind(), "the floor stays behind");
    let disk = world.disk.survivors();
    drop(world);
    let last = *keys(&disk).last().unwrap();
    let text = refusal(&disk, |groups| drop(groups.remove(&last)));
    assert_says(&text, &[&format!("ends at seq {}", last - 1), "was durable"]);
}
