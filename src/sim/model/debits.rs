//! Owns: debits, one at a time or in batches, new and repeated, and what is remembered of them. Never: the rungs.

use super::{
    holds::Ruling,
    ladder::No,
    shown::nanos,
    state::{Debit, State},
    tree::Due,
    velocity::Count,
    words::{check_debit, debit_differs},
    written::{Off, Written, other, same, wrong},
};
use crate::asked::{Named, NewDebit};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tallystick_core::{
    Amount, Decline, DeclineCode, Next, Record, Refusal, SessionId, Time, WriterId,
    command::Act,
    record::{Debited, StoredIntent},
    writer::Numbered,
};
use tallystick_engine::{DebitAnswer, DebitOutcome, Known};

impl State {
    /// Predicts the answer to one debit.
    pub(super) fn debit(
        &mut self,
        ask: &NewDebit,
        w: &mut Written<'_>,
    ) -> Result<Result<DebitAnswer, Refusal>, Off> {
        let answer = match self.check_writer(ask) {
            Err(refusal) => return Ok(Err(refusal)),
            Ok(()) => self.decide_debit(ask, w)?,
        };
        self.carry_on(w)?;
        Ok(answer)
    }

    fn check_writer(&self, ask: &NewDebit) -> Result<(), Refusal> {
        match &ask.named {
            Named::Key(_) => Ok(()),
            Named::Number(at) => self.check_epoch(at.writer, at.epoch),
        }
    }

    fn decide_debit(
        &mut self,
        ask: &NewDebit,
        w: &mut Written<'_>,
    ) -> Result<Result<DebitAnswer, Refusal>, Off> {
        let checked = check_debit(ask).and_then(|()| self.check_open(ask.session));
        if let Err(refusal) = checked.and_then(|()| self.check_secret(ask.session, ask.proof)) {
            return Ok(Err(refusal));
        }
        let partition = ask.session.partition();
        if !self.notices.contains_key(&(partition, ask.payee))
            && let Err(refusal) = self.tell(partition, ask.payee, w)?
        {
            return Ok(Err(refusal));
        }
        let at = self.at(partition, w.now);
        match self.recall_debit(ask) {
            Err(refusal) => Ok(Err(refusal)),
            Ok(Some(seq)) => Ok(Ok(self.replayed(ask, seq, at))),
            Ok(None) => self.new_debit(ask, w),
        }
    }

    /// Finds the debit that was decided under this key or number. *Errors*: it was for something else, or the number is not
    /// the next, or the answer is forgotten.
    fn recall_debit(&self, ask: &NewDebit) -> Result<Option<u64>, Refusal> {
        let before = match &ask.named {
            Named::Key(_) => self.debits_on(ask.session).find(|debit| debit.asked.named == ask.named),
            Named::Number(at) => match self.turn(ask.session, at)? {
                None => None,
                Some(seq) => self.debits.get(&seq),
            },
        };
        let Some(before) = before else { return Ok(None) };
        match debit_differs(&before.asked, ask) {
            Some(field) => Err(Refusal::KeyReused { field }),
            None => Ok(Some(before.seq)),
        }
    }

    fn debits_on(&self, session: SessionId) -> impl Iterator<Item = &Debit> {
        let row = self.sessions.get(&session);
        row.into_iter().flat_map(|row| &row.debits).filter_map(|seq| self.debits.get(seq))
    }

    fn numbered(&self, session: SessionId, writer: WriterId) -> impl Iterator<Item = (&Debit, &Numbered)> {
        self.debits_on(session).filter_map(move |debit| match &debit.asked.named {
            Named::Number(at) if at.writer == writer => Some((debit, at)),
            Named::Number(_) | Named::Key(_) => None,
        })
    }

    pub(super) fn last_number(&self, session: SessionId, writer: WriterId) -> u64 {
        self.numbered(session, writer).map(|(_, at)| at.number).max().unwrap_or(0)
    }

