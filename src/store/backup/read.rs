//! Owns: reading a backup: every byte is checked on the way, and what does not hold is located: file, byte, and what stands
//! there.
//! Never: a byte that no check covers; a change.

use std::{
    fs::{self, File},
    io::{ErrorKind, Read as _},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use tallystick_journal::StorageFault;
use xxhash_rust::xxh3::Xxh3;

use super::{
    Flow, VisitPiece, draft,
    frame::{self, Framed, Frames, HEADER_BYTES},
    manifest::{FILE, FileEntry, Manifest},
};
use crate::fault;

const READ_BYTES: usize = 1 << 20;

/// Is a backup that can be read.
#[derive(Debug)]
pub struct Backup {
    folder: PathBuf,
    manifest: Manifest,
}

impl Backup {
    /// Opens the backup in `folder`. *Errors*: `Io` when there is none; `Newer`; `Corrupt` for one that was interrupted, and
    /// for a manifest that does not hold.
    pub fn open(folder: &Path) -> Result<Self, StorageFault> {
        draft::check_finished(folder)?;
        let path = folder.join(FILE);
        let text = fs::read(&path).map_err(|e| match e.kind() {
            ErrorKind::NotFound => {
                StorageFault::Io(format!("{} is no backup: it has no {FILE}", folder.display()))
            }
            _ => fault::from_os(&path, &e),
        })?;
        let text = String::from_utf8(text).map_err(|_| StorageFault::Corrupt {
            place: format!("backup {FILE}"),
            finding: "these bytes are no text".to_owned(),
        })?;
        Ok(Self::of(folder, Manifest::decode(&text)?))
    }

    pub(super) fn of(folder: &Path, manifest: Manifest) -> Self {
        Self { folder: folder.to_owned(), manifest }
    }

    /// Tells whether there is a manifest in `folder`, whole or not.
    pub fn is_one(folder: &Path) -> bool {
        folder.join(FILE).exists()
    }

    /// Says what it holds.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Visits every piece, in order. *Errors*: the disk's; `Corrupt` and `Newer`, naming file and byte; the visitor's.
    pub fn pieces(&self, visit: &mut VisitPiece<'_>) -> Result<(), StorageFault> {
        for entry in &self.manifest.files {
            if self.file(entry, visit)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Visits the groups alone, beginning with the file that has `from_seq`.
    pub fn groups(&self, from_seq: u64, visit: &mut VisitPiece<'_>) -> Result<(), StorageFault> {
        for entry in self.manifest.files.iter().filter(|entry| entry.seqs.1 >= from_seq.max(1)) {
            if self.file(entry, visit)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn file(&self, entry: &FileEntry, visit: &mut VisitPiece<'_>) -> Flow {
        let (name, path) = (&entry.name, self.folder.join(&entry.name));
        let mut file = File::open(&path).map_err(|e| match e.kind() {
            ErrorKind::NotFound => frame::corrupt(name, 0, "the file is missing"),
            _ => fault::from_os(&path, &e),
        })?;
        let length = file.metadata().map_err(|e| fault::from_os(&path, &e))?.len();
        let mut walk = Walk::new(entry);
        let mut bytes = vec![0; READ_BYTES];
        loop {
            let count = file.read(&mut bytes).map_err(|e| fault::from_os(&path, &e))?;
            let read = bytes.get(..count).unwrap_or_default();
            if count == 0 {
                return walk.end(length).map(|()| ControlFlow::Continue(()));
            }
            if walk.take(read, visit)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }
}

/// Is a file under way.
struct Walk<'a> {
    entry: &'a FileEntry,
    hash: Xxh3,
    header: Vec<u8>,
    frames: Frames,
    pieces: u64,
    ended: Option<u64>,
}

impl<'a> Walk<'a> {
    fn new(entry: &'a FileEntry) -> Self {
        let frames = Frames::new(&entry.name, HEADER_BYTES as u64);
        Self { entry, hash: Xxh3::new(), header: Vec::new(), frames, pieces: 0, ended: None }
    }

    fn take(&mut self, read: &[u8], visit: &mut VisitPiece<'_>) -> Flow {
        self.hash.update(read);
        let missing = HEADER_BYTES - self.header.len();
        let (front, read) = read.split_at(missing.min(read.len()));
        self.header.extend_from_slice(front);
        if self.header.len() < HEADER_BYTES {
            return Ok(ControlFlow::Continue(()));
        }
        if missing > 0 {
            frame::check_header(&self.entry.name, &self.header)?;
        }
        self.frames.push(read);
        loop {
            let at = self.frames.at();
            match self.frames.next()? {
                None => return Ok(ControlFlow::Continue(())),
                Some(_) if self.ended.is_some() => {
                    return Err(frame::corrupt(&self.entry.name, at, "a frame follows the file's end"));
                }
                Some(Framed::End(count)) => self.ended = Some(count),
                Some(Framed::Piece(piece)) => {
                    self.pieces += 1;
                    if visit(&piece)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
        }
    }

    /// Checks what only the whole file tells.
    fn end(&self, length: u64) -> Result<(), StorageFault> {
        let Self { entry, .. } = self;
        let corrupt = |finding: String| Err(frame::corrupt(&entry.name, self.frames.at(), &finding));
        if length != entry.bytes {
            return corrupt(format!("it has {length} bytes and should have {}", entry.bytes));
        }
        if self.frames.waiting() > 0 || self.ended.is_none() {
            return corrupt("the file ends within a frame".to_owned());
        }
        if self.ended != Some(self.pieces) || self.pieces != entry.pieces {
            return corrupt(format!("it has {} pieces and should have {}", self.pieces, entry.pieces));
        }
        let check = self.hash.digest();
        if check != entry.check {
            return corrupt(format!("its checksum is {check:016x} and should be {:016x}", entry.check));
        }
        Ok(())
    }
}
