//! Owns: the way up the account tree: which envelopes a debit or a reservation counts in, and how much room they leave.
//!
//! What is spent or set aside under a *shared* envelope counts in its parent, too, and so on up to and including the first
//! *reserved* session, whose cap was set aside when it opened, or the account. Per-payee caps count all the way up.
//! Never: decides; the rungs are in `decide`.

use crate::{
    Amount, DeclineCode, EnvelopeId, Partition, Refusal, SessionId, Time, Total,
    account::Account,
    apply::bug,
    books::Book,
    command::{Act, Scope},
    partition::End,
    record::{CommandDeclined, Debited},
    session::{Mode, Session},
};

/// Is one envelope on the way up.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Envelope<'a> {
    /// A session.
    Session(&'a Session),
    /// The account at the root.
    Account(&'a Account),
}

impl Envelope<'_> {
    /// Returns what is left in it alone.
    pub(crate) fn remaining(&self) -> Amount {
        match self {
            Self::Session(session) => session.remaining(),
            Self::Account(account) => account.available().at_most_amount(),
        }
    }

    /// Returns its id.
    pub(crate) fn id(&self) -> EnvelopeId {
        match self {
            Self::Session(session) => EnvelopeId::Session(session.id),
            Self::Account(account) => EnvelopeId::Account(account.id),
        }
    }
}

/// Is one envelope on the way up, to be changed.
pub(crate) enum EnvelopeMut<'a> {
    /// A session.
    Session(&'a mut Session),
    /// The account at the root.
    Account(&'a mut Account),
}

/// Is what a session has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// What can still be spent, everything above it considered.
    pub remaining: Amount,
    /// Nothing more can be approved as things stand: the last unit is gone.
    pub is_final: bool,
    /// What the payee can still get; `None` without a cap.
    pub payee_remaining: Option<Amount>,
    /// What is set aside by holds.
    pub held: Amount,
}

/// Is one thing to do on the way to a settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A hold of this session is over: give back what it holds.
    Lapse(SessionId),
    /// This session takes no more debits, and waits for those below it, or for its holds.
    Close(SessionId),
    /// Nothing is open below this session.
    Settle {
        /// Which session.
        session: SessionId,
        /// One above it is being settled.
        cascading: bool,
    },
}

/// Says where an envelope is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// The session at this slot.
    Session(u32),
    /// The account at this slot.
    Account(u32),
}

impl Session {
    /// Returns its place in the order of ends.
    pub(crate) fn end(&self) -> End {
        End { due_at: self.due_at(), slot: self.id.slot() }
    }

    /// Returns where its parent is.
    pub(crate) fn above(&self) -> At {
        self.parent().map_or(At::Account(self.account), At::Session)
    }
}