    /// Says what a number is in its session: the next, or the debit that it was. What was acknowledged is forgotten.
    fn turn(&self, session: SessionId, at: &Numbered) -> Result<Option<u64>, Refusal> {
        match self.sessions.get(&session).and_then(|row| row.epochs.get(&at.writer)) {
            Some(epoch) if at.epoch < *epoch => return Err(Refusal::WriterFenced { epoch: *epoch }),
            None if self.is_full_of_writers(session) => return Err(Refusal::TooManyWriters),
            Some(_) | None => {}
        }
        let expected = self.last_number(session, at.writer) + 1;
        if at.number >= expected {
            return if at.number == expected { Ok(None) } else { Err(Refusal::NumberGap { expected }) };
        }
        self.answer_at(session, at.writer, at.number).map(Some).ok_or(Refusal::BelowWindow)
    }

    /// Finds the debit with a number whose answer has not been acknowledged.
    fn answer_at(&self, session: SessionId, writer: WriterId, number: u64) -> Option<u64> {
        let acked = self.numbered(session, writer).map(|(_, at)| at.acked_through).max().unwrap_or(0);
        let mut found =
            self.numbered(session, writer).filter(|(_, at)| at.number == number && number > acked);
        found.next().map(|(debit, _)| debit.seq)
    }

    fn replayed(&self, ask: &NewDebit, seq: u64, at: Time) -> DebitAnswer {
        let before = self.debits.get(&seq);
        let again = |decline: Decline| Decline { next: Next::NewKey, ..decline };
        let taken = before.map_or(0, |debit| debit.taken);
        let decline = before.and_then(|debit| debit.decline).map(again);
        let said = Said { taken, late: before.is_some_and(|debit| debit.late), replayed: true };
        self.answer(ask, (seq, at), said, (decline, None))
    }

    fn answer(
        &self,
        ask: &NewDebit,
        (seq, at): (u64, Time),
        Said { taken, late, replayed }: Said,
        (decline, no): (Option<Decline>, Option<No>),
    ) -> DebitAnswer {
        let left = self.left_after(ask.session, ask.payee);
        DebitAnswer {
            act: ask.act,
            late,
            hold: self.hold_after(ask, (seq, at), decline.is_none()),
            session: ask.session,
            seq,
            at,
            amount: ask.amount,
            taken: Amount::from_nanos(taken),
            decline,
            limit_of: no.map(|no| no.limit_of),
            remaining: left.remaining,
            is_final: left.is_final,
            payee_remaining: left.payee_remaining,
            held: left.held,
            replayed,
        }
    }

