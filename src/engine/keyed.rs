//! Owns: commands whose keys are remembered for good: found in memory until a checkpoint files them, in the index after.
//! Never: decides; reads the index under a lock.

use crate::{Engine, Fault, sync::atomic::Ordering};
use tallystick_core::{
    Partition, Record, Refusal, Time,
    command::Command,
    decide::Decided,
    partition::{CommandKey, Made},
};
use tallystick_journal::rows;

/// Is what came of a command with a key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Done {
    pub(crate) made: Made,
    pub(crate) seq: u64,
    pub(crate) replayed: bool,
}

/// Is why nothing came of it, and the seq that this depends on.
pub(crate) type NotDone = (Fault, u64);

impl Engine {
    /// Decides a command in its partition and writes what was decided. `decide` is given what the index says of the key.
    ///
    /// What has expired is settled before anything is declined for lack of room (I9).
    pub(crate) fn keyed<'a, C: Command>(
        &self,
        partition: u16,
        command: &C,
        decide: impl Fn(&Partition, Option<&CommandKey>, Time) -> Result<Decided<'a, CommandKey>, Refusal>,
    ) -> Result<Done, NotDone> {
        let key = command.key_hash(self.seed());
        loop {
            // ORDER: the count is read before the index and again under the lock. If a checkpoint filed keys in between and
            // let memory go of them, what was read may be too old, and is read again.
            let filings = self.filings[usize::from(partition)].load(Ordering::Acquire);
            let filed = self.tables.command_key(partition, key.0.to_be_bytes());
            let filed =
                filed.and_then(|found| found.map(|bytes| rows::decode_command_key(&bytes)).transpose());
            let filed = filed.map_err(|fault| (fault.into(), 0))?;
            let mut shard = self.lock(partition);
            if self.filings[usize::from(partition)].load(Ordering::Acquire) != filings {
                continue;
            }
            let home = shard.partition(partition);
            let now = home.decision_time(self.now());
            match decide(home, filed.as_ref(), now) {
                Err(refusal) => return Err((refusal.into(), shard.last_seq)),
                Ok(Decided::Replay(row)) => return Ok(Done { made: row.made, seq: row.seq, replayed: true }),
                Ok(Decided::Record(record)) => {
                    let due = match &record {
                        Record::CommandDeclined(declined) => home.due_for(declined, now),
                        _ => None,
                    };
                    if let Some(due) = due {
                        drop(shard);
                        self.settle_due(due);
                        continue;
                    }
                    let seq = self.write(&mut shard, partition, now, &record);
                    let made = shard.partition(partition).unfiled_command(key).map(|row| row.made);
                    drop(shard);
                    self.wake_committer();
                    let made = made.unwrap_or_else(|| panic!("bug: record {seq} did not remember its key"));
                    return Ok(Done { made, seq, replayed: false });
                }
            }
        }
    }
}
