//! Owns: `tallystick restore`: a new data folder out of a backup, up to any seq or time that the backup covers. Never: writes
//! into a folder that has anything in it; leaves one that was not read back and replayed under its name.

use crate::{
    Failure,
    backup::{Folder, Proven, compare, failed, replay, unjudged},
    desk::{Output, Said},
    fields::Fields,
    moment,
    screen::{facts, grouped},
};
use clap::Args;
use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};
use tallystick_client::Stopwatch;
use tallystick_journal::{GroupView, StorageFault};
use tallystick_projection::Rewind;
use tallystick_store::{
    StoreReader,
    backup::{Backup, Manifest, Piece, Restorer, is_vacant},
};

/// Says what only a person can see to.
const DUTIES: &str = "\
What was decided after the last seq that is kept is gone from the books, whoever was told of it:
  - serve one folder only: the old server must be stopped for good, so that no payer is answered by both
  - let every front-end connect anew: its writers are then told where they stand, and a number beyond that is refused
    with NUMBER_GAP; a key whose answer is lost is decided anew
  - seqs, and the debit ids made of them, are given again: forget those above the last seq that is kept
  - debits that were approved later may have been delivered: enter them again, or write them off";

/// Takes `tallystick restore`.
#[derive(Debug, Args)]
#[command(after_help = DUTIES)]
pub struct RestoreArgs {
    #[command(flatten)]
    from: Folder,
    /// The data folder to make: new, or empty.
    #[arg(value_name = "DATA_DIR")]
    data: PathBuf,
    /// The last record to keep, instead of all.
    #[arg(long, value_name = "SEQ", conflicts_with = "to_time")]
    to_seq: Option<u64>,
    /// Keep up to the last record that was decided at or before this instant, such as 2026-11-21T12:00:00Z.
    #[arg(long, value_name = "INSTANT")]
    to_time: Option<String>,
    #[command(flatten)]
    pub(crate) output: Output,
}

pub(crate) fn run(args: &RestoreArgs) -> Result<Said, Failure> {
    let since = Stopwatch::start();
    let backup = args.from.open()?;
    let manifest = backup.manifest();
    if !is_vacant(&args.data).map_err(Failure::Storage)? {
        let given = args.data.display().to_string();
        return Err(Failure::usage("DATA_DIR", &given, "must be a new or an empty folder"));
    }
    let through_seq = through_seq(args, &backup)?;
    let storage = Failure::Storage;
    let mut restorer = Restorer::begin(&args.data, through_seq).map_err(storage)?;
    backup.pieces(&mut |piece| restorer.take(piece)).map_err(storage)?;
    if manifest.index_seq > through_seq {
        rewind(&mut restorer, &backup).map_err(storage)?;
    }
    let earlier = manifest.restored.iter().filter(|at| at.seq <= through_seq).copied().collect();
    let sealed = restorer.seal(earlier).map_err(storage)?;
    let proven = read_back(sealed.path(), through_seq)?;
    let is_compared = through_seq == manifest.last.seq && compare(manifest, &proven)?;
    sealed.commit().map_err(storage)?;
    let done = Done { manifest, proven, is_compared, took_ms: since.elapsed().as_millis() };
    Ok(done.said(&args.data))
}

/// Finds the last seq to keep. *Errors*: one that the backup does not cover.
fn through_seq(args: &RestoreArgs, backup: &Backup) -> Result<u64, Failure> {
    let manifest = backup.manifest();
    let (from, to) = (manifest.restorable_from(), manifest.last.seq);
    if let Some(text) = &args.to_time {
        return at_time(text, backup);
    }
    let seq = args.to_seq.unwrap_or(to);
    if !(from..=to).contains(&seq) {
        return Err(Failure::usage(
            "--to-seq",
            &seq.to_string(),
            &format!("must be {from} to {to}: that is what the backup covers"),
        ));
    }
    Ok(seq)
}

