//! Owns: the places of a data folder, and what a broken disk, file system or hand can do to a file there.
//! Never: opens a folder.

use super::past::files_below;
use rand::{RngExt as _, rngs::StdRng};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Is a kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub name: &'static str,
    folder: &'static str,
    /// How its name begins.
    prefix: &'static str,
    /// How its name ends.
    suffix: &'static str,
}

const fn place(
    name: &'static str,
    folder: &'static str,
    prefix: &'static str,
    suffix: &'static str,
) -> Place {
    Place { name, folder, prefix, suffix }
}

pub const PLACES: [Place; 9] = [
    place("journal: logs", "journal", "", ".log"),
    place("journal: files of groups", "journal", "", ".sst"),
    place("journal: list of files", "journal", "MANIFEST", ""),
    place("journal: name of the list", "journal", "CURRENT", ""),
    place("index: logs", "index", "", ".log"),
    place("index: files", "index", "", ".sst"),
    place("index: list of files", "index", "MANIFEST", ""),
    place("index: name of the list", "index", "CURRENT", ""),
    place("FORMAT", "", "FORMAT", ""),
];

/// Is what happens to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// One bit is another.
    BitFlipped,
    /// A sector reads as zeros.
    SectorZeroed,
    /// A sector has what belongs to another place of the file.
    SectorMisplaced,
    /// It ends too early.
    Shortened,
    /// It is gone.
    Missing,
    /// It is as it was at the end of the first life; if there was none of this name, it is empty.
    Older,
}

pub const FAULTS: [Fault; 6] = [
    Fault::BitFlipped,
    Fault::SectorZeroed,
    Fault::SectorMisplaced,
    Fault::Shortened,
    Fault::Missing,
    Fault::Older,
];

const SECTOR_BYTES: usize = 512;

impl Fault {
    pub fn name(self) -> &'static str {
        match self {
            Self::BitFlipped => "a bit flipped",
            Self::SectorZeroed => "a sector zeroed",
            Self::SectorMisplaced => "a sector misplaced",
            Self::Shortened => "shortened",
            Self::Missing => "missing",
            Self::Older => "an older state",
        }
    }

    /// Returns whether drawing it again makes another damage.
    pub fn is_drawn(self) -> bool {
        matches!(self, Self::BitFlipped | Self::SectorZeroed | Self::SectorMisplaced | Self::Shortened)
    }
}

/// Is one damage that was done.
#[derive(Debug, Clone)]
pub struct Damage {
    /// Which file, below the data folder.
    pub file: PathBuf,
    /// Where in it.
    pub at: usize,
}

/// Damages one file of a place. `None` when no file is there, or when what would be written is what is there already.
pub fn damage(data: &Path, older: &Path, place: Place, fault: Fault, dice: &mut StdRng) -> Option<Damage> {
    let folder = data.join(place.folder);
    let named = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        path.parent() == Some(&folder) && name.starts_with(place.prefix) && name.ends_with(place.suffix)
    };
    let mut files: Vec<PathBuf> = files_below(data).into_iter().filter(named).collect();
    files.retain(|path| fs::metadata(path).unwrap().len() > 0);
    if files.is_empty() {
        return None;
    }
    let path = files.swap_remove(dice.random_range(..files.len()));
    let file = path.strip_prefix(data).unwrap().to_owned();
    let before = fs::read(&path).unwrap();
    let (at, after) = match fault {
        Fault::Missing => {
            fs::remove_file(&path).unwrap();
            return Some(Damage { file, at: 0 });
        }
        Fault::Older => (0, fs::read(older.join(&file)).unwrap_or_default()),
        drawn => bytes_after(drawn, &before, dice),
    };
    (after != before).then(|| {
        fs::write(&path, after).unwrap();
        Damage { file, at }
    })
}

fn bytes_after(fault: Fault, before: &[u8], dice: &mut StdRng) -> (usize, Vec<u8>) {
    let mut after = before.to_vec();
    // Behind the end of what was written, a log is mostly what was allotted to it: half of the damage goes to what is there.
    let written = before.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
    let end = if dice.random_bool(0.5) { written } else { before.len() };
    let at = dice.random_range(..end);
    let sector =
        at / SECTOR_BYTES * SECTOR_BYTES..(at / SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES).min(before.len());
    match fault {
        Fault::BitFlipped => after[at] ^= 1 << dice.random_range(..8_u32),
        Fault::SectorZeroed => after[sector].fill(0),
        Fault::SectorMisplaced => {
            let from = dice.random_range(..=before.len() - sector.len());
            after[sector.clone()].copy_from_slice(&before[from..from + sector.len()]);
        }
        Fault::Shortened => after.truncate(at),
        Fault::Missing | Fault::Older => unreachable!("these draw nothing"),
    }
    (at, after)
}
