//! Owns: what should come of everything, in the words of the design and by no code of core's: it predicts each answer, and
//! what the journal says, from what was asked and when.
//! Never: core's decisions; the engine's state.
//!
//! It follows the journal's records in order, so that a crash needs no undo. A call is predicted once the journal has been
//! followed to where it was decided, against the records that it wrote: each is predicted before it is believed. What cannot be
//! known beforehand is bound from the record and checked for what can be: ids (new, of the right partition), slots of notices
//! (one payee each), hashes of keys (one intent each), and where nothing says which partition comes first, that order. Not
//! compared: the words in which a rule is stated; the seq of an answer that repeats what was done without a key (a block, a
//! deposit's move), but for its bounds. An answer that is never heard is not missed here.

mod closing;
mod debits;
mod holds;
mod intents;
mod ladder;
mod money;
mod opening;
mod parties;
mod shown;
mod state;
mod stops;
mod tree;
mod velocity;
mod words;
mod written;

use crate::asked::{Asked, Heard, Named, Stopped, Told};
use holds::Guarded;
use state::State;
use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    ops::RangeInclusive,
};
use tallystick_core::{Amount, Next, Record, Refusal, Stamp, Time, partition::SessionView, writer::Numbered};
use tallystick_engine::{Answer, DepositAnswer, Fault, OpenAnswer, SessionShown};
use tallystick_journal::codec;
use written::{Off, Written};

pub(crate) use intents::name as intent_of;
pub(crate) use words::{debit_differs, differs};

/// Says what was expected and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong(pub String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Stands for what nobody but the engine knows: nothing is ever offered like that.
const WHATEVER: Next = Next::SmallerAmount(Amount::ZERO);

/// Numbers the calls of one world.
pub type CallNo = u64;

/// Says when a call was decided: the records it wrote are those after `before`, up to `after`; none when they are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The last seq drawn before the engine was asked.
    pub before: u64,
    /// The last seq drawn when it had decided.
    pub after: u64,
    /// What its clock said.
    pub now: Time,
}

/// Is a call that was decided and is not predicted yet.
#[derive(Debug)]
struct Call {
    no: CallNo,
    span: Span,
    asked: Asked,
    /// A crash took some of its records, or its answer.
    cut: bool,
}

/// Is what should be heard.
#[derive(Debug)]
enum Expected {
    Exactly(Heard),
    /// The same, with a session that has this.
    Shown(Heard, Guarded),
    /// The same, but for its seq, which lies here.
    Within(Told, RangeInclusive<u64>),
    /// A session that waits for a hold, at such a seq.
    Waiting(Told, RangeInclusive<u64>, Guarded),
    /// What should have been written was not: only a fault of the storage says so.
    OnlyAFault(String),
}

/// Follows the journal, and predicts.
#[derive(Debug, Default)]
pub struct Model {
    /// Up to here it has followed.
    seq: u64,
    state: State,
    /// What was decided and is not followed yet, in order.
    calls: VecDeque<Call>,
    /// The records of the first of them, as the journal has them.
    written: Vec<(u64, Vec<u8>)>,
    expected: BTreeMap<CallNo, Expected>,
    /// What was heard before the journal was followed so far: of calls that wrote nothing, and wait for less than all that was
    /// decided before them.
    early: BTreeMap<CallNo, Heard>,
    /// After a crash: where the journal ended.
    ended: Option<u64>,
    /// What went wrong where nobody could be told.
    wrong: Option<Wrong>,
}

impl Model {
    /// Takes note of a call that was just decided. What it should come to is predicted when the journal has been followed to
    /// `span.before`, and compared with the records it wrote.
    pub fn asked(&mut self, call: CallNo, span: Span, asked: &Asked) {
        self.calls.push_back(Call { no: call, span, asked: asked.clone(), cut: false });
        self.catch_up();
    }

