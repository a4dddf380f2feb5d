//! Owns: one numbered writer's stream: hello, positions, batches, and what their results mean to the book.
//! Never: decides when to stop.

use super::book::{Asked, Book, Shared, Try, Verdict, open};
use rand::{RngExt as _, rngs::StdRng};
use std::collections::BTreeMap;
use tallystick_proto::v1::{
    AuthorizeStreamRequest, AuthorizeStreamResponse, BatchResult, DebitBatch, DebitResult, Hello,
    PositionsRequest, Refusal, StreamDebit, Welcome, WriterPosition,
    authorize_stream_request::Message as Say, authorize_stream_response::Message as Said,
    authorizer_client::AuthorizerClient,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming, transport::Channel};

/// How far behind what was heard a writer's acknowledgements are, at most.
const LAG_MAX: u64 = 300;

/// Is what a place in a batch asked for.
#[derive(Debug, Clone)]
pub enum Item {
    Number(usize, u64),
    Key(String),
}

/// Is a stream that stands where its writer's last one stood.
pub struct Pipe {
    book: Shared,
    writer: usize,
    say: mpsc::Sender<AuthorizeStreamRequest>,
    inbound: Streaming<AuthorizeStreamResponse>,
    /// The last number decided in each session, as the server said at first.
    decided: BTreeMap<usize, u64>,
    batches: u64,
}

impl Pipe {
    /// Opens a stream, takes the writer up again, and compares where it stands.
    pub async fn resume(channel: &Channel, book: &Shared, writer: usize) -> Result<Self, Status> {
        let (say, said) = mpsc::channel(64);
        let writer_id = open(book).writers[writer].id.clone();
        let hello = AuthorizeStreamRequest { message: Some(Say::Hello(Hello { writer_id })) };
        say.send(hello).await.expect("there is room");
        let answer =
            AuthorizerClient::new(channel.clone()).authorize_stream(ReceiverStream::new(said)).await?;
        let (decided, inbound) = (BTreeMap::new(), answer.into_inner());
        let mut pipe = Self { book: book.clone(), writer, say, inbound, decided, batches: 0 };
        match pipe.next().await? {
            Said::Welcome(welcome) => pipe.welcomed(welcome),
            other => panic!("{other:?} for a hello"),
        }
        pipe.ask_positions().await?;
        Ok(pipe)
    }

    async fn next(&mut self) -> Result<Said, Status> {
        let message = self.inbound.message().await?.ok_or_else(|| Status::unavailable("the stream ended"))?;
        Ok(message.message.expect("a message says something"))
    }

    fn welcomed(&self, welcome: Welcome) {
        let mut book = open(&self.book);
        let writer = &mut book.writers[self.writer];
        assert!(writer.id.is_empty() || writer.id == welcome.writer_id, "{welcome:?} to {}", writer.id);
        assert!(welcome.epoch > writer.epoch, "{welcome:?} after epoch {}", writer.epoch);
        (writer.id, writer.epoch) = (welcome.writer_id, welcome.epoch);
    }

    async fn ask_positions(&mut self) -> Result<(), Status> {
        let (sessions, session_ids): (Vec<usize>, Vec<String>) = {
            let book = open(&self.book);
            let lines = book.writers[self.writer].lines.iter().filter(|(_, line)| !line.is_gone);
            lines.map(|(at, _)| (*at, book.sessions[*at].id.clone())).unzip()
        };
        self.send(Say::Positions(PositionsRequest { session_ids })).await?;
        let Said::Positions(positions) = self.next().await? else { panic!("no positions for a question") };
        assert_eq!(positions.positions.len(), sessions.len());
        for (session, position) in sessions.into_iter().zip(&positions.positions) {
            self.stands(session, position);
        }
        Ok(())
    }

    /// Compares a position: whatever was heard was decided, and nothing was that was not asked.
    fn stands(&mut self, session: usize, position: &WriterPosition) {
        let mut book = open(&self.book);
        assert_eq!(position.session_id, book.sessions[session].id);
        if let Some(refused) = &position.refused {
            assert_eq!(refused.refusal(), Refusal::SessionRetired, "{position:?}");
            return book.retire_line(self.writer, session, Try::Again);
        }
        let line = &book.writers[self.writer].lines[&session];
        let possible = line.heard_through()..=line.last;
        assert!(possible.contains(&position.last_number), "{position:?}, possible are {possible:?}");
        self.decided.insert(session, position.last_number);
    }

    async fn send(&self, message: Say) -> Result<(), Status> {
        let message = AuthorizeStreamRequest { message: Some(message) };
        self.say.send(message).await.map_err(|_| Status::unavailable("the stream ended"))
    }

    /// Makes up a batch and sends it. Returns what it asked; nothing when there is no session to debit.
    pub async fn send_new(&mut self, dice: &mut StdRng) -> Result<Vec<Item>, Status> {
        let (batch, items) = self.compose(dice);
        if !items.is_empty() {
            self.send(Say::Batch(batch)).await?;
        }
        Ok(items)
    }

