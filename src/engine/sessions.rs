//! Owns: opening sessions and showing them. Never: debits them; that is `debits`.

use crate::{Answer, Engine, Fault, OpenAnswer, SessionShown, Ticket, keyed::Done};
use tallystick_core::{
    EnvelopeId, HoldId, Refusal, SessionId,
    command::{Command as _, OpenSession},
    decide,
    partition::{HoldView, Made},
};

impl Engine {
    /// Opens a session. Payees that the partition does not know yet are told to it first.
    pub fn open_session(&self, command: &OpenSession<'_>) -> Ticket<Answer<OpenAnswer>> {
        if let Some(refused) = self.turned_away_from(command.act(), command.parent) {
            return refused;
        }
        // Long lists are checked before the lock; core checks again, since it trusts nobody.
        if let Err(refusal) = command.check() {
            return self.refuse(refusal);
        }
        let partition = command.parent.partition();
        let draw = self.draw();
        loop {
            let done = self.keyed(partition, command, |p, filed, now| {
                decide::open_session(p, command, filed, (now, draw))
            });
            match (done, command.parent) {
                (Ok(done), _) => return self.opened(partition, &done),
                (Err((Fault::Refused(Refusal::PayeeNotHere), _)), _) => {
                    if let Err(refusal) = self.tell_all(partition, command) {
                        return self.refuse(refusal);
                    }
                }
                (Err((Fault::Refused(Refusal::UnknownSession), seq)), EnvelopeId::Session(id)) => {
                    return self.retired_or_unknown(id, seq);
                }
                (Err((fault, seq)), _) => return self.ticket(seq, Err(fault)),
            }
        }
    }

    fn tell_all(&self, partition: u16, command: &OpenSession<'_>) -> Result<(), Refusal> {
        let capped = command.payee_caps.iter().map(|(payee, _)| payee);
        command.payees.iter().chain(capped).try_for_each(|payee| self.tell(partition, *payee))
    }

    /// Answers an opening, new or repeated, with what has become of it.
    fn opened(&self, partition: u16, done: &Done) -> Ticket<Answer<OpenAnswer>> {
        let (seq, replayed) = (done.seq, done.replayed);
        let answer = move |value| Answer { value, seq, replayed };
        match done.made {
            Made::Declined(decline) => {
                let seq = self.lock(partition).last_seq;
                self.ticket(seq, Ok(answer(OpenAnswer::Declined(decline))))
            }
            Made::Session(id) => self.session(id).map(|shown| match shown {
                SessionShown::Open(view) => answer(OpenAnswer::Opened(view)),
                SessionShown::Settled(settlement) => answer(OpenAnswer::Settled(settlement)),
            }),
            Made::Account(_)
            | Made::Deposit(_)
            | Made::Payee(_)
            | Made::DepositOf(_)
            | Made::Credential(_)
            | Made::Reversal(_, _) => self.refuse(Refusal::UnknownSession),
        }
    }

    /// Shows a session: open, or settled.
    pub fn session(&self, id: SessionId) -> Ticket<SessionShown> {
        if let Err(fault) = self.check_view(id.into()) {
            return self.ticket(0, Err(fault));
        }
        let shard = self.lock(id.partition());
        let partition = shard.partition(id.partition());
        let now = self.now();
        let shown = partition.session(id).map(|row| SessionShown::Open(Box::new(partition.view(row, now))));
        let last_seq = shard.last_seq;
        drop(shard);
        match shown {
            Ok(shown) => self.ticket(last_seq, Ok(shown)),
            Err(refusal) => self.settled_session(id, refusal, last_seq),
        }
    }

    /// Shows a hold of an open session, by its own id. *Errors*: `UnknownHold`, once its session is settled, too.
    pub fn hold(&self, id: HoldId) -> Ticket<HoldView> {
        let shard = self.lock(id.partition());
        let home = shard.partition(id.partition());
        let shown = home.session_of(id).and_then(|session| home.hold(session, id.seq(), self.now()));
        self.ticket(shard.last_seq, shown.map_err(Fault::from))
    }

    /// Shows the open holds of a session that were placed after `after_seq`, at most `most`. *Errors*: as of a session that is
    /// not open.
    pub fn holds(&self, id: SessionId, after_seq: u64, most: usize) -> Ticket<Vec<HoldView>> {
        let shard = self.lock(id.partition());
        let home = shard.partition(id.partition());
        let shown = home.session(id).map(|session| home.holds_after(session, after_seq, most, self.now()));
        let last_seq = shard.last_seq;
        drop(shard);
        match shown {
            Ok(shown) => self.ticket(last_seq, Ok(shown)),
            Err(_) => self.retired_or_unknown(id, last_seq),
        }
    }

    /// Says whether a session that is not open is settled, or never was. *Errors*: storage, if that cannot be told.
    pub(crate) fn retired(&self, id: SessionId) -> Result<Refusal, Fault> {
        let found = self.find_settlement(id)?;
        let found = found.filter(|settlement| self.sees_account(settlement.account));
        Ok(if found.is_some() { Refusal::SessionRetired } else { Refusal::UnknownSession })
    }

    pub(crate) fn retired_or_unknown<T>(&self, id: SessionId, last_seq: u64) -> Ticket<T> {
        self.ticket(last_seq, Err(self.retired(id).map_or_else(|fault| fault, Fault::from)))
    }
}
