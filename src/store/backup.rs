//! Owns: backups: a folder of plain files in a format of our own, versioned and checksummed, that holds what a data folder
//! is made of and nothing of RocksDB's: so it can be read for ever, and tells by itself whether it is whole.
//!
//! ```text
//! backup/
//!   MANIFEST         text: what the backup holds, and the length and checksum of every file; written last
//!   state.tsb        what the journal's given back beginning came to: checkpoints, settlements, keys, index. Absent when
//!                    the journal is whole
//!   journal-N.tsb    the journal's groups, N the first seq; the next file goes on where this one ends
//! ```
//!
//! Never: what a row, a record or an entry means beyond its place, its seq and its time; a file without a check.

mod copy;
mod draft;
mod frame;
mod manifest;
mod piece;
mod read;
mod restore;
mod write;

pub(crate) use copy::copy;
pub use copy::{Copied, CopyFault};
pub(crate) use draft::check_finished;
pub use frame::Frames;
pub use manifest::{BACKUP_FORMAT, Digest, FileEntry, Manifest};
pub use piece::Piece;
pub use read::Backup;
pub use restore::{Restorer, SealedRestore, is_vacant};
pub use write::{BackupWriter, SealedBackup, frame_into};

use std::ops::ControlFlow;
use tallystick_journal::StorageFault;

/// Is called with each piece; `Break` ends the walk early without a fault.
pub type VisitPiece<'a> = dyn FnMut(&Piece<'_>) -> Flow + 'a;
type Flow = Result<ControlFlow<()>, StorageFault>;
