//! Every debit is found by its id, by its key or number, and in its session's list, as it was decided: while the session is
//! open, after it is settled, and long after that.
#![allow(clippy::unwrap_used, reason = "a test")]

mod past;

use past::{HOUR, Past, ask, page, small, writer};
use std::sync::Arc;
use tallystick_core::{Span, id::Place};
use tallystick_journal::{ProjectionStore as _, memory::MemoryProjection};
use tallystick_projection::{Lookup, Options, Step};

const KEYS: u8 = 6;
const NUMBERS: u8 = 7;
const DUE: u8 = 8;

#[test]
fn while_sessions_are_open_and_after() {
    for step_records in [1, 50, 1_000_000] {
        let mut past = Past::new(1);
        let (_, lookups) = past.live(150).followed(small(step_records));
        assert!(past.settled.len() > 20 && past.debits.len() > 1_000, "{} settled", past.settled.len());
        past.check(&lookups, past.last_seq());
        let (_, lookups) = past.settle_all().followed(small(step_records));
        past.check(&lookups, past.last_seq());
    }
}

#[test]
fn at_every_step_of_the_way() {
    let mut past = Past::new(2);
    past.live(30);
    let store = Arc::default();
    let mut follower = past.follower(&store, small(1));
    for end in past.ends.clone() {
        while follower.step(end).unwrap() == Step::Followed {}
        assert_eq!(follower.cursor(), end);
        past.check(&follower.lookups(), end);
    }
}

#[test]
fn nothing_is_found_that_never_was() {
    let mut past = Past::new(3);
    let (_, lookups) = past.live(20).followed(Options::default());
    let as_of_seq = past.last_seq();
    let open = past.open[0].id;
    let settled = past.settled[0];
    let unknown = tallystick_core::SessionId::new(Place { partition: 3, slot: 0, generation: 900 }, 1);
    for session in [open, settled, unknown] {
        let found = lookups.by_key(session, b"never", 0).unwrap();
        assert_eq!(found, Lookup::NeverSeen { as_of_seq });
        let found = lookups.by_number(session, writer(0), u64::MAX, 0).unwrap();
        assert_eq!(found, Lookup::NeverSeen { as_of_seq });
        let found = lookups.by_number(session, writer(9), 1, 0).unwrap();
        assert_eq!(found, Lookup::NeverSeen { as_of_seq });
        assert_eq!(lookups.by_id(session.debit(1), 0).unwrap(), Lookup::NeverSeen { as_of_seq });
        assert_eq!(lookups.by_id(session.debit(u64::MAX), 0).unwrap(), Lookup::NeverSeen { as_of_seq });
    }
    assert!(page(&lookups, open, 0, 1).is_known && page(&lookups, settled, 0, 1).is_known);
    assert!(!page(&lookups, unknown, 0, 1).is_known);
    // The key of one session is no key of another.
    let keyed = past.debits.iter().find(|debit| debit.key.is_some()).unwrap();
    let key = keyed.key.as_ref().unwrap().as_bytes();
    let other = past.open.iter().find(|other| other.id != keyed.info.session).unwrap().id;
    assert_eq!(lookups.by_key(other, key, 0).unwrap(), Lookup::NeverSeen { as_of_seq });
}

#[test]
fn a_long_session_is_found_from_both_ends() {
    let mut past = Past::new(4);
    past.open_one();
    for nth in 0..5_000 {
        past.debit(0);
        if nth % 3 == 0 {
            past.commit();
        }
    }
    past.commit();
    let (store, lookups) = past.followed(small(1));
    past.check(&lookups, past.last_seq());
    let chunks = |store: &MemoryProjection| store.dump().keys().filter(|(table, _)| *table == 4).count();
    let while_open = chunks(&store);
    let (store, lookups) = past.settle_all().followed(small(1));
    past.check(&lookups, past.last_seq());
    assert!(while_open > 1_000 && chunks(&store) <= 21, "{while_open} chunks became {}", chunks(&store));
}

#[test]
fn keys_and_numbers_go_after_the_retry_window_and_debits_stay() {
    let options = || Options { retry_window: Span::from_ns(HOUR), ..small(1) };
    let mut past = Past::new(5);
    past.live(60).settle_all();
    let store = Arc::default();
    let mut follower = past.follower(&store, options());
    past::follow(&mut follower, past.last_seq()).unwrap();
    let count = |table| store.dump().keys().filter(|(of, _)| *of == table).count();
    assert!(count(KEYS) > 0 && count(NUMBERS) > 0 && count(DUE) > 0);
    past.now += 2 * HOUR;
    past.open_one();
    past.commit();
    past::follow(&mut follower, past.last_seq()).unwrap();
    assert_eq!((count(KEYS), count(NUMBERS), count(DUE)), (0, 0, 0));
    past.check(&follower.lookups(), past.last_seq());
}

#[test]
fn what_leads_nowhere_is_looked_for_among_the_debits() {
    let mut past = Past::new(6);
    let (store, lookups) = past.live(40).settle_all().followed(Options::default());
    // As if a chunk had been written anew between two reads: what points to it points to nothing.
    store.tamper(|entries| {
        let numbers = entries.iter_mut().filter(|((table, _), _)| *table == NUMBERS);
        numbers.for_each(|(_, value)| *value = vec![1, 99]);
    });
    past.check(&lookups, past.last_seq());
    assert!(store.get(NUMBERS, &[]).unwrap().is_none());
    let last = past.debits.last().unwrap();
    assert!(ask(&lookups, last, 0).iter().all(|(_, found)| matches!(found, Lookup::Found { .. })));
}
