//! Owns: an account, the envelope at the root of a payer's tree: what came in, what is set aside, what was spent.
//! Never: what a session spends inside its own cap; a conversion; a credential.

use crate::{
    AccountId, Amount, Currency, Span, Time, Total, apply::sure, books::Book, control::Control,
    velocity::Velocity,
};
use alloc::boxed::Box;
use serde::{Deserialize, Serialize};

/// Says where an account's money comes from. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Funding {
    /// Deposits, made before they are spent.
    Prepaid = 1,
    /// A limit: spent first, repaid later.
    CreditLine = 2,
    /// An amount that another PSP or a card network lets us collect, until an instant.
    ExternalAuthority = 3,
}

impl Funding {
    /// Reads a stored number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Prepaid),
            2 => Some(Self::CreditLine),
            3 => Some(Self::ExternalAuthority),
            _ => None,
        }
    }

    /// Returns the book that what an account reserves and spends comes out of.
    pub const fn book(self) -> Book {
        match self {
            Self::Prepaid => Book::PayerAvailable,
            Self::CreditLine | Self::ExternalAuthority => Book::PayerReceivable,
        }
    }
}

/// Is what an external authority allows, beside its amount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct External {
    /// The authority's own name, for its collection.
    pub reference: Box<str>,
    /// Nothing can be collected from here on.
    pub usable_until: Time,
    /// Sessions end at least this long before.
    pub margin: Span,
}

impl External {
    /// Returns the latest end of a session under it.
    pub fn sessions_end_by(&self) -> Time {
        Time::from_ns(self.usable_until.ns().saturating_sub(self.margin.ns()))
    }
}

/// Is what can be said of a payment method without saying the credential.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentMethod {
    /// "card", "bank_account" …
    pub kind: Box<str>,
    /// The brand.
    pub brand: Box<str>,
    /// Four digits, or nothing.
    pub last_four: Box<str>,
    /// "credit", "debit" …
    pub funding_type: Box<str>,
}

/// Is the part of an account that no decision about a debit reads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Of an external authority.
    pub external: Option<External>,
    /// Of the payment method behind it.
    pub method: PaymentMethod,
    /// The caller's own name for the account.
    pub reference: Box<str>,
    /// The front-end whose it is; empty for the operator's.
    pub front_end: Box<str>,
}

/// Is one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// The only currency of everything below it.
    pub currency: Currency,
    /// Where its money comes from.
    pub funding: Funding,
    /// Deposits that are available: made or confirmed, and not returned.
    pub deposited: Total,
    /// Deposits on their way.
    pub pending: Total,
    /// What was taken out.
    pub withdrawn: Total,
    /// The limit of a credit line, or the amount of an external authority.
    pub limit: Total,
    /// What of a credit line was paid back.
    pub repaid: Total,
    /// Set aside for open reserved sessions: the sum of their caps.
    pub reserved_by_children: Total,
    /// What settled sessions spent, and what open shared ones have.
    pub spent_below: Total,
    /// Set aside by holds of shared sessions.
    pub held_below: Total,
    /// Sessions open directly on it.
    pub open_children: u32,
    /// Its limits in time, and what was taken of them: by all debits and holds below it.
    pub velocity: Box<[Velocity]>,
    /// When it was created.
    pub created_at: Time,
    /// The rest.
    pub terms: Box<Terms>,
    /// Its control word; `None` when nobody ever set it.
    pub control: Option<Box<Control>>,
}

impl Account {
    fn incoming(&self) -> u128 {
        self.deposited.nanos() + self.limit.nanos() + self.repaid.nanos()
    }

    fn outgoing(&self) -> u128 {
        self.withdrawn.nanos()
            + self.reserved_by_children.nanos()
            + self.spent_below.nanos()
            + self.held_below.nanos()
    }

    /// Returns what it can still give. Zero in deficit.
    pub fn available(&self) -> Total {
        Total::from_nanos(self.incoming().saturating_sub(self.outgoing()))
    }

    /// Returns by how much more is reserved, spent and withdrawn than there is.
    pub fn deficit(&self) -> Total {
        Total::from_nanos(self.outgoing().saturating_sub(self.incoming()))
    }

    /// Returns what a credit line spent and has not paid back; zero for other fundings.
    pub fn outstanding(&self) -> Total {
        match self.funding {
            Funding::CreditLine => self.spent_below.minus_or_zero(self.repaid),
            Funding::Prepaid | Funding::ExternalAuthority => Total::ZERO,
        }
    }

    /// Returns what its book must hold for it, below zero by what it owes. *Units*: nanos.
    pub(crate) fn book_nanos(&self) -> i128 {
        let limit = match self.funding {
            Funding::Prepaid => 0,
            Funding::CreditLine | Funding::ExternalAuthority => self.limit.nanos(),
        };
        // Each total is below 2^96, so neither side comes near an i128's edge.
        let signed = |nanos: u128| i128::try_from(nanos).unwrap_or(i128::MAX);
        signed(self.incoming() - limit) - signed(self.outgoing())
    }

    /// Sets a cap aside. *Panics*: if it does not fit (I1); deciding has made sure that it does.
    pub(crate) fn reserve(&mut self, cap: Amount) {
        assert!(self.available() >= Total::from(cap), "bug: account {} cannot reserve {cap}", self.id);
        self.reserved_by_children = sure(self.reserved_by_children.checked_add(cap.into()));
    }

    /// Ends a reservation: what was spent of it stays spent, the rest is available again.
    pub(crate) fn release(&mut self, cap: Amount, spent: Amount) {
        assert!(spent <= cap, "bug: a child of {} spent {spent} of {cap}", self.id);
        let before = self.available();
        self.reserved_by_children = sure(self.reserved_by_children.checked_sub(cap.into()));
        self.spent_below = sure(self.spent_below.checked_add(spent.into()));
        assert!(self.available() >= before, "bug: closing a child took money from account {}", self.id);
    }

    /// Takes a debit of a shared session. *Panics*: if it does not fit (I1).
    pub(crate) fn spend(&mut self, amount: Amount) {
        assert!(self.available() >= Total::from(amount), "bug: {amount} overspends account {}", self.id);
        self.spent_below = sure(self.spent_below.checked_add(amount.into()));
    }

    /// Sets an amount aside for a hold of a shared session. *Panics*: if it does not fit (I1).
    pub(crate) fn hold(&mut self, amount: Amount) {
        assert!(
            self.available() >= Total::from(amount),
            "bug: a hold of {amount} overspends account {}",
            self.id
        );
        self.held_below = sure(self.held_below.checked_add(amount.into()));
    }

    /// Gives back what `hold` set aside, or some of it.
    pub(crate) fn unhold(&mut self, amount: Amount) {
        self.held_below = sure(self.held_below.checked_sub(amount.into()));
    }

    /// Moves an amount out of what is held into what is spent; it fits, deficit or not.
    pub(crate) fn capture(&mut self, amount: Amount) {
        self.unhold(amount);
        self.spent_below = sure(self.spent_below.checked_add(amount.into()));
    }

    /// Gives back what a reversal took from a shared session's debit.
    pub(crate) fn unspend(&mut self, amount: Amount) {
        self.spent_below = sure(self.spent_below.checked_sub(amount.into()));
    }
}
