//! Proves, on folders that a real engine wrote, that a journal is read without a byte of the folder changing, that a sound
//! one verifies from its checkpoints and from nothing, and that what does not hold is named.

use crate::{
    Exit, Failure,
    desk::Output,
    journal::{self, JournalCommand},
};
use clap::Parser;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tallystick_core::{
    AccountId, Amount, Clock, Currency, EnvelopeId, IdSource, PayeeId, SessionId, Span, Time,
    command::{CreateAccount, CreatePayee, Debit, Deposit, Intent, OpenSession},
};
use tallystick_engine::{Engine, OpenAnswer, Options, Parts, Running, Silent};
use tallystick_journal::{GroupView, Journal as _};
use tallystick_store::{Store, StoreOptions, StoreReader};

const USD: Currency = Currency::from_number(840);

/// Counts; as a clock, in seconds.
#[derive(Debug, Default)]
struct Count(AtomicU64);

impl Clock for Count {
    fn now(&self) -> Time {
        let count = self.0.fetch_add(1, Ordering::SeqCst);
        Time::from_ns(1_800_000_000_000_000_000 + count * 1_000_000)
    }
}

impl IdSource for Count {
    fn draw(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

fn start(data: &Path) -> (Running, Store) {
    let store = Store::open(data, StoreOptions::default()).unwrap();
    let parts = Parts {
        journal: store.journal(),
        checkpoints: store.index(),
        tables: store.index(),
        journal_needed_from: Arc::default(),
        clock: Arc::new(Count::default()),
        ids: Arc::new(Count::default()),
        events: Arc::new(Silent),
    };
    let options = Options { shards: 4, ..Options::default() };
    (Running::start(parts, options).unwrap().0, store)
}

fn open(engine: &Engine, parent: EnvelopeId, key: &str, cap: u64) -> SessionId {
    let cap = (Amount::from_nanos(cap), USD);
    // A session below another ends before it.
    let hours = if matches!(parent, EnvelopeId::Account(_)) { 24 } else { 1 };
    let ttl = Span::from_ns(hours * 3_600_000_000_000);
    let opening = OpenSession::capped(parent, key.as_bytes(), cap, ttl);
    match engine.open_session(&opening).wait().unwrap().value {
        OpenAnswer::Opened(view) => view.id,
        other => panic!("not opened: {other:?}"),
    }
}

fn pay(engine: &Engine, session: SessionId, payee: PayeeId, nanos: u64, key: &str) {
    let debit = Debit {
        act: tallystick_core::command::Act::Debit,
        proof: None,
        session,
        payee,
        amount: Amount::from_nanos(nanos),
        currency: USD,
        intent: Intent::Key(key.as_bytes()),
        reference: "call",
        evidence: None,
        partial: false,
    };
    engine.debit(&debit).wait().unwrap();
}

struct Past {
    folder: tempfile::TempDir,
    account: AccountId,
    session: SessionId,
}

impl Past {
    /// Lives a life: an account, a tree, debits and declines, a settlement. `orderly` ends with a checkpoint.
    fn live(orderly: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (running, store) = start(&folder.path().join("data"));
        let engine = running.engine();
        let account = engine.create_account(&CreateAccount::prepaid(b"a", USD)).wait().unwrap().value.id;
        let amount = Amount::from_nanos(10_000_000_000);
        let deposit = Deposit { account, key: b"d", amount, currency: USD, pending: false };
        engine.deposit(&deposit).wait().unwrap();
        let payee = CreatePayee { key: b"p", name: "acme" };
        let payee = engine.create_payee(&payee).wait().unwrap().value.id;
        let session = open(engine, EnvelopeId::Account(account), "s", 2_000_000_000);
        let below = open(engine, EnvelopeId::Session(session), "b", 500_000_000);
        (0..30).for_each(|n| pay(engine, session, payee, 100_000_000, &format!("k{n}")));
        (0..10).for_each(|n| pay(engine, below, payee, 10_000_000, &format!("b{n}")));
        engine.settle(below, false).wait().unwrap();
        if orderly {
            running.stop().unwrap();
        } else {
            drop(running);
        }
        drop(store);
        Self { folder, account, session }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

#[derive(Debug, Parser)]
struct Probe {
    #[command(flatten)]
    args: journal::JournalArgs,
}

fn currency(number: u16) -> String {
    if number == 840 { "USD".into() } else { format!("#{number}") }
}

fn verify(data: &Path, more: &[&str]) -> Result<(String, Value), Failure> {
    let words = ["journal", "verify"].iter().chain(more).map(|word| (*word).to_owned());
    let probe = Probe::try_parse_from(words.chain([data.display().to_string()])).unwrap();
    journal::run(probe.args, currency).map(|said| (said.text, said.json))
}

fn inspect(data: &Path, json: bool, more: &[&str]) -> Result<Vec<String>, Failure> {
    let words = ["journal", "inspect"].iter().chain(more).map(|word| (*word).to_owned());
    let probe = Probe::try_parse_from(words.chain([data.display().to_string()])).unwrap();
    let JournalCommand::Inspect(args) = &probe.args.command else { panic!("inspect") };
    let mut lines = Vec::new();
    let output = Output { json, nanos: false };
    journal::inspect::walk(args, output, currency, &mut |line| {
        lines.push(line.to_owned());
        true
    })?;
    Ok(lines)
}

/// Reads every file of a folder, but for RocksDB's own LOCK files, which have no content.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else {
            all.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    all
}

#[test]
fn a_sound_journal_verifies_and_the_folder_stays_as_it_is() {
    for orderly in [true, false] {
        let past = Past::live(orderly);
        let before = contents(&past.data());
        for more in [&[][..], &["--from-genesis"], &["--from-genesis", "--every", "1"], &["--every", "7"]] {
            let (text, json) =
                verify(&past.data(), more).unwrap_or_else(|failure| panic!("{more:?}: {failure}"));
            assert!(text.contains("Sound:") && text.contains("debited"), "{text}");
            assert_eq!(json["kinds"]["debited"], 40);
            let from_checkpoints = orderly && !more.contains(&"--from-genesis");
            let decided = if from_checkpoints { 0 } else { json["records"].as_u64().unwrap() };
            assert_eq!(json["decided_again"], decided, "{more:?}");
            let books = &json["books"][0];
            assert_eq!(books["currency"], "USD");
            assert_eq!(books["books_nanos"]["outside"], "-10000000000");
            assert_eq!(books["books_nanos"]["payee_payable"], "100000000");
        }
        inspect(&past.data(), false, &[]).unwrap();
        assert!(contents(&past.data()) == before, "reading changed the folder");
        // And it serves as if nobody had looked.
        let (running, _store) = start(&past.data());
        assert_eq!(running.engine().check_sound(), Ok(()));
    }
}

#[test]
fn records_are_told_in_words_and_as_lines_of_json() {
    let past = Past::live(true);
    let lines = inspect(&past.data(), false, &[]).unwrap();
    let text = lines.join("\n");
    assert!(lines[0].starts_with("group 1..1: 1 record,"), "{}", lines[0]);
    for part in
        ["genesis: a journal of 256 partitions", "0.10 for pay_", "declined CAP", "10.00 into acc_", "acme"]
    {
        assert!(text.contains(part), "no {part} in {text}");
    }
    let (session, account) = (past.session.to_string(), past.account.to_string());
    let of = |more: &[&str]| -> Vec<Value> {
        let lines = inspect(&past.data(), true, more).unwrap();
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let debits = of(&["--session", &session, "--kind", "debited"]);
    assert_eq!(debits.len(), 30);
    assert_eq!((&debits[0]["outcome"], &debits[0]["amount"]), (&"APPROVED".into(), &"0.10".into()));
    assert!(debits[0]["payee_id"].as_str().unwrap().starts_with("pay_"), "{}", debits[0]);
    let all = of(&["--account", &account, "--kind", "debited", "--kind", "session_settled"]);
    assert_eq!(all.len(), 41, "the account's own sessions and those below them");
    let (from, to) = (debits[0]["seq"].to_string(), debits[4]["seq"].to_string());
    assert_eq!(of(&["--session", &session, "--from-seq", &from, "--to-seq", &to]).len(), 5);
    assert!(of(&["--groups"]).iter().all(|line| line["type"] == "group"));
}

/// Writes the folder again with one group changed.
fn changed(past: &Past, change: impl Fn(u64, Vec<u8>) -> Option<Vec<u8>>) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let reader = StoreReader::open(past.data()).unwrap();
    let store = Store::open(copy.path().join("data"), StoreOptions::default()).unwrap();
    let mut groups = Vec::new();
    reader
        .groups(1, &mut |key, bytes| {
            groups.push((key, bytes.to_vec()));
            Ok(std::ops::ControlFlow::Continue(()))
        })
        .unwrap();
    for (key, bytes) in groups {
        if let Some(bytes) = change(key, bytes) {
            store.journal().append(key, &bytes).unwrap();
        }
    }
    copy
}

#[test]
fn what_does_not_hold_is_named_and_ends_with_65() {
    let past = Past::live(false);
    let middle = 20;
    let whole = changed(&past, |_, bytes| Some(bytes));
    verify(&whole.path().join("data"), &[]).unwrap();
    let flipped = changed(&past, |key, mut bytes| {
        if key == middle {
            bytes[60] ^= 1;
        }
        Some(bytes)
    });
    let gap = changed(&past, |key, bytes| (key != middle).then_some(bytes));
    let headless = changed(&past, |key, bytes| (key > middle).then_some(bytes));
    for (folder, part) in
        [(flipped, "seq 20"), (gap, "records 20 to 20 are missing"), (headless, "begins at seq 21")]
    {
        let failure = verify(&folder.path().join("data"), &[]).unwrap_err();
        assert_eq!(failure.exit(), Exit::Corrupt, "{failure}");
        assert!(failure.to_string().contains(part), "{failure}");
    }
}

#[test]
fn a_record_that_the_rules_would_not_have_made_is_named_with_its_seq() {
    let past = Past::live(false);
    // The deposit is told to be less, in a journal whose checksums are all right: a bug, or a forger.
    let data = forged(&past);
    let failure = verify(&data.path().join("data"), &["--from-genesis"]).unwrap_err();
    assert_eq!(failure.exit(), Exit::Corrupt, "{failure}");
    let said = failure.to_string();
    assert!(said.starts_with("record ") && said.contains("the rules say declined CAP"), "{said}");
}

/// Writes a journal in which every session's cap is a tenth, chained and summed anew.
fn forged(past: &Past) -> tempfile::TempDir {
    use tallystick_core::Record;
    use tallystick_journal::{GroupWriter, codec};
    let copy = tempfile::tempdir().unwrap();
    let reader = StoreReader::open(past.data()).unwrap();
    let store = Store::open(copy.path().join("data"), StoreOptions::default()).unwrap();
    let mut previous = 0;
    reader
        .groups(1, &mut |key, bytes| {
            let mut writer = GroupWriter::default();
            writer.begin(key);
            GroupView::parse(key, bytes)?.records(|_, stamp, record| {
                let mut bytes = Vec::new();
                match record {
                    Record::SessionOpened(opened) if opened.parent.is_none() => {
                        let mut opened = opened.clone();
                        opened.bounds.cap = Amount::from_nanos(opened.bounds.cap.nanos() / 2);
                        codec::encode(stamp, &Record::SessionOpened(opened), &mut bytes);
                    }
                    other => codec::encode(stamp, other, &mut bytes),
                }
                writer.push(&bytes, 1);
            })?;
            let (bytes, check) = writer.finish(previous);
            store.journal().append(key, bytes)?;
            previous = check;
            Ok(std::ops::ControlFlow::Continue(()))
        })
        .unwrap();
    copy
}

#[test]
fn a_folder_that_is_none_is_refused_and_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("nowhere");
    for failure in [verify(&data, &[]).unwrap_err(), inspect(&data, false, &[]).unwrap_err()] {
        assert_eq!(failure.exit(), Exit::Usage);
        assert!(failure.to_string().contains("DATA_DIR must be a data folder"), "{failure}");
    }
    assert!(!data.exists());
}
