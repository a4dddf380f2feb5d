//! Owns: opening sessions and debiting them, one at a time or in batches: one lock hold a shard and batch.
//! Never: the order of tests; that is core's.

use crate::{
    Answer, DebitAnswer, Engine, Fault, OpenAnswer, SessionShown, Ticket, keyed::Done, shard::Shard,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::MutexGuard,
};
use tallystick_core::{
    Amount, Decline, EnvelopeId, Next, Record, Refusal, SessionId, WriterId,
    command::{Command as _, Debit, Intent, OpenSession},
    decide::{self, DebitReplay, Decided},
    partition::Made,
};

/// Bounds the debits decided in one lock hold, so that the committer and others get their turn.
const DEBITS_PER_HOLD: usize = 256;

/// Is what must be known across the lock holds of one batch.
#[derive(Debug, Default)]
struct Batch {
    /// The writers that number it, by epoch, and why one is not heard.
    writers: BTreeMap<(WriterId, u32), Option<Refusal>>,
    /// Where a number was refused.
    refused: BTreeSet<(SessionId, WriterId)>,
}

impl Engine {
    /// Opens a session. Payees that the partition does not know yet are told to it first.
    pub fn open_session(&self, command: &OpenSession<'_>) -> Ticket<Answer<OpenAnswer>> {
        if let Some(failed) = self.failed() {
            return failed;
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
            | Made::Reversal(_, _) => self.refuse(Refusal::UnknownSession),
        }
    }

