//! Owns: the decisions that no session takes part in: accounts, deposits, payees and their notices, writers, and the
//! arrival of settlement lines. Never: writes.

use super::{Decided, Scope};
use crate::{
    AccountId, Partition, PayeeId, Record, Refusal, SessionId, WriterId,
    account::Funding,
    command::{CreateAccount, CreatePayee, Deposit},
    id::Place,
    limits,
    partition::CommandKey,
    payee::{Payee, PayeeStatus},
    record::{
        AccountCreated, Deposited, Keyed, PayeeCreated, PayeeNoticed, PayeeStatusSet, SettlementPosted,
        WriterOpened, WriterPositioned,
    },
    settlement::Outgoing,
};

impl Partition {
    fn free_place(&self, (slot, generation): (u32, u32)) -> Result<Place, Refusal> {
        if slot >= limits::ROWS_PER_TABLE {
            return Err(Refusal::TableFull);
        }
        Ok(Place { partition: self.number, slot, generation })
    }
}

/// Decides on a new account. *Errors*: `Malformed`, `KeyReused`, `TableFull`.
pub fn create_account<'a>(
    partition: &Partition,
    command: &CreateAccount<'a>,
    draw: u64,
) -> Result<Decided<'a, CommandKey>, Refusal> {
    command.check()?;
    let key = partition.key_hash(Scope::CreateAccount, 0, command.key);
    let content = command.content(partition.seed);
    if let Some(before) = partition.find_command(key, &content, CreateAccount::FIELDS)? {
        return Ok(Decided::Replay(before.clone()));
    }
    let place = partition.free_place(partition.accounts.next_place())?;
    Ok(Decided::Record(Record::AccountCreated(AccountCreated {
        id: AccountId::new(place, draw),
        currency: command.currency,
        funding: Funding::Prepaid,
        reference: command.reference,
        keyed: Keyed { key, content },
    })))
}

/// Decides on a deposit. *Errors*: `Malformed` (another currency, or past the greatest total, too), `UnknownAccount`,
/// `KeyReused`.
pub fn deposit<'a>(partition: &Partition, command: &Deposit<'a>) -> Result<Decided<'a, CommandKey>, Refusal> {
    command.check()?;
    let account = partition.account(command.account)?;
    let key = partition.key_hash(Scope::Deposit, command.account.bits(), command.key);
    let content = command.content(partition.seed);
    if let Some(before) = partition.find_command(key, &content, Deposit::FIELDS)? {
        return Ok(Decided::Replay(before.clone()));
    }
    if command.currency != account.currency {
        return Err(Refusal::malformed("currency", "must be the account's"));
    }
    let deposited_after = account
        .deposited
        .checked_add(command.amount.into())
        .ok_or(Refusal::malformed("amount_nanos", "must keep the account's deposits below 2^96 nanos"))?;
    let keyed = Keyed { key, content };
    let (account, amount) = (command.account, command.amount);
    Ok(Decided::Record(Record::Deposited(Deposited { account, amount, deposited_after, keyed })))
}

/// Decides on a new payee. *Errors*: `Malformed`, `KeyReused`, `TableFull`.
pub fn create_payee<'a>(
    partition: &Partition,
    command: &CreatePayee<'a>,
    draw: u64,
) -> Result<Decided<'a, CommandKey>, Refusal> {
    command.check()?;
    let key = partition.key_hash(Scope::CreatePayee, 0, command.key);
    let content = command.content(partition.seed);
    if let Some(before) = partition.find_command(key, &content, CreatePayee::FIELDS)? {
        return Ok(Decided::Replay(before.clone()));
    }
    let place = partition.free_place(partition.payees.next_place())?;
    Ok(Decided::Record(Record::PayeeCreated(PayeeCreated {
        id: PayeeId::new(place, draw),
        status: PayeeStatus::Active,
        name: command.name,
        keyed: Keyed { key, content },
    })))
}

/// Decides to block a payee, at home. Replays when it is blocked already. *Errors*: `UnknownPayee`.
pub fn block_payee(partition: &Partition, id: PayeeId) -> Result<Decided<'static, ()>, Refusal> {
    let payee = partition.payee(id)?;
    if payee.status == PayeeStatus::Blocked {
        return Ok(Decided::Replay(()));
    }
    let set = PayeeStatusSet { id, status: PayeeStatus::Blocked, version: payee.version + 1 };
    Ok(Decided::Record(Record::PayeeStatusSet(set)))
}

