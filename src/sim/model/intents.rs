//! Owns: which intents are remembered for good, under which names, and what is answered when they are repeated.
//! Never: the keys of debits; those are remembered with their session.

use super::{
    state::{Made, Name, State},
    words::{check, differs, malformed},
    written::{Off, Written, wrong},
};
use crate::asked::{Asked, Told};
use tallystick_core::{Amount, Decline, Refusal, Time};
use tallystick_engine::{Answer, OpenAnswer, ReverseAnswer, SessionShown, TopUpAnswer, WithdrawAnswer};

/// Names the intent of a request that is remembered for good.
pub(crate) fn name(asked: &Asked) -> Option<Name> {
    let named = |what, on: u128, key: &Vec<u8>| Some((what, on, key.clone()));
    match asked {
        // A front-end's keys are its own.
        Asked::CreateAccount(new) => named("account", scope(&new.front_end), &new.key),
        Asked::CreatePayee { key, .. } => named("payee", 0, key),
        Asked::Deposit { account, key, .. } => named("deposit", account.bits(), key),
        Asked::Withdraw { account, key, .. } => named("withdrawal", account.bits(), key),
        Asked::Repay { account, key, .. } => named("repayment", account.bits(), key),
        Asked::SetCreditLimit { account, key, .. } => named("limit", account.bits(), key),
        Asked::OpenSession(new) => named("session", new.parent.bits(), &new.key),
        Asked::TopUp { session, key, .. } => named("top-up", session.bits(), key),
        Asked::Reverse { session, key, .. } => named("reversal", session.bits(), key),
        _ => None,
    }
}

fn scope(front_end: &str) -> u128 {
    front_end.bytes().fold(0, |scope, byte| (scope << 8) | u128::from(byte))
}

impl State {
    /// Predicts the answer to a request whose key is remembered for good.
    pub(super) fn keyed(&mut self, asked: &Asked, w: &mut Written<'_>) -> Result<Result<Told, Refusal>, Off> {
        if let Err(refusal) = check(asked) {
            return Ok(Err(refusal));
        }
        let Some(name) = name(asked) else { return wrong(format!("{asked:?} has no key")) };
        let before = self.done.get(&name).map(|done| (differs(&done.asked, asked), done.made.clone()));
        let (made, replayed) = match before {
            Some((Some(field), _)) => return Ok(Err(Refusal::KeyReused { field })),
            Some((None, made)) => (made, true),
            None => match self.do_keyed(asked, w)? {
                Ok(made) => (made, false),
                Err(refusal) => return Ok(Err(refusal)),
            },
        };
        self.carry_on(w)?;
        let seq = self.done.get(&name).map_or(0, |done| done.seq);
        match self.told(asked, &made, (seq, replayed), w.now) {
            Some(told) => Ok(Ok(told)),
            None => wrong(format!("{asked:?} made {made:?}, which is not there")),
        }
    }

    fn do_keyed(&mut self, asked: &Asked, w: &mut Written<'_>) -> Result<Result<Made, Refusal>, Off> {
        match asked {
            Asked::CreateAccount(new) => self.create_account(asked, new, w),
            Asked::CreatePayee { name, .. } => {
                self.create_payee(asked, name, w).map(|id| Ok(Made::Payee(id)))
            }
            Asked::Deposit { account, amount, currency, pending, .. } => {
                self.make_deposit(asked, *account, (*amount, *currency, *pending), w)
            }
            Asked::Withdraw { account, amount, currency, .. } => {
                self.withdraw(asked, *account, (*amount, *currency), w)
            }
            Asked::Repay { account, amount, currency, .. } => {
                self.repay(asked, *account, (*amount, *currency), w)
            }
            Asked::SetCreditLimit { account, limit, .. } => self.set_credit_limit(asked, *account, *limit, w),
            Asked::OpenSession(new) => self.open_session(asked, new, w),
            Asked::TopUp { session, add, extend_by, parent_proof, .. } => {
                self.top_up(asked, *session, (*add, *extend_by, *parent_proof), w)
            }
            Asked::Reverse { session, debit_seq, payee, taken, amount, .. } => {
                self.reverse(asked, *session, (*debit_seq, *payee, *taken, *amount), w)
            }
            _ => Ok(Err(malformed("a request without a key"))),
        }
    }

    /// Shows what was made, as it is now.
    fn told(&self, asked: &Asked, made: &Made, (seq, replayed): (u64, bool), now: Time) -> Option<Told> {
        let decline = match made {
            Made::Declined(decline) => Some(*decline),
            _ => None,
        };
        Some(match asked {
            Asked::CreateAccount(_) => {
                let Made::Account(id) = made else { return None };
                Told::Account(Answer { value: self.account(*id)?, seq, replayed })
            }
            Asked::CreatePayee { .. } => {
                let Made::Payee(id) = made else { return None };
                Told::Payee(Answer { value: self.payee(*id)?, seq, replayed })
            }
            Asked::Deposit { .. } => {
                let Made::Deposit(id) = made else { return None };
                Told::Deposit(Answer { value: self.deposit(*id)?, seq, replayed })
            }
            Asked::Withdraw { account, .. } => {
                let value = WithdrawAnswer { account: self.account(*account)?, decline };
                Told::Withdraw(Answer { value, seq, replayed })
            }
            Asked::Repay { account, .. } | Asked::SetCreditLimit { account, .. } => {
                Told::Account(Answer { value: self.account(*account)?, seq, replayed })
            }
            Asked::OpenSession(_) => {
                Told::Open(Answer { value: self.opening(made, decline, now)?, seq, replayed })
            }
            Asked::TopUp { session, .. } => {
                let session = self.session(*session, now)?;
                Told::TopUp(Answer { value: TopUpAnswer { session, decline }, seq, replayed })
            }
            Asked::Reverse { session, .. } => {
                let Made::Reversal(reversed) = made else { return None };
                let (session, reversed) = (self.session(*session, now)?, Amount::from_nanos(*reversed));
                Told::Reverse(Answer { value: ReverseAnswer { session, reversed }, seq, replayed })
            }
            _ => return None,
        })
    }

    fn opening(&self, made: &Made, decline: Option<Decline>, now: Time) -> Option<OpenAnswer> {
        if let Some(decline) = decline {
            return Some(OpenAnswer::Declined(decline));
        }
        let Made::Session(id) = made else { return None };
        Some(match self.session(*id, now)? {
            SessionShown::Open(view) => OpenAnswer::Opened(view),
            SessionShown::Settled(settlement) => OpenAnswer::Settled(settlement),
        })
    }
}
