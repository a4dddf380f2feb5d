//! Owns: what a walk through a journal has to remember, so that a record can be told in full: which payee a notice's slot
//! stands for, and under which account a session is. Never: money.

use std::{collections::BTreeMap, ops::ControlFlow};
use tallystick_core::{
    AccountId, PARTITIONS, PayeeId, Record, SessionId, Stamp, cut::RowValue, role::Actor, table::Slot,
};
use tallystick_journal::{StorageFault, rows};
use tallystick_store::StoreReader;

/// Remembers names.
#[derive(Debug, Default)]
pub(super) struct Names {
    payees: BTreeMap<(u16, u32), PayeeId>,
    accounts: BTreeMap<SessionId, AccountId>,
    /// The names of credentials, by their holders' numbers.
    actors: BTreeMap<u32, String>,
}

impl Names {
    /// Begins with what the checkpoints know: the journal's beginning may be gone.
    pub(super) fn of_checkpoints(reader: &StoreReader) -> Result<Self, StorageFault> {
        let mut names = Self::default();
        for partition in 0..PARTITIONS {
            let mut accounts: BTreeMap<u32, AccountId> = BTreeMap::new();
            let mut sessions: Vec<(SessionId, u32)> = Vec::new();
            reader.rows(partition, &mut |at, bytes| {
                let (Ok(table), Ok(slot)) = (u8::try_from(at >> 32), u32::try_from(at & 0xffff_ffff)) else {
                    return Ok(ControlFlow::Continue(()));
                };
                match rows::decode_row(table, bytes)? {
                    RowValue::Notice(Slot::Taken { row, .. }) => {
                        names.payees.insert((partition, slot), row.id);
                    }
                    RowValue::Account(Slot::Taken { row, .. }) => {
                        accounts.insert(slot, row.id);
                    }
                    RowValue::Credential(Slot::Taken { row, .. }) => {
                        names.actors.insert(row.id.actor(), row.name.into());
                    }
                    RowValue::Session(Slot::Taken { row, .. }) => sessions.push((row.id, row.account)),
                    _ => {}
                }
                Ok(ControlFlow::Continue(()))
            })?;
            let known = |(session, slot): (SessionId, u32)| Some((session, *accounts.get(&slot)?));
            names.accounts.extend(sessions.into_iter().filter_map(known));
        }
        Ok(names)
    }

    /// Learns from a record.
    pub(super) fn learn(&mut self, stamp: &Stamp, record: &Record<'_>) {
        match record {
            Record::PayeeNoticed(noticed) => {
                self.payees.insert((stamp.partition, noticed.slot), noticed.id);
            }
            Record::SessionOpened(opened) => {
                self.accounts.insert(opened.id, opened.account);
            }
            Record::CredentialMade(made) => {
                self.actors.insert(made.id.actor(), made.name.to_owned());
            }
            _ => {}
        }
    }

    /// Writes the payee of a notice's slot.
    pub(super) fn payee(&self, partition: u16, slot: u32) -> String {
        self.payees.get(&(partition, slot)).map_or_else(|| format!("payee #{slot}"), PayeeId::to_string)
    }

    /// Says who asked; nothing of what the system did by itself.
    pub(super) fn actor(&self, number: u32) -> Option<String> {
        match number {
            Actor::SYSTEM => None,
            Actor::ANONYMOUS => Some("anonymous".to_owned()),
            number => Some(self.actors.get(&number).map_or_else(|| format!("actor {number}"), String::clone)),
        }
    }

    /// Finds a session's account.
    pub(super) fn account_of(&self, session: SessionId) -> Option<AccountId> {
        self.accounts.get(&session).copied()
    }
}
