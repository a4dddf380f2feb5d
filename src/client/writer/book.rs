//! Owns: the numbers of a writer, and every debit until its answer was heard.
//! Never: waits, or speaks to the server: it says what to send and is told what came back.

use super::{
    BATCH_DEBITS_MAX, UNANSWERED_MAX,
    debit::{Answer, Debit, Verdict},
    tables::Tables,
};
use crate::{
    ClientError, SessionId,
    ids::IdMap,
    v1::{BatchResult, DebitBatch, WriterPosition},
};
use std::collections::VecDeque;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

type Reply = oneshot::Sender<Result<Vec<Answer>, ClientError>>;

/// Holds one batch from its `submit` to its last answer.
#[derive(Debug)]
pub(super) struct Entry {
    batch_id: u64,
    /// True from sending until an answer to it came or the stream was lost.
    awaited: bool,
    items: Vec<Item>,
    reply: Reply,
    _room: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Item {
    debit: Debit,
    number: u64,
    answer: Option<Answer>,
}

/// Stands for one session in this writer's count.
#[derive(Debug, Default)]
struct Place {
    /// The last number given to a debit.
    last_number: u64,
    /// All answers up to this number were heard.
    heard_through: u64,
    /// Debits without an answer.
    unanswered: usize,
    /// A number was given to a debit that was then refused for good, so the count has a hole to close.
    holed: bool,
}

/// Numbers debits and keeps them until they are answered.
#[derive(Debug, Default)]
pub(super) struct Book {
    places: IdMap<SessionId, Place>,
    entries: VecDeque<Entry>,
    /// Debits in `entries`.
    kept: usize,
    batches_sent: u64,
    stalled: bool,
}

impl Entry {
    pub(super) fn new(debits: Vec<Debit>, reply: Reply, room: OwnedSemaphorePermit) -> Self {
        let items = debits.into_iter().map(|debit| Item { debit, number: 0, answer: None }).collect();
        Self { batch_id: 0, awaited: false, items, reply, _room: room }
    }

    fn finish(self) {
        let answers = self.items.into_iter().filter_map(|item| item.answer).collect();
        // A caller that no longer waits has chosen not to hear.
        let _ = self.reply.send(Ok(answers));
    }
}

impl Book {
    /// Numbers a batch, keeps it, and returns what to send.
    pub(super) fn accept(&mut self, mut entry: Entry) -> DebitBatch {
        for item in &mut entry.items {
            // A debit with a key has no number: it is sent again under its key, and no place is asked for it.
            if item.debit.is_numbered() {
                let place = place_mut(&mut self.places, &item.debit.session);
                place.last_number += 1;
                place.unanswered += 1;
                item.number = place.last_number;
            }
        }
        let batch = compose(&self.places, &mut entry, &mut self.batches_sent);
        self.kept += entry.items.len();
        self.entries.push_back(entry);
        batch
    }

    /// Returns whether another batch may go out.
    ///
    /// Not while something must go out again first; and not when an unanswered debit could fall out of the window of
    /// answers that a server remembers for one writer in one session, since its answer could not be heard again then.
    pub(super) fn takes_more(&self) -> bool {
        !self.stalled && self.kept + BATCH_DEBITS_MAX <= UNANSWERED_MAX
    }

    /// Returns whether any batch was sent and not answered yet.
    pub(super) fn awaits(&self) -> bool {
        self.entries.iter().any(|entry| entry.awaited)
    }

    /// Returns whether something must go out again before anything new may.
    pub(super) fn is_stalled(&self) -> bool {
        self.stalled
    }

    /// Returns whether every debit was answered.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Notes that no answer will come on the old stream.
    pub(super) fn lose(&mut self) {
        for entry in &mut self.entries {
            entry.awaited = false;
        }
        self.stalled = true;
    }

