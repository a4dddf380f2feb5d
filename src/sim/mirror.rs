//! Owns: the journal followed from its first record, as it becomes durable: each record is decided again, applied, and the
//! partition it changed tested. What a live engine's checkpoint says must be what this says, byte for byte.
//! Never: the engine; a record that is not durable.

use crate::truth::Truth;
use std::collections::BTreeMap;
use tallystick_core::{
    PARTITIONS, Partition, Record, SessionId, Stamp, Time,
    books::{BOOKS, Book},
    session::{Holds, Session},
    verify,
};
use tallystick_journal::{Chain, GroupView, rows};

/// Is the encoded rows of all partitions, by partition, table and slot.
pub type Rows = BTreeMap<(u16, u8, u32), Vec<u8>>;

/// Follows the journal.
#[derive(Debug)]
pub struct Mirror {
    partitions: Vec<Partition>,
    rows: Rows,
    chain: Chain,
    touched: Vec<bool>,
    /// When the last of all records was decided that the process found when it started: none is decided before.
    time_floor: Time,
    /// What the records say, for whoever looks something up.
    pub truth: Truth,
}

impl Default for Mirror {
    fn default() -> Self {
        Self {
            partitions: (0..PARTITIONS).map(Partition::new).collect(),
            rows: Rows::default(),
            chain: Chain::default(),
            touched: vec![true; usize::from(PARTITIONS)],
            time_floor: Time::ZERO,
            truth: Truth::default(),
        }
    }
}

impl Mirror {
    /// Returns the last seq followed.
    pub fn seq(&self) -> u64 {
        self.chain.last_seq()
    }

    /// Returns when the last of all records was decided.
    pub fn last_at(&self) -> Time {
        self.partitions.iter().map(Partition::last_at).max().unwrap_or_default()
    }

    /// Takes note that a process starts from what was followed.
    pub fn starts(&mut self) {
        self.time_floor = self.last_at();
    }

