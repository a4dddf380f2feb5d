//! Owns: what was heard, as facts, and what was asked and may have been done. Never: judges a limit.

use super::{opened, shown, wrong};
use crate::{
    asked::{Asked, NewDebit, Stopped, Told},
    model::Wrong,
};
use std::collections::{BTreeMap, BTreeSet};
use tallystick_core::{
    AccountId, Amount, Cap, Currency, DeclineCode, Level, PayeeId, SessionId, Time, WriterId,
    control::{Promises, State},
    payee::PayeeStatus,
    session::Mode,
    settlement::Settlement,
};
use tallystick_engine::{OpenAnswer, SessionShown};

/// Is a debit that was heard of.
#[derive(Debug, Clone)]
pub(super) struct HeardDebit {
    pub(super) ask: NewDebit,
    pub(super) taken: u64,
    pub(super) code: Option<DeclineCode>,
    pub(super) level: Option<Level>,
    /// When it was decided, and whether it captured a hold that had ended: said once, of one debit at a time.
    pub(super) fresh: Option<(Time, bool)>,
}

impl HeardDebit {
    /// Says whether it was approved, and nothing but an open session could approve it.
    pub(super) fn is_new(&self) -> bool {
        let of_a_hold = self.ask.act.hold().is_some() && !self.fresh.is_some_and(|(_, late)| late);
        self.code.is_none() && !of_a_hold
    }

    /// Says whether it was approved, and spends.
    pub(super) fn is_spent(&self) -> bool {
        self.code.is_none() && self.ask.spends()
    }
}

/// Is a session as it was told.
#[derive(Debug, Clone)]
pub(super) struct SeenSession {
    pub(super) account: AccountId,
    pub(super) parent: Option<SessionId>,
    pub(super) currency: Currency,
    pub(super) mode: Mode,
    /// The least cap and the latest end that were told.
    pub(super) cap: u64,
    pub(super) ends_at: Time,
    pub(super) begins: Time,
    pub(super) default_cap: Cap,
    pub(super) caps: BTreeMap<PayeeId, u64>,
    pub(super) debit_min: u64,
}

/// Is what a keyed request may have done: what was asked under its key, and what became of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Maybe {
    pub(super) most: u64,
    pub(super) longest_ns: u64,
    /// Known: how much it did.
    pub(super) did: Option<u64>,
}

/// Names a keyed request on a session.
type OnSession = (SessionId, Vec<u8>);

#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Debits that were heard of, by seq.
    pub(super) debits: BTreeMap<u64, HeardDebit>,
    pub(super) sessions: BTreeMap<SessionId, SeenSession>,
    pub(super) settlements: BTreeMap<SessionId, Settlement>,
    pub(super) top_ups: BTreeMap<OnSession, Maybe>,
    /// With the seqs of the debits that each may have taken back.
    pub(super) reversals: BTreeMap<OnSession, (BTreeSet<u64>, Maybe)>,
    /// From here on nothing is approved: the session had ended.
    pub(super) ended: BTreeMap<SessionId, u64>,
    pub(super) blocked: BTreeMap<PayeeId, u64>,
    /// When what was decided in a partition was decided, by seq.
    pub(super) times: BTreeMap<u16, BTreeMap<u64, Time>>,
    /// Under which seq an intent was decided, and what was asked then.
    pub(super) intents: BTreeMap<super::intents::Intent, (u64, Asked)>,
    pub(super) debit_intents: BTreeMap<super::intents::DebitIntent, u64>,
    /// What was said to differ from what was decided, before it was heard what that is.
    pub(super) claims: BTreeMap<super::intents::DebitIntent, Vec<(NewDebit, &'static str)>>,
    /// Decided for the first time, by somebody who heard it.
    pub(super) fresh: BTreeSet<u64>,
    /// What was said of control words: each epoch, with what it made so, and from which seq on that holds.
    pub(super) controls: BTreeMap<Stopped, BTreeMap<u64, (State, u64)>>,
    /// The epochs that were named to let something go, done or not.
    pub(super) let_go: BTreeMap<Stopped, BTreeSet<u64>>,
    /// What was asked to be revoked with its holds, done or not.
    pub(super) voided: BTreeSet<Stopped>,
    /// Whose accounts are.
    pub(super) front_ends: BTreeMap<AccountId, String>,
    /// What was ever asked of a hold, done or not.
    pub(super) of_holds: BTreeMap<u64, Vec<NewDebit>>,
    pub(super) epochs: BTreeMap<WriterId, u32>,
    pub(super) accounts: BTreeSet<AccountId>,
    pub(super) payees: BTreeSet<PayeeId>,
    /// Debits that were asked for and have not been heard of: what they may have taken.
    pub(super) unheard: BTreeMap<super::intents::DebitIntent, NewDebit>,
    pub(super) last_seq: u64,
}

