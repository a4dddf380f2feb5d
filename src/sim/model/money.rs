//! Owns: accounts made, and money that comes to them and goes. Never: what sessions take.

use super::{
    ladder::no,
    state::{Account, Deposit, Made, State},
    tree::Due,
    words::{is_usable, malformed, with_margin},
    written::{Off, Took, Written, other, same, wrong},
};
use crate::asked::{Asked, NewAccount};
use tallystick_core::{
    AccountId, Amount, Currency, DeclineCode as Code, DepositId, EnvelopeId, Level, Record, Refusal, Total,
    account::Funding,
    command::Scope,
    deposit::DepositState,
    record::{
        AccountCreated, CreditLimitSet, DepositMade, DepositMoved, ExternalFacts, MethodFacts, Repaid,
        Withdrawn,
    },
};

impl State {
    /// Takes a record of whatever partition.
    pub(super) fn take_anywhere<'a>(&mut self, w: &mut Written<'a>, what: &str) -> Result<Took<'a>, Off> {
        let partition = w.peek().map_or(0, |(_, stamp, _)| stamp.partition);
        self.take(w, partition, what)
    }

    /// Predicts what comes of a request for an account.
    ///
    /// NOTE: which partition a key leads to is not said anywhere, and so neither is the time of a decision that leaves no
    /// record: a refusal is believed if it is right in some partition.
    pub(super) fn create_account(
        &mut self,
        asked: &Asked,
        new: &NewAccount,
        w: &mut Written<'_>,
    ) -> Result<Result<Made, Refusal>, Off> {
        let external = new.external.as_ref().map(with_margin);
        if let Some(external) = &external {
            let mut times: Vec<_> = self.last_at.keys().map(|p| self.at(*p, w.now)).collect();
            if let Some((_, stamp, _)) = w.peek() {
                times = vec![self.at(stamp.partition, w.now)];
            } else {
                times.push(w.now.max(self.floor));
            }
            if times.into_iter().any(|at| !is_usable(external, at)) {
                return Ok(Err(malformed("external_authority.usable_until")));
            }
        }
        let took = self.take_anywhere(w, "an account")?;
        let Record::AccountCreated(is) = took.record else {
            return other("an account", took.seq, took.record);
        };
        if self.accounts.contains_key(&is.id) {
            return wrong(format!("record {} gives {} again", took.seq, is.id));
        }
        let limit = new.external.as_ref().map_or(new.credit_limit, |external| external.amount);
        let should = AccountCreated {
            id: is.id,
            currency: new.currency,
            funding: new.funding,
            limit,
            external: external.as_ref().map(|e| ExternalFacts {
                reference: &e.reference,
                usable_until: e.usable_until,
                margin: e.margin,
            }),
            method: MethodFacts::default(),
            reference: &new.reference,
            front_end: &new.front_end,
            velocity: new.velocity.clone(),
            keyed: is.keyed.clone(),
        };
        same(took.seq, &should, is)?;
        let row = Account {
            currency: new.currency,
            reference: new.reference.clone(),
            front_end: new.front_end.clone(),
            velocity: new.velocity.clone(),
            funding: new.funding,
            limit: limit.nanos(),
            external,
            created_at: took.at,
            withdrawals: Vec::new(),
            repayments: Vec::new(),
            children: Vec::new(),
        };
        self.accounts.insert(is.id, row);
        let made = Made::Account(is.id);
        self.remember(took.seq, asked, &is.keyed, made.clone())?;
        Ok(Ok(made))
    }

    /// Refuses money in another currency, or for an account that is funded otherwise.
    fn check_account(
        &self,
        id: AccountId,
        currency: Option<Currency>,
        funding: Funding,
    ) -> Result<(), Refusal> {
        let row = self.accounts.get(&id).ok_or(Refusal::UnknownAccount)?;
        if currency.is_some_and(|currency| currency != row.currency) {
            return Err(malformed("currency"));
        }
        if row.funding == funding { Ok(()) } else { Err(malformed("account_id")) }
    }

    pub(super) fn make_deposit(
        &mut self,
        asked: &Asked,
        account: AccountId,
        (amount, currency, pending): (Amount, Currency, bool),
        w: &mut Written<'_>,
    ) -> Result<Result<Made, Refusal>, Off> {
        if let Err(refusal) = self.check_account(account, Some(currency), Funding::Prepaid) {
            return Ok(Err(refusal));
        }
        let took = self.take(w, account.partition(), "the deposit")?;
        let Record::DepositMade(is) = took.record else { return other("the deposit", took.seq, took.record) };
        if self.deposits.contains_key(&is.id) || is.id.partition() != account.partition() {
            return wrong(format!("record {} gives {} again", took.seq, is.id));
        }
        let state = if pending { DepositState::Pending } else { DepositState::Available };
        let total_after = self.deposits_of(account, state) + u128::from(amount.nanos());
        let should = DepositMade {
            id: is.id,
            account,
            amount,
            state,
            total_after: Total::from_nanos(total_after),
            keyed: is.keyed.clone(),
        };
        same(took.seq, &should, is)?;
        let (created_at, changed_at, amount) = (took.at, took.at, amount.nanos());
        self.deposits.insert(is.id, Deposit { account, amount, state, created_at, changed_at });
        let made = Made::Deposit(is.id);
        self.remember(took.seq, asked, &is.keyed, made.clone())?;
        Ok(Ok(made))
    }

    /// Predicts a deposit's way into another state. Returns whether it was there already.
    pub(super) fn move_deposit(
        &mut self,
        id: DepositId,
        to: DepositState,
        w: &mut Written<'_>,
    ) -> Result<Result<bool, Refusal>, Off> {
        use DepositState::{Available, Failed, Pending, Returned};
        let Some(row) = self.deposits.get(&id) else { return Ok(Err(Refusal::UnknownDeposit)) };
        if row.state == to {
            return Ok(Ok(true));
        }
        if !matches!((row.state, to), (Pending, Available | Failed) | (Available, Returned)) {
            let state = match row.state {
                Pending => "PENDING",
                Available => "AVAILABLE",
                Returned => "RETURNED",
                Failed => "FAILED",
            };
            return Ok(Err(Refusal::WrongState { state }));
        }
        let took = self.take(w, id.partition(), "the deposit's move")?;
        let Record::DepositMoved(is) = took.record else {
            return other("the deposit's move", took.seq, took.record);
        };
        let account = self.deposits.get_mut(&id).map(|row| {
            (row.state, row.changed_at) = (to, took.at);
            row.account
        });
        let deposited = account.map_or(0, |account| self.deposits_of(account, Available));
        same(took.seq, &DepositMoved { id, to, deposited_after: Total::from_nanos(deposited) }, is)?;
        Ok(Ok(false))
    }

    pub(super) fn withdraw(
        &mut self,
        asked: &Asked,
        account: AccountId,
        (amount, currency): (Amount, Currency),
        w: &mut Written<'_>,
    ) -> Result<Result<Made, Refusal>, Off> {
        if let Err(refusal) = self.check_account(account, Some(currency), Funding::Prepaid) {
            return Ok(Err(refusal));
        }
        let own = EnvelopeId::Account(account);
        if let Err(short) = self.set_aside_after_release(own, amount.nanos(), w)? {
            let short = no(Code::Cap, Level::Account, short.decline.next, own);
            return self.declined(asked, (Scope::Withdraw, own), &short, w).map(Ok);
        }
        let took = self.take(w, account.partition(), "the withdrawal")?;
        let Record::Withdrawn(is) = took.record else {
            return other("the withdrawal", took.seq, took.record);
        };
        let row = self.accounts.get_mut(&account).map_or(0, |row| {
            row.withdrawals.push(amount.nanos());
            row.withdrawals.iter().map(|nanos| u128::from(*nanos)).sum()
        });
        let withdrawn_after = Total::from_nanos(row);
        same(took.seq, &Withdrawn { account, amount, withdrawn_after, keyed: is.keyed.clone() }, is)?;
        if self.left_of_account(account, Due::Held) < 0 {
            return wrong(format!("record {} takes out more than {account} has", took.seq));
        }
        self.remember(took.seq, asked, &is.keyed, Made::Done)?;
        Ok(Ok(Made::Done))
    }

    pub(super) fn repay(
        &mut self,
        asked: &Asked,
        account: AccountId,
        (amount, currency): (Amount, Currency),
        w: &mut Written<'_>,
    ) -> Result<Result<Made, Refusal>, Off> {
        if let Err(refusal) = self.check_account(account, Some(currency), Funding::CreditLine) {
            return Ok(Err(refusal));
        }
        if u128::from(amount.nanos()) > self.outstanding(account) {
            return Ok(Err(malformed("amount_nanos")));
        }
        let took = self.take(w, account.partition(), "the repayment")?;
        let Record::Repaid(is) = took.record else { return other("the repayment", took.seq, took.record) };
        let row = self.accounts.get_mut(&account).map_or(0, |row| {
            row.repayments.push(amount.nanos());
            row.repayments.iter().map(|nanos| u128::from(*nanos)).sum()
        });
        let repaid_after = Total::from_nanos(row);
        same(took.seq, &Repaid { account, amount, repaid_after, keyed: is.keyed.clone() }, is)?;
        self.remember(took.seq, asked, &is.keyed, Made::Done)?;
        Ok(Ok(Made::Done))
    }

    pub(super) fn set_credit_limit(
        &mut self,
        asked: &Asked,
        account: AccountId,
        limit: Amount,
        w: &mut Written<'_>,
    ) -> Result<Result<Made, Refusal>, Off> {
        if let Err(refusal) = self.check_account(account, None, Funding::CreditLine) {
            return Ok(Err(refusal));
        }
        let took = self.take(w, account.partition(), "the limit")?;
        let Record::CreditLimitSet(is) = took.record else {
            return other("the limit", took.seq, took.record);
        };
        same(took.seq, &CreditLimitSet { account, limit, keyed: is.keyed.clone() }, is)?;
        if let Some(row) = self.accounts.get_mut(&account) {
            row.limit = limit.nanos();
        }
        self.remember(took.seq, asked, &is.keyed, Made::Done)?;
        Ok(Ok(Made::Done))
    }
}
