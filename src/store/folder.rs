//! Owns: what the store asks of the file system itself: making folders last, direct I/O, sizes.
//! Never: reads or writes RocksDB's files.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use tallystick_journal::StorageFault;

use crate::fault;

/// Creates `folder` and makes its name last: a synced file in a folder whose own name was never synced is lost with it.
pub(crate) fn create(folder: &Path) -> Result<(), StorageFault> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(|e| fault::from_os(folder, &e))?;
    if let Some(parent) = folder.parent().filter(|p| !p.as_os_str().is_empty()) {
        sync(parent)?;
    }
    sync(folder)
}

/// Syncs a folder, so that the names in it survive a power cut.
pub(crate) fn sync(folder: &Path) -> Result<(), StorageFault> {
    File::open(folder).and_then(|f| f.sync_all()).map_err(|e| fault::from_os(folder, &e))
}

/// Tells whether files in `folder` can be opened for direct I/O, by trying it: some file systems (older tmpfs, some
/// overlays and network mounts) refuse it, and RocksDB would then fail at its first flush.
pub(crate) fn has_direct_io(folder: &Path) -> bool {
    let probe = folder.join("direct-io-probe");
    let works = open_direct(&probe).is_ok();
    // A probe that stays behind is harmless, and the next open removes it.
    let _ = fs::remove_file(&probe);
    works
}

/// Tells whether a file of `bytes` may be made in `folder`, by having one allotted: a limit of the process on the size of
/// its files counts as much as a full disk.
pub(crate) fn has_room(folder: &Path, bytes: u64) -> bool {
    let probe = folder.join("room-probe");
    let has = allot(&probe, bytes).is_ok();
    let _ = fs::remove_file(&probe);
    has
}

#[cfg(target_os = "linux")]
fn allot(path: &Path, bytes: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    let file = File::create(path)?;
    Ok(fallocate(&file, FallocateFlags::empty(), 0, bytes)?)
}

#[cfg(not(target_os = "linux"))]
fn allot(_path: &Path, _bytes: u64) -> io::Result<()> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

#[cfg(target_os = "linux")]
fn open_direct(path: &Path) -> io::Result<File> {
    use rustix::fs::OFlags;
    use std::os::unix::fs::OpenOptionsExt;
    File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .custom_flags(OFlags::DIRECT.bits().cast_signed())
        .open(path)
}

#[cfg(not(target_os = "linux"))]
fn open_direct(_path: &Path) -> io::Result<File> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

/// Sums the lengths of the files below `folder`. A file that goes away during the walk counts for nothing.
pub(crate) fn size_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let mut total: u64 = 0;
    for entry in entries.flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        let bytes = if metadata.is_dir() { size_bytes(&entry.path()) } else { metadata.len() };
        total = total.saturating_add(bytes);
    }
    total
}
