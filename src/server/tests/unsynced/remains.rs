//! Owns: what a power cut leaves: the durable image, or that and a part of what was written and never synced.
//! Never: takes away what a sync promised.

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

const PAGE: usize = 4_096;
const SECTOR: usize = 512;

/// Says what is left of bytes and names that were never synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    Nothing,
    /// Of each file nothing, everything, or some pages, one of them perhaps torn between two sectors; of each folder its
    /// durable names or its newest; all by this seed.
    Some(u64),
}

/// Is the durable image and what was there beside it.
struct Remains<'a> {
    root: &'a Path,
    /// The content of each file by its serial, and its inode while it has a name.
    inodes: BTreeMap<u64, (PathBuf, u64)>,
    /// What each inode that has a name is called.
    live: BTreeMap<u64, PathBuf>,
    /// The durable names of each folder; `None` is a folder.
    folders: BTreeMap<String, BTreeMap<String, Option<u64>>>,
    dice: Option<StdRng>,
}

pub fn leave(root: &Path, image: &Path, kept: Kept, into: &Path) {
    fs::create_dir(into).unwrap();
    if !image.join("names").exists() {
        // No server has written anything since the last power cut.
        return copy_all(root, into);
    }
    let dice = match kept {
        Kept::Nothing => None,
        Kept::Some(seed) => Some(StdRng::seed_from_u64(seed)),
    };
    let (inodes, folders) = (read_inodes(image), read_names(image));
    let mut live = BTreeMap::new();
    find_live(root, &mut live);
    Remains { root, inodes, live, folders, dice }.fill("", into);
}

fn copy_all(from: &Path, into: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = into.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&to).unwrap();
            copy_all(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn read_inodes(image: &Path) -> BTreeMap<u64, (PathBuf, u64)> {
    let named = fs::read_dir(image.join("inodes")).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let (serial, inode) = name.split_once('.').expect("SERIAL.INODE");
        (serial.parse().unwrap(), (path.clone(), inode.parse().unwrap()))
    });
    named.collect()
}

fn read_names(image: &Path) -> BTreeMap<String, BTreeMap<String, Option<u64>>> {
    let mut folders = BTreeMap::<String, BTreeMap<_, _>>::new();
    for line in fs::read_to_string(image.join("names")).unwrap().lines() {
        let (path, serial) = line.split_once('\t').expect("a path and a serial");
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        folders.entry(folder.into()).or_default().insert(name.into(), serial.parse().ok());
    }
    folders
}

fn find_live(folder: &Path, found: &mut BTreeMap<u64, PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            find_live(&entry.path(), found);
        } else {
            found.insert(entry.metadata().unwrap().ino(), entry.path());
        }
    }
}

impl Remains<'_> {
    /// Fills one folder and those below it.
    fn fill(&mut self, folder: &str, into: &Path) {
        let newest = self.dice.as_mut().is_some_and(rand::RngExt::random);
        let names =
            if newest { self.newest(folder) } else { self.folders.get(folder).cloned().unwrap_or_default() };
        for (name, serial) in names {
            let to = into.join(&name);
            match serial {
                Some(serial) => self.put(serial, &to),
                None => {
                    fs::create_dir(&to).unwrap();
                    let below = if folder.is_empty() { name } else { format!("{folder}/{name}") };
                    self.fill(&below, &to);
                }
            }
        }
    }

    fn newest(&self, folder: &str) -> BTreeMap<String, Option<u64>> {
        let serials: BTreeMap<u64, u64> =
            self.inodes.iter().map(|(serial, (_, inode))| (*inode, *serial)).collect();
        let Ok(entries) = fs::read_dir(self.root.join(folder)) else { return BTreeMap::new() };
        let named = entries.filter_map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if entry.file_type().unwrap().is_dir() {
                return Some((name, None));
            }
            // The kill may have come between the file and its place in the image.
            Some((name, Some(*serials.get(&entry.metadata().unwrap().ino())?)))
        });
        named.collect()
    }

    fn put(&mut self, serial: u64, to: &Path) {
        let (durable, inode) = &self.inodes[&serial];
        let written = self.live.get(inode).filter(|_| *inode != 0);
        let (Some(dice), Some(written)) = (&mut self.dice, written) else {
            fs::copy(durable, to).unwrap();
            return;
        };
        let (durable, written) = (fs::read(durable).unwrap(), fs::read(written).unwrap());
        fs::write(to, mixed(durable, &written, dice)).unwrap();
    }
}

/// Mixes what is durable of a file with what was written to it.
fn mixed(mut durable: Vec<u8>, written: &[u8], dice: &mut StdRng) -> Vec<u8> {
    if durable == written || dice.random_ratio(1, 4) {
        return durable;
    }
    if dice.random_ratio(1, 3) {
        return written.to_vec();
    }
    if written.len() < durable.len() && dice.random() {
        durable.truncate(written.len());
    }
    for from in (0..written.len()).step_by(PAGE) {
        let page = &written[from..written.len().min(from + PAGE)];
        let same = durable.get(from..from + page.len()).is_some_and(|before| before == page);
        if same || dice.random() {
            continue;
        }
        let torn = dice.random_ratio(1, 8);
        let kept = if torn { page.len().min(SECTOR * dice.random_range(1..8)) } else { page.len() };
        // Where the file was shorter, and the pages before were not kept, there are zeros.
        durable.resize(durable.len().max(from + kept), 0);
        durable[from..from + kept].copy_from_slice(&page[..kept]);
    }
    durable
}