    /// Shows a session: open, or settled.
    pub fn session(&self, id: SessionId) -> Ticket<SessionShown> {
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

    /// Decides one debit.
    pub fn debit(&self, command: &Debit<'_>) -> Ticket<DebitAnswer> {
        if let Some(failed) = self.failed() {
            return failed;
        }
        let _deciding = self.deciding();
        if let Intent::Number(at) = command.intent
            && let Err((refusal, seq)) = self.check_epoch(at.writer, at.epoch)
        {
            return self.ticket(seq, Err(refusal.into()));
        }
        let mut settled = false;
        let shard = self.lock(command.session.partition());
        let (shard, result) = self.debit_under(shard, command, &mut settled);
        let last_seq = shard.last_seq;
        drop(shard);
        if settled {
            self.deliver(command.session.partition());
        }
        self.wake_committer();
        // A replay shows what remains now, so it waits for everything that this depends on.
        let seq = match &result {
            Ok(answer) if !answer.replayed => answer.seq,
            _ => last_seq,
        };
        match result {
            Err(Refusal::UnknownSession) => self.retired_or_unknown(command.session, last_seq),
            other => self.ticket(seq, other.map_err(Fault::from)),
        }
    }

    /// Decides debits for any mix of sessions. Results come in the order of the debits; each session's are decided in it.
    ///
    /// After a refused number, the later numbers of the same session and writer in the batch are `NotAttempted`.
    /// The answer depends on the last of them.
    pub fn debit_batch(&self, commands: &[Debit<'_>]) -> Ticket<Vec<Result<DebitAnswer, Refusal>>> {
        if let Some(failed) = self.failed() {
            return failed;
        }
        let _deciding = self.deciding();
        let shard_of = |at: &usize| self.shard_of(commands[*at].session.partition());
        let mut order: Vec<usize> = (0..commands.len()).collect();
        order.sort_by_key(shard_of);
        let mut results = vec![Err(Refusal::UnknownSession); commands.len()];
        let (mut batch, mut seq) = self.check_writers(commands);
        for one_shard in order.chunk_by(|a, b| shard_of(a) == shard_of(b)) {
            for held in one_shard.chunks(DEBITS_PER_HOLD) {
                seq = seq.max(self.debit_held(commands, held, &mut results, &mut batch));
            }
        }
        self.wake_committer();
        for (command, result) in commands.iter().zip(&mut results) {
            if *result == Err(Refusal::UnknownSession) {
                // NOTE: a result has no place for a storage fault; `SessionRetired` says that the outcome is not known, which
                // is true of a session whose settlement cannot be looked up.
                *result = Err(self.retired(command.session).unwrap_or(Refusal::SessionRetired));
            }
        }
        self.ticket(seq, Ok(results))
    }

    /// Decides the debits at `held`, all of one shard, in one lock hold. Returns the last seq of that shard.
    fn debit_held(
        &self,
        commands: &[Debit<'_>],
        held: &[usize],
        results: &mut [Result<DebitAnswer, Refusal>],
        batch: &mut Batch,
    ) -> u64 {
        let Some(first) = held.first() else { return 0 };
        let partition = commands[*first].session.partition();
        let (mut shard, mut settled) = (self.lock(partition), false);
        for at in held {
            let command = &commands[*at];
            let unheard = match command.intent {
                Intent::Number(at) => batch.writers.get(&(at.writer, at.epoch)).copied().flatten(),
                Intent::Key(_) => None,
            };
            let mut result;
            (shard, result) = match unheard {
                Some(refusal) => (shard, Err(refusal)),
                None => self.debit_under(shard, command, &mut settled),
            };
            if let (Err(refusal), Intent::Number(at)) = (&mut result, command.intent) {
                let is_first = batch.refused.insert((command.session, at.writer));
                if let (Refusal::NumberGap { expected }, false) = (&refusal, is_first) {
                    *refusal = Refusal::NotAttempted { expected: *expected };
                }
            }
            results[*at] = result;
        }
        let last_seq = shard.last_seq;
        drop(shard);
        if settled {
            self.deliver(partition);
        }
        last_seq
    }

    /// Decides a debit under the lock that is handed in, and hands a lock back. It is let go in between when the partition
    /// must be told of a payee; and what has expired is settled, under it, before a debit is declined for lack of room (I9):
    /// then `settled` says that lines wait to be delivered.
    fn debit_under<'a>(
        &'a self,
        mut shard: MutexGuard<'a, Shard>,
        command: &Debit<'_>,
        settled: &mut bool,
    ) -> (MutexGuard<'a, Shard>, Result<DebitAnswer, Refusal>) {
        let partition = command.session.partition();
        let mut told = false;
        loop {
            match self.debit_locked(&mut shard, command) {
                Err(Stall::PayeeNotHere) if !told => {
                    told = true;
                    drop(shard);
                    let known = self.tell(partition, command.payee);
                    shard = self.lock(partition);
                    if let Err(refusal) = known {
                        return (shard, Err(refusal));
                    }
                }
                Err(Stall::Due(id)) => *settled |= self.settle_locked(&mut shard, id),
                Err(Stall::PayeeNotHere) => return (shard, Err(Refusal::UnknownPayee)),
                Err(Stall::Refused(refusal)) => return (shard, Err(refusal)),
                Ok(answer) => return (shard, Ok(answer)),
            }
        }
    }

    fn debit_locked(&self, shard: &mut Shard, command: &Debit<'_>) -> Result<DebitAnswer, Stall> {
        let partition = command.session.partition();
        let home = shard.partition(partition);
        let now = home.decision_time(self.now());
        let (decided, hit) = decide::debit(home, command, now)?;
        if let Decided::Record(Record::Debited(debited)) = &decided
            && let Some(due) = home.due_for_debit(debited, now)
        {
            return Err(Stall::Due(due));
        }
        let (seq, amount, taken, decline, replayed) = match decided {
            Decided::Record(record) => {
                let taken = match &record {
                    Record::Debited(debited) => debited.taken,
                    _ => Amount::ZERO,
                };
                let seq = self.write(shard, partition, now, &record);
                (seq, command.amount, taken, hit.map(|hit| hit.decline), false)
            }
            Decided::Replay(replay) => (replay.seq, replay.amount, replay.taken, remembered(&replay), true),
        };
        let home = shard.partition(partition);
        let session = home.session(command.session)?;
        let (payee, _) = home.notice(command.payee)?;
        let remaining = home.spendable(session);
        Ok(DebitAnswer {
            session: command.session,
            seq,
            at: now,
            amount,
            taken,
            decline,
            limit_of: hit.map(|hit| hit.limit_of),
            remaining,
            is_final: session.is_final_with(remaining),
            payee_remaining: home.payee_spendable(session, payee),
            held: session.held,
            replayed,
        })
    }

    /// Refuses every epoch of a writer but its newest. A refusal comes with the seq that it depends on.
    pub(crate) fn check_epoch(&self, writer: WriterId, epoch: u32) -> Result<(), (Refusal, u64)> {
        let home = writer.partition();
        let shard = self.lock(home);
        let newest = match shard.partition(home).writer(writer) {
            Ok(row) => row.epoch,
            Err(refusal) => return Err((refusal, shard.last_seq)),
        };
        match epoch.cmp(&newest) {
            std::cmp::Ordering::Less => Err((Refusal::WriterFenced { epoch: newest }, shard.last_seq)),
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => {
                let never = Refusal::Malformed { field: "epoch", rule: "must be one that was given out" };
                Err((never, shard.last_seq))
            }
        }
    }

    /// Checks each writer of a batch once, before any of its debits. Returns the seq that the refusals depend on, too.
    fn check_writers(&self, commands: &[Debit<'_>]) -> (Batch, u64) {
        let (mut batch, mut seq, mut last) = (Batch::default(), 0, None);
        for command in commands {
            let Intent::Number(at) = command.intent else { continue };
            let writer = (at.writer, at.epoch);
            if last.replace(writer) == Some(writer) || batch.writers.contains_key(&writer) {
                continue;
            }
            let refused = self.check_epoch(at.writer, at.epoch).err();
            seq = seq.max(refused.map_or(0, |(_, seq)| seq));
            batch.writers.insert(writer, refused.map(|(refusal, _)| refusal));
        }
        (batch, seq)
    }

    /// Says whether a session that is not open is settled, or never was. *Errors*: storage, if that cannot be told.
    pub(crate) fn retired(&self, id: SessionId) -> Result<Refusal, Fault> {
        let found = self.find_settlement(id)?;
        Ok(if found.is_some() { Refusal::SessionRetired } else { Refusal::UnknownSession })
    }

    pub(crate) fn retired_or_unknown<T>(&self, id: SessionId, last_seq: u64) -> Ticket<T> {
        self.ticket(last_seq, Err(self.retired(id).map_or_else(|fault| fault, Fault::from)))
    }
}

/// Says why a debit could not be decided yet, or at all.
enum Stall {
    /// The payee's home has not told this partition of it.
    PayeeNotHere,
    /// This session's end has come, and it holds room that the debit lacks.
    Due(SessionId),
    /// It was refused.
    Refused(Refusal),
}

impl From<Refusal> for Stall {
    fn from(refusal: Refusal) -> Self {
        if refusal == Refusal::PayeeNotHere { Self::PayeeNotHere } else { Self::Refused(refusal) }
    }
}

/// Says a remembered decline again. What to do next is not remembered: only a new key can bring something new.
fn remembered(replay: &DebitReplay) -> Option<Decline> {
    replay.verdict.map(|(code, level)| Decline { code, level, next: Next::NewKey })
}
