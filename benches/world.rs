//! Owns: the rules over all partitions, as an engine keeps them: an account in each, sessions spread over them, each of which
//! has paid all its payees. Checkpoints are cut on the way, so that memory holds what a server's would.
//! Never: an engine, its locks or its journal.

use crate::{DEPOSIT, Dice, Mandate, NOON, USD, numbered, opening, rules::record};
use tallystick_core::{
    AccountId, Amount, PARTITIONS, Partition, PayeeId, Record, SessionId, Stamp, WriterId,
    command::{CreateAccount, CreatePayee, Debit, Deposit, OpenSession},
    control::{Control, Promises, State},
    decide::{self, Decided, Judged},
    hash::Seed,
    id::Place,
    payee::Payee,
};

/// After how many records memory lets go of what a checkpoint files. Fewer than a server's default, so that what waits to be
/// filed, which does not grow with the sessions, is a small part of memory.
const CHECKPOINT_RECORDS: u64 = 50_000;
const ROWS_PER_COPY: usize = 256;
/// As many as the engine's.
const TOUCHED_AHEAD: usize = 8;
const TOUCHED_BESIDE: usize = 5;
const TOUCHED_LIMITS: usize = 2;

/// Is a world: empty at first, then at rest and ready to be debited.
#[derive(Debug)]
pub struct World {
    partitions: Vec<Partition>,
    /// Kept apart from the partitions, small and flat: this is the caller's memory.
    sessions: Vec<SessionId>,
    numbers: Vec<u32>,
    accounts: Vec<AccountId>,
    payees: Vec<PayeeId>,
    writer: WriterId,
    seq: u64,
    filed: u64,
    dice: Dice,
    mandate: Mandate,
}

impl World {
    /// What the caller remembers of each session, which is no part of a server. *Units*: bytes.
    pub const CALLER_BYTES: u64 = (size_of::<SessionId>() + size_of::<u32>()) as u64;

    /// Sets up what sessions need: an account in each partition, `payees` payees, a writer.
    pub fn new(payees: usize) -> Self {
        Self::under(Mandate::default(), payees)
    }

    /// As `new`, for sessions that are bounded by a mandate.
    pub fn under(mandate: Mandate, payees: usize) -> Self {
        let mut partitions: Vec<Partition> = (0..PARTITIONS).map(Partition::new).collect();
        partitions.iter_mut().for_each(|partition| partition.adopt_seed(Seed([7; 16])));
        let mut world = Self {
            partitions,
            sessions: Vec::new(),
            numbers: Vec::new(),
            accounts: Vec::new(),
            payees: Vec::new(),
            writer: WriterId::new(Place { partition: 0, slot: 0, generation: 0 }, 0),
            seq: 0,
            filed: 0,
            dice: Dice::default(),
            mandate,
        };
        let payees = world.register(payees);
        world.accounts = (0..PARTITIONS).map(|partition| world.fund(partition, &payees)).collect();
        world.open_writer();
        world.checkpoint();
        world
    }

    /// Opens `sessions` sessions and lets each pay each payee once.
    pub fn open(&mut self, sessions: u64) {
        let count = usize::try_from(sessions).expect("an index");
        self.sessions = Vec::with_capacity(count);
        self.numbers = vec![0; count];
        let cap = Amount::from_nanos(DEPOSIT.nanos() / sessions.div_ceil(u64::from(PARTITIONS)));
        for nth in 0..sessions {
            let account = self.accounts[usize::try_from(nth % u64::from(PARTITIONS)).expect("an index")];
            self.open_session(account, nth, cap);
            self.checkpoint_when_due();
        }
        for at in 0..count {
            for nth in 0..self.payees.len() {
                let debit = self.debit(at, self.payees[nth]);
                self.decide_and_apply(&[debit]);
            }
            self.checkpoint_when_due();
        }
        self.checkpoint();
    }

    /// Revokes a front-end that none of the accounts is of, in every partition: from now on each debit has to look whether it is
    /// stopped, and none is.
    pub fn stop_another(&mut self) {
        let state = State::Revoked(Promises::Honour);
        let control = Control { state, epoch: 1, by: 0, at: NOON, note: Box::default() };
        for number in 0..PARTITIONS {
            let set = decide::take_control(&self.partitions[usize::from(number)], "another", &control);
            let Decided::Record(set) = set else { panic!("stopped before") };
            self.write(number, &set);
        }
    }