impl Partition {
    /// Returns an envelope. *Panics*: if there is none: rows name only what is open.
    pub(crate) fn envelope(&self, at: At) -> Envelope<'_> {
        let found = match at {
            At::Session(slot) => self.sessions.get(slot).map(Envelope::Session),
            At::Account(slot) => self.accounts.get(slot).map(Envelope::Account),
        };
        found.unwrap_or_else(|| bug("a session stands under nothing"))
    }

    /// Returns the envelopes that what happens in `at` counts in, `at` first.
    pub(crate) fn counting(&self, at: At) -> impl Iterator<Item = Envelope<'_>> {
        core::iter::successors(Some(self.envelope(at)), |below| match below {
            Envelope::Session(session) if session.mode == Mode::Shared => {
                Some(self.envelope(session.above()))
            }
            Envelope::Session(_) | Envelope::Account(_) => None,
        })
    }

    /// Returns every session above one, the nearest first.
    pub(crate) fn sessions_above(&self, session: &Session) -> impl Iterator<Item = &Session> {
        core::iter::successors(self.parent_of(session), |session| self.parent_of(session))
    }

    fn parent_of(&self, session: &Session) -> Option<&Session> {
        session.parent().and_then(|slot| self.sessions.get(slot))
    }

    /// Returns whether a session takes nothing more: its end has come, or it or something above it is closing. Without that,
    /// what opens below a closing session could keep its cascade from ever coming to an end.
    /// Something above it may have been narrowed to an earlier end, too.
    /// *Cost*: looks above only while some session of the partition is closing, or some token was narrowed.
    pub fn has_ended(&self, session: &Session, now: Time) -> bool {
        session.has_ended(now)
            || (self.closing > 0
                && self.sessions_above(session).any(|above| above.closing_at() != Time::ZERO))
            || (self.bent > 0
                && self.sessions_above(session).any(|above| above.is_bent() && now >= above.ends_at()))
    }

    /// Returns what `at` can take in all, and the nearest envelope that leaves no more than that.
    pub(crate) fn room(&self, at: At) -> (Amount, EnvelopeId) {
        let first = self.envelope(at);
        let start = (first.remaining(), first.id());
        self.counting(at).fold(start, |least, envelope| {
            let left = envelope.remaining();
            if left < least.0 { (left, envelope.id()) } else { least }
        })
    }

    /// Returns what a session can still spend, everything above it considered.
    pub fn spendable(&self, session: &Session) -> Amount {
        if session.mode == Mode::Reserved {
            session.remaining()
        } else {
            self.room(At::Session(session.id.slot())).0
        }
    }

    /// Returns what everything above a session could add to its cap, so that it can be spent.
    pub(crate) fn can_add(&self, session: &Session) -> Amount {
        let above = self.room(session.above()).0;
        let useful = match session.mode {
            Mode::Reserved => above,
            Mode::Shared => above.minus_or_zero(session.remaining()),
        };
        useful.min(Amount::MAX.minus_or_zero(session.cap()))
    }

    /// Returns what each cap for a payee still leaves it, the session's own first, then those above.
    pub(crate) fn payee_rooms(
        &self,
        session: &Session,
        payee: u32,
    ) -> impl Iterator<Item = (Amount, SessionId)> {
        let above = session.counted_above.then(|| self.sessions_above(session).filter(|s| s.counts_payees));
        let own = session.payee_remaining(payee).map(|left| (left, session.id));
        own.into_iter()
            .chain(above.into_iter().flatten().filter_map(move |s| Some((s.payee_remaining(payee)?, s.id))))
    }

    /// Returns what a payee can still get out of a session, caps above it considered; `None` without a cap.
    #[inline]
    pub fn payee_spendable(&self, session: &Session, payee: u32) -> Option<Amount> {
        if !session.counted_above {
            return session.payee_remaining(payee);
        }
        self.payee_rooms(session, payee).map(|(left, _)| left).min()
    }

    /// Says what is left for the answer to a debit; `payee` is the notice's slot that its judgement or replay names.
    /// *Errors*: `UnknownSession`.
    pub fn left(&self, session: SessionId, payee: u32) -> Result<Left, Refusal> {
        let session = self.session(session)?;
        let remaining = self.spendable(session);
        Ok(Left {
            remaining,
            is_final: session.is_final_with(remaining),
            payee_remaining: self.payee_spendable(session, payee),
            held: session.held(),
        })
    }

    /// Returns what to do next with a session that is to be settled, those below it first; `None` while it waits for a hold.
    /// A session whose own end has not come, and that is not closing, only has holds that are over.
    pub fn next_step(&self, id: SessionId, now: Time) -> Option<Step> {
        let session = self.session(id).ok()?;
        if now >= session.settles_at() {
            // What a cascade left waiting for a hold is still the cascade's, whoever goes on with it.
            let cascading = self.sessions_above(session).any(|above| above.closing_at() != Time::ZERO);
            return self.step_of(session, now, cascading);
        }
        self.lapsing(session, now).map(|lapsing| Step::Lapse(lapsing.session))
    }

    /// As `next_step`, whether or not the session's end has come: somebody asked for its settlement.
    pub fn next_step_to_close(&self, id: SessionId, now: Time) -> Option<Step> {
        self.step_of(self.session(id).ok()?, now, false)
    }

    fn step_of(&self, session: &Session, now: Time, cascading: bool) -> Option<Step> {
        if let Some(lapsing) = self.lapsing(session, now) {
            return Some(Step::Lapse(lapsing.session));
        }
        let slot = session.id.slot();
        let mut has_children = false;
        for (_, child) in self.children.range((slot, 0)..=(slot, u32::MAX)) {
            has_children = true;
            let step = self.sessions.get(*child).and_then(|child| self.step_of(child, now, true));
            if step.is_some() {
                return step;
            }
        }
        match has_children || session.open_holds() > 0 {
            false => Some(Step::Settle { session: session.id, cascading }),
            true if session.closing_at() == Time::ZERO => Some(Step::Close(session.id)),
            true => None,
        }
    }

    /// Returns a session of which something is due that holds room which `at` lacks: below it, or below what it counts in.
    /// The end of those above it cannot help, since they end later or are what was asked.
    pub fn due_below(&self, at: EnvelopeId, now: Time) -> Option<SessionId> {
        let (account, mut tops) = match at {
            EnvelopeId::Account(id) => (id.slot(), None),
            EnvelopeId::Session(id) => {
                let session = self.session(id).ok()?;
                if session.mode == Mode::Reserved
                    && session.open_children() == 0
                    && session.lapsing(now).is_none()
                {
                    return None;
                }
                (session.account, Some(self.counting(At::Session(id.slot()))))
            }
        };
        // The tree below the topmost envelope that counts is all that can give room back, and its own holds.
        let top = tops.as_mut().and_then(Iterator::last);
        let inside = |session: &Session| match top {
            None | Some(Envelope::Account(_)) => session.account == account,
            Some(Envelope::Session(top)) => {
                session.id == top.id || self.sessions_above(session).any(|above| above.id == top.id)
            }
        };
        let of_itself =
            |session: &Session| EnvelopeId::Session(session.id) == at && session.lapsing(now).is_none();
        self.due(now).find(|session| !of_itself(session) && inside(session)).map(|session| session.id)
    }

    /// Returns the sessions of which something is due, the earliest first, but for those that wait for a hold.
    fn due(&self, now: Time) -> impl Iterator<Item = &Session> {
        let due = self.ends.iter().take_while(move |end| { end.due_at } <= now);
        due.filter_map(|end| self.sessions.get(end.slot))
            .filter(move |session| self.next_step(session.id, now).is_some())
    }

    /// Returns a session of which something is due, the earliest first.
    pub fn due_session(&self, now: Time) -> Option<SessionId> {
        self.due(now).next().map(|session| session.id)
    }

    /// Returns a session to settle before a command is declined for lack of room: its end has come, and it holds some (I9).
    pub fn due_for(&self, declined: &CommandDeclined, now: Time) -> Option<SessionId> {
        if !matches!(declined.decline.code, DeclineCode::Cap | DeclineCode::TooManyChildren) {
            return None;
        }
        match (declined.command, declined.on) {
            // What a top-up or an amendment lacks is above the session that it would raise.
            (Scope::TopUp | Scope::AmendToken, EnvelopeId::Session(id)) => {
                self.due_below(self.envelope(self.session(id).ok()?.above()).id(), now)
            }
            (_, on) => self.due_below(on, now),
        }
    }

    /// As `due_for`, before a debit or a hold is declined for lack of room, or takes less than was asked.
    pub fn due_for_debit(&self, debited: &Debited<'_>, now: Time) -> Option<SessionId> {
        let less = debited.act == Act::Debit && debited.taken < debited.amount;
        match debited.verdict {
            Some((DeclineCode::Cap, _)) => self.due_below(EnvelopeId::Session(debited.session), now),
            // What a hold promised a payee counts in the caps for it, wherever in the tree the hold is.
            Some((DeclineCode::PayeeCap | DeclineCode::TooManyHolds, _)) => self.lapsed_near(debited, now),
            None if less => {
                let below = self.due_below(EnvelopeId::Session(debited.session), now);
                below.or_else(|| self.lapsed_near(debited, now))
            }
            Some(_) | None => None,
        }
    }

    /// Returns a session with a hold whose time is over, anywhere in the tree of the account.
    fn lapsed_near(&self, debited: &Debited<'_>, now: Time) -> Option<SessionId> {
        let account = self.session(debited.session).ok()?.account;
        let mut due = self.due(now).filter(|session| session.account == account);
        due.find(|session| session.lapsing(now).is_some()).map(|session| session.id)
    }

    /// Changes every envelope that what happens in `at` counts in, and returns the book its money is in.
    pub(crate) fn change_counting(&mut self, at: At, mut change: impl FnMut(EnvelopeMut<'_>)) -> Book {
        let mut at = at;
        loop {
            match at {
                At::Session(slot) => {
                    let session =
                        self.sessions.get_mut(slot).unwrap_or_else(|| bug("a session stands under nothing"));
                    change(EnvelopeMut::Session(session));
                    if session.mode == Mode::Reserved {
                        return Book::Reserved;
                    }
                    at = session.above();
                }
                At::Account(slot) => {
                    let account = self
                        .accounts
                        .get_mut(slot)
                        .unwrap_or_else(|| bug("a session stands under no account"));
                    change(EnvelopeMut::Account(account));
                    return account.funding.book();
                }
            }
        }
    }

    /// Changes every session above `parent` and itself that counts what `payee` gets.
    pub(crate) fn change_payee_counts(
        &mut self,
        parent: Option<u32>,
        payee: u32,
        mut change: impl FnMut(&mut Session),
    ) {
        let mut at = parent;
        while let Some(slot) = at {
            let Some(session) = self.sessions.get(slot) else { return };
            at = session.parent();
            if session.counts(payee)
                && let Some(session) = self.sessions.get_mut(slot)
            {
                change(session);
            }
        }
    }

    /// Returns what a child takes of an envelope: what is set aside for it, what a shared one spent, and what that holds. For
    /// `check_sound`.
    pub(crate) fn taken_by(child: &Session) -> (Total, Total, Total) {
        let spent = |s: &Session| Total::from(s.spent_own).checked_add(s.spent_below().into());
        match child.mode {
            Mode::Reserved => (child.cap().into(), Total::ZERO, Total::ZERO),
            Mode::Shared => (
                child.reserved_by_children().into(),
                spent(child).unwrap_or_else(|| bug("spent beyond measure")),
                child.held().into(),
            ),
        }
    }
}
