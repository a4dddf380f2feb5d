//! Owns: the look back at the end of a world: what is left, what the index has, and the whole journal once more.
//! Never: a step that changes money.

use super::World;
use crate::{asked::Asked, client::Intent, mirror};
use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
};

use tallystick_projection::Lookups;

/// Bounds the steps in which an index catches up.
const FOLLOWS_MOST: u32 = 100_000;

impl World {
    /// Tests that nothing is left, and that everybody tells the same story.
    pub(super) fn look_back(&self) {
        if !self.settle_down() {
            return self.wrong("it does not settle down".into());
        }
        self.ask_totals();
        self.catch_up();
        self.list_everything();
        self.read_all();
        self.compare();
        self.replay();
        let finished = self.st().auditor.finish();
        if let Err(wrong) = finished {
            self.wrong(wrong.0);
        }
        let (on_the_way, in_transit, outgoing) = {
            let state = self.st();
            let (on_the_way, in_transit) = state.mirror.in_transit();
            (on_the_way, in_transit, state.mirror.outgoing())
        };
        self.must((on_the_way, in_transit, outgoing) == (0, 0, 0), || {
            format!("{outgoing} lines wait, {on_the_way} is on its way, {in_transit} in transit by the books")
        });
    }

    /// The totals that are told are those of the journal.
    fn ask_totals(&self) {
        let at = self.intend(0, Intent::new(Asked::Totals));
        if let Some(call) = self.send(0, at) {
            let _ = self.poll(call);
        }
        let Some(stepped) = self.stepped() else { return };
        let (books, open_sessions) = self.st().mirror.totals();
        let mut ticket = stepped.engine().totals();
        let told = Future::poll(Pin::new(&mut ticket), &mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Ok(totals)) = told else { return self.wrong("totals are not told".into()) };
        self.must(totals.books == books && totals.open_sessions == open_sessions, || {
            format!("{totals:?} is told, and the journal has {books:?} with {open_sessions} open sessions")
        });
        let sums = books.values().all(|books| books.iter().sum::<i128>() == 0);
        self.must(sums, || format!("the books do not sum to zero: {books:?}"));
    }

    /// The index follows as far as it can.
    pub(crate) fn catch_up(&self) {
        for _ in 0..FOLLOWS_MOST {
            let (cursor, durable) = {
                let state = self.st();
                (state.lookups.as_ref().map_or(0, Lookups::cursor), state.mirror.seq())
            };
            if cursor >= durable || self.is_over() {
                return;
            }
            self.follow();
        }
        self.wrong("the index never catches up".into());
    }

    /// The index has every debit.
    fn list_everything(&self) {
        let (cursor, durable, sessions) = {
            let state = self.st();
            let cursor = state.lookups.as_ref().map_or(0, Lookups::cursor);
            (cursor, state.mirror.seq(), state.mirror.truth.sessions.clone())
        };
        self.must(cursor == durable, || format!("the index stays at {cursor}, and {durable} is durable"));
        for session in sessions {
            if self.is_over() {
                return;
            }
            self.list_all(session, 7);
        }
        for _ in 0..20 {
            self.look();
        }
    }

    /// Returns what answers look-ups, and up to where they must hold. *Panics*: if the process is not there.
    pub(crate) fn index(&self) -> (Lookups, u64) {
        let state = self.st();
        let lookups = state.lookups.clone().unwrap_or_else(|| panic!("there is no index"));
        (lookups, state.mirror.seq())
    }

    /// Returns the log's lines, as far as they were kept.
    pub(crate) fn told(&self) -> Vec<String> {
        self.st().log.kept().to_vec()
    }

    /// The reader of settlements has read each once.
    fn read_all(&self) {
        let made = self.st().mirror.truth.settlements.len();
        for _ in 0..=made {
            self.read_settlements();
        }
        let read = self.st().reader.read;
        self.must(read == made, || format!("{read} settlements were read, of {made}"));
    }

    /// The whole journal, from its first record: the same world.
    fn replay(&self) {
        let groups = self.st().archive.clone();
        match mirror::replayed(groups.iter().map(|(first_seq, group)| (*first_seq, group.as_ref()))) {
            Ok(mut replayed) => {
                let is_same = replayed.rows() == self.st().mirror.rows();
                self.must(is_same, || "a replay of the whole journal is another world".into());
            }
            Err(finding) => self.wrong(format!("a replay fails: {finding}")),
        }
    }
}
