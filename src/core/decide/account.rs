//! Owns: the decisions about accounts and their money: created, deposited, confirmed, failed, returned, withdrawn, repaid,
//! limited. Never: writes; what sessions spend.

use super::{Decided, declined};
use crate::{
    AccountId, Amount, Currency, Decline, DeclineCode, DepositId, EnvelopeId, Level, Next, Partition, Record,
    Refusal, Time, Total,
    account::{Account, Funding},
    command::{Command as _, CreateAccount, Deposit, Repay, Scope, SetCreditLimit, Withdraw},
    deposit::DepositState,
    limits,
    partition::CommandKey,
    record::{AccountCreated, CreditLimitSet, DepositMade, DepositMoved, ExternalFacts, Repaid, Withdrawn},
};

/// Decides on a new account. *Errors*: `Malformed`, `KeyReused`, `TableFull`.
pub fn create_account<'a>(
    partition: &Partition,
    command: &CreateAccount<'a>,
    filed: Option<&CommandKey>,
    (now, draw): (Time, u64),
) -> Result<Decided<'a, CommandKey>, Refusal> {
    command.check()?;
    let keyed = match partition.recognise(command, filed)? {
        Ok(keyed) => keyed,
        Err(before) => return Ok(Decided::Replay(before)),
    };
    let external = command.external.map(|(_, facts)| with_margin(facts));
    if external.is_some_and(|facts| facts.usable_until.since(now) <= facts.margin) {
        let rule = "must lie ahead by more than the margin";
        return Err(Refusal::malformed("external_authority.usable_until", rule));
    }
    let place = partition.free_place(partition.accounts.next_place())?;
    Ok(Decided::Record(Record::AccountCreated(AccountCreated {
        id: AccountId::new(place, draw),
        currency: command.currency,
        funding: command.funding,
        limit: command.external.map_or(command.credit_limit, |(amount, _)| amount),
        external,
        method: command.method,
        reference: command.reference,
        front_end: command.front_end,
        velocity: command.velocity.to_vec(),
        keyed,
    })))
}

fn with_margin(facts: ExternalFacts<'_>) -> ExternalFacts<'_> {
    let margin = if facts.margin.ns() == 0 { limits::AUTHORITY_MARGIN } else { facts.margin };
    ExternalFacts { margin, ..facts }
}

/// Finds the account that money comes to or goes from. *Errors*: `UnknownAccount`; `Malformed` for another currency.
fn account(partition: &Partition, id: AccountId, currency: Currency) -> Result<&Account, Refusal> {
    let account = partition.account(id)?;
    if currency != account.currency {
        return Err(Refusal::malformed("currency", "must be the account's"));
    }
    Ok(account)
}

fn check_prepaid(account: &Account) -> Result<(), Refusal> {
    match account.funding {
        Funding::Prepaid => Ok(()),
        Funding::CreditLine | Funding::ExternalAuthority => {
            Err(Refusal::malformed("account_id", "must be a prepaid account's"))
        }
    }
}

fn check_credit_line(account: &Account) -> Result<(), Refusal> {
    match account.funding {
        Funding::CreditLine => Ok(()),
        Funding::Prepaid | Funding::ExternalAuthority => {
            Err(Refusal::malformed("account_id", "must be a credit line's"))
        }
    }
}

/// Adds up to what an account may hold of one kind. *Errors*: `Malformed` past the greatest total.
fn sum(total: Total, amount: Amount) -> Result<Total, Refusal> {
    total
        .checked_add(amount.into())
        .ok_or(Refusal::malformed("amount_nanos", "must keep the account's totals below 2^96 nanos"))
}

/// Decides on a deposit. *Errors*: `Malformed` (another currency or funding, or past the greatest total, too),
/// `UnknownAccount`, `KeyReused`, `TableFull`.
pub fn deposit<'a>(
    partition: &Partition,
    command: &Deposit<'a>,
    filed: Option<&CommandKey>,
    draw: u64,
) -> Result<Decided<'a, CommandKey>, Refusal> {
    command.check()?;
    partition.account(command.account)?;
    let keyed = match partition.recognise(command, filed)? {
        Ok(keyed) => keyed,
        Err(before) => return Ok(Decided::Replay(before)),
    };
    let account = account(partition, command.account, command.currency)?;
    check_prepaid(account)?;
    // What is pending must fit, too, once it has come.
    let coming = account.deposited.checked_add(account.pending).unwrap_or(Total::MAX);
    sum(coming, command.amount)?;
    let (state, before) = if command.pending {
        (DepositState::Pending, account.pending)
    } else {
        (DepositState::Available, account.deposited)
    };
    let total_after = sum(before, command.amount)?;
    let id = DepositId::new(partition.free_place(partition.deposits.next_place())?, draw);
    let (account, amount) = (command.account, command.amount);
    Ok(Decided::Record(Record::DepositMade(DepositMade { id, account, amount, state, total_after, keyed })))
}

/// Decides to move a deposit into another state; replays when it is there already.
/// *Errors*: `UnknownDeposit`, `WrongState`; `TableFull` past the greatest total.
pub fn move_deposit(
    partition: &Partition,
    id: DepositId,
    to: DepositState,
) -> Result<Decided<'static, ()>, Refusal> {
    let deposit = partition.deposit(id)?;
    if deposit.state == to {
        return Ok(Decided::Replay(()));
    }
    if !deposit.state.leads_to(to) {
        return Err(Refusal::WrongState { state: deposit.state.name() });
    }
    let account = partition.accounts.get(deposit.account).ok_or(Refusal::UnknownAccount)?;
    let money = Total::from(deposit.amount);
    let deposited_after = match to {
        DepositState::Available => account.deposited.checked_add(money),
        DepositState::Returned => account.deposited.checked_sub(money),
        DepositState::Pending | DepositState::Failed => Some(account.deposited),
    };
    let deposited_after = deposited_after.ok_or(Refusal::TableFull)?;
    Ok(Decided::Record(Record::DepositMoved(DepositMoved { id, to, deposited_after })))
}

