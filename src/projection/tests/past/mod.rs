//! Is a past for tests: a journal full of records as an engine writes them, and a plain list of what its debits were.
#![allow(dead_code, reason = "each test uses its part of the past")]

use std::sync::Arc;
use tallystick_core::{
    AccountId, Amount, Cap, Currency, DeclineCode, Level, PARTITIONS, PayeeId, Record, SessionId, Stamp,
    Time, WriterId,
    command::{Act, ActKind, Scope},
    hash::{KeyHash, Seed},
    id::Place,
    payee::PayeeStatus,
    record::{Debited, Genesis, Keyed, PayeeNoticed, SessionOpened, SessionSettled, StoredIntent},
    session::{Bounds, Mode},
    settlement::Reason,
    writer::Numbered,
};
use tallystick_journal::{
    GroupWriter, Journal as _, NeededFrom, ProjectionStore, StorageFault, codec,
    memory::{MemoryIndex, MemoryJournal, MemoryProjection},
};
use tallystick_projection::{
    By, DebitInfo, Follower, Listed, Lookup, Lookups, Options, Page, Parts, Silent, Step, What,
};

pub(crate) const SEED: Seed = Seed([7; 16]);
pub(crate) const HOUR: u64 = 3_600_000_000_000;
const MORNING: u64 = 1_800_000_000_000_000_000;
/// Two partitions, so that places differ in both parts.
const PARTITIONS_USED: [u16; 2] = [3, 200];
const PAYEES: u32 = 5;

/// Draws the same numbers for the same seed.
#[derive(Debug, Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

/// Is a debit as a plain list has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Debit {
    pub(crate) info: DebitInfo,
    /// The text of its key, if it has one.
    pub(crate) key: Option<String>,
}

/// Is an open session.
#[derive(Debug, Clone)]
pub(crate) struct Open {
    pub(crate) id: SessionId,
    numbers: [u64; 3],
}

/// Writes a journal, group by group.
#[derive(Debug)]
pub(crate) struct Past {
    pub(crate) journal: Arc<MemoryJournal>,
    pub(crate) debits: Vec<Debit>,
    pub(crate) open: Vec<Open>,
    pub(crate) settled: Vec<SessionId>,
    /// The last seq of each group.
    pub(crate) ends: Vec<u64>,
    pub(crate) now: u64,
    dice: Dice,
    seq: u64,
    check: u64,
    bytes: Vec<u8>,
    count: u32,
    opened: u64,
    free: Vec<Place>,
}

pub(crate) fn writer(nth: u64) -> WriterId {
    WriterId::new(Place { partition: 9, slot: 4, generation: 1 }, nth)
}

fn payee(slot: u32) -> PayeeId {
    PayeeId::new(Place { partition: 77, slot: slot * 10, generation: 2 }, u64::from(slot) + 1)
}

impl Past {
    /// Begins with the genesis and the payees' notices.
    pub(crate) fn new(seed: u64) -> Self {
        let free = (0..6).map(|nth| Place {
            partition: PARTITIONS_USED[nth % 2],
            slot: u32::try_from(nth).unwrap(),
            generation: 0,
        });
        let mut past = Self {
            journal: Arc::default(),
            debits: Vec::new(),
            open: Vec::new(),
            settled: Vec::new(),
            ends: Vec::new(),
            now: MORNING,
            dice: Dice(seed),
            seq: 0,
            check: 0,
            bytes: Vec::new(),
            count: 0,
            opened: 0,
            free: free.collect(),
        };
        past.write(0, &Record::Genesis(Genesis { seed: SEED, partitions: PARTITIONS }));
        for partition in PARTITIONS_USED {
            for slot in 0..PAYEES {
                let (id, status) = (payee(slot), PayeeStatus::Active);
                past.write(partition, &Record::PayeeNoticed(PayeeNoticed { id, slot, status, version: 1 }));
            }
        }
        past.commit();
        past
    }

    /// Writes groups in which sessions open, are debited, and settle now and then.
    pub(crate) fn live(&mut self, groups: u64) -> &mut Self {
        for _ in 0..groups {
            for _ in 0..=self.dice.below(40) {
                self.now += self.dice.below(5_000_000_000);
                match self.dice.below(30) {
                    0 => self.open_one(),
                    1 if self.open.len() > 3 => self.settle_one(),
                    _ => self.debit_one(),
                }
            }
            self.commit();
        }
        self
    }

    pub(crate) fn settle_all(&mut self) -> &mut Self {
        while !self.open.is_empty() {
            self.settle_one();
        }
        self.commit();
        self
    }

