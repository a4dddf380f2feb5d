//! Owns: `tallystick backup verify`: every byte of a backup against its checksums, every record decided again, every sum, and
//! the digest that it was made with. Never: repairs; the first thing that does not hold is the last thing said.

use super::{Failure, Folder, Proven, make::files, reach, replay, show};
use crate::{
    desk::Said,
    journal::world,
    screen::{facts, grouped},
};
use serde_json::json;
use tallystick_store::backup::Manifest;

pub(super) fn run(folder: &Folder) -> Result<Said, Failure> {
    let backup = folder.open()?;
    let manifest = backup.manifest();
    let proven = replay(manifest.last.seq, world::by_the_rules, |visit| {
        backup.pieces(visit).map_err(Failure::Storage)
    })?;
    if proven.last_seq != manifest.last.seq {
        return Err(Failure::Unsound(format!(
            "the groups end at seq {}, and the manifest says {}",
            proven.last_seq, manifest.last.seq
        )));
    }
    let is_compared = compare(manifest, &proven)?;
    let digest = match is_compared {
        true => format!("{}, as when it was made", proven.digest),
        false => format!("{}; there is none of this build's to compare it with", proven.digest),
    };
    let (records, applied) = (grouped(proven.records), grouped(proven.applied));
    let text = facts(&[
        ("backup", folder.path().display().to_string()),
        ("restorable", reach(manifest)),
        ("checked", format!("{} bytes in {}", grouped(manifest.bytes()), files(manifest))),
        (
            "replayed",
            format!("{records} records in {} groups, {applied} decided again", grouped(proven.groups)),
        ),
        ("digest", digest),
    ]);
    let text = format!(
        "{text}\n\nSound: every outcome is what the rules say, every partition is sound, all books sum to zero."
    );
    let json = show::fields(manifest)
        .put("sound", true)
        .put("backup", folder.path().display().to_string())
        .put("groups", proven.groups)
        .put("decided_again", proven.applied)
        .put("kinds", json!(proven.kinds))
        .put("replayed_digest", proven.digest.to_string())
        .put("digest_compared", is_compared)
        .end();
    Ok(Said::done(text, json))
}

/// Compares what a backup came to with what it came to when it was made. *Returns* whether there was something to compare:
/// a digest of other shapes of rows says nothing here. *Errors*: they differ.
pub(crate) fn compare(manifest: &Manifest, proven: &Proven) -> Result<bool, Failure> {
    match manifest.digest {
        Some(made) if made.shapes == proven.digest.shapes => {
            if made == proven.digest {
                return Ok(true);
            }
            Err(Failure::Unsound(format!(
                "all of it comes to {}, and came to {made} when the backup was made",
                proven.digest
            )))
        }
        _ => Ok(false),
    }
}
