//! Owns: the follower: from its cursor it reads groups, never past what is durable, and files what they come to; one `step`
//! at a time.
//! Never: reads an undurable record; goes on past a group that does not follow; moves the cursor apart from its data.

use crate::{
    begin,
    filing::Filing,
    gather::Gathered,
    kind::{head::Head, payee, reversal},
    lookup::Lookups,
    recall,
    shared::Shared,
};
use std::{ops::ControlFlow, sync::Arc, time::Duration};
use tallystick_core::{Amount, Span};
use tallystick_journal::{Chain, Checkpoints, GroupView, Journal, NeededFrom, ProjectionStore, StorageFault};

/// Says what a step did, for logs and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stepped {
    /// All up to here can be looked up.
    pub cursor: u64,
    /// How far that is behind what is durable.
    pub lag: u64,
    /// Records read.
    pub records: u64,
    /// Bytes written, about.
    pub bytes: u64,
}

/// Tells somebody what happens inside. Every method may do nothing.
pub trait Events: Send + Sync {
    /// The projection's own thread begins, and calls this: it may be told to give way to those who decide.
    fn begins(&self) {}
    /// A step is done.
    fn stepped(&self, step: &Stepped) {
        let _ = step;
    }
    /// What was stored speaks of another journal and is derived anew, from the journal's beginning.
    fn begun_anew(&self, finding: &str) {
        let _ = finding;
    }
    /// The projection follows no further before a restart.
    fn stopped(&self, fault: &StorageFault) {
        let _ = fault;
    }
}

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Events for Silent {}

/// Is what a follower stands on, all of it handed in.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "traits without it")]
pub struct Parts {
    /// What is followed.
    pub journal: Arc<dyn Journal>,
    /// Where what was trimmed is known from, as far as it is.
    pub checkpoints: Arc<dyn Checkpoints>,
    /// What is derived.
    pub store: Arc<dyn ProjectionStore>,
    /// Who trims the journal asks here.
    pub needed_from: Arc<NeededFrom>,
    /// Who is told.
    pub events: Arc<dyn Events>,
}

/// Is what an operator may choose.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long after a settlement its keys and numbers are found at once; its debits are for good.
    pub retry_window: Span,
    /// How many records one step takes, about: more of them make fuller chunks.
    pub step_records: u64,
    /// How many bytes of the journal one step takes, about: bounds its memory.
    pub step_bytes: usize,
    /// How many bytes of a settling session are read, and written again, at a time, about.
    pub piece_bytes: usize,
    /// After how many written bytes they are made to survive a power cut. The journal is kept until then.
    pub sync_bytes: u64,
    /// How long at most a follower that has caught up lets records gather, unless somebody waits for them: the more are
    /// filed at one go, the less each of them costs. It is how old what is not looked for may grow.
    pub pause: Duration,
    /// How many bytes of the journal should gather in a pause; more than that make pauses shorter. Few enough that the
    /// journal still has them in memory.
    pub gather_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            retry_window: Span::from_days(7),
            step_records: 262_144,
            step_bytes: 16 << 20,
            piece_bytes: 1 << 20,
            sync_bytes: 32 << 20,
            pause: Duration::from_millis(100),
            gather_bytes: 4 << 20,
        }
    }
}

/// Says what a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Something was written; there may be more.
    Followed,
    /// There is nothing to do.
    Idle,
}

/// Follows the journal.
#[expect(missing_debug_implementations, reason = "as `Parts`")]
pub struct Follower {
    parts: Parts,
    pub(crate) options: Options,
    pub(crate) shared: Arc<Shared>,
    /// `None` before the first group is there.
    head: Option<Head>,
    unsynced_bytes: u64,
    /// Something may be due to go.
    is_due: bool,
    /// What the last step took.
    pub(crate) gathered: Gathered,
}

impl Follower {
    /// Takes up where it left off, or begins at the journal's first group. Done before anybody may trim the journal.
    ///
    /// If what is stored speaks of another journal (one that lost its tail, or was put back), it begins anew, as long as
    /// the journal has all of its past. *Errors*: the disk's; `Corrupt` if a new beginning would lose something: it is for
    /// an operator to say so, with `rebuild`.
    pub fn open(parts: Parts, options: Options) -> Result<Self, StorageFault> {
        let mut head = Head::load(parts.store.as_ref())?;
        if let Some(stored) = &head
            && let Some(finding) = begin::differs(parts.journal.as_ref(), stored)?
        {
            let first = begin::group_at(parts.journal.as_ref(), 0)?;
            if first.is_some_and(|first| first.first_seq > 1) {
                return Err(StorageFault::Corrupt { place: "projection head".into(), finding });
            }
            parts.events.begun_anew(&finding);
            parts.store.clear()?;
            head = None;
        }
        // What was read back just now is what survived.
        parts.needed_from.set(head.map_or(1, |head| head.cursor.saturating_add(1)));
        let shared = Arc::new(Shared::new(head.as_ref()));
        Ok(Self {
            parts,
            options,
            shared,
            head,
            unsynced_bytes: 0,
            is_due: true,
            gathered: Gathered::default(),
        })
    }

