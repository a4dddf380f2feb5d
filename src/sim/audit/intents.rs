//! Owns: I3: the same key, the same answer; another content is refused, and the field that differs is named.
//! Never: what the answer should have been the first time.

use super::{
    facts::{Facts, HeardDebit, seq_of},
    reads::Floor,
    wrong,
};
use crate::{
    asked::{Asked, Named, NewDebit, Told},
    model::{Wrong, debit_differs, differs, intent_of},
};
use tallystick_core::{Refusal, SessionId, WriterId};

/// Names a keyed request that is remembered for good.
pub(super) type Intent = (&'static str, u128, Vec<u8>);

/// Names a debit's intent: a number is one whatever its epoch and what was acknowledged with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum DebitIntent {
    Key(SessionId, Vec<u8>),
    Number(SessionId, WriterId, u64),
}

pub(super) fn debit_intent(ask: &NewDebit) -> DebitIntent {
    match &ask.named {
        Named::Key(key) => DebitIntent::Key(ask.session, key.clone()),
        Named::Number(at) => DebitIntent::Number(ask.session, at.writer, at.number),
    }
}

impl Facts {
    /// A debit's intent was decided at `seq`: once, for what was asked now.
    pub(super) fn decided(&mut self, ask: &NewDebit, seq: u64, replayed: bool) -> Result<(), Wrong> {
        let intent = debit_intent(ask);
        self.unheard.remove(&intent);
        if !replayed && !self.fresh.insert(seq) {
            return wrong("I3", format!("{intent:?} was new twice, at seq {seq}"));
        }
        let before = self.debit_intents.insert(intent.clone(), seq);
        if before.is_some_and(|before| before != seq) {
            return wrong("I3", format!("{intent:?} was decided at {before:?}, and again at {seq}"));
        }
        if let Some(HeardDebit { ask: was, .. }) = self.debits.get(&seq)
            && (debit_intent(was) != intent || debit_differs(was, ask).is_some())
        {
            return wrong("I3", format!("{was:?} was decided at {seq}, and so was {ask:?}"));
        }
        for (other, field) in self.claims.remove(&intent).unwrap_or_default() {
            differs_in(ask, &other, field)?;
        }
        Ok(())
    }

    /// A debit was refused.
    pub(super) fn debit_refused(&mut self, ask: &NewDebit, refusal: Refusal) -> Result<(), Wrong> {
        let intent = debit_intent(ask);
        let decided = self.debit_intents.get(&intent).and_then(|seq| self.debits.get(seq));
        match (refusal, decided) {
            (Refusal::KeyReused { field }, Some(debit)) => differs_in(&debit.ask, ask, field),
            (Refusal::KeyReused { field }, None) => {
                self.claims.entry(intent).or_default().push((ask.clone(), field));
                Ok(())
            }
            (Refusal::NumberGap { expected } | Refusal::NotAttempted { expected }, _) => {
                let Named::Number(at) = &ask.named else {
                    return wrong("I3", format!("{refusal:?} was told of a key"));
                };
                if at.number == expected || expected == 0 {
                    return wrong("I3", format!("{at:?} was refused, though {expected} was expected"));
                }
                Ok(())
            }
            (Refusal::PayeeNotHere, _) => wrong("I11", "what never leaves the engine was told".into()),
            _ => Ok(()),
        }
    }

    /// Any other request was refused.
    pub(super) fn refused(&mut self, asked: &Asked, refusal: Refusal, floor: &Floor) -> Result<(), Wrong> {
        self.still_there(asked, refusal, floor)?;
        let before = intent_of(asked).and_then(|intent| self.intents.get(&intent));
        match (refusal, before) {
            (Refusal::PayeeNotHere, _) => wrong("I11", "what never leaves the engine was told".into()),
            (Refusal::KeyReused { field }, Some((_, before))) if differs(before, asked) != Some(field) => {
                wrong("I3", format!("{asked:?} was said to differ in {field} from {before:?}"))
            }
            _ => Ok(()),
        }
    }

    /// A keyed request was answered: its key stands for what was asked now, at one seq.
    pub(super) fn intent_heard(&mut self, asked: &Asked, told: &Told) -> Result<(), Wrong> {
        let (Some(intent), seq) = (intent_of(asked), seq_of(told)) else { return Ok(()) };
        let replayed = match told {
            Told::Account(answer) => answer.replayed,
            Told::Deposit(answer) => answer.replayed,
            Told::Withdraw(answer) => answer.replayed,
            Told::Payee(answer) => answer.replayed,
            Told::Open(answer) => answer.replayed,
            Told::TopUp(answer) => answer.replayed,
            Told::Reverse(answer) => answer.replayed,
            _ => false,
        };
        if !replayed && !self.fresh.insert(seq) {
            return wrong("I3", format!("{intent:?} was new twice, at seq {seq}"));
        }
        match self.intents.insert(intent, (seq, asked.clone())) {
            Some((before, was)) if before != seq || differs(&was, asked).is_some() => {
                wrong("I3", format!("{was:?} was decided at {before}; {asked:?} at {seq}"))
            }
            _ => Ok(()),
        }
    }
}

fn differs_in(decided: &NewDebit, asked: &NewDebit, field: &str) -> Result<(), Wrong> {
    if debit_differs(decided, asked) == Some(field) {
        return Ok(());
    }
    wrong("I3", format!("{asked:?} was said to differ in {field} from {decided:?}"))
}
