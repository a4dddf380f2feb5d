//! Answers: what does one group of records cost until RocksDB has it as durable as the mode in the name says?
#![allow(clippy::expect_used, reason = "a bench that cannot be set up has nothing to measure")]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tallystick_benches::{NOON, Rules};
use tallystick_core::{
    Stamp,
    decide::{self, Decided},
};
use tallystick_journal::{Durability, GroupWriter, Journal as _, codec};
use tallystick_store::{Store, StoreOptions};

/// How many groups between two steps of giving old ones back.
const GROUPS_PER_TRIM: u64 = 256;

/// Returns one debit's record as it is written.
fn encoded() -> Vec<u8> {
    let mut rules = Rules::new(1, 1);
    let debit = rules.next_debit();
    let Ok((Decided::Record(record), None)) = decide::debit(&rules.partition, &debit, NOON) else {
        panic!("not approved");
    };
    let mut bytes = Vec::new();
    codec::encode(&Stamp { partition: 0, at: NOON, actor: 0 }, &record, &mut bytes);
    bytes
}

fn append(criterion: &mut Criterion) {
    let record = encoded();
    let mut group = criterion.benchmark_group("append");
    for (mode, durability) in [("fsync", Durability::Fsync), ("os", Durability::Os)] {
        for count in [1_u32, 50, 1_000, 10_000] {
            let folder = tempfile::tempdir().expect("a folder");
            let store = Store::open(folder.path(), StoreOptions::new(durability)).expect("a store");
            let (journal, records) = (store.journal(), record.repeat(count as usize));
            let (mut writer, mut next, mut previous) = (GroupWriter::default(), 1, 0);
            group.throughput(Throughput::Elements(count.into()));
            group.bench_function(format!("{mode}, {count} records"), |bencher| {
                let mut groups = 0_u64;
                let tidy = || {
                    groups += 1;
                    if groups.is_multiple_of(GROUPS_PER_TRIM) {
                        // What can go is whole files below the seq; a fault here would come back from `append`.
                        let _ = journal.trim(groups * u64::from(count));
                    }
                };
                let append = |()| {
                    writer.begin(next);
                    writer.push(&records, count);
                    let (bytes, check) = writer.finish(previous);
                    journal.append(next, bytes).expect("it should be written");
                    previous = check;
                    next += u64::from(count);
                };
                bencher.iter_batched(tidy, append, BatchSize::PerIteration);
            });
        }
    }
    group.finish();
}

criterion_group!(benches, append);
criterion_main!(benches);