    /// Follows one group. `each` is told of every record before it is applied. *Errors*: says which rule a record breaks.
    pub fn follow(
        &mut self,
        first_seq: u64,
        bytes: &[u8],
        each: &mut dyn FnMut(u64, &Stamp, &Record<'_>) -> Result<(), String>,
    ) -> Result<(), String> {
        let group = GroupView::parse(first_seq, bytes).map_err(|fault| fault.to_string())?;
        self.chain.accept(&group).map_err(|fault| fault.to_string())?;
        let mut found = Ok(());
        let read = group.records(|seq, stamp, record| {
            if found.is_ok() {
                found = each(seq, stamp, record).and_then(|()| self.record(seq, stamp, record));
            }
        });
        read.map_err(|fault| fault.to_string())?;
        found
    }

    fn record(&mut self, seq: u64, stamp: &Stamp, record: &Record<'_>) -> Result<(), String> {
        let wrong = |finding: String| format!("record {seq} ({record:?}): {finding}");
        if let Record::Genesis(genesis) = record {
            self.partitions.iter_mut().for_each(|partition| partition.adopt_seed(genesis.seed));
            self.truth.seed = Some(genesis.seed);
        }
        let Some(partition) = self.partitions.get_mut(usize::from(stamp.partition)) else {
            return Err(wrong(format!("there is no partition {}", stamp.partition)));
        };
        let latest = partition.last_at().max(self.time_floor);
        if stamp.at < latest {
            return Err(wrong(format!("decided at {}, after one at {latest}", stamp.at)));
        }
        verify::decide_again(partition, stamp, record)
            .map_err(|difference| wrong(format!("the rules say otherwise: {difference}")))?;
        partition.apply(seq, stamp, record);
        if let Some(touched) = self.touched.get_mut(usize::from(stamp.partition)) {
            *touched = true;
        }
        partition.check_sound().map_err(|finding| wrong(finding.into()))?;
        if !partition.books().sum_to_zero() {
            return Err(wrong("a currency's books do not sum to zero".into()));
        }
        self.truth.record(seq, stamp, record, partition);
        Ok(())
    }

    /// Returns what a whole checkpoint of every partition says: its rows, encoded.
    pub fn rows(&mut self) -> &Rows {
        for (partition, touched) in self.partitions.iter_mut().zip(&mut self.touched) {
            if std::mem::take(touched) {
                cut(partition, &mut self.rows);
            }
        }
        &self.rows
    }

    /// Returns what no delivery has carried yet, and what is in transit by the books: the two are equal. *Units*: nanos.
    pub fn in_transit(&self) -> (i128, i128) {
        let (mut on_the_way, mut in_transit) = (0, 0);
        for partition in &self.partitions {
            for (_, books) in partition.books().iter() {
                in_transit += books.get(Book::InTransit as usize).copied().unwrap_or(0);
            }
            for line in partition.outgoing() {
                let home = self.partitions.get(usize::from(line.line.payee.partition()));
                if home.is_none_or(|home| !home.has_arrived(partition.number(), line.no)) {
                    on_the_way += i128::from(line.line.amount.nanos());
                }
            }
        }
        (on_the_way, in_transit)
    }

    /// Returns how many lines wait in outboxes, arrived or not.
    pub fn outgoing(&self) -> usize {
        self.partitions.iter().map(|partition| partition.outgoing().count()).sum()
    }

    /// Returns the end of every open hold, and of which session.
    pub fn open_holds(&self) -> Vec<(SessionId, Time)> {
        let sessions = self.truth.open.keys().filter_map(|id| Some((*id, self.session(*id)?)));
        let holds = sessions.flat_map(|(id, session)| {
            let open = session.holds().into_iter().flat_map(Holds::open);
            open.map(move |(_, hold)| (id, hold.until)).collect::<Vec<_>>()
        });
        holds.collect()
    }

    /// Returns the open sessions that take nothing new, and wait.
    pub fn closing(&self) -> Vec<SessionId> {
        let is_closing = |id: &SessionId| self.session(*id).is_some_and(|s| s.closing_at() != Time::ZERO);
        self.truth.open.keys().copied().filter(is_closing).collect()
    }

    fn session(&self, id: SessionId) -> Option<&Session> {
        self.partitions.get(usize::from(id.partition()))?.session(id).ok()
    }

    /// Returns each book of each currency over all partitions, and how many sessions are open.
    pub fn totals(&self) -> (BTreeMap<tallystick_core::Currency, [i128; BOOKS]>, u64) {
        let mut all = BTreeMap::new();
        for (currency, books) in self.partitions.iter().flat_map(|partition| partition.books().iter()) {
            let sums = all.entry(*currency).or_insert([0; BOOKS]);
            sums.iter_mut().zip(books).for_each(|(sum, nanos)| *sum += nanos);
        }
        (all, self.partitions.iter().map(|partition| u64::from(partition.open_sessions())).sum())
    }
}

/// Takes the rows that changed since the last cut, and the head as table 0.
fn cut(partition: &mut Partition, into: &mut Rows) {
    let (head, filing) = partition.cut(partition.seq());
    let number = partition.number();
    into.insert((number, 0, 0), head_bytes(head));
    loop {
        let copied = partition.copy(1_000);
        if copied.is_empty() {
            break;
        }
        for (slot, row) in copied {
            into.insert((number, rows::table(&row), slot), rows::encode_row(&row));
        }
    }
    drop(filing);
    // Kept in memory until somebody files them; a mirror files nothing, and forgets.
    partition.filed_through(partition.seq());
}

/// Encodes a head; what a checkpoint covers is no part of the world.
pub fn head_bytes(head: tallystick_core::partition::Head) -> Vec<u8> {
    rows::encode_head(&tallystick_core::partition::Head { covered: 0, ..head })
}

/// Applies whole groups to an empty world. *Errors*: as `Mirror::follow`.
pub fn replayed<'a>(groups: impl Iterator<Item = (u64, &'a [u8])>) -> Result<Mirror, String> {
    let mut mirror = Mirror::default();
    for (first_seq, bytes) in groups {
        mirror.follow(first_seq, bytes, &mut |_, _, _| Ok(()))?;
    }
    Ok(mirror)
}
