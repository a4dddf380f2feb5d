//! Owns: `tallystick backup show`: what a manifest says. Never: reads the other files.

use super::{Failure, Folder, make::files, reach};
use crate::{
    desk::Said,
    fields::Fields,
    moment,
    screen::{facts, grouped},
};
use serde_json::{Value, json};
use tallystick_store::backup::Manifest;

pub(super) fn run(folder: &Folder) -> Result<Said, Failure> {
    let backup = folder.open()?;
    let manifest = backup.manifest();
    let index = match manifest.index_seq {
        0 => format!("derived from the journal, from seq {}", manifest.first_seq),
        seq => format!("included up to seq {}, derived from the journal after that", grouped(seq)),
    };
    let digest = manifest.digest.map_or_else(|| "none".to_owned(), |digest| digest.to_string());
    let text = facts(&[
        ("backup", folder.path().display().to_string()),
        ("journal", format!("{:032x}", manifest.journal)),
        ("contains", format!("seq {}", manifest.last.seq)),
        ("restorable", reach(manifest)),
        ("look-ups", index),
        ("size", format!("{} bytes in {}", grouped(manifest.bytes()), files(manifest))),
        ("digest", digest),
    ]);
    let json = fields(manifest).put("backup", folder.path().display().to_string()).end();
    Ok(Said::done(text, json))
}

/// Writes what a manifest says, for programs.
pub(super) fn fields(manifest: &Manifest) -> Fields {
    let files: Vec<Value> = manifest
        .files
        .iter()
        .map(|file| json!({ "name": file.name, "bytes": file.bytes, "pieces": file.pieces }))
        .collect();
    Fields::new()
        .text("journal", &format!("{:032x}", manifest.journal))
        .put("first_seq", manifest.first_seq)
        .put("restorable_from_seq", manifest.restorable_from())
        .put("last_seq", manifest.last.seq)
        .text("first_at", &moment::from_ns(manifest.times.0))
        .text("last_at", &moment::from_ns(manifest.times.1))
        .put("state_seq", manifest.state_seq)
        .put("index_seq", manifest.index_seq)
        .put("records", manifest.records())
        .put("bytes", manifest.bytes())
        .put("digest", manifest.digest.map(|digest| digest.to_string()))
        .put("restored_to_seqs", manifest.restored.iter().map(|at| at.seq).collect::<Vec<_>>())
        .put("files", files)
}
