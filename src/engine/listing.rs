//! Owns: walks over accounts, payees and sessions, a page at a time and a few slots a lock hold.
//! Never: a snapshot; a row that changes during a walk is shown as it was when its page was read.

use crate::{Engine, Fault, Ticket};
use tallystick_core::{
    AccountId, PARTITIONS, Partition, account::Account, deposit::Deposit, partition::SessionView,
    payee::Payee,
};

/// Bounds the slots looked at in one lock hold.
const SLOTS_PER_HOLD: u32 = 1_024;
/// Bounds the slots looked at for one page, so that a page of rare rows comes in time.
const SLOTS_PER_PAGE: u32 = 65_536;

/// Is a place in a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor {
    /// Which partition.
    pub partition: u16,
    /// From which slot on.
    pub slot: u32,
}

/// Is one page.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The rows, in id order as to partition, then in slot order.
    pub rows: Vec<T>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Cursor>,
}

impl Engine {
    /// Lists accounts.
    pub fn accounts(&self, from: Cursor, most: usize) -> Ticket<Page<Account>> {
        self.walk(from, PARTITIONS, most, |partition, slot, limit| {
            let rows = partition
                .accounts_from(slot, limit)
                .filter(|row| self.asked_for().sees(row))
                .map(|row| (row.id.slot(), row.clone()));
            (rows.collect(), partition.slot_counts().0)
        })
    }

    /// Lists payees.
    pub fn payees(&self, from: Cursor, most: usize) -> Ticket<Page<Payee>> {
        self.walk(from, PARTITIONS, most, |partition, slot, limit| {
            let covered = |row: &Payee| {
                let mut row = row.clone();
                self.asked_for().cover(&mut row);
                row
            };
            let rows = partition.payees_from(slot, limit).map(|row| (row.id.slot(), covered(row)));
            (rows.collect(), partition.slot_counts().1)
        })
    }

    /// Lists the deposits of an account. *Errors*: `UnknownAccount`.
    pub fn deposits(&self, account: AccountId, from: Cursor, most: usize) -> Ticket<Page<Deposit>> {
        if let Err(fault) = self.check_view(account.into()) {
            return self.ticket(0, Err(fault));
        }
        let home = account.partition();
        if let Err(refusal) = self.lock(home).partition(home).account(account) {
            return self.refuse(refusal);
        }
        let from = Cursor { partition: home, slot: from.slot };
        self.walk(from, home + 1, most, |partition, slot, limit| {
            let rows = partition.deposits_from(account, slot, limit).map(|row| (row.id.slot(), *row));
            (rows.collect(), partition.slot_counts().3)
        })
    }

    /// Lists the open sessions of an account. *Errors*: `UnknownAccount`.
    pub fn sessions(&self, account: AccountId, from: Cursor, most: usize) -> Ticket<Page<SessionView>> {
        if let Err(fault) = self.check_view(account.into()) {
            return self.ticket(0, Err(fault));
        }
        let home = account.partition();
        if let Err(refusal) = self.lock(home).partition(home).account(account) {
            return self.refuse(refusal);
        }
        let from = Cursor { partition: home, slot: from.slot };
        self.walk(from, home + 1, most, |partition, slot, limit| {
            let now = self.now();
            let rows = partition.sessions_from(account, slot, limit);
            (rows.map(|row| (row.id.slot(), partition.view(row, now))).collect(), partition.slot_counts().2)
        })
    }

    /// Walks slots from `from` to the end of partition `end - 1`; `read` returns rows with their slots, and how many slots
    /// the table has.
    pub(crate) fn walk<T>(
        &self,
        from: Cursor,
        end: u16,
        most: usize,
        read: impl Fn(&Partition, u32, u32) -> (Vec<(u32, T)>, u32),
    ) -> Ticket<Page<T>> {
        let (mut at, mut rows, mut looked, mut seq) = (from, Vec::new(), 0, 0);
        while at.partition < end && rows.len() < most && looked < SLOTS_PER_PAGE {
            let shard = self.lock(at.partition);
            let (found, slots) = read(shard.partition(at.partition), at.slot, SLOTS_PER_HOLD);
            seq = seq.max(shard.last_seq);
            drop(shard);
            looked += SLOTS_PER_HOLD.min(slots.saturating_sub(at.slot)).max(1);
            at.slot = at.slot.saturating_add(SLOTS_PER_HOLD);
            for (slot, row) in found {
                if rows.len() == most {
                    at.slot = slot;
                    break;
                }
                rows.push(row);
            }
            if at.slot >= slots {
                at = Cursor { partition: at.partition + 1, slot: 0 };
            }
        }
        let next = (at.partition < end).then_some(at);
        self.ticket(seq, Ok::<_, Fault>(Page { rows, next }))
    }
}
