//! Owns: the journal after what the checkpoints cover, applied again. This thread reads groups, tests their checksums and
//! follows their chain past the durable floor; others read and apply the records, each those of its own partitions: only
//! within a partition does order matter.
//! Never: decides; goes on after damage. What is told is the first damage by seq, whoever came upon it first.

use super::{
    World, corrupt,
    parcel::{Packer, Parcel},
    workers,
};
use crate::StartFault;
use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};
use tallystick_core::{PARTITIONS, Partition, Record, hash::Seed};
use tallystick_journal::{Chain, Floor, GroupView, Journal, StorageFault, read_record};

/// Bounds a parcel, unless one group alone is larger. The more records of one partition come together, the more of them
/// find its rows in the processor's cache.
const PARCEL_BYTES: usize = 8 << 20;
/// Bounds the parcels that wait for one worker.
const PARCELS_WAITING: usize = 2;

/// Is what a worker is told.
#[derive(Clone)]
enum Errand {
    /// A new journal begins, with this seed.
    Adopt(Seed),
    /// Apply what of this is yours.
    Apply(Arc<Parcel>),
}

/// Says what a worker did.
#[derive(Default)]
struct Applied {
    read: u64,
    applied: u64,
    /// The first damage by seq.
    damage: Option<(u64, StorageFault)>,
}

/// Applies the journal after what the checkpoints cover, and follows its chain past the durable floor.
pub(super) fn replay(
    journal: &dyn Journal,
    world: &mut World,
    floor: Floor,
    threads: usize,
) -> Result<Chain, StartFault> {
    let covered = world.covered;
    let count = threads.min(world.partitions.len());
    let mut dealt: Vec<Vec<&mut Partition>> = (0..count).map(|_| Vec::new()).collect();
    for (number, partition) in world.partitions.iter_mut().enumerate() {
        dealt[number % count].push(partition);
    }
    let (chain, done) = thread::scope(|scope| {
        let (mut errands, mut handles) = (Vec::new(), Vec::new());
        for own in dealt {
            let (sender, receiver) = sync_channel(PARCELS_WAITING);
            errands.push(sender);
            handles.push(workers::start(scope, move || work(own, &receiver))?);
        }
        let chain = Reader::new(errands, covered, floor).read(journal);
        // The errands have ended with their senders.
        Ok::<_, StartFault>((chain, handles.into_iter().map(workers::join).collect::<Vec<_>>()))
    })?;
    world.summary.records_read = done.iter().map(|worker| worker.read).sum();
    world.summary.records_applied = done.iter().map(|worker| worker.applied).sum();
    let damage = done.into_iter().filter_map(|worker| worker.damage).min_by_key(|(seq, _)| *seq);
    match damage {
        // Whatever the reader found lies behind all that it handed out.
        Some((_, fault)) => Err(fault.into()),
        None => Ok(chain?),
    }
}

/// Runs errands until there are no more, or until the first parcel with damage is through.
fn work(mut own: Vec<&mut Partition>, errands: &Receiver<Errand>) -> Applied {
    let mut done = Applied::default();
    for errand in errands {
        match errand {
            Errand::Adopt(seed) => own.iter_mut().for_each(|partition| partition.adopt_seed(seed)),
            Errand::Apply(parcel) => {
                for partition in &mut own {
                    apply(partition, &parcel, &mut done);
                }
            }
        }
        if done.damage.is_some() {
            break;
        }
    }
    done
}

fn apply(partition: &mut Partition, parcel: &Parcel, done: &mut Applied) {
    for (seq, bytes) in parcel.of(partition.number()) {
        if let Err(fault) = apply_record(partition, seq, bytes, done) {
            if done.damage.as_ref().is_none_or(|(first, _)| seq < *first) {
                done.damage = Some((seq, fault));
            }
            return;
        }
    }
}

