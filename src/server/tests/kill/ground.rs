//! Owns: where the servers of a test live, one after another, and what befalls the place when one has died.
//! Never: starts a server.

#![allow(dead_code, reason = "each test file uses a part of it")]

use crate::{
    support,
    unsynced::{Disk, Kept, Switch},
};
use rand::{RngExt as _, rngs::StdRng};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokio::process::Command;

/// Is where servers live.
#[derive(Debug)]
pub enum Ground {
    /// A folder whose files outlive any process.
    Folder(TempDir),
    /// A disk that forgets what was not synced: whenever a server dies, so does the power.
    Forgetful(Disk),
}

impl Ground {
    pub fn data(&self) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.path().join("data"),
            Self::Forgetful(disk) => disk.data(),
        }
    }

    pub fn command(&self, checkpoint_records: u32, args: &[&str]) -> Command {
        let mut command = match self {
            Self::Folder(_) => support::serve_command(&self.data()),
            Self::Forgetful(disk) => disk.serve_command(),
        };
        command.args(["--checkpoint-records", &checkpoint_records.to_string(), "--sweep-every-ms", "20"]);
        command.args(args);
        command
    }

    /// Has the disk kill the server before it next syncs a folder that the disk's faults are for.
    pub fn arm(&self) {
        let Self::Forgetful(disk) = self else { panic!("{self:?} kills nobody") };
        disk.set(Switch::KillIn, 1);
    }

    /// Lets happen to the disk what a server's death makes visible: of what it had not synced, nothing is left, or some.
    pub fn died(&self, dice: &mut StdRng) {
        let Self::Forgetful(disk) = self else { return };
        disk.cut_power(if dice.random() { Kept::Nothing } else { Kept::Some(dice.random()) });
    }

    /// Makes another folder of what may as well have been left. Returns its data folder; nothing where nothing is lost.
    pub fn otherwise(&self, dice: &mut StdRng, into: &Path) -> Option<PathBuf> {
        let Self::Forgetful(disk) = self else { return None };
        disk.leave(Kept::Some(dice.random()), into);
        Some(into.join("data"))
    }
}
