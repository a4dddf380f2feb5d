//! Is one partition and the model of it, side by side: whatever is decided is asked of both, and compared before and after.
#![allow(dead_code, reason = "each test uses its part")]

pub(crate) mod model;
mod money;
mod rng;
mod settle;
pub(crate) mod tree;

use model::{Due, Model, Whose};
use rng::Rng;
use std::collections::BTreeMap;
use tallystick_core::{
    Amount, Currency, EnvelopeId, Partition, PayeeId, Record, Refusal, SessionId, Stamp, Time,
    books::Book,
    command::{Command, CreatePayee, Debit, Reverse, TopUp},
    cut::RowValue,
    decide::{self, Decided},
    hash::{KeyHash, Seed},
    partition::{CommandKey, Head},
    record::{Genesis, OutboxDelivered},
    session::Session,
    settlement::Settlement,
    verify,
};

pub(crate) const USD: Currency = Currency::from_number(840);
pub(crate) const EUR: Currency = Currency::from_number(978);
pub(crate) const PAYEES: usize = 5;
const NUMBER: u16 = 7;
const MORNING: u64 = 1_800_000_000_000_000_000;

/// Counts what happened.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) steps: u64,
    pub(crate) records: u64,
    pub(crate) debits: u64,
    pub(crate) declines: u64,
    pub(crate) partial: u64,
    pub(crate) reversed: u64,
    pub(crate) topped_up: u64,
    pub(crate) opened: u64,
    pub(crate) settlements: u64,
    pub(crate) released: u64,
    pub(crate) deficits: u64,
    pub(crate) replays: u64,
    pub(crate) deep: u64,
}

impl Figures {
    pub(crate) fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.steps, other.steps),
            (&mut self.records, other.records),
            (&mut self.debits, other.debits),
            (&mut self.declines, other.declines),
            (&mut self.partial, other.partial),
            (&mut self.reversed, other.reversed),
            (&mut self.topped_up, other.topped_up),
            (&mut self.opened, other.opened),
            (&mut self.settlements, other.settlements),
            (&mut self.released, other.released),
            (&mut self.deficits, other.deficits),
            (&mut self.replays, other.replays),
            (&mut self.deep, other.deep),
        ];
        for (sum, part) in pairs {
            *sum += part;
        }
    }
}

/// Is a partition as a checkpoint stores it.
#[derive(Debug, PartialEq)]
pub(crate) struct Image {
    pub(crate) head: Head,
    pub(crate) rows: Vec<(u32, RowValue)>,
}

