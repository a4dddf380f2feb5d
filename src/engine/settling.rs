//! Owns: closing sessions, the sweeper's share of it, finding settlements, and delivering their lines to the payees'
//! partitions exactly once. Never: what a settlement says; that is core's.

use crate::{Answer, Engine, Fault, SessionShown, SettleAnswer, Ticket, shard::Shard};
use tallystick_core::{
    Record, Refusal, SessionId, SettlementId, Time,
    decide::{self, Decided},
    record::OutboxDelivered,
    role::Act,
    settlement::{Outgoing, Settlement},
    tree::Step,
};
use tallystick_journal::{StorageFault, rows};

/// Bounds the lines delivered before the outbox is told.
const LINES_PER_DELIVERY: usize = 256;
/// Bounds what is done in one lock hold on the way to a settlement.
const STEPS_PER_HOLD: usize = 64;
/// Bounds the lock holds in one round of the sweeper for what was revoked in one partition.
const UNWINDING_HOLDS: usize = 8;

/// Says how far a close came.
struct Closed {
    seq: u64,
    /// How many sessions below were settled.
    cascaded: u32,
    /// False while holds are open.
    settled: bool,
}

impl Engine {
    /// Settles a session; a settled one answers with the settlement it has. Sessions open below it are settled first, from
    /// the leaves up, if `cascade` asks for it, and are a reason to refuse otherwise. While holds are open, in it or below, it
    /// is closing: it takes nothing new, and settles by itself when the last of them ends. Lines are in the payees' positions
    /// before the answer is heard.
    pub fn settle(&self, id: SessionId, cascade: bool) -> Ticket<Answer<SettleAnswer>> {
        if let Some(refused) = self.turned_away_from(Act::Settle, id.into()) {
            return refused;
        }
        let partition = id.partition();
        match self.close(id, cascade) {
            Ok(Closed { seq, cascaded, settled }) => {
                let delivered = self.deliver(partition);
                self.wake_committer();
                if !settled {
                    let answer = move |session| Answer {
                        value: SettleAnswer { session, cascaded },
                        seq,
                        replayed: false,
                    };
                    return self.session(id).map(answer);
                }
                let found =
                    self.find_settlement(id).and_then(|found| found.ok_or(Refusal::UnknownSession.into()));
                let answer = |settlement| Answer {
                    value: SettleAnswer { session: SessionShown::Settled(Box::new(settlement)), cascaded },
                    seq,
                    replayed: false,
                };
                self.ticket(seq.max(delivered), found.map(answer))
            }
            Err((Refusal::OpenChildren, last_seq)) => {
                self.ticket(last_seq, Err(Refusal::OpenChildren.into()))
            }
            Err((refusal, last_seq)) => {
                let found = self.find_settlement(id).and_then(|found| found.ok_or(refusal.into()));
                // Whoever closed it may still be delivering; this answer promises the same.
                let delivered = if found.is_ok() { self.deliver(partition) } else { 0 };
                self.wake_committer();
                let answer = |settlement: Settlement| Answer {
                    seq: settlement.seq,
                    value: SettleAnswer { session: SessionShown::Settled(Box::new(settlement)), cascaded: 0 },
                    replayed: true,
                };
                self.ticket(last_seq.max(delivered), found.map(answer))
            }
        }
    }

    /// Closes an open session, those below it first if asked. Returns how far it came; a refusal comes with the shard's last
    /// seq.
    ///
    /// It takes no more debits from the first record on, and is due from then on: if a crash comes between, the sweeper goes
    /// on where this stopped.
    fn close(&self, id: SessionId, cascade: bool) -> Result<Closed, (Refusal, u64)> {
        let partition = id.partition();
        let (mut cascaded, mut seq) = (0, 0);
        loop {
            let mut shard = self.lock(partition);
            match shard.partition(partition).session(id) {
                Ok(session) if session.open_children() > 0 && !cascade => {
                    return Err((Refusal::OpenChildren, shard.last_seq));
                }
                Ok(_) => {}
                Err(refusal) => return Err((refusal, shard.last_seq)),
            }
            let now = shard.partition(partition).decision_time(self.now());
            let waits = shard.partition(partition).session(id).is_ok_and(|session| {
                session.closing_at() == Time::ZERO
                    && (session.open_children() > 0 || session.open_holds() > 0)
            });
            if waits && let Ok(Decided::Record(record)) = decide::close(shard.partition(partition), id) {
                seq = self.write(&mut shard, partition, now, &record);
            }
            for _ in 0..STEPS_PER_HOLD {
                let Some(step) = shard.partition(partition).next_step_to_close(id, now) else {
                    return Ok(Closed { seq: seq.max(shard.last_seq), cascaded, settled: false });
                };
                let Some(done) = self.step(&mut shard, step, now) else { break };
                seq = done;
                match step {
                    Step::Settle { session, .. } if session == id => {
                        return Ok(Closed { seq, cascaded, settled: true });
                    }
                    Step::Settle { .. } => cascaded += 1,
                    Step::Close(_) | Step::Lapse(_) => {}
                }
            }
            drop(shard);
            self.wake_committer();
        }
    }

