//! Owns: deciding debits, one at a time or in batches: one lock hold a shard and batch. Never: the order of tests; that is
//! core's.

use crate::{DebitAnswer, DebitOutcome, Engine, Fault, Ticket, shard::Shard, sync::MutexGuard};
use std::collections::{BTreeMap, BTreeSet};
use tallystick_core::{
    Amount, Decline, Hit, Next, Record, Refusal, SessionId, Time, WriterId,
    command::{Act, Debit, Intent},
    decide::{self, DebitReplay, Judged},
    partition::HoldView,
};

/// Bounds the debits decided in one lock hold, so that the committer and others get their turn.
const DEBITS_PER_HOLD: usize = 256;
/// How many rows are on their way from memory while a debit is decided: with a million sessions nearly none is at hand.
const TOUCHED_AHEAD: usize = 8;
/// How far ahead it is found out where a session's limits in time are.
const TOUCHED_BESIDE: usize = 5;
/// How far ahead they are touched.
const TOUCHED_LIMITS: usize = 2;

/// Is what must be known across the lock holds of one batch.
#[derive(Debug, Default)]
struct Batch {
    /// The writers that number it and are not heard, by epoch, and why. Seldom any.
    unheard: BTreeMap<(WriterId, u32), Refusal>,
    /// Where a number was refused.
    refused: BTreeSet<(SessionId, WriterId)>,
}

impl Engine {
    /// Decides one debit.
    pub fn debit(&self, command: &Debit<'_>) -> Ticket<DebitAnswer> {
        if let Some(failed) = self.failed() {
            return failed;
        }
        if let Err(refusal) = self.check_heard() {
            return self.refuse(refusal);
        }
        let _deciding = self.deciding();
        if let Intent::Number(at) = command.intent
            && let Err((refusal, seq)) = self.check_epoch(at.writer, at.epoch)
        {
            return self.ticket(seq, Err(refusal.into()));
        }
        let (hold, done) = self.holding(command.session.partition()).debit(command);
        let result = done.and_then(|done| hold.answer(command, &done));
        let last_seq = hold.end();
        // A replay shows what remains now, so it waits for everything that this depends on.
        let seq = match &result {
            Ok(answer) if !answer.replayed => answer.seq,
            _ => last_seq,
        };
        match result {
            Err(Refusal::UnknownSession) => self.retired_or_unknown(command.session, last_seq),
            other => self.leading_ticket(seq, other.map_err(Fault::from)),
        }
    }

