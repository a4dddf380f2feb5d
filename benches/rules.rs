//! Owns: one partition with an account, payees, a writer and many sessions, driven by the rules alone.

use crate::{DEPOSIT, Dice, NOON, USD, numbered, opening};
use tallystick_core::{
    Amount, Partition, PayeeId, Record, SessionId, Stamp, WriterId,
    command::{CreateAccount, CreatePayee, Debit, Deposit},
    decide::{self, Decided},
    hash::Seed,
};

const STAMP: Stamp = Stamp { partition: 0, at: NOON, actor: 0 };

/// Is a partition and what is known about it.
#[derive(Debug)]
pub struct Rules {
    /// The state.
    pub partition: Partition,
    sessions: Vec<(SessionId, u64)>,
    payees: Vec<PayeeId>,
    writer: WriterId,
    seq: u64,
    dice: Dice,
}

/// Returns the record of a decision that is new.
pub(crate) fn record<T: std::fmt::Debug>(decided: Decided<'_, T>) -> Record<'_> {
    match decided {
        Decided::Record(record) => record,
        Decided::Replay(was) => panic!("this was decided before: {was:?}"),
    }
}

impl Rules {
    /// Sets up a partition in which `sessions` sessions pay `payees` payees.
    pub fn new(sessions: u64, payees: usize) -> Self {
        let mut partition = Partition::new(0);
        partition.adopt_seed(Seed([7; 16]));
        let mut seq = 0;
        let mut write = |partition: &mut Partition, record: &Record<'_>| {
            seq += 1;
            partition.apply(seq, &STAMP, record);
        };
        let create = CreateAccount::prepaid(b"account", USD);
        let created =
            record(decide::create_account(&partition, &create, None, (NOON, 1)).expect("an account"));
        write(&mut partition, &created);
        let account = partition.accounts_from(0, 1).next().expect("it was just created").id;
        let deposit = Deposit { account, key: b"deposit", amount: DEPOSIT, currency: USD, pending: false };
        let deposited = record(decide::deposit(&partition, &deposit, None, 3).expect("a deposit"));
        write(&mut partition, &deposited);
        for nth in 0..payees {
            let key = nth.to_le_bytes();
            let create = CreatePayee { key: &key, name: "payee" };
            let created = record(decide::create_payee(&partition, &create, None, 2).expect("a payee"));
            write(&mut partition, &created);
        }
        let rows: Vec<_> = partition.payees_from(0, u32::MAX).cloned().collect();
        for payee in &rows {
            let noticed = record(decide::take_notice(&partition, payee).expect("a notice"));
            write(&mut partition, &noticed);
        }
        let opened = decide::open_writer(&partition, None, 3).expect("a writer");
        write(&mut partition, &Record::WriterOpened(opened));
        let cap = Amount::from_nanos(DEPOSIT.nanos() / sessions);
        let mut ids = Vec::new();
        for nth in 0..sessions {
            let key = nth.to_le_bytes();
            let opening = opening(account, &key, cap);
            let opened =
                record(decide::open_session(&partition, &opening, None, (NOON, nth)).expect("a session"));
            let Record::SessionOpened(session) = &opened else { panic!("declined: {opened:?}") };
            ids.push((session.id, 0));
            write(&mut partition, &opened);
        }
        let payees = rows.iter().map(|payee| payee.id).collect();
        Self { partition, sessions: ids, payees, writer: opened.id, seq, dice: Dice::default() }
    }

    /// Returns the next debit of a session chosen at random, to a payee chosen at random.
    pub fn next_debit(&mut self) -> Debit<'static> {
        let at = self.dice.below(self.sessions.len());
        let payee = self.payees[self.dice.below(self.payees.len())];
        let (session, number) = &mut self.sessions[at];
        *number += 1;
        numbered(*session, payee, self.writer, *number)
    }

    /// Decides and applies one debit, and returns its seq.
    pub fn decide_and_apply(&mut self, debit: &Debit<'_>) -> u64 {
        let (decided, decline) = decide::debit(&self.partition, debit, NOON).expect("a decision");
        assert_eq!(decline, None, "every debit of a bench is approved");
        self.seq += 1;
        self.partition.apply(self.seq, &STAMP, &record(decided));
        self.seq
    }
}
