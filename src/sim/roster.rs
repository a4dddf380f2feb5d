//! Owns: what clients know, from answers they heard and from nothing else: ids, mostly.
//! Never: what the engine knows beside that.

use crate::asked::{Asked, Key, NewDebit, Stopped, Told};
use tallystick_core::{
    AccountId, Amount, Currency, DepositId, EnvelopeId, PayeeId, SessionId, SettlementId, Time,
    account::{Account, Funding},
    command::Act,
    control::State,
    partition::SessionView,
    session::SecretHash,
};
use tallystick_engine::{OpenAnswer, SessionShown};

/// Is an account as a client knows it.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "named as in core")]
pub struct KnownAccount {
    pub id: AccountId,
    pub currency: Currency,
    pub funding: Funding,
}

/// Is a session as a client knows it.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "named as in core")]
pub struct KnownSession {
    pub id: SessionId,
    pub account: AccountId,
    pub currency: Currency,
    pub depth: u8,
    pub payees: Vec<PayeeId>,
    pub ends_at: Time,
    pub not_before: Time,
    pub secret: Option<SecretHash>,
    pub parent: Option<SessionId>,
}

/// Is an approved debit as its client knows it.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "named as in core")]
pub struct KnownDebit {
    pub session: SessionId,
    pub seq: u64,
    pub payee: PayeeId,
    pub taken: Amount,
}

/// Is a hold as its client knows it, captures or not.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "named as in core")]
pub struct KnownHold {
    pub session: SessionId,
    pub seq: u64,
    pub payee: PayeeId,
    pub whole: u64,
    /// When it said until when it lasts.
    pub until: Time,
}

/// Is what clients know.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "named by what they list")]
pub struct Roster {
    pub accounts: Vec<KnownAccount>,
    pub payees: Vec<PayeeId>,
    pub sessions: Vec<KnownSession>,
    pub settled: Vec<SessionId>,
    pub deposits: Vec<DepositId>,
    pub debits: Vec<KnownDebit>,
    pub holds: Vec<KnownHold>,
    pub keys: Vec<(SessionId, Key)>,
    pub settlements: Vec<SettlementId>,
    /// What was stopped or let go, with its epoch, and whether it is paused.
    pub controls: Vec<(Stopped, u64, bool)>,
}

/// Bounds each list of things that grow without end.
const LATEST: usize = 24;

fn remember<T>(list: &mut Vec<T>, item: T) {
    if list.len() >= LATEST {
        list.remove(0);
    }
    list.push(item);
}

impl Roster {
    /// Learns from an answer to `asked`.
    pub fn learn(&mut self, asked: &Asked, told: &Told) {
        match (asked, told) {
            (_, Told::Account(answer)) => self.account(&answer.value),
            (_, Told::AccountShown(account)) => self.account(account),
            (_, Told::Deposit(answer)) => {
                if let Some(deposit) = &answer.value.deposit
                    && !self.deposits.contains(&deposit.id)
                {
                    remember(&mut self.deposits, deposit.id);
                }
            }
            (_, Told::Payee(answer)) if !self.payees.contains(&answer.value.id) => {
                self.payees.push(answer.value.id);
            }
            (_, Told::Open(answer)) => match &answer.value {
                OpenAnswer::Opened(view) => self.session(view),
                OpenAnswer::Settled(settlement) => self.closed(settlement.session),
                OpenAnswer::Declined(_) => {}
            },
            (_, Told::TopUp(answer)) => self.shown(&answer.value.session),
            (_, Told::SessionShown(shown)) => self.shown(shown),
            (Asked::Debit(new), Told::Debit(answer)) if answer.decline.is_none() => {
                self.debit(new, answer.seq, answer.taken);
            }
            (Asked::Batch(debits), Told::Batch(outcomes)) => {
                for (new, outcome) in debits.iter().zip(outcomes) {
                    if let Ok(outcome) = outcome
                        && outcome.declined.is_none()
                    {
                        let taken = if outcome.partial.is_zero() { new.amount } else { outcome.partial };
                        self.debit(new, outcome.seq, taken);
                    }
                }
            }
            (Asked::Control { on, .. }, Told::Control(answer)) => {
                self.controls.retain(|(known, ..)| known != on);
                remember(
                    &mut self.controls,
                    (on.clone(), answer.value.epoch, answer.value.state == State::Paused),
                );
            }
            (_, Told::Settle(answer)) => {
                if let Some(settlement) = answer.value.settlement() {
                    self.closed(settlement.session);
                }
            }
            _ => {}
        }
    }

    fn account(&mut self, account: &Account) {
        let Account { id, currency, funding, .. } = *account;
        if !self.accounts.iter().any(|known| known.id == id) {
            self.accounts.push(KnownAccount { id, currency, funding });
        }
    }

    fn session(&mut self, view: &SessionView) {
        if self.sessions.iter().any(|known| known.id == view.id) || self.settled.contains(&view.id) {
            return;
        }
        let payees = view.payees.iter().map(|(payee, _)| *payee).collect();
        let (ends_at, not_before) = (view.bounds.ends_at, view.bounds.not_before);
        let SessionView { id, account, currency, depth, .. } = *view;
        let secret = view.guard.as_ref().and_then(|guard| guard.secret);
        let known = KnownSession {
            id,
            account,
            currency,
            depth,
            payees,
            ends_at,
            not_before,
            secret,
            parent: view.parent,
        };
        self.sessions.push(known);
    }

    fn shown(&mut self, shown: &SessionShown) {
        match shown {
            SessionShown::Open(view) => self.session(view),
            SessionShown::Settled(settlement) => self.closed(settlement.session),
        }
    }

    fn debit(&mut self, new: &NewDebit, seq: u64, taken: Amount) {
        let (session, payee, whole) = (new.session, new.payee, new.whole());
        if let Act::Hold { until, .. } = new.act
            && !self.holds.iter().any(|known| known.seq == seq)
        {
            remember(&mut self.holds, KnownHold { session, seq, payee, whole, until });
        }
        if !new.spends() {
            return;
        }
        remember(&mut self.debits, KnownDebit { session: new.session, seq, payee: new.payee, taken });
    }

    /// Learns that a session is not open any more.
    pub fn closed(&mut self, id: SessionId) {
        self.sessions.retain(|known| known.id != id);
        if !self.settled.contains(&id) {
            remember(&mut self.settled, id);
            remember(&mut self.settlements, id.settlement());
        }
    }

    /// Returns the secret of a session.
    pub fn secret_of(&self, session: SessionId) -> Option<SecretHash> {
        self.sessions.iter().find(|known| known.id == session).and_then(|known| known.secret)
    }

    /// Learns that a key was used.
    pub fn used(&mut self, session: SessionId, key: &Key) {
        remember(&mut self.keys, (session, key.clone()));
    }

    /// Returns the account of an envelope.
    pub fn account_of(&self, envelope: EnvelopeId) -> Option<AccountId> {
        match envelope {
            EnvelopeId::Account(id) => Some(id),
            EnvelopeId::Session(id) => self.sessions.iter().find(|known| known.id == id).map(|s| s.account),
        }
    }
}
