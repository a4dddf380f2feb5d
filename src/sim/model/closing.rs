//! Owns: the close of sessions, by request, by a cascade or because their end came, and the way of their lines to payees.
//! Never: what is left; that is summed in `tree`.

use super::{
    shown::{mode, nanos},
    state::{Line, Session, State},
    tree::Due,
    written::{Entry, Off, Written, other, same, wrong},
};
use tallystick_core::{
    Amount, Record, Refusal, SessionId, Stamp, Time,
    record::{OutboxDelivered, SessionClosing, SessionSettled, SettlementPosted},
    session::Mode,
    settlement::{Outgoing, Reason, Settlement},
};
use tallystick_engine::{Answer, SessionShown, SettleAnswer};

/// Says why a session may be settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// Somebody asked for this one.
    Asked,
    /// Its end came, or something above it is being closed.
    Due,
}

impl State {
    /// Predicts the answer to `Settle`. Returns with it whether its seq is known: of a session that goes on waiting for a hold
    /// it is the last of its shard.
    pub(super) fn settle(
        &mut self,
        id: SessionId,
        cascade: bool,
        w: &mut Written<'_>,
    ) -> Result<Result<Answer<SettleAnswer>, Refusal>, Off> {
        let Some(row) = self.sessions.get(&id) else { return Ok(Err(Refusal::UnknownSession)) };
        if let Some(settlement) = row.settled.clone() {
            let seq = settlement.seq;
            return Ok(Ok(Answer {
                value: SettleAnswer { session: SessionShown::Settled(Box::new(settlement)), cascaded: 0 },
                seq,
                replayed: true,
            }));
        }
        if self.open_children(&row.children) > 0 && !cascade {
            return Ok(Err(Refusal::OpenChildren));
        }
        let closes = !row.closing && self.is_busy(row);
        let now = self.at(id.partition(), w.now);
        let mut seq = 0;
        if closes {
            let took = self.take(w, id.partition(), "the closing")?;
            match took.record {
                Record::SessionClosing(SessionClosing { session }) if *session == id => self.close(id),
                record => return other("the closing", took.seq, record),
            }
            seq = took.seq;
        }
        if let Some(row) = self.sessions.get_mut(&id) {
            row.asked_to_close = true;
        }
        let (cascaded, last) = self.close_below(id, w)?;
        seq = seq.max(last);
        if self.sessions.get(&id).is_some_and(|row| self.is_busy(row)) {
            self.only_waits(id, now, w)?;
            self.deliveries(id.partition(), w)?;
            let Some(session) = self.session(id, w.now) else { return wrong(format!("{id} is not there")) };
            return Ok(Ok(Answer { value: SettleAnswer { session, cascaded }, seq, replayed: false }));
        }
        let took = self.take(w, id.partition(), "the settlement")?;
        match took.record {
            Record::SessionSettled(settled) if settled.session == id => {
                self.settled(took.seq, took.at, settled, Why::Asked)?;
            }
            record => return other("the settlement", took.seq, record),
        }
        self.deliveries(id.partition(), w)?;
        let settled = self.sessions.get(&id).and_then(|row| row.settled.clone());
        let Some(settlement) = settled else { return wrong(format!("{id} is not settled")) };
        Ok(Ok(Answer {
            seq: took.seq,
            value: SettleAnswer { session: SessionShown::Settled(Box::new(settlement)), cascaded },
            replayed: false,
        }))
    }

    /// Returns whether something is open in a session that keeps it from being settled, over or not.
    fn is_busy(&self, row: &Session) -> bool {
        self.open_children(&row.children) > 0 || self.has_holds(row)
    }

    /// Follows what a session's close does below it, and to its own holds that are over. Returns how many sessions were
    /// settled, and the last seq.
    fn close_below(&mut self, id: SessionId, w: &mut Written<'_>) -> Result<(u32, u64), Off> {
        let (mut cascaded, mut last) = (0, 0);
        while self.sessions.get(&id).is_some_and(|row| self.is_busy(row)) {
            let Some((seq, stamp, record)) = w.peek() else { break };
            let about = match record {
                Record::HoldLapsed(lapsed) => lapsed.session,
                Record::SessionClosing(closing) => closing.session,
                Record::SessionSettled(settled) => settled.session,
                _ => break,
            };
            if stamp.partition != id.partition() || !self.path(about).iter().any(|(at, _)| *at == id) {
                return wrong(format!("record {seq} is about {about}, which is not below {id}"));
            }
            cascaded += u32::from(matches!(record, Record::SessionSettled(_)));
            last = *seq;
            let entry = w.next("what closes it")?;
            self.carried(entry, Some(w.now))?;
        }
        Ok((cascaded, last))
    }

