//! Owns: I2 and I6 by answers alone: whatever is shown knows of all that had been heard when it was asked for.
//! Never: what it shows beyond that; the model knows.

use super::{facts::Facts, shown, wrong};
use crate::{
    asked::{Asked, Named, Told},
    model::Wrong,
};
use std::collections::BTreeMap;
use tallystick_core::{Currency, Refusal, SessionId, books::Book};
use tallystick_engine::{Known, SessionShown, Totals};

/// Is what was known when a call was made.
#[derive(Debug, Default)]
pub(super) struct Floor {
    /// The last seq that was heard of.
    seq: u64,
    /// What is asked for was heard of.
    exists: bool,
    /// Debits of the session, approved, that were heard of.
    debits: u64,
    /// The session was settled.
    settled: bool,
    /// The debit that is looked up was decided here.
    decided: Option<u64>,
    /// What the payee is owed.
    owed: BTreeMap<Currency, u128>,
    /// The newest epoch of the writer, or the last number.
    number: u64,
}

impl Facts {
    /// Returns what is known of what a call asks for.
    pub(super) fn floor(&self, asked: &Asked) -> Floor {
        let mut floor = Floor { seq: self.last_seq, ..Floor::default() };
        if let Some(session) = session_of(asked) {
            floor.settled = self.settlements.contains_key(&session);
            floor.exists = floor.settled || self.sessions.contains_key(&session);
            let approved = self.debits.values().filter(|d| d.ask.session == session && d.is_spent());
            floor.debits = approved.count() as u64;
        }
        match asked {
            Asked::ShowAccount(id) => floor.exists = self.accounts.contains(id),
            Asked::ShowPayee(id) => {
                floor.exists = self.payees.contains(id);
                floor.owed = self.owed(*id);
            }
            Asked::ShowSettlement(id) => floor.settled = self.settlements.contains_key(&id.session()),
            Asked::OpenWriter(Some(id)) => {
                floor.number = self.epochs.get(id).copied().unwrap_or_default().into();
            }
            Asked::Position { session, writer, .. } => {
                let numbers = self.debits.values().filter(|debit| debit.ask.session == *session);
                let numbers = numbers.filter_map(|debit| match &debit.ask.named {
                    Named::Number(at) if at.writer == *writer => Some(at.number),
                    Named::Number(_) | Named::Key(_) => None,
                });
                floor.number = numbers.max().unwrap_or(0);
            }
            Asked::LookUpKey { session, key } => {
                let intent = super::intents::DebitIntent::Key(*session, key.clone());
                floor.decided = self.debit_intents.get(&intent).copied();
            }
            Asked::LookUpNumber { session, writer, number } => {
                let intent = super::intents::DebitIntent::Number(*session, *writer, *number);
                floor.decided = self.debit_intents.get(&intent).copied();
            }
            Asked::Totals => {
                for payee in &self.payees {
                    for (currency, nanos) in self.owed(*payee) {
                        *floor.owed.entry(currency).or_default() += nanos;
                    }
                }
            }
            _ => {}
        }
        floor
    }

    /// What was heard of is still there when it is asked for.
    pub(super) fn still_there(&self, asked: &Asked, refusal: Refusal, floor: &Floor) -> Result<(), Wrong> {
        let lost = match refusal {
            Refusal::UnknownSession | Refusal::UnknownAccount | Refusal::UnknownPayee => {
                floor.exists && !matches!(asked, Asked::OpenSession(_))
            }
            Refusal::UnknownSettlement => floor.settled,
            Refusal::UnknownWriter => floor.number > 0 && matches!(asked, Asked::OpenWriter(_)),
            _ => false,
        };
        if lost { wrong("I2", format!("{asked:?} heard {refusal:?}, and it was there")) } else { Ok(()) }
    }

    /// What is told knows of all that was heard before.
    pub(super) fn at_least(&self, asked: &Asked, told: &Told, floor: &Floor) -> Result<(), Wrong> {
        if let Some(SessionShown::Open(view)) = shown(told)
            && (floor.settled || view.debit_count < floor.debits)
        {
            return wrong("I2", format!("{asked:?} shows less than {floor:?}: {view:?}"));
        }
        match told {
            Told::PayeeShown(payee) => {
                let payable = |currency: &Currency| {
                    let ledger = payee.ledgers.iter().find(|ledger| ledger.currency == *currency);
                    ledger.map_or(0, |ledger| ledger.payable.nanos())
                };
                if floor.owed.iter().any(|(currency, nanos)| payable(currency) < *nanos) {
                    return wrong("I5", format!("{payee:?} is owed less than {:?}", floor.owed));
                }
                Ok(())
            }
            Told::Writer { epoch, .. } if u64::from(*epoch) <= floor.number => {
                wrong("I2", format!("epoch {epoch} was given out before"))
            }
            Told::Position(last) if *last < floor.number => {
                wrong("I2", format!("the last number is {last}, and {} was answered", floor.number))
            }
            Told::Known(known) => self.known_again(asked, known, floor),
            Told::Totals(totals) => adds_to_nothing(totals, floor),
            _ => Ok(()),
        }
    }

    fn known_again(&self, asked: &Asked, known: &Known, floor: &Floor) -> Result<(), Wrong> {
        let Some(seq) = floor.decided else { return Ok(()) };
        let is_key = matches!(asked, Asked::LookUpKey { .. });
        let holds = match (known, self.debits.get(&seq)) {
            (Known::Decided(debit, payee), Some(heard)) => {
                debit.seq == seq
                    && debit.taken.nanos() == heard.taken
                    && debit.verdict.map(|(code, _)| code) == heard.code
                    && *payee == heard.ask.payee
            }
            (Known::NotOpen, _) => true,
            (Known::Forgotten, _) => !is_key,
            (Known::NeverSeen | Known::Decided(..), _) => false,
        };
        if holds { Ok(()) } else { wrong("I2", format!("{asked:?} was decided at {seq}, and is {known:?}")) }
    }
}

fn session_of(asked: &Asked) -> Option<SessionId> {
    match asked {
        Asked::ShowSession(session)
        | Asked::TopUp { session, .. }
        | Asked::Reverse { session, .. }
        | Asked::Settle { session, .. }
        | Asked::Position { session, .. } => Some(*session),
        _ => None,
    }
}

/// The books sum to zero, know of all that was heard, and only what payers and the world owe is below zero (I6).
fn adds_to_nothing(totals: &Totals, floor: &Floor) -> Result<(), Wrong> {
    if totals.seq < floor.seq || totals.whole_through_seq < floor.seq {
        return wrong("I2", format!("{totals:?} ends before {}", floor.seq));
    }
    for (currency, books) in &totals.books {
        let book = |book: Book| books.get(book as usize).copied().unwrap_or(0);
        let may_owe = [Book::Outside, Book::PayerAvailable, Book::PayerReceivable];
        let below = Book::ALL.into_iter().find(|at| !may_owe.contains(at) && book(*at) < 0);
        if books.iter().sum::<i128>() != 0 || below.is_some() {
            return wrong("I6", format!("{totals:?} does not add up in {currency:?}"));
        }
        let owed = floor.owed.get(currency).copied().unwrap_or(0).cast_signed();
        if book(Book::PayeePayable) < owed {
            return wrong("I6", format!("payees are owed {owed} in {currency:?}: {totals:?}"));
        }
    }
    Ok(())
}
