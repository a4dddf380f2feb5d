//! Owns: what records do to accounts and deposits. Never: decides.

use super::{found, sure};
use crate::{
    AccountId, Amount, Currency, Partition, Stamp, Total,
    account::{Account, External, PaymentMethod, Terms},
    books::{Book, Posting},
    deposit::{Deposit, DepositState},
    partition::Made,
    record::{AccountCreated, CreditLimitSet, DepositMade, DepositMoved, Deposited, Repaid, Withdrawn},
    velocity::Velocity,
};
use alloc::boxed::Box;

impl Partition {
    pub(super) fn account_created(&mut self, seq: u64, stamp: &Stamp, made: &AccountCreated<'_>) {
        let external = made.external.map(|facts| External {
            reference: facts.reference.into(),
            usable_until: facts.usable_until,
            margin: facts.margin,
        });
        let method = PaymentMethod {
            kind: made.method.kind.into(),
            brand: made.method.brand.into(),
            last_four: made.method.last_four.into(),
            funding_type: made.method.funding_type.into(),
        };
        let account = Account {
            id: made.id,
            currency: made.currency,
            funding: made.funding,
            deposited: Total::ZERO,
            pending: Total::ZERO,
            withdrawn: Total::ZERO,
            limit: made.limit.into(),
            repaid: Total::ZERO,
            reserved_by_children: Total::ZERO,
            held_below: Total::ZERO,
            spent_below: Total::ZERO,
            open_children: 0,
            velocity: Velocity::begin(&made.velocity),
            created_at: stamp.at,
            terms: Box::new(Terms {
                external,
                method,
                reference: made.reference.into(),
                front_end: made.front_end.into(),
            }),
            control: None,
        };
        self.accounts.insert(made.id.slot(), account);
        self.remember_command(seq, &made.keyed, Made::Account(made.id));
    }

    fn account_of(&mut self, seq: u64, id: AccountId) -> &mut Account {
        let account = found(self.accounts.get_mut(id.slot()), "a record of no account");
        assert_eq!(account.id, id, "bug: record {seq} names another account");
        account
    }

    pub(super) fn deposited(&mut self, seq: u64, deposit: &Deposited) {
        let account = self.account_of(seq, deposit.account);
        account.deposited = sure(account.deposited.checked_add(deposit.amount.into()));
        assert_eq!(account.deposited, deposit.deposited_after, "bug: record {seq} found other deposits");
        let currency = account.currency;
        self.move_money(currency, Book::Outside, Book::PayerAvailable, deposit.amount);
        self.remember_command(seq, &deposit.keyed, Made::Deposit(deposit.account));
    }

    pub(super) fn deposit_made(&mut self, seq: u64, stamp: &Stamp, made: &DepositMade) {
        let account = self.account_of(seq, made.account);
        let (sum, book) = match made.state {
            DepositState::Available => (&mut account.deposited, Book::PayerAvailable),
            DepositState::Pending | DepositState::Returned | DepositState::Failed => {
                (&mut account.pending, Book::FundingPending)
            }
        };
        *sum = sure(sum.checked_add(made.amount.into()));
        assert_eq!(*sum, made.total_after, "bug: record {seq} found other deposits");
        let currency = account.currency;
        let deposit = Deposit {
            id: made.id,
            account: made.account.slot(),
            amount: made.amount,
            state: made.state,
            created_at: stamp.at,
            changed_at: stamp.at,
        };
        self.deposits.insert(made.id.slot(), deposit);
        self.move_money(currency, Book::Outside, book, made.amount);
        self.remember_command(seq, &made.keyed, Made::DepositOf(made.id));
    }

    pub(super) fn deposit_moved(&mut self, seq: u64, stamp: &Stamp, moved: &DepositMoved) {
        let deposit = found(self.deposits.get_mut(moved.id.slot()), "a move of no deposit");
        assert_eq!(deposit.id, moved.id, "bug: record {seq} names another deposit");
        assert!(deposit.state.leads_to(moved.to), "bug: record {seq} moves a deposit where it cannot go");
        let (from, amount, slot) = (deposit.state, deposit.amount, deposit.account);
        (deposit.state, deposit.changed_at) = (moved.to, stamp.at);
        let account = found(self.accounts.get_mut(slot), "a deposit in no account");
        let (pending, deposited) = (account.pending, account.deposited);
        let money = Total::from(amount);
        let (pending, deposited, out_of, into) = match (from, moved.to) {
            (DepositState::Pending, DepositState::Available) => (
                sure(pending.checked_sub(money)),
                sure(deposited.checked_add(money)),
                Book::FundingPending,
                Book::PayerAvailable,
            ),
            (DepositState::Pending, _) => {
                (sure(pending.checked_sub(money)), deposited, Book::FundingPending, Book::Outside)
            }
            (_, _) => (pending, sure(deposited.checked_sub(money)), Book::PayerAvailable, Book::Outside),
        };
        assert_eq!(deposited, moved.deposited_after, "bug: record {seq} found other deposits");
        (account.pending, account.deposited) = (pending, deposited);
        let currency = account.currency;
        self.move_money(currency, out_of, into, amount);
    }

    pub(super) fn withdrawn(&mut self, seq: u64, withdrawn: &Withdrawn) {
        let account = self.account_of(seq, withdrawn.account);
        let amount = withdrawn.amount;
        assert!(account.available() >= Total::from(amount), "bug: record {seq} takes out more than there is");
        account.withdrawn = sure(account.withdrawn.checked_add(amount.into()));
        assert_eq!(account.withdrawn, withdrawn.withdrawn_after, "bug: record {seq} found other withdrawals");
        let currency = account.currency;
        self.move_money(currency, Book::PayerAvailable, Book::Outside, amount);
        self.remember_command(seq, &withdrawn.keyed, Made::Account(withdrawn.account));
    }

    pub(super) fn repaid(&mut self, seq: u64, repaid: &Repaid) {
        let account = self.account_of(seq, repaid.account);
        account.repaid = sure(account.repaid.checked_add(repaid.amount.into()));
        assert_eq!(account.repaid, repaid.repaid_after, "bug: record {seq} found other repayments");
        let currency = account.currency;
        self.move_money(currency, Book::Outside, Book::PayerReceivable, repaid.amount);
        self.remember_command(seq, &repaid.keyed, Made::Account(repaid.account));
    }

    pub(super) fn credit_limit_set(&mut self, seq: u64, set: &CreditLimitSet) {
        let account = self.account_of(seq, set.account);
        account.limit = set.limit.into();
        self.remember_command(seq, &set.keyed, Made::Account(set.account));
    }

    pub(super) fn move_money(&mut self, currency: Currency, from: Book, to: Book, amount: Amount) {
        // Within one book there is nothing to write: the money only changed its envelope.
        if from != to {
            self.books.post(Posting { currency, from, to, amount });
        }
    }
}
