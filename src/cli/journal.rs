//! Owns: `tallystick journal`: reading a data folder while no server has it open. Never: changes a byte of it.

mod inspect;
mod names;
#[cfg(test)]
mod tests;
mod verify;
pub(crate) mod words;
pub(crate) mod world;

use crate::{
    Failure,
    desk::{Output, Said},
};
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};
use tallystick_journal::{GroupView, StorageFault};
use tallystick_store::StoreReader;

/// Takes `tallystick journal`.
#[derive(Debug, Args)]
pub struct JournalArgs {
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(subcommand)]
    pub(crate) command: JournalCommand,
}

/// Is what can be done with a journal.
#[derive(Debug, Subcommand)]
pub(crate) enum JournalCommand {
    /// Write groups and records in words.
    Inspect(inspect::InspectArgs),
    /// Check everything: the chain of groups, each record against the rules, every sum at the end.
    Verify(verify::VerifyArgs),
}

/// Names a data folder.
#[derive(Debug, Args)]
pub(crate) struct Folder {
    /// The data folder of a server that is not running.
    #[arg(value_name = "DATA_DIR")]
    data: PathBuf,
}

impl Folder {
    fn open(&self) -> Result<StoreReader, Failure> {
        Data(&self.data).open()
    }
}

/// Is a data folder that may be one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Data<'a>(pub(crate) &'a Path);

impl Data<'_> {
    /// Opens it to be read. *Errors*: it is none; as `StoreReader::open`.
    pub(crate) fn open(self) -> Result<StoreReader, Failure> {
        if !is_data_folder(self.0) {
            let given = self.0.display().to_string();
            return Err(Failure::usage(
                "DATA_DIR",
                &given,
                "must be a data folder, with `journal` and `index` in it",
            ));
        }
        StoreReader::open(self.0).map_err(Failure::Storage)
    }
}

fn is_data_folder(folder: &Path) -> bool {
    folder.join("journal").is_dir() && folder.join("index").is_dir()
}

pub(crate) fn run(args: JournalArgs, currency_text: fn(u16) -> String) -> Result<Said, Failure> {
    let JournalArgs { output, command } = args;
    match command {
        JournalCommand::Inspect(args) => inspect::run(&args, output, currency_text),
        JournalCommand::Verify(args) => verify::run(&args, output, currency_text),
    }
}

/// Finds where the journal ends; zero for an empty one.
fn last_seq(reader: &StoreReader) -> Result<u64, StorageFault> {
    let mut last = 0;
    reader.groups(u64::MAX, &mut |key, bytes| {
        last = GroupView::parse(key, bytes)?.last_seq();
        Ok(std::ops::ControlFlow::Continue(()))
    })?;
    Ok(last)
}
