//! Owns: what is drawn for one seed: which features and faults there are, how often each actor moves, how tight limits are.
//! A swarm of narrow worlds finds more than one wide one.
//! Never: changes once a world has begun.

use crate::{actor::Actor, rng::Rng};
use tallystick_core::Span;
use tallystick_projection::Options as ProjectionOptions;

/// Says what clients do in a world.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "named as what they allow")]
pub struct Features {
    pub numbers: bool,
    pub batches: bool,
    pub trees: bool,
    pub shared: bool,
    pub clauses: bool,
    pub reversals: bool,
    pub blocks: bool,
    pub credit: bool,
    pub external: bool,
    pub partials: bool,
    pub top_ups: bool,
    pub lies: bool,
    pub holds: bool,
    pub secrets: bool,
    pub thresholds: bool,
    pub stops: bool,
    pub rates: bool,
    pub windows: bool,
    /// Windows are on accounts, and else on what stands straight on one: two over one session would leave too much open.
    pub account_windows: bool,
}

/// Says what goes wrong in a world.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "named as what they allow")]
pub struct Faults {
    pub crashes: bool,
    pub append_fails: bool,
    pub index_fails: bool,
    pub projection_fails: bool,
    pub finds_fail: bool,
    pub answers_lost: bool,
    pub clock_jumps: bool,
    pub clock_set_back: bool,
    pub damage: bool,
    pub projection_wiped: bool,
    /// Others go on while the disk works.
    pub slow_disk: bool,
}

/// Is what was drawn.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "named as what they bound")]
pub struct Settings {
    pub features: Features,
    pub faults: Faults,
    pub clients: u64,
    /// Calls that one client has out at a time.
    pub window: u64,
    pub accounts: u64,
    pub payees: u64,
    pub sessions: u64,
    pub partitions: u64,
    pub group_bytes: usize,
    pub amount_most: u64,
    pub cap_most: u64,
    pub ttl_most_ns: u64,
    pub recovery_threads: usize,
    pub retry_window_ns: u64,
    pub step_records: u64,
    pub piece_bytes: usize,
    pub sync_bytes: u64,
    pub weights: [u32; Actor::ALL.len()],
    /// The weights of what clients ask for anew.
    pub wishes: [u32; crate::wish::Wish::ALL.len()],
}

fn one<T: Copy>(rng: &mut Rng, of: &[T], otherwise: T) -> T {
    rng.pick(of).copied().unwrap_or(otherwise)
}

impl Features {
    fn draw(rng: &mut Rng) -> Self {
        let mut on = || rng.chance(4, 5);
        Self {
            numbers: on(),
            batches: on(),
            trees: on(),
            shared: on(),
            clauses: on(),
            reversals: on(),
            blocks: on(),
            credit: on(),
            external: on(),
            partials: on(),
            top_ups: on(),
            lies: on(),
            holds: on(),
            secrets: on(),
            thresholds: on(),
            stops: on(),
            rates: rng.chance(2, 5),
            windows: rng.chance(1, 4),
            account_windows: rng.chance(1, 2),
        }
    }
}

impl Faults {
    /// Is nothing that goes wrong.
    pub const NONE: Self = Self {
        crashes: false,
        append_fails: false,
        index_fails: false,
        projection_fails: false,
        finds_fail: false,
        answers_lost: false,
        clock_jumps: false,
        clock_set_back: false,
        damage: false,
        projection_wiped: false,
        slow_disk: false,
    };

    fn draw(rng: &mut Rng) -> Self {
        if rng.chance(1, 20) {
            return Self::NONE;
        }
        let mut on = |yes: u64| rng.chance(yes, 10);
        Self {
            crashes: on(8),
            append_fails: on(5),
            index_fails: on(4),
            projection_fails: on(4),
            finds_fail: on(3),
            answers_lost: on(7),
            clock_jumps: on(7),
            clock_set_back: on(5),
            damage: on(3),
            projection_wiped: on(2),
            slow_disk: on(7),
        }
    }
}

impl Features {
    /// Is everything.
    pub const ALL: Self = Self {
        numbers: true,
        batches: true,
        trees: true,
        shared: true,
        clauses: true,
        reversals: true,
        blocks: true,
        credit: true,
        external: true,
        partials: true,
        top_ups: true,
        lies: true,
        holds: true,
        secrets: true,
        thresholds: true,
        stops: true,
        rates: true,
        windows: true,
        account_windows: false,
    };
}

impl Settings {
    /// Is what a script begins with: two clients, nothing that goes wrong, nobody who moves of his own accord.
    pub fn quiet() -> Self {
        let second = crate::time::SECOND;
        Self {
            features: Features::ALL,
            faults: Faults::NONE,
            clients: 2,
            window: 100,
            accounts: 100,
            payees: 100,
            sessions: 1_000,
            partitions: 256,
            group_bytes: 1 << 20,
            amount_most: 100,
            cap_most: 1_000,
            ttl_most_ns: 600 * second,
            recovery_threads: 1,
            retry_window_ns: 600 * second,
            step_records: 1_000,
            piece_bytes: 1 << 20,
            sync_bytes: 1 << 20,
            weights: Actor::ALL.map(|actor| u32::from(actor.is_calm())),
            wishes: crate::wish::Wish::ALL.map(|_| 0),
        }
    }

    /// Draws the settings of a seed.
    pub fn draw(rng: &mut Rng) -> Self {
        let (features, faults) = (Features::draw(rng), Faults::draw(rng));
        let amount_most = one(rng, &[3, 10, 100, 5_000, 1 << 40], 10);
        let second = crate::time::SECOND;
        Self {
            features,
            faults,
            clients: rng.between(1, 8),
            window: rng.between(1, 8),
            accounts: rng.between(1, 4),
            payees: rng.between(1, 6),
            sessions: rng.between(2, 12),
            partitions: one(rng, &[1, 1, 2, 3, 8, 256], 2),
            group_bytes: one(rng, &[1, 150, 600, 1 << 20, 1 << 20], 1),
            amount_most,
            cap_most: amount_most.saturating_mul(one(rng, &[2, 5, 20, 200], 5)),
            ttl_most_ns: one(rng, &[second / 20, second, 60 * second, 86_400 * second], second),
            recovery_threads: if rng.chance(1, 10) { 2 } else { 1 },
            retry_window_ns: one(rng, &[second / 10, 60 * second, 7 * 86_400 * second], second),
            step_records: one(rng, &[1, 3, 20, 1_000], 3),
            piece_bytes: one(rng, &[1, 200, 1 << 20], 200),
            sync_bytes: one(rng, &[1, 500, 1 << 20], 500),
            weights: Actor::ALL.map(|actor| actor.weight(rng, &faults)),
            wishes: crate::wish::Wish::ALL.map(|wish| wish.weight(rng, &features)),
        }
    }

    /// Returns what the projection is told.
    pub fn projection(&self) -> ProjectionOptions {
        ProjectionOptions {
            retry_window: Span::from_ns(self.retry_window_ns),
            step_records: self.step_records,
            piece_bytes: self.piece_bytes,
            sync_bytes: self.sync_bytes,
            ..ProjectionOptions::default()
        }
    }
}
