//! Owns: the many lives of one data folder: servers die under load, one after another, and after each death the callers'
//! half of the tally and the server's are laid together.
//! Never: forgives; knows what a death did to the disk (that is `ground`'s).

use super::{
    audit,
    book::{Book, Shared, Writer, open},
    glance,
    ground::Ground,
    load::{self, WRITERS},
    moments::{Moment, Started, kill_at_start},
    retry,
};
use crate::support::{End, PATIENCE, Server, serve_command};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::{
    collections::BTreeMap,
    fmt,
    ops::{ControlFlow, RangeInclusive},
    path::Path,
    str::FromStr,
    time::Duration,
};
use tallystick_journal::Journal as _;
use tallystick_proto::v1::{CreateAccountRequest, accounts_client::AccountsClient};
use tallystick_store::{Store, StoreOptions};
use tokio::time::{sleep, timeout};
use tonic::transport::Channel;

const ACCOUNTS: usize = 3;
const PAYEES: usize = 8;
/// How many rounds a session that is not settled under load may live through.
const LASTING_ROUNDS: usize = 40;

/// Says what is done to a folder.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub rounds: usize,
    pub seed: u64,
    /// Whether streams ask as much as a server can take.
    pub is_peak: bool,
    /// How many other states that a death may have left are looked at, beside the one that lives on.
    pub glances: usize,
    /// How servers end, if not in every way.
    pub only: Option<Moment>,
    /// What servers are started with, too.
    pub args: &'static [&'static str],
}

/// Is what happened, beside what the book counts.
#[derive(Debug, Default)]
struct Story {
    deaths: BTreeMap<Moment, u32>,
    checkpoints: usize,
    glances: usize,
}

/// Is what is said in the end.
#[derive(Debug)]
pub struct Report {
    story: Story,
    /// What the callers counted.
    counts: String,
    settlements: usize,
    /// The first seqs of the journal's first and last groups.
    pub groups: RangeInclusive<u64>,
}

pub fn from_env<T: FromStr>(name: &str, otherwise: T) -> T {
    let text = std::env::var(name).ok();
    text.map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Lets servers live and die on `ground`, and compares.
///
/// *Panics*: at the first thing that was lost, that came twice, or that nobody has asked for.
pub async fn live(ground: Ground, plan: Plan) -> Report {
    let (book, mut dice, mut story) = (Shared::default(), StdRng::seed_from_u64(plan.seed), Story::default());
    open(&book).is_peak = plan.is_peak;
    let mut rounds = Rounds { ground: &ground, plan, book: &book, story: &mut story };
    for round in 0..plan.rounds {
        rounds.one(round, &mut dice).await;
    }
    rounds.finish(&mut dice).await;
    report(&ground.data(), &open(&book), story)
}

struct Rounds<'a> {
    ground: &'a Ground,
    plan: Plan,
    book: &'a Shared,
    story: &'a mut Story,
}

