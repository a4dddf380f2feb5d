//! Owns: writing a backup: pieces in order into files, each file synced, the manifest last; a new backup under a name of its
//! own until it is whole, an addition to one in files that only the next manifest names.
//! Never: a group that does not follow the one before; more memory than a frame.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
};

use tallystick_core::Record;
use tallystick_journal::{Chain, Floor, GroupView, StorageFault, rows};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::{
    draft::{self, Draft},
    frame,
    manifest::{Digest, FILE, FileEntry, Manifest},
    piece::Piece,
    read::Backup,
};
use crate::{fault, folder};

/// Is about how long a file of groups gets: the smaller, the closer damage is located.
const FILE_BYTES: u64 = 64 << 20;
/// Is how much is written at a time.
const WRITE_BYTES: usize = 1 << 20;
const STATE: &str = "state.tsb";

/// Writes a piece as it travels, as `Frames` takes it, to the end of `out`.
pub fn frame_into(piece: &Piece<'_>, out: &mut Vec<u8>) {
    frame::put(piece, out);
}

/// Is a file under way.
struct Writing {
    file: File,
    path: PathBuf,
    entry: FileEntry,
    hash: Xxh3,
    waiting: Vec<u8>,
}

impl Writing {
    fn begin(folder: &Path, name: String) -> Result<Self, StorageFault> {
        let path = folder.join(&name);
        // One that an interrupted addition left has no place in a manifest.
        let file = File::create(&path).map_err(|e| fault::from_os(&path, &e))?;
        let entry = FileEntry { name, bytes: 0, pieces: 0, check: 0, seqs: (0, 0) };
        Ok(Self { file, path, entry, hash: Xxh3::new(), waiting: frame::header().to_vec() })
    }

    fn take(&mut self, piece: &Piece<'_>) -> Result<(), StorageFault> {
        frame::put(piece, &mut self.waiting);
        self.entry.pieces += 1;
        if self.waiting.len() >= WRITE_BYTES { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), StorageFault> {
        self.file.write_all(&self.waiting).map_err(|e| fault::from_os(&self.path, &e))?;
        self.hash.update(&self.waiting);
        self.entry.bytes += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }

    fn end(mut self) -> Result<FileEntry, StorageFault> {
        frame::put_end(self.entry.pieces, &mut self.waiting);
        self.write()?;
        self.file.sync_all().map_err(|e| fault::from_os(&self.path, &e))?;
        self.entry.check = self.hash.digest();
        Ok(self.entry)
    }
}

/// Says where a backup is written.
#[derive(Debug)]
enum Place {
    New(Draft),
    Added { path: PathBuf, _lock: File },
}

impl Place {
    fn path(&self) -> &Path {
        match self {
            Self::New(draft) => draft.path(),
            Self::Added { path, .. } => path,
        }
    }
}

/// Writes a backup.
#[expect(missing_debug_implementations, reason = "the checksum under way has none")]
pub struct BackupWriter {
    place: Place,
    manifest: Manifest,
    writing: Option<Writing>,
    chain: Chain,
}

impl BackupWriter {
    /// Begins a new backup in `folder`, which must not be there, or be empty.
    pub fn begin(folder: &Path) -> Result<Self, StorageFault> {
        let place = Place::New(Draft::begin(folder)?);
        let manifest = Manifest { times: (u64::MAX, 0), ..Manifest::default() };
        Ok(Self { place, manifest, writing: None, chain: Chain::default() })
    }

    /// Goes on with the backup in `folder`.
    pub fn resume(folder: &Path) -> Result<Self, StorageFault> {
        // ORDER: the lock first, so that the manifest read is the one that will be replaced.
        let lock = draft::lock(folder)?;
        let manifest = Backup::open(folder)?.manifest().clone();
        let mut chain = Chain::default();
        chain.extend(manifest.last.seq, manifest.last.check);
        let place = Place::Added { path: folder.to_owned(), _lock: lock };
        Ok(Self { place, manifest: Manifest { digest: None, ..manifest }, writing: None, chain })
    }

    /// Returns the last group there is, which what comes must follow; `None` in a new one.
    pub fn after(&self) -> Option<Floor> {
        (self.chain.last_seq() > 0).then(|| Floor { seq: self.chain.last_seq(), check: self.chain.check() })
    }

