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
    command::Scope,
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
    /// *Cost*: looks above only while some session of the partition is closing.
    pub fn has_ended(&self, session: &Session, now: Time) -> bool {
        session.has_ended(now)
            || (self.closing > 0
                && self.sessions_above(session).any(|above| above.closing_at() != Time::ZERO))
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

    /// Returns an open session below `slot` that nothing is open below: what a cascade settles next.
    pub fn leaf_below(&self, id: SessionId) -> Option<SessionId> {
        let mut leaf = None;
        let mut at = id.slot();
        while let Some((_, child)) = self.children.range((at, 0)..=(at, u32::MAX)).next() {
            leaf = self.sessions.get(*child).map(|session| session.id);
            at = *child;
        }
        leaf
    }

    /// Returns a session whose end has come and which holds room that `at` lacks: below it, or below what it counts in.
    /// Those above it cannot help, since they end later or are what was asked.
    pub fn due_below(&self, at: EnvelopeId, now: Time) -> Option<SessionId> {
        let (account, mut tops) = match at {
            EnvelopeId::Account(id) => (id.slot(), None),
            EnvelopeId::Session(id) => {
                let session = self.session(id).ok()?;
                if session.mode == Mode::Reserved && session.open_children() == 0 {
                    return None;
                }
                (session.account, Some(self.counting(At::Session(id.slot()))))
            }
        };
        // The tree below the topmost envelope that counts is all that can give room back.
        let top = tops.as_mut().and_then(Iterator::last);
        let inside = |session: &Session| match top {
            None | Some(Envelope::Account(_)) => session.account == account,
            Some(Envelope::Session(top)) => self.sessions_above(session).any(|above| above.id == top.id),
        };
        let due = self.ends.iter().take_while(|end| { end.due_at } <= now);
        let mut due = due.filter_map(|end| self.sessions.get(end.slot));
        due.find(|session| EnvelopeId::Session(session.id) != at && inside(session)).map(|session| session.id)
    }

    /// Returns a session to settle before a command is declined for lack of room: its end has come, and it holds some (I9).
    pub fn due_for(&self, declined: &CommandDeclined, now: Time) -> Option<SessionId> {
        if !matches!(declined.decline.code, DeclineCode::Cap | DeclineCode::TooManyChildren) {
            return None;
        }
        match (declined.command, declined.on) {
            // What a top-up lacks is above the session that it would raise.
            (Scope::TopUp, EnvelopeId::Session(id)) => {
                self.due_below(self.envelope(self.session(id).ok()?.above()).id(), now)
            }
            (_, on) => self.due_below(on, now),
        }
    }

    /// As `due_for`, before a debit is declined for lack of room, or takes less than was asked.
    pub fn due_for_debit(&self, debited: &Debited<'_>, now: Time) -> Option<SessionId> {
        let less = debited.taken < debited.amount;
        let short = debited.verdict.map_or(less, |(code, _)| code == DeclineCode::Cap);
        if short { self.due_below(EnvelopeId::Session(debited.session), now) } else { None }
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

    /// Returns the sum of what children take of an envelope: what is set aside for them, what the shared ones spent, and
    /// how many there are. For `check_sound`.
    pub(crate) fn taken_by(child: &Session) -> (Total, Total) {
        let spent = |s: &Session| Total::from(s.spent_own).checked_add(s.spent_below().into());
        match child.mode {
            Mode::Reserved => (child.cap().into(), Total::ZERO),
            Mode::Shared => (
                child.reserved_by_children().into(),
                spent(child).unwrap_or_else(|| bug("spent beyond measure")),
            ),
        }
    }
}
