//! Owns: a session, the envelope that is streamed into and settled, and its counters: its own, and those it keeps of what
//! lies below it. Never: the order in which limits are tested; that is the ladder's, in `decide`. Never its parents.

use crate::{
    Amount, Cap, Currency, SessionId, Time, WriterId, apply::sure, keys::Keys, limits, writer::Window,
};
use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};
use serde::{Deserialize, Serialize};

/// Says how a session stands to its parent. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[repr(u8)]
pub enum Mode {
    /// Its cap is set aside in its parent.
    #[default]
    Reserved = 1,
    /// Its cap is only a ceiling; its debits count in its parent at once.
    Shared = 2,
}

impl Mode {
    /// Reads a stored number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Reserved),
            2 => Some(Self::Shared),
            _ => None,
        }
    }
}

/// Is what a session holds for one payee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayeePart {
    /// The payee: its notice's slot.
    pub payee: u32,
    /// What it got out of this session itself.
    pub spent: Amount,
    /// What it got out of sessions below, open or settled; kept where this session has a cap for the payee.
    pub spent_below: Amount,
    /// In how many debits on this session itself.
    pub debit_count: u64,
    /// The most it may get, below included.
    pub cap: Cap,
}

impl PayeePart {
    /// Makes the part of a payee that has got nothing.
    pub const fn new(payee: u32, cap: Cap) -> Self {
        Self { payee, spent: Amount::ZERO, spent_below: Amount::ZERO, debit_count: 0, cap }
    }

    /// Returns what it may still get; `None` without a cap.
    pub fn remaining(&self) -> Option<Amount> {
        Some(self.cap.get()?.minus_or_zero(self.spent).minus_or_zero(self.spent_below))
    }

    fn assert_within_cap(&self, session: SessionId) {
        let got = sure(self.spent.checked_add(self.spent_below));
        assert!(self.cap.get().is_none_or(|cap| got <= cap), "bug: a payee is over its cap in {session}");
    }
}

/// Is who approved the ceiling, how, and what proves it. Kept, never interpreted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authority {
    /// Who.
    pub principal: Box<str>,
    /// How.
    pub method: Box<str>,
    /// What proves it.
    pub evidence_hash: Option<[u8; 32]>,
    /// When; zero if it was not said.
    pub approved_at: Time,
}

/// Is the part of a session that no debit reads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The facts behind the mandate.
    pub authority: Authority,
    /// The caller's own name for it.
    pub reference: Box<str>,
    /// What was taken back of debits, by their seqs.
    pub reversed: BTreeMap<u64, Amount>,
}

/// Is the part of a mandate that bounds debits. Places in the record: velocity, approval threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// The session's cap.
    pub cap: Amount,
    /// No debit before; zero for none.
    pub not_before: Time,
    /// No debit from here on.
    pub ends_at: Time,
    /// The cap of a payee that has none of its own.
    pub default_payee_cap: Cap,
    /// The least debit.
    pub debit_min: Amount,
    /// The greatest debit.
    pub debit_max: Cap,
    /// Only the payees listed at opening can be paid.
    pub payees_restricted: bool,
}

/// Is one open session. A settled one leaves the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Its account's slot, in the same partition.
    pub account: u32,
    /// The slot of the session it stands under; `None` straight on the account.
    pub parent: Option<u32>,
    /// How it stands to its parent.
    pub mode: Mode,
    /// How deep below its account; 1 is straight on it.
    pub depth: u8,
    /// It caps what payees get, so it counts what they get below it.
    pub counts_payees: bool,
    /// Something above it does.
    pub counted_above: bool,
    /// Its account's currency.
    pub currency: Currency,
    /// What bounds its debits.
    pub bounds: Bounds,
    /// When it began to close, with sessions still open below it; zero while it does not.
    pub closing_at: Time,
    /// What was debited on it, reversals taken off.
    pub spent_own: Amount,
    /// What sessions below it spent: closed ones, and open shared ones.
    pub spent_below: Amount,
    /// Set aside by holds. A place: always zero until there are holds.
    pub held: Amount,
    /// Set aside for open reserved sessions below.
    pub reserved_by_children: Amount,
    /// Sessions open directly under it.
    pub open_children: u32,
    /// Approved debits.
    pub debit_count: u64,
    /// When it was opened.
    pub opened_at: Time,
    /// One part a payee, in order of `payee`.
    pub payees: Vec<PayeePart>,
    /// One window a writer.
    pub writers: Vec<Window>,
    /// Debits with free-form keys.
    pub keys: Box<Keys>,
    /// The rest.
    pub about: Box<About>,
}

impl Session {
    /// Returns what is left of the cap: cap - (spent_own + spent_below + held + reserved_by_children), or zero.
    pub fn remaining(&self) -> Amount {
        self.bounds
            .cap
            .minus_or_zero(self.spent_own)
            .minus_or_zero(self.spent_below)
            .minus_or_zero(self.held)
            .minus_or_zero(self.reserved_by_children)
    }

