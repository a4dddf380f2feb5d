//! Damaged data is never shown and never stops the process: the fault names what is damaged and where.
#![allow(clippy::unwrap_used, reason = "a test")]

mod past;

use past::{Dice, Past, ask, follow, page, small};
use std::{collections::BTreeMap, sync::Arc};
use tallystick_journal::StorageFault;
use tallystick_projection::{Follower, Listed, Lookup, Options};

const HEAD: u8 = 1;
const PAYEE: u8 = 2;
const CHUNK: u8 = 4;

fn corrupt(fault: &StorageFault) -> String {
    assert!(matches!(fault, StorageFault::Corrupt { .. }), "{fault:?}");
    fault.to_string()
}

#[test]
fn a_damaged_chunk_is_named_by_its_place() {
    let mut past = Past::new(41);
    let (store, lookups) = past.live(10).followed(Options::default());
    store.tamper(|entries| {
        entries
            .iter_mut()
            .filter(|((table, _), _)| *table == CHUNK)
            .for_each(|(_, value)| value.truncate(30));
    });
    let debit = &past.debits[0].info;
    let text = corrupt(&lookups.by_id(debit.id(), 0).unwrap_err());
    assert!(text.contains("projection debits at 00"), "{text}");
    corrupt(&lookups.list(debit.session, 0, 10, 0).unwrap_err());
}

#[test]
fn a_payee_that_is_not_there_is_damage() {
    let mut past = Past::new(42);
    let (store, lookups) = past.live(10).followed(Options::default());
    store.tamper(|entries| entries.retain(|(table, _), _| *table != PAYEE));
    let text = corrupt(&lookups.by_id(past.debits[0].info.id(), 0).unwrap_err());
    assert!(text.contains("projection payee at"), "{text}");
}

#[test]
fn a_damaged_head_is_refused_at_the_start() {
    let mut past = Past::new(43);
    let (store, _) = past.live(10).followed(Options::default());
    store.tamper(|entries| {
        entries.get_mut(&(HEAD, Vec::new())).unwrap().pop();
    });
    let Err(fault) = Follower::open(past.parts(&store), Options::default()) else { panic!("opened") };
    assert!(corrupt(&fault).contains("projection head"));
}

#[test]
fn a_head_beyond_all_seqs_is_no_place_in_any_journal() {
    let mut past = Past::new(50);
    let (store, _) = past.live(10).followed(Options::default());
    store.tamper(|entries| entries.get_mut(&(HEAD, Vec::new())).unwrap()[1..9].fill(0xff));
    let mut follower = past.follower(&store, Options::default());
    assert_eq!(follower.cursor(), 0);
    follow(&mut follower, past.last_seq()).unwrap();
    past.check(&follower.lookups(), past.last_seq());
}

#[test]
fn a_damaged_group_is_not_passed() {
    let mut past = Past::new(44);
    past.live(10);
    let bad = past.ends[4] + 1;
    past.journal.tamper(|groups| {
        let group = groups.get_mut(&bad).unwrap();
        let middle = group.len() / 2;
        group[middle] ^= 1;
    });
    let store = Arc::default();
    let mut follower = past.follower(&store, small(1));
    let fault = follow(&mut follower, past.last_seq()).unwrap_err();
    assert!(corrupt(&fault).contains(&format!("journal group at seq {bad}")), "{fault}");
    assert_eq!(follower.cursor(), past.ends[4]);
    past.check(&follower.lookups(), past.ends[4]);
}

#[test]
fn a_missing_group_is_not_passed() {
    let mut past = Past::new(45);
    past.live(10);
    let missing = past.ends[4] + 1;
    past.journal.tamper(|groups| {
        groups.remove(&missing);
    });
    let store = Arc::default();
    let mut follower = past.follower(&store, small(1));
    let text = corrupt(&follow(&mut follower, past.last_seq()).unwrap_err());
    assert!(text.contains(&format!("records {missing} to {}", past.ends[5])), "{text}");
    assert_eq!(follower.cursor(), past.ends[4]);
}

/// Whatever byte is changed anywhere: an answer, or a fault; and whoever settles such a session ends with a fault, too.
#[test]
fn no_damage_makes_it_panic() {
    let mut past = Past::new(46);
    past.live(12);
    let (store, _) = past.followed(small(5));
    let whole = store.dump();
    past.settle_all();
    let mut dice = Dice(46);
    for _ in 0..400 {
        let mut entries: BTreeMap<_, _> = whole.clone();
        let nth = usize::try_from(dice.below(entries.len() as u64)).unwrap();
        let value = entries.values_mut().nth(nth).unwrap();
        let at = usize::try_from(dice.below(value.len() as u64)).unwrap();
        value[at] ^= 1 << dice.below(8);
        store.tamper(|kept| *kept = entries);
        let Ok(mut follower) = Follower::open(past.parts(&store), small(5)) else { continue };
        let lookups = follower.lookups();
        for debit in past.debits.iter().step_by(17) {
            let _ = lookups.by_id(debit.info.id(), 0);
            let _ = lookups.list(debit.info.session, 0, 1_000, 0);
            if let Some(key) = &debit.key {
                let _ = lookups.by_key(debit.info.session, key.as_bytes(), 0);
            }
        }
        let _ = follow(&mut follower, past.last_seq());
    }
}

#[test]
fn another_journal_is_noticed() {
    let (mut past, mut other) = (Past::new(47), Past::new(48));
    past.live(10);
    other.live(30);
    let (store, _) = past.followed(Options::default());
    // All of its past is there: nothing is lost by deriving it anew.
    let mut follower = other.follower(&store, Options::default());
    assert_eq!(follower.cursor(), 0);
    follow(&mut follower, other.last_seq()).unwrap();
    other.check(&follower.lookups(), other.last_seq());
    let (fresh, _) = other.followed(Options::default());
    assert_eq!(store.dump(), fresh.dump());
}

#[test]
fn a_journal_that_lost_its_tail_is_followed_anew() {
    let mut past = Past::new(49);
    past.live(10);
    let (store, _) = past.followed(Options::default());
    let kept = past.ends[6];
    past.journal.tamper(|groups| groups.retain(|first, _| *first <= kept));
    let mut follower = past.follower(&store, Options::default());
    follow(&mut follower, kept).unwrap();
    past.check(&follower.lookups(), kept);
    let lost = past.debits.last().unwrap();
    assert!(
        ask(&follower.lookups(), lost, 0).iter().all(|(_, f)| *f == Lookup::NeverSeen { as_of_seq: kept })
    );
    assert!(page(&follower.lookups(), past.open[0].id, 0, 10).as_of_seq == kept);
    assert!(matches!(follower.lookups().list(past.open[0].id, 0, 10, kept + 1), Ok(Listed::Behind { .. })));
}
