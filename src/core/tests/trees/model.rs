//! Is the account tree in the design's own words: a flat list of debits, each with its session. What an envelope has used,
//! what a payee got, what an account has left is summed anew over the whole tree each time it is asked. Nothing is counted up.

use std::collections::BTreeMap;
use tallystick_core::{
    AccountId, DeclineCode as Code, DepositId, SessionId, account::Funding, deposit::DepositState,
};

pub(crate) struct Deposit {
    pub(crate) id: DepositId,
    pub(crate) nanos: u64,
    pub(crate) state: DepositState,
}

pub(crate) struct Account {
    pub(crate) id: AccountId,
    pub(crate) funding: Funding,
    pub(crate) limit: u64,
    pub(crate) repaid: u64,
    pub(crate) withdrawn: u64,
    pub(crate) deposits: Vec<Deposit>,
}

pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) account: usize,
    pub(crate) parent: Option<usize>,
    pub(crate) shared: bool,
    pub(crate) cap: u64,
    pub(crate) begins: u64,
    pub(crate) ends: u64,
    pub(crate) allowed: Vec<usize>,
    pub(crate) caps: BTreeMap<usize, u64>,
    pub(crate) default_cap: u64,
    pub(crate) min: u64,
    pub(crate) max: u64,
    pub(crate) closing: bool,
    pub(crate) settled: bool,
}

pub(crate) struct Debit {
    pub(crate) session: usize,
    pub(crate) payee: usize,
    pub(crate) taken: u64,
    pub(crate) back: u64,
    pub(crate) seq: u64,
}

impl Debit {
    pub(crate) fn net(&self) -> u64 {
        self.taken - self.back
    }
}

/// Names whose limit it is: a session or an account, by place in the model's lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    Session(usize),
    Account(usize),
}

/// Says whether sessions whose end has come are taken as they are, or as settled: what has expired is released before
/// anything is declined for lack of room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Held,
    Released,
}

#[derive(Default)]
pub(crate) struct Model {
    pub(crate) now: u64,
    pub(crate) accounts: Vec<Account>,
    pub(crate) sessions: Vec<Session>,
    pub(crate) debits: Vec<Debit>,
    pub(crate) blocked: Vec<bool>,
}

impl Model {
    /// Returns a session and all that it stands under, the nearest first.
    pub(crate) fn path(&self, session: usize) -> Vec<usize> {
        std::iter::successors(Some(session), |at| self.sessions[*at].parent).collect()
    }

    pub(crate) fn open_children(&self, session: usize) -> usize {
        self.sessions.iter().filter(|s| s.parent == Some(session) && !s.settled).count()
    }

    /// A session takes nothing more from its end on, or once it or anything above it is closing.
    pub(crate) fn has_ended(&self, session: usize) -> bool {
        self.now >= self.sessions[session].ends
            || self.path(session).iter().any(|at| self.sessions[*at].closing)
    }

    pub(crate) fn spent_on(&self, session: usize) -> u64 {
        self.debits.iter().filter(|debit| debit.session == session).map(Debit::net).sum()
    }

    /// Returns what was spent in a session and everything that ever stood under it.
    pub(crate) fn spent_in(&self, session: usize) -> u64 {
        let inside = |debit: &&Debit| self.path(debit.session).contains(&session);
        self.debits.iter().filter(inside).map(Debit::net).sum()
    }

    pub(crate) fn got(&self, session: usize, payee: usize) -> u64 {
        let inside = |debit: &&Debit| debit.payee == payee && self.path(debit.session).contains(&session);
        self.debits.iter().filter(inside).map(Debit::net).sum()
    }

    /// A child takes its cap of its parent while it is open and reserved; what it used when it is open and shared; what was
    /// spent in it once it is settled.
    fn taken_by(&self, child: usize, due: Due) -> u64 {
        let row = &self.sessions[child];
        if row.settled || (due == Due::Released && self.has_ended(child)) {
            self.spent_in(child)
        } else if row.shared {
            self.used(child, due)
        } else {
            row.cap
        }
    }

    pub(crate) fn used(&self, session: usize, due: Due) -> u64 {
        let children = (0..self.sessions.len()).filter(|at| self.sessions[*at].parent == Some(session));
        self.spent_on(session) + children.map(|child| self.taken_by(child, due)).sum::<u64>()
    }

    pub(crate) fn used_of_account(&self, account: usize, due: Due) -> u64 {
        let of = |at: &usize| self.sessions[*at].account == account && self.sessions[*at].parent.is_none();
        (0..self.sessions.len()).filter(of).map(|child| self.taken_by(child, due)).sum()
    }

    fn sum_of(&self, account: usize, state: DepositState) -> u64 {
        self.accounts[account].deposits.iter().filter(|d| d.state == state).map(|d| d.nanos).sum()
    }

    pub(crate) fn pending(&self, account: usize) -> u64 {
        self.sum_of(account, DepositState::Pending)
    }

    pub(crate) fn deposited(&self, account: usize) -> u64 {
        self.sum_of(account, DepositState::Available)
    }