    /// Tests that what is left of a close waits for holds, and for nothing else.
    fn only_waits(&self, id: SessionId, now: Time, w: &Written<'_>) -> Result<(), Off> {
        let Some(row) = self.open(id) else { return Ok(()) };
        let late = self.is_over(row, now);
        if late || !self.waits(row, Due::Unwound(now)) || !row.closing {
            let text = format!("{id} waits for no hold, or a hold in it is over: the rest of its close");
            return if w.peek().is_none() { Err(Off::Short(text)) } else { wrong(text) };
        }
        row.children.iter().try_for_each(|child| self.only_waits(*child, now, w))
    }

    fn close(&mut self, id: SessionId) {
        if let Some(row) = self.sessions.get_mut(&id) {
            row.closing = true;
        }
    }

    /// Takes every line of a partition to its payee, and the word that it has arrived.
    pub(super) fn deliveries(&mut self, source: u16, w: &mut Written<'_>) -> Result<(), Off> {
        while self.lines.iter().any(|line| line.source == source && !line.told) {
            let entry = w.next("the delivery of a line")?;
            self.carried(entry, Some(w.now))?;
        }
        Ok(())
    }

    /// Takes the deliveries that come next, if any do.
    pub(super) fn carry_on(&mut self, w: &mut Written<'_>) -> Result<(), Off> {
        while let Some((_, _, Record::SettlementPosted(_) | Record::OutboxDelivered(_))) = w.peek() {
            let entry = w.next("a delivery")?;
            self.carried(entry, Some(w.now))?;
        }
        Ok(())
    }

    /// Takes what releases holds that are over and expired sessions, and carries their lines, as long as the next records do that.
    /// Returns whether there was any.
    pub(super) fn released(&mut self, w: &mut Written<'_>) -> Result<bool, Off> {
        let mut any = false;
        while let Some((_, _, record)) = w.peek()
            && matches!(
                record,
                Record::HoldLapsed(_)
                    | Record::SessionClosing(_)
                    | Record::SessionSettled(_)
                    | Record::SettlementPosted(_)
                    | Record::OutboxDelivered(_)
            )
        {
            let entry = w.next("a release")?;
            self.carried(entry, Some(w.now))?;
            any = true;
        }
        Ok(any)
    }

    /// Follows what may happen without being asked for: holds end, sessions that are due are closed and settled, their lines
    /// arrive, and it is told that they have. `now` is what the clock said, if that is known.
    pub(super) fn carried(&mut self, (seq, stamp, record): &Entry<'_>, now: Option<Time>) -> Result<(), Off> {
        let seq = *seq;
        self.check_time(seq, stamp, now)?;
        match record {
            Record::SessionClosing(SessionClosing { session }) => {
                let is_due = self.is_due(*session, stamp.at);
                let row = self.open(*session).filter(|row| !row.closing);
                let is_busy = row.is_some_and(|row| self.is_busy(row));
                if !is_due || !is_busy || session.partition() != stamp.partition {
                    return wrong(format!("record {seq} closes {session}, which is not due"));
                }
                self.close(*session);
                Ok(())
            }
            Record::HoldLapsed(lapsed) if lapsed.session.partition() == stamp.partition => {
                self.lapsed(seq, stamp.at, lapsed)
            }
            Record::SessionSettled(settled) if settled.session.partition() == stamp.partition => {
                self.settled(seq, stamp.at, settled, Why::Due)
            }
            Record::SettlementPosted(posted) => self.posted(seq, stamp, posted),
            Record::OutboxDelivered(delivered) => self.delivered(seq, stamp, delivered),
            record => wrong(format!("record {seq} came by itself: {record:?}")),
        }
    }

    /// Checks when something was decided that nobody asked for.
    pub(super) fn check_time(&mut self, seq: u64, stamp: &Stamp, now: Option<Time>) -> Result<(), Off> {
        let least = self.at(stamp.partition, now.unwrap_or_default());
        if stamp.at < least || (now.is_some() && stamp.at != least) || stamp.actor != 0 {
            return wrong(format!("record {seq} says {stamp:?}; predicted was {least}"));
        }
        self.last_at.insert(stamp.partition, stamp.at);
        Ok(())
    }

    /// Returns whether a session has to be settled: its end has come, it is closing, or something above it has or is.
    fn is_due(&self, id: SessionId, now: Time) -> bool {
        self.path(id).iter().any(|(_, row)| row.closing || now >= row.ends) || self.is_revoked(id)
    }