    /// Follows one record that the journal has, in order of seq. *Errors*: it is not what was to be written.
    pub fn record(&mut self, seq: u64, stamp: &Stamp, record: &Record<'_>) -> Result<(), Wrong> {
        if seq != self.seq + 1 {
            return Err(Wrong(format!("record {seq} follows {}", self.seq)));
        }
        match self.calls.front() {
            Some(call) if call.span.before < seq => {
                let mut bytes = Vec::new();
                codec::encode(stamp, record, &mut bytes);
                self.written.push((seq, bytes));
            }
            _ => self.by_itself(seq, stamp, record)?,
        }
        self.seq = seq;
        self.catch_up();
        self.wrong.take().map_or(Ok(()), Err)
    }

    /// Compares what was heard with what was predicted. All that it depends on has been followed.
    pub fn heard(&mut self, call: CallNo, heard: &Heard) -> Result<(), Wrong> {
        if let Some(wrong) = self.wrong.take() {
            return Err(wrong);
        }
        // What waits for nothing else may be heard before all that was written for it is followed: a refusal after a payee's
        // notice, a debit before the lines of what was released for it are delivered.
        let known = heard.as_ref().map_or(Some(0), last_seq).is_some_and(|last| last <= self.seq);
        let waits =
            |waiting: &Call| waiting.no == call && (known || waiting.span.before == waiting.span.after);
        match self.expected.remove(&call) {
            Some(expected) => compare(call, &expected, heard),
            // The journal's failure says nothing of the outcome.
            None if *heard == Err(Fault::JournalFailed) => Ok(()),
            None if self.calls.iter().any(waits) => {
                self.early.insert(call, heard.clone());
                Ok(())
            }
            None => Err(Wrong(format!("call {call} was heard before it was durable: {heard:?}"))),
        }
    }

    /// Forgets calls whose answers nobody will hear, and all that was decided after `last_seq`, which a crash took.
    pub fn crashed(&mut self, last_seq: u64) {
        self.expected.clear();
        self.early.clear();
        self.calls.retain(|call| call.span.before < last_seq && call.span.after > call.span.before);
        for call in &mut self.calls {
            call.cut = true;
            call.span.after = call.span.after.min(last_seq);
        }
        if last_seq < self.seq && self.wrong.is_none() {
            self.wrong = Some(Wrong(format!("{} was durable, and the journal ends at {last_seq}", self.seq)));
        }
        self.ended = Some(last_seq);
        self.catch_up();
    }

    /// After a restart nothing is decided before the latest decision that was found.
    fn note_restart(&mut self) {
        if self.ended == Some(self.seq) && self.calls.iter().all(|call| !call.cut) {
            self.ended = None;
            self.state.floor = self.state.last_at.values().copied().max().unwrap_or_default();
        }
    }

    /// Predicts every call whose records are all there.
    fn catch_up(&mut self) {
        self.note_restart();
        while let Some(call) = self.calls.front()
            && call.span.before <= self.seq
            && call.span.after <= self.seq
            && self.wrong.is_none()
        {
            let Some(call) = self.calls.pop_front() else { return };
            let written = std::mem::take(&mut self.written);
            if let Err(Wrong(text)) = self.predict(&call, &written) {
                let Call { no, span, asked, .. } = call;
                self.wrong = Some(Wrong(format!("call {no}, {span:?}\n  {asked:?}\n{text}")));
            }
            self.note_restart();
        }
    }

    fn predict(&mut self, call: &Call, written: &[(u64, Vec<u8>)]) -> Result<(), Wrong> {
        let mut entries = Vec::with_capacity(written.len());
        for (seq, bytes) in written {
            let (stamp, record, _) =
                codec::decode(bytes).map_err(|damage| Wrong(format!("record {seq}: {damage:?}")))?;
            entries.push((*seq, stamp, record));
        }
        let mut w = Written::new(&entries, call.span.now);
        let expected = match self.decide(call, &mut w) {
            Ok(expected) => expected,
            Err(Off::Short(_)) if call.cut => return Ok(()),
            Err(Off::Short(what)) => Expected::OnlyAFault(what),
            Err(Off::Wrong(text)) => return Err(Wrong(text)),
        };
        if let Some((seq, _, record)) = w.peek() {
            return Err(Wrong(format!("{expected:?} was predicted; record {seq} is more: {record:?}")));
        }
        if let Some(late) = self.state.behind().filter(|_| !call.cut) {
            return Err(Wrong(late));
        }
        match self.early.remove(&call.no) {
            Some(heard) => return compare(call.no, &expected, &heard),
            None if call.cut => {}
            None => drop(self.expected.insert(call.no, expected)),
        }
        Ok(())
    }

