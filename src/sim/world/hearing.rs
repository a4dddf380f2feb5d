//! Owns: answers: looked for, heard or lost. Never: one that is not durable.

use super::{Call, Early, World};
use crate::{
    asked::{Asked, Heard, NewDebit, Stopped, Told},
    model::{CallNo, Wrong},
};
use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
};
use tallystick_engine::{Fault, Known};

impl World {
    /// Looks for the answer of some call.
    pub(super) fn deliver(&self) {
        let chosen = {
            let mut state = self.st();
            let waiting: Vec<CallNo> = state.calls.keys().copied().collect();
            state.rng.pick(&waiting).copied()
        };
        if let Some(number) = chosen {
            let _ = self.poll(number);
        }
    }

    /// Polls one call's ticket, as a task would: it may lead a commit. Returns what its client heard, if it did.
    pub(crate) fn poll(&self, number: CallNo) -> Option<Heard> {
        let (mut call, holds) = {
            let mut state = self.st();
            (state.calls.remove(&number)?, state.holds.take())
        };
        let polled = Future::poll(Pin::new(&mut call.ticket), &mut Context::from_waker(Waker::noop()));
        let mut state = self.st();
        state.holds = holds;
        if state.is_dead {
            return None;
        }
        match polled {
            Poll::Pending => {
                state.calls.insert(number, call);
                None
            }
            Poll::Ready(heard) => {
                let is_lost = state.faults.answers_lost && state.rng.chance(1, 8);
                drop(state);
                if is_lost {
                    self.lose(number, &call);
                    return None;
                }
                self.hear(number, &call, &heard);
                Some(heard)
            }
        }
    }

    fn lose(&self, number: u64, call: &Call) {
        self.tell(format_args!("client {} does not hear #{number}", call.client));
        let mut state = self.st();
        if let Some(client) = state.clients.each.get_mut(call.client) {
            for intent in client.intents.iter_mut().filter(|intent| intent.call == Some(number)) {
                intent.call = None;
            }
            client.intents.retain(|intent| !intent.is_lie || intent.call.is_some());
        }
    }

    fn hear(&self, number: u64, call: &Call, heard: &Heard) {
        self.tell(format_args!("client {} hears #{number}: {heard:?}", call.client));
        let has_failed = self.stepped().is_some_and(|stepped| stepped.engine().has_failed());
        let (followed, finds_fail) = {
            let mut state = self.st();
            state.counts.heard += 1;
            (state.mirror.seq(), state.disk.failed_finds() > 0)
        };
        match heard {
            Ok(_) | Err(Fault::Refused(_)) => self.must(call.ticket.seq() <= followed, || {
                format!(
                    "#{number} was heard, but seq {} is not on the disk: {followed} is",
                    call.ticket.seq()
                )
            }),
            Err(Fault::JournalFailed) => {
                self.must(has_failed, || format!("#{number} heard that the journal failed, and it has not"));
            }
            Err(Fault::Storage(fault)) => {
                self.must(finds_fail, || format!("#{number} heard of a storage fault that was not: {fault}"));
            }
        }
        let mut state = self.st();
        state.clients.heard(call.client, number, heard);
        drop(state);
        if let Some(decided) = call.modelled {
            let (asked, heard) = (call.asked.clone(), heard.clone());
            let audited = self.st().auditor.heard(number, &heard);
            self.judged(&asked, number, &heard, audited);
            let partition = asked.partition().filter(|_| heard.is_ok());
            let early = Early { decided, heard_at: followed, partition, call: number, asked, heard };
            self.st().heard_early.push(early);
            self.judge_early(followed);
        }
        if let Ok(Told::Known(known)) = heard {
            self.asks_the_index_too(&call.asked, known);
        }
    }

    fn judged(&self, asked: &Asked, call: CallNo, heard: &Heard, judged: Result<(), Wrong>) {
        if let Err(wrong) = judged {
            self.wrong(format!("#{call} {asked:?} heard {heard:?}: {}", wrong.0));
        }
    }

    /// Lets the model judge what was heard, as far as it has followed.
    pub(super) fn judge_early(&self, followed: u64) {
        let due = {
            let mut state = self.st();
            let all = std::mem::take(&mut state.heard_early);
            let (due, later) = all.into_iter().partition(|early: &Early| early.decided.after <= followed);
            state.heard_early = later;
            due
        };
        let due: Vec<Early> = due;
        for Early { call, asked, heard, .. } in due {
            let judged = self.st().model.heard(call, &heard);
            self.judged(&asked, call, &heard, judged);
        }
    }

    /// Goes on as a face does when memory does not have it all.
    fn asks_the_index_too(&self, asked: &Asked, known: &Known) {
        match (asked, known) {
            (
                Asked::LookUpKey { session, .. } | Asked::LookUpNumber { session, .. },
                Known::Decided(debit, _),
            ) => {
                self.look_up_id(*session, debit.seq);
            }
            (Asked::LookUpKey { session, key }, _) => self.look_up_key(*session, key),
            (Asked::LookUpNumber { session, writer, number }, _) => {
                self.look_up_number(*session, *writer, *number);
            }
            _ => {}
        }
    }
}

impl Asked {
    /// Returns the partition that an answer speaks of; `None` for one that speaks of several, or of none that is known.
    fn partition(&self) -> Option<u16> {
        match self {
            Self::Deposit { account, .. }
            | Self::Withdraw { account, .. }
            | Self::Repay { account, .. }
            | Self::SetCreditLimit { account, .. }
            | Self::ShowAccount(account) => Some(account.partition()),
            Self::MoveDeposit { deposit, .. } => Some(deposit.partition()),
            Self::Control { on: Stopped::Account(account), .. } => Some(account.partition()),
            Self::Control { on: Stopped::Session(session), .. } => Some(session.partition()),
            Self::BlockPayee(payee) | Self::ShowPayee(payee) => Some(payee.partition()),
            Self::OpenSession(new) => Some(new.parent.partition()),
            Self::TopUp { session, .. }
            | Self::Reverse { session, .. }
            | Self::Debit(NewDebit { session, .. })
            | Self::Position { session, .. }
            | Self::Settle { session, .. }
            | Self::ShowSession(session)
            | Self::LookUpKey { session, .. }
            | Self::LookUpNumber { session, .. } => Some(session.partition()),
            Self::ShowSettlement(settlement) => Some(settlement.session().partition()),
            Self::CreateAccount(_)
            | Self::CreatePayee { .. }
            | Self::Batch(_)
            | Self::OpenWriter(_)
            | Self::Control { on: Stopped::FrontEnd(_), .. }
            | Self::Totals => None,
        }
    }
}
