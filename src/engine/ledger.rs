//! Owns: accounts, deposits and payees as operations. A payee's home tells other partitions of it: see `tell`.
//! Never: the order of tests; that is core's.

use crate::{
    Answer, DepositAnswer, Engine, Fault, Ticket, WithdrawAnswer,
    keyed::{Done, NotDone},
};
use tallystick_core::{
    AccountId, DepositId, PARTITIONS, PayeeId, Record, Refusal,
    account::Account,
    command::{CreateAccount, CreatePayee, Deposit, Repay, SetCreditLimit, Withdraw},
    decide::{self, Decided},
    deposit::DepositState,
    partition::Made,
    payee::Payee,
    role::Act,
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
    /// Creates an account.
    pub fn create_account(&self, command: &CreateAccount<'_>) -> Ticket<Answer<Account>> {
        if let Some(refused) = self.turned_away(Act::CreateAccount) {
            return refused;
        }
        let mut command = *command;
        if self.asked_for().is_bounded() {
            command.front_end = &self.asked_for().front_end;
        }
        let (draw, command) = (self.draw(), &command);
        let done = self.keyed(partition_of(command.key), command, |p, filed, now| {
            decide::create_account(p, command, filed, (now, draw))
        });
        match done {
            Ok(Done { made: Made::Account(id), seq, replayed }) => {
                self.account(id).map(|value| Answer { value, seq, replayed })
            }
            Ok(_) => self.refuse(Refusal::UnknownAccount),
            Err((fault, seq)) => self.ticket(seq, Err(fault)),
        }
    }

    /// Adds money to an account, available or on its way.
    pub fn deposit(&self, command: &Deposit<'_>) -> Ticket<Answer<DepositAnswer>> {
        if let Some(refused) = self.turned_away_from(Act::Deposit, command.account.into()) {
            return refused;
        }
        let draw = self.draw();
        let partition = command.account.partition();
        let done = self.keyed(partition, command, |p, filed, _| decide::deposit(p, command, filed, draw));
        match done {
            Ok(Done { made: Made::DepositOf(id), seq, replayed }) => {
                self.deposit_shown(id).map(|value| Answer { value, seq, replayed })
            }
            Ok(Done { seq, replayed, .. }) => self.account(command.account).map(|account| Answer {
                value: DepositAnswer { account, deposit: None },
                seq,
                replayed,
            }),
            Err((fault, seq)) => self.ticket(seq, Err(fault)),
        }
    }

    /// Moves a deposit into another state: confirmed, failed, returned.
    pub fn move_deposit(&self, id: DepositId, to: DepositState) -> Ticket<Answer<DepositAnswer>> {
        if let Some(refused) = self.turned_away(Act::MoveDeposit) {
            return refused;
        }
        let partition = id.partition();
        if !self.sees_deposit(id) {
            return self.refuse(Refusal::UnknownDeposit);
        }
        let mut shard = self.lock(partition);
        let at = shard.partition(partition).decision_time(self.now());
        let replayed = match decide::move_deposit(shard.partition(partition), id, to) {
            Err(refusal) => return self.ticket(shard.last_seq, Err(refusal.into())),
            Ok(Decided::Replay(())) => true,
            Ok(Decided::Record(record)) => {
                self.write(&mut shard, partition, at, &record);
                false
            }
        };
        let seq = shard.last_seq;
        drop(shard);
        self.wake_committer();
        self.deposit_shown(id).map(|value| Answer { value, seq, replayed })
    }

    /// Takes available money out of an account.
    pub fn withdraw(&self, command: &Withdraw<'_>) -> Ticket<Answer<WithdrawAnswer>> {
        if let Some(refused) = self.turned_away_from(Act::Withdraw, command.account.into()) {
            return refused;
        }
        let partition = command.account.partition();
        match self.keyed(partition, command, |p, filed, _| decide::withdraw(p, command, filed)) {
            Ok(Done { made, seq, replayed }) => self.account(command.account).map(|account| {
                let decline = match made {
                    Made::Declined(decline) => Some(decline),
                    _ => None,
                };
                Answer { value: WithdrawAnswer { account, decline }, seq, replayed }
            }),
            Err((fault, seq)) => self.ticket(seq, Err(fault)),
        }
    }

    /// Pays back what a credit line has outstanding.
    pub fn repay(&self, command: &Repay<'_>) -> Ticket<Answer<Account>> {
        if let Some(refused) = self.turned_away_from(Act::Repay, command.account.into()) {
            return refused;
        }
        let partition = command.account.partition();
        let done = self.keyed(partition, command, |p, filed, _| decide::repay(p, command, filed));
        self.account_changed(command.account, done)
    }

    /// Gives a credit line another limit.
    pub fn set_credit_limit(&self, command: &SetCreditLimit<'_>) -> Ticket<Answer<Account>> {
        if let Some(refused) = self.turned_away_from(Act::SetCreditLimit, command.account.into()) {
            return refused;
        }
        let partition = command.account.partition();
        let done = self.keyed(partition, command, |p, filed, _| decide::set_credit_limit(p, command, filed));
        self.account_changed(command.account, done)
    }

    fn account_changed(&self, id: AccountId, done: Result<Done, NotDone>) -> Ticket<Answer<Account>> {
        match done {
            Ok(Done { seq, replayed, .. }) => self.account(id).map(|value| Answer { value, seq, replayed }),
            Err((fault, seq)) => self.ticket(seq, Err(fault)),
        }
    }

    /// Returns whether a deposit is in view; one that is not there is nobody's.
    fn sees_deposit(&self, id: DepositId) -> bool {
        let actor = self.asked_for();
        if !actor.is_bounded() {
            return true;
        }
        let shard = self.lock(id.partition());
        let home = shard.partition(id.partition());
        let account = home.deposit(id).and_then(|deposit| home.account_at(deposit.account));
        account.is_ok_and(|account| actor.sees(account))
    }

    /// Shows a deposit with its account.
    fn deposit_shown(&self, id: DepositId) -> Ticket<DepositAnswer> {
        let shard = self.lock(id.partition());
        let home = shard.partition(id.partition());
        let shown = home.deposit(id).copied().and_then(|deposit| {
            Ok(DepositAnswer { account: home.account_at(deposit.account)?.clone(), deposit: Some(deposit) })
        });
        self.ticket(shard.last_seq, shown.map_err(Fault::from))
    }

    /// Registers a payee.
    pub fn create_payee(&self, command: &CreatePayee<'_>) -> Ticket<Answer<Payee>> {
        if let Some(refused) = self.turned_away(Act::CreatePayee) {
            return refused;
        }
        let draw = self.draw();
        let done = self.keyed(partition_of(command.key), command, |p, filed, _| {
            decide::create_payee(p, command, filed, draw)
        });
        match done {
            Ok(Done { made: Made::Payee(id), seq, replayed }) => {
                self.payee(id).map(|value| Answer { value, seq, replayed })
            }
            Ok(_) => self.refuse(Refusal::UnknownPayee),
            Err((fault, seq)) => self.ticket(seq, Err(fault)),
        }
    }

    /// Shows an account.
    pub fn account(&self, id: AccountId) -> Ticket<Account> {
        if let Err(fault) = self.check_view(id.into()) {
            return self.ticket(0, Err(fault));
        }
        let shard = self.lock(id.partition());
        let account = shard.partition(id.partition()).account(id).cloned();
        self.ticket(shard.last_seq, account.map_err(Fault::from))
    }

    /// Returns an account without waiting: only what never changes of it may be told, and only with something durable that
    /// names it.
    pub fn account_of(&self, id: AccountId) -> Option<Account> {
        self.lock(id.partition()).partition(id.partition()).account(id).ok().cloned()
    }

    /// Shows a payee, with its ledgers.
    pub fn payee(&self, id: PayeeId) -> Ticket<Payee> {
        let shard = self.lock(id.partition());
        let mut payee = shard.partition(id.partition()).payee(id).cloned();
        if let Ok(payee) = &mut payee {
            self.asked_for().cover(payee);
        }
        self.ticket(shard.last_seq, payee.map_err(Fault::from))
    }

    /// Blocks a payee: the home first, then every partition that knows of it. The answer depends on all of these records,
    /// so once it is heard no later debit to the payee is approved anywhere (I10).
    pub fn block_payee(&self, id: PayeeId) -> Ticket<Answer<Payee>> {
        if let Some(refused) = self.turned_away(Act::BlockPayee) {
            return refused;
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
            self.by_itself().write(&mut shard, home, at, &Record::PayeeShared(shared));
        }
        drop(shard);
        self.by_itself().give_notice(partition, &payee)?;
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
