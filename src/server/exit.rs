//! Owns: how the process ends: one number for each kind of end, for supervisors and scripts. Never: ends the process.

use std::process::ExitCode;

/// Numbers the ways to end. The numbers are those of sysexits where it has one, and never change meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All went as asked.
    Done = 0,
    /// An audit found a difference, or something failed that has no number of its own.
    Failed = 1,
    /// The command line or the configuration cannot be used. Starting again as it is will not help.
    Usage = 64,
    /// The data folder is damaged. Nothing was repaired; a person must look.
    Corrupt = 65,
    /// The disk refused or failed. What was acknowledged is kept; start again once there is room.
    Storage = 74,
    /// Another process has the data folder open. Starting again later can help.
    InUse = 75,
}

impl Exit {
    /// Explains the numbers, for `--help`.
    pub const HELP: &'static str = "\
Exit codes:
  0   all went as asked
  1   an audit found a difference, or something else failed
  64  the command line or the configuration cannot be used
  65  the data folder is damaged
  74  the journal cannot be written, or the disk failed
  75  the data folder is in use by another process";
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