    /// Takes a piece. *Errors*: the disk's; `Corrupt` for one that does not hold or does not follow.
    pub fn take(&mut self, piece: &Piece<'_>) -> Result<(), StorageFault> {
        match piece {
            Piece::Group { first_seq, value } => return self.take_group(piece, *first_seq, value),
            Piece::Head { value, .. } => {
                let head = rows::decode_head(value)?;
                self.manifest.state_seq = self.manifest.state_seq.max(head.covered);
                self.manifest.journal = xxh3_128(&head.seed.0);
            }
            Piece::Row { .. }
            | Piece::Settlement { .. }
            | Piece::CommandKey { .. }
            | Piece::Projected { .. } => {}
        }
        if self.chain.last_seq() > 0 {
            let (place, finding) = (piece.name(), "it comes after the journal's groups".to_owned());
            return Err(StorageFault::Corrupt { place, finding });
        }
        self.writing(STATE.to_owned())?.take(piece)
    }

    fn take_group(&mut self, piece: &Piece<'_>, first_seq: u64, value: &[u8]) -> Result<(), StorageFault> {
        let group = GroupView::parse(first_seq, value)?;
        let is_first = self.chain.last_seq() == 0;
        self.chain.accept(&group)?;
        let (mut earliest, mut latest) = self.manifest.times;
        let mut seed = None;
        group.records(|_, stamp, record| {
            (earliest, latest) = (earliest.min(stamp.at.ns()), latest.max(stamp.at.ns()));
            if let Record::Genesis(genesis) = record {
                seed = Some(genesis.seed);
            }
        })?;
        self.manifest.times = (earliest, latest);
        if let Some(seed) = seed {
            self.manifest.journal = xxh3_128(&seed.0);
        }
        if is_first {
            self.manifest.first_seq = first_seq;
        }
        let is_full = self.writing.as_ref().is_some_and(|writing| writing.entry.bytes >= FILE_BYTES);
        if is_first || is_full {
            self.end_file()?;
        }
        let writing = self.writing(format!("journal-{first_seq:020}.tsb"))?;
        if writing.entry.pieces == 0 {
            writing.entry.seqs.0 = first_seq;
        }
        writing.entry.seqs.1 = group.last_seq();
        writing.take(piece)
    }

    fn writing(&mut self, name: String) -> Result<&mut Writing, StorageFault> {
        let begun = match self.writing.take() {
            Some(writing) => writing,
            None => Writing::begin(self.place.path(), name)?,
        };
        Ok(self.writing.insert(begun))
    }

    fn end_file(&mut self) -> Result<(), StorageFault> {
        if let Some(writing) = self.writing.take() {
            self.manifest.files.push(writing.end()?);
        }
        Ok(())
    }

    /// Ends the files. What was written can be read from what is returned, before it has its name.
    ///
    /// *Errors*: the disk's; `Corrupt` if the groups end before what the state contains.
    pub fn seal(
        mut self,
        index_seq: Option<u64>,
        restored: Vec<Floor>,
    ) -> Result<SealedBackup, StorageFault> {
        self.end_file()?;
        self.manifest.last = Floor { seq: self.chain.last_seq(), check: self.chain.check() };
        self.manifest.restored = restored;
        if let Some(index_seq) = index_seq {
            self.manifest.index_seq = index_seq;
        }
        let reach = self.manifest.state_seq.max(self.manifest.index_seq);
        if self.manifest.last.seq < reach {
            let finding = format!(
                "it ends at seq {}, but {reach} was durable: acknowledged records are missing",
                self.manifest.last.seq
            );
            return Err(StorageFault::Corrupt { place: "journal".to_owned(), finding });
        }
        folder::sync(self.place.path())?;
        let backup = Backup::of(self.place.path(), self.manifest);
        Ok(SealedBackup { place: self.place, backup })
    }
}

/// Is a backup that is written and has no name yet.
#[derive(Debug)]
pub struct SealedBackup {
    place: Place,
    backup: Backup,
}

impl SealedBackup {
    /// Returns what was written, to be read back.
    pub fn backup(&self) -> &Backup {
        &self.backup
    }

    /// Writes the manifest, with what all comes to if that was found out, and gives the backup its name.
    pub fn commit(self, digest: Option<Digest>) -> Result<Manifest, StorageFault> {
        let manifest = Manifest { digest, ..self.backup.manifest().clone() };
        let folder_path = self.place.path();
        let (path, draft) = (folder_path.join(FILE), folder_path.join("MANIFEST.draft"));
        let written = File::create(&draft).and_then(|mut file| {
            file.write_all(manifest.encode().as_bytes())?;
            file.sync_all()
        });
        // ORDER: what the manifest names is synced already; whoever finds it under its name finds it whole.
        written.and_then(|()| fs::rename(&draft, &path)).map_err(|e| fault::from_os(&path, &e))?;
        folder::sync(folder_path)?;
        match self.place {
            Place::New(draft) => draft.finish()?,
            Place::Added { .. } => {}
        }
        Ok(manifest)
    }
}
