//! Owns: every change to a partition. One function turns a record into state; live, it runs right after the decision, and
//! in recovery it is all that runs, so both are the same world (I7).
//! Never: decides; refuses. A record that does not fit the state is a bug here or damage there, and stops the process.

use crate::{
    Amount, Cap, Partition, Record, Stamp, Total,
    account::Account,
    books::{Book, Posting},
    keys::{Remembered, Said},
    partition::{CommandKey, Made},
    payee::{Notice, Payee},
    record::{
        AccountCreated, Debited, Deposited, Keyed, OutboxDelivered, PayeeCreated, PayeeNoticed, PayeeShared,
        PayeeStatusSet, SessionOpened, SessionSettled, SettlementPosted, StoredIntent, WriterOpened,
        WriterPositioned,
    },
    session::{About, Authority, PayeePart, Session},
    settlement::{Outgoing, Settlement},
    writer::Writer,
};
use alloc::{boxed::Box, vec::Vec};

/// Stops: what cannot be has happened.
#[cold]
#[expect(
    clippy::panic,
    reason = "a bug in the money state stops the process; there is no state to go on with"
)]
pub(crate) fn bug(text: &str) -> ! {
    panic!("bug: {text}")
}

/// Returns a sum that cannot fail, because its parts are bounded by what was checked before. *Panics*: if it does.
pub(crate) fn sure<T>(sum: Option<T>) -> T {
    sum.unwrap_or_else(|| bug("a sum that was checked has left its range"))
}

fn found<T>(row: Option<T>, text: &str) -> T {
    row.unwrap_or_else(|| bug(text))
}

impl Partition {
    /// Applies one record. *Ordering*: records come in the order of their seqs.
    /// *Panics*: if the record does not fit this state.
    pub fn apply(&mut self, seq: u64, stamp: &Stamp, record: &Record<'_>) {
        assert_eq!(stamp.partition, self.number, "bug: record {seq} belongs to another partition");
        assert!(seq > self.seq, "bug: record {seq} comes after {}", self.seq);
        assert!(stamp.at >= self.last_at, "bug: record {seq} was decided before {}", self.last_at);
        self.seq = seq;
        self.last_at = stamp.at;
        match record {
            Record::Debited(debit) => self.debited(seq, debit),
            Record::Genesis(genesis) => self.seed = genesis.seed,
            Record::AccountCreated(made) => self.account_created(seq, stamp, made),
            Record::Deposited(deposit) => self.deposited(seq, deposit),
            Record::PayeeCreated(made) => self.payee_created(seq, stamp, made),
            Record::PayeeStatusSet(set) => self.payee_status_set(set),
            Record::PayeeShared(shared) => self.payee_shared(shared),
            Record::PayeeNoticed(noticed) => self.payee_noticed(noticed),
            Record::SessionOpened(opened) => self.session_opened(seq, stamp, opened),
            Record::OpenDeclined(declined) => {
                self.remember_command(seq, &declined.keyed, Made::Declined(declined.decline));
            }
            Record::WriterOpened(opened) => self.writer_opened(opened),
            Record::WriterPositioned(positioned) => self.writer_positioned(positioned),
            Record::SessionSettled(settled) => self.session_settled(seq, stamp, settled),
            Record::SettlementPosted(posted) => self.settlement_posted(posted),
            Record::OutboxDelivered(delivered) => self.outbox_delivered(delivered),
        }
    }

    /// Takes a journal's seed without a record: every partition shares the genesis of partition 0.
    pub fn adopt_seed(&mut self, seed: crate::hash::Seed) {
        self.seed = seed;
    }

    fn debited(&mut self, seq: u64, debit: &Debited<'_>) {
        let said = Said {
            amount: debit.amount,
            payee: debit.payee,
            currency: debit.currency,
            reference: self.seed.field(debit.reference.as_bytes()),
            evidence: self.seed.field(debit.evidence.as_ref().map_or(&[], |hash| hash.as_slice())),
        };
        let session = found(self.sessions.get_mut(debit.session.slot()), "a debit in no session");
        assert_eq!(session.id, debit.session, "bug: record {seq} names another session");
        match debit.intent {
            StoredIntent::Key(key) => {
                session.keys.remember(key, Remembered { seq, said, verdict: debit.verdict });
            }
            StoredIntent::Number(at) => {
                found(session.window_mut(at.writer, at.epoch), "no window").remember(
                    &at,
                    seq,
                    said,
                    debit.verdict,
                );
            }
        }
        if debit.verdict.is_none() {
            session.take(debit.payee, debit.amount);
            let (currency, amount) = (session.currency, debit.amount);
            self.books.post(Posting { currency, from: Book::Reserved, to: Book::Unsettled, amount });
        }
    }

