//! Owns: a world made of pieces, from nothing or from the state in them, record after record; and the digest of what it comes
//! to. Two worlds with the same digest have the same money, rows, settlements and keys.
//! Never: goes on after what does not hold.

use crate::{
    Failure,
    journal::{
        words,
        world::{Judge, Quiet, World},
    },
    screen::Bar,
};
use std::{collections::BTreeMap, ops::ControlFlow};
use tallystick_core::{Partition, Record, Stamp, cut::Filing, partition::CommandKey, settlement::Settlement};
use tallystick_journal::{Chain, GroupView, StorageFault, rows};
use tallystick_store::backup::{Digest, Piece, VisitPiece};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// Takes a record as it is.
pub(crate) fn unjudged(_: &Partition, _: &Stamp, _: &Record<'_>) -> Result<(), String> {
    Ok(())
}

/// Is what was replayed and found to be in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proven {
    /// The last seq.
    pub(crate) last_seq: u64,
    pub(crate) groups: u64,
    pub(crate) records: u64,
    /// Records that no checkpoint contained.
    pub(crate) applied: u64,
    pub(crate) kinds: BTreeMap<&'static str, u64>,
    /// What all of it comes to.
    pub(crate) digest: Digest,
}

/// Replays what `walk` visits. *Errors*: the walk's; what does not hold, with its seq.
pub(crate) fn replay(
    last_seq: u64,
    judge: Judge,
    walk: impl FnOnce(&mut VisitPiece<'_>) -> Result<(), Failure>,
) -> Result<Proven, Failure> {
    let _quiet = Quiet::begin();
    let bar = Bar::new(last_seq, "records");
    let mut proof = Proof::new(judge);
    let walked = walk(&mut |piece| {
        let flow = proof.take(piece)?;
        bar.at(proof.chain.last_seq());
        Ok(flow)
    });
    bar.end();
    walked?;
    proof.end()
}

/// Sums up entries in whatever order they come.
#[derive(Debug, Default)]
struct Sum {
    count: u64,
    sum: u128,
}

impl Sum {
    fn add(&mut self, parts: &[&[u8]]) {
        let mut hash = Xxh3::new();
        parts.iter().for_each(|part| hash.update(part));
        self.count += 1;
        self.sum = self.sum.wrapping_add(hash.digest128());
    }

    fn settlement(&mut self, settlement: &Settlement) {
        let (id, seq) = (settlement.id().bits().to_be_bytes(), settlement.seq.to_be_bytes());
        self.add(&[&id, &seq, &rows::encode_settlement(settlement)]);
    }

    fn key(&mut self, partition: u16, key: &CommandKey) {
        self.add(&[&partition.to_be_bytes(), &key.key.0.to_be_bytes(), &rows::encode_command_key(key)]);
    }
}

/// Is a replay under way.
pub(crate) struct Proof {
    world: World,
    judge: Judge,
    chain: Chain,
    settlements: Sum,
    keys: Sum,
    proven: Proven,
    /// The first thing that does not hold.
    finding: Option<String>,
}

impl Proof {
    pub(crate) fn new(judge: Judge) -> Self {
        let proven = Proven {
            last_seq: 0,
            groups: 0,
            records: 0,
            applied: 0,
            kinds: BTreeMap::new(),
            digest: Digest::default(),
        };
        Self {
            world: World::empty(),
            judge,
            chain: Chain::default(),
            settlements: Sum::default(),
            keys: Sum::default(),
            proven,
            finding: None,
        }
    }

    /// Takes a piece. *Errors*: one that cannot be read, or does not follow. Breaks at what does not hold.
    pub(crate) fn take(&mut self, piece: &Piece<'_>) -> Result<ControlFlow<()>, StorageFault> {
        let unfit =
            |finding: &str| StorageFault::Corrupt { place: piece.name(), finding: finding.to_owned() };
        let nowhere = || unfit("there is no such partition");
        match *piece {
            Piece::Row { partition, table, slot, value } => {
                let partition = self.world.partition(partition).ok_or_else(nowhere)?;
                partition.load_row(slot, rows::decode_row(table, value)?).map_err(unfit)?;
            }
            Piece::Head { partition, value } => {
                let partition = self.world.partition(partition).ok_or_else(nowhere)?;
                partition.load_head(rows::decode_head(value)?).map_err(unfit)?;
            }
            Piece::Settlement { value, .. } => self.settlements.settlement(&rows::decode_settlement(value)?),
            Piece::CommandKey { partition, value, .. } => {
                self.keys.key(partition, &rows::decode_command_key(value)?);
            }
            Piece::Projected { .. } => {}
            Piece::Group { first_seq, value } => self.group(&GroupView::parse(first_seq, value)?)?,
        }
        Ok(if self.finding.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    fn group(&mut self, group: &GroupView<'_>) -> Result<(), StorageFault> {
        self.chain.accept(group)?;
        self.proven.groups += 1;
        group.records(|seq, stamp, record| {
            if self.finding.is_some() {
                return;
            }
            let kind = words::kind(record);
            self.proven.records += 1;
            *self.proven.kinds.entry(kind).or_default() += 1;
            match self.world.step((seq, stamp, record), self.judge) {
                Ok(is_new) => self.proven.applied += u64::from(is_new),
                Err(what) => self.finding = Some(format!("record {seq}, {kind}: {what}")),
            }
        })
    }

    /// Checks every invariant and every sum, and makes the digest. *Errors*: what does not hold.
    pub(crate) fn end(mut self) -> Result<Proven, Failure> {
        if let Some(finding) = self.finding.take() {
            return Err(Failure::Unsound(finding));
        }
        self.world.check_all().map_err(|what| Failure::Unsound(format!("at the end, {what}")))?;
        self.world.check_books().map_err(Failure::Unsound)?;
        self.proven.last_seq = self.chain.last_seq();
        let mut hash = Xxh3::new();
        for partition in &mut self.world.partitions {
            let Filing { settlements, command_keys } = digest_rows(partition, &mut hash);
            settlements.iter().for_each(|settlement| self.settlements.settlement(settlement));
            command_keys.iter().for_each(|key| self.keys.key(partition.number(), key));
        }
        for Sum { count, sum } in [&self.settlements, &self.keys] {
            hash.update(&count.to_le_bytes());
            hash.update(&sum.to_le_bytes());
        }
        self.proven.digest = Digest { shapes: rows::SHAPES, sum: hash.digest128() };
        Ok(self.proven)
    }
}

/// Adds a partition's head and rows, in order of table and slot. *Returns* what is not filed yet.
fn digest_rows(partition: &mut Partition, hash: &mut Xxh3) -> Filing {
    partition.copy_all_again();
    // How far a checkpoint covers is no state: all say the same here.
    let (head, filing) = partition.cut(partition.seq());
    hash.update(&rows::encode_head(&head));
    let mut all = Vec::new();
    loop {
        let copied = partition.copy(4_096);
        if copied.is_empty() {
            break;
        }
        all.extend(copied.into_iter().map(|(slot, row)| {
            let sum = xxh3_128(&rows::encode_row(&row));
            (rows::table(&row), slot, sum)
        }));
    }
    all.sort_unstable();
    for (table, slot, sum) in all {
        hash.update(&[table]);
        hash.update(&slot.to_le_bytes());
        hash.update(&sum.to_le_bytes());
    }
    filing
}
