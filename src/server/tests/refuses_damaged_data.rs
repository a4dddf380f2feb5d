//! A data folder that lost or changed anything acknowledged is refused, with exit code 65 and a line that names the place,
//! and is left as it was. What nobody was told of, torn off at the end of a log, is cut without a word.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that prints its report"
)]

mod support;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    ops::ControlFlow,
    path::{Path, PathBuf},
};
use support::{Server, Stage, reason, run, serve_command};
use tallystick_journal::{Checkpoints as _, Durability, GroupView, Journal as _};
use tallystick_store::{Store, StoreOptions};

/// How many debits are acknowledged before each SIGKILL.
const DEBITS: usize = 30;
const CORRUPT: i32 = 65;

/// Is a folder with a past: two lives, the first of which ended in order, so that there are checkpoints, a durable floor,
/// files of groups, and a log with groups beyond the floor.
struct Past {
    folder: tempfile::TempDir,
    stage: Stage,
}

impl Past {
    async fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let server = Server::start(&data).await;
        let channel = server.connect().await;
        let stage = Stage::set(&channel).await;
        pay(&stage, &channel, "first").await;
        assert_eq!(server.stop().await.code, Some(0));
        let server = Server::start(&data).await;
        pay(&stage, &server.connect().await, "second").await;
        server.kill().await;
        Self { folder, stage }
    }

    /// Copies the folder, damages the copy, and starts a server on it, which must say no, again and again. Once a flipped
    /// bit is turned back, everything is there: nothing was thrown away meanwhile.
    async fn refusal(&self, fault: &str, damage: impl FnOnce(&Path)) -> String {
        let root = self.copy();
        let data = root.path().join("data");
        damage(&data);
        let line = self.refused_start(fault, &data).await;
        // Whoever starts it again, as a supervisor does, hears the same.
        assert_eq!(finding(&self.refused_start(fault, &data).await), finding(&line), "{fault}");
        if self.heal(&data) {
            self.serves_all(fault, &data).await;
        }
        println!("| {fault} | 65 | {line} |");
        line
    }

    /// Starts a server that must say no. What it refuses before RocksDB is open, it leaves as it is, byte for byte.
    async fn refused_start(&self, fault: &str, data: &Path) -> String {
        let before = contents(data);
        let output = run(serve_command(data)).await;
        let said = String::from_utf8(output.stderr).unwrap().replace(data.to_str().unwrap(), "DATA");
        let line = said.lines().rfind(|line| line.starts_with("tallystick: ")).unwrap_or_default();
        assert_eq!(output.status.code(), Some(CORRUPT), "{fault}: {said}");
        assert!(output.stdout.is_empty(), "{fault}: it should not have been ready");
        let after = contents(data);
        if line.contains("DATA/journal/") && line.contains(" at byte ") {
            assert!(before == after, "{fault}: what a look at the logs refuses must stay as it is");
        }
        // Opening moves what is in logs into new files; what lies in files of groups and rows stays as it is.
        for (path, bytes) in before.iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "sst")) {
            assert!(after.get(path) == Some(bytes), "{fault}: {} changed", path.display());
        }
        line.to_owned()
    }

    /// Copies the folder, changes the copy where nothing acknowledged is, and starts a server.
    async fn kept(&self, fault: &str, damage: impl FnOnce(&Path)) {
        let root = self.copy();
        let data = root.path().join("data");
        damage(&data);
        self.serves_all(fault, &data).await;
        println!("| {fault} | serves | all that was acknowledged is there |");
    }

    /// Turns a flipped bit back. Returns whether there was one.
    fn heal(&self, data: &Path) -> bool {
        let original = self.folder.path().join("data");
        let mut healed = false;
        for (path, bytes) in contents(&original) {
            let damaged = data.join(path.strip_prefix(&original).unwrap());
            let Ok(found) = fs::read(&damaged) else { continue };
            let flipped = found.iter().zip(&bytes).filter(|(a, b)| a != b).count();
            if found.len() == bytes.len() && flipped == 1 {
                fs::write(&damaged, bytes).unwrap();
                healed = true;
            }
        }
        healed
    }

    /// Starts a server, which must know everything acknowledged and go on from there.
    async fn serves_all(&self, fault: &str, data: &Path) {
        let server = Server::start(data).await;
        let channel = server.connect().await;
        assert_eq!(self.stage.show(&channel).await.spent_nanos, 2 * DEBITS as u64, "{fault}");
        for key in keys("first").chain(keys("second")) {
            let again =
                self.stage.authorize(&channel, &key).await.unwrap_or_else(|no| panic!("{}", reason(&no)));
            assert!(again.replayed, "{fault}: {key} was decided again");
        }
        assert!(!self.stage.authorize(&channel, "new").await.unwrap().replayed);
        assert_eq!(server.stop().await.code, Some(0), "{fault}");
    }

    fn copy(&self) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        copy(&self.folder.path().join("data"), &root.path().join("data"));
        root
    }

    /// Reads where each group begins, and where the last one ends, without touching the folder.
    fn groups(&self) -> (Vec<u64>, u64, u64) {
        let root = self.copy();
        let store = Store::open(root.path().join("data"), StoreOptions::new(Durability::Os)).unwrap();
        let (mut first_seqs, mut last) = (Vec::new(), 0);
        let read = store.journal().read(0, &mut |seq, bytes| {
            first_seqs.push(seq);
            last = GroupView::parse(seq, bytes)?.last_seq();
            Ok(ControlFlow::Continue(()))
        });
        read.unwrap();
        (first_seqs, last, store.index().floor().unwrap().unwrap().seq)
    }
}