    fn account_created(&mut self, seq: u64, stamp: &Stamp, made: &AccountCreated<'_>) {
        let account = Account {
            id: made.id,
            currency: made.currency,
            funding: made.funding,
            deposited: Total::ZERO,
            reserved_by_children: Total::ZERO,
            spent_below: Total::ZERO,
            open_children: 0,
            created_at: stamp.at,
            reference: made.reference.into(),
        };
        self.accounts.insert(made.id.slot(), account);
        self.remember_command(seq, &made.keyed, Made::Account(made.id));
    }

    fn deposited(&mut self, seq: u64, deposit: &Deposited) {
        let account = found(self.accounts.get_mut(deposit.account.slot()), "a deposit in no account");
        assert_eq!(account.id, deposit.account, "bug: record {seq} names another account");
        account.deposited = sure(account.deposited.checked_add(deposit.amount.into()));
        assert_eq!(account.deposited, deposit.deposited_after, "bug: record {seq} found other deposits");
        let currency = account.currency;
        let amount = deposit.amount;
        self.books.post(Posting { currency, from: Book::Outside, to: Book::PayerAvailable, amount });
        self.remember_command(seq, &deposit.keyed, Made::Deposit(deposit.account));
    }

    fn payee_created(&mut self, seq: u64, stamp: &Stamp, made: &PayeeCreated<'_>) {
        let payee = Payee {
            id: made.id,
            status: made.status,
            version: 1,
            known_in: [0; 4],
            ledgers: Vec::new(),
            created_at: stamp.at,
            name: made.name.into(),
        };
        self.payees.insert(made.id.slot(), payee);
        self.remember_command(seq, &made.keyed, Made::Payee(made.id));
    }

    fn payee_status_set(&mut self, set: &PayeeStatusSet) {
        let payee = found(self.payees.get_mut(set.id.slot()), "a status of no payee");
        assert_eq!(payee.id, set.id, "bug: a status names another payee");
        assert_eq!(set.version, payee.version + 1, "bug: a change of status is missing for {}", set.id);
        payee.status = set.status;
        payee.version = set.version;
    }

    fn payee_shared(&mut self, shared: &PayeeShared) {
        let payee = found(self.payees.get_mut(shared.id.slot()), "a share of no payee");
        assert_eq!(payee.id, shared.id, "bug: a share names another payee");
        payee.share_with(shared.with);
    }

    fn payee_noticed(&mut self, noticed: &PayeeNoticed) {
        let notice = Notice { id: noticed.id, status: noticed.status, version: noticed.version };
        match self.notices.get_mut(noticed.slot) {
            Some(before) => {
                assert_eq!(before.id, notice.id, "bug: a notice names another payee");
                assert!(before.version < notice.version, "bug: a notice of {} ran back", notice.id);
                *before = notice;
            }
            None => {
                self.notices.insert(noticed.slot, notice);
                self.notice_slots.insert(notice.id.bits(), noticed.slot);
            }
        }
    }

    fn session_opened(&mut self, seq: u64, stamp: &Stamp, opened: &SessionOpened<'_>) {
        let account = found(self.accounts.get_mut(opened.account.slot()), "a session in no account");
        assert_eq!(account.id, opened.account, "bug: record {seq} names another account");
        account.reserve(opened.bounds.cap);
        let currency = account.currency;
        let part = |(payee, cap): &(u32, Cap)| PayeePart {
            payee: *payee,
            spent: Amount::ZERO,
            debit_count: 0,
            cap: *cap,
        };
        let authority = Authority {
            principal: opened.principal.into(),
            method: opened.method.into(),
            evidence_hash: opened.evidence_hash,
            approved_at: opened.approved_at,
        };
        let session = Session {
            id: opened.id,
            account: opened.account.slot(),
            currency,
            bounds: opened.bounds,
            spent_own: Amount::ZERO,
            spent_below: Amount::ZERO,
            held: Amount::ZERO,
            reserved_by_children: Amount::ZERO,
            debit_count: 0,
            opened_at: stamp.at,
            payees: opened.payees.iter().map(part).collect(),
            writers: Vec::new(),
            keys: Box::default(),
            about: Box::new(About { authority, reference: opened.reference.into() }),
        };
        self.sessions.insert(opened.id.slot(), session);
        self.ends.insert((opened.bounds.ends_at, opened.id.slot()));
        let amount = opened.bounds.cap;
        self.books.post(Posting { currency, from: Book::PayerAvailable, to: Book::Reserved, amount });
        self.remember_command(seq, &opened.keyed, Made::Session(opened.id));
    }

