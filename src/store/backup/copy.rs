//! Owns: all of a data folder as pieces, as of one seq, while it goes on changing: the state as it is at one moment, when the
//! journal's beginning was given back, and every group up to what is durable then.
//! Never: an undurable group; a group given back while it is still to be copied; a change.

use std::{fmt, ops::ControlFlow};

use tallystick_journal::{Chain, Floor, GroupView, Journal as _, StorageFault};

use super::{VisitPiece, piece::Piece};
use crate::{index::RocksIndex, journal::RocksJournal};

/// Says what was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// The last group.
    pub last: Floor,
    /// How many pieces.
    pub pieces: u64,
    /// Whether the visitor wanted all of it.
    pub is_whole: bool,
}

/// Says why nothing was copied, or not all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyFault {
    /// The disk failed, what it holds is damaged, or the visitor said so.
    Storage(StorageFault),
    /// There is not even a first record.
    Empty,
    /// What should be gone on from is not in the journal any more.
    GivenBack {
        /// Where to go on from.
        after_seq: u64,
        /// Where the journal begins.
        first_seq: u64,
    },
    /// What should be gone on from is no part of this journal: it was put back to an earlier seq, or is another one.
    OtherHistory {
        /// Where to go on from.
        after_seq: u64,
        /// Where the journal ends, or ended then.
        last_seq: u64,
    },
}

impl From<StorageFault> for CopyFault {
    fn from(fault: StorageFault) -> Self {
        Self::Storage(fault)
    }
}

impl fmt::Display for CopyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Storage(fault) => fault.fmt(f),
            Self::Empty => f.write_str("the journal is empty: there is nothing to back up"),
            Self::GivenBack { after_seq, first_seq } => write!(
                f,
                "the backup ends at seq {after_seq}, and the journal begins at seq {first_seq}: what lies between was given \
                 back after a checkpoint; make a new backup in another folder"
            ),
            Self::OtherHistory { after_seq, last_seq } => write!(
                f,
                "the backup ends at seq {after_seq} with a group that this journal, which ends at seq {last_seq}, does not \
                 have: it is another journal, or was restored to an earlier seq; make a new backup in another folder"
            ),
        }
    }
}

impl std::error::Error for CopyFault {}

/// Copies what is after `after`, or everything. `durable` says how far the journal is durable; groups beyond that are left.
pub(crate) fn copy(
    (journal, index): (&RocksJournal, &RocksIndex),
    after: Option<Floor>,
    durable: &dyn Fn() -> u64,
    visit: &mut VisitPiece<'_>,
) -> Result<Copied, CopyFault> {
    // ORDER: first nothing more is given back, then the state is held, then the end is drawn: so the journal has all that
    // the state lacks, up to an end that has all that the state contains.
    let _held = journal.hold();
    let snapshot = index.snapshot();
    let through_seq = durable();
    let first = first_group(journal, after.map_or(0, |after| after.seq))?.ok_or(CopyFault::Empty)?;
    let mut copied = Copied { is_whole: true, ..Copied::default() };
    let mut counted = |piece: &Piece<'_>| {
        copied.pieces += 1;
        visit(piece)
    };
    let mut chain = Chain::default();
    match after {
        Some(after) => {
            check_goes_on(journal, after, first)?;
            chain.extend(after.seq, after.check);
        }
        None if first.first_seq == 1 => {}
        None => {
            if snapshot.pieces(&mut counted)?.is_break() {
                return Ok(Copied { is_whole: false, ..copied });
            }
        }
    }
    let mut groups = Groups { chain, floor: snapshot.floor()?.unwrap_or_default(), through_seq };
    let mut is_whole = true;
    journal.read(after.map_or(1, |after| after.seq), &mut |key, bytes| {
        let flow = groups.take(key, bytes, &mut counted)?;
        is_whole &= flow != Taken::Unwanted;
        Ok(if flow == Taken::Continue { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    if is_whole {
        groups.end()?;
    }
    copied.last = Floor { seq: groups.chain.last_seq(), check: groups.chain.check() };
    Ok(Copied { is_whole, ..copied })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    Continue,
    /// What follows is not durable.
    Through,
    /// The visitor wants no more.
    Unwanted,
}

/// Is the walk over the groups.
struct Groups {
    chain: Chain,
    floor: Floor,
    through_seq: u64,
}

impl Groups {
    fn take(&mut self, key: u64, bytes: &[u8], visit: &mut VisitPiece<'_>) -> Result<Taken, StorageFault> {
        let group = GroupView::parse(key, bytes)?;
        if group.last_seq() <= self.chain.last_seq() {
            return Ok(Taken::Continue);
        }
        if group.last_seq() > self.through_seq {
            return Ok(Taken::Through);
        }
        self.chain.accept(&group)?;
        if group.last_seq() == self.floor.seq && group.check != self.floor.check {
            let (here, there) = (group.check, self.floor.check);
            let finding = format!("its checksum is {here:016x}, the durable floor's {there:016x}");
            return Err(StorageFault::Corrupt { place: format!("journal group at seq {key}"), finding });
        }
        let flow = visit(&Piece::Group { first_seq: key, value: bytes })?;
        Ok(if flow.is_break() { Taken::Unwanted } else { Taken::Continue })
    }

    /// Tests that the journal reaches what was durable.
    fn end(&self) -> Result<(), StorageFault> {
        let (last, floor) = (self.chain.last_seq(), self.floor.seq);
        if last >= floor {
            return Ok(());
        }
        let finding =
            format!("it ends at seq {last}, but {floor} was durable: acknowledged records are missing");
        Err(StorageFault::Corrupt { place: "journal".to_owned(), finding })
    }
}

/// Is a group's place in the chain.
#[derive(Debug, Clone, Copy)]
struct Link {
    first_seq: u64,
    last_seq: u64,
    previous: u64,
    check: u64,
}

/// Finds the last group that begins at or below `seq`, or the first there is.
fn first_group(journal: &RocksJournal, seq: u64) -> Result<Option<Link>, StorageFault> {
    let mut found = None;
    journal.read(seq, &mut |key, bytes| {
        let group = GroupView::parse(key, bytes)?;
        let (first_seq, last_seq) = (group.first_seq, group.last_seq());
        found = Some(Link { first_seq, last_seq, previous: group.previous, check: group.check });
        Ok(ControlFlow::Break(()))
    })?;
    Ok(found)
}

/// Tests that the journal goes on from `after`; `link` is where it would.
fn check_goes_on(journal: &RocksJournal, after: Floor, link: Link) -> Result<(), CopyFault> {
    let is_there = link.last_seq == after.seq && link.check == after.check;
    let is_next = link.first_seq == after.seq + 1 && link.previous == after.check;
    if is_there || is_next {
        return Ok(());
    }
    if link.first_seq > after.seq + 1 {
        return Err(CopyFault::GivenBack { after_seq: after.seq, first_seq: link.first_seq });
    }
    let last_seq = first_group(journal, u64::MAX)?.map_or(0, |last| last.last_seq);
    Err(CopyFault::OtherHistory { after_seq: after.seq, last_seq })
}
