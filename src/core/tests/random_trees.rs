//! Random trees of sessions against a model that counts nothing up (I1, I3, I5, I6, I7, I9): whatever is decided, both say
//! the same, the money adds up after each record, and the records make the same world again.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test, which says how much it tried")]

mod trees;

use std::collections::BTreeMap;
use tallystick_core::{
    Partition, Record,
    account::Funding,
    cut::{Filing, RowValue},
    deposit::DepositState,
    verify,
};
use trees::{
    Figures, Image, PAYEES, World,
    model::{Due, Whose},
    tree::Wish,
};

/// How many trees, unless the variable `TREES` says otherwise.
const TREES: u64 = 300;
const STEPS: u64 = 400;

impl World {
    fn wish(&mut self, above: Whose) -> Wish {
        let rng = &mut self.rng;
        let below = matches!(above, Whose::Session(_));
        let mut wish = Wish {
            shared: rng.one_in(2),
            cap: rng.within(1, if below { 120 } else { 300 }),
            ttl: if below && rng.one_in(2) { 0 } else { rng.within(1, if below { 800 } else { 2_000 }) },
            ..Wish::default()
        };
        if rng.one_in(8) {
            wish.begins = self.model.now + rng.within(1, 40);
        }
        if rng.one_in(4) {
            wish.allowed = (0..PAYEES).filter(|_| !rng.one_in(3)).collect();
        }
        let capped: Vec<usize> =
            if wish.allowed.is_empty() { (0..PAYEES).collect() } else { wish.allowed.clone() };
        for payee in capped {
            if rng.one_in(6) {
                wish.caps.insert(payee, rng.within(1, 60));
            }
        }
        if rng.one_in(4) {
            wish.default_cap = rng.within(1, 60);
        }
        if rng.one_in(6) {
            wish.min = rng.within(1, 6);
        }
        if rng.one_in(6) {
            wish.max = wish.min + rng.within(1, 40);
        }
        wish
    }

    fn open_session(&mut self) -> Option<usize> {
        let open: Vec<usize> =
            (0..self.model.sessions.len()).filter(|at| !self.model.sessions[*at].settled).collect();
        self.rng.place(open.len()).map(|at| open[at])
    }

    /// Returns the session opened last, so that some trees grow deep.
    fn newest(&self) -> Option<usize> {
        (0..self.model.sessions.len()).rfind(|at| !self.model.sessions[*at].settled)
    }

    fn step(&mut self) {
        self.figures.steps += 1;
        let account = self.rng.place(self.model.accounts.len()).unwrap();
        match self.rng.within(0, 100) {
            0..15 => {
                let above = match if self.rng.one_in(2) { self.newest() } else { self.open_session() } {
                    Some(at) if !self.rng.one_in(4) => Whose::Session(at),
                    _ => Whose::Account(account),
                };
                let wish = self.wish(above);
                let _ = self.open(above, &wish);
            }
            15..58 => {
                let session = if self.rng.one_in(4) { self.newest() } else { self.open_session() };
                let Some(session) = session else { return };
                let payee = self.rng.place(PAYEES).unwrap();
                let amount = self.rng.within(1, 30);
                let (euros, partial) = (self.rng.one_in(30), self.rng.one_in(3));
                let _ = self.pay(session, (payee, amount), (euros, partial));
            }
            58..68 => {
                let Some(debit) = self.rng.place(self.model.debits.len()) else { return };
                let amount = if self.rng.one_in(3) { 0 } else { self.rng.within(1, 30) };
                self.reverse(debit, amount);
            }
            68..74 => {
                let Some(session) = self.open_session() else { return };
                let add = if self.rng.one_in(4) { 0 } else { self.rng.within(1, 80) };
                let extend_by = if add == 0 || self.rng.one_in(3) { self.rng.within(1, 200) } else { 0 };
                self.top_up(session, add, extend_by);
            }
            74..79 => {
                let Some(session) = self.open_session() else { return };
                match self.model.open_children(session) {
                    0 => self.settle_whole(session),
                    _ if self.rng.one_in(2) => {
                        let leaves = self.rng.within(0, 3);
                        self.begin_cascade(session, leaves);
                    }
                    _ => self.settle_whole(session),
                }
            }
            79..81 => self.sweep(2),
            81..86 => self.model.now += self.rng.within(0, 25),
            86..91 => self.move_money(account),
            91..95 => {
                if let Some(at) = self.rng.place(self.asked.len()) {
                    self.ask_again(at);
                }
                self.command_again();
            }
            95..97 => self.deliver(),
            _ if self.rng.one_in(40) => self.block(0),
            _ => self.model.now += self.rng.within(0, 60),
        }
    }

    fn move_money(&mut self, account: usize) {
        let nanos = self.rng.within(1, 200);
        match self.rng.within(0, 6) {
            0 => {
                let pending = self.rng.one_in(2);
                self.deposit(account, nanos, pending);
            }
            1 => self.withdraw(account, nanos),
            2 => self.repay(account, nanos / 4 + 1),
            3 => self.limit(account, nanos * 4),
            _ => {
                let Some(deposit) = self.rng.place(self.model.accounts[account].deposits.len()) else {
                    return;
                };
                let states = [
                    DepositState::Available,
                    DepositState::Failed,
                    DepositState::Returned,
                    DepositState::Pending,
                ];
                let to = states[self.rng.place(states.len()).unwrap()];
                self.move_deposit(account, deposit, to);
            }
        }
    }