pub(crate) struct World {
    pub(crate) partition: Partition,
    pub(crate) model: Model,
    pub(crate) figures: Figures,
    pub(crate) records: Vec<(u64, Stamp, Record<'static>)>,
    /// What checkpoints have filed: the index.
    pub(crate) index: BTreeMap<KeyHash, CommandKey>,
    pub(crate) settlements: BTreeMap<SessionId, Settlement>,
    pub(crate) payees: Vec<PayeeId>,
    pub(crate) posted: u64,
    pub(crate) asked: Vec<(Debit<'static>, usize)>,
    pub(crate) topped: Vec<(TopUp<'static>, u64)>,
    pub(crate) taken_back: Vec<(Reverse<'static>, u64)>,
    pub(crate) rng: Rng,
    seq: u64,
    drawn: u64,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut world = Self {
            partition: Partition::new(NUMBER),
            model: Model::default(),
            figures: Figures::default(),
            records: Vec::new(),
            index: BTreeMap::new(),
            settlements: BTreeMap::new(),
            payees: Vec::new(),
            posted: 0,
            asked: Vec::new(),
            topped: Vec::new(),
            taken_back: Vec::new(),
            rng: Rng(seed),
            seq: 0,
            drawn: 0,
        };
        world.commit(Record::Genesis(Genesis { seed: Seed([3; 16]), partitions: 256 }));
        for _ in 0..PAYEES {
            let command = CreatePayee { key: world.key(), name: "payee" };
            let draw = world.draw();
            let decided = decide::create_payee(&world.partition, &command, None, draw).unwrap();
            let Decided::Record(record) = decided else { panic!("a new key") };
            let Record::PayeeCreated(made) = &record else { panic!("{record:?}") };
            world.payees.push(made.id);
            world.commit(record);
            world.take_notice(world.payees.len() - 1);
            world.model.blocked.push(false);
        }
        world
    }

    pub(crate) fn time(&self) -> Time {
        Time::from_ns(MORNING + self.model.now)
    }

    pub(crate) fn at(&self, ns: u64) -> Time {
        if ns == 0 { Time::ZERO } else { Time::from_ns(MORNING + ns) }
    }

    pub(crate) fn draw(&mut self) -> u64 {
        self.drawn += 1;
        self.drawn
    }

    /// Returns a key that was not used before.
    pub(crate) fn key(&mut self) -> &'static [u8] {
        self.draw().to_string().leak().as_bytes()
    }

    /// Decides again what is about to be written, applies it, and tests every invariant.
    pub(crate) fn commit(&mut self, record: Record<'static>) -> u64 {
        self.seq += 1;
        let stamp = Stamp { partition: NUMBER, at: self.time(), actor: 0 };
        assert_eq!(verify::decide_again(&self.partition, &stamp, &record), Ok(()), "{record:?}");
        self.partition.apply(self.seq, &stamp, &record);
        assert_eq!(self.partition.check_sound(), Ok(()), "after {record:?}");
        self.records.push((self.seq, stamp, record));
        self.figures.records += 1;
        self.seq
    }

    /// Returns what the index says of a command.
    pub(crate) fn filed(&self, command: &impl Command) -> Option<&CommandKey> {
        self.index.get(&command.key_hash(self.partition.seed()))
    }

    pub(crate) fn row(&self, session: usize) -> &Session {
        self.partition.session(self.model.sessions[session].id).unwrap()
    }

    pub(crate) fn place_of(&self, id: SessionId) -> usize {
        self.model.sessions.iter().position(|session| session.id == id).unwrap()
    }

    pub(crate) fn id_of(&self, whose: Whose) -> EnvelopeId {
        match whose {
            Whose::Session(at) => EnvelopeId::Session(self.model.sessions[at].id),
            Whose::Account(at) => EnvelopeId::Account(self.model.accounts[at].id),
        }
    }

    /// Settles one session whose end has come and which holds room that a command lacks, as the engine does before it declines.
    pub(crate) fn release_for<T>(&mut self, decided: &Result<Decided<'_, T>, Refusal>) -> bool {
        let Ok(Decided::Record(Record::CommandDeclined(declined))) = decided else { return false };
        let due = self.partition.due_for(declined, self.time());
        due.is_some_and(|due| self.release(due))
    }

    pub(crate) fn release(&mut self, due: SessionId) -> bool {
        let place = self.place_of(due);
        assert!(self.model.has_ended(place), "what is released has ended");
        self.figures.released += 1;
        self.settle_whole(place);
        true
    }

    pub(crate) fn take_notice(&mut self, payee: usize) {
        let row = self.partition.payee(self.payees[payee]).unwrap().clone();
        if let Decided::Record(record) = decide::take_notice(&self.partition, &row).unwrap() {
            self.commit(record);
        }
    }

    pub(crate) fn block(&mut self, payee: usize) {
        if let Decided::Record(record) = decide::block_payee(&self.partition, self.payees[payee]).unwrap() {
            self.commit(record);
            self.take_notice(payee);
        }
        self.model.blocked[payee] = true;
    }

    /// Takes every line that left to its payee.
    pub(crate) fn deliver(&mut self) {
        let outgoing: Vec<_> = self.partition.outgoing().copied().collect();
        for line in &outgoing {
            let Decided::Record(record) = decide::post_settlement(&self.partition, NUMBER, line) else {
                panic!("a line arrives once")
            };
            self.commit(record);
            assert_eq!(decide::post_settlement(&self.partition, NUMBER, line), Decided::Replay(()));
            self.posted += line.line.amount.nanos();
        }
        if let Some(last) = outgoing.last() {
            self.commit(Record::OutboxDelivered(OutboxDelivered { through: last.no }));
        }
    }

    /// Compares all that is counted up with what the model sums anew.
    pub(crate) fn compare(&self) {
        let model = &self.model;
        for at in (0..model.sessions.len()).filter(|at| !model.sessions[*at].settled) {
            let row = self.row(at);
            let whole = model.sessions[at].cap.saturating_sub(model.used(at, Due::Held));
            let counted = (row.spent_own.nanos(), row.remaining().nanos(), u64::from(row.open_children()));
            let children = u64::try_from(model.open_children(at)).unwrap();
            assert_eq!(counted, (model.spent_on(at), whole, children), "session {at}");
            for payee in 0..PAYEES {
                let (slot, _) = self.partition.notice(self.payees[payee]).unwrap();
                let left = model.payee_lefts(at, payee).iter().map(|(left, _)| *left).min();
                let shown = self.partition.left(row.id, slot).unwrap();
                assert_eq!(shown.payee_remaining.map(Amount::nanos), left, "payee {payee} of session {at}");
                assert_eq!(shown.remaining, self.partition.spendable(row), "session {at}");
                assert_eq!((shown.is_final, shown.held), (self.partition.is_final(row), row.held()));
            }
        }
        for (at, account) in model.accounts.iter().enumerate() {
            let (row, left) =
                (self.partition.account(account.id).unwrap(), model.left_of_account(at, Due::Held));
            let counted = (row.available().nanos().cast_signed(), row.deficit().nanos().cast_signed());
            assert_eq!(counted, (left.max(0), (-left).max(0)), "account {at}");
        }
        self.compare_books();
    }

    fn compare_books(&self) {
        let model = &self.model;
        let (mut books, signed) = (BTreeMap::new(), |nanos: u64| i128::from(nanos));
        let mut add = |book: Book, nanos: i128| *books.entry(book).or_insert(0) += nanos;
        for (at, account) in model.accounts.iter().enumerate() {
            let (pending, deposited) = (signed(model.pending(at)), signed(model.deposited(at)));
            let (out, repaid) = (signed(account.withdrawn), signed(account.repaid));
            add(Book::FundingPending, pending);
            add(Book::Outside, out - pending - deposited - repaid);
            let used = signed(model.used_of_account(at, Due::Held));
            add(account.funding.book(), deposited + repaid - out - used);
        }
        for at in 0..model.sessions.len() {
            let (session, spent) = (&model.sessions[at], signed(model.spent_on(at)));
            if session.settled {
                add(Book::InTransit, spent);
                continue;
            }
            add(Book::Unsettled, spent);
            if !session.shared {
                add(Book::Reserved, signed(session.cap) - signed(model.used(at, Due::Held)));
            }
        }
        add(Book::InTransit, -signed(self.posted));
        add(Book::PayeePayable, signed(self.posted));
        for (book, nanos) in books {
            assert_eq!(self.partition.books().get(USD, book), nanos, "{book:?}");
        }
    }

    /// Makes a checkpoint: files what is to be filed, and returns the rest.
    pub(crate) fn checkpoint(&mut self) -> Image {
        let (head, filing) = self.partition.cut(self.partition.seq());
        for key in filing.command_keys {
            self.index.insert(key.key, key);
        }
        let image = Image { rows: copied(&mut self.partition), head };
        self.partition.filed_through(image.head.seq);
        image
    }
}

fn copied(partition: &mut Partition) -> Vec<(u32, RowValue)> {
    let mut rows = Vec::new();
    loop {
        let part = partition.copy(3);
        if part.is_empty() {
            return rows;
        }
        rows.extend(part);
    }
}

/// Numbers the tables, so that rows of several checkpoints can be laid over each other and loaded in order.
pub(crate) fn table(row: &RowValue) -> u8 {
    match row {
        RowValue::Account(_) => 0,
        RowValue::Session(_) => 1,
        RowValue::Payee(_) => 2,
        RowValue::Notice(_) => 3,
        RowValue::Writer(_) => 4,
        RowValue::CommandKey(_) => 5,
        RowValue::Deposit(_) => 6,
        RowValue::Credential(_) => 7,
    }
}
