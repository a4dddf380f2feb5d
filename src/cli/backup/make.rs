//! Owns: making a backup, or adding to one: from a server while it serves, or from a folder that nobody serves. Never: gives
//! it its name before it was read back and replayed, unless told to.

use super::{Failure, Proven, failed, proof, reach, replay};
use crate::{
    desk::Said,
    journal::Data,
    screen::{self, facts, grouped},
};
use clap::Args;
use std::{ops::ControlFlow, path::PathBuf};
use tallystick_client::{
    Client, Stopwatch,
    admin::{BackupBegin, BackupRequest, backup_response::Part},
};
use tallystick_journal::{Floor, StorageFault};
use tallystick_projection::cursor_of;
use tallystick_store::backup::{BACKUP_FORMAT, Backup, BackupWriter, Frames, Manifest, Piece};
use tokio::runtime;

/// Takes `tallystick backup BACKUP_DIR`.
#[derive(Debug, Args)]
pub(super) struct MakeArgs {
    /// Where to: a new folder; or a backup that is there, which then gets what came since.
    #[arg(value_name = "BACKUP_DIR", required = true)]
    backup: Option<PathBuf>,
    /// Copy the data folder of a server that is not running, instead of asking one that is.
    #[arg(long, value_name = "DATA_DIR")]
    data: Option<PathBuf>,
    /// Where the server's operators ask: its `ops_listen`.
    #[arg(long, value_name = "URL", env = "TALLYSTICK_OPS", default_value = "http://127.0.0.1:9464")]
    ops: String,
    /// Trust the checksums alone: leave out reading the backup back and replaying it before it gets its name.
    #[arg(long)]
    no_replay: bool,
}

/// Is a backup on its way.
struct Taking {
    writer: BackupWriter,
    index_seq: Option<u64>,
    restored: Vec<Floor>,
}

impl Taking {
    fn take(&mut self, piece: &Piece<'_>) -> Result<(), StorageFault> {
        if let Piece::Projected { table, key, value } = piece {
            self.index_seq = cursor_of(*table, key, value)?.or(self.index_seq);
        }
        self.writer.take(piece)
    }
}

pub(super) fn run(args: &MakeArgs) -> Result<Said, Failure> {
    let Some(folder) = &args.backup else {
        return Err(Failure::usage("BACKUP_DIR", "", "must be given"));
    };
    let since = Stopwatch::start();
    let is_added = Backup::is_one(folder);
    let writer = if is_added { BackupWriter::resume(folder) } else { BackupWriter::begin(folder) };
    let writer = writer.map_err(Failure::Storage)?;
    let before = writer.after();
    let mut taking = Taking { writer, index_seq: None, restored: Vec::new() };
    match &args.data {
        Some(data) => offline(Data(data), &mut taking)?,
        None => online(&args.ops, &mut taking)?,
    }
    let copy_ms = since.elapsed().as_millis();
    let Taking { writer, index_seq, restored } = taking;
    let sealed = writer.seal(index_seq, restored).map_err(Failure::Storage)?;
    let proven = if args.no_replay { None } else { Some(read_back(sealed.backup())?) };
    let manifest = sealed.commit(proven.as_ref().map(|proven| proven.digest)).map_err(Failure::Storage)?;
    let took_ms = since.elapsed().as_millis();
    let made = Made { manifest, before, proven, took_ms: [copy_ms, took_ms] };
    Ok(made.said(&folder.display().to_string()))
}

fn offline(data: Data<'_>, taking: &mut Taking) -> Result<(), Failure> {
    let reader = data.open()?;
    taking.restored = reader.restored().to_vec();
    let after = taking.writer.after();
    let copied = reader.copy(after, &mut |piece| taking.take(piece).map(ControlFlow::Continue));
    copied.map(drop).map_err(failed)
}

fn online(ops: &str, taking: &mut Taking) -> Result<(), Failure> {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.map_err(Failure::io("start"))?.block_on(ask(ops, taking))
}

