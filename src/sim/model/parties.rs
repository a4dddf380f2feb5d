//! Owns: payees, what partitions know of them, and writers. Never: what payees are owed.

use super::{
    state::{Made, Notice, Payee, State},
    written::{Off, Written, other, same, wrong},
};
use crate::asked::Asked;
use std::collections::BTreeSet;
use tallystick_core::{
    PayeeId, Record, Refusal, SessionId, WriterId,
    payee::PayeeStatus,
    record::{PayeeCreated, PayeeNoticed, PayeeShared, PayeeStatusSet, WriterOpened, WriterPositioned},
};

impl State {
    pub(super) fn create_payee(
        &mut self,
        asked: &Asked,
        name: &str,
        w: &mut Written<'_>,
    ) -> Result<PayeeId, Off> {
        let took = self.take_anywhere(w, "a payee")?;
        let Record::PayeeCreated(is) = took.record else { return other("a payee", took.seq, took.record) };
        if self.payees.contains_key(&is.id) {
            return wrong(format!("record {} gives {} again", took.seq, is.id));
        }
        let should = PayeeCreated { id: is.id, status: PayeeStatus::Active, name, keyed: is.keyed.clone() };
        same(took.seq, &should, is)?;
        self.payees.insert(
            is.id,
            Payee {
                name: name.into(),
                status: PayeeStatus::Active,
                version: 1,
                known_in: BTreeSet::new(),
                created_at: took.at,
            },
        );
        self.remember(took.seq, asked, &is.keyed, Made::Payee(is.id))?;
        Ok(is.id)
    }

    /// Blocks a payee at home, then tells every partition that knows of it. Returns the first seq that it may answer with,
    /// and whether it was blocked already.
    pub(super) fn block_payee(
        &mut self,
        id: PayeeId,
        w: &mut Written<'_>,
    ) -> Result<Result<bool, Refusal>, Off> {
        let Some(payee) = self.payees.get(&id) else { return Ok(Err(Refusal::UnknownPayee)) };
        let was_blocked = payee.status == PayeeStatus::Blocked;
        let version = payee.version + 1;
        if !was_blocked {
            let took = self.take(w, id.partition(), "the block")?;
            let Record::PayeeStatusSet(is) = took.record else {
                return other("the block", took.seq, took.record);
            };
            same(took.seq, &PayeeStatusSet { id, status: PayeeStatus::Blocked, version }, is)?;
            if let Some(payee) = self.payees.get_mut(&id) {
                (payee.status, payee.version) = (PayeeStatus::Blocked, version);
            }
        }
        let known_in: Vec<u16> =
            self.payees.get(&id).into_iter().flat_map(|p| &p.known_in).copied().collect();
        for partition in known_in {
            self.give_notice(partition, id, w)?;
        }
        Ok(Ok(was_blocked))
    }

    /// A partition that does not know a payee, or knows an older status, takes notice.
    fn give_notice(&mut self, partition: u16, id: PayeeId, w: &mut Written<'_>) -> Result<(), Off> {
        let Some(payee) = self.payees.get(&id) else { return wrong(format!("{id} is no payee")) };
        let before = self.notices.get(&(partition, id));
        if before.is_some_and(|notice| notice.version >= payee.version) {
            return Ok(());
        }
        let took = self.take(w, partition, "a notice")?;
        let Record::PayeeNoticed(is) = took.record else { return other("a notice", took.seq, took.record) };
        self.noticed(took.seq, partition, id, is)
    }

    /// Follows a notice: it says what the payee's home says.
    pub(super) fn noticed(
        &mut self,
        seq: u64,
        partition: u16,
        id: PayeeId,
        is: &PayeeNoticed,
    ) -> Result<(), Off> {
        let Some(payee) = self.payees.get(&id) else {
            return wrong(format!("record {seq} tells of no payee"));
        };
        let before = self.notices.get(&(partition, id));
        let slot = before.map_or(is.slot, |notice| notice.slot);
        let mut others = self.notices.iter().filter(|((p, other), _)| *p == partition && *other != id);
        if others.any(|(_, notice)| notice.slot == slot) {
            return wrong(format!("record {seq} gives slot {slot} again"));
        }
        let news =
            before.is_none_or(|notice| notice.version < payee.version) && payee.known_in.contains(&partition);
        same(seq, &PayeeNoticed { id, slot, status: payee.status, version: payee.version }, is)?;
        if !news {
            return wrong(format!("record {seq} tells partition {partition} what it knows, or may not know"));
        }
        self.notices.insert((partition, id), Notice { slot, version: payee.version });
        Ok(())
    }

