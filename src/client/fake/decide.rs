//! Owns: the fake's rules for debits: numbers, keys, caps, reversals. Never: waits or answers anyone.

use super::world::{Memory, Session, World};
use std::collections::BTreeMap;
use tallystick_proto::v1::{self, DeclineCode, EnvelopeMode, Level, Outcome, Refusal};

/// Answers remembered for one writer in one session, as in the real server.
const ANSWERS_MAX: usize = 65_536;

impl World {
    /// Decides a batch in its order; from `shed` on, its session's items are not tried.
    pub(super) fn decide(
        &mut self,
        writer: &str,
        batch: &v1::DebitBatch,
        shed: Option<usize>,
    ) -> Vec<v1::DebitResult> {
        let mut stopped = BTreeMap::new();
        let mut results = Vec::with_capacity(batch.debits.len());
        for (index, debit) in batch.debits.iter().enumerate() {
            let refusal = if shed == Some(index) {
                Some(Refusal::Overloaded)
            } else {
                stopped.get(&debit.session).map(|()| Refusal::NotAttempted)
            };
            let decided = match refusal {
                Some(refusal) => Err(refusal),
                None => self.decide_one(writer, batch, debit),
            };
            results.push(decided.unwrap_or_else(|refusal| {
                stopped.insert(debit.session, ());
                refused(refusal)
            }));
        }
        results
    }

    fn decide_one(
        &mut self,
        writer: &str,
        batch: &v1::DebitBatch,
        debit: &v1::StreamDebit,
    ) -> Result<v1::DebitResult, Refusal> {
        let session_id = batch.session_ids.get(debit.session as usize).ok_or(Refusal::Malformed)?;
        let payee_id = batch.payee_ids.get(debit.payee as usize).ok_or(Refusal::Malformed)?;
        // A key is a writer of its own with one debit: enough for a double.
        let (writer, number) = match debit.idempotency_key.as_str() {
            "" => (writer.to_owned(), debit.number),
            key => (format!("key:{key}"), 1),
        };
        let amountless = matches!(debit.act, Some(v1::stream_debit::Act::Void(_)));
        if (debit.amount_nanos == 0) != amountless || number == 0 || debit.acked_through >= number {
            return Err(Refusal::Malformed);
        }
        let session = self.sessions.get_mut(session_id).ok_or(Refusal::UnknownSession)?;
        if session.settled {
            return Err(Refusal::SessionRetired);
        }
        let place = session.places.entry(writer.clone()).or_default();
        while place.window.front().is_some_and(|memory| memory.number <= debit.acked_through) {
            place.window.pop_front();
        }
        if number <= place.last {
            let memory = place.window.iter().find(|memory| memory.number == number);
            let memory = memory.ok_or(Refusal::BelowWindow)?.clone();
            if memory.payee != *payee_id || memory.amount != debit.amount_nanos {
                return Err(Refusal::KeyReused);
            }
            self.replays += 1;
            return Ok(session.answer(&memory, true));
        }
        let payee = self.payees.get(payee_id).ok_or(Refusal::UnknownPayee)?;
        if number != place.last + 1 {
            return Err(Refusal::NumberGap);
        }
        self.seq += 1;
        let blocked = payee.is_blocked.then_some(DeclineCode::PayeeBlocked);
        let stop = self.sessions.get(session_id).and_then(|session| self.stop_of(session));
        let session = self.sessions.get_mut(session_id).ok_or(Refusal::UnknownSession)?;
        let seq = self.seq;
        let memory = match &debit.act {
            None => session.take(payee_id, debit, (number, seq), stop.or(blocked)),
            Some(act) => session.act(payee_id, debit, act, (number, seq))?,
        };
        let place = session.places.entry(writer.clone()).or_default();
        place.last = number;
        place.window.push_back(memory.clone());
        if place.window.len() > ANSWERS_MAX {
            place.window.pop_front();
        }
        let answer = session.answer(&memory, false);
        let above = (session.mode == EnvelopeMode::Shared).then(|| session.parent.clone());
        if let Some(parent) = above.and_then(|parent| self.sessions.get_mut(&parent)) {
            parent.spent_below += memory.taken;
        }
        self.remember(session_id, &memory, debit, &writer);
        Ok(answer)
    }

