//! Owns: postings: the double entries that each record stands for, derived and not stored, and the books that sum them.
//! Every record's postings sum to zero per currency, and each book equals the sum of its postings (I6).
//! Never: decides; never holds what cannot be derived again.

use crate::{Amount, Currency};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Names the posting accounts. The numbers are stored in checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Book {
    /// The world: banks, card networks, chains.
    Outside = 0,
    /// Deposits on their way.
    FundingPending = 1,
    /// What prepaid accounts can give; below zero by their deficits.
    PayerAvailable = 2,
    /// What open reserved sessions can still spend.
    Reserved = 3,
    /// Set aside by holds. A place; not used yet.
    Held = 4,
    /// Debited in open sessions.
    Unsettled = 5,
    /// Settled, and not yet in the payee's position.
    InTransit = 6,
    /// In payees' positions.
    PayeePayable = 7,
    /// Places for what comes with payouts and refunds; not used yet.
    PayeeFrozen = 8,
    /// See `PayeeFrozen`.
    InBatch = 9,
    /// See `PayeeFrozen`.
    PaidOut = 10,
    /// See `PayeeFrozen`.
    Fees = 11,
    /// See `PayeeFrozen`.
    RefundDue = 12,
    /// What credit lines repaid less what they and external authorities reserve and spent: what payers still have to bring.
    PayerReceivable = 13,
    /// See `PayeeFrozen`.
    Chargeback = 14,
    /// See `PayeeFrozen`.
    WriteOff = 15,
}

/// How many books there are in a currency.
pub const BOOKS: usize = 16;

impl Book {
    /// Lists the books in the order of their numbers.
    pub const ALL: [Self; BOOKS] = [
        Self::Outside,
        Self::FundingPending,
        Self::PayerAvailable,
        Self::Reserved,
        Self::Held,
        Self::Unsettled,
        Self::InTransit,
        Self::PayeePayable,
        Self::PayeeFrozen,
        Self::InBatch,
        Self::PaidOut,
        Self::Fees,
        Self::RefundDue,
        Self::PayerReceivable,
        Self::Chargeback,
        Self::WriteOff,
    ];

    /// Returns the name used in metrics and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Outside => "outside",
            Self::FundingPending => "funding_pending",
            Self::PayerAvailable => "payer_available",
            Self::Reserved => "reserved",
            Self::Held => "held",
            Self::Unsettled => "unsettled",
            Self::InTransit => "in_transit",
            Self::PayeePayable => "payee_payable",
            Self::PayeeFrozen => "payee_frozen",
            Self::InBatch => "in_batch",
            Self::PaidOut => "paid_out",
            Self::Fees => "fees",
            Self::RefundDue => "refund_due",
            Self::PayerReceivable => "payer_receivable",
            Self::Chargeback => "chargeback",
            Self::WriteOff => "write_off",
        }
    }
}

/// Is one entry: out of one book, into another. Two entries that sum to zero by their shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posting {
    /// In which currency.
    pub currency: Currency,
    /// Out of which book.
    pub from: Book,
    /// Into which book.
    pub to: Book,
    /// How much.
    pub amount: Amount,
}

/// Keeps the books of one partition. A book may be negative in one partition (what came in transit from another), and
/// only `Outside` may be over all partitions together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Books(Vec<(Currency, [i128; BOOKS])>);

impl Books {
    /// Writes one posting.
    pub(crate) fn post(&mut self, posting: Posting) {
        let at = match self.0.binary_search_by_key(&posting.currency, |entry| entry.0) {
            Ok(at) => at,
            Err(at) => {
                self.0.insert(at, (posting.currency, [0; BOOKS]));
                at
            }
        };
        let Some((_, books)) = self.0.get_mut(at) else { return };
        let nanos = i128::from(posting.amount.nanos());
        if let Some(from) = books.get_mut(posting.from as usize) {
            *from -= nanos;
        }
        if let Some(to) = books.get_mut(posting.to as usize) {
            *to += nanos;
        }
    }

    /// Returns one book. *Units*: nanos.
    pub fn get(&self, currency: Currency, book: Book) -> i128 {
        self.0
            .binary_search_by_key(&currency, |entry| entry.0)
            .ok()
            .and_then(|at| self.0.get(at))
            .and_then(|(_, books)| books.get(book as usize))
            .copied()
            .unwrap_or(0)
    }

    /// Returns each currency with its books.
    pub fn iter(&self) -> impl Iterator<Item = &(Currency, [i128; BOOKS])> {
        self.0.iter()
    }

    /// Returns whether each currency sums to zero.
    pub fn sum_to_zero(&self) -> bool {
        self.0
            .iter()
            .all(|(_, books)| books.iter().try_fold(0i128, |sum, nanos| sum.checked_add(*nanos)) == Some(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn books_are_listed_by_their_numbers_and_no_two_share_a_name() {
        for (number, book) in Book::ALL.into_iter().enumerate() {
            assert_eq!(book as usize, number, "{}", book.name());
            assert_eq!(Book::ALL.iter().filter(|other| other.name() == book.name()).count(), 1);
        }
    }
}
