//! Owns: every change to a partition. One function turns a record into state; live, it runs right after the decision, and
//! in recovery it is all that runs, so both are the same world (I7).
//! Never: decides; refuses. A record that does not fit the state is a bug here or damage there, and stops the process.

mod account;
mod control;
mod hold;
mod session;
mod token;
mod velocity;

use crate::{
    Partition, Record, Stamp, Time,
    books::{Book, Posting},
    credential::{self, Credential},
    partition::{CommandKey, Made},
    payee::{Notice, Payee},
    record::{
        CredentialMade, CredentialRevoked, Keyed, OutboxDelivered, PayeeCreated, PayeeNoticed, PayeeShared,
        PayeeStatusSet, SettlementPosted, WriterOpened, WriterPositioned,
    },
    settlement::Outgoing,
    writer::Writer,
};
use alloc::vec::Vec;

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
            Record::Debited(debit) => self.debited(seq, stamp, debit),
            Record::HoldLapsed(lapsed) => self.hold_lapsed(stamp, lapsed),
            Record::Genesis(genesis) => self.seed = genesis.seed,
            Record::AccountCreated(made) => self.account_created(seq, stamp, made),
            Record::Deposited(deposit) => self.deposited(seq, deposit),
            Record::DepositMade(made) => self.deposit_made(seq, stamp, made),
            Record::DepositMoved(moved) => self.deposit_moved(seq, stamp, moved),
            Record::Withdrawn(withdrawn) => self.withdrawn(seq, withdrawn),
            Record::Repaid(repaid) => self.repaid(seq, repaid),
            Record::CreditLimitSet(set) => self.credit_limit_set(seq, set),
            Record::PayeeCreated(made) => self.payee_created(seq, stamp, made),
            Record::PayeeStatusSet(set) => self.payee_status_set(set),
            Record::PayeeShared(shared) => self.payee_shared(shared),
            Record::PayeeNoticed(noticed) => self.payee_noticed(noticed),
            Record::SessionOpened(opened) => self.session_opened(seq, stamp, opened),
            Record::OpenDeclined(declined) => {
                self.remember_command(seq, &declined.keyed, Made::Declined(declined.decline));
            }
            Record::CommandDeclined(declined) => {
                self.remember_command(seq, &declined.keyed, Made::Declined(declined.decline));
            }
            Record::TokenAmended(amended) => self.token_amended(seq, stamp, amended),
            Record::PeriodBegun(begun) => self.period_begun(seq, stamp, begun),
            Record::FamilyRevoked(revoked) => self.family_revoked(stamp, revoked),
            Record::RefreshSeen(seen) => self.refresh_seen(seen),
            Record::ToppedUp(topped) => self.topped_up(seq, topped),
            Record::ControlSet(set) => self.control_set(seq, set),
            Record::SessionClosing(closing) => self.session_closing(stamp, closing),
            Record::Reversed(reversed) => self.reversed(seq, reversed),
            Record::WriterOpened(opened) => self.writer_opened(opened),
            Record::WriterPositioned(positioned) => self.writer_positioned(positioned),
            Record::SessionSettled(settled) => self.session_settled(seq, stamp, settled),
            Record::SettlementPosted(posted) => self.settlement_posted(posted),
            Record::OutboxDelivered(delivered) => self.outbox_delivered(delivered),
            Record::CredentialMade(made) => self.credential_made(seq, stamp, made),
            Record::CredentialRevoked(revoked) => self.credential_revoked(stamp, revoked),
        }
    }

    /// Takes a journal's seed without a record: every partition shares the genesis of partition 0.
    pub fn adopt_seed(&mut self, seed: crate::hash::Seed) {
        self.seed = seed;
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

    fn credential_made(&mut self, seq: u64, stamp: &Stamp, made: &CredentialMade<'_>) {
        assert_eq!(self.number, credential::HOME, "bug: {} was made away from home", made.id);
        let row = Credential {
            id: made.id,
            hash: made.hash,
            prefix: made.prefix.into(),
            roles: made.roles,
            is_development: made.is_development,
            payee: made.payee,
            front_end: made.front_end.into(),
            name: made.name.into(),
            created_at: stamp.at,
            revoked_at: Time::ZERO,
        };
        self.credentials.insert(made.id.slot(), row);
        self.remember_command(seq, &made.keyed, Made::Credential(made.id));
    }

    fn credential_revoked(&mut self, stamp: &Stamp, revoked: &CredentialRevoked) {
        let row = found(self.credentials.get_mut(revoked.id.slot()), "a revocation of no credential");
        assert_eq!(row.id, revoked.id, "bug: a revocation names another credential");
        assert!(!row.is_revoked(), "bug: {} was revoked twice", row.id);
        row.revoked_at = stamp.at;
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
        let content = keyed.content.as_slice().into();
        let row = CommandKey { key: keyed.key, content, made, seq };
        let before = self.unfiled_keys.insert(keyed.key, row);
        assert!(before.is_none(), "bug: one command key was decided twice, at seq {seq} again");
    }
}