    /// Returns whether its own end has come, or it is closing. Something above it may be closing, too: a decision asks
    /// `Partition::has_ended`.
    pub fn has_ended(&self, now: Time) -> bool {
        now >= self.due_at()
    }

    /// Returns when it has to be settled.
    pub fn due_at(&self) -> Time {
        if self.closing_at == Time::ZERO { self.bounds.ends_at } else { self.closing_at }
    }

    /// Returns whether a debit on it changes or is bounded by what lies above.
    pub fn walks(&self) -> bool {
        self.mode == Mode::Shared || self.counted_above
    }

    /// Returns whether nothing can be approved out of what is left.
    pub fn is_final_with(&self, left: Amount) -> bool {
        left.is_zero() || left < self.bounds.debit_min
    }

    /// Finds a payee's part.
    pub fn part(&self, payee: u32) -> Option<&PayeePart> {
        self.payees.binary_search_by_key(&payee, |part| part.payee).ok().and_then(|at| self.payees.get(at))
    }

    /// Returns what a payee may still get; `None` without a cap.
    pub fn payee_remaining(&self, payee: u32) -> Option<Amount> {
        match self.part(payee) {
            Some(part) => part.remaining(),
            None => self.bounds.default_payee_cap.get(),
        }
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
        self.writers.iter().find(|window| window.writer() == writer)
    }

    pub(crate) fn window_mut(&mut self, writer: WriterId, epoch: u32) -> Option<&mut Window> {
        let at = match self.writers.iter().position(|window| window.writer() == writer) {
            Some(at) => at,
            None => {
                self.writers.push(Window::new(writer, epoch));
                self.writers.len() - 1
            }
        };
        self.writers.get_mut(at)
    }

    fn part_mut(&mut self, payee: u32) -> Option<&mut PayeePart> {
        let default_cap = self.bounds.default_payee_cap;
        let at = match self.payees.binary_search_by_key(&payee, |part| part.payee) {
            Ok(at) => at,
            Err(at) => {
                self.payees.insert(at, PayeePart::new(payee, default_cap));
                at
            }
        };
        self.payees.get_mut(at)
    }

    /// Takes an approved amount. *Panics*: if it fits neither the cap nor the payee's (I1).
    pub(crate) fn take(&mut self, payee: u32, amount: Amount) {
        assert!(amount <= self.remaining(), "bug: {amount} overspends session {}", self.id);
        let id = self.id;
        let part = sure(self.part_mut(payee));
        part.spent = sure(part.spent.checked_add(amount));
        part.debit_count += 1;
        part.assert_within_cap(id);
        self.spent_own = sure(self.spent_own.checked_add(amount));
        self.debit_count += 1;
    }

    /// Takes back `amount` of the debit with this seq.
    pub(crate) fn take_back(&mut self, seq: u64, payee: u32, amount: Amount) -> Amount {
        let part = sure(self.part_mut(payee));
        part.spent = sure(part.spent.checked_sub(amount));
        self.spent_own = sure(self.spent_own.checked_sub(amount));
        let reversed = self.about.reversed.entry(seq).or_default();
        *reversed = sure(reversed.checked_add(amount));
        *reversed
    }

    /// Counts what a payee got below. *Panics*: if that passes its cap here (I1).
    pub(crate) fn count_below(&mut self, payee: u32, amount: Amount) {
        let id = self.id;
        let part = sure(self.part_mut(payee));
        part.spent_below = sure(part.spent_below.checked_add(amount));
        part.assert_within_cap(id);
    }

    /// Takes back what `count_below` counted.
    pub(crate) fn uncount_below(&mut self, payee: u32, amount: Amount) {
        let part = sure(self.part_mut(payee));
        part.spent_below = sure(part.spent_below.checked_sub(amount));
    }

    /// Takes a debit of a shared session below. *Panics*: if it does not fit (I1).
    pub(crate) fn spend_below(&mut self, amount: Amount) {
        assert!(amount <= self.remaining(), "bug: {amount} from below overspends session {}", self.id);
        self.spent_below = sure(self.spent_below.checked_add(amount));
    }

    /// Takes back what `spend_below` took.
    pub(crate) fn unspend_below(&mut self, amount: Amount) {
        self.spent_below = sure(self.spent_below.checked_sub(amount));
    }

    /// Sets a cap aside for a session below. *Panics*: if it does not fit (I1).
    pub(crate) fn reserve(&mut self, cap: Amount) {
        assert!(cap <= self.remaining(), "bug: session {} cannot reserve {cap}", self.id);
        self.reserved_by_children = sure(self.reserved_by_children.checked_add(cap));
    }

    /// Ends a reservation: what was spent of it stays spent, the rest can be spent again.
    pub(crate) fn release(&mut self, cap: Amount, spent: Amount) {
        assert!(spent <= cap, "bug: a child of {} spent {spent} of {cap}", self.id);
        self.reserved_by_children = sure(self.reserved_by_children.checked_sub(cap));
        self.spent_below = sure(self.spent_below.checked_add(spent));
    }
}
