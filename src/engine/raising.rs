//! Owns: what changes an open session beside its debits: top-ups, and reversals of debits.
//! Never: the order of tests; looks up what a debit was: that is given.

use crate::{Answer, Engine, Fault, Known, ReverseAnswer, Ticket, TopUpAnswer};
use tallystick_core::{
    Refusal, SessionId, WriterId,
    command::{Reverse, Scope, TopUp},
    decide::{self, look_up},
    partition::Made,
    role::Act,
};

impl Engine {
    /// Raises a session's cap, moves its end, or both.
    pub fn top_up(&self, command: &TopUp<'_>) -> Ticket<Answer<TopUpAnswer>> {
        if let Some(refused) = self.turned_away_from(Act::RaiseWithin, command.session.into()) {
            return refused;
        }
        let partition = command.session.partition();
        // Where a session stands never changes that much: one on an account stays there, and a token stays a token.
        if !self.asked_for().may(Act::Raise) {
            let act = self.lock(partition).partition(partition).act_of_top_up(command.session);
            if let Err(refusal) = self.permit(act) {
                return self.refuse(refusal);
            }
        }
        let done =
            match self.keyed(partition, command, |p, filed, now| decide::top_up(p, command, filed, now)) {
                Ok(done) => done,
                Err((Fault::Refused(Refusal::UnknownSession), seq)) => {
                    return self.retired_or_unknown(command.session, seq);
                }
                Err((fault, seq)) => return self.ticket(seq, Err(fault)),
            };
        let decline = match done.made {
            Made::Declined(decline) => Some(decline),
            _ => None,
        };
        self.session(command.session).map(|session| Answer {
            value: TopUpAnswer { session, decline },
            seq: done.seq,
            replayed: done.replayed,
        })
    }

    /// Takes back a debit, all of it or in part.
    pub fn reverse(&self, command: &Reverse<'_>) -> Ticket<Answer<ReverseAnswer>> {
        if let Some(refused) = self.turned_away_from(Act::Reverse, command.session.into()) {
            return refused;
        }
        if !self.asked_for().sees_debits_of(command.payee) {
            return self.refuse(Refusal::UnknownDebit);
        }
        let partition = command.session.partition();
        let done = match self.keyed(partition, command, |p, filed, _| decide::reverse(p, command, filed)) {
            Ok(done) => done,
            // Whom this partition was never told of, it never paid.
            Err((Fault::Refused(Refusal::PayeeNotHere), seq)) => {
                return self.ticket(seq, Err(Refusal::UnknownDebit.into()));
            }
            Err((Fault::Refused(Refusal::UnknownSession), seq)) => {
                return self.retired_or_unknown(command.session, seq);
            }
            Err((fault, seq)) => return self.ticket(seq, Err(fault)),
        };
        let Made::Reversal(_, reversed) = done.made else { return self.refuse(Refusal::UnknownDebit) };
        self.session(command.session).map(|session| Answer {
            value: ReverseAnswer { session, reversed },
            seq: done.seq,
            replayed: done.replayed,
        })
    }

    /// Says what memory knows of the debit with a key. The ticket opens when what it says is durable.
    pub fn look_up_key(&self, session: SessionId, key: &[u8]) -> Ticket<Known> {
        self.look_up(session, Ok(Scope::Debit.hash(self.seed(), session.bits(), key)))
    }

    /// Says what memory knows of a writer's numbered debit. The ticket opens when what it says is durable.
    pub fn look_up_number(&self, session: SessionId, writer: WriterId, number: u64) -> Ticket<Known> {
        self.look_up(session, Err((writer, number)))
    }

    fn look_up(
        &self,
        session: SessionId,
        by: Result<tallystick_core::hash::KeyHash, (WriterId, u64)>,
    ) -> Ticket<Known> {
        let partition = session.partition();
        let shard = self.lock(partition);
        let home = shard.partition(partition);
        let known = match look_up(home, session, by) {
            Ok(Some(debit)) => match home.payee_at(debit.payee) {
                Some(payee) => Known::Decided(debit, payee),
                None => Known::Forgotten,
            },
            Ok(None) => Known::NeverSeen,
            Err(Refusal::UnknownSession) => Known::NotOpen,
            Err(_) => Known::Forgotten,
        };
        let last_seq = shard.last_seq;
        drop(shard);
        self.ticket(last_seq, Ok(known))
    }
}
