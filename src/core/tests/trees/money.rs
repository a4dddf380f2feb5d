//! Is what happens to accounts: opened, paid into, paid back, emptied, limited.

use super::{
    USD, World,
    model::{self, Whose},
};
use tallystick_core::{
    Amount, Decline, Next, Record, Refusal, Span,
    account::Funding,
    command::{CreateAccount, Deposit, Repay, SetCreditLimit, Withdraw},
    decide::{self, Decided},
    deposit::DepositState,
    record::{ExternalFacts, MethodFacts},
};

impl World {
    pub(crate) fn account(&mut self, funding: Funding, limit: u64) -> usize {
        let nanos = Amount::from_nanos(limit);
        let (credit_limit, external) = match funding {
            Funding::Prepaid => (Amount::ZERO, None),
            Funding::CreditLine => (nanos, None),
            Funding::ExternalAuthority => {
                let usable_until = self.at(20 * 86_400_000_000_000);
                let facts = ExternalFacts { reference: "auth-1", usable_until, margin: Span::from_hours(1) };
                (Amount::ZERO, Some((nanos, facts)))
            }
        };
        let method = MethodFacts::default();
        let command = CreateAccount {
            key: self.key(),
            currency: USD,
            reference: "",
            funding,
            credit_limit,
            external,
            method,
            front_end: "",
            velocity: &[],
        };
        let drawn = (self.time(), self.draw());
        let decided = decide::create_account(&self.partition, &command, None, drawn).unwrap();
        let Decided::Record(record) = decided else { panic!("a new key") };
        let Record::AccountCreated(made) = &record else { panic!("{record:?}") };
        let (id, deposits) = (made.id, Vec::new());
        let limit = if funding == Funding::Prepaid { 0 } else { limit };
        self.commit(record);
        self.model.accounts.push(model::Account { id, funding, limit, repaid: 0, withdrawn: 0, deposits });
        self.model.accounts.len() - 1
    }

    pub(crate) fn deposit(&mut self, account: usize, nanos: u64, pending: bool) {
        let amount = Amount::from_nanos(nanos);
        let command = Deposit {
            account: self.model.accounts[account].id,
            key: self.key(),
            amount,
            currency: USD,
            pending,
        };
        let draw = self.draw();
        match decide::deposit(&self.partition, &command, None, draw) {
            Err(Refusal::Malformed { field: "account_id", .. }) => {
                assert_ne!(self.model.accounts[account].funding, Funding::Prepaid);
            }
            Ok(Decided::Record(record)) => {
                let Record::DepositMade(made) = &record else { panic!("{record:?}") };
                let (id, state) = (made.id, made.state);
                assert_eq!(state, if pending { DepositState::Pending } else { DepositState::Available });
                self.commit(record);
                self.model.accounts[account].deposits.push(model::Deposit { id, nanos, state });
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn move_deposit(&mut self, account: usize, deposit: usize, to: DepositState) {
        let row = &self.model.accounts[account].deposits[deposit];
        let (from, id) = (row.state, row.id);
        let may = matches!(
            (from, to),
            (DepositState::Pending, DepositState::Available | DepositState::Failed)
                | (DepositState::Available, DepositState::Returned)
        );
        match decide::move_deposit(&self.partition, id, to) {
            Ok(Decided::Replay(())) => assert_eq!(from, to),
            Ok(Decided::Record(record)) => {
                assert!(may, "{from:?} to {to:?}");
                self.commit(record);
                self.model.accounts[account].deposits[deposit].state = to;
                let left = self.model.left_of_account(account, model::Due::Held);
                self.figures.deficits += u64::from(left < 0);
            }
            Err(Refusal::WrongState { state }) => {
                assert!(!may && from != to && state == from.name(), "{from:?} to {to:?}: {state}");
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    pub(crate) fn withdraw(&mut self, account: usize, nanos: u64) {
        let command = Withdraw {
            account: self.model.accounts[account].id,
            key: self.key(),
            amount: Amount::from_nanos(nanos),
            currency: USD,
        };
        let left = self.model.left(Whose::Account(account));
        let mut decided = decide::withdraw(&self.partition, &command, None);
        while self.release_for(&decided) {
            decided = decide::withdraw(&self.partition, &command, None);
        }
        match decided {
            Err(Refusal::Malformed { field: "account_id", .. }) => {
                assert_ne!(self.model.accounts[account].funding, Funding::Prepaid);
            }
            Ok(Decided::Record(record)) => {
                match &record {
                    Record::Withdrawn(_) => {
                        assert!(nanos <= left, "{nanos} of {left}");
                        self.model.accounts[account].withdrawn += nanos;
                    }
                    Record::CommandDeclined(no) => {
                        assert!(nanos > left, "{nanos} of {left}");
                        let Decline { next, .. } = no.decline;
                        let most = Amount::from_nanos(left);
                        let offer = if left == 0 { Next::Nothing } else { Next::SmallerAmount(most) };
                        assert_eq!(next, offer);
                    }
                    other => panic!("{other:?}"),
                }
                self.commit(record);
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn repay(&mut self, account: usize, nanos: u64) {
        let (row, outstanding) = (&self.model.accounts[account], self.model.outstanding(account));
        let (id, funding, amount) = (row.id, row.funding, Amount::from_nanos(nanos));
        let command = Repay { account: id, key: self.key(), amount, currency: USD };
        match decide::repay(&self.partition, &command, None) {
            Err(Refusal::Malformed { field: "account_id", .. }) => assert_ne!(funding, Funding::CreditLine),
            Err(Refusal::Malformed { field: "amount_nanos", .. }) => {
                assert!(nanos > outstanding, "{nanos} of {outstanding}");
            }
            Ok(Decided::Record(record)) => {
                assert!(nanos <= outstanding, "{nanos} of {outstanding}");
                self.commit(record);
                self.model.accounts[account].repaid += nanos;
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn limit(&mut self, account: usize, nanos: u64) {
        let row = &self.model.accounts[account];
        let (id, funding, limit) = (row.id, row.funding, Amount::from_nanos(nanos));
        let command = SetCreditLimit { account: id, key: self.key(), limit };
        match decide::set_credit_limit(&self.partition, &command, None) {
            Err(Refusal::Malformed { field: "account_id", .. }) => assert_ne!(funding, Funding::CreditLine),
            Ok(Decided::Record(record)) => {
                self.commit(record);
                self.model.accounts[account].limit = nanos;
                let left = self.model.left_of_account(account, model::Due::Held);
                self.figures.deficits += u64::from(left < 0);
            }
            other => panic!("{other:?}"),
        }
    }
}
