//! Owns: what the disk allows, measured beside everything else. Never: a growing file, which would also sync its own size.

use crate::error::CompareError;
use std::{fs::File, os::unix::fs::FileExt as _, path::Path, time::Duration};
use tallystick_client::Stopwatch;

const BLOCK: [u8; 4_096] = [b'-'; 4_096];
const BLOCKS: u64 = 1_024;
const MEASURED: Duration = Duration::from_millis(300);

/// Returns how many blocks of 4 KiB can be written and synced in a second, one after the other.
pub(crate) fn syncs_per_s(folder: &Path) -> Result<u64, CompareError> {
    let doing = || CompareError::io("measure the disk");
    let file = File::create(folder.join("syncs")).map_err(doing())?;
    for nth in 0..BLOCKS {
        file.write_all_at(&BLOCK, nth * BLOCK.len() as u64).map_err(doing())?;
    }
    file.sync_all().map_err(doing())?;
    let clock = Stopwatch::start();
    let mut count = 0;
    while clock.elapsed() < MEASURED {
        file.write_all_at(&BLOCK, count % BLOCKS * BLOCK.len() as u64).map_err(doing())?;
        file.sync_data().map_err(doing())?;
        count += 1;
    }
    let rate = u128::from(count) * 1_000_000_000 / clock.elapsed().as_nanos();
    Ok(u64::try_from(rate).unwrap_or(u64::MAX))
}
