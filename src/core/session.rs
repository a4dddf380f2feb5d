//! Owns: a session, the envelope that is streamed into and settled, and its counters: its own, and those it keeps of what
//! lies below it. What a debit reads and writes lies in one place, so that a debit of a session that no cache holds waits for
//! memory once; what most sessions have nothing of is beside it, and there only when there is something.
//! Never: the order in which limits are tested; that is the ladder's, in `decide`. Never its parents.

mod changes;
mod guard;
mod payees;
mod plain;
mod terms;
mod token;

use crate::{
    Amount, Cap, Currency, SessionId, Time, WriterId,
    apply::sure,
    control::Control,
    hash::KeyHash,
    keys::{Keys, Remembered},
    limits,
    velocity::Velocity,
    writer::Window,
};
use alloc::{boxed::Box, vec::Vec};
use payees::Payees;
use serde::{Deserialize, Serialize};

pub use guard::{Guard, Guards, Hold, HoldEnd, Holds};
pub use plain::Plain;
pub use terms::{About, Authority, Bounds, Clauses, Mode, PayeePart, SecretHash};
pub use token::{Each, Family, Kept, Prefix, Role, Token};

pub(crate) use token::fingerprint;

/// Is what a debit reads of a session only where it is not nothing: in most it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rare {
    parent: Option<u32>,
    open_children: u32,
    not_before: Time,
    debit_min: Amount,
    closing_at: Time,
    spent_below: Amount,
    held: Amount,
    reserved_by_children: Amount,
}

impl Rare {
    const NONE: Self = Self {
        parent: None,
        open_children: 0,
        not_before: Time::ZERO,
        debit_min: Amount::ZERO,
        closing_at: Time::ZERO,
        spent_below: Amount::ZERO,
        held: Amount::ZERO,
        reserved_by_children: Amount::ZERO,
    };
}

/// Is what a session has of facts, of debits with keys, of writers after the first, and of what few mandates say. Limits in
/// time are as near as they can be: a debit that has some reads them.
#[derive(Debug, Clone, Default)]
struct Rest {
    about: About,
    keys: Keys,
    writers: Vec<Window>,
    guard: Option<Box<Guard>>,
    velocity: Box<[Velocity]>,
}

/// Is one open session. A settled one leaves the table. Its fields, one by one, are `Plain`'s.
///
/// They lie in memory as they are written here: first what each debit reads, so that the end of a row costs it nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Plain", into = "Plain")]
#[repr(C)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    cap: Amount,
    ends_at: Time,
    /// What was debited on it, reversals taken off.
    pub spent_own: Amount,
    /// Approved debits.
    pub debit_count: u64,
    debit_max: Cap,
    default_payee_cap: Cap,
    /// Its account's slot, in the same partition.
    pub account: u32,
    /// Its account's currency.
    pub currency: Currency,
    /// How it stands to its parent.
    pub mode: Mode,
    /// How deep below its account; 1 is straight on it.
    pub depth: u8,
    /// It caps what payees get, so it counts what they get below it.
    pub counts_payees: bool,
    /// Something above it does.
    pub counted_above: bool,
    payees_restricted: bool,
    /// What a debit has to look at beside the row.
    pub guards: Guards,
    /// `None` for `Rare::NONE`.
    rare: Option<Box<Rare>>,
    payees: Payees,
    /// The window of the first writer.
    window: Option<Window>,
    /// `None` for nothing.
    rest: Option<Box<Rest>>,
    /// When it was opened.
    pub opened_at: Time,
}

// A debit that waits for memory waits for every 64 bytes of this, and ten million of them have to fit.
const _: () = assert!(size_of::<Session>() <= 224);

/// Sessions are equal when they are stored alike, wherever their parts are kept.
impl PartialEq for Session {
    fn eq(&self, other: &Self) -> bool {
        Plain::from(self.clone()) == Plain::from(other.clone())
    }
}

impl Eq for Session {}

impl Session {
    fn rare(&self) -> &Rare {
        self.rare.as_deref().unwrap_or(&Rare::NONE)
    }

    fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_with(|| Box::new(Rare::NONE))
    }

    fn rest_mut(&mut self) -> &mut Rest {
        self.rest.get_or_insert_default()
    }

    /// Reads a little of each piece of its row, so that all of it is on its way from memory.
    pub(crate) fn touch(&self) -> u64 {
        let window = self.window.as_ref().map_or(0, Window::touch);
        u64::from(self.id.slot()) ^ u64::from(self.account) ^ window ^ self.opened_at.ns()
    }

    /// As `touch`, for where its limits in time are, once the row is there.
    pub(crate) fn touch_beside(&self) -> usize {
        if self.guards.has(Guards::VELOCITY) { self.velocity().len() } else { 0 }
    }

    /// As `touch`, for its limits in time, once it is known where they are.
    pub(crate) fn touch_limits(&self) -> u64 {
        if self.guards.has(Guards::VELOCITY) {
            self.velocity().iter().fold(0, |sum, velocity| sum ^ velocity.touch())
        } else {
            0
        }
    }

    /// Returns the slot of the session it stands under; `None` straight on the account.
    pub fn parent(&self) -> Option<u32> {
        self.rare().parent
    }

    /// Returns its cap.
    pub fn cap(&self) -> Amount {
        self.cap
    }

    /// Returns its end.
    pub fn ends_at(&self) -> Time {
        self.ends_at
    }

    /// Returns what bounds its debits.
    pub fn bounds(&self) -> Bounds {
        Bounds {
            cap: self.cap,
            not_before: self.rare().not_before,
            ends_at: self.ends_at,
            default_payee_cap: self.default_payee_cap,
            debit_min: self.rare().debit_min,
            debit_max: self.debit_max,
            payees_restricted: self.payees_restricted,
        }
    }

    /// Returns when it began to close, with sessions still open below it; zero while it does not.
    pub fn closing_at(&self) -> Time {
        self.rare().closing_at
    }

    /// Returns what sessions below it spent: closed ones, and open shared ones.
    pub fn spent_below(&self) -> Amount {
        self.rare().spent_below
    }

    /// Returns what is set aside by holds: its own, and those of shared sessions below.
    pub fn held(&self) -> Amount {
        self.rare().held
    }

    /// Returns what is set aside for open reserved sessions below.
    pub fn reserved_by_children(&self) -> Amount {
        self.rare().reserved_by_children
    }

    /// Returns how many sessions are open directly under it.
    pub fn open_children(&self) -> u32 {
        self.rare().open_children
    }

    /// Returns one part a payee, in order of `payee`.
    pub fn payees(&self) -> impl Iterator<Item = PayeePart> + Clone {
        self.payees.iter(self.default_payee_cap)
    }

    /// Returns the facts behind it, with what was taken back.
    pub fn about(&self) -> About {
        self.rest.as_deref().map_or_else(About::default, |rest| rest.about.clone())
    }

    /// Returns what was taken back of the debit with this seq; `None` when nothing was.
    pub fn reversed(&self, seq: u64) -> Option<Amount> {
        self.rest.as_deref()?.about.reversed.get(&seq).copied()
    }

    /// Returns of how many debits something was taken back.
    pub fn reversed_count(&self) -> usize {
        self.rest.as_deref().map_or(0, |rest| rest.about.reversed.len())
    }

    /// Returns what is left of the cap: cap - (spent_own + spent_below + held + reserved_by_children), or zero.
    pub fn remaining(&self) -> Amount {
        let rare = self.rare();
        self.cap
            .minus_or_zero(self.spent_own)
            .minus_or_zero(rare.spent_below)
            .minus_or_zero(rare.held)
            .minus_or_zero(rare.reserved_by_children)
    }

    /// Returns whether its own end has come, or it is closing. Something above it may be closing, too: a decision asks
    /// `Partition::has_ended`.
    pub fn has_ended(&self, now: Time) -> bool {
        now >= self.ended_at() || (self.guards.has(Guards::TOKEN) && self.is_consumed())
    }

    fn ended_at(&self) -> Time {
        let closing_at = self.closing_at();
        if closing_at == Time::ZERO { self.ends_at } else { closing_at }
    }

    /// Returns when something becomes due in it: a hold's end, or its own. One that is closing and waits for its own holds alone
    /// is due when the next of them ends: it must not be looked at again and again until then.
    pub fn due_at(&self) -> Time {
        let hold = self.guard().and_then(|guard| guard.holds.next_until());
        let own = self.settles_at();
        match hold {
            None => own,
            Some(hold) if self.closing_at() != Time::ZERO && self.open_children() == 0 => hold,
            Some(hold) => hold.min(own),
        }
    }

    /// Returns when it has to be settled: when it has ended, unless it is a token for which that is another time.
    pub fn settles_at(&self) -> Time {
        if !self.guards.has(Guards::TOKEN) || self.closing_at() != Time::ZERO {
            return self.ended_at();
        }
        let due_at = self.token().map_or(Time::ZERO, |token| token.due_at);
        match due_at {
            Time::ZERO => self.ends_at,
            due_at if self.is_consumed() => due_at.min(self.ends_at),
            due_at => due_at.max(self.ends_at),
        }
    }

    /// Returns what makes a token of it; `None` for a session.
    pub fn token(&self) -> Option<&Token> {
        self.guard()?.token.as_deref()
    }

    pub(crate) fn token_mut(&mut self) -> Option<&mut Token> {
        if !self.guards.has(Guards::TOKEN) {
            return None;
        }
        self.guard_mut().token.as_deref_mut()
    }

    fn is_consumed(&self) -> bool {
        self.token().is_some_and(Token::is_consumed)
    }

    /// Returns whether it is one period's token.
    pub fn is_period(&self) -> bool {
        self.token().is_some_and(|token| token.role == Role::Period)
    }

    /// Returns whether it is a standing mandate, on which nothing is debited and under which nothing is opened but its periods' tokens.
    pub fn is_standing(&self) -> bool {
        self.guards.has(Guards::TOKEN) && self.token().is_some_and(|token| token.family().is_some())
    }

    /// Returns whether it goes on after its token's period.
    pub fn is_carried(&self) -> bool {
        self.guard().is_some_and(|guard| guard.carry)
    }

    /// Returns whether a debit below has to look at it, though its own session was opened within it.
    pub fn is_bent(&self) -> bool {
        self.guards.has(Guards::TOKEN) && self.token().is_some_and(Token::is_bent)
    }

    /// Returns what a payee got out of it and out of what is below, as far as that is counted, and what is promised to it.
    pub fn got_by(&self, payee: u32) -> Amount {
        let got =
            self.part(payee).map_or(Amount::ZERO, |part| sure(part.spent.checked_add(part.spent_below)));
        sure(got.checked_add(self.held_for(payee)))
    }

    /// Returns what few mandates say, and its holds; `None` for nothing.
    pub fn guard(&self) -> Option<&Guard> {
        self.rest.as_deref()?.guard.as_deref()
    }

    /// Returns its own control word; `None` when nobody ever set it.
    pub fn control(&self) -> Option<&Control> {
        self.guard()?.control.as_deref()
    }

    pub(crate) fn guard_mut(&mut self) -> &mut Guard {
        self.rest_mut().guard.get_or_insert_default()
    }

    /// Returns its own limits in time, rates first.
    pub fn velocity(&self) -> &[Velocity] {
        self.rest.as_deref().map_or(&[], |rest| &rest.velocity)
    }

    /// Takes an approved amount of its own limits in time. *Panics*: if one has no room for it.
    pub(crate) fn take_velocity(&mut self, payee: u32, amount: Amount, at: Time) {
        if let Some(rest) = self.rest.as_deref_mut() {
            rest.velocity.iter_mut().for_each(|limit| limit.take(payee, amount, at));
        }
    }

    /// Returns its open holds and those that ended last; `None` when it never had any.
    pub fn holds(&self) -> Option<&Holds> {
        self.guard().map(|guard| &guard.holds)
    }

    /// Returns how many of its own holds are open.
    pub fn open_holds(&self) -> usize {
        self.holds().map_or(0, Holds::open_count)
    }

    /// Returns what its own open holds hold.
    pub fn held_own(&self) -> Amount {
        self.holds().map_or(Amount::ZERO, Holds::held)
    }

    /// Returns whether a debit on it changes or is bounded by what lies above.
    pub fn walks(&self) -> bool {
        self.mode == Mode::Shared || self.counted_above
    }

    /// Returns whether nothing can be approved out of what is left.
    pub fn is_final_with(&self, left: Amount) -> bool {
        left.is_zero() || left < self.rare().debit_min
    }

    /// Finds a payee's part.
    pub fn part(&self, payee: u32) -> Option<PayeePart> {
        self.payees.get(payee, self.default_payee_cap)
    }

    /// Returns what a payee may still get; `None` without a cap.
    pub fn payee_remaining(&self, payee: u32) -> Option<Amount> {
        let left = match self.part(payee) {
            Some(part) => part.remaining(),
            None => self.default_payee_cap.get(),
        }?;
        Some(if self.held().is_zero() { left } else { left.minus_or_zero(self.held_for(payee)) })
    }

    /// Returns what its own open holds hold for a payee. *Cost*: looks at each.
    pub(crate) fn held_for(&self, payee: u32) -> Amount {
        self.holds().map_or(Amount::ZERO, |holds| holds.held_for(payee))
    }

    /// Returns whether the session has no place for one payee more.
    pub fn is_full_of_payees(&self) -> bool {
        self.payees.len() >= limits::PAYEES_PER_SESSION
    }

    /// Returns whether it counts what `payee` gets below it, because it caps it.
    pub fn counts(&self, payee: u32) -> bool {
        self.counts_payees && self.payee_remaining(payee).is_some()
    }

    /// Finds a writer's window.
    pub fn window(&self, writer: WriterId) -> Option<&Window> {
        self.windows().find(|window| window.writer() == writer)
    }

    fn windows(&self) -> impl Iterator<Item = &Window> {
        self.window.iter().chain(self.rest.iter().flat_map(|rest| &rest.writers))
    }

    /// Returns how many writers it remembers.
    pub fn writer_count(&self) -> usize {
        self.windows().count()
    }

    /// Finds a debit with a free-form key.
    pub fn keyed(&self, key: KeyHash) -> Option<&Remembered> {
        self.rest.as_deref()?.keys.get(key)
    }

    /// Returns how many free-form keys it remembers.
    pub fn key_count(&self) -> usize {
        self.rest.as_deref().map_or(0, |rest| rest.keys.len())
    }
}