async fn ask(ops: &str, taking: &mut Taking) -> Result<(), Failure> {
    const DOING: &str = "back up";
    let address = if ops.contains("://") { ops.to_owned() } else { format!("http://{ops}") };
    let client = Client::connect(&address).map_err(Failure::call(DOING))?;
    let Floor { seq: after_seq, check: after_check } = taking.writer.after().unwrap_or_default();
    let request = BackupRequest { after_seq, after_check };
    let mut stream = client.backup(request).await.map_err(Failure::call(DOING))?;
    let mut copy = Copy { frames: Frames::new("on its way", 0), taken: 0 };
    loop {
        let part = screen::patiently(&format!("waiting for {address}"), stream.next()).await;
        match part.map_err(Failure::call(DOING))? {
            Some(part) => copy.part(part, taking)?,
            None => return Ok(()),
        }
    }
}

/// Is a copy on its way from a server.
struct Copy {
    frames: Frames,
    taken: u64,
}

impl Copy {
    fn part(&mut self, part: Part, taking: &mut Taking) -> Result<(), Failure> {
        match part {
            Part::Begin(BackupBegin { format, restored }) => {
                if format != u32::from(BACKUP_FORMAT) {
                    let place = "the server's copy".to_owned();
                    let fault = StorageFault::Newer { place, found: format, known: BACKUP_FORMAT.into() };
                    return Err(Failure::Storage(fault));
                }
                taking.restored = restored.iter().map(|at| Floor { seq: at.seq, check: at.check }).collect();
                Ok(())
            }
            Part::Frames(bytes) => self.take(&bytes, taking).map_err(Failure::Storage),
            Part::End(end) => {
                let reached = taking.writer.after().unwrap_or_default();
                if self.frames.waiting() == 0
                    && self.taken == end.frame_count
                    && reached == (Floor { seq: end.last_seq, check: end.last_check })
                {
                    return Ok(());
                }
                let finding = format!(
                    "the server sent {} frames up to seq {}, and {} up to seq {} arrived",
                    end.frame_count, end.last_seq, self.taken, reached.seq
                );
                Err(Failure::Storage(StorageFault::Corrupt {
                    place: "the server's copy".to_owned(),
                    finding,
                }))
            }
        }
    }

    fn take(&mut self, bytes: &[u8], taking: &mut Taking) -> Result<(), StorageFault> {
        self.frames.push(bytes);
        while let Some(piece) = self.frames.next_piece()? {
            taking.take(&piece)?;
            self.taken += 1;
        }
        Ok(())
    }
}

fn read_back(backup: &Backup) -> Result<Proven, Failure> {
    replay(backup.manifest().last.seq, proof::unjudged, |visit| {
        backup.pieces(visit).map_err(Failure::Storage)
    })
}

/// Is what was made.
struct Made {
    manifest: Manifest,
    /// Where the backup ended before, if it was there.
    before: Option<Floor>,
    proven: Option<Proven>,
    /// How long the copy took, and all of it.
    took_ms: [u128; 2],
}

impl Made {
    fn said(&self, folder: &str) -> Said {
        let Self { manifest, before, proven, took_ms: [copy_ms, took_ms] } = self;
        let last = manifest.last.seq;
        let added = last - before.map_or(0, |before| before.seq);
        let holds = match before {
            Some(before) if added == 0 => format!("seq {last}; nothing came since"),
            Some(before) => format!("seq {last}; seq {} to {last} were added", before.seq + 1),
            None => format!("seq {last}"),
        };
        let replayed = match proven {
            Some(proven) => format!("{} records, digest {}", grouped(proven.applied), proven.digest),
            None => "no: --no-replay".to_owned(),
        };
        let text = facts(&[
            ("backup", folder.to_owned()),
            ("contains", holds),
            ("restorable", reach(manifest)),
            ("size", format!("{} bytes in {}", grouped(manifest.bytes()), files(manifest))),
            ("replayed", replayed),
            ("took", format!("{took_ms} ms, of which the copy {copy_ms} ms")),
        ]);
        let json = super::show::fields(manifest)
            .put("backup", folder)
            .put("added_from_seq", before.map_or(manifest.first_seq, |before| before.seq + 1))
            .put("replayed", proven.as_ref().map(|proven| proven.applied))
            .put("copy_ms", u64::try_from(*copy_ms).unwrap_or(u64::MAX))
            .put("took_ms", u64::try_from(*took_ms).unwrap_or(u64::MAX))
            .end();
        Said::done(text, json)
    }
}

/// Writes how many files a backup has, its manifest among them.
pub(super) fn files(manifest: &Manifest) -> String {
    screen::counted(manifest.files.len() as u64 + 1, "file")
}
