//! Owns: what the benches stand on: one partition full of sessions for the rules alone, all partitions as an engine keeps them,
//! and an engine in memory with its threads. All of it is the same in every run: the clock stands still, ids come from a count, choices from a seed.
//! Measures; never ships. Never: a clock of its own; criterion has it.

#![allow(clippy::expect_used, reason = "a bench that cannot be set up has nothing to measure")]

mod memory;
mod past;
mod rules;
mod world;

pub use memory::{Memory, Payer};
pub use past::Past;
pub use rules::Rules;
pub use world::World;

use std::sync::atomic::{AtomicU64, Ordering};
use tallystick_core::{
    AccountId, Amount, Clock, Currency, EnvelopeId, IdSource, PayeeId, SessionId, Span, Time, WriterId,
    command::{Debit, Intent, OpenSession},
    session::Clauses,
    velocity::VelocityLimit,
    writer::Numbered,
};

/// Is the currency of every account.
pub const USD: Currency = Currency::from_number(840);
/// Is when everything happens.
pub const NOON: Time = Time::from_ns(1_800_000_000_000_000_000);
/// Is what every account is given.
pub const DEPOSIT: Amount = Amount::from_nanos(1 << 62);

/// Stands still.
#[derive(Debug, Clone, Copy)]
pub struct Noon;

impl Clock for Noon {
    fn now(&self) -> Time {
        NOON
    }
}

/// Counts, and spreads the counts.
#[derive(Debug, Default)]
pub struct CountedIds(AtomicU64);

impl IdSource for CountedIds {
    fn draw(&self) -> u64 {
        spread(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

fn spread(count: u64) -> u64 {
    let mut z = count.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Draws the same choices in every run. *Cost*: about a nanosecond.
#[derive(Debug, Clone, Default)]
pub struct Dice(u64);

impl Dice {
    /// Returns an index below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(1);
        usize::try_from(spread(self.0) >> 33).unwrap_or(0) % end
    }
}

/// Asks for a session that is bounded by its cap alone.
pub fn opening(account: AccountId, key: &[u8], cap: Amount) -> OpenSession<'_> {
    OpenSession {
        principal: "cfo",
        method: "passkey",
        ..OpenSession::capped(EnvelopeId::Account(account), key, (cap, USD), Span::from_days(1))
    }
}

/// Is what the sessions of a world may not do: nothing of it, unless it is said.
#[derive(Debug, Clone, Default)]
pub struct Mandate {
    /// Limits in time of each session.
    pub velocity: Vec<VelocityLimit>,
    /// Limits in time of each account.
    pub account_velocity: Vec<VelocityLimit>,
    /// The cap of each payee; zero for none.
    pub payee_cap: Amount,
}

impl Mandate {
    /// Asks for a session that is bounded by this, too.
    pub fn bound<'a>(&self, opening: OpenSession<'a>) -> OpenSession<'a> {
        let clauses = Clauses { velocity: self.velocity.clone(), ..Clauses::default() };
        OpenSession { clauses, default_payee_cap: self.payee_cap, ..opening }
    }
}

/// Asks for one nano; all answers before are acknowledged, as a client at work does.
pub fn numbered(session: SessionId, payee: PayeeId, writer: WriterId, number: u64) -> Debit<'static> {
    let intent = Intent::Number(Numbered { writer, epoch: 1, number, acked_through: number - 1 });
    let (amount, currency) = (Amount::from_nanos(1), Currency::UNSTATED);
    Debit {
        act: tallystick_core::command::Act::Debit,
        proof: None,
        session,
        payee,
        amount,
        currency,
        intent,
        reference: "",
        evidence: None,
        partial: false,
    }
}
