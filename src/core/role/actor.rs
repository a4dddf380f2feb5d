//! Owns: who asks: a number for the journal, roles, and whose money and debits are in view. Never: a secret.

use super::{Act, Role, Roles};
use crate::{PayeeId, Refusal, account::Account, payee::Payee};
use alloc::boxed::Box;

/// Is whoever asks for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// What records name it by.
    pub number: u32,
    /// What it may do.
    pub roles: Roles,
    /// When given, only this payee's debits are in view.
    pub payee: Option<PayeeId>,
    /// When not empty, only accounts that this front-end created, and what is below them, are in view.
    pub front_end: Box<str>,
}

impl Actor {
    /// Is the number of what the system does by itself: ends that come, lines that are delivered.
    pub const SYSTEM: u32 = 0;
    /// Is the number of whoever asks without a key, where that is allowed.
    pub const ANONYMOUS: u32 = 1;
    /// Is the number of the first credential; those below are no credential's.
    pub const FIRST_CREDENTIAL: u32 = 16;

    /// Makes the one that may do everything, everywhere.
    pub fn unbounded(number: u32) -> Self {
        Self { number, roles: Roles::ALL, payee: None, front_end: Box::default() }
    }

    /// Returns whether its roles allow an act. What all front-ends share is no single one's to change.
    #[inline]
    pub fn may(&self, act: Act) -> bool {
        self.roles.meets(act.roles()) && !(self.is_bounded() && act.is_everybodys())
    }

    /// Checks whether its roles allow an act. *Errors*: `Forbidden`, naming the roles that would.
    #[inline]
    pub fn permit(&self, act: Act) -> Result<(), Refusal> {
        if self.may(act) { Ok(()) } else { Err(Refusal::Forbidden { needs: act.roles() }) }
    }

    /// Returns whether nothing has to be asked about any single debit: it may do all that debits can be, to every payee, in
    /// every account.
    pub fn may_debit_all(&self) -> bool {
        self.may(Act::Debit) && self.may(Act::Capture) && self.payee.is_none() && !self.is_bounded()
    }

    /// Returns whether only a part of all accounts is in view.
    #[inline]
    pub fn is_bounded(&self) -> bool {
        !self.front_end.is_empty()
    }

    /// Returns whether an account is in view.
    pub fn sees(&self, account: &Account) -> bool {
        !self.is_bounded() || account.terms.front_end == self.front_end
    }

    /// Returns whether a payee's debits are in view.
    #[inline]
    pub fn sees_debits_of(&self, payee: PayeeId) -> bool {
        self.payee.is_none_or(|own| own == payee)
    }

    /// Takes out of a payee what is not in view: what everybody together owes it.
    pub fn cover(&self, payee: &mut Payee) {
        if !self.sees_position_of(payee.id) {
            payee.ledgers.clear();
        }
    }

    /// Returns whether what a payee is owed by everybody together is in view.
    fn sees_position_of(&self, payee: PayeeId) -> bool {
        let by_role = self.roles.meets(Roles::of(&[Role::Payout, Role::Operate, Role::Audit]));
        !self.is_bounded() && (by_role || self.payee == Some(payee))
    }
}