    fn remember(&mut self, session_id: &str, memory: &Memory, debit: &v1::StreamDebit, writer: &str) {
        let info = v1::DebitInfo {
            debit_id: format!("deb_{:025}0", memory.seq),
            session_id: session_id.to_owned(),
            payee_id: memory.payee.clone(),
            outcome: memory.outcome.into(),
            code: memory.code.into(),
            level: level(memory.code).into(),
            asked_nanos: memory.amount,
            amount_nanos: memory.taken,
            seq: memory.seq,
            reference: debit.reference.clone(),
            writer_id: writer.to_owned(),
            number: memory.number,
            ..v1::DebitInfo::default()
        };
        self.debits.insert(memory.seq, info);
    }

    /// Takes a debit back, all that is left of it for 0.
    pub(super) fn reverse(&mut self, m: &v1::ReverseRequest) -> Result<(v1::Session, u64), Refusal> {
        let debit = self.debits.values_mut().find(|debit| debit.debit_id == m.debit_id);
        let debit = debit.ok_or(Refusal::UnknownDebit)?;
        let left = debit.amount_nanos - debit.reversed_nanos;
        let amount = if m.amount_nanos == 0 { left } else { m.amount_nanos };
        if amount > left || amount == 0 {
            return Err(Refusal::WrongState);
        }
        let session = self.sessions.get_mut(&debit.session_id).ok_or(Refusal::UnknownSession)?;
        if session.settled {
            return Err(Refusal::SessionRetired);
        }
        self.seq += 1;
        debit.reversed_nanos += amount;
        session.spent -= amount;
        if let Some(line) = session.lines.get_mut(&debit.payee_id) {
            line.0 -= amount;
        }
        Ok((session.shown(), amount))
    }

    pub(super) fn look_up(&self, by: &v1::lookup_debit_request::By) -> Option<v1::DebitInfo> {
        use v1::lookup_debit_request::By;
        let found = |debit: &&v1::DebitInfo| match by {
            By::DebitId(id) => debit.debit_id == *id,
            By::Key(key) => {
                debit.session_id == key.session_id
                    && debit.writer_id == format!("key:{}", key.idempotency_key)
            }
            By::Number(at) => {
                (&debit.session_id, &debit.writer_id, debit.number)
                    == (&at.session_id, &at.writer_id, at.number)
            }
        };
        self.debits.values().find(found).cloned()
    }
}

pub(super) fn level(code: DeclineCode) -> Level {
    match code {
        DeclineCode::Unspecified => Level::Unspecified,
        DeclineCode::PayeeCap | DeclineCode::PayeeBlocked => Level::Payee,
        _ => Level::Session,
    }
}

impl Session {
    /// Takes an amount, or says which limit is in the way.
    fn take(
        &mut self,
        payee: &str,
        debit: &v1::StreamDebit,
        (number, seq): (u64, u64),
        no: Option<DeclineCode>,
    ) -> Memory {
        let line = self.lines.get(payee).copied().unwrap_or_default();
        let room = match self.payee_cap(payee) {
            0 => u64::MAX,
            cap => cap - line.0,
        };
        let amount = debit.amount_nanos;
        let fits = room.min(self.remaining());
        let taken = if debit.accept_partial { amount.min(fits) } else { amount };
        let code = if let Some(no) = no {
            no
        } else if room < taken || (taken == 0 && room == 0) {
            DeclineCode::PayeeCap
        } else if self.remaining() < taken || taken == 0 {
            DeclineCode::Cap
        } else {
            self.spent += taken;
            self.lines.insert(payee.to_owned(), (line.0 + taken, line.1 + 1));
            DeclineCode::Unspecified
        };
        let approved = code == DeclineCode::Unspecified;
        let outcome = if approved { Outcome::Approved } else { Outcome::Declined };
        let taken = if approved { taken } else { 0 };
        Memory { number, payee: payee.to_owned(), amount, taken, outcome, code, seq, hold: None }
    }