/// Returns what was found, and where. Whether RocksDB meets a damaged block as it opens or as it reads depends on how far
/// it has come with moving files.
fn finding(line: &str) -> &str {
    line.split_once(" corrupt data at ").map_or(line, |(_, finding)| finding)
}

fn keys(life: &str) -> impl Iterator<Item = String> {
    let life = life.to_owned();
    (0..DEBITS).map(move |number| format!("{life}-{number}"))
}

async fn pay(stage: &Stage, channel: &tonic::transport::Channel, life: &str) {
    for key in keys(life) {
        assert!(!stage.authorize(channel, &key).await.unwrap().replayed);
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (source, name) = (entry.as_ref().unwrap().path(), entry.unwrap().file_name());
        if source.is_dir() {
            copy(&source, &to.join(name));
        } else {
            fs::copy(&source, to.join(name)).unwrap();
        }
    }
}

/// Reads every file that holds data. RocksDB's own notes (LOG, OPTIONS, its list of files and the name of that) are
/// written anew at each start and hold nothing that was acknowledged.
fn contents(data: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    ["journal", "index"]
        .iter()
        .flat_map(|instance| fs::read_dir(data.join(instance)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sst" || extension == "log"))
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        // Each start begins a new, empty log.
        .filter(|(_, bytes)| !bytes.is_empty())
        .chain([(data.join("FORMAT"), fs::read(data.join("FORMAT")).unwrap())])
        .collect()
}

/// Finds files with one extension, oldest first.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let found = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> =
        found.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    found.sort();
    found
}

fn newest_log(data: &Path) -> PathBuf {
    files(&data.join("journal"), "log").pop().unwrap()
}

fn flip_bit(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0b100;
    fs::write(path, bytes).unwrap();
}

/// Flips a bit in the middle of the first place where `path` holds `needle`; where none does, returns false.
fn flip_bit_in(path: &Path, needle: &[u8]) -> bool {
    let bytes = fs::read(path).unwrap();
    let Some(at) = bytes.windows(needle.len()).position(|w| w == needle) else { return false };
    flip_bit(path, at + needle.len() / 2);
    true
}

/// Finds where the records of a log end: behind them is what its file held when it was another log.
fn written_bytes(log: &Path) -> usize {
    const BLOCK_BYTES: usize = 32 << 10;
    const HEADER_BYTES: usize = 11;
    let (bytes, number) = (fs::read(log).unwrap(), log.file_stem().unwrap().to_str().unwrap());
    let number: u32 = number.parse().unwrap();
    let (mut at, mut end) = (0, 0);
    while let Some(header) = bytes[at..].first_chunk::<HEADER_BYTES>() {
        if !(5..=8).contains(&header[6]) || header[7..] != number.to_le_bytes() {
            break;
        }
        end = at + HEADER_BYTES + usize::from(u16::from_le_bytes([header[4], header[5]]));
        at = if BLOCK_BYTES - end % BLOCK_BYTES < HEADER_BYTES {
            end.next_multiple_of(BLOCK_BYTES)
        } else {
            end
        };
    }
    end
}

fn cut(log: &Path, bytes: usize) {
    let end = u64::try_from(written_bytes(log) - bytes).unwrap();
    File::options().write(true).open(log).unwrap().set_len(end).unwrap();
}

/// Writes behind the records of a log, over what its file held before.
fn append(log: &Path, bytes: &[u8]) {
    let (mut whole, end) = (fs::read(log).unwrap(), written_bytes(log));
    whole.splice(end..end + bytes.len(), bytes.iter().copied());
    fs::write(log, whole).unwrap();
}

fn assert_says(line: &str, parts: &[&str]) {
    for part in parts {
        assert!(line.contains(part), "{line:?} does not say {part:?}");
    }
}

/// Is the beginning of what every refusal to open says.
const NOT_OPENED: &str = "tallystick: the data folder DATA cannot be opened: corrupt data at ";
/// Likewise for what is found while the past is read.
const NOT_RECOVERED: &str = "tallystick: the data folder DATA cannot be recovered: corrupt data at ";

#[tokio::test]
async fn a_flipped_bit_is_refused_wherever_it_is() {
    let past = Past::make().await;
    let log = newest_log(&past.folder.path().join("data"));
    let name = log.file_name().unwrap().to_str().unwrap().to_owned();

    let middle = written_bytes(&log) / 2;
    let line = past
        .refusal("bit in the middle of the journal's log", |data| {
            flip_bit(&newest_log(data), middle);
        })
        .await;
    assert_says(&line, &[NOT_OPENED, &format!("DATA/journal/{name} at byte "), "found a checksum mismatch"]);

    // The reference of a debit of the first life, which is in a file of groups by now.
    let needle = format!("{:-<128}", "first-20");
    let line = past
        .refusal("bit in a file of groups", |data| {
            let hits =
                files(&data.join("journal"), "sst").into_iter().filter(|f| flip_bit_in(f, needle.as_bytes()));
            assert_eq!(hits.count(), 1);
        })
        .await;
    assert_says(
        &line,
        &["corrupt data at journal: Corruption: block checksum mismatch", "DATA/journal/", ".sst"],
    );

    let line = past
        .refusal("bit in a checkpoint", |data| {
            let file = files(&data.join("index"), "sst")
                .into_iter()
                .max_by_key(|file| fs::metadata(file).unwrap().len())
                .unwrap();
            let middle = fs::metadata(&file).unwrap().len() / 2;
            flip_bit(&file, usize::try_from(middle).unwrap());
        })
        .await;
    assert_says(
        &line,
        &["corrupt data at checkpoint: Corruption: block checksum mismatch", "DATA/index/", ".sst"],
    );

    let line = past
        .refusal("bit in the index's log", |data| {
            let log = files(&data.join("index"), "log").pop().unwrap();
            flip_bit(&log, 9);
        })
        .await;
    assert_says(&line, &[NOT_OPENED, "DATA/index/", ".log at byte 0", "found a checksum mismatch"]);
}

#[tokio::test]
async fn a_missing_group_is_refused() {
    let past = Past::make().await;
    let (first_seqs, last, floor) = past.groups();
    assert!(floor > 1 && floor < last, "the floor at {floor} is neither the beginning nor the end, {last}");

    // A journal put together anew without one group: what a lost file comes to.
    let gap = first_seqs.len() - 5;
    let (missing, next) = (first_seqs[gap], first_seqs[gap + 1]);
    let line =
        past.refusal("a group missing beyond the floor", |data| without(data, |seq| seq == missing)).await;
    assert_says(&line, &[NOT_RECOVERED, &format!("records {missing} to {} are missing", next - 1)]);

    let line =
        past.refusal("all groups missing from the floor on", |data| without(data, |seq| seq >= floor)).await;
    assert_says(&line, &[NOT_RECOVERED, "journal: it ends at seq ", &format!("but {floor} was durable")]);

    let line = past
        .refusal("a file of groups lost", |data| {
            fs::remove_file(files(&data.join("journal"), "sst").pop().unwrap()).unwrap();
        })
        .await;
    assert_says(&line, &[NOT_OPENED, ".sst"]);

    let line = past
        .refusal("the journal's folder emptied", |data| {
            fs::remove_dir_all(data.join("journal")).unwrap();
            fs::create_dir(data.join("journal")).unwrap();
        })
        .await;
    assert_says(&line, &[NOT_RECOVERED, "journal: it ends at seq 0, ", "acknowledged records are missing"]);

    // The index is made from the journal, and this journal has never been trimmed.
    past.kept("the index's folder emptied, the journal whole", |data| {
        fs::remove_dir_all(data.join("index")).unwrap();
    })
    .await;
}

/// Writes the journal anew without some of its groups, through the store, as if they had never been written.
fn without(data: &Path, is_lost: impl Fn(u64) -> bool) {
    let mut groups = Vec::new();
    let options = StoreOptions::new(Durability::Os);
    {
        let store = Store::open(data, options).unwrap();
        let mut keep = |seq, bytes: &[u8]| {
            groups.push((seq, bytes.to_vec()));
            Ok(ControlFlow::Continue(()))
        };
        store.journal().read(0, &mut keep).unwrap();
    }
    fs::remove_dir_all(data.join("journal")).unwrap();
    // An empty journal must not look like one that lost its FORMAT file.
    let store = Store::open(data, options).unwrap();
    for (seq, bytes) in groups.iter().filter(|(seq, _)| !is_lost(*seq)) {
        store.journal().append(*seq, bytes).unwrap();
    }
}

#[tokio::test]
async fn a_torn_tail_is_cut_unless_it_was_durable() {
    let past = Past::make().await;
    past.kept("nothing", |_| {}).await;
    past.kept("a few bytes of a record that never returned", |data| {
        append(&newest_log(data), b"\x01\x02\x03");
    })
    .await;
    past.kept("the beginning of a record that never returned", |data| {
        let mut begun = vec![0xde, 0xad, 0xbe, 0xef, 0xff, 0x0f, 1];
        begun.extend_from_slice(&[0x55; 300]);
        append(&newest_log(data), &begun);
    })
    .await;
    past.kept("zeros that a file system allotted and nobody wrote", |data| {
        append(&newest_log(data), &[0; 4_096]);
    })
    .await;

    let line = past
        .refusal("a cut below the durable floor", |data| {
            // A third start moves the floor to the end of the second life, and writes its log out as a file; then the last
            // file of groups is all that holds it.
            let (options, log) = (StoreOptions::new(Durability::Os), newest_log(data));
            let whole = fs::read(&log).unwrap();
            let store = Store::open(data, options).unwrap();
            let mut end = None;
            store
                .journal()
                .read(0, &mut |seq, bytes| {
                    let group = GroupView::parse(seq, bytes)?;
                    end = Some(tallystick_journal::Floor { seq: group.last_seq(), check: group.check });
                    Ok(ControlFlow::Continue(()))
                })
                .unwrap();
            let journal = data.join("journal");
            drop(store);
            // The journal goes back to what it was before, less the last bytes of its log.
            fs::remove_dir_all(&journal).unwrap();
            copy(&past.folder.path().join("data/journal"), &journal);
            fs::write(&log, &whole).unwrap();
            cut(&log, 40);
            // The index keeps the floor.
            set_floor(data, end.unwrap());
        })
        .await;
    assert_says(
        &line,
        &[NOT_RECOVERED, "journal: it ends at seq ", "was durable: acknowledged records are missing"],
    );
}

/// Moves the durable floor as a start does, with the journal put aside.
fn set_floor(data: &Path, floor: tallystick_journal::Floor) {
    let (journal, aside) = (data.join("journal"), data.join("aside"));
    fs::rename(&journal, &aside).unwrap();
    let store = Store::open(data, StoreOptions::new(Durability::Os)).unwrap();
    store.index().set_floor(floor).unwrap();
    drop(store);
    fs::remove_dir_all(&journal).unwrap();
    fs::rename(&aside, &journal).unwrap();
}