/// Decides on a withdrawal. *Declines*: `Cap`, when more is asked than is available.
/// *Errors*: `Malformed` (another currency or funding, too), `UnknownAccount`, `KeyReused`.
pub fn withdraw<'a>(
    partition: &Partition,
    command: &Withdraw<'a>,
    filed: Option<&CommandKey>,
) -> Result<Decided<'a, CommandKey>, Refusal> {
    command.check()?;
    partition.account(command.account)?;
    let keyed = match partition.recognise(command, filed)? {
        Ok(keyed) => keyed,
        Err(before) => return Ok(Decided::Replay(before)),
    };
    let account = account(partition, command.account, command.currency)?;
    check_prepaid(account)?;
    let withdrawn_after = sum(account.withdrawn, command.amount)?;
    let available = account.available().at_most_amount();
    if command.amount > available {
        let next = if available.is_zero() { Next::Nothing } else { Next::SmallerAmount(available) };
        let decline = Decline::new(DeclineCode::Cap, Level::Account, next);
        return Ok(declined(Scope::Withdraw, EnvelopeId::Account(command.account), decline, keyed));
    }
    let (account, amount) = (command.account, command.amount);
    Ok(Decided::Record(Record::Withdrawn(Withdrawn { account, amount, withdrawn_after, keyed })))
}

/// Decides on a repayment. *Errors*: `Malformed` (another currency or funding, or more than is outstanding, too),
/// `UnknownAccount`, `KeyReused`.
pub fn repay<'a>(
    partition: &Partition,
    command: &Repay<'a>,
    filed: Option<&CommandKey>,
) -> Result<Decided<'a, CommandKey>, Refusal> {
    command.check()?;
    partition.account(command.account)?;
    let keyed = match partition.recognise(command, filed)? {
        Ok(keyed) => keyed,
        Err(before) => return Ok(Decided::Replay(before)),
    };
    let account = account(partition, command.account, command.currency)?;
    check_credit_line(account)?;
    if Total::from(command.amount) > account.outstanding() {
        return Err(Refusal::malformed("amount_nanos", "must be at most what is outstanding"));
    }
    let repaid_after = sum(account.repaid, command.amount)?;
    let (account, amount) = (command.account, command.amount);
    Ok(Decided::Record(Record::Repaid(Repaid { account, amount, repaid_after, keyed })))
}

/// Decides on a credit line's limit. *Errors*: `Malformed` (another funding, too), `UnknownAccount`, `KeyReused`.
pub fn set_credit_limit<'a>(
    partition: &Partition,
    command: &SetCreditLimit<'a>,
    filed: Option<&CommandKey>,
) -> Result<Decided<'a, CommandKey>, Refusal> {
    command.check()?;
    let account = partition.account(command.account)?;
    let keyed = match partition.recognise(command, filed)? {
        Ok(keyed) => keyed,
        Err(before) => return Ok(Decided::Replay(before)),
    };
    check_credit_line(account)?;
    let (account, limit) = (command.account, command.limit);
    Ok(Decided::Record(Record::CreditLimitSet(CreditLimitSet { account, limit, keyed })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Stamp, record::MethodFacts};

    const STAMP: Stamp = Stamp { partition: 0, at: Time::from_ns(1), actor: 0 };

    /// No caller lives long enough to get here over the wire: it takes 2^33 of the greatest deposits.
    #[test]
    fn deposits_stop_at_the_greatest_total() {
        let (mut partition, currency) = (Partition::new(0), Currency::from_number(840));
        let create = CreateAccount {
            key: b"account",
            currency,
            reference: "",
            funding: Funding::Prepaid,
            credit_limit: Amount::ZERO,
            external: None,
            method: MethodFacts::default(),
            front_end: "",
            velocity: &[],
        };
        let Ok(Decided::Record(created)) = create_account(&partition, &create, None, (STAMP.at, 1)) else {
            panic!("refused")
        };
        partition.apply(1, &STAMP, &created);
        let id = partition.accounts.iter().next().unwrap().1.id;
        let deposit_of = |nanos, pending| Deposit {
            account: id,
            key: b"deposit",
            amount: Amount::from_nanos(nanos),
            currency,
            pending,
        };
        let below = Total::MAX.checked_sub(Total::from_nanos(9)).unwrap();
        let account = partition.accounts.get_mut(id.slot()).unwrap();
        (account.deposited, account.pending) = (below, Total::from_nanos(2));

        // What is pending keeps its place: it must fit once it has come.
        for pending in [false, true] {
            let refusal = deposit(&partition, &deposit_of(8, pending), None, 2).unwrap_err();
            assert!(matches!(refusal, Refusal::Malformed { field: "amount_nanos", .. }), "{refusal:?}");
        }
        let last = deposit(&partition, &deposit_of(7, false), None, 2);
        let Ok(Decided::Record(Record::DepositMade(last))) = last else { panic!("{last:?}") };
        assert_eq!(Some(last.total_after), Total::MAX.checked_sub(Total::from_nanos(2)));
        let coming = deposit(&partition, &deposit_of(7, true), None, 2);
        let Ok(Decided::Record(Record::DepositMade(coming))) = coming else { panic!("{coming:?}") };
        assert_eq!(coming.total_after, Total::from_nanos(9));
    }
}