impl Facts {
    /// Takes note of what a request may do, heard or not.
    pub(super) fn may_be_done(&mut self, asked: &Asked) {
        match asked {
            Asked::TopUp { session, key, add, extend_by, .. } => {
                let maybe = self.top_ups.entry((*session, key.clone())).or_default();
                maybe.most = maybe.most.max(add.nanos());
                maybe.longest_ns = maybe.longest_ns.max(extend_by.ns());
            }
            Asked::Reverse { session, key, debit_seq, taken, amount, .. } => {
                let (seqs, maybe) = self.reversals.entry((*session, key.clone())).or_default();
                seqs.insert(*debit_seq);
                let most = if amount.is_zero() { taken.nanos() } else { amount.nanos() };
                maybe.most = maybe.most.max(most);
            }
            Asked::Control { on, to: State::Open, epoch: Some(epoch), .. } => {
                self.let_go.entry(on.clone()).or_default().insert(*epoch);
            }
            Asked::Control { on, to: State::Revoked(Promises::Void), .. } => {
                self.voided.insert(on.clone());
            }
            Asked::Debit(ask) => self.may_debit(ask),
            Asked::Batch(asks) => asks.iter().for_each(|ask| self.may_debit(ask)),
            _ => {}
        }
    }

    fn may_debit(&mut self, ask: &NewDebit) {
        if let Some(hold) = ask.act.hold() {
            let asks = self.of_holds.entry(hold).or_default();
            if !asks.contains(ask) {
                asks.push(ask.clone());
            }
        }
        let intent = super::intents::debit_intent(ask);
        if self.debit_intents.contains_key(&intent) {
            return;
        }
        // Of several under one name, the greatest is what may have been spent, by whomever.
        let spent = |ask: &NewDebit| if ask.spends() { ask.amount } else { Amount::ZERO };
        let most = self.unheard.get(&intent).map_or(Amount::ZERO, spent);
        if spent(ask) >= most {
            self.unheard.insert(intent, ask.clone());
        }
    }

