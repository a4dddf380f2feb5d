//! Owns: how the process ends: one number for each kind of end, for supervisors and scripts. Never: ends the process.

use std::process::ExitCode;

/// Numbers the ways to end. From 64 on they are those of sysexits where it has one. They never change meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All went as asked; what was asked of the rules was approved.
    Done = 0,
    /// An audit found a difference, or something failed that has no number of its own.
    Failed = 1,
    /// The rules said no. It was decided, and is remembered under its key.
    Declined = 10,
    /// The server refused: nothing was decided, and the same request will be refused again.
    Refused = 11,
    /// There was no answer, or no answer now. The same command with the same key tells what became of it.
    Unavailable = 12,
    /// Nothing was ever decided under the name that was looked up.
    NeverSeen = 13,
    /// The command line, the configuration or an input file cannot be used. Starting again as it is will not help.
    Usage = 64,
    /// The data folder or the backup is damaged, is a newer build's, or says what the rules do not. Nothing was repaired; a
    /// person must look.
    Corrupt = 65,
    /// The disk refused or failed. What was acknowledged is kept; start again once there is room.
    Storage = 74,
    /// Another process has the data folder open. Starting again later can help.
    InUse = 75,
}

impl Exit {
    /// Lists every way to end, in the order of the numbers.
    pub const ALL: [Self; 10] = [
        Self::Done,
        Self::Failed,
        Self::Declined,
        Self::Refused,
        Self::Unavailable,
        Self::NeverSeen,
        Self::Usage,
        Self::Corrupt,
        Self::Storage,
        Self::InUse,
    ];

    /// Explains the numbers, for `--help` and the man page.
    pub const HELP: &'static str = "\
Exit codes:
  0   all went as asked; a payment was approved
  1   an audit found a difference, or something else failed
  10  declined: the rules said no, and that is the answer
  11  refused: nothing was decided, and sending the same again will not help
  12  no answer now: the same command with the same --key tells what became of it
  13  looked up and never seen
  64  the command line, the configuration or an input file cannot be used
  65  the data folder or the backup is damaged, is a newer build's, or says what the rules do not
  74  the journal cannot be written, or the disk failed
  75  the data folder is in use by another process";
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_explained_once_and_in_order() {
        let lines = || Exit::HELP.lines().skip(1);
        let numbers: Vec<u8> =
            lines().map(|line| line.split_whitespace().next().unwrap().parse().unwrap()).collect();
        assert_eq!(numbers, Exit::ALL.map(|exit| exit as u8));
        assert!(numbers.is_sorted_by(|a, b| a < b));
    }
}
