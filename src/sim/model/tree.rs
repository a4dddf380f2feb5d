//! Owns: what envelopes have used and have left, in the design's own words: summed anew over the tree, debit by debit.
//! Never: changes anything.

use super::state::{Debit, Session, State};
use tallystick_core::{AccountId, Amount, EnvelopeId, PayeeId, SessionId, Time, deposit::DepositState};

/// Says how sessions whose end has come are taken: as they are, or as if they had been settled at that instant, since what
/// has expired is released before anything is declined for lack of room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Held,
    Released(Time),
    /// With what was voided, too.
    Unwound(Time),
}

/// Is what open and closed sessions below an envelope take of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Taken {
    pub(super) aside: u128,
    pub(super) spent: u128,
    /// By holds of shared sessions.
    pub(super) held: u128,
}

const MOST: u128 = Amount::MAX.nanos() as u128;

impl State {
    /// Returns a session and all that it stands under, the nearest first.
    pub(super) fn path(&self, id: SessionId) -> Vec<(SessionId, &Session)> {
        let mut path = Vec::new();
        let mut at = Some(id);
        while let Some((id, session)) = at.and_then(|id| Some((id, self.sessions.get(&id)?))) {
            path.push((id, session));
            at = session.parent;
        }
        path
    }

    pub(super) fn open_children(&self, children: &[SessionId]) -> usize {
        children.iter().filter(|child| self.open(**child).is_some()).count()
    }

    /// Returns whether a session takes nothing more: from its end on, or once it or anything above it is closing.
    pub(super) fn has_ended(&self, id: SessionId, now: Time) -> bool {
        let path = self.path(id);
        path.first().is_none_or(|(_, own)| now >= own.ends) || path.iter().any(|(_, s)| s.closing)
    }

    pub(super) fn spent_on(&self, session: &Session) -> u128 {
        session.debits.iter().filter_map(|seq| self.debits.get(seq)).map(Debit::net).sum()
    }

    /// Returns what was spent on a session and everything that ever stood under it.
    fn spent_in(&self, session: &Session) -> u128 {
        let below = session.children.iter().filter_map(|child| self.sessions.get(child));
        self.spent_on(session) + below.map(|child| self.spent_in(child)).sum::<u128>()
    }

    /// Returns what a payee got, and was promised, out of a session and everything that ever stood under it.
    pub(super) fn got(&self, session: &Session, payee: PayeeId, due: Due) -> u128 {
        let below = session.children.iter().filter_map(|child| self.sessions.get(child));
        let own = self.got_on(session, payee) + self.held_for(session, payee, due);
        own + below.map(|child| self.got(child, payee, due)).sum::<u128>()
    }

    pub(super) fn got_on(&self, session: &Session, payee: PayeeId) -> u128 {
        let debits = session.debits.iter().filter_map(|seq| self.debits.get(seq));
        debits.filter(|debit| debit.asked.payee == payee).map(Debit::net).sum()
    }

    /// A child that is open and reserved takes its cap; one that is open and shared takes what it used; a settled one, what
    /// was spent in it.
    pub(super) fn taken(&self, children: &[SessionId], due: Due) -> Taken {
        let mut taken = Taken::default();
        for id in children {
            let Some(child) = self.sessions.get(id) else { continue };
            let released = match due {
                Due::Held => false,
                Due::Released(now) | Due::Unwound(now) => self.has_ended(*id, now) && !self.waits(child, due),
            };
            if child.settled.is_some() || released {
                taken.spent += self.spent_in(child);
            } else if child.shared {
                let below = self.taken(&child.children, due);
                taken.aside += below.aside;
                taken.spent += below.spent + self.spent_on(child);
                taken.held += below.held + self.held_on(child, due);
            } else {
                taken.aside += u128::from(child.cap);
            }
        }
        taken
    }

    /// Returns what is left of a session's own cap.
    pub(super) fn left_of_session(&self, session: &Session, due: Due) -> u128 {
        let below = self.taken(&session.children, due);
        let held = self.held_on(session, due) + below.held;
        u128::from(session.cap).saturating_sub(self.spent_on(session) + below.spent + below.aside + held)
    }

    pub(super) fn deposits_of(&self, account: AccountId, state: DepositState) -> u128 {
        let own = self.deposits.values().filter(|d| d.account == account && d.state == state);
        own.map(|deposit| u128::from(deposit.amount)).sum()
    }