impl Rounds<'_> {
    async fn one(&mut self, round: usize, dice: &mut StdRng) {
        let moment = self.plan.only.unwrap_or_else(|| Moment::throw(round, dice));
        println!("round {round}: {moment:?}");
        self.revive(moment, dice).await;
        let records = [1, 1, 500, 20_000][dice.random_range(0..4)];
        let started = Started::new(self.ground.command(records, self.plan.args)).await;
        let channel = started.server.connect().await;
        if round == 0 {
            set_up(&channel, self.book, dice).await;
        }
        if round.is_multiple_of(LASTING_ROUNDS) {
            change_lasting(&channel, self.book, dice).await;
        }
        compare(&channel, self.book, dice).await;
        if moment == Moment::Rotation {
            self.ground.arm();
        }
        let end = one_life(started, channel, self.book, dice, moment).await;
        self.story.note(&end);
        *self.story.deaths.entry(moment).or_default() += 1;
        self.glance(dice).await;
        self.ground.died(dice);
    }

    /// Does what may happen to a server before it serves.
    async fn revive(&mut self, moment: Moment, dice: &mut StdRng) {
        if moment == Moment::Start {
            for _ in 0..dice.random_range(1..4) {
                kill_at_start(self.ground.command(1, self.plan.args), dice).await;
                self.ground.died(dice);
            }
        }
        if moment == Moment::Retry {
            let cut_off = Started::new(self.ground.command(1, self.plan.args)).await;
            let channel = cut_off.server.connect().await;
            let killed = sleep(Duration::from_micros(dice.random_range(0..20_000)));
            tokio::select! {
                () = killed => {}
                done = retry::everything(&channel, self.book) => done.unwrap(),
            }
            self.story.note(&cut_off.server.kill().await);
            self.ground.died(dice);
        }
    }

    /// Looks at what else the death may have left.
    async fn glance(&mut self, dice: &mut StdRng) {
        for _ in 0..self.plan.glances {
            let folder = tempfile::tempdir().unwrap();
            let Some(data) = self.ground.otherwise(dice, &folder.path().join("disk")) else { return };
            let server = Server::spawn(serve_command(&data)).await;
            glance::everything(&server.connect().await, self.book, dice).await;
            server.kill().await;
            self.story.glances += 1;
        }
    }

    /// Settles everything and compares to the nano.
    async fn finish(&mut self, dice: &mut StdRng) {
        let started = Started::new(self.ground.command(1, self.plan.args)).await;
        let channel = started.server.connect().await;
        compare(&channel, self.book, dice).await;
        let live = open(self.book).live.clone();
        for session in live {
            load::settle(&channel, self.book, session).await.unwrap();
        }
        audit::everything(&channel, self.book, dice).await;
        assert_eq!(open(self.book).live.len(), 0, "everything is settled");
        let end = started.server.stop().await;
        assert_eq!(end.code, Some(0), "{}", end.log);
        self.story.note(&end);
    }
}

/// Compares what came back.
async fn compare(channel: &Channel, book: &Shared, dice: &mut StdRng) {
    retry::everything(channel, book).await.unwrap();
    audit::everything(channel, book, dice).await;
}

/// Lets callers work until the server ends.
async fn one_life(
    started: Started,
    channel: Channel,
    book: &Shared,
    dice: &mut StdRng,
    moment: Moment,
) -> End {
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

impl Story {
    /// A panic that only ended a stream went unheard but for the log: streams with answers standing were polled past the
    /// end of what had told them to drain (found by the first SIGTERM under load).
    fn note(&mut self, end: &End) {
        assert!(!end.log.contains("ERROR") && !end.log.contains("panicked"), "{}", end.log);
        self.checkpoints += end.log.matches("checkpoint is stored").count();
    }
}

fn report(data: &Path, book: &Book, story: Story) -> Report {
    let mut seqs = None;
    let store = Store::open(data, StoreOptions::default()).unwrap();
    let mut note = |seq, _: &[u8]| {
        seqs = Some(seqs.map_or((seq, seq), |(first, _)| (first, seq)));
        Ok(ControlFlow::Continue(()))
    };
    store.journal().read(0, &mut note).unwrap();
    let (first, last) = seqs.expect("the journal is not empty");
    let counts = &book.counts;
    Report {
        story,
        counts: format!(
            "debits answered {} (declined {}), asked again {} (decided before {}), replays checked {}, \
             refused since settled {} (found in settlements {})",
            counts.answered,
            counts.declined,
            counts.retried,
            counts.retried_replayed,
            counts.replays_checked,
            counts.refused_for_good,
            counts.settled_unheard,
        ),
        settlements: book.settlements.len(),
        groups: first..=last,
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "rounds {}, ended at {:?}; {}; sessions settled {}, checkpoints {}, other states looked at {}, journal \
             trimmed to its last groups at seqs {:?}",
            self.story.deaths.values().sum::<u32>(),
            self.story.deaths,
            self.counts,
            self.settlements,
            self.story.checkpoints,
            self.story.glances,
            self.groups,
        )
    }
}
