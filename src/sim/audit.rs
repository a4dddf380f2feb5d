//! Owns: what clients asked and heard, and what that must come to in the end: I1 to I11, by answers alone.
//! Never: the engine, the journal, the model: it sees what a payer, a payee and a front-end could see.
//!
//! Answers may be lost and come in any order, so that what it knows of sums is bounds: from below, by what was heard; from
//! above, by what was asked and may have been done. What was heard before a call was made is what the call's answer must know
//! of: that is I2. What it cannot see is left to the model: whether a limit was the first, whether what is offered would do.

mod debits;
mod facts;
mod holds;
mod intents;
mod limits;
mod reads;
mod settled;
mod stops;

use crate::{
    asked::{Asked, Heard, NewDebit, Told},
    model::{CallNo, Wrong},
};
use facts::Facts;
use reads::Floor;
use std::collections::BTreeMap;
use tallystick_core::{Refusal, command::Act};
use tallystick_engine::{DebitAnswer, DebitOutcome, Fault, OpenAnswer};

/// Makes what is wrong of the invariant that says so.
fn wrong<T>(invariant: &str, text: String) -> Result<T, Wrong> {
    let mut told = text;
    told.insert_str(0, ": ");
    told.insert_str(0, invariant);
    Err(Wrong(told))
}

/// Listens at the door.
#[derive(Debug, Default)]
pub struct Auditor {
    facts: Facts,
    /// What was asked and not heard, with what was known then.
    calls: BTreeMap<CallNo, (Asked, Floor)>,
}

impl Auditor {
    /// Takes note that a call was sent, for the first time or again.
    pub fn asked(&mut self, call: CallNo, asked: &Asked) {
        self.facts.may_be_done(asked);
        let floor = self.facts.floor(asked);
        self.calls.insert(call, (asked.clone(), floor));
    }

    /// Takes note of an answer that reached its client. *Errors*: it goes against what was heard before.
    pub fn heard(&mut self, call: CallNo, heard: &Heard) -> Result<(), Wrong> {
        let Some((asked, floor)) = self.calls.remove(&call) else {
            return wrong("I3", format!("call {call} was answered, and nobody waits"));
        };
        let facts = &mut self.facts;
        match (&asked, heard) {
            (_, Err(Fault::JournalFailed | Fault::Storage(_))) => Ok(()),
            (Asked::Debit(ask), Err(Fault::Refused(refusal))) => facts.debit_refused(ask, *refusal),
            (asked, Err(Fault::Refused(refusal))) => facts.refused(asked, *refusal, &floor),
            (Asked::Debit(ask), Ok(Told::Debit(answer))) => facts.debit_heard(ask, answer),
            (Asked::Batch(asks), Ok(Told::Batch(results))) => batch(facts, asks, results),
            (asked, Ok(told)) => {
                facts.intent_heard(asked, told)?;
                facts.learn(asked, told)?;
                facts.at_least(asked, told, &floor)
            }
        }
    }

    /// Adds everything up once nothing is outstanding. *Errors*: it does not come to what was heard.
    pub fn finish(&self) -> Result<(), Wrong> {
        self.facts.all_limits()?;
        self.facts.all_settled()
    }
}

fn batch(
    facts: &mut Facts,
    asks: &[NewDebit],
    results: &[Result<DebitOutcome, Refusal>],
) -> Result<(), Wrong> {
    if asks.len() != results.len() {
        return wrong("I3", format!("{} debits have {} results", asks.len(), results.len()));
    }
    for (ask, result) in asks.iter().zip(results) {
        match result {
            Ok(outcome) => facts.outcome_heard(ask, outcome)?,
            Err(refusal) => facts.debit_refused(ask, *refusal)?,
        }
    }
    Ok(())
}

/// Returns a session that an answer shows, if it does.
fn shown(told: &Told) -> Option<&tallystick_engine::SessionShown> {
    match told {
        Told::SessionShown(shown) => Some(shown),
        Told::TopUp(answer) => Some(&answer.value.session),
        Told::Reverse(answer) => Some(&answer.value.session),
        _ => None,
    }
}

fn opened(told: &Told) -> Option<&OpenAnswer> {
    match told {
        Told::Open(answer) => Some(&answer.value),
        _ => None,
    }
}

/// Returns what was taken, by what a batch says.
fn taken(ask: &NewDebit, outcome: &DebitOutcome) -> u64 {
    match (outcome.declined, outcome.partial.is_zero()) {
        (Some(_), _) => 0,
        // What a void gave back is what its hold still held.
        (None, _) if matches!(ask.act, Act::Void { .. }) => {
            outcome.hold.as_ref().map_or(0, |view| view.hold.left.nanos())
        }
        (None, true) => ask.amount.nanos(),
        (None, false) => outcome.partial.nanos(),
    }
}

/// Says whether an answer shows that nothing was changed by it.
fn is_approved(answer: &DebitAnswer) -> bool {
    answer.decline.is_none()
}
