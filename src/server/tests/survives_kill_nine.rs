//! One data folder lives through many deaths of its server, under the load of streams and single calls, and after each
//! the callers' half of the tally and the server's are laid together: nothing heard is lost, nothing is decided twice.
//!
//! `KILL_ROUNDS` says how many deaths, `KILL_SEED` repeats the dice (not the interleavings, which are the machine's).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that prints its report"
)]

mod kill;
mod support;

use kill::{
    audit,
    book::{Book, Shared, Writer, open},
    load::{self, WRITERS},
    moments::{Moment, Started, kill_at_start},
    retry,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::{collections::BTreeMap, ops::ControlFlow, path::Path, time::Duration};
use support::{End, PATIENCE};
use tallystick_journal::Journal as _;
use tallystick_proto::v1::{CreateAccountRequest, accounts_client::AccountsClient};
use tallystick_store::{Store, StoreOptions};
use tokio::time::{sleep, timeout};
use tonic::transport::Channel;

const ROUNDS: usize = 12;
const SEED: u64 = 0x7a11;
const ACCOUNTS: usize = 3;
const PAYEES: usize = 8;
/// How many rounds a session that is not settled under load may live through.
const LASTING_ROUNDS: usize = 40;

/// Is what happened, beside what the book counts.
#[derive(Default)]
struct Story {
    deaths: BTreeMap<Moment, u32>,
    checkpoints: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_heard_is_lost_and_nothing_happens_twice() {
    let (rounds, seed) = (from_env("KILL_ROUNDS", ROUNDS), from_env("KILL_SEED", SEED));
    println!("KILL_SEED={seed} KILL_ROUNDS={rounds}");
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (book, mut dice, mut story) = (Shared::default(), StdRng::seed_from_u64(seed), Story::default());
    for round in 0..rounds {
        let moment = Moment::throw(round, &mut dice);
        println!("round {round}: {moment:?}");
        revive(&data, &book, &mut dice, moment, &mut story).await;
        let started = Started::new(&data, [1, 1, 500, 20_000][dice.random_range(0..4)]).await;
        let channel = started.server.connect().await;
        if round == 0 {
            set_up(&channel, &book, &mut dice).await;
        }
        if round % LASTING_ROUNDS == 0 {
            change_lasting(&channel, &book, &mut dice).await;
        }
        story.note(&one_life(started, channel, &book, &mut dice, moment).await);
        *story.deaths.entry(moment).or_default() += 1;
    }
    finish(&data, &book, &mut dice, &mut story).await;
    report(&data, &open(&book), &story);
}

fn from_env<T: std::str::FromStr>(name: &str, otherwise: T) -> T {
    let text = std::env::var(name).ok();
    text.map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Does what may happen to a server before it serves.
async fn revive(data: &Path, book: &Shared, dice: &mut StdRng, moment: Moment, story: &mut Story) {
    if moment == Moment::Start {
        for _ in 0..dice.random_range(1..4) {
            kill_at_start(data, dice).await;
        }
    }
    if moment == Moment::Retry {
        let cut_off = Started::new(data, 1).await;
        let channel = cut_off.server.connect().await;
        let killed = sleep(Duration::from_micros(dice.random_range(0..20_000)));
        tokio::select! {
            () = killed => {}
            done = retry::everything(&channel, book) => done.unwrap(),
        }
        story.note(&cut_off.server.kill().await);
    }
}

/// Compares what came back, then lets callers work until the server ends.
async fn one_life(
    started: Started,
    channel: Channel,
    book: &Shared,
    dice: &mut StdRng,
    moment: Moment,
) -> End {
    retry::everything(&channel, book).await.unwrap();
    audit::everything(&channel, book, dice).await;
    let channels = [channel, started.server.connect().await, started.server.connect().await];
    let callers = load::start(&channels, book, dice);
    let end = started.end(moment, dice).await;
    timeout(PATIENCE, callers.join_all()).await.expect("callers end with the server");
    end
}

async fn set_up(channel: &Channel, book: &Shared, dice: &mut StdRng) {
    open(book).writers = (0..WRITERS).map(|_| Writer::default()).collect();
    for account in 0..ACCOUNTS {
        let request = CreateAccountRequest {
            idempotency_key: format!("account-{account}"),
            currency: "USD".into(),
            ..CreateAccountRequest::default()
        };
        let created =
            AccountsClient::new(channel.clone()).create_account(request).await.unwrap().into_inner();
        open(book).accounts.push(created.account.unwrap().account_id);
    }
    for _ in 0..ACCOUNTS * 8 {
        load::plan_deposit(channel, book, dice).await.unwrap();
    }
    for _ in 0..PAYEES {
        load::plan_payee(channel, book).await.unwrap();
    }
}

/// Opens sessions that live through many rounds, and lets the ones before be settled.
async fn change_lasting(channel: &Channel, book: &Shared, dice: &mut StdRng) {
    for session in &mut open(book).sessions {
        session.is_lasting = false;
    }
    for _ in 0..2 {
        let key = load::plan_opening(&mut open(book), dice, "lasting");
        load::open_session(channel, book, &key).await.unwrap();
    }
}

/// Settles everything and compares to the nano.
async fn finish(data: &Path, book: &Shared, dice: &mut StdRng, story: &mut Story) {
    let started = Started::new(data, 1).await;
    let channel = started.server.connect().await;
    retry::everything(&channel, book).await.unwrap();
    audit::everything(&channel, book, dice).await;
    let live = open(book).live.clone();
    for session in live {
        load::settle(&channel, book, session).await.unwrap();
    }
    audit::everything(&channel, book, dice).await;
    assert_eq!(open(book).live.len(), 0, "everything is settled");
    let end = started.server.stop().await;
    assert_eq!(end.code, Some(0), "{}", end.log);
    story.note(&end);
}

impl Story {
    /// A panic that only ended a stream went unheard but for the log: streams with answers standing were polled past the
    /// end of what had told them to drain (found by the first SIGTERM under load).
    fn note(&mut self, end: &End) {
        assert!(!end.log.contains("ERROR") && !end.log.contains("panicked"), "{}", end.log);
        self.checkpoints += end.log.matches("checkpoint is stored").count();
    }
}

fn report(data: &Path, book: &Book, story: &Story) {
    let mut seqs = None;
    let store = Store::open(data, StoreOptions::default()).unwrap();
    store
        .journal()
        .read(0, &mut |seq, _| {
            seqs = Some(seqs.map_or((seq, seq), |(first, _)| (first, seq)));
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    let counts = &book.counts;
    println!(
        "rounds {}, ended at {:?}; debits answered {} (declined {}), asked again {} (decided before {}), \
         replays checked {}, refused since settled {} (found in settlements {}); sessions settled {}, \
         checkpoints {}, journal trimmed to its last groups at seqs {:?}",
        story.deaths.values().sum::<u32>(),
        story.deaths,
        counts.answered,
        counts.declined,
        counts.retried,
        counts.retried_replayed,
        counts.replays_checked,
        counts.refused_for_good,
        counts.settled_unheard,
        book.settlements.len(),
        story.checkpoints,
        seqs.expect("the journal is not empty"),
    );
}