    /// Says what one partition has decided and another has not been told, which no call may leave behind, and a start mends.
    pub(super) fn behind(&self) -> Option<String> {
        let older = self.notices.iter().find(|((_, id), notice)| {
            self.payees.get(id).is_some_and(|payee| payee.version > notice.version)
        });
        let line = self.lines.iter().find(|line| !line.told);
        let older = older
            .map(|((partition, id), _)| format!("partition {partition} was not told that {id} is blocked"));
        older
            .or(self.untold())
            .or(line.map(|line| format!("a settlement's line was not delivered: {line:?}")))
    }

    /// Makes a partition know a payee: its home takes note first. *Errors*: `UnknownPayee`.
    pub(super) fn tell(
        &mut self,
        partition: u16,
        id: PayeeId,
        w: &mut Written<'_>,
    ) -> Result<Result<(), Refusal>, Off> {
        let Some(payee) = self.payees.get(&id) else { return Ok(Err(Refusal::UnknownPayee)) };
        if !payee.known_in.contains(&partition) {
            let took = self.take(w, id.partition(), "the home's note of whom it tells")?;
            let Record::PayeeShared(is) = took.record else {
                return other("the home's note of whom it tells", took.seq, took.record);
            };
            same(took.seq, &PayeeShared { id, with: partition }, is)?;
            if let Some(payee) = self.payees.get_mut(&id) {
                payee.known_in.insert(partition);
            }
        }
        self.give_notice(partition, id, w)?;
        Ok(Ok(()))
    }

    pub(super) fn open_writer(
        &mut self,
        asked: Option<WriterId>,
        w: &mut Written<'_>,
    ) -> Result<Result<(WriterId, u32), Refusal>, Off> {
        let epoch = match asked.map(|id| self.writers.get(&id)) {
            Some(None) => return Ok(Err(Refusal::UnknownWriter)),
            Some(Some(epoch)) => epoch + 1,
            None => 1,
        };
        let took = self.take_anywhere(w, "a writer's epoch")?;
        let Record::WriterOpened(is) = took.record else {
            return other("a writer's epoch", took.seq, took.record);
        };
        let id = asked.unwrap_or(is.id);
        if asked.is_none() && self.writers.contains_key(&id) {
            return wrong(format!("record {} gives {id} again", took.seq));
        }
        same(took.seq, &WriterOpened { id, epoch }, is)?;
        self.writers.insert(id, epoch);
        Ok(Ok((id, epoch)))
    }

    /// Refuses every epoch of a writer but its newest.
    pub(super) fn check_epoch(&self, writer: WriterId, epoch: u32) -> Result<(), Refusal> {
        match self.writers.get(&writer) {
            None => Err(Refusal::UnknownWriter),
            Some(newest) if epoch < *newest => Err(Refusal::WriterFenced { epoch: *newest }),
            Some(newest) if epoch > *newest => Err(super::words::malformed("epoch")),
            Some(_) => Ok(()),
        }
    }

    pub(super) fn position(
        &mut self,
        (session, writer, epoch): (SessionId, WriterId, u32),
        w: &mut Written<'_>,
    ) -> Result<Result<u64, Refusal>, Off> {
        if let Err(refusal) = self.check_epoch(writer, epoch).and_then(|()| self.check_open(session)) {
            return Ok(Err(refusal));
        }
        let seen = self.sessions.get(&session).and_then(|row| row.epochs.get(&writer)).copied();
        match seen {
            Some(newest) if newest > epoch => return Ok(Err(Refusal::WriterFenced { epoch: newest })),
            Some(newest) if newest == epoch => {}
            None if self.is_full_of_writers(session) => return Ok(Err(Refusal::TooManyWriters)),
            _ => {
                let took = self.take(w, session.partition(), "the fence")?;
                let Record::WriterPositioned(is) = took.record else {
                    return other("the fence", took.seq, took.record);
                };
                same(took.seq, &WriterPositioned { session, writer, epoch }, is)?;
                if let Some(row) = self.sessions.get_mut(&session) {
                    row.epochs.insert(writer, epoch);
                }
            }
        }
        Ok(Ok(self.last_number(session, writer)))
    }

    pub(super) fn is_full_of_writers(&self, session: SessionId) -> bool {
        self.sessions.get(&session).is_some_and(|row| row.epochs.len() >= 64)
    }

    /// Refuses a session that is settled, or never was.
    pub(super) fn check_open(&self, session: SessionId) -> Result<(), Refusal> {
        match self.sessions.get(&session) {
            None => Err(Refusal::UnknownSession),
            Some(row) if row.settled.is_some() => Err(Refusal::SessionRetired),
            Some(_) => Ok(()),
        }
    }
}
