//! Owns: the index of debits: its follower's steps, and look-ups, lists and readers that are compared with what the journal
//! says. Never: a look-up that waits; it finds the index behind instead.

use super::{State, World};
use crate::{asked::Key, truth::Truth};
use tallystick_core::{Amount, SessionId, WriterId, command::Scope};
use tallystick_projection::{DebitInfo, Listed, Lookup, Lookups, Step, StorageFault};

/// Is by what a debit is looked up.
#[derive(Debug, Clone)]
enum By {
    Id(SessionId, u64),
    Key(SessionId, Key),
    Number(SessionId, WriterId, u64),
}

impl By {
    /// Returns the seq at which it was decided, as the records say.
    fn seq(&self, truth: &Truth) -> Option<u64> {
        match self {
            Self::Id(session, seq) => truth.debits.get(&(*session, *seq)).map(|_| *seq),
            Self::Key(session, key) => {
                let hash = Scope::Debit.hash(truth.seed?, session.bits(), key);
                truth.by_key.get(&(*session, hash)).copied()
            }
            Self::Number(session, writer, number) => {
                truth.by_number.get(&(*session, *writer, *number)).copied()
            }
        }
    }

    fn session(&self) -> SessionId {
        match self {
            Self::Id(session, _) | Self::Key(session, _) | Self::Number(session, _, _) => *session,
        }
    }

    fn ask(&self, lookups: &Lookups, holds_for: u64) -> Result<Lookup, StorageFault> {
        match self {
            Self::Id(session, seq) => lookups.by_id(session.debit(*seq), holds_for),
            Self::Key(session, key) => lookups.by_key(*session, key, holds_for),
            Self::Number(session, writer, number) => lookups.by_number(*session, *writer, *number, holds_for),
        }
    }
}

impl World {
    /// The projection follows.
    pub(super) fn follow(&self) {
        let Some(durable) = self.stepped().map(|stepped| stepped.engine().durable_seq()) else { return };
        let Some(mut follower) = self.st().follower.take() else { return };
        let step = follower.step(durable);
        let cursor = follower.cursor();
        match step {
            Ok(step) => {
                self.tell(format_args!("the index follows to {cursor} of {durable}: {step:?}"));
                self.must(step == Step::Followed || cursor == durable, || {
                    format!("the index has nothing to do at {cursor}, and {durable} is durable")
                });
                self.st().follower = Some(follower);
            }
            Err(fault) => self.stopped(&fault),
        }
    }

    /// What the projection wrote survives from here on.
    pub(super) fn sync_index(&self) {
        let Some(mut follower) = self.st().follower.take() else { return };
        match follower.sync() {
            Ok(()) => {
                self.tell(format_args!("the index is synced at {}", follower.cursor()));
                self.st().follower = Some(follower);
            }
            Err(fault) => self.stopped(&fault),
        }
    }

    /// A follower that failed follows no further before a restart.
    fn stopped(&self, fault: &StorageFault) {
        self.tell(format_args!("the index stops: {fault}"));
        let may = {
            let state = self.st();
            state.is_dead || state.faults.projection_fails
        };
        self.must(may, || format!("the index stopped, and nothing was wrong: {fault}"));
    }

    /// Somebody looks a debit up.
    pub(super) fn look(&self) {
        let by = {
            let mut state = self.st();
            let State { rng, mirror, clients, .. } = &mut *state;
            match rng.below(3) {
                0 => clients
                    .rng
                    .pick(&clients.roster.keys)
                    .map(|(session, key)| By::Key(*session, key.clone())),
                1 => mirror.truth.some_number(rng).map(|(s, w, number)| By::Number(s, w, number)),
                _ => mirror.truth.some_debit(rng).map(|(session, seq)| By::Id(session, seq)),
            }
        };
        if let Some(by) = by {
            self.look_up(&by);
        }
    }

    pub(super) fn look_up_id(&self, session: SessionId, seq: u64) {
        self.look_up(&By::Id(session, seq));
    }

    pub(super) fn look_up_key(&self, session: SessionId, key: &Key) {
        self.look_up(&By::Key(session, key.clone()));
    }

    pub(super) fn look_up_number(&self, session: SessionId, writer: WriterId, number: u64) {
        self.look_up(&By::Number(session, writer, number));
    }

    fn look_up(&self, by: &By) {
        let (Some(stepped), Some(lookups)) = (self.stepped(), self.st().lookups.clone()) else { return };
        // Everything that the caller can have heard of is durable by now.
        let holds_for = stepped.engine().durable_seq();
        let found = match by.ask(&lookups, holds_for) {
            Ok(found) => found,
            Err(fault) => return self.wrong(format!("looking up {by:?} failed: {fault}")),
        };
        let cursor = lookups.cursor();
        let judged = {
            let mut state = self.st();
            state.counts.look_ups += 1;
            let State { mirror, inside, .. } = &*state;
            judge(
                &mirror.truth,
                by,
                &found,
                Bounds {
                    holds_for,
                    cursor,
                    is_moving: inside.follow,
                    complete_from: lookups.complete_from(),
                },
            )
        };
        self.tell(format_args!("looked up {by:?}: {found:?}"));
        if let Err(finding) = judged {
            self.wrong(format!("looking up {by:?} for {holds_for}: {finding}: {found:?}"));
        }
    }

    /// Somebody lists a session's debits.
    pub(super) fn list(&self) {
        let chosen = {
            let mut state = self.st();
            let State { rng, mirror, .. } = &mut *state;
            rng.pick(&mirror.truth.sessions).copied()
        };
        if let Some(session) = chosen {
            let most = { self.st().rng.index(5) + 1 };
            self.list_all(session, most);
        }
    }

