//! Owns: the floor under every durable answer: one small write and its sync, in the data folder's file system. Never: RocksDB.

use crate::{
    fault::Fault,
    line::{Better, Line, figure},
};
use std::{
    fs::{File, OpenOptions},
    os::unix::fs::FileExt as _,
    path::Path,
    time::Duration,
};
use tallystick_client::Stopwatch;

const BLOCK_BYTES: usize = 4_096;
/// How large the file that was written before is. Small: what wrote it, and what removes it, are to leave the disk alone.
const BLOCKS: u64 = 2_048;

/// Is what one run found.
#[derive(Clone, Copy, Debug)]
struct Synced {
    per_s: f64,
    p50_us: f64,
}

/// Measures syncs of 4 KiB in `folder`, to a file that grows and to one that was written before, in turn.
pub(crate) fn syncs(folder: &Path, runs: usize, span: Duration) -> Result<Vec<Line>, Fault> {
    let mut found: [Vec<Synced>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..runs {
        for (prewritten, found) in [false, true].into_iter().zip(&mut found) {
            found.push(run(folder, prewritten, span).map_err(Fault::io("write and sync a file"))?);
        }
    }
    let mut lines = Vec::new();
    for (name, found) in ["growing", "pre-written"].into_iter().zip(&found) {
        let of = |figure: fn(&Synced) -> f64| found.iter().map(figure).collect::<Vec<_>>();
        let named = |what: &str| format!("disk: write of 4 KiB and fdatasync, {name} file, {what}");
        lines.push(Line::new(named("rate"), "syncs/s", Better::Higher, &of(|run| run.per_s)));
        lines.push(Line::new(named("p50"), "us", Better::Lower, &of(|run| run.p50_us)));
    }
    Ok(lines)
}

/// Returns what a sync takes now, to a file that was written before. *Units*: microseconds.
pub(crate) fn sync_us(folder: &Path, span: Duration) -> Result<f64, Fault> {
    let found = run(folder, true, span).map_err(Fault::io("write and sync a file"))?;
    Ok(found.p50_us)
}

fn run(folder: &Path, prewritten: bool, span: Duration) -> std::io::Result<Synced> {
    let path = folder.join("sync");
    let file = OpenOptions::new().create(true).truncate(true).write(true).open(&path)?;
    if prewritten {
        fill(&file)?;
    }
    let block = [7; BLOCK_BYTES];
    let (mut taken_us, clock) = (Vec::new(), Stopwatch::start());
    for nth in 0.. {
        if clock.elapsed() >= span {
            break;
        }
        let one = Stopwatch::start();
        // A file that was written before is gone round in.
        file.write_all_at(&block, nth % BLOCKS * BLOCK_BYTES as u64)?;
        file.sync_data()?;
        taken_us.push(one.elapsed_us());
    }
    let seconds = clock.elapsed().as_secs_f64();
    drop(file);
    std::fs::remove_file(path)?;
    taken_us.sort_unstable();
    let p50_us = taken_us.get(taken_us.len() / 2).copied().unwrap_or(0);
    Ok(Synced { per_s: figure(taken_us.len() as u64) / seconds, p50_us: figure(p50_us) })
}

fn fill(file: &File) -> std::io::Result<()> {
    let piece = vec![1; BLOCK_BYTES * 256];
    for at in 0..BLOCKS / 256 {
        file.write_all_at(&piece, at * piece.len() as u64)?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_are_synced_and_gone_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let lines = syncs(folder.path(), 1, Duration::from_millis(5)).unwrap();
        assert_eq!(lines.len(), 4);
        assert!(lines.iter().all(|line| line.median > 0.0 && line.runs == 1), "{lines:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