    /// Returns what an account has left; below zero by its deficit.
    pub(crate) fn left_of_account(&self, account: usize, due: Due) -> i128 {
        let row = &self.accounts[account];
        let came = i128::from(self.deposited(account)) + i128::from(row.limit) + i128::from(row.repaid);
        came - i128::from(row.withdrawn) - i128::from(self.used_of_account(account, due))
    }

    /// Returns what a credit line has spent, but for what is still set aside, less what was repaid.
    pub(crate) fn outstanding(&self, account: usize) -> u64 {
        let set_aside = |at: &usize| !self.sessions[*at].settled && !self.sessions[*at].shared;
        let counted = |debit: &&Debit| {
            self.sessions[debit.session].account == account && !self.path(debit.session).iter().any(set_aside)
        };
        let spent: u64 = self.debits.iter().filter(counted).map(Debit::net).sum();
        spent.saturating_sub(self.accounts[account].repaid)
    }

    pub(crate) fn left(&self, whose: Whose) -> u64 {
        match whose {
            Whose::Session(at) => self.sessions[at].cap.saturating_sub(self.used(at, Due::Released)),
            Whose::Account(at) => u64::try_from(self.left_of_account(at, Due::Released)).unwrap_or(0),
        }
    }

    pub(crate) fn above(&self, session: usize) -> Whose {
        let row = &self.sessions[session];
        row.parent.map_or(Whose::Account(row.account), Whose::Session)
    }

    /// Returns whose limits count what happens in `whose`: up to the first reserved session, or the account.
    pub(crate) fn counting(&self, whose: Whose) -> Vec<Whose> {
        std::iter::successors(Some(whose), |at| match at {
            Whose::Session(at) if self.sessions[*at].shared => Some(self.above(*at)),
            Whose::Session(_) | Whose::Account(_) => None,
        })
        .collect()
    }

    pub(crate) fn room(&self, whose: Whose) -> u64 {
        self.counting(whose).into_iter().map(|at| self.left(at)).min().unwrap()
    }

    fn payee_cap(&self, session: usize, payee: usize) -> Option<u64> {
        let row = &self.sessions[session];
        row.caps.get(&payee).copied().or((row.default_cap > 0).then_some(row.default_cap))
    }

    /// Returns what each cap on the way up still leaves a payee, the nearest first.
    pub(crate) fn payee_lefts(&self, session: usize, payee: usize) -> Vec<(u64, usize)> {
        let left = |at: &usize| Some((self.payee_cap(*at, payee)?.saturating_sub(self.got(*at, payee)), *at));
        self.path(session).iter().filter_map(left).collect()
    }

    pub(crate) fn is_allowed(&self, session: usize, payee: usize) -> bool {
        self.path(session).iter().all(|at| {
            let allowed = &self.sessions[*at].allowed;
            allowed.is_empty() || allowed.contains(&payee)
        })
    }

    pub(crate) fn begins(&self, session: usize) -> u64 {
        self.path(session).iter().map(|at| self.sessions[*at].begins).max().unwrap()
    }

    pub(crate) fn min(&self, session: usize) -> u64 {
        self.path(session).iter().map(|at| self.sessions[*at].min).max().unwrap()
    }

    /// Returns the greatest debit; zero for none.
    pub(crate) fn max(&self, session: usize) -> u64 {
        self.path(session).iter().map(|at| self.sessions[*at].max).filter(|max| *max > 0).min().unwrap_or(0)
    }

    /// Says what a debit comes to: how much is taken, or why nothing is, and whose limit that is.
    pub(crate) fn rule(
        &self,
        session: usize,
        (payee, amount): (usize, u64),
        (euros, partial): (bool, bool),
    ) -> Result<u64, (Code, Whose)> {
        let own = Whose::Session(session);
        let (min, max) = (self.min(session), self.max(session));
        let first = [
            (self.has_ended(session), Code::SessionEnded),
            (self.now < self.begins(session), Code::NotYetValid),
            (euros, Code::CurrencyMismatch),
            (self.blocked[payee], Code::PayeeBlocked),
            (!self.is_allowed(session, payee), Code::PayeeNotAllowed),
            (amount < min, Code::BelowDebitMin),
            (max > 0 && amount > max, Code::AboveDebitMax),
        ];
        if let Some((_, code)) = first.into_iter().find(|(no, _)| *no) {
            return Err((code, own));
        }
        let would_do = |left: u64| partial && left > 0 && left >= min;
        let lefts = self.payee_lefts(session, payee);
        let least = lefts.iter().map(|(left, _)| *left).min().unwrap_or(u64::MAX);
        let amount = match lefts.iter().find(|(left, _)| *left < amount) {
            Some(_) if would_do(least) => least,
            Some((_, short)) => return Err((Code::PayeeCap, Whose::Session(*short))),
            None => amount,
        };
        let room = self.room(own);
        match self.counting(own).into_iter().find(|at| self.left(*at) < amount) {
            Some(_) if would_do(room) => Ok(room),
            Some(short) => Err((Code::Cap, short)),
            None => Ok(amount),
        }
    }

    /// Says whether a cap can be set aside at `whose`.
    pub(crate) fn fits(&self, whose: Whose, cap: u64) -> bool {
        self.counting(whose).into_iter().all(|at| cap <= self.left(at))
    }
}