    /// Returns debits of sessions and payees chosen at random, each to be decided once and in order.
    pub fn next_debits(&mut self, count: usize) -> Vec<Debit<'static>> {
        let mut debits = Vec::with_capacity(count);
        for _ in 0..count {
            let at = self.dice.below(self.sessions.len());
            let payee = self.payees[self.dice.below(self.payees.len())];
            debits.push(self.debit(at, payee));
        }
        debits
    }

    /// Decides and applies debits as the engine does a batch: the rows of the next few are touched before one is decided.
    /// Returns the last seq.
    pub fn decide_and_apply(&mut self, debits: &[Debit<'_>]) -> u64 {
        debits.iter().take(TOUCHED_AHEAD).for_each(|debit| self.touch(debit));
        for (nth, debit) in debits.iter().enumerate() {
            if let Some(ahead) = debits.get(nth + TOUCHED_AHEAD) {
                self.touch(ahead);
            }
            self.touch_beside(debits, nth);
            let number = debit.session.partition();
            let partition = &mut self.partitions[usize::from(number)];
            let judged = decide::judge(partition, debit, NOON).expect("a decision");
            let Judged::New(new) = judged else { panic!("decided before: {debit:?}") };
            assert!(new.ruling.is_ok(), "every debit of a bench is approved");
            self.seq += 1;
            partition.apply(self.seq, &stamp(number), &Record::Debited(new.record(debit)));
        }
        self.seq
    }

    fn touch(&self, debit: &Debit<'_>) {
        self.partitions[usize::from(debit.session.partition())].touch(debit.session);
    }

    fn touch_beside(&self, debits: &[Debit<'_>], nth: usize) {
        let of = |debit: &Debit<'_>| &self.partitions[usize::from(debit.session.partition())];
        if let Some(debit) = debits.get(nth + TOUCHED_BESIDE).filter(|debit| of(debit).has_beside()) {
            of(debit).touch_beside(debit.session);
        }
        if let Some(debit) = debits.get(nth + TOUCHED_LIMITS).filter(|debit| of(debit).has_beside()) {
            of(debit).touch_limits(debit.session);
        }
    }

    fn write(&mut self, partition: u16, record: &Record<'_>) {
        self.seq += 1;
        self.partitions[usize::from(partition)].apply(self.seq, &stamp(partition), record);
    }

    /// Registers payees in the first partition, and returns them as every other one is told of them.
    fn register(&mut self, count: usize) -> Vec<Payee> {
        for nth in 0..count {
            let key = nth.to_le_bytes();
            let create = CreatePayee { key: &key, name: "payee" };
            let created =
                record(decide::create_payee(&self.partitions[0], &create, None, 2).expect("a payee"));
            self.write(0, &created);
        }
        let payees: Vec<_> = self.partitions[0].payees_from(0, u32::MAX).cloned().collect();
        self.payees = payees.iter().map(|payee| payee.id).collect();
        payees
    }

    /// Tells a partition of the payees, and puts an account with money into it.
    fn fund(&mut self, number: u16, payees: &[Payee]) -> AccountId {
        let at = usize::from(number);
        for payee in payees {
            let noticed = record(decide::take_notice(&self.partitions[at], payee).expect("a notice"));
            self.write(number, &noticed);
        }
        let velocity = self.mandate.account_velocity.clone();
        let create = CreateAccount { velocity: &velocity, ..CreateAccount::prepaid(b"account", USD) };
        let created =
            decide::create_account(&self.partitions[at], &create, None, (NOON, 1)).expect("an account");
        self.write(number, &record(created));
        let account = self.partitions[at].accounts_from(0, 1).next().expect("it was just created").id;
        let deposit = Deposit { account, key: b"deposit", amount: DEPOSIT, currency: USD, pending: false };
        let deposited = decide::deposit(&self.partitions[at], &deposit, None, 3).expect("a deposit");
        self.write(number, &record(deposited));
        account
    }

    fn open_writer(&mut self) {
        let opened = decide::open_writer(&self.partitions[0], None, 3).expect("a writer");
        self.writer = opened.id;
        self.write(0, &Record::WriterOpened(opened));
    }

    fn open_session(&mut self, account: AccountId, nth: u64, cap: Amount) {
        let (key, partition) = (nth.to_le_bytes(), account.partition());
        // What its authority says is the caller's own text, kept as it is: it is no part of what a session costs.
        let opening = OpenSession { principal: "", method: "", ..opening(account, &key, cap) };
        let opening = self.mandate.bound(opening);
        let state = &self.partitions[usize::from(partition)];
        let opened = record(decide::open_session(state, &opening, None, (NOON, nth)).expect("a session"));
        let Record::SessionOpened(session) = &opened else { panic!("declined: {opened:?}") };
        self.sessions.push(session.id);
        self.write(partition, &opened);
    }

    fn debit(&mut self, at: usize, payee: PayeeId) -> Debit<'static> {
        self.numbers[at] += 1;
        numbered(self.sessions[at], payee, self.writer, self.numbers[at].into())
    }

    fn checkpoint_when_due(&mut self) {
        if self.seq - self.filed >= CHECKPOINT_RECORDS {
            self.checkpoint();
        }
    }

    /// Cuts every partition and forgets what is filed then. What is copied goes nowhere.
    fn checkpoint(&mut self) {
        for partition in &mut self.partitions {
            drop(partition.cut(self.seq));
            while !partition.copy(ROWS_PER_COPY).is_empty() {}
            partition.filed_through(self.seq);
        }
        self.filed = self.seq;
    }
}

fn stamp(partition: u16) -> Stamp {
    Stamp { partition, at: NOON, actor: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_session_has_paid_every_payee_and_can_be_debited_on() {
        let mut world = World::new(3);
        world.open(1_000);
        let open: u32 = world.partitions.iter().map(Partition::open_sessions).sum();
        assert_eq!(open, 1_000);
        assert!(world.numbers.iter().all(|number| *number == 3));
        let before = world.seq;
        let debits = world.next_debits(5_000);
        world.decide_and_apply(&debits);
        assert_eq!(world.seq, before + 5_000);
    }
}