    fn writer_opened(&mut self, opened: &WriterOpened) {
        match self.writers.get_mut(opened.id.slot()) {
            Some(writer) => {
                assert_eq!(writer.id, opened.id, "bug: an epoch names another writer");
                assert_eq!(opened.epoch, writer.epoch + 1, "bug: an epoch of {} is missing", opened.id);
                writer.epoch = opened.epoch;
            }
            None => self.writers.insert(opened.id.slot(), Writer { id: opened.id, epoch: opened.epoch }),
        }
    }

    fn writer_positioned(&mut self, positioned: &WriterPositioned) {
        let session = found(self.sessions.get_mut(positioned.session.slot()), "a position in no session");
        assert_eq!(session.id, positioned.session, "bug: a position names another session");
        found(session.window_mut(positioned.writer, positioned.epoch), "no window").adopt(positioned.epoch);
    }

    fn session_settled(&mut self, seq: u64, stamp: &Stamp, settled: &SessionSettled) {
        let session = found(self.sessions.remove(settled.session.slot()), "a settlement of no session");
        assert_eq!(session.id, settled.session, "bug: record {seq} names another session");
        assert_eq!(session.spent_own, settled.total, "bug: record {seq} settles another total");
        let lines = settled.lines.iter().try_fold(Amount::ZERO, |sum, line| sum.checked_add(line.amount));
        assert_eq!(lines, Some(settled.total), "bug: the lines of record {seq} do not add up");
        assert_eq!(
            settled.total.checked_add(settled.released),
            Some(session.bounds.cap),
            "bug: record {seq} lost a nano"
        );
        self.ends.remove(&(session.bounds.ends_at, settled.session.slot()));
        let account = found(self.accounts.get_mut(session.account), "a session without an account");
        account.release(session.bounds.cap, settled.total);
        let (account, currency) = (account.id, session.currency);
        let post = |from, to, amount| Posting { currency, from, to, amount };
        self.books.post(post(Book::Unsettled, Book::InTransit, settled.total));
        self.books.post(post(Book::Reserved, Book::PayerAvailable, settled.released));
        for line in &settled.lines {
            self.outbox_last += 1;
            let (no, settlement) = (self.outbox_last, settled.session.settlement());
            self.outbox.push_back(Outgoing { no, settlement, currency, line: *line });
        }
        let settlement = Settlement {
            session: settled.session,
            account,
            currency,
            reason: settled.reason,
            lines: settled.lines.clone(),
            total: settled.total,
            released: settled.released,
            debit_count: session.debit_count,
            opened_at: session.opened_at,
            settled_at: stamp.at,
            seq,
        };
        self.unfiled.insert(seq, settlement);
        self.unfiled_seqs.insert(settled.session, seq);
    }

    fn settlement_posted(&mut self, posted: &SettlementPosted) {
        let Outgoing { no, currency, line, .. } = posted.outgoing;
        let last = self.inbox.entry(posted.source).or_insert(0);
        assert!(no > *last, "bug: line {no} of partition {} arrived twice", posted.source);
        *last = no;
        let payee = found(self.payees.get_mut(line.payee.slot()), "a line for no payee");
        assert_eq!(payee.id, line.payee, "bug: a line names another payee");
        payee.post(currency, line.amount);
        self.books.post(Posting {
            currency,
            from: Book::InTransit,
            to: Book::PayeePayable,
            amount: line.amount,
        });
    }

    fn outbox_delivered(&mut self, delivered: &OutboxDelivered) {
        assert!(delivered.through <= self.outbox_last, "bug: line {} was never sent", delivered.through);
        while self.outbox.front().is_some_and(|line| line.no <= delivered.through) {
            self.outbox.pop_front();
        }
    }

    fn remember_command(&mut self, seq: u64, keyed: &Keyed, made: Made) {
        let (slot, _) = self.command_keys.next_place();
        let content = keyed.content.as_slice().into();
        self.command_keys.insert(slot, CommandKey { key: keyed.key, content, made, seq });
        let before = self.command_slots.insert(keyed.key, slot);
        assert!(before.is_none(), "bug: one command key was decided twice, at seq {seq} again");
    }
}
