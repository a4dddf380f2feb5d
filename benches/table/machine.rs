//! Owns: what the figures were measured on: said beside every table, since no figure means anything without it. Never: a guess;
//! what the system does not say is absent.

use crate::{child::own_exe, fault::Fault};
use serde::Serialize;
use std::{fs, path::Path, process::Command};

/// Holds it; the field names are the JSON's keys.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) processor: Option<String>,
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) kernel: Option<String>,
    /// Of the data folder.
    pub(crate) file_system: Option<String>,
    /// "fsync": every answer waits for a sync of the journal.
    pub(crate) durability: &'static str,
    /// Cargo's profile of the program that was measured.
    pub(crate) profile: String,
    pub(crate) commit: Option<String>,
    /// Where the load came from.
    pub(crate) load: &'static str,
    /// Whether HTTP load tools were there.
    pub(crate) h2load: bool,
    pub(crate) ghz: bool,
    /// What a reader of the figures must know besides.
    pub(crate) remarks: Vec<String>,
}

impl Machine {
    /// Looks around; `data` is where the server's folders are.
    pub(crate) fn look(data: &Path) -> Result<Self, Fault> {
        let exe = own_exe()?;
        let profile = exe.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        Ok(Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: read("/proc/cpuinfo").and_then(|text| field(&text, "model name")),
            memory_bytes: read("/proc/meminfo")
                .and_then(|text| field(&text, "MemTotal"))
                .and_then(|text| kib(&text)),
            kernel: read("/proc/sys/kernel/osrelease").map(|text| text.trim().to_owned()),
            file_system: read("/proc/mounts").and_then(|mounts| file_system(&mounts, data)),
            durability: "fsync",
            profile: profile.unwrap_or_default(),
            commit: commit(),
            load: "one generator process over loopback, on the same cores as the server",
            h2load: crate::tools::h2load_exe().is_some(),
            ghz: crate::tools::ghz_exe().is_some(),
            remarks: Vec::new(),
        })
    }

    /// Says it in one line.
    pub(crate) fn words(&self) -> String {
        let Self { cores, durability, profile, load, .. } = self;
        let named = |name: &Option<String>| name.clone().unwrap_or_else(|| "?".to_owned());
        format!(
            "{cores} cores ({}), kernel {}, {} under the data folder, durability {durability}, profile {profile}, {load}",
            named(&self.processor),
            named(&self.kernel),
            named(&self.file_system)
        )
    }
}

fn read(file: &str) -> Option<String> {
    fs::read_to_string(file).ok()
}

/// Finds `name: value`.
fn field(text: &str, name: &str) -> Option<String> {
    let of_line = |line: &str| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    };
    text.lines().find_map(of_line)
}

fn kib(text: &str) -> Option<u64> {
    text.strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1_024)
}

/// Returns the type of the file system with the longest mount point above `folder`.
fn file_system(mounts: &str, folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    });
    let above = mounts.filter(|(point, _)| folder.starts_with(point));
    above.max_by_key(|(point, _)| point.len()).map(|(_, kind)| kind.to_owned())
}

/// Returns the commit that is checked out, with a mark when files differ from it.
fn commit() -> Option<String> {
    let here = env!("CARGO_MANIFEST_DIR");
    let asked = Command::new("git")
        .args(["-C", here, "describe", "--always", "--dirty", "--exclude=*"])
        .output()
        .ok()?;
    asked.status.success().then(|| String::from_utf8_lossy(&asked.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_point_is_the_folders() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /proc tmpfs rw 0 0\n";
        assert_eq!(file_system(mounts, Path::new("/")), Some("ext4".to_owned()));
        assert_eq!(file_system(mounts, Path::new("/proc")), Some("tmpfs".to_owned()));
    }

    #[test]
    fn fields_are_found_by_name() {
        assert_eq!(field("a : 1\nmodel name\t: Fast\n", "model name"), Some("Fast".to_owned()));
        assert_eq!(kib("16 kB"), Some(16_384));
    }
}