/// Finds the last record that was decided at or before an instant.
fn at_time(text: &str, backup: &Backup) -> Result<u64, Failure> {
    let manifest = backup.manifest();
    let ns = moment::ns("--to-time", text)?;
    let (earliest, latest) = (moment::from_ns(manifest.times.0), moment::from_ns(manifest.times.1));
    let rule = format!("must be {earliest} to {latest}: that is what the backup covers");
    let mut found = 0;
    if ns <= manifest.times.1 {
        let read = backup.groups(1, &mut |piece| {
            if let Piece::Group { first_seq, value } = piece {
                GroupView::parse(*first_seq, value)?.skim(|seq, stamp, _| {
                    if stamp.at.ns() <= ns {
                        found = seq;
                    }
                })?;
            }
            Ok(ControlFlow::Continue(()))
        });
        read.map_err(Failure::Storage)?;
    }
    if found < manifest.restorable_from() {
        return Err(Failure::usage("--to-time", text, &rule));
    }
    Ok(found)
}

/// Takes the index of debits that came with the state back to where the journal ends now.
fn rewind(restorer: &mut Restorer, backup: &Backup) -> Result<(), StorageFault> {
    let (last, index_seq) = (restorer.reached(), backup.manifest().index_seq);
    let mut rewind = Rewind::new(last.seq);
    backup.groups(1, &mut |piece| {
        let Piece::Group { first_seq, value } = *piece else { return Ok(ControlFlow::Continue(())) };
        if first_seq > index_seq {
            return Ok(ControlFlow::Break(()));
        }
        GroupView::parse(first_seq, value)?.skim(|seq, stamp, record| rewind.take(seq, stamp, record))?;
        Ok(ControlFlow::Continue(()))
    })?;
    rewind.apply(restorer.store()?.index().as_ref(), last)
}

fn read_back(data: &Path, last_seq: u64) -> Result<Proven, Failure> {
    let reader = StoreReader::open_draft(data).map_err(Failure::Storage)?;
    replay(last_seq, unjudged, |visit| reader.copy(None, visit).map(drop).map_err(failed))
}

/// Is what was restored.
struct Done<'a> {
    manifest: &'a Manifest,
    proven: Proven,
    is_compared: bool,
    took_ms: u128,
}

impl Done<'_> {
    fn said(&self, data: &Path) -> Said {
        let Self { manifest, proven, is_compared, took_ms } = self;
        let has_index = manifest.index_seq > 0;
        let (last, lost) = (proven.last_seq, manifest.last.seq - proven.last_seq);
        let look_ups = match (has_index, manifest.first_seq) {
            (true, _) => "as before: by the index that came with the backup".to_owned(),
            (false, 1) => "of everything: the index is derived when the folder is served".to_owned(),
            (false, first) => format!("from seq {first} on; INDEX_INCOMPLETE for what came before"),
        };
        let digest = match is_compared {
            true => format!("{}, as when the backup was made", proven.digest),
            false => proven.digest.to_string(),
        };
        let mut lines = vec![
            ("data folder", data.display().to_string()),
            ("contains", format!("seq {}", grouped(last))),
            ("look-ups", look_ups),
            ("replayed", format!("{} records, sound", grouped(proven.applied))),
            ("digest", digest),
            ("took", format!("{took_ms} ms")),
        ];
        if lost > 0 {
            let text = format!(
                "{} that were decided later are not in it: whoever heard of them must be told, and their seqs will be given again",
                crate::screen::counted(lost, "record")
            );
            lines.insert(2, ("left out", text));
        }
        let json = Fields::new()
            .text("data", &data.display().to_string())
            .put("last_seq", last)
            .put("left_out", lost)
            .put("index_complete_from_seq", if has_index { 1 } else { manifest.first_seq })
            .put("replayed", proven.applied)
            .put("digest", proven.digest.to_string())
            .put("digest_compared", *is_compared)
            .put("took_ms", u64::try_from(*took_ms).unwrap_or(u64::MAX))
            .end();
        Said::done(facts(&lines), json)
    }
}