    /// Does one thing on the way to a settlement, under the lock. Returns its seq.
    pub(crate) fn step(&self, shard: &mut Shard, step: Step, now: Time) -> Option<u64> {
        let (Step::Lapse(id) | Step::Close(id) | Step::Settle { session: id, .. }) = step;
        let partition = id.partition();
        let home = shard.partition(partition);
        let record = match step {
            Step::Lapse(id) => decide::lapse(home, id, now),
            Step::Settle { session, cascading } => decide::settle(home, session, now, cascading),
            Step::Close(id) => match decide::close(home, id) {
                Ok(Decided::Record(record)) => Ok(record),
                Ok(Decided::Replay(())) => return None,
                Err(refusal) => Err(refusal),
            },
        };
        Some(self.write(shard, partition, now, &record.ok()?))
    }

    /// Does the next thing that is due of a session, under the lock. Returns whether a settlement came of it. `clock` is the one
    /// by which it was found to be due: a clock read anew may have run back, and whoever waits for this would wait for it.
    pub(crate) fn settle_locked(&self, shard: &mut Shard, id: SessionId, clock: Time) -> bool {
        let home = shard.partition(id.partition());
        let now = home.decision_time(clock);
        let Some(step) = home.next_step(id, now) else { return false };
        // Its time has come, whoever meets it.
        self.by_itself().step(shard, step, now).is_some() && matches!(step, Step::Settle { .. })
    }

    /// Does what is due of a session: settles it and those below it, if its end has come, and lets holds lapse whose time is
    /// over. Another thread may have done so first.
    pub(crate) fn settle_due(&self, id: SessionId) {
        let (partition, engine) = (id.partition(), self.by_itself());
        loop {
            let mut shard = self.lock(partition);
            for _ in 0..STEPS_PER_HOLD {
                let home = shard.partition(partition);
                let now = home.decision_time(self.now());
                let done = home.next_step(id, now).and_then(|step| engine.step(&mut shard, step, now));
                if done.is_none() {
                    drop(shard);
                    self.deliver(partition);
                    self.wake_committer();
                    return;
                }
            }
            drop(shard);
            self.wake_committer();
        }
    }

    /// Does what is due of sessions, at most `most` of each partition, so that none waits for another; and in each, something of
    /// what was revoked. Returns how much was done.
    pub fn sweep(&self, most: usize) -> usize {
        self.sweep_round(most).0
    }

    /// As `sweep`. Says, too, whether something that was revoked is left to be settled.
    pub(crate) fn sweep_round(&self, most: usize) -> (usize, bool) {
        let (mut swept, mut is_left) = (0, false);
        for partition in 0..tallystick_core::PARTITIONS {
            // ORDER: what is due comes first: however much was revoked, it waits for one slice of that at most.
            for _ in 0..most {
                if self.has_failed() {
                    return (swept, false);
                }
                let shard = self.lock(partition);
                let Some(due) = shard.partition(partition).due_session(self.now()) else { break };
                drop(shard);
                self.settle_due(due);
                swept += 1;
            }
            let (done, more) = self.unwind(partition, UNWINDING_HOLDS);
            (swept, is_left) = (swept + done, is_left || more);
        }
        (swept, is_left)
    }