    fn decide(&mut self, call: &Call, w: &mut Written<'_>) -> Result<Expected, Off> {
        let (state, now) = (&mut self.state, w.now);
        let found = match &call.asked {
            Asked::BlockPayee(id) => {
                let replayed = state.block_payee(*id, w)?;
                let first = if replayed == Ok(false) { call.span.before + 1 } else { 1 };
                return Ok(within(first..=call.span.after, replayed, |replayed| {
                    Some(Told::Payee(Answer { value: state.payee(*id)?, seq: 0, replayed }))
                }));
            }
            Asked::MoveDeposit { deposit, to } => {
                let replayed = state.move_deposit(*deposit, *to, w)?;
                let first = if replayed == Ok(false) { call.span.after } else { 1 };
                return Ok(within(first..=call.span.after, replayed, |replayed| {
                    Some(Told::Deposit(Answer { value: state.deposit(*deposit)?, seq: 0, replayed }))
                }));
            }
            Asked::Debit(ask) => state.debit(ask, w)?.map(Told::Debit),
            Asked::Batch(asks) => Ok(Told::Batch(state.batch(asks, w)?)),
            Asked::OpenWriter(id) => state.open_writer(*id, w)?.map(|(id, epoch)| Told::Writer { id, epoch }),
            Asked::Position { session, writer, epoch } => {
                state.position((*session, *writer, *epoch), w)?.map(Told::Position)
            }
            Asked::Settle { session, cascade } => {
                let found = state.settle(*session, *cascade, w)?;
                if let Ok(answer) = &found
                    && answer.value.settlement().is_none()
                {
                    // Where nothing was written, it is the last of whatever the shard has.
                    let (first, last) = match answer.seq {
                        0 => (1, call.span.before),
                        seq => (seq, seq),
                    };
                    let guarded = state.guarded(*session, now);
                    return Ok(Expected::Waiting(Told::Settle(answer.clone()), first..=last, guarded));
                }
                found.map(Told::Settle)
            }
            Asked::Control { on, to, epoch, note } => {
                return Ok(match state.set_control((on, *to, *epoch, note), w)? {
                    Ok((value, seq, replayed)) => {
                        let seqs = match (on, seq) {
                            (_, 0) => 1..=call.span.after,
                            // Heard when every partition knows.
                            (Stopped::FrontEnd(_), seq) => seq..=call.span.after,
                            (_, seq) => seq..=seq,
                        };
                        Expected::Within(Told::Control(Answer { value, seq: 0, replayed }), seqs)
                    }
                    Err(refusal) => Expected::Exactly(Err(Fault::Refused(refusal))),
                });
            }
            Asked::ShowAccount(id) => {
                state.account(*id).map(Told::AccountShown).ok_or(Refusal::UnknownAccount)
            }
            Asked::ShowPayee(id) => state.payee(*id).map(Told::PayeeShown).ok_or(Refusal::UnknownPayee),
            Asked::ShowSession(id) => {
                state.session(*id, now).map(Told::SessionShown).ok_or(Refusal::UnknownSession)
            }
            Asked::ShowSettlement(id) => {
                let settled = state.sessions.get(&id.session()).and_then(|row| row.settled.clone());
                settled.map(Told::SettlementShown).ok_or(Refusal::UnknownSettlement)
            }
            Asked::LookUpKey { session, key } => {
                Ok(Told::Known(state.known(*session, &Named::Key(key.clone()))))
            }
            Asked::LookUpNumber { session, writer, number } => {
                let at = Numbered { writer: *writer, epoch: 0, number: *number, acked_through: 0 };
                Ok(Told::Known(state.known(*session, &Named::Number(at))))
            }
            Asked::Totals => Ok(Told::Totals(state.totals(call.span.before))),
            keyed => state.keyed(keyed, w)?,
        };
        let shown = found.as_ref().ok().and_then(view).map(|view| state.guarded(view.id, now));
        let found = found.map_err(Fault::Refused);
        Ok(match shown {
            Some(guarded) => Expected::Shown(found, guarded),
            None => Expected::Exactly(found),
        })
    }

