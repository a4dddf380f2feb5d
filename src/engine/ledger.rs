//! Owns: accounts, deposits and payees as operations. A payee's home tells other partitions of it: see `tell`.
//! Never: the order of tests; that is core's.

use crate::{Answer, Engine, Fault, Ticket};
use tallystick_core::{
    AccountId, PARTITIONS, PayeeId, Record, Refusal,
    account::Account,
    command::{CreateAccount, CreatePayee, Deposit},
    decide::{self, Decided},
    partition::{CommandKey, Made},
    payee::Payee,
};

/// Spreads new rows over partitions by their key, so that a repeated key finds the partition where it was decided.
#[expect(clippy::cast_possible_truncation, reason = "a remainder of 256 fits")]
fn partition_of(key: &[u8]) -> u16 {
    // FNV-1a. A caller who likes one partition only crowds their own; nothing is looked up by this hash.
    let hash = key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    ((hash ^ (hash >> 32)) % u64::from(PARTITIONS)) as u16
}

impl Engine {
    /// Creates a prepaid account.
    pub fn create_account(&self, command: &CreateAccount<'_>) -> Ticket<Answer<Account>> {
        if let Some(failed) = self.failed() {
            return failed;
        }
        let partition = partition_of(command.key);
        let draw = self.draw();
        self.keyed(
            partition,
            |p| decide::create_account(p, command, draw),
            |p, made| match made {
                Made::Account(id) => p.account(id).cloned(),
                _ => Err(Refusal::UnknownAccount),
            },
        )
    }

    /// Adds available money to an account.
    pub fn deposit(&self, command: &Deposit<'_>) -> Ticket<Answer<Account>> {
        if let Some(failed) = self.failed() {
            return failed;
        }
        self.keyed(
            command.account.partition(),
            |p| decide::deposit(p, command),
            |p, _| p.account(command.account).cloned(),
        )
    }

    /// Registers a payee.
    pub fn create_payee(&self, command: &CreatePayee<'_>) -> Ticket<Answer<Payee>> {
        if let Some(failed) = self.failed() {
            return failed;
        }
        let draw = self.draw();
        self.keyed(
            partition_of(command.key),
            |p| decide::create_payee(p, command, draw),
            |p, made| match made {
                Made::Payee(id) => p.payee(id).cloned(),
                _ => Err(Refusal::UnknownPayee),
            },
        )
    }

    /// Decides and writes a command that has a key and no session, and shows the row it is about.
    fn keyed<'a, T>(
        &self,
        partition: u16,
        decide: impl FnOnce(&tallystick_core::Partition) -> Result<Decided<'a, CommandKey>, Refusal>,
        show: impl FnOnce(&tallystick_core::Partition, Made) -> Result<T, Refusal>,
    ) -> Ticket<Answer<T>> {
        let mut shard = self.lock(partition);
        let decided = decide(shard.partition(partition));
        let (made, seq, replayed) = match decided {
            Err(refusal) => return self.ticket(shard.last_seq, Err(refusal.into())),
            Ok(Decided::Replay(row)) => (row.made, row.seq, true),
            Ok(Decided::Record(record)) => {
                let made = match &record {
                    Record::AccountCreated(made) => Made::Account(made.id),
                    Record::PayeeCreated(made) => Made::Payee(made.id),
                    Record::Deposited(made) => Made::Deposit(made.account),
                    _ => return self.refuse(Refusal::UnknownAccount),
                };
                let at = shard.partition(partition).decision_time(self.now());
                (made, self.write(&mut shard, partition, at, &record), false)
            }
        };
        let value = show(shard.partition(partition), made);
        let last_seq = shard.last_seq;
        drop(shard);
        self.wake_committer();
        self.ticket(last_seq, value.map(|value| Answer { value, seq, replayed }).map_err(Fault::from))
    }

    /// Shows an account.
    pub fn account(&self, id: AccountId) -> Ticket<Account> {
        let shard = self.lock(id.partition());
        let account = shard.partition(id.partition()).account(id).cloned();
        self.ticket(shard.last_seq, account.map_err(Fault::from))
    }

    /// Shows a payee, with its ledgers.
    pub fn payee(&self, id: PayeeId) -> Ticket<Payee> {
        let shard = self.lock(id.partition());
        let payee = shard.partition(id.partition()).payee(id).cloned();
        self.ticket(shard.last_seq, payee.map_err(Fault::from))
    }

    /// Blocks a payee: the home first, then every partition that knows of it. The answer depends on all of these records,
    /// so once it is heard no later debit to the payee is approved anywhere (I10).
    pub fn block_payee(&self, id: PayeeId) -> Ticket<Answer<Payee>> {
        if let Some(failed) = self.failed() {
            return failed;
        }
        let home = id.partition();
        let mut shard = self.lock(home);
        let replayed = match decide::block_payee(shard.partition(home), id) {
            Err(refusal) => return self.ticket(shard.last_seq, Err(refusal.into())),
            Ok(Decided::Replay(())) => true,
            Ok(Decided::Record(record)) => {
                let at = shard.partition(home).decision_time(self.now());
                self.write(&mut shard, home, at, &record);
                false
            }
        };
        let payee = shard.partition(home).payee(id).cloned();
        let mut seq = shard.last_seq;
        drop(shard);
        let payee = match payee {
            Ok(payee) => payee,
            Err(refusal) => return self.refuse(refusal),
        };
        // A replay tells everybody again: the first call may still be at it, and this answer promises the same.
        for partition in payee.knowing_partitions() {
            match self.give_notice(partition, &payee) {
                Ok(told) => seq = seq.max(told),
                Err(refusal) => {
                    self.wake_committer();
                    return self.ticket(seq, Err(refusal.into()));
                }
            }
        }
        self.wake_committer();
        self.ticket(seq, Ok(Answer { value: payee, seq, replayed }))
    }

    /// Makes a partition know a payee. *Errors*: `UnknownPayee`, `TableFull`.
    ///
    /// ORDER: the home's record that this partition is told comes first, so that blocking the payee never misses it; the
    /// versions on notices keep a slow teller from overwriting a newer status.
    pub(crate) fn tell(&self, partition: u16, id: PayeeId) -> Result<(), Refusal> {
        let home = id.partition();
        let mut shard = self.lock(home);
        let payee = shard.partition(home).payee(id)?.clone();
        if !payee.is_known_in(partition) {
            let at = shard.partition(home).decision_time(self.now());
            let shared = tallystick_core::record::PayeeShared { id, with: partition };
            self.write(&mut shard, home, at, &Record::PayeeShared(shared));
        }
        drop(shard);
        self.give_notice(partition, &payee)?;
        self.wake_committer();
        Ok(())
    }

    /// Writes a notice if this partition's is older or absent. Returns the last seq there.
    pub(crate) fn give_notice(&self, partition: u16, payee: &Payee) -> Result<u64, Refusal> {
        let mut shard = self.lock(partition);
        if let Decided::Record(record) = decide::take_notice(shard.partition(partition), payee)? {
            let at = shard.partition(partition).decision_time(self.now());
            self.write(&mut shard, partition, at, &record);
        }
        Ok(shard.last_seq)
    }
}