    /// Lists a session's debits page by page.
    pub(super) fn list_all(&self, session: SessionId, most: usize) {
        let (Some(stepped), Some(lookups)) = (self.stepped(), self.st().lookups.clone()) else { return };
        let holds_for = stepped.engine().durable_seq();
        let mut after_seq = 0;
        loop {
            let page = match lookups.list(session, after_seq, most, holds_for) {
                Ok(Listed::Page(page)) => page,
                Ok(Listed::Behind { cursor }) => {
                    self.must(cursor < holds_for, || {
                        format!("the list is behind at {cursor} of {holds_for}")
                    });
                    return;
                }
                Err(fault) => return self.wrong(format!("listing {session} failed: {fault}")),
            };
            let is_moving = self.st().inside.follow;
            let expected: Vec<DebitInfo> = {
                let state = self.st();
                let truth = &state.mirror.truth;
                let seqs = truth
                    .debits
                    .range((session, after_seq + 1)..(session, page.as_of_seq.max(after_seq) + 1));
                let from = page.missing_before.unwrap_or(0);
                let shown = seqs.map(|((_, seq), _)| *seq).filter(|seq| *seq >= from);
                shown.take(most).filter_map(|seq| truth.info(session, seq, page.as_of_seq)).collect()
            };
            // While a step is under way, some of what it files may be seen before the cursor has moved.
            let is_same = if is_moving {
                page.debits.len() >= expected.len()
                    && page.debits.iter().zip(&expected).all(|(one, other)| one.seq == other.seq)
            } else {
                page.debits == expected
            };
            self.must(is_same, || {
                format!("{session} after {after_seq} lists {:?}, and should list {expected:?}", page.debits)
            });
            if page.next_after_seq == after_seq || !is_same || is_moving {
                return;
            }
            after_seq = page.next_after_seq;
        }
    }

    /// Somebody reads the settlements that came since.
    pub(super) fn read_settlements(&self) {
        let Some(stepped) = self.stepped() else { return };
        let (after_seq, most) = {
            let mut state = self.st();
            (state.reader.after_seq, state.rng.index(6) + 1)
        };
        let durable = stepped.engine().durable_seq();
        let read = stepped.engine().settlements_after(after_seq, most);
        let mut state = self.st();
        // Others may have read meanwhile: one reader at a time moves on.
        if state.is_dead || state.reader.after_seq != after_seq {
            return;
        }
        let found = match read {
            Ok(found) => found,
            Err(fault) => {
                let may = state.disk.failed_finds() > 0;
                drop(state);
                return self.must(may, || format!("settlements cannot be read: {fault}"));
            }
        };
        let seqs: Vec<u64> = found.iter().map(|settlement| settlement.seq).collect();
        let made = state.mirror.truth.settlements.range(after_seq + 1..durable.max(after_seq) + 1).take(most);
        let expected: Vec<u64> = made.map(|(seq, _)| *seq).collect();
        let mut is_same = seqs == expected;
        for settlement in &found {
            let settled = state.mirror.truth.settlements.get(&settlement.seq);
            let lines: Vec<_> = settlement.lines.iter().map(|line| (line.payee, line.amount)).collect();
            is_same &= settled.is_some_and(|settled| {
                settled.session == settlement.session
                    && settled.total == settlement.total
                    && settled.lines == lines
            });
        }
        state.reader.read += found.len();
        state.reader.after_seq = seqs.last().copied().unwrap_or(after_seq);
        drop(state);
        self.tell(format_args!("settlements after {after_seq}: {seqs:?}"));
        self.must(is_same, || {
            format!("settlements after {after_seq}, of {durable}: {found:?}, and should be at {expected:?}")
        });
    }
}

/// Is what a look-up's answer must keep to.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    holds_for: u64,
    cursor: u64,
    is_moving: bool,
    complete_from: u64,
}

fn judge(truth: &Truth, by: &By, found: &Lookup, bounds: Bounds) -> Result<(), String> {
    let Bounds { holds_for, cursor, is_moving, complete_from } = bounds;
    let seq = by.seq(truth);
    match found {
        Lookup::Behind { cursor: at } if *at < holds_for && *at <= cursor => Ok(()),
        Lookup::Behind { .. } => Err("it is not behind".into()),
        Lookup::Incomplete { .. } if complete_from > 1 && seq.is_none_or(|seq| seq < complete_from) => Ok(()),
        Lookup::Incomplete { .. } => Err("it is complete".into()),
        Lookup::NeverSeen { as_of_seq } if *as_of_seq < holds_for => Err("it does not hold that far".into()),
        Lookup::NeverSeen { as_of_seq } => match seq.filter(|seq| seq <= as_of_seq) {
            Some(seq) => Err(format!("it was decided at seq {seq}")),
            None => Ok(()),
        },
        Lookup::Found { as_of_seq, .. } if *as_of_seq < holds_for => Err("it does not hold that far".into()),
        Lookup::Found { debit, as_of_seq } => {
            let expected = seq.and_then(|seq| truth.info(by.session(), seq, u64::MAX));
            let Some(mut expected) = expected else { return Err("it was never decided".into()) };
            let as_of = truth.info(by.session(), expected.seq, (*as_of_seq).max(expected.seq));
            let least = as_of.map_or(Amount::ZERO, |info| info.reversed);
            if is_moving && debit.reversed >= least && debit.reversed <= expected.reversed {
                expected.reversed = debit.reversed;
            } else {
                expected.reversed = least;
            }
            if **debit == expected { Ok(()) } else { Err(format!("it is {expected:?}")) }
        }
    }
}