    /// Does something with a hold. What a hold sets aside is not in what it takes, so that whoever counts what is spent can
    /// add up what was taken.
    fn act(
        &mut self,
        payee: &str,
        debit: &v1::StreamDebit,
        act: &v1::stream_debit::Act,
        (number, seq): (u64, u64),
    ) -> Result<Memory, Refusal> {
        use v1::stream_debit::Act;
        let amount = debit.amount_nanos;
        let (mut code, mut taken, mut of) = (DeclineCode::Unspecified, 0, None);
        let remaining = self.remaining();
        let id = match act {
            Act::Hold(_) => "",
            Act::Capture(terms) => &terms.hold_id,
            Act::Void(terms) => &terms.hold_id,
        };
        if let Act::Hold(terms) = act {
            let held_nanos = amount + terms.tolerance_nanos;
            if held_nanos > remaining {
                code = DeclineCode::Cap;
            } else {
                of = Some(seq);
                let hold = v1::HoldInfo {
                    hold_id: format!("hld_{seq:025}0"),
                    session_id: self.id.clone(),
                    payee_id: payee.to_owned(),
                    state: v1::HoldState::Open.into(),
                    currency: self.currency.clone(),
                    amount_nanos: amount,
                    tolerance_nanos: terms.tolerance_nanos,
                    held_nanos,
                    capture_until: terms.capture_until,
                    seq,
                    ..v1::HoldInfo::default()
                };
                self.holds.insert(seq, hold);
            }
        } else {
            let hold =
                self.holds.values_mut().find(|hold| hold.hold_id == *id).ok_or(Refusal::UnknownHold)?;
            of = Some(hold.seq);
            match act {
                _ if hold.state() != v1::HoldState::Open => code = DeclineCode::HoldEnded,
                Act::Capture(_) if amount > hold.held_nanos => code = DeclineCode::AboveHold,
                Act::Capture(terms) => {
                    taken = amount;
                    hold.held_nanos -= amount;
                    hold.captured_nanos += amount;
                    hold.capture_count += 1;
                    if terms.last || hold.held_nanos == 0 {
                        hold.set_state(v1::HoldState::Captured);
                    }
                }
                Act::Void(_) | Act::Hold(_) => hold.set_state(v1::HoldState::Voided),
            }
            if hold.state() != v1::HoldState::Open {
                hold.released_nanos += std::mem::take(&mut hold.held_nanos);
            }
        }
        if taken > 0 {
            self.spent += taken;
            let line = self.lines.entry(payee.to_owned()).or_default();
            (line.0, line.1) = (line.0 + taken, line.1 + 1);
        }
        let outcome = if code == DeclineCode::Unspecified { Outcome::Approved } else { Outcome::Declined };
        Ok(Memory { number, payee: payee.to_owned(), amount, taken, outcome, code, seq, hold: of })
    }

    fn answer(&self, memory: &Memory, replayed: bool) -> v1::DebitResult {
        let is_debit = memory.hold.is_none();
        let partial = is_debit && memory.outcome == Outcome::Approved && memory.taken < memory.amount;
        v1::DebitResult {
            outcome: memory.outcome.into(),
            code: memory.code.into(),
            seq: memory.seq,
            remaining_nanos: self.remaining(),
            replayed,
            refused: None,
            partial_nanos: if partial { memory.taken } else { 0 },
            final_unit: self.remaining() == 0,
            hold: memory.hold.and_then(|seq| self.holds.get(&seq)).cloned().map(Box::new),
            late: false,
        }
    }
}

pub(super) fn refused(refusal: Refusal) -> v1::DebitResult {
    let message = format!("the fake says {}", refusal.as_str_name());
    let refused = v1::RefusedDebit { refusal: refusal.into(), message, expected_number: 0 };
    v1::DebitResult { refused: Some(refused), ..v1::DebitResult::default() }
}