    /// Removes all that is stored, and begins anew with what the journal still has.
    pub fn rebuild(parts: Parts, options: Options) -> Result<Self, StorageFault> {
        parts.store.clear()?;
        Self::open(parts, options)
    }

    /// Returns what answers look-ups.
    pub fn lookups(&self) -> Lookups {
        Lookups::new(&self.parts.store, &self.shared)
    }

    /// Returns up to where it has followed.
    pub fn cursor(&self) -> u64 {
        self.head.map_or(0, |head| head.cursor)
    }

    /// Follows some of what is durable: up to `durable` and about `Options::step_records`.
    /// *Errors*: the disk's; `Corrupt`, naming the place. The cursor stays, and another step may try again.
    pub fn step(&mut self, durable: u64) -> Result<Step, StorageFault> {
        let Some(head) = self.begin()? else { return Ok(Step::Idle) };
        self.gathered.begin(head.latest);
        let chain = self.read(&head, durable)?;
        let gathered = &mut self.gathered;
        if gathered.records == 0 && !self.is_due {
            return Ok(Step::Idle);
        }
        let next = Head {
            cursor: chain.last_seq(),
            check: chain.check(),
            seed: gathered.seed.unwrap_or(head.seed),
            latest: gathered.latest,
            ..head
        };
        assert!(
            next.cursor >= head.cursor,
            "bug: the cursor ran back from {} to {}",
            head.cursor,
            next.cursor
        );
        let mut filing = Filing::new(self.parts.store.as_ref(), head, &self.options);
        file(gathered, &mut filing)?;
        // What this step files may be due as well: the next one sees to that.
        self.is_due = recall::drop_due(&mut filing, next.latest)? || gathered.records > 0;
        if gathered.records == 0 && filing.is_empty() {
            return Ok(Step::Idle);
        }
        let (records, bytes) = (gathered.records, filing.finish(&next)?);
        self.moved(next, bytes)?;
        let lag = durable.saturating_sub(next.cursor);
        self.parts.events.stepped(&Stepped { cursor: next.cursor, lag, records, bytes });
        Ok(Step::Followed)
    }

    /// Makes all that was followed survive a power cut, and lets go of the journal up to there.
    pub fn sync(&mut self) -> Result<(), StorageFault> {
        if self.unsynced_bytes > 0 {
            self.parts.store.sync()?;
            self.unsynced_bytes = 0;
        }
        // ORDER: the journal is let go of only when what was derived from it is durable.
        self.parts.needed_from.set(self.cursor() + 1);
        Ok(())
    }

    pub(crate) fn events(&self) -> &dyn Events {
        self.parts.events.as_ref()
    }

    fn begin(&mut self) -> Result<Option<Head>, StorageFault> {
        if self.head.is_none()
            && let Some((head, entries)) =
                begin::begin(self.parts.journal.as_ref(), self.parts.checkpoints.as_ref())?
        {
            self.parts.store.write(&entries)?;
            self.head = Some(head);
            self.parts.needed_from.set(head.cursor + 1);
        }
        Ok(self.head)
    }

    /// Reads the groups after the head, as long as they are durable and there is room in a step.
    fn read(&mut self, head: &Head, durable: u64) -> Result<Chain, StorageFault> {
        let Self { parts, options, gathered, .. } = self;
        let mut chain = Chain::default();
        if head.cursor > 0 {
            chain.extend(head.cursor, head.check);
        }
        if head.cursor >= durable {
            return Ok(chain);
        }
        parts.journal.read(head.cursor + 1, &mut |key, bytes| {
            let group = GroupView::parse(key, bytes)?;
            if group.last_seq() <= head.cursor {
                return Ok(ControlFlow::Continue(()));
            }
            // ORDER: a group that is in the journal may not be durable yet; the watermark alone says.
            if group.last_seq() > durable {
                return Ok(ControlFlow::Break(()));
            }
            chain.accept(&group)?;
            group.skim(|seq, stamp, record| gathered.take(seq, stamp, record))?;
            gathered.bytes += bytes.len();
            let is_enough = gathered.records >= options.step_records || gathered.bytes >= options.step_bytes;
            Ok(if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(chain)
    }

    fn moved(&mut self, head: Head, bytes: u64) -> Result<(), StorageFault> {
        self.head = Some(head);
        // ORDER: what holds for the whole index is there before anybody is told that it can be asked.
        self.shared.begun(&head);
        self.shared.cursor.advance(head.cursor);
        self.unsynced_bytes += bytes;
        if self.unsynced_bytes >= self.options.sync_bytes { self.sync() } else { Ok(()) }
    }
}

pub(crate) fn file(gathered: &mut Gathered, filing: &mut Filing<'_>) -> Result<(), StorageFault> {
    for ((partition, slot), id) in &gathered.payees {
        filing.put(payee::entry(*partition, *slot, *id));
    }
    gathered.sessions(|touched| filing.file(touched))?;
    for ((at, seq), sum) in &gathered.reversed {
        let before = reversal::find(filing.store, *at, *seq)?;
        filing.put(reversal::entry(*at, *seq, before.checked_add(*sum).unwrap_or(Amount::MAX)));
    }
    Ok(())
}
