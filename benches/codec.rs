//! Answers: what does it cost to write and to read one debit's record, checksum included?

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use tallystick_benches::{NOON, Rules};
use tallystick_core::{
    Record, Stamp,
    command::Debit,
    decide::{self, Decided},
};
use tallystick_journal::codec;

const STAMP: Stamp = Stamp { partition: 200, at: NOON, actor: 0 };

fn record<'a>(rules: &Rules, debit: &Debit<'a>) -> Record<'a> {
    match decide::debit(&rules.partition, debit, NOON) {
        Ok((Decided::Record(record), None)) => record,
        other => panic!("not approved: {other:?}"),
    }
}

fn debit_record(criterion: &mut Criterion) {
    let mut rules = Rules::new(1, 1);
    let plain = rules.next_debit();
    let full = Debit { reference: "inv-2026-11-20/000123456789", evidence: Some([7; 32]), ..plain };
    for (what, debit) in [("plain", plain), ("with reference and evidence", full)] {
        let record = record(&rules, &debit);
        let mut bytes = Vec::new();
        codec::encode(&STAMP, &record, &mut bytes);
        let mut group = criterion.benchmark_group("debit_record");
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        let mut out = Vec::with_capacity(1 << 10);
        group.bench_function(format!("encode {what}"), |bencher| {
            bencher.iter(|| {
                out.clear();
                codec::encode(black_box(&STAMP), black_box(&record), &mut out);
                black_box(out.len())
            });
        });
        group.bench_function(format!("decode {what}"), |bencher| {
            bencher.iter(|| codec::decode(black_box(&bytes)).map(|(_, _, len)| black_box(len)));
        });
        group.finish();
    }
}

criterion_group!(benches, debit_record);
criterion_main!(benches);
