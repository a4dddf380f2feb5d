//! Owns: hostile bytes for everything that reads bytes: each target takes any bytes at all, and must neither panic nor ask for
//! more memory than its bound, whatever they are; and where a format has one form, what was read must be written the same.
//! Never: RocksDB; a rule. What a crate keeps to itself is not opened for this: where it must be reached, its file is read
//! here a second time.

mod bytes;
mod forge;
mod ledger;
mod scratch;
mod targets;

pub mod seeds;

/// The command line's own files, and the server's: their crates link RocksDB. They name each other from the root, as at home.
#[path = "../cli/advice.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod advice;
#[path = "../cli/exit.rs"]
#[allow(dead_code, unreachable_pub, reason = "a part of it is used")]
mod exit;
#[path = "../cli/failure.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod failure;
#[path = "../cli/ids.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod ids;
#[path = "../cli/key.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod key;
#[path = "../cli/moment.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod moment;
#[path = "../cli/money.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod money;

use exit::Exit;
use failure::Failure;

#[path = "../cli/stream"]
mod stream {
    #[allow(dead_code, reason = "a part of it is used")]
    mod rows;

    /// Reads a file of payments. Returns how many rows are good, and what is said of the others.
    pub(crate) fn payments(
        file: &[u8],
        session: Option<&str>,
        money: crate::money::Money,
    ) -> Result<(usize, Vec<String>), String> {
        let rows = rows::read(file, session, money)?;
        Ok((rows.good.len(), rows.bad.iter().map(ToString::to_string).collect()))
    }
}

#[path = "../server"]
mod server {
    #[allow(dead_code, unused_imports, reason = "a part of it is used")]
    pub(crate) mod config;

    #[path = "demo"]
    pub(crate) mod demo {
        #[allow(dead_code, reason = "a part of it is used")]
        mod error;
        #[allow(dead_code, reason = "a part of it is used")]
        pub(in crate::server) mod trace;

        pub(crate) use error::DemoError;

        /// Reads a trace to its end. Returns how many requests it has.
        pub(crate) fn requests(file: &std::path::Path) -> Result<usize, DemoError> {
            trace::read(file).map(|requests| requests.len())
        }
    }
}

#[path = "../store"]
mod store {
    #[allow(dead_code, reason = "a part of it is used")]
    pub(crate) mod log_scan;
}

/// Stands where the store has its own, which maps RocksDB's errors, too.
mod fault {
    use std::{io, path::Path};
    use tallystick_journal::StorageFault;

    pub(crate) fn from_os(path: &Path, error: &io::Error) -> StorageFault {
        StorageFault::Io(format!("{}: {error}", path.display()))
    }
}

pub use targets::TARGETS;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static MEMORY: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Is something that reads bytes.
#[derive(Debug)]
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// What it may ask of the allocator: this much at all, and so much for each byte of input. All that is asked for counts,
    /// given back or not, so that what is held at one time is below it.
    pub bytes_most: (usize, usize),
    /// Makes what is made once.
    prepare: fn(),
    /// Reads the bytes. *Panics*: if it found a bug.
    read: fn(&[u8]),
}

/// Lets bytes loose on a target. *Panics*: if there is a bug; also if it asks for more memory than its bound.
///
/// One at a time: all threads ask the same allocator.
pub fn run(name: &str, bytes: &[u8]) {
    let Some(target) = TARGETS.iter().find(|target| target.name == name) else {
        panic!("there is no target {name}")
    };
    (target.prepare)();
    let region = Region::new(MEMORY);
    (target.read)(bytes);
    let asked = region.change().bytes_allocated;
    let (at_all, each) = target.bytes_most;
    let most = at_all + each * bytes.len();
    assert!(asked <= most, "{} bytes made {name} ask for {asked}, more than {most}", bytes.len());
}
