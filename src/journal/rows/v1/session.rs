//! Owns: the first shape of a session and of the answers it remembers. Never: a session below another; there was none.

use super::command_key::Code;
use serde::Deserialize;
use std::collections::{BTreeMap, VecDeque};
use tallystick_core::{
    Amount, Cap, Currency, Level, SessionId, Time, WriterId,
    command::Act,
    hash::{FieldHash, KeyHash},
    keys::{self, How, Keys},
    session::{self, Authority, Bounds, Guards, Mode},
    writer,
};

#[derive(Deserialize)]
struct Said {
    amount: Amount,
    payee: u32,
    currency: Currency,
    reference: FieldHash,
    evidence: FieldHash,
}

#[derive(Deserialize)]
struct Remembered {
    seq: u64,
    said: Said,
    verdict: Option<(Code, Level)>,
}

impl From<Remembered> for keys::Remembered {
    fn from(old: Remembered) -> Self {
        let Said { amount, payee, currency, reference, evidence } = old.said;
        let said = keys::Said {
            amount,
            payee,
            currency,
            reference,
            evidence,
            how: How::new(Act::Debit, false, false),
        };
        let verdict = old.verdict.map(|(code, level)| (code.into(), level));
        let taken = if verdict.is_none() { amount } else { Amount::ZERO };
        Self { seq: old.seq, said, verdict, taken }
    }
}

#[derive(Deserialize)]
struct Run {
    first_number: u64,
    count: u64,
    first: Remembered,
}

#[derive(Deserialize)]
struct Window {
    writer: WriterId,
    epoch: u32,
    last_number: u64,
    runs: VecDeque<Run>,
}

impl From<Window> for writer::Window {
    fn from(old: Window) -> Self {
        let runs = old.runs.into_iter().map(|run| (run.first_number, run.count, run.first.into()));
        Self::from_parts(old.writer, old.epoch, old.last_number, runs)
    }
}

#[derive(Deserialize)]
struct PayeePart {
    payee: u32,
    spent: Amount,
    debit_count: u64,
    cap: Cap,
}

impl From<PayeePart> for session::PayeePart {
    fn from(old: PayeePart) -> Self {
        Self { spent: old.spent, debit_count: old.debit_count, ..Self::new(old.payee, old.cap) }
    }
}

#[derive(Deserialize)]
struct About {
    authority: Authority,
    reference: Box<str>,
}

#[derive(Deserialize)]
pub(crate) struct Session {
    id: SessionId,
    account: u32,
    currency: Currency,
    bounds: Bounds,
    spent_own: Amount,
    spent_below: Amount,
    held: Amount,
    reserved_by_children: Amount,
    debit_count: u64,
    opened_at: Time,
    payees: Vec<PayeePart>,
    writers: Vec<Window>,
    keys: BTreeMap<KeyHash, Remembered>,
    about: About,
}

impl From<Session> for session::Session {
    fn from(old: Session) -> Self {
        let capped = !old.bounds.default_payee_cap.is_none() || old.payees.iter().any(|p| !p.cap.is_none());
        let About { authority, reference } = old.about;
        let keys = old.keys.into_iter().map(|(key, debit)| (key, debit.into())).collect();
        Self::from(session::Plain {
            id: old.id,
            account: old.account,
            parent: None,
            mode: Mode::Reserved,
            depth: 1,
            counts_payees: capped,
            counted_above: false,
            currency: old.currency,
            bounds: old.bounds,
            closing_at: Time::ZERO,
            spent_own: old.spent_own,
            spent_below: old.spent_below,
            held: old.held,
            reserved_by_children: old.reserved_by_children,
            open_children: 0,
            debit_count: old.debit_count,
            opened_at: old.opened_at,
            payees: old.payees.into_iter().map(Into::into).collect(),
            writers: old.writers.into_iter().map(Into::into).collect(),
            keys: Keys::from_parts(keys),
            about: session::About { authority, reference, ..session::About::default() },
            guards: Guards::default(),
            guard: None,
            velocity: Box::default(),
        })
    }
}