    pub(crate) fn last_seq(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    pub(crate) fn open_one(&mut self) {
        if self.free.is_empty() {
            return self.settle_one();
        }
        let at = usize::try_from(self.dice.below(self.free.len() as u64)).unwrap();
        let place = self.free.swap_remove(at);
        self.opened += 1;
        let id = SessionId::new(place, self.opened);
        let none = Amount::ZERO;
        let bounds = Bounds {
            cap: Amount::MAX,
            not_before: Time::ZERO,
            ends_at: Time::from_ns(u64::MAX),
            default_payee_cap: Cap::NONE,
            debit_min: none,
            debit_max: Cap::NONE,
            payees_restricted: false,
        };
        let opened = SessionOpened {
            clauses: tallystick_core::session::Clauses::default(),
            token: None,
            id,
            account: AccountId::new(place, 1),
            parent: None,
            mode: Mode::Reserved,
            bounds,
            payees: Vec::new(),
            principal: "cfo",
            method: "passkey",
            evidence_hash: None,
            approved_at: Time::ZERO,
            reference: "",
            keyed: Keyed { key: KeyHash(self.opened.into()), content: Vec::new() },
        };
        self.write(place.partition, &Record::SessionOpened(opened));
        self.open.push(Open { id, numbers: [0; 3] });
    }

    pub(crate) fn settle_one(&mut self) {
        let at = usize::try_from(self.dice.below(self.open.len() as u64)).unwrap();
        let session = self.open.swap_remove(at).id;
        let (total, released, reason) = (Amount::ZERO, Amount::ZERO, Reason::Closed);
        let settled = SessionSettled { session, reason, lines: Vec::new(), total, released };
        self.write(session.partition(), &Record::SessionSettled(settled));
        self.settled.push(session);
        let Place { partition, slot, generation } = session.place();
        self.free.push(Place { partition, slot, generation: generation + 1 });
    }

    pub(crate) fn debit_one(&mut self) {
        if self.open.is_empty() {
            self.open_one();
        }
        let at = usize::try_from(self.dice.below(self.open.len() as u64)).unwrap();
        self.debit(at);
    }

    /// Debits an open session, by key or number as it comes.
    pub(crate) fn debit(&mut self, at: usize) {
        let id = self.open[at].id;
        let (mut key, nth) = (None, usize::try_from(self.dice.below(4)).unwrap());
        let (intent, by) = match self.open[at].numbers.get_mut(nth) {
            Some(number) => {
                *number += 1;
                let (writer, number) = (writer(nth as u64), *number);
                let at = Numbered { writer, epoch: 1, number, acked_through: 0 };
                (StoredIntent::Number(at), By::Number { writer, number })
            }
            None => {
                let text = format!("key {}", self.seq);
                let hash = Scope::Debit.hash(SEED, id.bits(), text.as_bytes());
                key = Some(text);
                (StoredIntent::Key(hash), By::Key(hash))
            }
        };
        let slot = u32::try_from(self.dice.below(PAYEES.into())).unwrap();
        let amount = Amount::from_nanos(1 + self.dice.below(3));
        let verdict = (self.dice.below(5) == 0).then_some((DeclineCode::Cap, Level::Session));
        let (act, late) = match self.dice.below(12) {
            0 => (Act::Hold { tolerance: Amount::from_nanos(2), until: Time::from_ns(self.now + 9) }, false),
            1 => (Act::Capture { hold: 3, last: true }, self.dice.below(2) == 0),
            2 => (Act::Void { hold: 3 }, false),
            _ => (Act::Debit, false),
        };
        let amount = if act.kind() == ActKind::Void { Amount::ZERO } else { amount };
        let taken = match (verdict, act) {
            (Some(_), _) => Amount::ZERO,
            (None, Act::Void { .. }) => Amount::from_nanos(7),
            (None, _) => amount,
        };
        let reference = if self.dice.below(3) == 0 { format!("order {}", self.seq) } else { String::new() };
        let evidence = (self.dice.below(6) == 0).then_some([5; 32]);
        let record = Debited {
            act,
            asked_until: Time::ZERO,
            late,
            session: id,
            payee: slot,
            amount,
            currency: Currency::from_number(840),
            partial: false,
            verdict,
            taken,
            intent,
            reference: &reference,
            evidence,
        };
        self.write(id.partition(), &Record::Debited(record));
        let info = DebitInfo {
            session: id,
            payee: payee(slot),
            seq: self.seq,
            at: Time::from_ns(self.now),
            asked: amount,
            taken,
            reversed: Amount::ZERO,
            verdict,
            by,
            reference: reference.as_str().into(),
            evidence,
            what: What::of(&record),
        };
        self.debits.push(Debit { info, key });
    }

    pub(crate) fn write(&mut self, partition: u16, record: &Record<'_>) {
        let stamp = Stamp { partition, at: Time::from_ns(self.now), actor: 0 };
        codec::encode(&stamp, record, &mut self.bytes);
        self.count += 1;
        self.seq += 1;
    }

    /// Ends a group and appends it to the journal; whether it is durable is the test's to say.
    pub(crate) fn commit(&mut self) {
        if self.count == 0 {
            return;
        }
        let mut group = GroupWriter::default();
        let first = self.seq + 1 - u64::from(self.count);
        group.begin(first);
        group.push(&self.bytes, self.count);
        let (bytes, check) = group.finish(self.check);
        self.journal.append(first, bytes).unwrap();
        self.check = check;
        self.bytes.clear();
        self.count = 0;
        self.ends.push(self.seq);
    }

    pub(crate) fn parts(&self, store: &Arc<MemoryProjection>) -> Parts {
        Parts {
            journal: Arc::clone(&self.journal) as _,
            checkpoints: Arc::new(MemoryIndex::default()),
            store: Arc::clone(store) as Arc<dyn ProjectionStore>,
            needed_from: Arc::new(NeededFrom::default()),
            events: Arc::new(Silent),
        }
    }

    pub(crate) fn follower(&self, store: &Arc<MemoryProjection>, options: Options) -> Follower {
        Follower::open(self.parts(store), options).unwrap()
    }

    /// Follows all of it into a new store.
    pub(crate) fn followed(&self, options: Options) -> (Arc<MemoryProjection>, Lookups) {
        let store = Arc::default();
        let mut follower = self.follower(&store, options);
        follow(&mut follower, self.last_seq()).unwrap();
        (store, follower.lookups())
    }

    /// Asserts that each debit through `last_seq` is found in every form, and none after it.
    pub(crate) fn check(&self, lookups: &Lookups, last_seq: u64) {
        for debit in &self.debits {
            let (info, seq) = (&debit.info, debit.info.seq);
            let is_there = seq <= last_seq;
            for (form, found) in ask(lookups, debit, 0) {
                match found {
                    Lookup::Found { debit, .. } if is_there => assert_eq!(*debit, *info, "{form}"),
                    Lookup::NeverSeen { as_of_seq } if !is_there => assert_eq!(as_of_seq, last_seq),
                    other => panic!("{form} of seq {seq}, followed through {last_seq}: {other:?}"),
                }
            }
        }
        self.check_lists(lookups, last_seq);
    }

    fn check_lists(&self, lookups: &Lookups, last_seq: u64) {
        let ids = self.settled.iter().copied().chain(self.open.iter().map(|open| open.id));
        for id in ids {
            let all = self.debits.iter().map(|debit| &debit.info);
            let expected: Vec<_> = all.filter(|d| d.session == id && d.seq <= last_seq).cloned().collect();
            assert_eq!(listed(lookups, id, 7), expected, "{id} through {last_seq}");
        }
    }
}

/// Asks for a debit in both forms it has.
pub(crate) fn ask(lookups: &Lookups, debit: &Debit, holds_for: u64) -> [(&'static str, Lookup); 2] {
    let info = &debit.info;
    let second = match (&debit.key, info.by) {
        (Some(key), _) => ("by key", lookups.by_key(info.session, key.as_bytes(), holds_for)),
        (None, By::Number { writer, number }) => {
            ("by number", lookups.by_number(info.session, writer, number, holds_for))
        }
        (None, By::Key(_)) => panic!("a key without a text"),
    };
    [("by id", lookups.by_id(info.id(), holds_for).unwrap()), (second.0, second.1.unwrap())]
}

/// Lists a whole session, a page at a time.
pub(crate) fn listed(lookups: &Lookups, session: SessionId, page_size: usize) -> Vec<DebitInfo> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let Page { debits, next_after_seq, .. } = page(lookups, session, after, page_size);
        if debits.is_empty() {
            assert_eq!(next_after_seq, after, "nothing new leaves it the same");
            return all;
        }
        all.extend(debits);
        after = next_after_seq;
    }
}

pub(crate) fn page(lookups: &Lookups, session: SessionId, after: u64, most: usize) -> Page {
    match lookups.list(session, after, most, 0).unwrap() {
        Listed::Page(page) => page,
        Listed::Behind { cursor } => panic!("behind at {cursor}"),
    }
}

/// Steps until there is nothing to do.
pub(crate) fn follow(follower: &mut Follower, durable: u64) -> Result<(), StorageFault> {
    while follower.step(durable)? == Step::Followed {}
    Ok(())
}

/// Takes about this many records a step.
pub(crate) fn small(step_records: u64) -> Options {
    Options { step_records, ..Options::default() }
}