/// Decides whether a partition takes notice of a payee as it is at home; replays when it knows as much already.
/// *Errors*: `TableFull`.
pub fn take_notice(partition: &Partition, payee: &Payee) -> Result<Decided<'static, ()>, Refusal> {
    let slot = match partition.notice(payee.id) {
        Ok((_, notice)) if notice.version >= payee.version => return Ok(Decided::Replay(())),
        Ok((slot, _)) => slot,
        Err(_) => partition.free_place(partition.notices.next_place())?.slot,
    };
    let noticed = PayeeNoticed { id: payee.id, slot, status: payee.status, version: payee.version };
    Ok(Decided::Record(Record::PayeeNoticed(noticed)))
}

/// Decides on a writer's next epoch; without an id, on a new writer. *Errors*: `UnknownWriter`, `TableFull`.
pub fn open_writer(partition: &Partition, id: Option<WriterId>, draw: u64) -> Result<WriterOpened, Refusal> {
    match id {
        Some(id) => {
            let epoch = partition.writer(id)?.epoch.checked_add(1).ok_or(Refusal::TableFull)?;
            Ok(WriterOpened { id, epoch })
        }
        None => {
            let place = partition.free_place(partition.writers.next_place())?;
            Ok(WriterOpened { id: WriterId::new(place, draw), epoch: 1 })
        }
    }
}

/// Decides where a writer stands in a session. A newer epoch is a record, so that older ones are fenced for good; the same
/// epoch again is a replay. Returns the last number decided, too.
/// *Errors*: `UnknownSession`, `WriterFenced`, `TooManyWriters`.
pub fn position_writer(
    partition: &Partition,
    session: SessionId,
    writer: WriterId,
    epoch: u32,
) -> Result<(Decided<'static, ()>, u64), Refusal> {
    let row = partition.session(session)?;
    let last_number = match row.window(writer) {
        Some(window) if window.epoch() > epoch => {
            return Err(Refusal::WriterFenced { epoch: window.epoch() });
        }
        Some(window) if window.epoch() == epoch => return Ok((Decided::Replay(()), window.last_number())),
        Some(window) => window.last_number(),
        None if row.writers.len() >= limits::WRITERS_PER_SESSION => return Err(Refusal::TooManyWriters),
        None => 0,
    };
    let positioned = WriterPositioned { session, writer, epoch };
    Ok((Decided::Record(Record::WriterPositioned(positioned)), last_number))
}

/// Decides whether a settlement line that comes from `source` has arrived before.
pub fn post_settlement(partition: &Partition, source: u16, outgoing: &Outgoing) -> Decided<'static, ()> {
    if partition.has_arrived(source, outgoing.no) {
        return Decided::Replay(());
    }
    Decided::Record(Record::SettlementPosted(SettlementPosted { source, outgoing: *outgoing }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Amount, Currency, Stamp, Time, Total};

    const STAMP: Stamp = Stamp { partition: 0, at: Time::from_ns(1), actor: 0 };

    /// No caller lives long enough to get here over the wire: it takes 2^33 of the greatest deposits.
    #[test]
    fn deposits_stop_at_the_greatest_total() {
        let (mut partition, currency) = (Partition::new(0), Currency::from_number(840));
        let create = CreateAccount { key: b"account", currency, reference: "" };
        let Ok(Decided::Record(created)) = create_account(&partition, &create, 1) else { panic!("refused") };
        partition.apply(1, &STAMP, &created);
        let id = partition.accounts.iter().next().unwrap().1.id;
        let deposit_of =
            |nanos| Deposit { account: id, key: b"deposit", amount: Amount::from_nanos(nanos), currency };
        let below = Total::MAX.checked_sub(Total::from_nanos(7)).unwrap();
        partition.accounts.get_mut(id.slot()).unwrap().deposited = below;

        let refusal = deposit(&partition, &deposit_of(8)).unwrap_err();
        assert!(matches!(refusal, Refusal::Malformed { field: "amount_nanos", .. }), "{refusal:?}");
        let Ok(Decided::Record(Record::Deposited(last))) = deposit(&partition, &deposit_of(7)) else {
            panic!("refused")
        };
        assert_eq!(last.deposited_after, Total::MAX);
    }
}
