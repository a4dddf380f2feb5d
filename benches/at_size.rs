//! Answers: how long does a start take at size, and what does a checkpoint beside the load cost those who wait?
//!
//! ```text
//! at_size build DIR SESSIONS DEBITS      fills a folder; its end is in the journal alone, as after a crash
//! at_size snapshot DIR                   starts it and stops it, with a last checkpoint
//! at_size recover DIR [TIMES]            starts it, again and again, and says how fast
//! at_size load DIR SESSIONS PAYERS RATE SECONDS ROUNDS   debits, with checkpoints all along and without, in turn
//! ```
//!
//! THREADS in the environment says how many threads a start may use. RATE is debits a second over all payers; 0 is as fast as it goes. Without arguments it runs all of it on a small folder.
#![allow(clippy::expect_used, reason = "a bench that cannot be set up has nothing to measure")]
#![allow(clippy::disallowed_methods, reason = "a measurement has its own stopwatch, and paces itself")]
#![allow(clippy::print_stdout, reason = "its figures")]

use std::{
    mem,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tallystick_benches::{CountedIds, DEPOSIT, Dice, Noon, USD, numbered, opening};
use tallystick_core::{
    AccountId, Amount, PayeeId, SessionId, WriterId,
    command::{CreateAccount, CreatePayee, Debit, Deposit},
};
use tallystick_engine::{
    CheckpointSummary, Engine, Events, OpenAnswer, Options, Parts, RecoverySummary, Running,
};
use tallystick_journal::{Durability, NeededFrom};
use tallystick_store::{Store, StoreOptions};

const BATCH: usize = 100;
const IN_FLIGHT: usize = 32;
const CAP: Amount = Amount::from_nanos(1 << 40);
const ACCOUNTS_MAX: usize = 4_096;

/// Reads a stopwatch, and keeps what was said of checkpoints.
struct Watch {
    began: Instant,
    checkpoints: Mutex<Vec<(f64, CheckpointSummary)>>,
}

impl Watch {
    fn new() -> Arc<Self> {
        Arc::new(Self { began: Instant::now(), checkpoints: Mutex::default() })
    }
}

impl Events for Watch {
    fn stopwatch_ns(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn checkpointed(&self, summary: &CheckpointSummary) {
        let at = self.began.elapsed().as_secs_f64();
        self.checkpoints.lock().expect("a list").push((at, *summary));
    }
}

fn start(folder: &Path, durability: Durability, watch: &Arc<Watch>) -> (Running, RecoverySummary) {
    let began = Instant::now();
    let store = Store::open(folder, StoreOptions::new(durability)).expect("a store");
    println!("  store opened in {:.2?}", began.elapsed());
    let parts = Parts {
        journal: store.journal(),
        checkpoints: store.index(),
        tables: store.index(),
        journal_needed_from: Arc::new(NeededFrom::default()),
        clock: Arc::new(Noon),
        ids: Arc::new(CountedIds::default()),
        events: Arc::clone(watch) as _,
    };
    let sweep_every = Duration::from_secs(3_600);
    let mut options = Options { checkpoint_records: 16_000_000, sweep_every, ..Options::default() };
    if let Some(threads) = std::env::var("THREADS").ok().and_then(|text| text.parse().ok()) {
        options.recovery_threads = threads;
    }
    Running::start(parts, options).expect("an engine")
}

fn accounts(engine: &Engine, count: usize) -> Vec<AccountId> {
    let account = |nth: usize| {
        let name = format!("account {nth}");
        let key = name.as_bytes();
        let account = engine.create_account(&CreateAccount::prepaid(key, USD));
        let account = account.wait().expect("an account").value.id;
        let deposit = Deposit { account, key, amount: DEPOSIT, currency: USD, pending: false };
        engine.deposit(&deposit).wait().expect("a deposit");
        account
    };
    (0..count).map(account).collect()
}

/// Opens sessions; one in `IN_FLIGHT * BATCH` is waited for.
fn open(engine: &Engine, name: &str, accounts: &[AccountId], count: usize) -> Vec<SessionId> {
    let mut sessions = Vec::with_capacity(count);
    for nth in 0..count {
        let key = format!("{name} {nth}");
        let mut id = None;
        let ticket = engine.open_session(&opening(accounts[nth % accounts.len()], key.as_bytes(), CAP));
        let ticket = ticket.map(|answer| match answer.value {
            OpenAnswer::Opened(view) => id = Some(view.id),
            other => panic!("not opened: {other:?}"),
        });
        if nth % (IN_FLIGHT * BATCH) == 0 {
            ticket.wait().expect("a durable session");
        }
        sessions.push(id.expect("an id"));
    }
    sessions
}

/// Pays out of sessions of its own, under its own numbers.
struct Payer {
    payee: PayeeId,
    writer: WriterId,
    sessions: Vec<(SessionId, u64)>,
    dice: Dice,
}

impl Payer {
    fn new(engine: &Engine, name: &str, count: usize) -> Self {
        let create = CreatePayee { key: name.as_bytes(), name };
        let payee = engine.create_payee(&create).wait().expect("a payee").value.id;
        let (writer, _) = engine.open_writer(None).wait().expect("a writer");
        let accounts = accounts(engine, count.min(ACCOUNTS_MAX));
        let sessions = open(engine, name, &accounts, count).into_iter().map(|id| (id, 0)).collect();
        Self { payee, writer, sessions, dice: Dice::default() }
    }

    fn batch(&mut self) -> Vec<Debit<'static>> {
        (0..BATCH)
            .map(|_| {
                let at = self.dice.below(self.sessions.len());
                let (session, number) = &mut self.sessions[at];
                *number += 1;
                numbered(*session, self.payee, self.writer, *number)
            })
            .collect()
    }
}

fn build(folder: &Path, sessions: usize, debits: usize) {
    let (running, _) = start(folder, Durability::Os, &Watch::new());
    let engine = running.engine();
    let began = Instant::now();
    let mut payer = Payer::new(engine, "builder", sessions);
    println!("  {sessions} sessions opened in {:.2?}", began.elapsed());
    for nth in 0..debits / BATCH {
        let ticket = engine.debit_batch(&payer.batch());
        if nth % IN_FLIGHT == 0 {
            ticket.wait().expect("a durable batch");
        }
    }
    engine.debit_batch(&payer.batch()).wait().expect("a durable batch");
    println!("  built in {:.2?}, {} records", began.elapsed(), engine.durable_seq());
    // Dropped, not stopped: no last checkpoint.
}

/// Returns the processor time this process has used. *Units*: seconds.
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    ticks.filter_map(|text| text.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

#[expect(clippy::cast_precision_loss, reason = "figures to be read")]
fn recover(folder: &Path, times: usize) {
    for _ in 0..times {
        let watch = Watch::new();
        let (began, cpu_before) = (Instant::now(), cpu_s());
        let (running, summary) = start(folder, Durability::Os, &watch);
        let (took, cpu) = (began.elapsed(), cpu_s() - cpu_before);
        let sessions = running.engine().stats().open_sessions;
        println!(
            "  up in {took:.2?}, {cpu:.2} s of processors: {} records applied ({:.2} M/s), {sessions} sessions ({:.2} M/s), peak {} MiB",
            summary.records_applied,
            summary.records_applied as f64 / took.as_secs_f64() / 1e6,
            sessions as f64 / took.as_secs_f64() / 1e6,
            peak_mib(),
        );
    }
}

fn snapshot(folder: &Path) {
    let watch = Watch::new();
    let (running, _) = start(folder, Durability::Os, &watch);
    let began = Instant::now();
    running.stop().expect("a checkpoint");
    println!("  stopped in {:.2?}", began.elapsed());
    told(&watch);
}

/// Says what checkpoints there were, all together.
fn told_all(watch: &Watch) {
    let all = mem::take(&mut *watch.checkpoints.lock().expect("a list"));
    if let Some((_, last)) = all.last() {
        let (rows, bytes) = all.iter().fold((0, 0), |(r, b), (_, s)| (r + s.rows, b + s.bytes));
        let held = all.iter().map(|(_, summary)| summary.hold_ns_max / 1_000).max().unwrap_or(0);
        let count = all.len();
        println!(
            "    {count} checkpoints to seq {}: {rows} rows, {bytes} bytes, a lock held {held} us at most",
            last.covered_seq
        );
    }
}

fn told(watch: &Watch) {
    for (at, summary) in watch.checkpoints.lock().expect("a list").drain(..) {
        println!("  checkpoint ended at {at:.2} s: {summary:?}");
    }
}

/// Debits until told to stop; returns what each batch took from when it was due. *Units*: microseconds.
fn pay(engine: &Engine, payer: &mut Payer, every: Duration, span: Duration) -> Vec<u32> {
    let (began, mut due, mut waits) = (Instant::now(), Duration::ZERO, Vec::new());
    while began.elapsed() < span {
        let now = began.elapsed();
        if now < due {
            thread::sleep(due - now);
        }
        let from = if every.is_zero() { began.elapsed() } else { due };
        engine.debit_batch(&payer.batch()).wait().expect("a durable batch");
        waits.push(u32::try_from((began.elapsed() - from).as_micros()).unwrap_or(u32::MAX));
        due += every;
    }
    waits
}

fn say(what: &str, mut waits: Vec<u32>, span: Duration) {
    waits.sort_unstable();
    let at = |per_mille: usize| waits[(waits.len() - 1) * per_mille / 1_000];
    println!(
        "  {what:<20} {:>9} debits/s, p50 {:>6} p99 {:>6} p99.9 {:>6} max {:>6} us",
        waits.len() * BATCH / usize::try_from(span.as_secs()).unwrap_or(1).max(1),
        at(500),
        at(990),
        at(999),
        at(1_000)
    );
}

/// Is what a load is told on the command line.
struct Load {
    sessions: usize,
    payers: usize,
    rate: usize,
    seconds: u64,
    rounds: usize,
}

fn load(folder: &Path, told: &Load) {
    let Load { sessions, payers, rate, seconds, rounds } = *told;
    let watch = Watch::new();
    let (running, _) = start(folder, Durability::Fsync, &watch);
    let engine = running.engine();
    let mut payers: Vec<Payer> =
        (0..payers).map(|nth| Payer::new(engine, &format!("payer {nth}"), sessions / payers)).collect();
    running.checkpoint().expect("a checkpoint");
    told_all(&watch);
    let span = Duration::from_secs(seconds);
    let every = match rate {
        0 => Duration::ZERO,
        rate => Duration::from_nanos((1_000_000_000 * BATCH * payers.len() / rate) as u64),
    };
    for round in 0..rounds * 2 {
        let beside = round % 2 == 1;
        let done = AtomicBool::new(false);
        let waits = thread::scope(|scope| {
            if beside {
                scope.spawn(|| {
                    while !done.load(Ordering::Acquire) {
                        running.checkpoint().expect("a checkpoint");
                    }
                });
            }
            let all: Vec<_> =
                payers.iter_mut().map(|payer| scope.spawn(|| pay(engine, payer, every, span))).collect();
            let waits = all.into_iter().flat_map(|payer| payer.join().expect("a payer")).collect();
            done.store(true, Ordering::Release);
            waits
        });
        say(if beside { "beside checkpoints" } else { "alone" }, waits, span);
        told_all(&watch);
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let number = |at: usize| args.get(at).and_then(|arg| arg.parse::<usize>().ok());
    let asked = |at: usize| number(at).expect("a number");
    match args.first().map(String::as_str) {
        Some("build") => build(Path::new(&args[1]), asked(2), asked(3)),
        Some("snapshot") => snapshot(Path::new(&args[1])),
        Some("recover") => recover(Path::new(&args[1]), number(2).unwrap_or(3)),
        Some("load") => {
            let [sessions, payers, rate, rounds] = [2, 3, 4, 6].map(asked);
            load(Path::new(&args[1]), &Load { sessions, payers, rate, seconds: asked(5) as u64, rounds });
        }
        _ => {
            let folder = tempfile::tempdir().expect("a folder");
            build(folder.path(), 1_000, 10_000);
            recover(folder.path(), 2);
            snapshot(folder.path());
            recover(folder.path(), 2);
            load(folder.path(), &Load { sessions: 1_000, payers: 2, rate: 0, seconds: 1, rounds: 1 });
        }
    }
}
