//! Proves, on folders that a real engine wrote, that a backup is the folder, that a restore is the world as it was at any
//! seq, that whatever does not hold is found and located, and that what is not whole is never taken for it.

mod life;

use super::*;
use crate::{Exit, restore, restore::RestoreArgs};
use clap::Parser;
use life::{Life, contents};
use serde_json::Value;
use std::{collections::BTreeMap, fs, ops::ControlFlow};
use tallystick_journal::{Floor, GroupView, StorageFault};
use tallystick_store::{StoreReader, backup::Piece};

#[derive(Debug, Parser)]
struct BackupProbe {
    #[command(flatten)]
    args: BackupArgs,
}

#[derive(Debug, Parser)]
struct RestoreProbe {
    #[command(flatten)]
    args: RestoreArgs,
}

type Outcome = Result<Value, Failure>;

fn show(path: &Path) -> String {
    path.display().to_string()
}

fn run_backup(words: &[&str]) -> Result<Said, Failure> {
    let probe = BackupProbe::try_parse_from(["backup"].iter().chain(words)).unwrap();
    run(&probe.args)
}

/// Backs a folder up that nobody serves.
fn back_up(data: &Path, to: &Path) -> Outcome {
    run_backup(&["--data", &show(data), &show(to)]).map(|said| said.json)
}

fn verify(backup: &Path) -> Outcome {
    run_backup(&["verify", &show(backup)]).map(|said| said.json)
}

fn restore(backup: &Path, data: &Path, more: &[&str]) -> Outcome {
    let (backup, data) = (show(backup), show(data));
    let words = ["restore", &backup, &data].into_iter().chain(more.iter().copied());
    let probe = RestoreProbe::try_parse_from(words).unwrap();
    restore::run(&probe.args).map(|said| said.json)
}

/// Returns when each record was decided.
fn times(data: &Path) -> BTreeMap<u64, u64> {
    let mut times = BTreeMap::new();
    let reader = StoreReader::open(data).unwrap();
    let read = reader.groups(1, &mut |key, bytes| {
        GroupView::parse(key, bytes)?.records(|seq, stamp, _| {
            times.insert(seq, stamp.at.ns());
        })?;
        Ok(ControlFlow::Continue(()))
    });
    read.unwrap();
    times
}

#[test]
fn a_whole_journal_is_backed_up_added_to_and_proved() {
    let folder = tempfile::tempdir().unwrap();
    let (data, to, again) =
        (folder.path().join("data"), folder.path().join("backup"), folder.path().join("again"));
    let mut life = Life::begin(&data);
    life.spend(40);
    life.crash();
    let before = contents(&data);
    let made = back_up(&data, &to).unwrap();
    assert!(contents(&data) == before, "a backup changed the folder");
    let last = *times(&data).last_key_value().unwrap().0;
    assert_eq!((&made["last_seq"], &made["restorable_from_seq"]), (&last.into(), &1.into()));
    let proved = verify(&to).unwrap();
    assert_eq!((&proved["sound"], &proved["digest_compared"]), (&true.into(), &true.into()));
    assert_eq!(proved["decided_again"], last);
    let nothing = back_up(&data, &to).unwrap();
    assert_eq!((&nothing["last_seq"], &nothing["digest"]), (&last.into(), &made["digest"]));
    let mut life = Life::wake(&data);
    life.spend(30);
    life.settle();
    life.stop();
    let added = back_up(&data, &to).unwrap();
    assert_eq!(added["added_from_seq"], last + 1);
    assert_ne!(added["digest"], made["digest"]);
    let whole = back_up(&data, &again).unwrap();
    assert_eq!((&added["digest"], &added["last_seq"]), (&whole["digest"], &whole["last_seq"]));
    assert_eq!(verify(&to).unwrap()["replayed_digest"], verify(&again).unwrap()["replayed_digest"]);
    let shown = run_backup(&["show", &show(&to)]).unwrap();
    assert_eq!(shown.json["files"].as_array().unwrap().len(), 2);
    assert!(shown.text.contains("derived from the journal"), "{}", shown.text);
}

