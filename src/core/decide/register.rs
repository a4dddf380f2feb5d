//! Owns: the decisions about payees and their notices, writers, and the arrival of settlement lines. Never: writes.

use super::Decided;
use crate::{
    Partition, PayeeId, Record, Refusal, SessionId, WriterId,
    command::{Command as _, CreatePayee},
    id::Place,
    limits,
    partition::CommandKey,
    payee::{Payee, PayeeStatus},
    record::{PayeeCreated, PayeeNoticed, PayeeStatusSet, SettlementPosted, WriterOpened, WriterPositioned},
    settlement::Outgoing,
};

impl Partition {
    pub(super) fn free_place(&self, (slot, generation): (u32, u32)) -> Result<Place, Refusal> {
        if slot >= limits::ROWS_PER_TABLE {
            return Err(Refusal::TableFull);
        }
        Ok(Place { partition: self.number, slot, generation })
    }
}

/// Decides on a new payee. *Errors*: `Malformed`, `KeyReused`, `TableFull`.
pub fn create_payee<'a>(
    partition: &Partition,
    command: &CreatePayee<'a>,
    filed: Option<&CommandKey>,
    draw: u64,
) -> Result<Decided<'a, CommandKey>, Refusal> {
    command.check()?;
    let keyed = match partition.recognise(command, filed)? {
        Ok(keyed) => keyed,
        Err(before) => return Ok(Decided::Replay(before)),
    };
    let place = partition.free_place(partition.payees.next_place())?;
    Ok(Decided::Record(Record::PayeeCreated(PayeeCreated {
        id: PayeeId::new(place, draw),
        status: PayeeStatus::Active,
        name: command.name,
        keyed,
    })))
}

/// Decides to block a payee, at home. Replays when it is blocked already. *Errors*: `UnknownPayee`.
pub fn block_payee(partition: &Partition, id: PayeeId) -> Result<Decided<'static, ()>, Refusal> {
    let payee = partition.payee(id)?;
    if payee.status == PayeeStatus::Blocked {
        return Ok(Decided::Replay(()));
    }
    let set = PayeeStatusSet { id, status: PayeeStatus::Blocked, version: payee.version + 1 };
    Ok(Decided::Record(Record::PayeeStatusSet(set)))
}

/// Decides whether a partition takes notice of a payee as it is at home; replays when it knows as much already.
/// *Errors*: `TableFull`.
pub fn take_notice(partition: &Partition, payee: &Payee) -> Result<Decided<'static, ()>, Refusal> {
    let slot = match partition.notice(payee.id) {
        Ok((_, notice)) if notice.version >= payee.version => return Ok(Decided::Replay(())),
        Ok((slot, _)) => slot,
        Err(_) => partition.free_place(partition.notices.next_place())?.slot,
    };
    let noticed = PayeeNoticed { id: payee.id, slot, status: payee.status, version: payee.version };
    Ok(Decided::Record(Record::PayeeNoticed(noticed)))
}

/// Decides on a writer's next epoch; without an id, on a new writer. *Errors*: `UnknownWriter`, `TableFull`.
pub fn open_writer(partition: &Partition, id: Option<WriterId>, draw: u64) -> Result<WriterOpened, Refusal> {
    match id {
        Some(id) => {
            let epoch = partition.writer(id)?.epoch.checked_add(1).ok_or(Refusal::TableFull)?;
            Ok(WriterOpened { id, epoch })
        }
        None => {
            let place = partition.free_place(partition.writers.next_place())?;
            Ok(WriterOpened { id: WriterId::new(place, draw), epoch: 1 })
        }
    }
}

/// Decides where a writer stands in a session. A newer epoch is a record, so that older ones are fenced for good; the same
/// epoch again is a replay. Returns the last number decided, too.
/// *Errors*: `UnknownSession`, `WriterFenced`, `TooManyWriters`.
pub fn position_writer(
    partition: &Partition,
    session: SessionId,
    writer: WriterId,
    epoch: u32,
) -> Result<(Decided<'static, ()>, u64), Refusal> {
    let row = partition.session(session)?;
    let last_number = match row.window(writer) {
        Some(window) if window.epoch() > epoch => {
            return Err(Refusal::WriterFenced { epoch: window.epoch() });
        }
        Some(window) if window.epoch() == epoch => return Ok((Decided::Replay(()), window.last_number())),
        Some(window) => window.last_number(),
        None if row.writer_count() >= limits::WRITERS_PER_SESSION => return Err(Refusal::TooManyWriters),
        None => 0,
    };
    let positioned = WriterPositioned { session, writer, epoch };
    Ok((Decided::Record(Record::WriterPositioned(positioned)), last_number))
}

/// Decides whether a settlement line that comes from `source` has arrived before.
pub fn post_settlement(partition: &Partition, source: u16, outgoing: &Outgoing) -> Decided<'static, ()> {
    if partition.has_arrived(source, outgoing.no) {
        return Decided::Replay(());
    }
    Decided::Record(Record::SettlementPosted(SettlementPosted { source, outgoing: *outgoing }))
}
