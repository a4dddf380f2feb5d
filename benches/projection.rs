//! Answers: how many records a second can the projection follow, into memory and into RocksDB? And what does the hot path
//! lose, and the projection lag, when it follows beside it?
#![allow(clippy::expect_used, reason = "a bench that cannot be set up has nothing to measure")]

#[path = "projection/paced.rs"]
mod paced;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::{sync::Arc, thread};
use tallystick_benches::{Memory, Past, Payer};
use tallystick_journal::{
    Durability, NeededFrom, ProjectionStore,
    memory::{MemoryIndex, MemoryProjection},
};
use tallystick_projection::{Follower, Following, Options, Parts, Silent, Step};
use tallystick_store::{Store, StoreOptions};
use tempfile::TempDir;

const DEBITS: u64 = 1_000_000;
const BATCH: usize = 100;
const ROUND: usize = 64;

fn follower(past: &Past, store: Arc<dyn ProjectionStore>) -> Follower {
    let parts = Parts {
        journal: Arc::clone(&past.journal) as _,
        checkpoints: Arc::new(MemoryIndex::default()),
        store,
        needed_from: Arc::new(NeededFrom::default()),
        events: Arc::new(Silent),
    };
    Follower::open(parts, Options::default()).expect("a follower")
}

/// Follows all there is, and makes it durable.
fn follow(past: &Past, mut follower: Follower) {
    while follower.step(past.last_seq).expect("a step") == Step::Followed {}
    follower.sync().expect("a sync");
}

type Stored = (Arc<dyn ProjectionStore>, Option<(Store, TempDir)>);

fn memory() -> Stored {
    (Arc::new(MemoryProjection::default()), None)
}

fn rocks() -> Stored {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), StoreOptions::new(Durability::Os)).expect("a store");
    (store.index(), Some((store, folder)))
}

fn sustained(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("follow a million debits, opened and settled");
    group.sample_size(10);
    for (name, store) in [("memory", memory as fn() -> Stored), ("rocksdb", rocks)] {
        for (sessions, by_key) in [(1_000, false), (100_000, false), (1_000, true)] {
            let past = Past::new(sessions, DEBITS, by_key);
            let named = if by_key { "by key" } else { "by number" };
            group.throughput(Throughput::Elements(past.last_seq));
            group.bench_function(format!("{name}, {sessions} sessions, {named}"), |bencher| {
                let begin = || {
                    let (store, kept) = store();
                    (follower(&past, store), kept)
                };
                let run = |(follower, kept)| {
                    follow(&past, follower);
                    kept
                };
                bencher.iter_batched(begin, run, BatchSize::PerIteration);
            });
        }
    }
    group.finish();
}

/// As the engine's own bench, once alone and once followed into RocksDB.
fn beside(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("64 batches of 100 from each of 2 threads, each awaited");
    group.throughput(Throughput::Elements((2 * ROUND * BATCH) as u64));
    for is_followed in [false, true] {
        let mut memory = Memory::new();
        let (store, _kept) = rocks();
        let following = is_followed.then(|| memory.follow(store));
        let mut payers: Vec<Payer> = (0..2).map(|nth| memory.payer(&format!("payer {nth}"), 64)).collect();
        let mut lag_max = 0;
        group.bench_function(if is_followed { "followed" } else { "alone" }, |bencher| {
            bencher.iter(|| {
                thread::scope(|scope| {
                    for payer in &mut payers {
                        scope.spawn(move || (0..ROUND).for_each(|_| payer.batch(BATCH)));
                    }
                });
                lag_max = following.as_ref().map_or(0, Following::lag).max(lag_max);
                memory.tidy();
            });
        });
        if let Some(following) = following {
            tell(lag_max, following.lag());
            following.stop().expect("an end in order");
        }
    }
    group.finish();
}

#[expect(clippy::print_stderr, reason = "a bench tells what criterion has no place for")]
fn tell(lag_max: u64, lag_last: u64) {
    eprintln!("lag behind what is durable: at most {lag_max} records, {lag_last} at the end");
}

criterion_group!(benches, sustained, paced::paced, beside);
criterion_main!(benches);
