//! Answers: what does following cost, in CPU time of its thread alone, when so many records have gathered at each step? Wall
//! time would tell of the machine's other work. The journal is RocksDB's, and each step's groups are fresh in it.

use crate::rocks;
use criterion::{Criterion, Throughput};
use std::{
    fs,
    ops::{ControlFlow, Range},
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};
use tallystick_benches::Past;
use tallystick_journal::{
    GroupView, GroupWriter, Journal, NeededFrom, ProjectionStore, StorageFault, codec, memory::MemoryIndex,
};
use tallystick_projection::{Follower, Options, Parts, Silent, Step};

/// Is what is followed.
struct Load {
    name: &'static str,
    sessions: u64,
    debits: u64,
    by_key: bool,
    /// Records of a group.
    group: u32,
    /// Records of a step: one group, and what gathers in a pause.
    steps: [u64; 2],
}

const LOADS: [Load; 4] = [
    Load {
        name: "batches, 256 sessions, by number",
        sessions: 256,
        debits: 500_000,
        by_key: false,
        group: 5_000,
        steps: [5_000, 50_000],
    },
    Load {
        name: "single debits, 256 sessions, by number",
        sessions: 256,
        debits: 300_000,
        by_key: false,
        group: 50,
        steps: [50, 18_500],
    },
    Load {
        name: "single debits, 256 sessions, by key",
        sessions: 256,
        debits: 130_000,
        by_key: true,
        group: 10,
        steps: [10, 2_600],
    },
    Load {
        name: "batches, 100,000 sessions, by number",
        sessions: 100_000,
        debits: 1_000_000,
        by_key: false,
        group: 5_000,
        steps: [5_000, 50_000],
    },
];

/// Is a journal in groups of a chosen size.
struct Groups {
    /// Last seq and bytes.
    all: Vec<(u64, Vec<u8>)>,
    debits: Range<u64>,
    last_seq: u64,
}

impl Groups {
    fn new(load: &Load) -> Self {
        let past = Past::new(load.sessions, load.debits, load.by_key);
        let debits_end = past.last_seq - load.sessions;
        let mut groups =
            Self { all: Vec::new(), debits: debits_end - load.debits..debits_end, last_seq: past.last_seq };
        let (mut writer, mut check, mut bytes) = (GroupWriter::default(), 0, Vec::new());
        writer.begin(1);
        let read = past.journal.read(1, &mut |key, group| {
            GroupView::parse(key, group)?.records(|seq, stamp, record| {
                bytes.clear();
                codec::encode(stamp, record, &mut bytes);
                writer.push(&bytes, 1);
                // Groups end where debits begin and end, so that these can be told from the rest.
                let is_full = writer.count() == load.group;
                if is_full || seq == groups.debits.start || seq == debits_end || seq == past.last_seq {
                    let (group, of_group) = writer.finish(check);
                    check = of_group;
                    groups.all.push((seq, group.to_vec()));
                    writer.begin(seq + 1);
                }
            })?;
            Ok(ControlFlow::Continue(()))
        });
        read.expect("a journal");
        groups
    }
}

/// Follows on a thread of its own, a step for each seq that it is told, and says when it is there.
fn follow(mut follower: Follower, asked: &Receiver<u64>, done: &SyncSender<u64>) -> Result<(), StorageFault> {
    // Its first answer is how it is known to the system.
    done.send(thread_id()).expect("a listener");
    for durable in asked {
        while follower.cursor() < durable && follower.step(durable)? == Step::Followed {}
        done.send(follower.cursor()).expect("a listener");
    }
    Ok(())
}

fn thread_id() -> u64 {
    let link = fs::read_link("/proc/thread-self").expect("a Linux");
    link.file_name().and_then(|name| name.to_str()?.parse().ok()).expect("a thread's number")
}

/// Returns the time that a thread which waits now has spent on a processor.
fn cpu_time(thread: u64) -> Duration {
    let text = fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).expect("a thread");
    Duration::from_nanos(text.split(' ').next().and_then(|ns| ns.parse().ok()).expect("nanoseconds"))
}

/// Returns the CPU time of following the debits, and of following the settlements.
fn run(groups: &Groups, step: u64) -> [Duration; 2] {
    let (index, kept) = rocks();
    let (store, _folder) = kept.as_ref().expect("a store on a disk");
    let journal = store.journal();
    let parts = Parts {
        journal: Arc::clone(&journal) as _,
        checkpoints: Arc::new(MemoryIndex::default()),
        store: Arc::clone(&index) as Arc<dyn ProjectionStore>,
        needed_from: Arc::new(NeededFrom::default()),
        events: Arc::new(Silent),
    };
    let follower = Follower::open(parts, Options::default()).expect("a follower");
    let (ask, asked) = sync_channel(0);
    let (done, is_done) = sync_channel(0);
    thread::scope(|scope| {
        // Named as in a server, for profilers.
        let named = thread::Builder::new().name("projection".into());
        let work = move || follow(follower, &asked, &done).expect("it should follow");
        named.spawn_scoped(scope, work).expect("a thread");
        let follower = is_done.recv().expect("a thread");
        let (mut reached, mut spent) = (0, [Duration::ZERO; 2]);
        let mut before = Duration::ZERO;
        let mut first_seq = 1;
        for (last_seq, bytes) in &groups.all {
            journal.append(first_seq, bytes).expect("it should be written");
            first_seq = last_seq + 1;
            let Range { start, end } = groups.debits;
            let is_edge = *last_seq == start || *last_seq == end || *last_seq == groups.last_seq;
            if is_edge || last_seq - reached >= step {
                ask.send(*last_seq).expect("a follower");
                assert_eq!(is_done.recv(), Ok(*last_seq), "it should be there");
                reached = *last_seq;
            }
            if is_edge {
                // The answer is handed over before its sender waits again; its time is known once it does.
                thread::yield_now();
                let now = cpu_time(follower);
                spent[usize::from(*last_seq > end)] = now - before;
                before = now;
            }
        }
        drop(ask);
        spent
    })
}

/// Measures all loads.
pub(crate) fn paced(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("CPU time of following");
    group.sample_size(10).warm_up_time(Duration::from_millis(1)).measurement_time(Duration::from_secs(1));
    for load in &LOADS {
        let groups = Groups::new(load);
        let Load { name, debits, sessions, .. } = load;
        for step in load.steps {
            for (what, nth, count) in [("debits", 0, *debits), ("settlements", 1, *sessions)] {
                group.throughput(Throughput::Elements(count));
                group.bench_function(format!("{name}, {step} a step: {what}"), |bencher| {
                    bencher.iter_custom(|rounds| (0..rounds).map(|_| run(&groups, step)[nth]).sum());
                });
            }
        }
    }
    group.finish();
}