#[test]
fn a_restore_is_the_world_as_it_was_at_any_seq_and_time() {
    let folder = tempfile::tempdir().unwrap();
    let (data, to) = (folder.path().join("data"), folder.path().join("backup"));
    let mut life = Life::begin(&data);
    life.spend(40);
    life.stop();
    back_up(&data, &to).unwrap();
    let times = times(&data);
    let last = *times.last_key_value().unwrap().0;
    let mut digests = BTreeMap::new();
    for seq in [1, 2, 9, last / 2, last - 1, last] {
        let restored = folder.path().join(format!("restored-{seq}"));
        let done = restore(&to, &restored, &["--to-seq", &seq.to_string()]).unwrap();
        assert_eq!((&done["last_seq"], &done["left_out"]), (&seq.into(), &(last - seq).into()));
        assert_eq!(done["digest_compared"], seq == last);
        let kept = self::times(&restored);
        assert!(kept.iter().eq(times.range(..=seq)), "seq {seq}");
        assert!(digests.insert(done["digest"].to_string(), seq).is_none(), "two seqs have one digest");
        // What is restored is backed up as what it is, and lives on.
        let copy = folder.path().join(format!("copy-{seq}"));
        assert_eq!(back_up(&restored, &copy).unwrap()["digest"], done["digest"]);
        let mut life = Life::wake(&restored);
        if seq > 9 {
            life.spend(5);
        }
        life.stop();
        assert!(*self::times(&restored).last_key_value().unwrap().0 >= seq);
    }
    let middle = times[&(last / 2)];
    let at = |ns: u64| moment::from_ns(ns);
    let in_time = folder.path().join("in-time");
    let done = restore(&to, &in_time, &["--to-time", &at(middle)]).unwrap();
    let wanted = times.iter().filter(|(_, ns)| **ns <= middle).map(|(seq, _)| *seq).max().unwrap();
    assert_eq!(done["last_seq"], wanted);
    for beyond in [times[&1] - 1, times[&last] + 1] {
        let failure = restore(&to, &folder.path().join("never"), &["--to-time", &at(beyond)]).unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage, "{failure}");
        assert!(failure.to_string().contains("that is what the backup covers"), "{failure}");
    }
    for beyond in [0, last + 1] {
        let failure =
            restore(&to, &folder.path().join("never"), &["--to-seq", &beyond.to_string()]).unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage, "{failure}");
    }
    assert!(!folder.path().join("never").exists());
}

#[test]
fn a_journal_without_its_beginning_is_backed_up_with_what_it_came_to() {
    let folder = tempfile::tempdir().unwrap();
    let (data, to) = (folder.path().join("data"), folder.path().join("backup"));
    let mut life = Life::begin(&data);
    let first_debit = life.spend(1);
    life.settle();
    life.spend_until_trimmed(0);
    life.stop();
    // Too little for another checkpoint.
    let mut life = Life::wake(&data);
    life.spend(300);
    life.crash();
    let made = back_up(&data, &to).unwrap();
    let number = |name: &str| made[name].as_u64().unwrap();
    let [first, state, index, last] = ["first_seq", "state_seq", "index_seq", "last_seq"].map(number);
    assert!(first > 1 && first <= state + 1 && state < last && index > 0, "{made}");
    assert_eq!(verify(&to).unwrap()["digest_compared"], true);
    let restored = folder.path().join("restored");
    let done = restore(&to, &restored, &[]).unwrap();
    assert_eq!((&done["digest"], &done["index_complete_from_seq"]), (&made["digest"], &1.into()));
    let mut life = Life::wake(&restored);
    assert!(life.finds(first_debit), "a debit of the journal's given back beginning");
    life.spend(10);
    life.stop();
    // Before the index's end, it is taken back; before the state, nothing can be had.
    let middle = state + 100;
    assert!(middle < index, "{made}");
    let (refused, earlier) = (folder.path().join("refused"), folder.path().join("earlier"));
    let done = restore(&to, &earlier, &["--to-seq", &middle.to_string()]).unwrap();
    assert_eq!((&done["last_seq"], &done["index_complete_from_seq"]), (&middle.into(), &1.into()));
    let mut life = Life::wake_with_index(&earlier, middle);
    assert!(life.finds(first_debit));
    life.spend(10);
    life.stop();
    let failure = restore(&to, &refused, &["--to-seq", &(state - 1).to_string()]).unwrap_err();
    assert_eq!(failure.exit(), Exit::Usage, "{failure}");
    // What was restored, lived on and was backed up again tells where it came from.
    let copy = folder.path().join("copy");
    assert_eq!(back_up(&earlier, &copy).unwrap()["restored_to_seqs"], serde_json::json!([middle]));
}