    /// Takes the results of the oldest batch awaited.
    ///
    /// *Errors*: results out of order, or of other debits; refusals that end the stream or the writer.
    pub(super) fn hear(&mut self, heard: BatchResult) -> Result<(), ClientError> {
        let BatchResult { batch_id, results } = heard;
        let Some(index) = self.entries.iter().position(|entry| entry.awaited) else {
            return Err(ClientError::contradiction(format!("batch {batch_id} was answered twice")));
        };
        let entry = &mut self.entries[index];
        let unanswered = entry.items.iter().filter(|item| item.answer.is_none()).count();
        if entry.batch_id != batch_id || unanswered != results.len() {
            let (ours, theirs) = (entry.batch_id, results.len());
            let message = format!(
                "batch {ours} of {unanswered} debits was awaited, and {theirs} results of batch {batch_id} came"
            );
            return Err(ClientError::Contradiction { message });
        }
        entry.awaited = false;
        let mut again = false;
        let open = entry.items.iter_mut().filter(|item| item.answer.is_none());
        for (item, result) in open.zip(results) {
            let verdict = Verdict::read(result, &item.debit)?;
            again |= if item.debit.is_numbered() {
                !place_mut(&mut self.places, &item.debit.session).hear(item, verdict)?
            } else {
                !item.hear_by_key(verdict)
            };
        }
        self.stalled |= again;
        if !again && let Some(entry) = self.entries.remove(index) {
            self.kept -= entry.items.len();
            entry.finish();
        }
        Ok(())
    }

    /// Returns the sessions whose place must be asked before anything goes out again.
    pub(super) fn sessions_in_doubt(&self) -> Vec<String> {
        let in_doubt = |place: &Place| place.unanswered > 0 || place.holed;
        let mut sessions: Vec<String> = self
            .places
            .iter()
            .filter(|(_, place)| in_doubt(place))
            .map(|(session, _)| session.as_str().to_owned())
            .collect();
        sessions.sort_unstable();
        sessions
    }

    /// Takes the server's word on where the writer stands, and returns everything unanswered, to be sent in this order.
    ///
    /// What was decided keeps its number and comes back as a replay. What was not takes the next numbers in the same
    /// order: the server fenced older streams before it answered, so nothing of them can still be decided.
    ///
    /// *Errors*: a server that forgot what it had answered, or counted what was never sent.
    pub(super) fn resume(&mut self, positions: Vec<WriterPosition>) -> Result<Vec<DebitBatch>, ClientError> {
        for position in positions {
            self.resume_session(position)?;
        }
        for entry in &mut self.entries {
            for item in
                entry.items.iter_mut().filter(|item| item.answer.is_none() && item.debit.is_numbered())
            {
                place_mut(&mut self.places, &item.debit.session).renumber(item);
            }
        }
        self.stalled = false;
        self.finish_answered();
        let Self { places, entries, batches_sent, .. } = self;
        Ok(entries.iter_mut().map(|entry| compose(places, entry, batches_sent)).collect())
    }

    /// Drops the place of a session that has nothing unanswered.
    pub(super) fn forget(&mut self, session: &SessionId) {
        if self.places.get(session).is_some_and(|place| place.unanswered == 0) {
            self.places.remove(session);
        }
    }

    /// Tells every waiting caller why there will be no answer.
    pub(super) fn fail(&mut self, error: &ClientError) {
        self.kept = 0;
        for entry in self.entries.drain(..) {
            // A caller that no longer waits has chosen not to hear.
            let _ = entry.reply.send(Err(error.clone()));
        }
    }

