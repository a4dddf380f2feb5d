//! Drives an engine with random calls, and a model and an auditor beside it.

mod draw;

use draw::Known;
use std::{
    collections::BTreeMap,
    future::Future,
    ops::ControlFlow,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};
use tallystick_core::{Clock, IdSource, Time};
use tallystick_engine::{Aside, Fault, Options, Parts, Silent, Stepped, Ticket};
use tallystick_journal::{
    GroupView, Journal as _, JournalFailed, NeededFrom, Watermark,
    memory::{MemoryIndex, MemoryJournal},
};
use tallystick_sim::{
    asked::{Asked, Heard, Told},
    audit::Auditor,
    model::{CallNo, Model, Span, Wrong},
};

pub(crate) const SECOND: u64 = 1_000_000_000;

#[derive(Debug)]
struct HandClock(AtomicU64);

impl Clock for HandClock {
    fn now(&self) -> Time {
        Time::from_ns(self.0.load(Ordering::SeqCst))
    }
}

#[derive(Debug, Default)]
struct CountedIds(AtomicU64);

impl IdSource for CountedIds {
    fn draw(&self) -> u64 {
        spread(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

pub(crate) fn spread(count: u64) -> u64 {
    let mut z = count.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(1);
        spread(self.0) % end.max(1)
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn of<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(usize::try_from(self.below(items.len() as u64)).unwrap())
    }
}

struct Waiting {
    no: CallNo,
    asked: Asked,
    ticket: Ticket<Told>,
}

pub(crate) struct Driver {
    dice: Dice,
    clock: Arc<HandClock>,
    ids: Arc<CountedIds>,
    journal: Arc<MemoryJournal>,
    index: Arc<MemoryIndex>,
    engine: Option<Stepped>,
    model: Model,
    auditor: Auditor,
    followed: u64,
    calls: CallNo,
    waiting: Vec<Waiting>,
    known: Known,
    shards: usize,
    pub(crate) heard: BTreeMap<String, u64>,
}

/// Commits whenever a checkpoint waits for something to become durable.
struct Commits<'a>(&'a Stepped);

impl Aside for Commits<'_> {
    fn pause(&self, _: Duration) {
        let _ = self.0.commit();
    }

    fn wait(&self, watermark: &Watermark, seq: u64) -> Result<(), JournalFailed> {
        while watermark.durable() < seq && self.0.commit().is_ok_and(|more| more) {}
        watermark.wait(seq)
    }
}

impl Driver {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice(spread(seed));
        let shards = [1, 2, 8, 256][usize::try_from(dice.below(4)).unwrap()];
        let clock = Arc::new(HandClock(AtomicU64::new(1_800_000_000 * SECOND)));
        let known = Known::new(&mut dice);
        let mut driver = Self {
            dice,
            clock,
            ids: Arc::default(),
            journal: Arc::default(),
            index: Arc::default(),
            engine: None,
            model: Model::default(),
            auditor: Auditor::default(),
            followed: 0,
            calls: 0,
            waiting: Vec::new(),
            known,
            shards,
            heard: BTreeMap::new(),
        };
        driver.start();
        driver
    }

    fn start(&mut self) {
        let parts = Parts {
            journal: self.journal.clone(),
            checkpoints: self.index.clone(),
            tables: self.index.clone(),
            journal_needed_from: Arc::new(NeededFrom::default()),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            events: Arc::new(Silent),
        };
        let options = Options { shards: self.shards, recovery_threads: 1, ..Options::default() };
        self.engine = Some(Stepped::start(parts, options).unwrap().0);
    }

    fn engine(&self) -> &Stepped {
        self.engine.as_ref().unwrap()
    }

    pub(crate) fn step(&mut self) -> Result<(), Wrong> {
        match self.dice.below(40) {
            0..=1 => {
                let most = self.dice.below(5);
                self.engine().engine().sweep(usize::try_from(most).unwrap());
            }
            2 => {
                let back = self.dice.below(20) * SECOND;
                self.clock.0.fetch_sub(back, Ordering::SeqCst);
            }
            3 if self.dice.one_in(2) => {
                let stepped = self.engine.as_ref().unwrap();
                stepped.checkpoint(&Commits(stepped)).unwrap();
                self.follow()?;
            }
            4 if self.dice.one_in(3) => self.crash()?,
            _ => {
                let on = self.dice.below(3) * self.dice.below(2 * SECOND);
                self.clock.0.fetch_add(on, Ordering::SeqCst);
                self.ask()?;
            }
        }
        if self.dice.one_in(2) {
            self.engine().commit().unwrap();
            self.follow()?;
        }
        self.listen()
    }

    fn ask(&mut self) -> Result<(), Wrong> {
        let now = self.clock.now();
        let asked = self.known.draw(&mut self.dice, now);
        let engine = self.engine().engine().clone();
        let before = engine.stats().last_seq;
        let ticket = asked.ask(&engine);
        let after = engine.stats().last_seq;
        let no = self.calls;
        self.calls += 1;
        self.auditor.asked(no, &asked);
        self.model.asked(no, Span { before, after, now }, &asked);
        self.waiting.push(Waiting { no, asked, ticket });
        Ok(())
    }

    /// Gives the model every record that became durable.
    fn follow(&mut self) -> Result<(), Wrong> {
        let mut wrong = None;
        let (model, followed) = (&mut self.model, &mut self.followed);
        self.journal
            .read(*followed + 1, &mut |key, bytes| {
                GroupView::parse(key, bytes)?.records(|seq, stamp, record| {
                    if seq > *followed && wrong.is_none() {
                        *followed = seq;
                        wrong = model.record(seq, stamp, record).err();
                    }
                })?;
                Ok(ControlFlow::Continue(()))
            })
            .unwrap();
        wrong.map_or(Ok(()), Err)
    }

    /// Takes the answers that have become durable, in any order; some are lost.
    fn listen(&mut self) -> Result<(), Wrong> {
        self.follow()?;
        let mut still = Vec::new();
        for mut one in std::mem::take(&mut self.waiting) {
            match Pin::new(&mut one.ticket).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(heard) => {
                    self.follow()?;
                    self.hear(one.no, &one.asked, &heard)?;
                }
                Poll::Pending => still.push(one),
            }
        }
        self.waiting = still;
        self.follow()
    }

    fn hear(&mut self, no: CallNo, asked: &Asked, heard: &Heard) -> Result<(), Wrong> {
        let name = draw::outcome(asked, heard);
        *self.heard.entry(name).or_insert(0) += 1;
        assert!(!matches!(heard, Err(Fault::JournalFailed | Fault::Storage(_))), "{heard:?}");
        let with = |wrong: Wrong| Wrong(format!("{asked:?}\n{wrong}"));
        self.model.heard(no, heard).map_err(with)?;
        self.auditor.heard(no, heard).map_err(with)?;
        self.known.learn(asked, heard);
        Ok(())
    }

    /// Loses what is not durable, and starts again.
    fn crash(&mut self) -> Result<(), Wrong> {
        self.follow()?;
        self.engine = None;
        self.waiting.clear();
        self.model.crashed(self.followed);
        self.start();
        Ok(())
    }
}
