//! Owns: what records do to holds: placed, captured, given back; and to everything above their sessions.
//! Never: decides.

use super::{found, session::Stand, sure};
use crate::{
    Amount, Partition, Stamp, Time,
    books::Book,
    command::Act,
    record::{Debited, HoldLapsed},
    session::{Guards, Hold, HoldEnd, Mode, Session},
    tree::EnvelopeMut,
};

impl Partition {
    /// Does what an approved hold, capture or void says.
    #[cold]
    pub(super) fn held(&mut self, seq: u64, stamp: &Stamp, debit: &Debited<'_>) {
        let slot = debit.session.slot();
        let session = found(self.sessions.get_mut(slot), "a hold in no session");
        let before = session.end();
        match debit.act {
            Act::Debit => {}
            Act::Hold { tolerance, until } => {
                let left = sure(debit.amount.checked_add(tolerance));
                let hold = Hold {
                    payee: debit.payee,
                    amount: debit.amount,
                    tolerance,
                    left,
                    captured: Amount::ZERO,
                    capture_count: 0,
                    until,
                    placed_at: stamp.at,
                };
                session.hold(left);
                session.keep_place(debit.payee);
                session.guard_mut().holds.place(seq, hold);
                session.take_velocity(debit.payee, left, stamp.at);
                let (above, is_limited) = (session.above(), session.guards.has(Guards::VELOCITY));
                self.set_held(slot, debit.payee, left);
                if is_limited {
                    self.take_velocity_above(above, debit.payee, left, stamp.at);
                }
            }
            Act::Capture { hold, last } => {
                let holds = &mut session.guard_mut().holds;
                let captured = found(holds.capture(hold, debit.taken), "a capture of no hold");
                assert_eq!(captured.payee, debit.payee, "bug: record {seq} captures for another payee");
                session.unhold(debit.taken);
                session.take(debit.payee, debit.taken);
                self.capture_held(slot, debit.taken);
                if last || captured.left.is_zero() {
                    self.end_hold(slot, hold, HoldEnd::Done);
                }
            }
            Act::Void { hold } => {
                let released = self.end_hold(slot, hold, HoldEnd::Voided);
                assert_eq!(released, debit.taken, "bug: record {seq} gives back something else");
            }
        }
        let after = found(self.sessions.get(slot), "a hold in no session").end();
        self.ends.remove(&before);
        self.ends.insert(after);
    }

    pub(super) fn hold_lapsed(&mut self, stamp: &Stamp, lapsed: &HoldLapsed) {
        let slot = lapsed.session.slot();
        let session = found(self.sessions.get(slot), "a hold in no session");
        assert_eq!(session.id, lapsed.session, "bug: a hold names another session");
        let before = session.end();
        // Before its time only a revocation ends a hold by itself.
        let hold = session.holds().and_then(|holds| holds.find_open(lapsed.hold));
        let in_time = hold.is_some_and(|hold| stamp.at < hold.until);
        let end = if in_time { HoldEnd::Voided } else { HoldEnd::Expired };
        let released = self.end_hold(slot, lapsed.hold, end);
        assert_eq!(released, lapsed.released, "bug: a lapsed hold gives back something else");
        let after = found(self.sessions.get(slot), "a hold in no session").end();
        self.ends.remove(&before);
        self.ends.insert(after);
        self.token_hold_lapsed(stamp.at, slot);
    }

    /// Ends a hold and gives back what it still holds. Returns how much that was.
    fn end_hold(&mut self, slot: u32, hold: u64, end: HoldEnd) -> Amount {
        let session = found(self.sessions.get_mut(slot), "a hold in no session");
        let hold = found(session.guard_mut().holds.end(hold, end), "an end of no hold");
        session.unhold(hold.left);
        let (currency, stand) = (session.currency, Stand::of(session));
        if stand.counted_above {
            self.change_payee_counts(stand.parent, hold.payee, |above| {
                above.uncount_below(hold.payee, hold.left);
            });
        }
        let book = self.change_shared(stand, |envelope| match envelope {
            EnvelopeMut::Session(above) => above.unhold(hold.left),
            EnvelopeMut::Account(account) => account.unhold(hold.left),
        });
        self.move_money(currency, Book::Held, book, hold.left);
        self.review(slot);
        hold.left
    }

    /// Counts a new hold in everything above its session. Per-payee caps count it as they count what is spent.
    fn set_held(&mut self, slot: u32, payee: u32, amount: Amount) {
        let session = found(self.sessions.get(slot), "a hold in no session");
        let (currency, stand) = (session.currency, Stand::of(session));
        if stand.counted_above {
            self.change_payee_counts(stand.parent, payee, |above| above.count_below(payee, amount));
        }
        let book = self.change_shared(stand, |envelope| match envelope {
            EnvelopeMut::Session(above) => above.hold(amount),
            EnvelopeMut::Account(account) => account.hold(amount),
        });
        self.move_money(currency, book, Book::Held, amount);
    }

    /// Counts a capture in everything above its session: what was held is spent.
    fn capture_held(&mut self, slot: u32, amount: Amount) {
        let session = found(self.sessions.get(slot), "a hold in no session");
        let (currency, stand) = (session.currency, Stand::of(session));
        self.change_shared(stand, |envelope| match envelope {
            EnvelopeMut::Session(above) => above.capture_below(amount),
            EnvelopeMut::Account(account) => account.capture(amount),
        });
        self.move_money(currency, Book::Held, Book::Unsettled, amount);
    }

    /// Changes everything that a shared session counts in; nothing above a reserved one. Returns the book of its money.
    fn change_shared(&mut self, stand: Stand, change: impl FnMut(EnvelopeMut<'_>)) -> Book {
        match stand.mode {
            Mode::Reserved => Book::Reserved,
            Mode::Shared => self.change_counting(stand.above, change),
        }
    }
}

impl Session {
    /// Returns an open hold whose time is over, as the record that ends it.
    pub(crate) fn lapsing(&self, now: Time) -> Option<HoldLapsed> {
        let (hold, found) = self.holds()?.lapsed(now)?;
        Some(HoldLapsed { session: self.id, hold, released: found.left })
    }
}