    /// Each debit is in one settlement, the settlements are the debits, and every account's money adds up.
    fn end(&mut self) {
        self.model.now += 100_000;
        self.sweep(u64::MAX);
        self.deliver();
        self.compare();
        assert_eq!(self.partition.open_sessions(), 0);
        assert_eq!(self.settlements.len(), self.model.sessions.len());
        for (session, row) in self.model.sessions.iter().enumerate() {
            let settlement = &self.settlements[&row.id];
            assert_eq!(settlement.total.nanos(), self.model.spent_on(session));
            let debits = self.model.debits.iter().filter(|debit| debit.session == session).count();
            assert_eq!(settlement.debit_count, u64::try_from(debits).unwrap());
        }
        for payee in 0..PAYEES {
            let debits = self.model.debits.iter().filter(|debit| debit.payee == payee);
            let owed: u64 = debits.map(trees::model::Debit::net).sum();
            assert_eq!(self.settled_to(self.payees[payee]), owed);
            let ledgers = &self.partition.payee(self.payees[payee]).unwrap().ledgers;
            assert_eq!(ledgers.iter().map(|ledger| ledger.payable.nanos()).sum::<u128>(), u128::from(owed));
        }
        let spent: u64 = self.model.debits.iter().map(trees::model::Debit::net).sum();
        let accounts = 0..self.model.accounts.len();
        assert_eq!(accounts.map(|at| self.model.used_of_account(at, Due::Held)).sum::<u64>(), spent);
    }
}

fn grow(seed: u64) -> (World, Vec<Image>) {
    let mut world = World::new(seed);
    for funding in [Funding::Prepaid, Funding::CreditLine, Funding::ExternalAuthority, Funding::Prepaid] {
        let account = world.account(funding, 600);
        if funding == Funding::Prepaid {
            world.deposit(account, 400, false);
            world.deposit(account, 200, false);
        }
    }
    let mut images = Vec::new();
    for step in 0..STEPS {
        world.step();
        world.compare();
        if step % 150 == 149 {
            images.push(world.checkpoint());
        }
    }
    world.end();
    (world, images)
}

/// Applies the records anew, and says what comes of them.
fn replay(partition: &mut Partition, records: &[(u64, tallystick_core::Stamp, Record<'static>)]) {
    let since = partition.seq();
    for (seq, stamp, record) in records.iter().filter(|(seq, _, _)| *seq > since) {
        assert_eq!(verify::decide_again(partition, stamp, record), Ok(()), "{record:?}");
        partition.apply(*seq, stamp, record);
    }
}

/// Returns all of a partition: the rows and the head, and what no checkpoint has filed yet.
fn whole(partition: &mut Partition) -> (Image, Filing) {
    partition.copy_all_again();
    let (head, filing) = partition.cut(partition.seq());
    let mut rows = Vec::new();
    loop {
        let part = partition.copy(100);
        if part.is_empty() {
            break;
        }
        rows.extend(part);
    }
    rows.sort_by_key(|(slot, row)| (trees::table(row), *slot));
    (Image { head, rows }, filing)
}

fn check_replays(world: &mut World, images: Vec<Image>) {
    let last_filed = images.last().map_or(0, |image| image.head.seq);
    let mut fresh = Partition::new(7);
    replay(&mut fresh, &world.records);
    fresh.filed_through(last_filed);
    let mut stored: BTreeMap<(u8, u32), RowValue> = BTreeMap::new();
    let mut loaded = Vec::new();
    for image in images {
        stored.extend(image.rows.into_iter().map(|(slot, row)| ((trees::table(&row), slot), row)));
        let mut partition = Partition::new(7);
        for ((_, slot), row) in &stored {
            partition.load_row(*slot, row.clone()).unwrap();
        }
        partition.load_head(image.head).unwrap();
        loaded.push(partition);
    }
    let now = whole(&mut world.partition);
    assert_eq!(whole(&mut fresh), now);
    for mut partition in loaded {
        replay(&mut partition, &world.records);
        partition.filed_through(last_filed);
        assert_eq!(whole(&mut partition), now);
    }
}

#[test]
fn random_trees_decide_as_the_model_does() {
    let mut figures = Figures::default();
    let trees = std::env::var("TREES").map_or(TREES, |count| count.parse().unwrap());
    for seed in 0..trees {
        let tree = std::panic::catch_unwind(|| {
            let (mut world, images) = grow(seed);
            check_replays(&mut world, images);
            world.figures
        });
        match tree {
            Ok(grown) => figures.add(&grown),
            Err(_) => panic!("tree {seed} of {trees} fails; before it: {figures:?}"),
        }
    }
    println!("{trees} trees: {figures:?}");
    let rare = [
        figures.partial,
        figures.released,
        figures.deficits,
        figures.replays,
        figures.topped_up,
        figures.deep,
    ];
    assert!(rare.iter().all(|count| *count > trees / 5), "what is rare happens: {figures:?}");
}