    /// Predicts a debit that is decided anew, and follows its record. What has expired is released before it is declined for
    /// lack of room, or takes less than was asked.
    fn new_debit(
        &mut self,
        ask: &NewDebit,
        w: &mut Written<'_>,
    ) -> Result<Result<DebitAnswer, Refusal>, Off> {
        let at = self.at(ask.session.partition(), w.now);
        self.end_named_hold(ask, at, w)?;
        // Between what a window must count and what it may, the engine says; in neither direction further.
        let count = if w.declines_by_window() { Count::Longest } else { Count::Exact };
        let (mut ruling, late) = match self.rule_act(ask, (at, count), Due::Held) {
            Ok(Ruling { taken, late }) => (taken, late),
            Err(refusal) => return Ok(Err(refusal)),
        };
        if is_short(ask, &ruling) && self.released(w)? {
            ruling = self.rule_act(ask, (at, count), Due::Held).map_or(ruling, |ruled| ruled.taken);
        }
        let freed = [Due::Released(at), Due::Unwound(at)]
            .map(|due| self.rule_act(ask, (at, count), due).map_or(ruling, |ruled| ruled.taken));
        let outcome = |ruling: &Result<u64, No>| match ruling {
            Ok(taken) => (*taken, None),
            Err(no) => (0, Some((no.decline.code, no.decline.level, no.limit_of))),
        };
        let took = self.take(w, ask.session.partition(), "the debit")?;
        if !freed.iter().any(|freed| outcome(freed) == outcome(&ruling)) {
            return wrong(format!("before record {}, what had expired was not released", took.seq));
        }
        let Record::Debited(is) = took.record else { return other("the debit", took.seq, took.record) };
        let (taken, no) = match ruling {
            Ok(taken) => (taken, None),
            Err(no) => (0, Some(self.known_offer(ask, no))),
        };
        let intent = match (&ask.named, &is.intent) {
            (Named::Key(key), StoredIntent::Key(hash)) => {
                self.bind(took.seq, *hash, ("debit", ask.session.bits(), key.clone()))?;
                is.intent
            }
            (Named::Number(at), _) => StoredIntent::Number(*at),
            (Named::Key(_), StoredIntent::Number(_)) => return other("a key", took.seq, took.record),
        };
        let notice = self.notices.get(&(ask.session.partition(), ask.payee));
        let should = Debited {
            act: self.effective(ask),
            asked_until: if let Act::Hold { until, .. } = ask.act { until } else { Time::ZERO },
            late,
            session: ask.session,
            payee: notice.map_or(u32::MAX, |notice| notice.slot),
            amount: ask.amount,
            currency: ask.currency,
            partial: ask.partial,
            verdict: no.map(|no| (no.decline.code, no.decline.level)),
            taken: nanos(taken.into()),
            intent,
            reference: &ask.reference,
            evidence: ask.evidence,
        };
        same(took.seq, &should, is)?;
        let untrue = no.and_then(|no| self.untrue_offer(ask, &no.decline, at));
        if let Some(untrue) = untrue {
            return wrong(format!("record {}: {untrue}", took.seq));
        }
        self.add_debit(ask, (took.seq, took.at), (taken, late), no);
        match self.overspent(ask.session) {
            Some(where_) if taken > 0 => wrong(format!("record {}: {where_}", took.seq)),
            _ => {
                let said = Said { taken, late, replayed: false };
                Ok(Ok(self.answer(ask, (took.seq, took.at), said, (no.map(|no| no.decline), no))))
            }
        }
    }

    /// Forgets what a decline offers where a window's own count decides that.
    fn known_offer(&self, ask: &NewDebit, no: No) -> No {
        let by_time = matches!(
            no.decline.code,
            DeclineCode::AboveDebitMax | DeclineCode::VelocityRate | DeclineCode::VelocityWindow
        );
        if !by_time || !self.has_windows(ask.session) {
            return no;
        }
        No { decline: Decline { next: super::WHATEVER, ..no.decline }, ..no }
    }

    fn add_debit(
        &mut self,
        ask: &NewDebit,
        (seq, at): (u64, Time),
        (taken, late): (u64, bool),
        no: Option<No>,
    ) {
        let until = if let Act::Hold { until, .. } = self.effective(ask) { until } else { Time::ZERO };
        let debit = Debit {
            asked: ask.clone(),
            seq,
            decline: no.map(|no| no.decline),
            taken,
            back: Vec::new(),
            at,
            late,
            until,
            captures: Vec::new(),
            ended: None,
        };
        self.debits.insert(seq, debit);
        if no.is_none() {
            self.change_holds(ask, seq, (taken, late));
        }
        if let Some(row) = self.sessions.get_mut(&ask.session) {
            row.debits.push(seq);
            if let Named::Number(at) = &ask.named {
                row.epochs.insert(at.writer, at.epoch);
            }
        }
    }