fn apply_record(
    partition: &mut Partition,
    seq: u64,
    bytes: &[u8],
    done: &mut Applied,
) -> Result<(), StorageFault> {
    let unfit = |finding: &str| corrupt(&format!("journal record {seq}"), finding.into());
    let (stamp, record) = read_record(seq, bytes)?;
    done.read += 1;
    if stamp.partition >= PARTITIONS {
        return Err(unfit("there is no such partition"));
    }
    if matches!(record, Record::Genesis(_)) && seq != 1 {
        return Err(unfit("a journal begins in the middle of this one"));
    }
    if seq > partition.seq() {
        partition.apply(seq, &stamp, &record);
        done.applied += 1;
    }
    Ok(())
}

/// Reads groups and hands out their records.
struct Reader {
    errands: Vec<SyncSender<Errand>>,
    packer: Packer,
    chain: Chain,
    floor: Floor,
    floor_seen: bool,
    /// Up to here, no partition needs the journal.
    covered: u64,
}

impl Reader {
    fn new(errands: Vec<SyncSender<Errand>>, covered: u64, floor: Floor) -> Self {
        let floor_seen = floor.seq == 0;
        Self { errands, packer: Packer::default(), chain: Chain::default(), floor, floor_seen, covered }
    }

    /// Reads to the end. *Errors*: the disk's; `Corrupt`. All before it was handed out.
    fn read(mut self, journal: &dyn Journal) -> Result<Chain, StorageFault> {
        let from = self.covered.min(self.floor.seq) + 1;
        let read = journal.read(from.saturating_sub(1).max(1), &mut |key, bytes| {
            let group = GroupView::parse(key, bytes)?;
            if self.chain.last_seq() == 0 && group.first_seq > from {
                let missing =
                    format!("records {from} to {} are missing at its beginning", group.first_seq - 1);
                return Err(corrupt("journal", missing));
            }
            self.take(key, &group)
        });
        let sent = self.send();
        read?;
        // When a worker has stopped, it has found damage, and nothing here matters.
        if sent.is_continue() { self.end() } else { Ok(self.chain) }
    }

    fn take(&mut self, key: u64, group: &GroupView<'_>) -> Result<ControlFlow<()>, StorageFault> {
        self.chain.accept(group)?;
        if group.last_seq() == self.floor.seq {
            if group.check != self.floor.check {
                let (here, there) = (group.check, self.floor.check);
                let finding = format!("its checksum is {here:016x}, the durable floor's {there:016x}");
                return Err(corrupt(&format!("journal group at seq {key}"), finding));
            }
            self.floor_seen = true;
        }
        if self.packer.bytes() + group.body().len() > PARCEL_BYTES && self.send().is_break() {
            return Ok(ControlFlow::Break(()));
        }
        if group.first_seq == 1
            && let Ok((_, Record::Genesis(genesis))) = read_record(1, group.body())
            && self.hand_out(&Errand::Adopt(genesis.seed)).is_break()
        {
            return Ok(ControlFlow::Break(()));
        }
        self.packer.put(group)?;
        Ok(ControlFlow::Continue(()))
    }

    /// Hands out what was packed. Breaks when a worker has stopped.
    fn send(&mut self) -> ControlFlow<()> {
        if self.packer.bytes() == 0 {
            return ControlFlow::Continue(());
        }
        let parcel = Arc::new(self.packer.pack());
        self.hand_out(&Errand::Apply(parcel))
    }

    fn hand_out(&self, errand: &Errand) -> ControlFlow<()> {
        let mut flow = ControlFlow::Continue(());
        for worker in &self.errands {
            // ORDER: everyone gets it, also after one has stopped: another's damage in it may come first by seq.
            if worker.send(errand.clone()).is_err() {
                flow = ControlFlow::Break(());
            }
        }
        flow
    }

    /// Tests that the journal reaches what was durable.
    fn end(self) -> Result<Chain, StorageFault> {
        let (last_seq, floor) = (self.chain.last_seq(), self.floor.seq);
        if !self.floor_seen && last_seq >= floor {
            let finding = format!("no group ends at seq {floor}, the durable floor: this is another journal");
            return Err(corrupt("journal", finding));
        }
        if !self.floor_seen || last_seq < self.covered {
            let reach = floor.max(self.covered);
            let finding = format!(
                "it ends at seq {last_seq}, but {reach} was durable: acknowledged records are missing"
            );
            return Err(corrupt("journal", finding));
        }
        Ok(self.chain)
    }
}
