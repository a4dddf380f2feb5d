//! Answers: what does one numbered debit cost in core, decided and applied, when sessions and payees are hit at random?

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use tallystick_benches::Rules;

fn decide_and_apply(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide_and_apply");
    group.throughput(Throughput::Elements(1));
    for (sessions, payees) in [(1_000, 1), (1_000, 8), (100_000, 1), (100_000, 8)] {
        let mut rules = Rules::new(sessions, payees);
        group.bench_function(format!("{sessions} sessions, {payees} payees"), |bencher| {
            bencher.iter(|| {
                let debit = rules.next_debit();
                black_box(rules.decide_and_apply(black_box(&debit)))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decide_and_apply);
criterion_main!(benches);
