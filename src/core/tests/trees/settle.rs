//! Is how sessions end: asked for, in a cascade, or because their time has come; each in one settlement.

use super::{
    PAYEES, World,
    model::{self, Due},
};
use tallystick_core::{
    Amount, PayeeId, Record, Refusal, SessionId,
    decide::{self, Decided},
    settlement::{Line, Reason},
    tree::Step,
};

impl World {
    /// Settles a session and all that is open below it, from the leaves.
    pub(crate) fn settle_whole(&mut self, session: usize) {
        let id = self.model.sessions[session].id;
        while let Some(leaf) = self.leaf_below(id) {
            self.settle_one(leaf, true);
        }
        self.settle_one(id, false);
    }

    fn leaf_below(&self, id: SessionId) -> Option<SessionId> {
        match self.partition.next_step_to_close(id, self.time()).unwrap() {
            Step::Settle { session, cascading } => cascading.then_some(session),
            step => panic!("{step:?}"),
        }
    }

    /// Begins a cascade and settles at most `leaves` of it; the sweeper finishes it.
    pub(crate) fn begin_cascade(&mut self, session: usize, leaves: u64) {
        let id = self.model.sessions[session].id;
        let refused = decide::settle(&self.partition, id, self.time(), false);
        assert_eq!(refused, Err(Refusal::OpenChildren));
        if let Decided::Record(record) = decide::close(&self.partition, id).unwrap() {
            self.commit(record);
        }
        self.model.sessions[session].closing = true;
        for _ in 0..leaves {
            let Some(leaf) = self.leaf_below(id) else { return };
            self.settle_one(leaf, true);
        }
    }

    /// Settles what is due, as the sweeper does.
    pub(crate) fn sweep(&mut self, most: u64) {
        for _ in 0..most {
            let Some(due) = self.partition.due_session(self.time()) else { return };
            let place = self.place_of(due);
            self.settle_whole(place);
        }
    }

    pub(crate) fn settle_one(&mut self, id: SessionId, cascading: bool) {
        let place = self.place_of(id);
        let record = decide::settle(&self.partition, id, self.time(), cascading).unwrap();
        let Record::SessionSettled(settled) = &record else { panic!("{record:?}") };
        let model = &self.model;
        let row = &model.sessions[place];
        assert_eq!((model.open_children(place), row.settled), (0, false));
        let reason = match (model.now >= row.ends, cascading) {
            (true, _) => Reason::Expired,
            (false, true) => Reason::Cascade,
            (false, false) => Reason::Closed,
        };
        let back = if row.shared { 0 } else { row.cap - model.used(place, Due::Held) };
        let said = (settled.reason, settled.total.nanos(), settled.released.nanos(), &settled.lines);
        assert_eq!(said, (reason, model.spent_on(place), back, &self.lines_of(place)));
        self.commit(record);
        self.model.sessions[place].settled = true;
        self.figures.settlements += 1;
        let settlement = self.partition.unfiled_settlement(id).unwrap().clone();
        assert_eq!(settlement.spent_below.nanos(), self.model.spent_in(place) - self.model.spent_on(place));
        assert_eq!(self.settlements.insert(id, settlement), None, "a session settles once");
        assert_eq!(decide::settle(&self.partition, id, self.time(), false), Err(Refusal::UnknownSession));
    }

    fn lines_of(&self, session: usize) -> Vec<Line> {
        let paid =
            |payee: usize| self.model.debits.iter().filter(move |d| d.session == session && d.payee == payee);
        let line = |payee: usize| Line {
            payee: self.payees[payee],
            amount: Amount::from_nanos(paid(payee).map(model::Debit::net).sum()),
            debit_count: u64::try_from(paid(payee).count()).unwrap(),
        };
        let mut lines: Vec<Line> = (0..PAYEES).map(line).filter(|line| line.debit_count > 0).collect();
        lines.sort_unstable_by_key(|line| line.payee);
        lines
    }

    pub(crate) fn settled_to(&self, payee: PayeeId) -> u64 {
        let lines = self.settlements.values().flat_map(|settlement| &settlement.lines);
        lines.filter(|line| line.payee == payee).map(|line| line.amount.nanos()).sum()
    }
}
