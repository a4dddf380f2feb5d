//! Owns: a well-behaved client beside the hostile ones: it pays by calls and by a stream, one after the other, for as long
//! as it is let, checks every answer, and adds up what it heard.

use crate::support::{PATIENCE, Stage};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tallystick_proto::v1::{
    AuthorizeStreamRequest, DebitBatch, Hello, Outcome, StreamDebit,
    authorize_stream_request::Message as Ask, authorize_stream_response::Message as Answer,
    authorizer_client::AuthorizerClient,
};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

/// Debits of one batch, each of one nano.
const BATCH: u64 = 10;
/// Kept below what a session remembers by key.
const PAUSE: Duration = Duration::from_millis(2);

/// Pays as long as it is held.
pub struct Neighbour {
    paying: JoinHandle<Heard>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    is_paused: AtomicBool,
    /// Whether it has seen that it is.
    is_resting: AtomicBool,
    rounds: AtomicUsize,
    /// Those that were not taken yet.
    lap: Mutex<Vec<Round>>,
}

/// Is how long a call and a batch took.
#[derive(Debug, Clone, Copy)]
pub struct Round {
    pub call: Duration,
    pub batch: Duration,
}

/// Is what it heard.
pub struct Heard {
    pub paid: u64,
    stage: Stage,
}

impl Neighbour {
    pub async fn move_in(channel: Channel, stage: Stage) -> Self {
        let shared = Arc::new(Shared::default());
        let paying = tokio::spawn(pay(channel, stage, Arc::clone(&shared)));
        let neighbour = Self { paying, shared };
        neighbour.served(3).await;
        neighbour
    }

    /// Returns how many rounds it has been served.
    pub fn rounds(&self) -> usize {
        self.shared.rounds.load(Ordering::Relaxed)
    }

    /// Takes the rounds since the last time.
    pub fn lap(&self) -> Vec<Round> {
        std::mem::take(&mut self.shared.lap.lock().unwrap())
    }

    /// Waits until it has been served this many rounds more, or for this long. Returns whether it was.
    pub async fn is_served(&self, rounds: usize, patience: Duration) -> bool {
        let until = self.rounds() + rounds;
        let serving = async {
            while self.rounds() < until {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(patience, serving).await.is_ok()
    }

    /// Waits until it has been served this many rounds more: nobody keeps it from that.
    pub async fn served(&self, rounds: usize) {
        let until = self.rounds() + rounds;
        let serving = async {
            while self.rounds() < until {
                assert!(!self.paying.is_finished(), "the neighbour was not served");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, serving).await.expect("the neighbour should have been served");
    }

    /// Lets it rest between two rounds, or go on.
    pub async fn pause(&self, pause: bool) {
        self.shared.is_paused.store(pause, Ordering::Relaxed);
        while self.shared.is_resting.load(Ordering::Relaxed) != pause {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub async fn move_out(self) -> Heard {
        self.shared.is_over.store(true, Ordering::Relaxed);
        timeout(PATIENCE, self.paying).await.expect("the neighbour should come to an end").unwrap()
    }
}

impl Heard {
    /// Asserts that the session holds what was heard, no nano more or less.
    pub async fn assert_right(&self, channel: &Channel) {
        let session = self.stage.show(channel).await;
        assert_eq!((session.spent_nanos, session.debit_count), (self.paid, self.paid));
    }
}

async fn pay(channel: Channel, stage: Stage, shared: Arc<Shared>) -> Heard {
    let (asks, asked) = mpsc::channel(4);
    let send = async |message| asks.send(AuthorizeStreamRequest { message: Some(message) }).await.unwrap();
    send(Ask::Hello(Hello::default())).await;
    let mut client = AuthorizerClient::new(channel.clone());
    let opened = timeout(PATIENCE, client.authorize_stream(ReceiverStream::new(asked))).await;
    let mut answers = opened.expect("a stream should open").unwrap().into_inner();
    let mut heard = Heard { paid: 0, stage };
    for round in 0_u64.. {
        let began = Instant::now();
        let key = format!("round-{round}");
        let call = heard.stage.authorize(&channel, &key);
        let decision = timeout(PATIENCE, call).await.expect("a call should be answered").unwrap();
        assert_eq!((decision.outcome(), decision.replayed), (Outcome::Approved, false));
        let call = began.elapsed();

        let began = Instant::now();
        send(Ask::Batch(batch(&heard.stage, round))).await;
        let results = loop {
            let answer = timeout(PATIENCE, answers.message()).await.expect("a batch should be answered");
            match answer.unwrap().expect("the stream goes on").message.unwrap() {
                Answer::Batch(result) => break result,
                Answer::Welcome(_) => {}
                Answer::Positions(_) => panic!("nobody asked"),
            }
        };
        assert_eq!((results.batch_id, results.results.len() as u64), (round, BATCH));
        for debit in &results.results {
            assert!(debit.refused.is_none() && debit.outcome() == Outcome::Approved, "{debit:?}");
        }
        shared.lap.lock().unwrap().push(Round { call, batch: began.elapsed() });
        heard.paid += 1 + BATCH;
        shared.rounds.fetch_add(1, Ordering::Relaxed);
        if shared.is_over.load(Ordering::Relaxed) {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        while shared.is_paused.load(Ordering::Relaxed) {
            shared.is_resting.store(true, Ordering::Relaxed);
            tokio::time::sleep(PAUSE).await;
        }
        shared.is_resting.store(false, Ordering::Relaxed);
    }
    heard
}

fn batch(stage: &Stage, round: u64) -> DebitBatch {
    let debit = |nth| StreamDebit { amount_nanos: 1, number: round * BATCH + nth, ..StreamDebit::default() };
    DebitBatch {
        batch_id: round,
        session_ids: vec![stage.session_id.clone()],
        payee_ids: vec![stage.payee_id.clone()],
        debits: (1..=BATCH).map(debit).collect(),
        ..DebitBatch::default()
    }
}
