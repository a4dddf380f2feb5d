//! Owns: why a server does not start, or does not go on, and what that means for the exit code. Never: a caller's error.

use crate::Exit;
use rand::rngs::SysError;
use std::{io, net::SocketAddr, path::PathBuf};
use tallystick_engine::{Fault, StartFault};
use tallystick_journal::StorageFault;

/// Ends a server.
#[derive(Debug, thiserror::Error)]
pub enum ServeFault {
    /// The data folder cannot be opened.
    #[error("the data folder {} cannot be opened: {fault}", folder.display())]
    Open {
        /// Which one.
        folder: PathBuf,
        /// Why not.
        fault: StorageFault,
    },
    /// The engine does not start.
    #[error("the data folder {} cannot be recovered: {fault}", folder.display())]
    Recover {
        /// Which one.
        folder: PathBuf,
        /// Why not.
        fault: StartFault,
    },
    /// There is no randomness for ids.
    #[error("the operating system gives no randomness: {0}")]
    Randomness(#[from] SysError),
    /// The key that secrets are derived from cannot be read or made.
    #[error("the sealed key in {} cannot be read or made: {error}", folder.display())]
    SealedKey {
        /// In which data folder.
        folder: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The first credential cannot be made.
    #[error("the first credential cannot be made: {0}")]
    FirstKey(Fault),
    /// The description of the services cannot be read.
    #[error("the services cannot be described: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The address cannot be had.
    #[error("{key}: {address} cannot be listened on: {source}; choose another address")]
    Bind {
        /// The key of the configuration that names it.
        key: &'static str,
        /// Which one.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The operating system refuses a thread, a signal or a socket's address.
    #[error("the operating system refuses: {0}")]
    System(#[from] io::Error),
    /// HTTP/2 ended by itself.
    #[error("the server ended by itself: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// A part of the server hit a bug.
    #[error("a task ended by a bug: {0}")]
    Task(#[from] tokio::task::JoinError),
    /// The journal failed while serving. Why is in the log.
    #[error(
        "the journal cannot be written; what was acknowledged is kept, start again once the disk is well"
    )]
    JournalFailed,
    /// The last checkpoint failed. Nothing is lost.
    #[error("the last checkpoint failed, so the next start reads more of the journal: {0}")]
    LastCheckpoint(StorageFault),
}

impl ServeFault {
    /// Returns how the process ends.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Open { fault, .. } | Self::Recover { fault: StartFault::Storage(fault), .. } => {
                storage(fault)
            }
            Self::Recover { fault: StartFault::Option(_), .. } => Exit::Usage,
            Self::JournalFailed | Self::LastCheckpoint(_) | Self::SealedKey { .. } => Exit::Storage,
            Self::Recover { fault: StartFault::Thread(_), .. }
            | Self::Randomness(_)
            | Self::FirstKey(_)
            | Self::Reflection(_)
            | Self::Bind { .. }
            | Self::System(_)
            | Self::Transport(_)
            | Self::Task(_) => Exit::Failed,
        }
    }
}

fn storage(fault: &StorageFault) -> Exit {
    match fault {
        StorageFault::Io(_) => Exit::Storage,
        StorageFault::Corrupt { .. } | StorageFault::Newer { .. } => Exit::Corrupt,
        StorageFault::InUse(_) => Exit::InUse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_storage_fault_has_its_exit_code() {
        let corrupt = StorageFault::Corrupt { place: "journal".into(), finding: "gap".into() };
        let table = [
            (StorageFault::Io("full".into()), 74),
            (corrupt.clone(), 65),
            (StorageFault::Newer { place: "FORMAT".into(), found: 9, known: 2 }, 65),
            (StorageFault::InUse("/d".into()), 75),
        ];
        for (fault, code) in table {
            assert_eq!(ServeFault::Open { folder: "/d".into(), fault }.exit() as u8, code);
        }
        let fault = StartFault::Storage(corrupt);
        let recover = ServeFault::Recover { folder: "/d".into(), fault };
        assert_eq!(recover.exit(), Exit::Corrupt);
        assert_eq!(
            recover.to_string(),
            "the data folder /d cannot be recovered: corrupt data at journal: gap"
        );
    }
}
