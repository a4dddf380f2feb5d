//! Owns: a file for what only reads files: one a process and name, in memory where the system has such a place.
//! Never: left behind with more than the last input.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    base.join(format!("tallystick-fuzz-{}", std::process::id()))
}

/// Writes a file of this name, in a folder of its own, and returns both while `read` reads it.
pub(crate) fn with_file<T>(name: &str, bytes: &[u8], read: impl FnOnce(&Path, &Path) -> T) -> T {
    let folder = root().join(name.replace('.', "-"));
    let file = folder.join(name);
    fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    fs::write(&file, bytes).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    read(&folder, &file)
}