    /// Learns what an answer tells.
    pub(super) fn learn(&mut self, asked: &Asked, told: &Told) -> Result<(), Wrong> {
        self.last_seq = self.last_seq.max(seq_of(told));
        if let Some(OpenAnswer::Opened(view)) = opened(told) {
            self.see(&SessionShown::Open(view.clone()))?;
        }
        if let Some(OpenAnswer::Settled(settlement)) = opened(told) {
            self.see(&SessionShown::Settled(settlement.clone()))?;
        }
        if let Some(shown) = shown(told) {
            self.see(shown)?;
        }
        match (asked, told) {
            (_, Told::Settle(answer)) => match &answer.value.session {
                SessionShown::Settled(settlement) => self.settled(settlement),
                SessionShown::Open(view) => {
                    self.see(&answer.value.session)?;
                    self.waits(view, answer.seq)
                }
            },
            (_, Told::SettlementShown(settlement)) => self.settled(settlement),
            (Asked::TopUp { session, key, add, .. }, Told::TopUp(answer)) => {
                let done = answer.value.decline.is_none();
                let maybe = self.top_ups.entry((*session, key.clone())).or_default();
                maybe.did = Some(if done { add.nanos() } else { 0 });
                if !done {
                    maybe.longest_ns = 0;
                }
                Ok(())
            }
            (Asked::Reverse { session, key, taken, .. }, Told::Reverse(answer)) => {
                let (_, maybe) = self.reversals.entry((*session, key.clone())).or_default();
                maybe.did = Some(answer.value.reversed.nanos());
                if answer.value.reversed > *taken || answer.value.reversed.is_zero() {
                    return wrong("I5", format!("{} was taken back of {taken}", answer.value.reversed));
                }
                Ok(())
            }
            (Asked::BlockPayee(payee), Told::Payee(answer)) => {
                if answer.value.status != PayeeStatus::Blocked {
                    return wrong("I10", format!("{payee} was blocked and is {:?}", answer.value.status));
                }
                let seq = self.blocked.entry(*payee).or_insert(answer.seq);
                *seq = answer.seq.min(*seq);
                self.payees.insert(*payee);
                self.nothing_after()
            }
            (_, Told::Payee(answer)) => {
                self.payees.insert(answer.value.id);
                Ok(())
            }
            (Asked::Control { on, .. }, Told::Control(answer)) => {
                self.said(on, &answer.value, (answer.seq, answer.replayed))?;
                self.stopped()
            }
            (_, Told::Account(answer)) => {
                let front_end = answer.value.terms.front_end.to_string();
                self.front_ends.insert(answer.value.id, front_end);
                self.accounts.insert(answer.value.id);
                Ok(())
            }
            (_, Told::Writer { id, epoch }) => {
                let newest = self.epochs.entry(*id).or_default();
                *newest = (*newest).max(*epoch);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn see(&mut self, shown: &SessionShown) -> Result<(), Wrong> {
        let view = match shown {
            SessionShown::Settled(settlement) => return self.settled(settlement),
            SessionShown::Open(view) => view,
        };
        // What is shown may be as of before a settlement that was heard already: answers come in any order.
        let own = view.payees.iter().filter(|(_, part)| part.cap != view.bounds.default_payee_cap);
        let caps = own.filter_map(|(payee, part)| Some((*payee, part.cap.get()?.nanos()))).collect();
        let seen = SeenSession {
            account: view.account,
            parent: view.parent,
            currency: view.currency,
            mode: view.mode,
            cap: view.bounds.cap.nanos(),
            ends_at: view.bounds.ends_at,
            begins: view.bounds.not_before,
            default_cap: view.bounds.default_payee_cap,
            caps,
            debit_min: view.bounds.debit_min.nanos(),
        };
        let before = self.sessions.entry(view.id).or_insert_with(|| seen.clone());
        let fixed = |s: &SeenSession| (s.account, s.parent, s.currency, s.mode, s.begins, s.default_cap);
        if fixed(before) != fixed(&seen) || before.caps != seen.caps {
            return wrong("I2", format!("{} was {before:?} and is {seen:?}", view.id));
        }
        before.cap = before.cap.min(seen.cap);
        before.ends_at = before.ends_at.max(seen.ends_at);
        let used = [view.spent, view.spent_below, view.reserved_by_children, view.held, view.remaining];
        let sum: u128 = used.iter().map(|amount| u128::from(amount.nanos())).sum();
        if sum != u128::from(view.bounds.cap.nanos()) {
            return wrong("I1", format!("{} used {used:?} of {}", view.id, view.bounds.cap));
        }
        Self::holds_add_up(view)?;
        self.limits_of(view.id)
    }

    /// Returns a session and all that is known to be above it.
    pub(super) fn path(&self, id: SessionId) -> Vec<SessionId> {
        std::iter::successors(Some(id), |at| self.sessions.get(at).and_then(|seen| seen.parent)).collect()
    }

    /// Returns the least that is left of a debit, whatever was taken back of it.
    pub(super) fn least(&self, seq: u64) -> u64 {
        let spent = self.debits.get(&seq).filter(|debit| debit.ask.spends());
        let taken = spent.map_or(0, |debit| debit.taken);
        let maybe = self.reversals.values().filter(|(seqs, _)| seqs.contains(&seq));
        let back: u128 = maybe.map(|(_, maybe)| u128::from(maybe.did.unwrap_or(maybe.most))).sum();
        taken.saturating_sub(u64::try_from(back).unwrap_or(u64::MAX))
    }
}

/// Returns the greatest seq that an answer names.
pub(super) fn seq_of(told: &Told) -> u64 {
    match told {
        Told::Account(answer) => answer.seq,
        Told::Deposit(answer) => answer.seq,
        Told::Withdraw(answer) => answer.seq,
        Told::Payee(answer) => answer.seq,
        Told::Open(answer) => answer.seq,
        Told::TopUp(answer) => answer.seq,
        Told::Reverse(answer) => answer.seq,
        Told::Debit(answer) => answer.seq,
        Told::Settle(answer) => answer.seq,
        Told::SettlementShown(settlement) => settlement.seq,
        Told::Control(answer) => answer.seq,
        Told::Totals(totals) => totals.seq,
        Told::Batch(results) => results.iter().flatten().map(|outcome| outcome.seq).max().unwrap_or(0),
        Told::Writer { .. }
        | Told::Position(_)
        | Told::AccountShown(_)
        | Told::PayeeShown(_)
        | Told::SessionShown(_)
        | Told::Known(_) => 0,
    }
}
