//! Owns: I5 by answers alone: a session has one settlement, which has every debit that was heard of once, and adds up.
//! Never: what a payee was paid out.

use super::{facts::Facts, wrong};
use crate::model::Wrong;
use std::collections::BTreeMap;
use tallystick_core::{Currency, PayeeId, SessionId, session::Mode, settlement::Settlement};

impl Facts {
    /// Takes note of a settlement; it is the same however often it is told.
    pub(super) fn settled(&mut self, settlement: &Settlement) -> Result<(), Wrong> {
        self.last_seq = self.last_seq.max(settlement.seq);
        let session = settlement.session;
        if let Some(before) = self.settlements.get(&session) {
            if before == settlement {
                return Ok(());
            }
            return wrong("I5", format!("{session} was settled as {before:?} and as {settlement:?}"));
        }
        self.settlements.insert(session, settlement.clone());
        let sum: u128 = settlement.lines.iter().map(|line| u128::from(line.amount.nanos())).sum();
        let count: u64 = settlement.lines.iter().map(|line| line.debit_count).sum();
        let is_sorted = settlement.lines.is_sorted_by(|a, b| a.payee < b.payee);
        if sum != u128::from(settlement.total.nanos()) || count != settlement.debit_count || !is_sorted {
            return wrong("I5", format!("the lines do not add up: {settlement:?}"));
        }
        self.adds_up(session)?;
        self.held_nothing(settlement)?;
        self.nothing_after()
    }

    /// A settlement has every debit that was heard of, and no more than may have been approved.
    fn adds_up(&self, session: SessionId) -> Result<(), Wrong> {
        let Some(settlement) = self.settlements.get(&session) else { return Ok(()) };
        let debits = || self.debits.iter().filter(|(_, d)| d.ask.session == session && d.is_spent());
        let lines: BTreeMap<PayeeId, _> = settlement.lines.iter().map(|line| (line.payee, line)).collect();
        for (seq, debit) in debits() {
            if !lines.contains_key(&debit.ask.payee) {
                return wrong("I5", format!("the debit at {seq} is in no line of {settlement:?}"));
            }
        }
        for line in &settlement.lines {
            let own = || debits().filter(|(_, debit)| debit.ask.payee == line.payee);
            let least: u128 = own().map(|(seq, _)| u128::from(self.least(*seq))).sum();
            let heard: u128 = own().map(|(_, debit)| u128::from(debit.taken)).sum();
            let maybe = self.unheard.values().filter(|ask| ask.session == session && ask.spends());
            let maybe: Vec<u64> = maybe.map(|ask| ask.amount.nanos()).collect();
            let most = heard + maybe.iter().map(|nanos| u128::from(*nanos)).sum::<u128>();
            let amount = u128::from(line.amount.nanos());
            let count = own().count() as u64;
            let most_count = count + maybe.len() as u64;
            if amount < least || amount > most || line.debit_count < count || line.debit_count > most_count {
                return wrong(
                    "I5",
                    format!(
                        "{least} to {most} in {count} to {most_count} debits was approved: {line:?} of {session}"
                    ),
                );
            }
        }
        self.gives_back(settlement)
    }

    /// What was set aside and not spent goes back, to the nano.
    fn gives_back(&self, settlement: &Settlement) -> Result<(), Wrong> {
        let Some(seen) = self.sessions.get(&settlement.session) else { return Ok(()) };
        let released = u128::from(settlement.released.nanos());
        let spent = u128::from(settlement.total.nanos()) + u128::from(settlement.spent_below.nanos());
        let maybe = self.top_ups.iter().filter(|((id, _), _)| *id == settlement.session);
        let added: u128 = maybe.map(|(_, maybe)| u128::from(maybe.most)).sum();
        let cap = u128::from(seen.cap);
        let fits = match seen.mode {
            Mode::Reserved => (cap..=cap + added).contains(&(released + spent)),
            Mode::Shared => released == 0 && spent <= cap + added,
        };
        if fits { Ok(()) } else { wrong("I5", format!("{settlement:?} does not come to {seen:?}")) }
    }

    /// Returns what a payee is owed at least, by the settlements that were heard of.
    pub(super) fn owed(&self, payee: PayeeId) -> BTreeMap<Currency, u128> {
        let mut owed = BTreeMap::new();
        for settlement in self.settlements.values() {
            for line in settlement.lines.iter().filter(|line| line.payee == payee) {
                *owed.entry(settlement.currency).or_default() += u128::from(line.amount.nanos());
            }
        }
        owed
    }

    pub(super) fn all_settled(&self) -> Result<(), Wrong> {
        self.settlements.keys().try_for_each(|session| self.adds_up(*session))
    }
}