    fn resume_session(&mut self, position: WriterPosition) -> Result<(), ClientError> {
        let WriterPosition { session_id, last_number, refused } = position;
        let session = SessionId::new(&session_id);
        if let Some(refused) = refused {
            let verdict = Verdict::refused(refused.refusal(), refused.message)?;
            return self.refuse_session(&session, &verdict);
        }
        let place = place_mut(&mut self.places, &session);
        if last_number < place.heard_through || last_number > place.last_number {
            let (heard, sent) = (place.heard_through, place.last_number);
            return Err(ClientError::Contradiction {
                message: format!(
                    "{session} stands at number {last_number}, but {heard} were answered and {sent} were sent"
                ),
            });
        }
        // From here the count goes on after what was decided; `renumber` moves it on.
        place.last_number = last_number;
        place.holed = false;
        Ok(())
    }

    /// Answers all that is open in a session which cannot be resumed.
    fn refuse_session(&mut self, session: &SessionId, verdict: &Verdict) -> Result<(), ClientError> {
        let (Verdict::Decided(answer) | Verdict::Undecided(answer)) = verdict else {
            return Err(ClientError::lost(format!("the place in {session} is not known yet")));
        };
        let open = self.entries.iter_mut().flat_map(|entry| &mut entry.items);
        let counted = |item: &&mut Item| item.answer.is_none() && item.debit.is_numbered();
        for item in open.filter(counted).filter(|item| item.debit.session == *session) {
            item.answer = Some(answer.clone());
        }
        self.places.remove(session);
        Ok(())
    }

    fn finish_answered(&mut self) {
        for entry in std::mem::take(&mut self.entries) {
            if entry.items.iter().all(|item| item.answer.is_some()) {
                self.kept -= entry.items.len();
                entry.finish();
            } else {
                self.entries.push_back(entry);
            }
        }
    }
}

impl Item {
    /// Takes the verdict on a debit with a key; returns false when it must go out again.
    fn hear_by_key(&mut self, verdict: Verdict) -> bool {
        match verdict {
            Verdict::Again => false,
            Verdict::Decided(answer) | Verdict::Undecided(answer) => {
                self.answer = Some(answer);
                true
            }
        }
    }
}

impl Place {
    /// Takes one verdict; returns false when the debit must go out again.
    fn hear(&mut self, item: &mut Item, verdict: Verdict) -> Result<bool, ClientError> {
        match verdict {
            Verdict::Again => return Ok(false),
            Verdict::Decided(answer) => {
                if item.number != self.heard_through + 1 {
                    let (number, heard) = (item.number, self.heard_through);
                    let message = format!("number {number} was decided, but answers are heard up to {heard}");
                    return Err(ClientError::Contradiction { message });
                }
                self.heard_through = item.number;
                item.answer = Some(answer);
            }
            Verdict::Undecided(answer) => {
                self.holed = true;
                item.answer = Some(answer);
            }
        }
        self.unanswered -= 1;
        Ok(true)
    }

    /// Gives the next number to a debit that the server has not decided; one that it has keeps its own.
    ///
    /// Numbers are given in order and the decided ones come first, so a number at or below the count was decided.
    fn renumber(&mut self, item: &mut Item) {
        if item.number > self.last_number {
            self.last_number += 1;
            item.number = self.last_number;
        }
    }
}

/// Finds a session's place; the id is cloned only for a new one.
fn place_mut<'a>(places: &'a mut IdMap<SessionId, Place>, session: &SessionId) -> &'a mut Place {
    places.entry_ref(session).or_default()
}

/// Writes the unanswered debits of an entry as a message, and marks it awaited.
fn compose(places: &IdMap<SessionId, Place>, entry: &mut Entry, batches_sent: &mut u64) -> DebitBatch {
    *batches_sent += 1;
    entry.batch_id = *batches_sent;
    entry.awaited = true;
    let mut tables = Tables::default();
    let open = entry.items.iter().filter(|item| item.answer.is_none());
    let debits = open
        .map(|item| {
            // Only what was heard before this message is acknowledged; once a session and message is enough.
            let heard_through = || places.get(&item.debit.session).map_or(0, |place| place.heard_through);
            tables.point(&item.debit, item.number, heard_through)
        })
        .collect();
    tables.into_batch(entry.batch_id, debits)
}