    /// Predicts the answer to a batch: its debits are decided in their order within a partition; which partition comes first
    /// is not promised, and read from the records.
    ///
    /// Where a number was refused, later numbers that would leave a gap were not attempted.
    pub(super) fn batch(
        &mut self,
        asks: &[NewDebit],
        w: &mut Written<'_>,
    ) -> Result<Vec<Result<DebitOutcome, Refusal>>, Off> {
        let unheard: Vec<Result<(), Refusal>> = asks.iter().map(|ask| self.check_writer(ask)).collect();
        let mut waiting: BTreeMap<u16, VecDeque<usize>> = BTreeMap::new();
        for (at, ask) in asks.iter().enumerate() {
            waiting.entry(ask.session.partition()).or_default().push_back(at);
        }
        let mut refused = BTreeSet::new();
        let mut results = vec![Err(Refusal::UnknownSession); asks.len()];
        loop {
            let partition = match w.peek() {
                Some((_, _, Record::SettlementPosted(_) | Record::OutboxDelivered(_))) => {
                    let entry = w.next("a delivery")?;
                    self.carried(entry, Some(w.now))?;
                    continue;
                }
                Some((_, _, Record::PayeeShared(shared))) => Some(shared.with),
                Some((_, stamp, _)) => Some(stamp.partition),
                None => waiting.keys().next().copied(),
            };
            let Some(partition) = partition else { break };
            let next = waiting.get_mut(&partition).and_then(VecDeque::pop_front);
            let Some(at) = next else {
                if w.peek().is_some() {
                    break;
                }
                waiting.remove(&partition);
                continue;
            };
            let (Some(ask), Some(unheard)) = (asks.get(at), unheard.get(at)) else { break };
            let mut result = match unheard {
                Err(refusal) => Err(*refusal),
                Ok(()) => self.decide_debit(ask, w)?,
            };
            if let (Err(refusal), Named::Number(number)) = (&mut result, &ask.named) {
                let is_first = refused.insert((ask.session, number.writer));
                if let (Refusal::NumberGap { expected }, false) = (&refusal, is_first) {
                    *refusal = Refusal::NotAttempted { expected: *expected };
                }
            }
            if let Some(place) = results.get_mut(at) {
                *place = result.map(|answer| outcome(&answer));
            }
        }
        Ok(results)
    }

    /// Says what memory knows of a debit.
    pub(super) fn known(&self, session: SessionId, by: &Named) -> Known {
        if self.open(session).is_none() {
            return Known::NotOpen;
        }
        let found = match by {
            Named::Key(_) => self.debits_on(session).find(|debit| debit.asked.named == *by),
            Named::Number(at) => {
                let numbered = self.sessions.get(&session).is_some_and(|s| s.epochs.contains_key(&at.writer));
                if !numbered || at.number > self.last_number(session, at.writer) {
                    return Known::NeverSeen;
                }
                match self.answer_at(session, at.writer, at.number) {
                    Some(seq) => self.debits.get(&seq),
                    None => return Known::Forgotten,
                }
            }
        };
        let decided = found.and_then(|debit| Some((self.replay_of(debit)?, debit.asked.payee)));
        decided.map_or(Known::NeverSeen, |(replay, payee)| Known::Decided(replay, payee))
    }
}

/// Is what is said of a debit, now or again.
#[derive(Clone, Copy)]
struct Said {
    taken: u64,
    late: bool,
    replayed: bool,
}

fn is_short(ask: &NewDebit, ruling: &Result<u64, No>) -> bool {
    match ruling {
        Ok(taken) => *taken < ask.amount.nanos(),
        Err(no) => matches!(no.decline.code, DeclineCode::Cap | DeclineCode::PayeeCap),
    }
}

fn outcome(answer: &DebitAnswer) -> DebitOutcome {
    let is_partial = answer.decline.is_none() && answer.taken < answer.amount;
    DebitOutcome {
        seq: answer.seq,
        declined: answer.decline.map(|decline| decline.code),
        partial: if is_partial { answer.taken } else { Amount::ZERO },
        remaining: answer.remaining,
        late: answer.late,
        hold: answer.hold.map(Box::new),
        is_final: answer.is_final,
        replayed: answer.replayed,
    }
}
