//! Owns: `tallystick backup`: copying a data folder, served or not, into a backup; and looking at one. Never: changes a data
//! folder; calls a backup whole before it is.

mod make;
mod proof;
mod show;
#[cfg(test)]
mod tests;
mod verify;

pub(crate) use proof::{Proven, replay, unjudged};
pub(crate) use verify::compare;

use crate::{
    Failure,
    desk::{Output, Said},
    moment, screen,
};
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};
use tallystick_store::backup::{Backup, CopyFault, Manifest};

/// Takes `tallystick backup`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct BackupArgs {
    #[command(subcommand)]
    command: Option<BackupCommand>,
    #[command(flatten)]
    make: make::MakeArgs,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Is what can be done with a backup that is there.
#[derive(Debug, Subcommand)]
enum BackupCommand {
    /// Prove a backup: every byte against its checksums, every record against the rules, and all that they come to.
    Verify(Folder),
    /// Say what a backup holds, without reading all of it.
    Show(Folder),
}

/// Names a backup.
#[derive(Debug, Args)]
pub(crate) struct Folder {
    /// The backup.
    #[arg(value_name = "BACKUP_DIR")]
    backup: PathBuf,
}

impl Folder {
    pub(crate) fn path(&self) -> &Path {
        &self.backup
    }

    pub(crate) fn open(&self) -> Result<Backup, Failure> {
        if !self.backup.is_dir() {
            let given = self.backup.display().to_string();
            return Err(Failure::usage("BACKUP_DIR", &given, "must be the folder of a backup"));
        }
        Backup::open(&self.backup).map_err(Failure::Storage)
    }
}

pub(crate) fn run(args: &BackupArgs) -> Result<Said, Failure> {
    match &args.command {
        None => make::run(&args.make),
        Some(BackupCommand::Verify(folder)) => verify::run(folder),
        Some(BackupCommand::Show(folder)) => show::run(folder),
    }
}

/// Turns the fault of a copy.
pub(crate) fn failed(fault: CopyFault) -> Failure {
    match fault {
        CopyFault::Storage(fault) => Failure::Storage(fault),
        refused @ (CopyFault::Empty | CopyFault::GivenBack { .. } | CopyFault::OtherHistory { .. }) => {
            Failure::Refused { doing: "back up", why: refused.to_string() }
        }
    }
}

/// Writes from where to where a backup can be restored.
fn reach(manifest: &Manifest) -> String {
    let (from, to) = (screen::grouped(manifest.restorable_from()), screen::grouped(manifest.last.seq));
    format!("seq {from} to {to}, until {}", moment::from_ns(manifest.times.1))
}
