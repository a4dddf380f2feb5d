//! Owns: what became of a debit: by its id, its key or its number, while its session is open and after.
//! Never: an answer for more than was followed: every one says up to which seq it holds. Never waits; `reach` does.

use crate::{
    kind::{
        At, CHUNK, PLACE_BYTES,
        chunk::{By, Item, View, What},
        keys, number, payee, reversal,
        session::Session,
    },
    shared::{Reach, Shared, Stopped},
};
use std::{ops::ControlFlow, sync::Arc, time::Duration};
use tallystick_core::{Amount, DebitId, PayeeId, SessionId, Time, WriterId, command::Scope, keys::Verdict};
use tallystick_journal::{ProjectionStore, StorageFault};

/// Is called with each chunk and its stored value.
pub(crate) type VisitChunk<'a> = dyn FnMut(&View<'_>, &[u8]) -> Result<ControlFlow<()>, StorageFault> + 'a;

/// Is a debit as it was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebitInfo {
    /// Out of which session.
    pub session: SessionId,
    /// To whom.
    pub payee: PayeeId,
    /// The journal position of the decision.
    pub seq: u64,
    /// When it was decided.
    pub at: Time,
    /// How much was asked.
    pub asked: Amount,
    /// How much was taken; nothing when declined. Of a hold what is promised, of a void what was given back.
    pub taken: Amount,
    /// What was taken back since.
    pub reversed: Amount,
    /// What was decided: approved without a verdict, declined with one.
    pub verdict: Verdict,
    /// How it was named.
    pub by: By,
    /// The payee's own id for it.
    pub reference: Box<str>,
    /// A hash of what was bought.
    pub evidence: Option<[u8; 32]>,
    /// What was done.
    pub what: What,
}

impl DebitInfo {
    /// Returns its id.
    pub fn id(&self) -> DebitId {
        self.session.debit(self.seq)
    }
}

/// Is what a look-up comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// It was decided.
    Found {
        /// What.
        debit: Box<DebitInfo>,
        /// What was taken back is known up to here.
        as_of_seq: u64,
    },
    /// Nothing was decided under this name.
    NeverSeen {
        /// Up to here.
        as_of_seq: u64,
    },
    /// The projection has not come as far as the answer must hold for: wait with `reach`, and ask again.
    Behind {
        /// It has come so far.
        cursor: u64,
    },
    /// Nothing is known under this name, but the projection began when this much of the journal was gone.
    Incomplete {
        /// What came before this seq is not known.
        complete_from: u64,
    },
}

/// Answers look-ups, on any thread, while the follower goes on.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "a trait without it")]
pub struct Lookups {
    pub(crate) store: Arc<dyn ProjectionStore>,
    pub(crate) shared: Arc<Shared>,
}

impl Lookups {
    pub(crate) fn new(store: &Arc<dyn ProjectionStore>, shared: &Arc<Shared>) -> Self {
        Self { store: Arc::clone(store), shared: Arc::clone(shared) }
    }

    /// Returns up to where answers hold.
    pub fn cursor(&self) -> u64 {
        self.shared.cursor.durable()
    }

    /// Returns how far the cursor is behind what is durable. *Units*: records.
    pub fn lag(&self, durable: u64) -> u64 {
        durable.saturating_sub(self.cursor())
    }

    /// Returns from which seq on nothing is missing; 1 when nothing is at all.
    pub fn complete_from(&self) -> u64 {
        self.shared.complete_from()
    }

    /// Waits until the cursor has come to `seq`. *Errors*: `Stopped`.
    pub fn reach(&self, seq: u64) -> Reach {
        Reach::new(&self.shared, seq)
    }

    /// Blocks until the cursor has come to `seq`, for at most `span`. Returns whether it has. *Errors*: `Stopped`.
    pub fn wait_for(&self, seq: u64, span: Duration) -> Result<bool, Stopped> {
        self.shared.wait(seq, span)
    }

    /// Looks a debit up by its id. `holds_for` is the seq that the answer must hold for: what the caller may have heard of.
    /// *Errors*: the disk's; `Corrupt`, naming the place. *Cost*: one chunk.
    pub fn by_id(&self, id: DebitId, holds_for: u64) -> Result<Lookup, StorageFault> {
        let ask = || {
            let at = At { partition: id.partition(), slot: id.session_slot() };
            Ok((self.at_seq(at, id.seq())?, id.seq() < self.complete_from()))
        };
        self.answer(holds_for, ask)
    }

    /// Looks a debit up by the key it came with. *Errors*: as `by_id`.
    /// *Cost*: one value and one chunk in the retry window after settling; else, and when there is none, a walk through the
    /// session's chunks that have keys, until it is found.
    pub fn by_key(&self, session: SessionId, key: &[u8], holds_for: u64) -> Result<Lookup, StorageFault> {
        let ask = || {
            let Some(seed) = self.shared.seed() else { return Ok((None, true)) };
            let hash = Scope::Debit.hash(seed, session.bits(), key);
            let is_it = |item: &Item<'_>| item.by == By::Key(hash);
            if let Some(seq) = keys::find(self.store.as_ref(), session, hash)?
                && let Some(found) = self.at_seq(At::of(session), seq)?
                && found.by == By::Key(hash)
            {
                return Ok((Some(found), false));
            }
            self.in_session(session, |chunk| chunk.keyed > 0, is_it)
        };
        self.answer(holds_for, ask)
    }