    /// Follows a record that no call wrote.
    fn by_itself(&mut self, seq: u64, stamp: &Stamp, record: &Record<'_>) -> Result<(), Wrong> {
        let state = &mut self.state;
        let done = match record {
            Record::Genesis(_) if seq == 1 => {
                state.floor = stamp.at;
                state.last_at.insert(stamp.partition, stamp.at);
                Ok(())
            }
            // A crash came between a payee's home and those that it had to tell.
            Record::PayeeNoticed(is) => state
                .check_time(seq, stamp, None)
                .and_then(|()| state.noticed(seq, stamp.partition, is.id, is)),
            Record::ControlSet(is) => state.told_again(seq, stamp, is),
            record => state.carried(&(seq, *stamp, record.clone()), None),
        };
        done.map_err(|off| match off {
            Off::Wrong(text) | Off::Short(text) => Wrong(format!("nobody asked: {text}")),
        })
    }
}

/// Returns the last seq that an answer to a debit or a batch names; `None` for other answers.
fn last_seq(told: &Told) -> Option<u64> {
    match told {
        Told::Debit(answer) => Some(answer.seq),
        Told::Batch(results) => results.iter().flatten().map(|outcome| outcome.seq).max().or(Some(0)),
        _ => None,
    }
}

fn compare(no: CallNo, expected: &Expected, heard: &Heard) -> Result<(), Wrong> {
    let told = |text: String| Err(Wrong(format!("call {no} heard\n  {heard:?}\n{text}")));
    match (expected, heard) {
        // A fault of the storage leaves no outcome.
        (_, Err(Fault::JournalFailed | Fault::Storage(_))) => Ok(()),
        (Expected::Exactly(should), heard) => {
            if comparable(filled(should.clone(), heard)) == comparable(heard.clone()) {
                return Ok(());
            }
            told(format!("predicted was\n  {should:?}"))
        }
        (Expected::Shown(should, guarded), heard) => {
            let shown = heard.as_ref().ok().and_then(view).is_some_and(|view| guarded.is_in(view));
            if comparable(should.clone()) == comparable(heard.clone()) && shown {
                return Ok(());
            }
            told(format!("predicted was\n  {should:?}\n  with {guarded:?}"))
        }
        (Expected::Waiting(Told::Settle(should), seqs, guarded), Ok(Told::Settle(heard))) => {
            let shown = match &heard.value.session {
                SessionShown::Open(view) => guarded.is_in(view),
                SessionShown::Settled(_) => false,
            };
            let again = Answer { seq: should.seq, ..heard.clone() };
            let [should, again] = [should.clone(), again].map(|one| comparable(Ok(Told::Settle(one))));
            if should == again && seqs.contains(&heard.seq) && shown {
                return Ok(());
            }
            told(format!("predicted was, at {seqs:?}\n  {should:?}\n  with {guarded:?}"))
        }
        (Expected::Waiting(should, ..), _) => told(format!("predicted was\n  {should:?}")),
        (Expected::Within(should, seqs), Ok(heard)) if is_within(should, seqs, heard) => Ok(()),
        (Expected::Within(should, seqs), _) => told(format!("predicted was, at {seqs:?}\n  {should:?}")),
        (Expected::OnlyAFault(what), _) => told(format!("though {what}")),
    }
}