#[test]
fn a_flipped_bit_in_any_file_is_found_and_located() {
    let folder = tempfile::tempdir().unwrap();
    let (data, to) = (folder.path().join("data"), folder.path().join("backup"));
    let mut life = Life::begin(&data);
    life.spend(1);
    life.spend_until_trimmed(0);
    life.stop();
    back_up(&data, &to).unwrap();
    let files = contents(&to);
    assert_eq!(files.len(), 3, "manifest, state, journal");
    for (path, bytes) in &files {
        let name = path.file_name().unwrap().to_str().unwrap();
        let (bits, spread) = (bytes.len() * 8, 8);
        // The header's, the last check's, and some between.
        let ends = [2, 33, 70, bits - 20, bits - 1];
        for bit in ends.into_iter().chain((0..spread).map(|n| n * (bits / spread) + n)) {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            fs::write(path, changed).unwrap();
            for failure in
                [verify(&to).unwrap_err(), restore(&to, &folder.path().join("restored"), &[]).unwrap_err()]
            {
                assert_eq!(failure.exit(), Exit::Corrupt, "{name}, bit {bit}: {failure}");
                assert!(failure.to_string().contains(name), "bit {bit}: {failure}");
            }
            assert!(!folder.path().join("restored").exists());
        }
        for length in [0, 7, bytes.len() / 2, bytes.len() - 1] {
            fs::write(path, &bytes[..length]).unwrap();
            let failure = verify(&to).unwrap_err();
            assert_eq!(failure.exit(), Exit::Corrupt, "{name} cut to {length}: {failure}");
        }
        fs::remove_file(path).unwrap();
        assert!(verify(&to).is_err(), "{name} is missing");
        fs::write(path, bytes).unwrap();
    }
    verify(&to).unwrap();
}

#[test]
fn what_was_interrupted_is_never_taken_for_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (data, to) = (folder.path().join("data"), folder.path().join("backup"));
    let mut life = Life::begin(&data);
    life.spend(20);
    life.stop();
    // A backup that ends in the middle has no name, and no manifest under its draft's.
    let mut writer = tallystick_store::backup::BackupWriter::begin(&to).unwrap();
    let mut left = 3;
    let reader = StoreReader::open(&data).unwrap();
    let copied = reader.copy(None, &mut |piece| {
        writer.take(piece)?;
        left -= 1;
        Ok(if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    });
    assert!(!copied.unwrap().is_whole);
    drop((writer, reader));
    let draft = folder.path().join("backup.unfinished");
    assert!(draft.is_dir() && !to.exists());
    for failure in [verify(&draft).unwrap_err(), restore(&draft, &folder.path().join("r"), &[]).unwrap_err()]
    {
        assert!(failure.exit() == Exit::Corrupt && failure.to_string().contains("interrupted"), "{failure}");
    }
    // The next one takes its place.
    let made = back_up(&data, &to).unwrap();
    assert!(!draft.exists());
    // An addition that ends in the middle leaves the backup as it was.
    let mut life = Life::wake(&data);
    life.spend(20);
    life.stop();
    fs::write(to.join("journal-00000000000000000040.tsb"), "a beginning").unwrap();
    fs::write(to.join("MANIFEST.draft"), "a beginning").unwrap();
    assert_eq!(verify(&to).unwrap()["last_seq"], made["last_seq"]);
    back_up(&data, &to).unwrap();
    assert_eq!(verify(&to).unwrap()["digest_compared"], true);
    // A restore that was interrupted is not served.
    let unfinished = folder.path().join("restored.unfinished");
    let restored = folder.path().join("restored");
    drop(tallystick_store::backup::Restorer::begin(&restored, 10).unwrap());
    let fault = tallystick_store::Store::open(&unfinished, tallystick_store::StoreOptions::default());
    assert!(matches!(fault, Err(StorageFault::Corrupt { .. })), "{fault:?}");
    restore(&to, &restored, &[]).unwrap();
    assert!(!unfinished.exists());
}

