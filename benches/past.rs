//! Owns: a journal that is full already: many sessions, each opened, debited under one writer's numbers or by keys, settled.

use crate::{Dice, NOON, USD};
use std::sync::Arc;
use tallystick_core::{
    AccountId, Amount, Cap, PARTITIONS, PayeeId, Record, SessionId, Stamp, Time, WriterId,
    hash::{KeyHash, Seed},
    id::Place,
    payee::PayeeStatus,
    record::{Debited, Genesis, Keyed, PayeeNoticed, SessionOpened, SessionSettled, StoredIntent},
    session::{Bounds, Mode},
    settlement::Reason,
    writer::Numbered,
};
use tallystick_journal::{GroupWriter, Journal as _, codec, memory::MemoryJournal};

/// How many records a group has: about what a busy committer gathers.
const GROUP: u32 = 1_000;

/// Writes a journal.
#[derive(Debug)]
pub struct Past {
    /// The journal.
    pub journal: Arc<MemoryJournal>,
    /// Its last seq.
    pub last_seq: u64,
    group: GroupWriter,
    check: u64,
    bytes: Vec<u8>,
}

fn session(nth: u64) -> SessionId {
    let partition = u16::try_from(nth % u64::from(PARTITIONS)).unwrap_or(0);
    let slot = u32::try_from(nth / u64::from(PARTITIONS)).unwrap_or(0);
    SessionId::new(Place { partition, slot, generation: 1 }, nth)
}

impl Past {
    /// Writes `debits` debits in random order of `sessions` sessions; by keys, or by numbers.
    pub fn new(sessions: u64, debits: u64, by_key: bool) -> Self {
        let mut past = Self {
            journal: Arc::default(),
            last_seq: 0,
            group: GroupWriter::default(),
            check: 0,
            bytes: Vec::new(),
        };
        past.group.begin(1);
        past.write(0, &Record::Genesis(Genesis { seed: Seed([7; 16]), partitions: PARTITIONS }));
        let payee = PayeeId::new(Place { partition: 0, slot: 1, generation: 1 }, 1);
        for partition in 0..PARTITIONS {
            let noticed = PayeeNoticed { id: payee, slot: 0, status: PayeeStatus::Active, version: 1 };
            past.write(partition, &Record::PayeeNoticed(noticed));
        }
        (0..sessions).for_each(|nth| past.open(session(nth)));
        let writer = WriterId::new(Place { partition: 0, slot: 1, generation: 1 }, 1);
        let (mut dice, mut numbers) = (Dice::default(), vec![0; usize::try_from(sessions).unwrap_or(0)]);
        for nth in 0..debits {
            let at = dice.below(numbers.len());
            numbers[at] += 1;
            let intent = if by_key {
                StoredIntent::Key(KeyHash(
                    u128::from(nth).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835),
                ))
            } else {
                let (number, acked_through) = (numbers[at], numbers[at] - 1);
                StoredIntent::Number(Numbered { writer, epoch: 1, number, acked_through })
            };
            let debited = Debited {
                act: tallystick_core::command::Act::Debit,
                asked_until: Time::ZERO,
                late: false,
                session: session(at as u64),
                payee: 0,
                amount: Amount::from_nanos(1_000_000),
                currency: USD,
                partial: false,
                verdict: None,
                taken: Amount::from_nanos(1_000_000),
                intent,
                reference: "",
                evidence: None,
            };
            past.write(debited.session.partition(), &Record::Debited(debited));
        }
        (0..sessions).for_each(|nth| past.settle(session(nth)));
        past.commit();
        past
    }

    fn open(&mut self, id: SessionId) {
        let bounds = Bounds {
            cap: Amount::MAX,
            not_before: Time::ZERO,
            ends_at: Time::from_ns(u64::MAX),
            default_payee_cap: Cap::NONE,
            debit_min: Amount::ZERO,
            debit_max: Cap::NONE,
            payees_restricted: false,
        };
        let opened = SessionOpened {
            clauses: tallystick_core::session::Clauses::default(),
            token: None,
            id,
            account: AccountId::new(id.place(), 1),
            parent: None,
            mode: Mode::Reserved,
            bounds,
            payees: Vec::new(),
            principal: "cfo",
            method: "passkey",
            evidence_hash: None,
            approved_at: Time::ZERO,
            reference: "",
            keyed: Keyed { key: KeyHash(id.bits()), content: Vec::new() },
        };
        self.write(id.partition(), &Record::SessionOpened(opened));
    }

    fn settle(&mut self, session: SessionId) {
        let (total, released, reason) = (Amount::ZERO, Amount::ZERO, Reason::Closed);
        let settled = SessionSettled { session, reason, lines: Vec::new(), total, released };
        self.write(session.partition(), &Record::SessionSettled(settled));
    }

    fn write(&mut self, partition: u16, record: &Record<'_>) {
        self.last_seq += 1;
        // Two million a second.
        let at = Time::from_ns(NOON.ns() + self.last_seq * 500);
        self.bytes.clear();
        codec::encode(&Stamp { partition, at, actor: 0 }, record, &mut self.bytes);
        self.group.push(&self.bytes, 1);
        if self.group.count() == GROUP {
            self.commit();
        }
    }

    fn commit(&mut self) {
        if self.group.count() == 0 {
            return;
        }
        let first_seq = self.last_seq + 1 - u64::from(self.group.count());
        let (bytes, check) = self.group.finish(self.check);
        self.journal.append(first_seq, bytes).expect("it should be written");
        self.check = check;
        self.group.begin(self.last_seq + 1);
    }
}