/// Takes what nobody but the engine knows from what was heard.
fn filled(mut should: Heard, heard: &Heard) -> Heard {
    if let (Ok(Told::Debit(should)), Ok(Told::Debit(heard))) = (&mut should, heard)
        && let (Some(should), Some(heard)) = (&mut should.decline, heard.decline)
        && should.next == WHATEVER
    {
        should.next = heard.next;
    }
    should
}

fn within(
    seqs: RangeInclusive<u64>,
    replayed: Result<bool, Refusal>,
    told: impl FnOnce(bool) -> Option<Told>,
) -> Expected {
    match replayed.map(told) {
        Ok(Some(told)) => Expected::Within(told, seqs),
        Ok(None) => Expected::OnlyAFault("what was changed is not there".into()),
        Err(refusal) => Expected::Exactly(Err(refusal.into())),
    }
}

fn is_within(should: &Told, seqs: &RangeInclusive<u64>, heard: &Told) -> bool {
    match (should, heard) {
        (Told::Payee(a), Told::Payee(b)) => {
            seqs.contains(&b.seq) && (&a.value, a.replayed) == (&b.value, b.replayed)
        }
        (Told::Deposit(a), Told::Deposit(b)) => {
            let bare = |answer: &Answer<DepositAnswer>| Answer { seq: 0, ..answer.clone() };
            let [a, bare_b] = [bare(a), bare(b)].map(|one| comparable(Ok(Told::Deposit(one))));
            seqs.contains(&b.seq) && a == bare_b
        }
        (Told::Control(a), Told::Control(b)) => {
            seqs.contains(&b.seq) && (&a.value, a.replayed) == (&b.value, b.replayed)
        }
        _ => false,
    }
}

/// Returns the open session that an answer shows.
fn view(told: &Told) -> Option<&SessionView> {
    let shown = match told {
        Told::SessionShown(shown) => shown,
        Told::TopUp(answer) => &answer.value.session,
        Told::Reverse(answer) => &answer.value.session,
        Told::Settle(answer) => &answer.value.session,
        Told::Open(Answer { value: OpenAnswer::Opened(view), .. }) => return Some(view),
        _ => return None,
    };
    match shown {
        SessionShown::Open(view) => Some(view),
        SessionShown::Settled(_) => None,
    }
}

/// Takes away what is not compared: the words in which a refusal states its rule, of which the field is what counts; and what
/// is compared apart: what few sessions have.
fn comparable(heard: Heard) -> Heard {
    let bare = |refusal: Refusal| match refusal {
        Refusal::Malformed { field, .. } => words::malformed(field),
        other => other,
    };
    match heard {
        // A currency of which every book is empty may be told or not.
        Ok(Told::Totals(mut totals)) => {
            totals.books.retain(|_, books| books.iter().any(|nanos| *nanos != 0));
            Ok(Told::Totals(totals))
        }
        Ok(Told::Batch(results)) => {
            Ok(Told::Batch(results.into_iter().map(|one| one.map_err(bare)).collect()))
        }
        Err(Fault::Refused(refusal)) => Err(Fault::Refused(bare(refusal))),
        Ok(mut told) => {
            match &mut told {
                Told::SessionShown(shown) => unguard(shown),
                Told::AccountShown(account) => account.velocity = Box::default(),
                Told::Account(answer) => answer.value.velocity = Box::default(),
                Told::Deposit(answer) => answer.value.account.velocity = Box::default(),
                Told::Withdraw(answer) => answer.value.account.velocity = Box::default(),
                Told::TopUp(answer) => unguard(&mut answer.value.session),
                Told::Reverse(answer) => unguard(&mut answer.value.session),
                Told::Settle(answer) => unguard(&mut answer.value.session),
                Told::Open(Answer { value: OpenAnswer::Opened(view), .. }) => bare_view(view),
                _ => {}
            }
            Ok(told)
        }
        heard => heard,
    }
}

fn unguard(shown: &mut SessionShown) {
    if let SessionShown::Open(view) = shown {
        bare_view(view);
    }
}

fn bare_view(view: &mut SessionView) {
    (view.guard, view.velocity) = (None, Vec::new());
}