#[test]
fn nothing_is_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let (data, to) = (folder.path().join("data"), folder.path().join("backup"));
    let mut life = Life::begin(&data);
    life.spend(5);
    life.stop();
    back_up(&data, &to).unwrap();
    let before = contents(folder.path());
    for target in [&data, &to, folder.path()] {
        let failure = restore(&to, target, &[]).unwrap_err();
        assert!(failure.exit() == Exit::Usage && failure.to_string().contains("empty folder"), "{failure}");
    }
    let failure = back_up(&data, &data).unwrap_err();
    assert!(failure.to_string().contains("new or empty"), "{failure}");
    // A folder that happens to have a draft's name is not ours to remove.
    let foreign = folder.path().join("other.unfinished");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("notes"), "mine").unwrap();
    let failure = back_up(&data, &folder.path().join("other")).unwrap_err();
    assert!(failure.to_string().contains("no draft of ours"), "{failure}");
    fs::remove_dir_all(foreign).unwrap();
    assert!(contents(folder.path()) == before);
    let failure = verify(&data).unwrap_err();
    assert!(failure.to_string().contains("is no backup"), "{failure}");
    fs::create_dir(folder.path().join("empty")).unwrap();
    restore(&to, &folder.path().join("empty"), &[]).unwrap();
}

#[test]
fn a_backup_is_only_added_to_from_its_own_history() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut life = Life::begin(&path("data"));
    life.spend(30);
    life.stop();
    let made = back_up(&path("data"), &path("backup")).unwrap();
    let last = made["last_seq"].as_u64().unwrap();
    restore(&path("backup"), &path("earlier"), &["--to-seq", &(last - 5).to_string()]).unwrap();
    let mut life = Life::wake(&path("earlier"));
    life.spend(30);
    life.stop();
    let before = contents(&path("backup"));
    let failure = back_up(&path("earlier"), &path("backup")).unwrap_err();
    assert_eq!(failure.exit(), Exit::Refused, "{failure}");
    assert!(failure.to_string().contains("another journal, or was restored to an earlier seq"), "{failure}");
    let mut life = Life::begin(&path("other"));
    life.spend(60);
    life.stop();
    assert_eq!(back_up(&path("other"), &path("backup")).unwrap_err().exit(), Exit::Refused);
    // One that lost its beginning since.
    let mut life = Life::wake(&path("data"));
    life.spend_until_trimmed(last);
    life.stop();
    let failure = back_up(&path("data"), &path("backup")).unwrap_err();
    assert!(failure.exit() == Exit::Refused && failure.to_string().contains("given back"), "{failure}");
    assert!(contents(&path("backup")) == before);
    // An identical continuation may be added: it was restored to the backup's very end.
    restore(&path("backup"), &path("end"), &[]).unwrap();
    let mut life = Life::wake(&path("end"));
    life.spend(10);
    life.stop();
    back_up(&path("end"), &path("backup")).unwrap();
    assert_eq!(verify(&path("backup")).unwrap()["restored_to_seqs"], serde_json::json!([last]));
}

#[test]
fn a_record_that_the_rules_would_not_have_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (data, to) = (folder.path().join("data"), folder.path().join("backup"));
    let mut life = Life::begin(&data);
    life.spend(20);
    life.stop();
    // Every session's cap is told to be a half, in groups whose checksums are all right: a bug, or a forger.
    let mut writer = tallystick_store::backup::BackupWriter::begin(&to).unwrap();
    let mut previous = 0;
    let reader = StoreReader::open(&data).unwrap();
    reader
        .copy(None, &mut |piece| {
            let Piece::Group { first_seq, value } = piece else { panic!("{}", piece.name()) };
            let (bytes, check) = life::halved(*first_seq, value, previous);
            previous = check;
            writer.take(&Piece::Group { first_seq: *first_seq, value: &bytes })?;
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    writer.seal(None, Vec::<Floor>::new()).unwrap().commit(None).unwrap();
    let failure = verify(&to).unwrap_err();
    assert_eq!(failure.exit(), Exit::Corrupt, "{failure}");
    assert!(failure.to_string().starts_with("record "), "{failure}");
}