    /// Decides debits for any mix of sessions. Results come in the order of the debits; each session's are decided in it.
    ///
    /// After a refused number, the later numbers of the same session and writer in the batch are `NotAttempted`.
    /// The answer depends on the last of them.
    pub fn debit_batch(&self, commands: &[Debit<'_>]) -> Ticket<Vec<Result<DebitOutcome, Refusal>>> {
        if let Some(failed) = self.failed() {
            return failed;
        }
        // Once for all of it: whoever is revoked meanwhile had asked before.
        if let Err(refusal) = self.check_heard() {
            return self.refuse(refusal);
        }
        let _deciding = self.deciding();
        let mut results = vec![Err(Refusal::UnknownSession); commands.len()];
        let (mut batch, mut seq) = self.check_writers(commands);
        let order = self.by_shard(commands);
        let shard_of = |at: &usize| self.shard_of(commands[*at].session.partition());
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

    /// Returns the places of all commands, those of one shard together, each shard's in their order.
    fn by_shard(&self, commands: &[Debit<'_>]) -> Vec<usize> {
        let shard_of = |command: &Debit<'_>| self.shard_of(command.session.partition());
        let mut ends = vec![0; self.shards.len()];
        for command in commands {
            ends[shard_of(command)] += 1;
        }
        let mut end = 0;
        for count in &mut ends {
            end += std::mem::replace(count, end);
        }
        let mut order = vec![0; commands.len()];
        for (at, command) in commands.iter().enumerate() {
            let place = &mut ends[shard_of(command)];
            order[*place] = at;
            *place += 1;
        }
        order
    }

    /// Decides the debits at `held`, all of one shard, in one lock hold. Returns the last seq of that shard.
    fn debit_held(
        &self,
        commands: &[Debit<'_>],
        held: &[usize],
        results: &mut [Result<DebitOutcome, Refusal>],
        batch: &mut Batch,
    ) -> u64 {
        let Some(first) = held.first() else { return 0 };
        let mut hold = self.holding(commands[*first].session.partition());
        hold.touch(held.iter().take(TOUCHED_AHEAD).map(|at| &commands[*at]));
        for (nth, at) in held.iter().enumerate() {
            hold.touch(held.get(nth + TOUCHED_AHEAD).map(|at| &commands[*at]).into_iter());
            hold.touch_beside(|ahead| held.get(nth + ahead).map(|at| &commands[*at]));
            let command = &commands[*at];
            let mut result;
            (hold, result) = match batch.unheard(command) {
                Some(refusal) => (hold, Err(refusal)),
                None => {
                    let (hold, done) = hold.debit(command);
                    let outcome = done.and_then(|done| hold.outcome(command, &done));
                    (hold, outcome)
                }
            };
            if let (Err(refusal), Intent::Number(at)) = (&mut result, command.intent) {
                let is_first = batch.refused.insert((command.session, at.writer));
                if let (Refusal::NumberGap { expected }, false) = (&refusal, is_first) {
                    *refusal = Refusal::NotAttempted { expected: *expected };
                }
            }
            results[*at] = result;
        }
        hold.end()
    }

    /// Checks each writer of a batch once, before any of its debits. Returns the seq that the refusals depend on, too.
    fn check_writers(&self, commands: &[Debit<'_>]) -> (Batch, u64) {
        let (mut batch, mut seq) = (Batch::default(), 0);
        let (mut checked, mut last) = (BTreeSet::new(), None);
        for command in commands {
            let Intent::Number(at) = command.intent else { continue };
            let writer = (at.writer, at.epoch);
            if last.replace(writer) == Some(writer) || !checked.insert(writer) {
                continue;
            }
            if let Err((refusal, depends_on)) = self.check_epoch(at.writer, at.epoch) {
                seq = seq.max(depends_on);
                batch.unheard.insert(writer, refusal);
            }
        }
        (batch, seq)
    }

    /// Takes the lock of a partition's shard, to decide debits under it.
    fn holding(&self, partition: u16) -> Hold<'_> {
        let shard = self.lock(partition);
        // ORDER: read under the lock, once for all that is decided in one hold.
        let is_free = self.asked_for().may_debit_all();
        Hold { engine: self, shard, now: self.now(), is_free, settled: BTreeSet::new() }
    }
}

impl Batch {
    /// Says why a debit is not even tried: its writer is not heard.
    fn unheard(&self, command: &Debit<'_>) -> Option<Refusal> {
        match command.intent {
            Intent::Number(at) if !self.unheard.is_empty() => {
                self.unheard.get(&(at.writer, at.epoch)).copied()
            }
            Intent::Number(_) | Intent::Key(_) => None,
        }
    }
}

/// Is a shard's lock, while debits are decided under it.
struct Hold<'a> {
    engine: &'a Engine,
    shard: MutexGuard<'a, Shard>,
    now: Time,
    /// Whoever asks may do everything with every debit.
    is_free: bool,
    /// The partitions in which sessions were settled on the way: their lines wait to be delivered.
    settled: BTreeSet<u16>,
}

/// Is what was decided about a debit, now or before.
struct Done {
    seq: u64,
    at: Time,
    /// The payee's notice.
    payee: u32,
    amount: Amount,
    taken: Amount,
    decline: Option<Decline>,
    hit: Option<Hit>,
    late: bool,
    /// The hold that it is about, or that it is.
    hold: Option<u64>,
    replayed: bool,
}

impl<'a> Hold<'a> {
    /// Decides a debit. The lock is let go of in between when the partition must be told of a payee; and what has expired
    /// is settled, under it, before a debit is declined for lack of room (I9).
    fn debit(mut self, command: &Debit<'_>) -> (Self, Result<Done, Refusal>) {
        let partition = command.session.partition();
        let mut told = false;
        loop {
            match self.decide(command) {
                Err(Stall::PayeeNotHere) if !told => {
                    told = true;
                    let Self { engine, shard, settled, .. } = self;
                    drop(shard);
                    let known = engine.tell(partition, command.payee);
                    self = Self { settled, ..engine.holding(partition) };
                    if let Err(refusal) = known {
                        return (self, Err(refusal));
                    }
                }
                Err(Stall::Due(id)) => {
                    if self.engine.settle_locked(&mut self.shard, id, self.now) {
                        self.settled.insert(partition);
                    }
                }
                Err(Stall::PayeeNotHere) => return (self, Err(Refusal::UnknownPayee)),
                Err(Stall::Refused(refusal)) => return (self, Err(refusal)),
                Ok(done) => return (self, Ok(done)),
            }
        }
    }

    fn decide(&mut self, command: &Debit<'_>) -> Result<Done, Stall> {
        let partition = command.session.partition();
        let home = self.shard.partition(partition);
        let at = home.decision_time(self.now);
        if !self.is_free {
            home.permit_debit(self.engine.asked_for(), command)?;
        }
        let judged = match decide::judge(home, command, at) {
            Err(Refusal::HoldDue) => return Err(Stall::Due(command.session)),
            judged => judged?,
        };
        match judged {
            Judged::New(new) => {
                let debited = new.record(command);
                if let Some(due) = home.due_for_debit(&debited, at) {
                    return Err(Stall::Due(due));
                }
                let (payee, amount, taken) = (debited.payee, debited.amount, debited.taken);
                let seq = self.engine.write(&mut self.shard, partition, at, &Record::Debited(debited));
                let hit = new.ruling.err();
                let decline = hit.map(|hit| hit.decline);
                let (late, hold) = (new.late, hold_of(command.act, seq, decline.is_none()));
                Ok(Done { seq, at, payee, amount, taken, decline, hit, late, hold, replayed: false })
            }
            Judged::Replay(replay) => {
                let DebitReplay { seq, payee, amount, taken, late, .. } = replay;
                let decline = remembered(&replay);
                let hold = hold_of(command.act, seq, decline.is_none());
                Ok(Done { seq, at, payee, amount, taken, decline, hit: None, late, hold, replayed: true })
            }
        }
    }

    /// Shows what was decided, with what remains now.
    fn answer(&self, command: &Debit<'_>, done: &Done) -> Result<DebitAnswer, Refusal> {
        let left = self.shard.partition(command.session.partition()).left(command.session, done.payee)?;
        Ok(DebitAnswer {
            session: command.session,
            act: command.act,
            late: done.late,
            hold: self.hold_of(command, done),
            seq: done.seq,
            at: done.at,
            amount: done.amount,
            taken: done.taken,
            decline: done.decline,
            limit_of: done.hit.map(|hit| hit.limit_of),
            remaining: left.remaining,
            is_final: left.is_final,
            payee_remaining: left.payee_remaining,
            held: left.held,
            replayed: done.replayed,
        })
    }

    /// As `answer`, in short.
    fn outcome(&self, command: &Debit<'_>, done: &Done) -> Result<DebitOutcome, Refusal> {
        let left = self.shard.partition(command.session.partition()).left(command.session, done.payee)?;
        let is_partial = done.decline.is_none() && done.taken < done.amount;
        Ok(DebitOutcome {
            seq: done.seq,
            declined: done.decline.map(|decline| decline.code),
            partial: if is_partial { done.taken } else { Amount::ZERO },
            late: done.late,
            hold: self.hold_of(command, done).map(Box::new),
            remaining: left.remaining,
            is_final: left.is_final,
            replayed: done.replayed,
        })
    }

    /// Shows the hold that a debit is about, as it is now; nothing of what ended too long ago.
    fn hold_of(&self, command: &Debit<'_>, done: &Done) -> Option<HoldView> {
        let home = self.shard.partition(command.session.partition());
        home.hold(home.session(command.session).ok()?, done.hold?, self.now).ok()
    }

    /// Begins to bring the rows of debits from memory.
    fn touch<'b>(&self, commands: impl Iterator<Item = &'b Debit<'b>>) {
        commands.for_each(|command| self.shard.partition(command.session.partition()).touch(command.session));
    }

    /// Begins to bring what the sessions of the next debits have beside their rows, one step after another, so that none has
    /// to wait for the step before.
    #[inline]
    fn touch_beside<'b>(&self, ahead: impl Fn(usize) -> Option<&'b Debit<'b>>) {
        let of = |command: &Debit<'_>| self.shard.partition(command.session.partition());
        if let Some(command) = ahead(TOUCHED_BESIDE).filter(|command| of(command).has_beside()) {
            of(command).touch_beside(command.session);
        }
        if let Some(command) = ahead(TOUCHED_LIMITS).filter(|command| of(command).has_beside()) {
            of(command).touch_limits(command.session);
        }
    }

    /// Lets go of the lock, and delivers what was settled under it. Returns the shard's last seq.
    fn end(self) -> u64 {
        let last_seq = self.shard.last_seq;
        drop(self.shard);
        for partition in &self.settled {
            self.engine.deliver(*partition);
        }
        if !self.settled.is_empty() {
            self.engine.wake_committer();
        }
        last_seq
    }
}

/// Says why a debit could not be decided yet, or at all.
enum Stall {
    /// The payee's home has not told this partition of it.
    PayeeNotHere,
    /// Something of this session is due, and holds room that the debit lacks; or the hold that it is about is over.
    Due(SessionId),
    /// It was refused.
    Refused(Refusal),
}

impl From<Refusal> for Stall {
    fn from(refusal: Refusal) -> Self {
        if refusal == Refusal::PayeeNotHere { Self::PayeeNotHere } else { Self::Refused(refusal) }
    }
}

/// Returns which hold an act at `seq` is about, or makes if it is approved.
fn hold_of(act: Act, seq: u64, is_approved: bool) -> Option<u64> {
    if matches!(act, Act::Hold { .. }) && is_approved { Some(seq) } else { act.hold() }
}

/// Says a remembered decline again. What to do next is not remembered: only a new key can bring something new.
fn remembered(replay: &DebitReplay) -> Option<Decline> {
    replay.verdict.map(|(code, level)| Decline { code, level, next: Next::NewKey })
}