    fn reasons(&self, id: SessionId, now: Time, why: Why) -> Vec<Reason> {
        let path = self.path(id);
        let Some(((_, own), above)) = path.split_first() else { return Vec::new() };
        let mut reasons = Vec::new();
        match self.revoked_before(id, own.ends) {
            Some(true) => return vec![Reason::Revoked],
            // It was revoked before its end, and once more after it.
            None => reasons.push(Reason::Revoked),
            Some(false) => {}
        }
        if now >= own.ends {
            reasons.push(Reason::Expired);
            return reasons;
        }
        let below_due = above.iter().any(|(_, row)| row.closing || now >= row.ends);
        if below_due && why == Why::Due {
            reasons.push(Reason::Cascade);
        }
        // What a crash cut short, or a hold kept waiting, is finished by the sweeper, for the reason that it began with.
        if own.asked_to_close || why == Why::Asked {
            reasons.push(Reason::Closed);
        }
        reasons
    }

    fn settled(&mut self, seq: u64, at: Time, settled: &SessionSettled, why: Why) -> Result<(), Off> {
        let id = settled.session;
        let Some(row) = self.open(id) else {
            return wrong(format!("record {seq} settles {id}, which is not open"));
        };
        if self.open_children(&row.children) > 0 {
            return wrong(format!("record {seq} settles {id} before what is open below it"));
        }
        if self.has_holds(row) {
            return wrong(format!("record {seq} settles {id}, which has open holds"));
        }
        let reasons = self.reasons(id, at, why);
        if !reasons.contains(&settled.reason) {
            return wrong(format!("record {seq} settles {id}: {:?}, not {reasons:?}", settled.reason));
        }
        let left = self.left_of_session(row, Due::Held);
        let lines = self.owed(row);
        let total = self.spent_on(row);
        let should = SessionSettled {
            session: id,
            reason: settled.reason,
            total: nanos(total),
            released: if mode(row) == Mode::Shared { Amount::ZERO } else { nanos(left) },
            lines: lines.clone(),
        };
        same(seq, &should, settled)?;
        let below = self.taken(&row.children, Due::Held).spent;
        let sum: u128 = lines.iter().map(|line| u128::from(line.amount.nanos())).sum();
        if sum != total || (!row.shared && u128::from(row.cap) != total + below + left) {
            return wrong(format!("record {seq} settles {id} and loses a nano"));
        }
        let settlement = Settlement {
            session: id,
            account: row.account,
            currency: row.currency,
            reason: settled.reason,
            debit_count: lines.iter().map(|line| line.debit_count).sum(),
            lines,
            total: nanos(total),
            released: should.released,
            opened_at: row.opened_at,
            settled_at: at,
            seq,
            parent: row.parent,
            spent_below: nanos(below),
        };
        self.send(&settlement);
        if let Some(row) = self.sessions.get_mut(&id) {
            row.settled = Some(settlement);
        }
        Ok(())
    }

    fn send(&mut self, settlement: &Settlement) {
        let source = settlement.session.partition();
        let sent = self.lines.iter().filter(|line| line.source == source).count() as u64;
        let (settlement, currency, lines) =
            (settlement.session.settlement(), settlement.currency, &settlement.lines);
        for (no, line) in (sent + 1..).zip(lines) {
            let outgoing = Outgoing { no, settlement, currency, line: *line };
            self.lines.push(Line { source, outgoing, posted: false, told: false });
        }
    }

    /// A line arrives at its payee's home: each once, in the order in which they left.
    fn posted(&mut self, seq: u64, stamp: &Stamp, posted: &SettlementPosted) -> Result<(), Off> {
        let first = self.lines.iter_mut().find(|line| line.source == posted.source && !line.posted);
        let Some(line) = first else { return wrong(format!("record {seq} delivers what was never sent")) };
        same(seq, &line.outgoing, &posted.outgoing)?;
        if line.outgoing.line.payee.partition() != stamp.partition {
            return wrong(format!("record {seq} delivers a line to another's home"));
        }
        line.posted = true;
        Ok(())
    }

    fn delivered(&mut self, seq: u64, stamp: &Stamp, delivered: &OutboxDelivered) -> Result<(), Off> {
        let own = || self.lines.iter().filter(|line| line.source == stamp.partition);
        let through = own().filter(|line| line.posted).map(|line| line.outgoing.no).max();
        let news = own().any(|line| !line.told && line.outgoing.no <= delivered.through);
        if through < Some(delivered.through) || !news {
            return wrong(format!(
                "record {seq} tells of line {} that {through:?} arrived",
                delivered.through
            ));
        }
        for line in self.lines.iter_mut().filter(|line| line.source == stamp.partition) {
            line.told |= line.outgoing.no <= delivered.through;
        }
        Ok(())
    }
}