    /// Looks a debit up by its number. *Errors*: as `by_id`. *Cost*: as `by_key`; chunks without the number are not read.
    pub fn by_number(
        &self,
        session: SessionId,
        writer: WriterId,
        number: u64,
        holds_for: u64,
    ) -> Result<Lookup, StorageFault> {
        let by = By::Number { writer, number };
        let ask = || {
            let is_it = |item: &Item<'_>| item.by == by;
            if let Some(first_seq) = number::find(self.store.as_ref(), session, writer, number)? {
                let key = At::of(session).key(first_seq);
                if let Some(value) = self.store.get(CHUNK.table, &key)? {
                    let chunk = View::parse(&key, &value)?;
                    // Sessions take turns in a place, and count alike.
                    if chunk.session == session
                        && let Some(found) = self.in_chunk(&chunk, is_it)?
                    {
                        return Ok((Some(found), false));
                    }
                }
            }
            self.in_session(session, |chunk| chunk.may_have(writer, number), is_it)
        };
        self.answer(holds_for, ask)
    }

    /// Turns what is there, and whether more may have been, into an answer.
    fn answer(
        &self,
        holds_for: u64,
        ask: impl FnOnce() -> Result<(Option<DebitInfo>, bool), StorageFault>,
    ) -> Result<Lookup, StorageFault> {
        // ORDER: the cursor is read first; what is read afterwards holds at least as much.
        let as_of_seq = self.cursor();
        if as_of_seq < holds_for {
            return Ok(Lookup::Behind { cursor: as_of_seq });
        }
        Ok(match ask()? {
            (Some(debit), _) => Lookup::Found { debit: Box::new(debit), as_of_seq },
            (None, true) if self.complete_from() > 1 => {
                Lookup::Incomplete { complete_from: self.complete_from() }
            }
            (None, _) => Lookup::NeverSeen { as_of_seq },
        })
    }

    /// Finds the debit that was decided at `seq` in a place.
    fn at_seq(&self, at: At, seq: u64) -> Result<Option<DebitInfo>, StorageFault> {
        let wanted = at.key(seq);
        let found = self.store.last_through(CHUNK.table, &wanted)?;
        match found.filter(|(key, _)| key.starts_with(&wanted[..PLACE_BYTES])) {
            Some((key, value)) => self.in_chunk(&View::parse(&key, &value)?, |item| item.seq == seq),
            None => Ok(None),
        }
    }

    fn in_chunk(
        &self,
        chunk: &View<'_>,
        is_it: impl Fn(&Item<'_>) -> bool,
    ) -> Result<Option<DebitInfo>, StorageFault> {
        let mut found = None;
        chunk.items(|item| {
            if is_it(item) {
                found = Some(*item);
            }
        })?;
        found.map(|item| self.info(chunk.session, &item)).transpose()
    }

    fn info(&self, session: SessionId, item: &Item<'_>) -> Result<DebitInfo, StorageFault> {
        let payee = payee::find(self.store.as_ref(), session.partition(), item.payee)?;
        let reversed = reversal::find(self.store.as_ref(), At::of(session), item.seq)?;
        Ok(shown(session, item, payee, reversed))
    }

    /// Walks through a session's chunks. Returns what was found, and whether there may have been more of the session.
    fn in_session(
        &self,
        session: SessionId,
        may_have: impl Fn(&View<'_>) -> bool,
        is_it: impl Fn(&Item<'_>) -> bool,
    ) -> Result<(Option<DebitInfo>, bool), StorageFault> {
        let row = Session::load(self.store.as_ref(), session)?.unwrap_or_default();
        let mut found: Option<Vec<u8>> = None;
        let mut first_seq = 0;
        self.walk(session, row.opened_seq, &mut |chunk, value| {
            if may_have(chunk) {
                let mut is_here = false;
                chunk.items(|item| is_here |= is_it(item))?;
                if is_here {
                    (found, first_seq) = (Some(value.to_vec()), chunk.first_seq);
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let Some(value) = found else { return Ok((None, row.opened_seq == 0)) };
        let key = At::of(session).key(first_seq);
        Ok((self.in_chunk(&View::parse(&key, &value)?, is_it)?, false))
    }

    /// Visits the chunks of a session that begin at `from_seq` or later, in order. `visit` must not ask the store.
    pub(crate) fn walk(
        &self,
        session: SessionId,
        from_seq: u64,
        visit: &mut VisitChunk<'_>,
    ) -> Result<(), StorageFault> {
        let at = At::of(session);
        let mut is_begun = false;
        self.store.range(CHUNK.table, &at.key(from_seq), &mut |key, value| {
            if !key.starts_with(&at.key(0)[..PLACE_BYTES]) {
                return Ok(ControlFlow::Break(()));
            }
            let chunk = View::parse(key, value)?;
            if chunk.session == session {
                is_begun = true;
                return visit(&chunk, value);
            }
            // Sessions take turns in a place: after another one's debits, there are none of this one.
            Ok(if is_begun { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })
    }
}

pub(crate) fn shown(session: SessionId, item: &Item<'_>, payee: PayeeId, reversed: Amount) -> DebitInfo {
    DebitInfo {
        session,
        payee,
        seq: item.seq,
        at: item.at,
        asked: item.asked,
        taken: item.taken,
        reversed,
        verdict: item.verdict,
        by: item.by,
        reference: item.reference.into(),
        evidence: item.evidence,
        what: item.what,
    }
}