    /// Carries a partition's outgoing lines to their payees, in order. Returns a seq that is durable only after every
    /// line taken out so far has arrived durably, whoever carried it.
    ///
    /// LOCK: the postman's lock is taken first and held throughout, so that lines leave in order; shards one at a time.
    /// ORDER: a line's arrival has a greater seq than the settlement it belongs to, so it can never be durable without it.
    pub(crate) fn deliver(&self, source: u16) -> u64 {
        let _alone = self.postman(source);
        let engine = self.by_itself();
        let mut seq = 0;
        loop {
            let shard = self.lock(source);
            let lines: Vec<Outgoing> =
                shard.partition(source).outgoing().take(LINES_PER_DELIVERY).copied().collect();
            let Some(last) = lines.last() else { return seq.max(shard.last_seq) };
            drop(shard);
            for line in &lines {
                seq = seq.max(engine.post(source, line));
            }
            let mut shard = self.lock(source);
            let at = shard.partition(source).decision_time(self.now());
            let delivered = Record::OutboxDelivered(OutboxDelivered { through: last.no });
            seq = seq.max(engine.write(&mut shard, source, at, &delivered));
        }
    }

    /// Posts one line to its payee's ledger unless it has arrived before. Returns the last seq there.
    fn post(&self, source: u16, line: &Outgoing) -> u64 {
        let home = line.line.payee.partition();
        let mut shard = self.lock(home);
        if let Decided::Record(record) = decide::post_settlement(shard.partition(home), source, line) {
            let at = shard.partition(home).decision_time(self.now());
            self.write(&mut shard, home, at, &record);
        }
        shard.last_seq
    }

    /// Finds a session's settlement: in memory, or where checkpoints have filed it. *Errors*: storage.
    pub(crate) fn find_settlement(&self, session: SessionId) -> Result<Option<Settlement>, Fault> {
        let partition = session.partition();
        let unfiled = self.lock(partition).partition(partition).unfiled_settlement(session).cloned();
        if unfiled.is_some() {
            return Ok(unfiled);
        }
        // ORDER: memory first. A settlement leaves memory only after it is filed, so it cannot be missed in between.
        let filed = self.tables.settlement(session.settlement().bits().to_be_bytes())?;
        Ok(filed.map(|bytes| rows::decode_settlement(&bytes)).transpose()?)
    }

    /// Shows one settlement.
    pub fn settlement(&self, id: SettlementId) -> Ticket<Settlement> {
        let found = self.find_settlement(id.session());
        let in_view = |found: &Settlement| self.sees_account(found.account);
        let found = found.map(|found| found.filter(in_view));
        let last_seq = self.lock(id.session().partition()).last_seq;
        self.ticket(last_seq, found.and_then(|found| found.ok_or(Refusal::UnknownSettlement.into())))
    }

    /// Shows a session that is not open, or refuses with `refusal`.
    pub(crate) fn settled_session(
        &self,
        id: SessionId,
        refusal: Refusal,
        last_seq: u64,
    ) -> Ticket<SessionShown> {
        let found = self.find_settlement(id).and_then(|found| found.ok_or(refusal.into()));
        self.ticket(last_seq, found.map(|settlement| SessionShown::Settled(Box::new(settlement))))
    }

    /// Returns whether a settlement is in view.
    pub fn sees_settlement(&self, settlement: &Settlement) -> bool {
        self.sees_account(settlement.account)
    }

    /// Lists settlements after `after_seq`, in order of seq, at most `most`.
    ///
    /// Only what is durable now is listed, and no seq below the last one listed can appear later: a reader that keeps the
    /// last seq sees each settlement once. Those that are not in view are for the caller to leave out.
    pub fn settlements_after(&self, after_seq: u64, most: usize) -> Result<Vec<Settlement>, Fault> {
        let durable = self.watermark.durable();
        let mut found: Vec<Settlement> = Vec::new();
        for index in 0..self.shards.len() {
            for partition in self.shard(index).partitions() {
                let fresh = partition.unfiled_after(after_seq).take_while(|s| s.seq <= durable);
                found.extend(fresh.take(most).cloned());
            }
        }
        // ORDER: memory first, as in `find_settlement`; one that was filed meanwhile comes twice and is dropped once.
        let mut left = most;
        self.tables.settlements_after(after_seq, &mut |seq, bytes| {
            if left == 0 || seq > durable {
                return Ok::<_, StorageFault>(std::ops::ControlFlow::Break(()));
            }
            left -= 1;
            found.push(rows::decode_settlement(bytes)?);
            Ok(std::ops::ControlFlow::Continue(()))
        })?;
        found.sort_unstable_by_key(|settlement| settlement.seq);
        found.dedup_by_key(|settlement| settlement.seq);
        found.truncate(most);
        Ok(found)
    }
}
