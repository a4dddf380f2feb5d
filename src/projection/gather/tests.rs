use super::*;
use crate::{
    Options,
    filing::Filing,
    kind::{head::Head, payee, reversal},
};
use std::sync::Arc;
use tallystick_core::{
    Currency,
    hash::KeyHash,
    id::Place,
    payee::PayeeStatus,
    record::{OutboxDelivered, PayeeNoticed},
};
use tallystick_journal::{ProjectionStore, memory::MemoryProjection};

const PLACE: Place = Place { partition: 3, slot: 4, generation: 5 };
const HEAD: Head = Head { cursor: 0, check: 0, complete_from: 1, seed: Seed([0; 16]), latest: Time::ZERO };

fn stamp(at: u64) -> Stamp {
    Stamp { partition: 3, at: Time::from_ns(at), actor: 0 }
}

fn debit(session: SessionId, seq: u64) -> Debited<'static> {
    Debited {
        act: tallystick_core::command::Act::Debit,
        asked_until: Time::ZERO,
        late: false,
        session,
        payee: 8,
        amount: Amount::from_nanos(10),
        currency: Currency::from_number(840),
        partial: false,
        verdict: None,
        taken: Amount::from_nanos(10),
        intent: StoredIntent::Key(KeyHash(seq.into())),
        reference: "",
        evidence: None,
    }
}

fn write(store: &MemoryProjection, gathered: &mut Gathered) {
    let options = Options::default();
    let mut filing = Filing::new(store, HEAD, &options);
    crate::follower::file(gathered, &mut filing).unwrap();
    filing.finish(&HEAD).unwrap();
}

#[test]
fn what_is_taken_back_adds_up_over_steps() {
    let (store, session) = (MemoryProjection::default(), SessionId::new(PLACE, 6));
    let at = At::of(session);
    for (amounts, sum) in [([5, 0], 5), ([1, 2], 8)] {
        let mut gathered = Gathered::default();
        amounts.iter().for_each(|amount| gathered.reversed(session, 70, Amount::from_nanos(*amount)));
        write(&store, &mut gathered);
        assert_eq!(reversal::find(&store, at, 70).unwrap().nanos(), sum);
    }
    assert_eq!(reversal::find(&store, at, 71).unwrap(), Amount::ZERO);
}

#[test]
fn a_debit_shows_what_was_taken_back_of_it() {
    let (store, session) = (Arc::new(MemoryProjection::default()), SessionId::new(PLACE, 6));
    let payee = PayeeId::new(PLACE, 9);
    let mut gathered = Gathered::default();
    let noticed = PayeeNoticed { id: payee, slot: 8, status: PayeeStatus::Active, version: 1 };
    gathered.take(1, &stamp(1), &Record::PayeeNoticed(noticed));
    for seq in 2..=9 {
        gathered.take(seq, &stamp(seq), &Record::Debited(debit(session, seq)));
    }
    gathered.take(10, &stamp(10), &Record::OutboxDelivered(OutboxDelivered { through: 1 }));
    for (seq, amount) in [(3, 1), (7, 4), (7, 6)] {
        gathered.reversed(session, seq, Amount::from_nanos(amount));
    }
    assert_eq!((gathered.records, gathered.latest), (10, Time::from_ns(10)));
    write(&store, &mut gathered);
    assert_eq!(payee::find(store.as_ref(), 3, 8).unwrap(), payee);
    let shared = Arc::new(crate::shared::Shared::new(Some(&HEAD)));
    let lookups = crate::Lookups::new(&(store as Arc<dyn ProjectionStore>), &shared);
    let crate::Listed::Page(page) = lookups.list(session, 2, 10, 0).unwrap() else { panic!("behind") };
    let reversed: Vec<_> = page.debits.iter().map(|debit| (debit.seq, debit.reversed.nanos())).collect();
    assert_eq!(reversed, [(3, 1), (4, 0), (5, 0), (6, 0), (7, 10), (8, 0), (9, 0)]);
    let crate::Lookup::Found { debit, .. } = lookups.by_id(session.debit(7), 0).unwrap() else {
        panic!("not found")
    };
    assert_eq!((debit.reversed.nanos(), debit.taken.nanos()), (10, 10));
}

fn slots(gathered: &mut Gathered) -> Vec<u32> {
    let mut slots = Vec::new();
    let visit = |touched: &mut Touched| {
        slots.push(touched.id.slot());
        Ok::<_, ()>(())
    };
    gathered.sessions(visit).unwrap();
    slots
}

#[test]
fn nothing_of_one_step_is_in_the_next() {
    let session = |slot| SessionId::new(Place { slot, ..PLACE }, 1);
    let mut gathered = Gathered::default();
    for slot in [9u32, 2, 5] {
        gathered.touch(session(slot)).settled = Some((1, Time::ZERO));
        gathered.take(u64::from(slot), &stamp(1), &Record::Debited(debit(session(slot), slot.into())));
    }
    gathered.reversed(session(9), 1, Amount::from_nanos(1));
    // Ends without having been filed, as a step that failed.
    gathered.begin(Time::from_ns(7));
    assert_eq!((gathered.records, gathered.bytes, gathered.latest), (0, 0, Time::from_ns(7)));
    assert!(gathered.reversed.is_empty() && slots(&mut gathered).is_empty());
    gathered.touch(session(4));
    let all_gone = |touched: &mut Touched| {
        assert_eq!((touched.opened_seq, touched.settled, touched.chunks().count()), (None, None, 0));
        Ok::<_, ()>(())
    };
    gathered.sessions(all_gone).unwrap();
    assert_eq!(slots(&mut gathered), [4]);
}

#[test]
fn sessions_come_in_order_of_their_places() {
    let mut gathered = Gathered::default();
    let ids = [9u32, 2, 5].map(|slot| SessionId::new(Place { slot, ..PLACE }, 1));
    ids.iter().for_each(|id| gathered.touch(*id).opened_seq = Some(1));
    assert_eq!(slots(&mut gathered), [2, 5, 9]);
}