    /// Returns what an account has left; below zero by its deficit.
    pub(super) fn left_of_account(&self, id: AccountId, due: Due) -> i128 {
        let Some(account) = self.accounts.get(&id) else { return 0 };
        let sum = |sums: &[u64]| sums.iter().map(|nanos| u128::from(*nanos)).sum::<u128>();
        let below = self.taken(&account.children, due);
        let came = self.deposits_of(id, DepositState::Available)
            + u128::from(account.limit)
            + sum(&account.repayments);
        let went = sum(&account.withdrawals) + below.aside + below.spent + below.held;
        came.cast_signed() - went.cast_signed()
    }

    /// Returns what of a credit line was spent and not repaid, but for what is only set aside.
    pub(super) fn outstanding(&self, id: AccountId) -> u128 {
        let Some(account) = self.accounts.get(&id) else { return 0 };
        let repaid = account.repayments.iter().map(|nanos| u128::from(*nanos)).sum::<u128>();
        self.taken(&account.children, Due::Held).spent.saturating_sub(repaid)
    }

    /// Returns what an envelope alone can still give, as far as one amount can say it.
    pub(super) fn left(&self, envelope: EnvelopeId, due: Due) -> u64 {
        let left = match envelope {
            EnvelopeId::Session(id) => self.sessions.get(&id).map_or(0, |s| self.left_of_session(s, due)),
            EnvelopeId::Account(id) => u128::try_from(self.left_of_account(id, due)).unwrap_or(0),
        };
        u64::try_from(left.min(MOST)).unwrap_or(0)
    }

    pub(super) fn above(session: &Session) -> EnvelopeId {
        session.parent.map_or(EnvelopeId::Account(session.account), EnvelopeId::Session)
    }

    /// Returns the envelopes that what happens in one counts in, itself first: up to the first reserved session, whose cap
    /// was set aside when it opened, or the account.
    pub(super) fn counting(&self, envelope: EnvelopeId) -> Vec<EnvelopeId> {
        let mut counting = vec![envelope];
        let mut at = envelope;
        while let EnvelopeId::Session(id) = at
            && let Some(session) = self.sessions.get(&id).filter(|session| session.shared)
        {
            at = Self::above(session);
            counting.push(at);
        }
        counting
    }

    /// Returns what an envelope can take in all.
    pub(super) fn room(&self, envelope: EnvelopeId, due: Due) -> u64 {
        self.counting(envelope).into_iter().map(|at| self.left(at, due)).min().unwrap_or(0)
    }

    pub(super) fn payee_cap(session: &Session, payee: PayeeId) -> Option<u64> {
        let default = (session.default_cap > 0).then_some(session.default_cap);
        session.caps.get(&payee).copied().or(default)
    }

    /// Returns what each cap for a payee on the way up still leaves it, the nearest first.
    pub(super) fn payee_lefts(&self, id: SessionId, payee: PayeeId, due: Due) -> Vec<(u64, SessionId)> {
        let left = |(id, session): (SessionId, &Session)| {
            let got = self.got(session, payee, due);
            let left = u128::from(Self::payee_cap(session, payee)?).saturating_sub(got);
            Some((u64::try_from(left).unwrap_or(u64::MAX), id))
        };
        self.path(id).into_iter().filter_map(left).collect()
    }

    /// Returns what a payee can still get out of a session; `None` without a cap.
    pub(super) fn payee_left(&self, id: SessionId, payee: PayeeId, due: Due) -> Option<u64> {
        self.payee_lefts(id, payee, due).into_iter().map(|(left, _)| left).min()
    }

    /// Says where an envelope was overspent (I1), of a session and all above it. An account may be in deficit.
    pub(super) fn overspent(&self, id: SessionId) -> Option<String> {
        self.path(id).into_iter().find_map(|(id, session)| {
            let below = self.taken(&session.children, Due::Held);
            let held = self.held_on(session, Due::Held) + below.held;
            let used = self.spent_on(session) + below.aside + below.spent + held;
            let over = session.caps.keys().find(|payee| {
                let cap = Self::payee_cap(session, **payee).unwrap_or(u64::MAX);
                self.got(session, **payee, Due::Held) > u128::from(cap)
            });
            if used > u128::from(session.cap) {
                Some(format!("{id} used {used} of its cap {}", session.cap))
            } else {
                over.map(|payee| format!("{payee} got more than its cap in {id}"))
            }
        })
    }
}
