//! Owns: a data folder made of a backup's pieces, up to any seq: under a name of its own until it is whole, and synced.
//! Never: a record after that seq; a folder that has anything in it.

use std::{ops::ControlFlow, path::Path};

use tallystick_journal::{Chain, Checkpoints as _, Durability, Floor, GroupView, Journal as _, StorageFault};

use super::{
    Flow,
    draft::{self, Draft},
    frame::{self, Frames},
    piece::Piece,
};
use crate::{Store, StoreOptions, restored};

/// Bounds what is gathered before it is stored.
const PUT_BYTES: usize = 4 << 20;

/// Makes a data folder.
#[derive(Debug)]
pub struct Restorer {
    store: Store,
    draft: Draft,
    through_seq: u64,
    chain: Chain,
    /// Pieces of the index, framed, that wait to be stored.
    waiting: Vec<u8>,
}

impl Restorer {
    /// Begins a data folder in `target`, which must not be there, or be empty: all up to `through_seq`.
    pub fn begin(target: &Path, through_seq: u64) -> Result<Self, StorageFault> {
        let draft = Draft::begin(target)?;
        // Nothing has to survive before the end, and everything is synced then.
        let store = Store::open_draft(draft.path(), StoreOptions::new(Durability::Os))?;
        Ok(Self { store, draft, through_seq, chain: Chain::default(), waiting: Vec::new() })
    }

    /// Takes a piece. Breaks at a group that is not wanted any more.
    pub fn take(&mut self, piece: &Piece<'_>) -> Flow {
        let Piece::Group { first_seq, value } = *piece else {
            frame::put(piece, &mut self.waiting);
            if self.waiting.len() >= PUT_BYTES {
                self.put()?;
            }
            return Ok(ControlFlow::Continue(()));
        };
        if first_seq > self.through_seq {
            return Ok(ControlFlow::Break(()));
        }
        let group = GroupView::parse(first_seq, value)?;
        if group.last_seq() <= self.through_seq {
            return self.append(&group, value);
        }
        let cut = group.cut(self.through_seq)?;
        self.append(&GroupView::parse(first_seq, &cut)?, &cut)
    }

    fn append(&mut self, group: &GroupView<'_>, bytes: &[u8]) -> Flow {
        self.chain.accept(group)?;
        self.store.journal().append(group.first_seq, bytes)?;
        // What follows the last group in its file is read and checked, too.
        Ok(ControlFlow::Continue(()))
    }

    fn put(&mut self) -> Result<(), StorageFault> {
        let mut frames = Frames::new("restored", 0);
        frames.push(&std::mem::take(&mut self.waiting));
        while let Some(piece) = frames.next_piece()? {
            self.store.index().put(&[piece])?;
        }
        Ok(())
    }

    /// Returns the store as it is so far, for whoever takes the index that came with the state back to the same seq.
    ///
    /// *Errors*: the disk's.
    pub fn store(&mut self) -> Result<&Store, StorageFault> {
        self.put()?;
        Ok(&self.store)
    }

    /// Returns the last group that was taken.
    pub fn reached(&self) -> Floor {
        Floor { seq: self.chain.last_seq(), check: self.chain.check() }
    }

    /// Makes all of it last, still under its draft's name. `restored`: where the journal was put back before.
    ///
    /// *Errors*: the disk's; `Corrupt` when the groups ended before the seq that was asked for.
    pub fn seal(mut self, mut restored: Vec<Floor>) -> Result<SealedRestore, StorageFault> {
        self.put()?;
        let last = self.reached();
        if last.seq != self.through_seq {
            let finding = format!("the groups end at seq {}, before {}", last.seq, self.through_seq);
            return Err(StorageFault::Corrupt { place: "backup".to_owned(), finding });
        }
        self.store.index().set_floor(last)?;
        self.store.index().flush()?;
        self.store.journal().flush()?;
        restored.push(last);
        restored::write(self.draft.path(), &restored)?;
        Ok(SealedRestore { draft: self.draft, last })
    }
}

/// Is a data folder that is whole and has no name yet.
#[derive(Debug)]
pub struct SealedRestore {
    draft: Draft,
    last: Floor,
}

impl SealedRestore {
    /// Returns where it is meanwhile, to be read with `StoreReader::open_draft`.
    pub fn path(&self) -> &Path {
        self.draft.path()
    }

    /// Gives it its name. *Returns* its last group.
    pub fn commit(self) -> Result<Floor, StorageFault> {
        self.draft.finish()?;
        Ok(self.last)
    }
}

/// Tells whether a folder may be restored into: it is not there, or is empty.
pub fn is_vacant(folder: &Path) -> Result<bool, StorageFault> {
    draft::is_vacant(folder)
}
