//! Owns: giving out writers and epochs, and saying where a writer stands. Never: counts for them.

use crate::{Engine, Ticket};
use tallystick_core::{
    PARTITIONS, Record, Refusal, SessionId, WriterId,
    decide::{self, Decided},
};

impl Engine {
    /// Gives a new writer, or a newer epoch of one. The older epochs are not heard any more: see `position`.
    pub fn open_writer(&self, id: Option<WriterId>) -> Ticket<(WriterId, u32)> {
        if let Some(failed) = self.failed() {
            return failed;
        }
        if let Err(refusal) = self.check_heard() {
            return self.refuse(refusal);
        }
        let draw = self.draw();
        #[expect(clippy::cast_possible_truncation, reason = "a remainder of 256 fits")]
        let partition = id.map_or((draw % u64::from(PARTITIONS)) as u16, WriterId::partition);
        let mut shard = self.lock(partition);
        let opened = match decide::open_writer(shard.partition(partition), id, draw) {
            Ok(opened) => opened,
            Err(refusal) => return self.ticket(shard.last_seq, Err(refusal.into())),
        };
        let at = shard.partition(partition).decision_time(self.now());
        let seq = self.write(&mut shard, partition, at, &Record::WriterOpened(opened));
        drop(shard);
        self.wake_committer();
        self.ticket(seq, Ok((opened.id, opened.epoch)))
    }

    /// Says the last number that a writer had decided in a session, and fences older epochs of it there.
    /// *Errors*: `UnknownWriter`, `WriterFenced`, `Malformed` for an epoch that was never given out; then as in core.
    pub fn position(&self, session: SessionId, writer: WriterId, epoch: u32) -> Ticket<u64> {
        if let Some(failed) = self.failed() {
            return failed;
        }
        if let Err(refusal) = self.check_heard() {
            return self.refuse(refusal);
        }
        if let Err(fault) = self.check_view(session.into()) {
            return self.ticket(0, Err(fault));
        }
        if let Err((refusal, seq)) = self.check_epoch(writer, epoch) {
            return self.ticket(seq, Err(refusal.into()));
        }
        let partition = session.partition();
        let mut shard = self.lock(partition);
        match decide::position_writer(shard.partition(partition), session, writer, epoch) {
            Ok((decided, last_number)) => {
                if let Decided::Record(record) = decided {
                    let at = shard.partition(partition).decision_time(self.now());
                    self.write(&mut shard, partition, at, &record);
                }
                let last_seq = shard.last_seq;
                drop(shard);
                self.wake_committer();
                self.ticket(last_seq, Ok(last_number))
            }
            Err(refusal) => {
                let last_seq = shard.last_seq;
                drop(shard);
                match refusal {
                    Refusal::UnknownSession => self.retired_or_unknown(session, last_seq),
                    other => self.ticket(last_seq, Err(other.into())),
                }
            }
        }
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
}