    fn compose(&mut self, dice: &mut StdRng) -> (DebitBatch, Vec<Item>) {
        let book = self.book.clone();
        let mut book = open(&book);
        let sessions: Vec<usize> =
            (0..dice.random_range(1..=3)).filter_map(|_| Some(book.pick(dice)?.session)).collect();
        let mut batch = Composer::new(&mut self.batches);
        if sessions.is_empty() {
            return batch.done();
        }
        for session in &sessions {
            let line = book.writers[self.writer].lines.entry(*session).or_default();
            if dice.random_ratio(1, 4) {
                line.acknowledge(line.heard_through().saturating_sub(dice.random_range(0..=LAG_MAX)));
            }
        }
        let size = match book.is_peak {
            _ if dice.random_ratio(1, 20) => 1_000,
            true => dice.random_range(500..=2_000),
            false => dice.random_range(1..=120),
        };
        for _ in 0..size {
            if dice.random_ratio(1, 40) {
                if let Some((key, asked)) = book.ask_keyed(dice) {
                    let ids = (book.sessions[asked.session].id.clone(), book.payees[asked.payee].id.clone());
                    batch.add(asked, ids, Item::Key(key), 0);
                }
                continue;
            }
            let Some(mut asked) = book.pick(dice) else { break };
            asked.session = sessions[dice.random_range(0..sessions.len())];
            let line = book.writers[self.writer].lines.get_mut(&asked.session).expect("entered above");
            if line.is_gone {
                continue;
            }
            let (number, acked) = (line.ask(asked), line.acked);
            let ids = (book.sessions[asked.session].id.clone(), book.payees[asked.payee].id.clone());
            batch.add(asked, ids, Item::Number(asked.session, number), acked);
            batch.refer(book.reference(number));
        }
        batch.done()
    }

    /// Takes the answer to the oldest batch.
    pub async fn hear(&mut self, items: &[Item], tried: Try) -> Result<(), Status> {
        let Said::Batch(result) = self.next().await? else { panic!("no result for a batch") };
        self.note(items, &result, tried);
        Ok(())
    }

    fn note(&self, items: &[Item], result: &BatchResult, tried: Try) {
        let mut book = open(&self.book);
        assert_eq!(result.results.len(), items.len());
        for (item, result) in items.iter().zip(&result.results) {
            match (item, &result.refused) {
                (Item::Number(session, number), None) => {
                    let answer = verdict(result);
                    if let (Try::Again, Some(decided)) = (tried, self.decided.get(session)) {
                        assert_eq!(answer.1, number <= decided, "number {number}, decided {decided}");
                    }
                    book.hear_numbered((self.writer, *session), *number, answer, tried);
                }
                (Item::Key(key), None) => book.hear_keyed(key, verdict(result), tried),
                (item, Some(refused)) => {
                    assert_eq!(refused.refusal(), Refusal::SessionRetired, "{item:?} {refused:?}");
                    match item {
                        Item::Number(session, _) => book.retire_line(self.writer, *session, tried),
                        Item::Key(key) => {
                            let (asked, _) = book.keyed.remove(key).expect("it was asked");
                            book.refuse_retired(asked, tried);
                        }
                    }
                }
            }
        }
    }

    /// Asks for everything unanswered again: this writer's numbers, and `keys`.
    pub async fn retry(&mut self, keys: &[String]) -> Result<(), Status> {
        let (batch, items) = self.compose_again(keys);
        if items.is_empty() {
            return Ok(());
        }
        self.send(Say::Batch(batch)).await?;
        self.hear(&items, Try::Again).await
    }

    fn compose_again(&mut self, keys: &[String]) -> (DebitBatch, Vec<Item>) {
        let book = self.book.clone();
        let mut book = open(&book);
        let mut batch = Composer::new(&mut self.batches);
        let ids = |book: &Book, asked: &Asked| {
            (book.sessions[asked.session].id.clone(), book.payees[asked.payee].id.clone())
        };
        for (session, line) in &book.writers[self.writer].lines {
            for (number, asked) in &line.pending {
                batch.add(*asked, ids(&book, asked), Item::Number(*session, *number), line.acked);
                batch.refer(book.reference(*number));
            }
        }
        for key in keys {
            let (asked, _) = book.ask_keyed_again(key);
            batch.add(asked, ids(&book, &asked), Item::Key(key.clone()), 0);
        }
        batch.done()
    }
}

pub fn verdict(result: &DebitResult) -> (Verdict, bool) {
    (Verdict::of(result.outcome(), result.code, result.seq), result.replayed)
}

/// Puts a batch together, each id once.
struct Composer {
    batch: DebitBatch,
    items: Vec<Item>,
    sessions: BTreeMap<usize, u32>,
    payees: BTreeMap<usize, u32>,
}

impl Composer {
    fn new(batches: &mut u64) -> Self {
        *batches += 1;
        let batch = DebitBatch { batch_id: *batches, ..DebitBatch::default() };
        Self { batch, items: Vec::new(), sessions: BTreeMap::new(), payees: BTreeMap::new() }
    }

    fn add(&mut self, asked: Asked, (session_id, payee_id): (String, String), item: Item, acked: u64) {
        let session = place(&mut self.sessions, asked.session, &mut self.batch.session_ids, session_id);
        let payee = place(&mut self.payees, asked.payee, &mut self.batch.payee_ids, payee_id);
        let mut debit = StreamDebit { session, payee, amount_nanos: asked.amount, ..StreamDebit::default() };
        match &item {
            Item::Number(_, number) => (debit.number, debit.acked_through) = (*number, acked),
            Item::Key(key) => debit.idempotency_key.clone_from(key),
        }
        self.batch.debits.push(debit);
        self.items.push(item);
    }

    /// Gives the last debit its reference.
    fn refer(&mut self, reference: String) {
        self.batch.debits.last_mut().expect("one was added").reference = reference;
    }

    fn done(self) -> (DebitBatch, Vec<Item>) {
        (self.batch, self.items)
    }
}

fn place(places: &mut BTreeMap<usize, u32>, of: usize, table: &mut Vec<String>, id: String) -> u32 {
    *places.entry(of).or_insert_with(|| {
        table.push(id);
        u32::try_from(table.len() - 1).unwrap()
    })
}
