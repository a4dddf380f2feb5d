//! Owns: a disk that forgets what was not synced: a folder, the library that is preloaded into servers on it
//! (`unsynced.c`), the switches of that library, and the power cut.
//! Never: a process; what a server makes of it.

#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test file uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "`allow-unwrap-in-tests` does not reach modules of tests"
)]

pub mod remains;

use crate::support;
use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process,
    sync::OnceLock,
};
use tempfile::TempDir;
use tokio::process::Command;

pub use remains::Kept;

/// Says when a name lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// With a sync of its folder: all that POSIX promises, and what a server must do with.
    WithFolder,
    /// With any sync, as in a file system that commits its whole journal: names come before content here.
    WithJournal,
    /// At once.
    AtOnce,
}

/// Is a number that a running server's disk or clock goes by. The order is `struct control`'s in `unsynced.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// Is added to the wall clock.
    ClockNs,
    /// How long a sync takes.
    SyncNs,
    /// Not 0: syncs say that they are done, and keep nothing.
    Lies,
    /// The n-th sync from now fails; -1: each.
    SyncFailsIn,
    /// What may still be written before the disk is full; -1: no end.
    RoomBytes,
    /// The server is killed before the n-th sync or change of a name from now; 0: never.
    KillIn,
    /// Not 0: reads return less than was asked for, by this seed.
    ReadsShort,
    /// The n-th read from now fails; -1: each.
    ReadFailsIn,
    /// Counts syncs and changes of names.
    Events,
    /// Counts faults that were put in.
    Faults,
}

const SWITCHES: usize = 10;
/// About what a sync of the disk takes that the other figures were measured on; groups gather meanwhile.
const SYNC_NS: i64 = 150_000;

/// Is a folder on a disk that forgets.
#[derive(Debug)]
pub struct Disk {
    folder: TempDir,
    names: Names,
    /// Which files the faults are for.
    pattern: &'static str,
}

impl Disk {
    pub fn new(names: Names) -> Self {
        Self::with_faults_for("*", names)
    }

    /// Makes a disk whose faults are for files that match `pattern`, such as `data/journal/*`.
    pub fn with_faults_for(pattern: &'static str, names: Names) -> Self {
        let disk = Self { folder: tempfile::tempdir().unwrap(), names, pattern };
        fs::create_dir(disk.root()).unwrap();
        File::create(disk.control()).unwrap().set_len(SWITCHES as u64 * 8).unwrap();
        disk.set(Switch::RoomBytes, -1);
        disk.set(Switch::SyncNs, SYNC_NS);
        disk
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    fn control(&self) -> PathBuf {
        self.folder.path().join("control")
    }

    /// Returns where the data folder is.
    pub fn data(&self) -> PathBuf {
        self.root().join("data")
    }

    /// Returns the command that serves the data folder from this disk.
    pub fn serve_command(&self) -> Command {
        self.under(support::serve_command(&self.data()))
    }

    /// Lets what a command starts live on this disk.
    pub fn under(&self, mut command: Command) -> Command {
        let names = match self.names {
            Names::WithFolder => "folder",
            Names::WithJournal => "journal",
            Names::AtOnce => "at-once",
        };
        command
            .env("LD_PRELOAD", library())
            .env("UNSYNCED_ROOT", self.root())
            .env("UNSYNCED_IMAGE", self.image())
            .env("UNSYNCED_CONTROL", self.control())
            .env("UNSYNCED_MATCH", self.pattern)
            .env("UNSYNCED_NAMES", names);
        command
    }

    /// Sets a switch, for servers that run as well as for those to come.
    pub fn set(&self, switch: Switch, to: i64) {
        let control = File::options().write(true).open(self.control()).unwrap();
        control.write_all_at(&to.to_ne_bytes(), switch as u64 * 8).unwrap();
    }

    pub fn get(&self, switch: Switch) -> i64 {
        let mut bytes = [0; 8];
        File::open(self.control()).unwrap().read_exact_at(&mut bytes, switch as u64 * 8).unwrap();
        i64::from_ne_bytes(bytes)
    }

    /// Puts in the folder's place what a power cut leaves of it. The server must be dead.
    pub fn cut_power(&self, kept: Kept) {
        let after = self.folder.path().join("after");
        self.leave(kept, &after);
        fs::remove_dir_all(self.root()).unwrap();
        // The next server begins a new image, with all that is there now.
        if self.image().exists() {
            fs::remove_dir_all(self.image()).unwrap();
        }
        fs::rename(after, self.root()).unwrap();
    }

    /// Puts what a power cut would leave into the new folder `into`; its data folder is `into/data`.
    pub fn leave(&self, kept: Kept, into: &Path) {
        remains::leave(&self.root(), &self.image(), kept, into);
    }
}

/// Compiles the library, once a process.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/unsynced/unsynced.c");
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("unsynced.so");
        // Another test may be running with the one that is there: it is replaced, not written over.
        let draft = library.with_extension(process::id().to_string());
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let mut compile = process::Command::new(compiler);
        compile.args(["-O2", "-Wall", "-Wextra", "-Werror", "-Wno-format-truncation", "-shared", "-fPIC"]);
        let done = compile.arg(source).arg("-o").arg(&draft).status();
        assert!(done.is_ok_and(|status| status.success()), "the C compiler makes the library");
        fs::rename(draft, &library).unwrap();
        library
    })
}
